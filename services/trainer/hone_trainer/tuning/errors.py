"""Why a model was not tuned. Each says what to do next, in one line."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hone_trainer.errors import TrainerError

_MOST_CHARS = 1000


class TuningError(TrainerError):
    """The model was not tuned. What is named in it comes from files of strangers: one printable line is kept."""

    def __init__(self, code: str, detail: str, status: int = 422) -> None:
        line = "".join(char if char.isprintable() else "?" for char in detail)[:_MOST_CHARS]
        super().__init__(f"tuning_{code}", "The model was not tuned", line, status)


def _short(value: object) -> str:
    return "not told" if value is None else str(value)[:100]


# The process and its order


class SpecInvalid(TuningError):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__("spec_invalid", f"{path}: {reason}; correct the spec")
        self.path = path


class Cancelled(TuningError):
    """It was asked to end: SIGTERM or SIGINT. What was learned lies in a checkpoint."""

    def __init__(self) -> None:
        super().__init__(
            "cancelled", "it was asked to end; started again, it goes on from its checkpoint", 499
        )


class PhaseMissing(TuningError):
    """What an earlier phase should have written is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__("phase_missing", f"{path} is not there; run the phases in their order")
        self.path = path


# The base


class BaseUnfit(TuningError):
    """The folder is no base that can be tuned and deployed as it is."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__("base_unfit", f"{folder} {reason}")
        self.folder = folder


# The data


class RowsInvalid(TuningError):
    """A file of rows, or one of its rows, is not what it should be. ``row`` counts lines from 1."""

    def __init__(self, path: Path, row: int | None, reason: str) -> None:
        where = f"{path}, row {row}" if row else str(path)
        super().__init__("rows_invalid", f"{where}: {reason}; correct the file")
        self.path, self.row = path, row


class TemplateUnfit(TuningError):
    """The base's chat template is not one that its model can be taught with."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "template_unfit",
            f"the base's chat template {reason}; take the model's instruct version with its own template",
        )


class TemplateDiffers(TuningError):
    """The engine reads a conversation otherwise than it was read for training."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            "template_differs",
            f"{detail}: what is trained would not be what is asked. Take a base whose tokenizer and chat template "
            "the engine knows",
        )


class TokenisingStopped(TuningError):
    """One of the processes that read the rows was ended from outside, most likely for want of memory."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            "tokenising_stopped",
            f"a process that was reading {path} was ended; free memory, and start again",
            503,
        )


# The course


class Diverged(TuningError):
    """Loss or gradient stopped being a number, again after going back and lowering the rate."""

    def __init__(self, step: int, total: int, rollbacks: int) -> None:
        super().__init__(
            "diverged",
            f"loss or gradient is not finite at step {step} of {total}, also after going back {rollbacks} times to "
            "the last checkpoint with half the rate; lower learning_rate, or look for damaged rows",
        )
        self.step, self.rollbacks = step, rollbacks


class NothingTrained(TuningError):
    def __init__(self, reason: str) -> None:
        super().__init__("nothing_trained", reason)


# Checkpoints


class ResumeDiffers(TuningError):
    """A checkpoint is whole, and of a run that is not this one. ``then`` is what it has, ``now`` what the run has."""

    def __init__(self, folder: Path, what: str, then: object, now: object) -> None:
        super().__init__(
            "resume_differs",
            f"{folder} is of another run: {what} was {_short(then)} and is {_short(now)} now; give what it was, or "
            f"remove {folder.parent} to begin anew",
            409,
        )
        self.folder, self.what, self.then, self.now = folder, what, then, now


class TakenUpByAnother(TuningError):
    """A later worker of the run has written a checkpoint already."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            "taken_up_by_another",
            f"{folder} is of a later worker of this run, and this one ends; nothing is to be done",
            409,
        )
        self.folder = folder


# Several processes, and where the run is written down


class LauncherMissing(TuningError):
    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            "launcher_missing",
            f"{package} is not installed; `pip install 'hone-trainer[{extra}]'` adds it, or use launcher=torchrun",
            503,
        )


class LauncherFailed(TuningError):
    def __init__(self, launcher: str, reason: str) -> None:
        super().__init__(
            "launcher_failed",
            f"{launcher} did not start the processes that were to train together: {reason[:400]}; see that its "
            "cluster is up and has room, and resume the run, or use launcher=torchrun",
            503,
        )


class ProcessesLost(TuningError):
    """Some of the processes that train together ended without a word: killed, or out of memory."""

    def __init__(self, lost: str) -> None:
        super().__init__(
            "processes_lost",
            f"of the processes that train together {lost} ended without a word (killed? out of memory?); resume the "
            "run, it goes on from its checkpoint",
            500,
        )


class TrackerMissing(TuningError):
    def __init__(self, package: str, setting: str) -> None:
        super().__init__(
            "tracker_missing",
            f"{setting} is set and {package} is not installed; `pip install {package}` adds it, or leave {setting} "
            "out: metrics.jsonl and run.json are always written",
            503,
        )


# Reading and writing folders of weights


class FolderUnreadable(TuningError):
    """A file of a model or an adapter is missing, damaged, or no such file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__("folder_unreadable", f"{path} {reason}; get the model again")
        self.path = path


class DiskFull(TuningError):
    def __init__(self, folder: Path, needed_bytes: int) -> None:
        super().__init__(
            "disk_full",
            f"{folder} has no room for {needed_bytes / 1e9:.2f} GB; make room on that disk, and resume the run: "
            "nothing half-written was left behind",
            507,
        )
        self.folder, self.needed_bytes = folder, needed_bytes


class NotWritten(TuningError):
    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            "not_written", f"{path} could not be written: {error}; see to its disk and resume the run", 500
        )
        self.path = path


# Merging


class AdapterUnfit(TuningError):
    """The adapter is none that can be merged exactly."""

    def __init__(self, adapter: Path, reason: str) -> None:
        super().__init__(
            "adapter_unfit", f"the adapter {adapter} {reason}; train a new one with the method lora or qlora"
        )
        self.adapter = adapter


class AdapterOfAnotherBase(TuningError):
    def __init__(self, adapter: Path, base: Path, reason: str) -> None:
        super().__init__(
            "adapter_of_another_base",
            f"the adapter {adapter} is not of the base {base}: {reason}; name the base it was trained on, or train "
            "a new one",
        )
        self.adapter, self.base = adapter, base


class BaseQuantized(TuningError):
    def __init__(self, base: Path, method: str) -> None:
        super().__init__(
            "base_quantized",
            f"the base {base} is quantized already ({method}): what is learned would be rounded away in it; name "
            "the original model in 16 bits (`--set checkpoint=OWNER/NAME`). Training itself may use 4 bits: that "
            "is the method qlora",
        )
        self.base, self.method = base, method


class MergeOverflows(TuningError):
    def __init__(self, tensor: str, dtype: str) -> None:
        super().__init__(
            "merge_overflows",
            f"{tensor} would not be finite in {dtype} with the adapter merged into it; train again with a lower "
            "learning rate",
        )
        self.tensor = tensor


# What was made is not good enough to be shipped


class NotHealthy(TuningError):
    def __init__(self, reason: str) -> None:
        super().__init__("not_healthy", f"the tuned model is not healthy: {reason}")


class FileNotTheModel(TuningError):
    """The GGUF file holds other tensors than the model that it was made of."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__("file_not_the_model", f"{path} {reason}; have it converted again")
        self.path = path


class _TooLossy(TuningError):
    """``loss`` nats a trained token were lost on the held-out set, where ``limit`` are allowed."""

    def __init__(self, code: str, told: str, loss: float, limit: float) -> None:
        super().__init__(code, told)
        self.loss, self.limit = loss, limit


class MergeLoses(_TooLossy):
    def __init__(self, adapter: float, merged: float, limit: float) -> None:
        super().__init__(
            "merge_loses",
            f"merging raises the held-out loss from {adapter:.4f} to {merged:.4f} nats a token, and {limit:g} more "
            "are allowed (merge_tolerance); take a base in bf16 or fp32, or train again with a lower learning rate",
            merged - adapter,
            limit,
        )


class FourBitsLose(_TooLossy):
    """The adapter makes up for what 4 bits lost of its base, and on the base as it was that is one too many."""

    def __init__(self, trained: float, adapter: float, limit: float) -> None:
        super().__init__(
            "four_bits_lose",
            f"on the base in 16 bits the held-out loss is {adapter:.4f} nats a token, on that in 4 bits, where the "
            f"adapter was trained, {trained:.4f}, and {limit:g} more are allowed (quantization_tolerance); train "
            "with the method lora",
            adapter - trained,
            limit,
        )


class QuantizationLoses(_TooLossy):
    def __init__(self, quantization: str, adapter: float, shipped: float, limit: float) -> None:
        super().__init__(
            "quantization_loses",
            f"{quantization} raises the held-out loss from {adapter:.4f} to {shipped:.4f} nats a token, and "
            f"{limit:g} more are allowed (quantization_tolerance); choose a finer one (`--set quantization=q8_0`)",
            shipped - adapter,
            limit,
        )


class ForgotTooMuch(TuningError):
    def __init__(self, what: str) -> None:
        super().__init__(
            "forgot_too_much",
            f"{what} (forgetting_tolerance); train with fewer epochs, a lower learning rate, or more replayed "
            "examples",
        )


# KTO


class OneSided(TuningError):
    """KTO learns from the difference between two sides."""

    def __init__(self, good: int, bad: int) -> None:
        thumb, label = ("down", "false") if good else ("up", "true")
        super().__init__(
            "one_sided",
            f"the data has {good} good and {bad} bad answers to train on, and KTO needs both: give thumbs {thumb} or "
            f'add rows with "label": {label}, or train with the method lora',
        )
        self.good, self.bad = good, bad


# The machine


class NotEnoughMemory(TuningError):
    """``peak_bytes`` are predicted, ``free_bytes`` are there. ``ways`` would make it fit, or come nearer."""

    def __init__(self, device: str, peak_bytes: int, free_bytes: int, ways: Sequence[str]) -> None:
        super().__init__(
            "not_enough_memory",
            f"training is predicted to take {peak_bytes / 1e9:.2f} GB of {device} memory, and "
            f"{free_bytes / 1e9:.2f} GB are free: {'; '.join(ways) or 'free some, or take a smaller base'}. "
            "`--set force=true` tries it all the same",
        )
        self.peak_bytes, self.free_bytes, self.ways = peak_bytes, free_bytes, tuple(ways)


class NotEnoughDisk(TuningError):
    """``parts`` say what would be written, in bytes."""

    def __init__(self, folder: Path, parts: Mapping[str, int], free_bytes: int) -> None:
        needed = sum(parts.values())
        told = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in parts.items())
        super().__init__(
            "not_enough_disk",
            f"the run will write {needed / 1e9:.2f} GB ({told}) to the disk of {folder}, which has "
            f"{free_bytes / 1e9:.2f} GB free: make room, keep fewer checkpoints (`--set keep_checkpoints=1`), or "
            "take a smaller quantization",
            507,
        )
        self.parts, self.free_bytes = dict(parts), free_bytes

"""Why the trainer cannot do what was asked."""

from collections.abc import Sequence
from typing import Any

from hone_chassis import Permanent, Transient
from hone_contracts.errors import ErrorBody
from hone_contracts.training import Method

ADD_PACKAGES = "make train-deps"


class TrainerError(Permanent):
    """The request cannot be met by this trainer as it is installed."""


class PackagesMissing(TrainerError):
    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(
            "training_packages_missing",
            "Packages that training needs are not installed",
            f"{', '.join(missing)}: `{ADD_PACKAGES}`, run where Hone was cloned, adds what is missing (gigabytes, on "
            "Linux); the method few_shot needs none of them",
            503,
        )
        self.missing = tuple(missing)


class NotThereYet(TrainerError):
    def __init__(self, method: Method) -> None:
        super().__init__(
            "not_there_yet",
            "Not there yet",
            f"this worker cannot train by {method}: it is of another version of Hone than who asked for it",
            501,
        )
        self.method = method


class TooFewExamples(TrainerError):
    def __init__(self, artifact_type: str, there: int, needed: int) -> None:
        super().__init__(
            "too_few_examples",
            "Too few examples",
            f"{there} good examples of {artifact_type} are in the pool, a run needs {needed}: give feedback on more "
            "answers (`hone feedback`), or name a file of examples (`--dataset`)",
            409,
        )
        self.there, self.needed = there, needed


class RunUnderWay(TrainerError):
    def __init__(self, artifact_type: str, run_id: str) -> None:
        super().__init__(
            "run_under_way",
            "A run is under way",
            f"{run_id} trains {artifact_type}: wait for it (`hone jobs watch {run_id}`) or cancel it",
            409,
        )
        self.run_id = run_id


class NoSuchRun(TrainerError):
    def __init__(self, run_id: str) -> None:
        super().__init__("no_such_run", "There is no such run", f"no run {run_id[:80]!r}", 404)


class NotRepeatable(TrainerError):
    def __init__(self, run_id: str, reason: str) -> None:
        super().__init__(
            "not_repeatable",
            "The run cannot be repeated",
            f"{run_id}: {reason}; runs by lora, qlora and kto that succeeded can be repeated (`hone jobs ls`)",
            409,
        )
        self.run_id = run_id


class NoSuchDataset(TrainerError):
    def __init__(self, dataset: str, reason: str = "no dataset's digest begins so") -> None:
        super().__init__("no_such_dataset", "There is no such dataset", f"{dataset[:80]!r}: {reason}", 404)


class NextStepLost(TrainerError):
    """A run waited for another service's word that never came."""

    def __init__(self, state: str, limit_s: float) -> None:
        super().__init__(
            "next_step_lost",
            "The run was given up",
            f"it was {state} and nothing was heard for {limit_s:g} s; `hone status` and `hone dead ls` show what is "
            "wrong. Its examples went back to the pool",
            504,
        )


class DatasetBad(TrainerError):
    """The quality gates found errors. ``report`` names the rows, ``examples`` those of the pool with the reason."""

    def __init__(self, summary: str, report: dict[str, Any], examples: dict[str, str]) -> None:
        super().__init__(
            "dataset_bad",
            "The dataset has errors",
            f"{summary}; the examples that are named were taken out of the pool, the others went back",
            422,
            {"report": report},
        )
        self.report, self.examples = report, examples


class TooAlike(TrainerError):
    def __init__(self, train: int, held_out: int) -> None:
        super().__init__(
            "examples_too_alike",
            "The examples cannot be split",
            f"kept apart from near-duplicates, {train} are left to train on and {held_out} to hold out: give "
            "feedback on answers to more different requirements",
            409,
        )


class NothingToTeach(TrainerError):
    """No example can be said in what the model reads and writes."""

    def __init__(self, reasons: dict[str, int]) -> None:
        told = "; ".join(f"{reason} ({count})" for reason, count in sorted(reasons.items())[:5])
        super().__init__(
            "nothing_to_teach",
            "The examples say nothing that the model can be taught",
            f"{told or 'there are none'}: another method may (`hone train --method few_shot`)",
            422,
        )
        self.reasons = reasons


class BaseUnknown(TrainerError):
    """There is no file of weights to begin with."""

    def __init__(self, model: str, uri: str | None) -> None:
        super().__init__(
            "base_unknown",
            "The model's weights are not there",
            f"{model} has {uri or 'no file'}, and weights can be changed of a GGUF file of Hone's own models on this "
            "machine alone: `hone train --method few_shot` changes none",
            422,
        )
        self.uri = uri


class FileRefused(TrainerError):
    """A file of examples cannot be taken in as a whole."""

    def __init__(self, detail: str) -> None:
        super().__init__("file_refused", "The file was not taken in", detail, 422)


class BadSetting(TrainerError):
    def __init__(self, detail: str) -> None:
        super().__init__("bad_setting", "A setting of the run cannot be", detail, 422)


class Superseded(TrainerError):
    """The run has ended, or another worker has taken it up: what this one made is dropped."""

    def __init__(self, run_id: str) -> None:
        super().__init__("superseded", "The run is another's", run_id, 409)


class ProcessFailed(TrainerError):
    """The process that changes weights ended with an error of its own, or without a word."""

    def __init__(self, body: ErrorBody) -> None:
        super().__init__(body.code, body.title, body.detail, body.status, body.fields)


class ProcessDied(Transient):
    """The process that changes weights was ended from outside: the run goes on from its checkpoint."""

    def __init__(self, body: ErrorBody) -> None:
        super().__init__(body.code, body.title, body.detail, body.status, body.fields)


class RunEnded(TrainerError):
    def __init__(self, run_id: str, state: str) -> None:
        super().__init__(
            "run_ended", "The run has ended", f"{run_id} {state}: start another (`hone train`)", 409
        )
        self.run_id, self.state = run_id, state


class NotSteerable(TrainerError):
    """What was asked of a run does not fit where it is, or what its method can."""

    def __init__(self, run_id: str, reason: str) -> None:
        super().__init__(
            "not_steerable",
            "The run cannot do that now",
            f"{reason} (`hone jobs show {run_id}`, `hone jobs cancel {run_id}`)",
            409,
        )
        self.run_id = run_id

"""Every number and choice of a LoRA, QLoRA or KTO run: range, unit and reason, and where its value came from.

`resolve` puts layers of values over the defaults: a method's own, a file's, `--set`, the API's, and at last what was
picked for this machine and data where the value was `auto`. It imports no torch, so that a wrong setting is refused
before there is a job.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hone_contracts.hub import Quantization
from hone_trainer.errors import BadSetting
from hone_trainer.tuning.words import allowed, quoted, shown

Auto = Literal["auto"]
TunedMethod = Literal["lora", "qlora", "kto"]
TUNED: tuple[TunedMethod, ...] = ("lora", "qlora", "kto")
Device = Literal["cpu", "cuda", "mps"]
Dtype = Literal["fp32", "bf16", "fp16"]

FROM = "_from"
"""The key beside flat settings that says which layer each came from: ``{"rank": "set"}``. No setting is named so."""

_MOST_MODULES = 200


def _modules(value: object) -> object:
    """Names separated by commas, as `--set targets=q_proj,v_proj` and the API's plain values have them."""
    if isinstance(value, str) and value != "all-linear":
        return tuple(part.strip() for part in value.split(","))
    return tuple(value) if isinstance(value, list) else value


_Module = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$", max_length=100)]
_Modules = Annotated[tuple[_Module, ...], Field(min_length=1, max_length=_MOST_MODULES)]


class Settings(BaseModel):
    """What decides what is learned, and how it fits. ``Decided`` is the same with no ``auto`` left in what a step
    needs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    # The adapter
    rank: int = Field(
        default=16, ge=4, le=256,
        description="columns of each adapter matrix; below 4 a convention is not learned, above 256 the adapter "
        "costs more than it learns",
    )  # fmt: skip
    alpha: float = Field(
        default=32.0, gt=0, le=1024,
        description="the adapter's output times alpha/rank (alpha/sqrt(rank) with rsLoRA); twice the rank is usual",
    )  # fmt: skip
    dropout: float = Field(
        default=0.0, ge=0, lt=0.5,
        description="share of the adapter's inputs that are dropped; a few hundred examples and early stopping need "
        "none, and without it a run can be repeated whatever the batches' shapes",
    )  # fmt: skip
    use_dora: bool = Field(
        default=False, description="magnitude apart from direction (Liu et al. 2024); slower by about half"
    )
    use_rslora: bool = Field(
        default=False, description="scale by alpha/sqrt(rank) (Kalajdzievski 2023); for ranks above 64"
    )
    targets: Annotated[Literal["all-linear"] | _Modules, BeforeValidator(_modules)] = Field(
        default="all-linear",
        description="names of the modules that are adapted; all linear ones but the head learn more than attention "
        "alone at the same size",
    )

    # The optimizer
    learning_rate: float = Field(
        default=2e-4, gt=0, le=0.1,
        description="AdamW's highest, after the warm-up; see the method's own range",
    )  # fmt: skip
    warmup_share: float = Field(
        default=0.05, ge=0, le=0.5,
        description="of the steps, over which the rate rises: AdamW's second moments begin at nothing",
    )  # fmt: skip
    min_rate_share: float = Field(
        default=0.1, ge=0, le=1,
        description="of the highest rate, at which the cosine ends; 1 keeps the rate constant",
    )  # fmt: skip
    weight_decay: float = Field(
        default=0.0, ge=0, le=0.5, description="a step's share; an adapter of low rank is held back already"
    )
    adam_beta1: float = Field(default=0.9, ge=0, lt=1, description="memory of AdamW's mean")
    adam_beta2: float = Field(
        default=0.999, ge=0.5, lt=1,
        description="memory of AdamW's variance; 0.95 to 0.99 for runs of few hundred steps that jump",
    )  # fmt: skip
    clip_norm: float = Field(
        default=1.0, gt=0, le=100, description="longest gradient of a step; a longer one is shortened to it"
    )

    # The course
    epochs: float = Field(
        default=3.0, gt=0, le=100,
        description="how often each example is read; the best checkpoint is kept, so more costs time alone",
    )  # fmt: skip
    batch: int = Field(
        default=16, ge=1, le=4096,
        description="sequences a step, over all processes and however they are cut into micro-batches",
    )  # fmt: skip
    micro_tokens: Annotated[int, Field(ge=32, le=1 << 20)] | Auto = Field(
        default="auto",
        description="padded tokens that go through the model at once; changes memory and speed, not what is learned",
    )
    most_tokens: Annotated[int, Field(ge=32, le=1 << 20)] | Auto = Field(
        default="auto",
        description="of one sequence; a longer one is left out and told, never cut. auto: what the base was made "
        "for, 4096 at most",
    )
    packing: bool | Auto = Field(
        default="auto",
        description="several sequences in a row, blind to each other: less padding, same losses",
    )
    held_out_share: float = Field(
        default=0.1, ge=0, le=0.5,
        description="of the groups, never trained on, where no held-out file is given; they choose the checkpoint",
    )  # fmt: skip
    replay_share: float = Field(
        default=0.5, ge=0, le=0.9,
        description="of all rows, how many are of the corpus that made Hone's own model, where that is the base; "
        "fewer, and it forgets relations",
    )  # fmt: skip
    eval_every: Annotated[int, Field(ge=1, le=1_000_000)] | Auto = Field(
        default="auto", description="steps between two measures of the held-out loss; auto: 8 in a run"
    )
    save_every: Annotated[int, Field(ge=1, le=1_000_000)] | Auto = Field(
        default="auto", description="steps between two checkpoints: what a killed worker loses at most"
    )
    keep_checkpoints: int = Field(
        default=2, ge=1, le=100, description="newest checkpoints on the disk, beside the best one"
    )
    seed: int = Field(
        default=1, ge=0, lt=1 << 31, description="of the adapter's start, the order, and dropout"
    )
    time_limit_s: float = Field(
        default=72 * 3600.0, gt=0, le=60 * 24 * 3600.0,
        description="seconds, past which the run ends early and keeps its best checkpoint",
    )  # fmt: skip

    # The machine
    device: Device | Auto = Field(default="auto", description="auto: cuda, else mps, else cpu")
    dtype: Dtype | Auto = Field(
        default="auto",
        description="what the model computes in; auto: bf16 on a card that has it, else fp16, and fp32 on CPU and "
        "MPS. The adapter itself is kept in fp32",
    )
    four_bit: bool | Auto = Field(
        default="auto",
        description="the frozen base in NF4 with double quantization (Dettmers et al. 2023); auto: where it does "
        "not fit otherwise",
    )
    checkpointing: bool | Auto = Field(
        default="auto",
        description="activations are computed again instead of kept: a third slower, a fraction of the memory",
    )
    threads: Annotated[int, Field(ge=1, le=512)] | Auto = Field(
        default="auto",
        description="of the CPU; auto: one below 200 MB of weights, as more would wait for each other, else all that "
        "this process may use. Another number is another sum",
    )
    processes: int = Field(default=1, ge=1, le=64, description="on each machine; one a card")
    nodes: int = Field(default=1, ge=1, le=256, description="machines that train together")
    launcher: Literal["none", "torchrun", "ray"] = Field(
        default="none", description="what starts several processes; one process needs none"
    )
    rendezvous: Annotated[str, Field(pattern=r"^[A-Za-z0-9._\[\]:-]+:\d{1,5}$", max_length=200)] | None = (
        Field(default=None, description="host:port of the first machine, where several are to meet")
    )

    # What is made of it
    checkpoint: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        default=None,
        description="the base's 16-bit weights, where the registry does not know them: owner/name on Hugging Face, "
        "or a folder",
    )
    quantization: Quantization | Auto = Field(
        default="auto",
        description="of the file that is served; auto: q8_0, which loses nothing that can be measured, q4_k_m from 4 "
        "GB of weights on, f16 for Hone's own model",
    )
    merge_tolerance: float = Field(
        default=0.01, ge=0, le=10,
        description="nats a trained token that merging may lose on the held-out set; 16-bit merges lose 0.0001",
    )  # fmt: skip
    quantization_tolerance: float = Field(
        default=0.05, ge=0, le=10,
        description="nats a trained token that the served file may lose to the adapter; q8_0 loses 0.001, "
        "q4_k_m 0.03",
    )  # fmt: skip
    forgetting_tolerance: float = Field(
        default=0.05, ge=0, le=1, description="share of the general probes that may be lost against the base"
    )

    # KTO (Ethayarajh et al. 2024)
    kto_beta: float = Field(
        default=0.1,
        gt=0,
        le=10,
        description="how much being away from the base costs; more stays nearer to it",
    )
    kto_good_weight: Annotated[float, Field(gt=0, le=100)] | Auto = Field(
        default="auto", description="of answers that people were for; auto: both sides weigh about the same"
    )
    kto_bad_weight: Annotated[float, Field(gt=0, le=100)] | Auto = Field(
        default="auto", description="of answers that people were against; auto: as above"
    )

    # Where it is written down, beside the run's own files
    mlflow_uri: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(
        default=None, description="an MLflow server or folder that the run is logged to as well"
    )
    tensorboard: bool = Field(default=False, description="write TensorBoard's files beside the run's own")

    force: bool = Field(
        default=False, description="go on beyond a method's own range, or although it is predicted not to fit"
    )


class Decided(Settings):
    """Settings of which nothing that a step needs is ``auto``."""

    micro_tokens: int
    most_tokens: int
    packing: bool
    eval_every: int
    save_every: int
    device: Device
    dtype: Dtype
    four_bit: bool
    checkpointing: bool
    threads: int


DECIDED_NAMES = tuple(Decided.__annotations__)


@dataclass(frozen=True)
class Range:
    """Where a method's setting may be unless it is forced."""

    low: float
    high: float
    reason: str


METHOD_DEFAULTS: Mapping[TunedMethod, Mapping[str, Any]] = {
    "lora": {},
    "qlora": {"four_bit": True},
    "kto": {"learning_rate": 1e-5, "epochs": 1.0},
}
_ADAPTER_RATE = Range(
    2e-5, 1e-3, "an adapter learns nothing in a few hundred steps below it, and forgets or diverges above it"
)
METHOD_RANGES: Mapping[TunedMethod, Mapping[str, Range]] = {
    "lora": {"learning_rate": _ADAPTER_RATE},
    "qlora": {"learning_rate": _ADAPTER_RATE},
    "kto": {
        "learning_rate": Range(
            5e-7, 1e-4, "the authors stay below 5e-6 for all weights, and adapters bear some ten times that"
        ),
        "batch": Range(4, 4096, "the distance from the base is estimated from the other answers of a batch"),
    },
}


@dataclass(frozen=True)
class Layer:
    """Values from one place: ``file:NAME.yaml``, ``set``, ``api``, ``auto``."""

    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Resolved:
    """The settings, and for each the layer that its value came from."""

    method: TunedMethod
    settings: Settings
    sources: Mapping[str, str]

    def picked(self, **values: Any) -> "Resolved":
        """With values for what was ``auto``; what somebody chose stays. Raises BadSetting."""
        free = {name: value for name, value in values.items() if getattr(self.settings, name) == "auto"}
        return _checked(
            self.method, self.settings.model_dump() | free, dict(self.sources) | dict.fromkeys(free, "auto")
        )

    def decided(self) -> Decided:
        """Raises BadSetting when something that a step needs is still ``auto``."""
        left = [name for name in DECIDED_NAMES if getattr(self.settings, name) == "auto"]
        if left:
            raise BadSetting(f"{', '.join(left)}: still auto, and nothing picked a value")
        return Decided.model_validate(self.settings.model_dump())

    def record(self) -> dict[str, Any]:
        """For prepared.json and run.json: each setting with its value and its source."""
        values = self.settings.model_dump(mode="json")
        return {name: {"value": value, "from": self.sources[name]} for name, value in values.items()}

    def table(self) -> str:
        """The resolved set for a person, a line each: name, value, source; what was set first."""
        values = self.settings.model_dump(mode="json")
        rows = [(name, shown(values[name]), self.sources[name]) for name in values]
        rows.sort(key=lambda row: row[2] in ("defaults", "method"))
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        return "\n".join(f"{name:{widths[0]}}  {value:{widths[1]}}  {source}" for name, value, source in rows)


def resolve(method: TunedMethod, *layers: Layer) -> Resolved:
    """The settings of a run; later layers win. Raises BadSetting, which names each wrong setting with its value, its
    range, the reason for it, and where the value came from."""
    values = {name: field.default for name, field in Settings.model_fields.items()}
    sources = dict.fromkeys(values, "defaults")
    for layer in (Layer("method", METHOD_DEFAULTS[method]), *layers):
        _known(layer)
        values |= layer.values
        sources |= dict.fromkeys(layer.values, layer.name)
    return _checked(method, values, sources)


def layers_of(told: Mapping[str, Any]) -> tuple[Layer, ...]:
    """Settings as a run was told them: flat, with the layers of some under ``FROM``, all else from the API."""
    origins = told.get(FROM) or {}
    if not isinstance(origins, Mapping):
        raise BadSetting(f"{FROM}: names no layers")
    layers: dict[str, dict[str, Any]] = {}
    for name, value in told.items():
        if name != FROM:
            layers.setdefault(str(origins.get(name, "api"))[:200], {})[name] = value
    return tuple(Layer(name, values) for name, values in layers.items())


def with_origins(values: Mapping[str, Any], origins: Mapping[str, str]) -> dict[str, Any]:
    """What `layers_of` reads."""
    named = {name: origin for name, origin in origins.items() if name in values}
    return {**values, FROM: named} if named else dict(values)


def file_layer(name: str) -> str:
    """The name of the layer that a settings file is."""
    return f"file:{PurePath(name).name}"


def _known(layer: Layer) -> None:
    for name in layer.values:
        if name not in Settings.model_fields:
            near = difflib.get_close_matches(name, Settings.model_fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(Settings.model_fields)}"
            raise BadSetting(f"{quoted(name)} (from {layer.name}) is no setting of this method: {hint}")


def _checked(method: TunedMethod, values: Mapping[str, Any], sources: Mapping[str, str]) -> Resolved:
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        wrong = dict.fromkeys(str(each["loc"][0]) for each in error.errors(include_url=False))
        raise BadSetting("; ".join(_refusal(name, values[name], sources[name]) for name in wrong)) from None
    if problems := list(_beyond_method(method, settings, sources)):
        raise BadSetting("; ".join(problems))
    if problems := list(_at_odds(method, settings)):
        raise BadSetting("; ".join(problems))
    return Resolved(method, settings, sources)


def _refusal(name: str, value: object, source: str) -> str:
    field = Settings.model_fields[name]
    return (
        f"{name}: {quoted(value)} (from {source}) must be {' or '.join(allowed(field.annotation, field.metadata))}"
        f" ({field.description})"
    )


def _beyond_method(method: TunedMethod, settings: Settings, sources: Mapping[str, str]) -> Iterable[str]:
    if settings.force:
        return
    for name, its in METHOD_RANGES[method].items():
        value = getattr(settings, name)
        if not its.low <= value <= its.high:
            yield (
                f"{name}: {value:g} (from {sources[name]}) must be {its.low:g} to {its.high:g} for {method} "
                f"({its.reason}); `--set force=true` goes beyond"
            )


def _at_odds(method: TunedMethod, settings: Settings) -> Iterable[str]:
    """Settings that contradict each other."""
    if method == "qlora" and settings.four_bit is False:
        yield "four_bit: false, and qlora is LoRA on a base of 4 bit; the method lora has 16 bit"
    if settings.device == "mps" and settings.four_bit is True:
        yield "four_bit: true needs bitsandbytes, which has nothing for mps; use device=cpu or the method lora"
    if settings.device in ("cpu", "mps") and settings.dtype == "fp16":
        yield f"dtype: fp16 overflows on {settings.device}, use fp32 or bf16"
    world = settings.processes * settings.nodes
    if world > 1 and settings.launcher == "none":
        yield f"launcher: none starts one process, and processes x nodes is {world}; use torchrun or ray"
    if settings.nodes > 1 and settings.launcher == "torchrun" and settings.rendezvous is None:
        yield "rendezvous: several nodes need the host:port where they meet"
    if settings.batch < world:
        yield f"batch: {settings.batch} sequences are fewer than the {world} processes"
    if settings.targets != "all-linear":
        whole = {"lm_head", "embed_tokens", "wte", "embed_out"} & {
            name.rpartition(".")[2] for name in settings.targets
        }
        if whole:
            yield f"targets: {', '.join(sorted(whole))} may be tied to each other, and an adapter on one unties them"

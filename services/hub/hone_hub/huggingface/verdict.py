"""Whether a model can be used here, and why not: told from what the hub says, before anything is downloaded."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from hone_contracts.huggingface import Verdict
from hone_hub.convertible import CONVERTIBLE, OLLAMA_IMPORTS, needs_own_code

_EMBED = frozenset(
    {
        "bert",
        "nomic-bert",
        "nomic-bert-moe",
        "jina-bert-v2",
        "jina-bert-v3",
        "modern-bert",
        "t5encoder",
        "neo-bert",
    }
)
_NO_TEXT = frozenset({"clip", "wavtokenizer-dec", "mmproj"})
_QUANTIZED = {
    "gptq": "GPTQ", "awq": "AWQ", "bitsandbytes": "bitsandbytes", "exl2": "EXL2", "fp8": "FP8",
    "compressed-tensors": "compressed",
}  # fmt: skip
_NOT_TEXT = frozenset(
    {
        "text-to-image", "image-classification", "image-to-image", "automatic-speech-recognition", "text-to-speech",
        "feature-extraction", "sentence-similarity", "fill-mask", "text-classification", "token-classification",
        "object-detection", "image-segmentation", "text-to-video", "audio-classification", "translation",
    }
)  # fmt: skip
LOOK_FOR_GGUF = "look for a GGUF of it (`hone hub search NAME GGUF`)"


@dataclass(frozen=True)
class Known:
    """What is known of a repository. ``architecture`` is the GGUF's own, ``names`` those of a config.json."""

    gguf: bool = False
    safetensors: bool = False
    pickle: bool = False
    adapter: bool = False
    architecture: str | None = None
    names: tuple[str, ...] = ()
    quantization: str | None = None
    own_code: bool = False
    library: str | None = None
    task: str | None = None
    gguf_problem: str = ""


def judge(known: Known) -> tuple[Verdict, str]:
    """The verdict, and the reason, which says what to do instead where it is bad."""
    if known.gguf:
        return _of_gguf(known)
    if known.adapter:
        return "unsupported", "this is an adapter (LoRA): merge it into its base and convert that"
    if known.safetensors:
        return _of_safetensors(known)
    if known.pickle:
        return (
            "unsupported",
            f"its weights are pickles, which run code when they are opened: {LOOK_FOR_GGUF}, or one with safetensors",
        )
    if known.library == "diffusers" or known.task in _NOT_TEXT:
        return "unsupported", f"this model is for {known.task or 'images'}, and not for text"
    return "unsupported", f"it has neither GGUF nor safetensors weights: {LOOK_FOR_GGUF}"


def _of_gguf(known: Known) -> tuple[Verdict, str]:
    name = known.architecture
    if known.gguf_problem:
        return "unsupported", f"its GGUF files cannot be used: {known.gguf_problem}"
    if name is None:
        return "runs", "GGUF, of an architecture that only its header tells: see `hone hub inspect`"
    if name in _EMBED:
        return "unsupported", f"the architecture {name} makes vectors of text, and no text"
    if name in _NO_TEXT:
        return "unsupported", f"these are {name} files, which stand beside a model"
    if name not in architectures():
        return (
            "unsupported",
            f"the engines do not know the architecture {name[:40]!r}: update them or choose another",
        )
    return "runs", f"GGUF of the architecture {name}"


def _of_safetensors(known: Known) -> tuple[Verdict, str]:
    reason = next(_against_converting(known), None)
    if reason is not None:
        return "unsupported", reason
    if known.names[0] in OLLAMA_IMPORTS:
        return "convertible", f"safetensors of {known.names[0]}, which Ollama makes a model of"
    return "convertible", f"safetensors of {known.names[0]}, converted to GGUF on the way"


def _against_converting(known: Known) -> Iterator[str]:
    if known.library == "diffusers" or known.task in _NOT_TEXT:
        yield f"this model is for {known.task or 'images'}, and not for text"
    if known.own_code:
        yield f"it needs code of its own, which Hone does not run: {LOOK_FOR_GGUF}"
    if known.quantization is not None:
        shown = _QUANTIZED.get(known.quantization, known.quantization[:40])
        yield f"it is quantized already ({shown}): take the original, or {LOOK_FOR_GGUF}"
    if known.library == "mlx":
        yield f"its weights are for MLX: take the original, or {LOOK_FOR_GGUF}"
    if len(known.names) != 1:
        yield f"its config.json does not name one architecture: {LOOK_FOR_GGUF}"
    elif known.names[0] not in CONVERTIBLE | OLLAMA_IMPORTS:
        yield f"{known.names[0][:60]} cannot be converted: {LOOK_FOR_GGUF}"


def of_configuration(config: Any) -> dict[str, Any]:
    """``Known`` 's part of a config.json, or of what the hub keeps of it; it is a stranger's."""
    if not isinstance(config, dict):
        return {}
    names, quantization = config.get("architectures"), config.get("quantization_config")
    method = quantization.get("quant_method", "?") if isinstance(quantization, dict) else None
    return {
        "names": tuple(str(name)[:100] for name in names[:3]) if isinstance(names, list) else (),
        "quantization": None if method is None else str(method),
        "own_code": needs_own_code(config),
    }


@cache
def architectures() -> frozenset[str]:
    """Those of llama.cpp, as far as the pinned package knows."""
    import gguf  # noqa: PLC0415 (numpy comes with it)

    return frozenset(gguf.MODEL_ARCH_NAMES.values())

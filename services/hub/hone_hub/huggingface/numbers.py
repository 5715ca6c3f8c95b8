"""A model's numbers: out of a GGUF's header, or of a config.json."""

from collections.abc import Sequence
from typing import Any

from hone_hub.convertible import text_part
from hone_hub.gguf.header import Header
from hone_hub.gguf.hyperparameters import Hyperparameters
from hone_hub.gguf.memory import Cached, cached
from hone_hub.huggingface.memory import Numbers

_MOST = 1 << 31


def of_header(header: Header) -> Numbers:
    read = Hyperparameters.read(header)
    embedding = header.tensors.get("token_embd.weight")
    tied = "output.weight" not in header.tensors and header.tensors
    in_shards = (header.integer("split.count") or 1) > 1
    weights = sum(tensor.weights for tensor in header.tensors.values())
    return Numbers(
        architecture=header.architecture,
        parameters=None if in_shards else weights or None,  # the first shard knows its own tensors only
        layers=read.layers,
        heads=max(read.heads) if read.heads else None,
        kv_heads=max(read.kv_heads) if read.kv_heads else None,
        context=read.context,
        width=read.width or 0,
        ffn=max(read.ffn) if read.ffn else 0,
        vocabulary=read.vocabulary or 0,
        cached=cached(header, read),
        tied_bytes=embedding.size_bytes if embedding is not None and tied else 0,
    )


def of_config(config: dict[str, Any], parameters: int | None) -> Numbers:
    """None where it says nothing, or nonsense: it is a stranger's."""
    config = text_part(config)
    layers, heads = _count(config, "num_hidden_layers"), _count(config, "num_attention_heads")
    width, kv_heads = _count(config, "hidden_size"), _count(config, "num_key_value_heads") or heads
    head_dim = _count(config, "head_dim") or (width // heads if width and heads else None)
    held = Cached(layers * kv_heads * 2 * head_dim) if layers and kv_heads and head_dim else None
    names = config.get("architectures")
    return Numbers(
        architecture=names[0] if isinstance(names, list) and names and isinstance(names[0], str) else None,
        parameters=parameters,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        context=_count(config, "max_position_embeddings"),
        width=width or 0,
        ffn=_count(config, "intermediate_size") or 0,
        vocabulary=_count(config, "vocab_size") or 0,
        cached=held,
    )


def parameters_of(safetensors: Any) -> int | None:
    """Of what the hub says of a repository's safetensors."""
    total = getattr(safetensors, "total", None)
    if isinstance(total, int) and 0 < total < 1 << 50:
        return total
    by_type = getattr(safetensors, "parameters", None)
    counts: Sequence[Any] = list(by_type.values()) if isinstance(by_type, dict) else []
    found = sum(each for each in counts if isinstance(each, int) and each > 0)
    return found if 0 < found < 1 << 50 else None


def _count(config: dict[str, Any], key: str) -> int | None:
    value = config.get(key)
    return value if type(value) is int and 0 < value < _MOST else None

"""Keys whose type a loader relies on. A wrong one throws in llama.cpp, or reads past an array's end."""

from __future__ import annotations

from ..errors import CorruptGGUF
from .format import FLOATS, INTEGERS, ValueType
from .header import Field

_Types = frozenset[ValueType]
_TEXT: _Types = frozenset({ValueType.STRING})
_FLAG: _Types = frozenset({ValueType.BOOL})

_EXACT: dict[str, _Types] = {
    "general.architecture": _TEXT,
    "general.name": _TEXT,
    "general.alignment": frozenset({ValueType.UINT32}),
    "general.file_type": INTEGERS,
    "general.quantization_version": INTEGERS,
    "tokenizer.ggml.model": _TEXT,
    "tokenizer.ggml.pre": _TEXT,
    "tokenizer.chat_template": _TEXT,
    "tokenizer.ggml.add_bos_token": _FLAG,
    "tokenizer.ggml.add_eos_token": _FLAG,
    "tokenizer.ggml.add_space_prefix": _FLAG,
}

_ARRAYS: dict[str, _Types] = {
    "tokenizer.ggml.tokens": _TEXT,
    "tokenizer.ggml.merges": _TEXT,
    "tokenizer.ggml.scores": frozenset({ValueType.FLOAT32}),
    "tokenizer.ggml.token_type": frozenset({ValueType.INT32, ValueType.UINT32}),
}

# After the architecture's name: "llama.block_count".
_BY_SUFFIX: dict[str, _Types] = {
    "context_length": INTEGERS,
    "embedding_length": INTEGERS,
    "block_count": INTEGERS,
    "vocab_size": INTEGERS,
    "attention.key_length": INTEGERS,
    "attention.value_length": INTEGERS,
    "attention.layer_norm_rms_epsilon": FLOATS,
    "rope.dimension_count": INTEGERS,
    "rope.freq_base": FLOATS,
    "rope.scaling.type": _TEXT,
    "rope.scaling.factor": FLOATS,
}

# One number for all layers, or an array with one for each.
_PER_LAYER = frozenset({"attention.head_count", "attention.head_count_kv", "feed_forward_length"})


def check_types(fields: dict[str, Field]) -> None:
    """Raises CorruptGGUF for a well-known key of the wrong type or arrays that do not match each other."""
    architecture = fields.get("general.architecture")
    prefix = f"{architecture.scalar}." if architecture is not None else None
    for key, field in fields.items():
        if key in _EXACT:
            _expect(key, field, _EXACT[key])
        elif key in _ARRAYS:
            _expect_array(key, field, _ARRAYS[key])
        elif key.startswith("tokenizer.ggml.") and key.endswith("_token_id"):
            _expect(key, field, INTEGERS)
        elif prefix and key.startswith(prefix):
            _check_of_architecture(key, key.removeprefix(prefix), field)
    _check_lengths(fields)


def _check_of_architecture(key: str, suffix: str, field: Field) -> None:
    if suffix in _BY_SUFFIX:
        _expect(key, field, _BY_SUFFIX[suffix])
    elif suffix in _PER_LAYER and field.type is ValueType.ARRAY:
        _expect_array(key, field, INTEGERS)
    elif suffix in _PER_LAYER:
        _expect(key, field, INTEGERS)


def _expect(key: str, field: Field, allowed: _Types) -> None:
    if field.type not in allowed:
        raise CorruptGGUF(f"{key} is of type {field.type.name}, expected {_names(allowed)}", field.offset)


def _expect_array(key: str, field: Field, allowed: _Types) -> None:
    if field.type is not ValueType.ARRAY:
        raise CorruptGGUF(f"{key} is of type {field.type.name}, expected an array", field.offset)
    if field.item_type not in allowed:
        name = field.item_type.name if field.item_type is not None else "nothing"
        raise CorruptGGUF(f"{key} is an array of {name}, expected {_names(allowed)}", field.offset)


def _check_lengths(fields: dict[str, Field]) -> None:
    tokens = fields.get("tokenizer.ggml.tokens")
    for key in ("tokenizer.ggml.scores", "tokenizer.ggml.token_type"):
        field = fields.get(key)
        if tokens is not None and field is not None and len(field.items) != len(tokens.items):
            raise CorruptGGUF(
                f"{key} has {len(field.items)} items for {len(tokens.items)} tokens", field.offset
            )


def _names(types: _Types) -> str:
    return " or ".join(sorted(kind.name for kind in types))

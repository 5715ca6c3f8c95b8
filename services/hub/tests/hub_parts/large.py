"""A model whose conversion takes a while: zeros, in a sparse file that takes no room."""

from __future__ import annotations

import json
import shutil
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any

_WIDTH, _FFN = 1024, 4096


def enlarge(small: Path, folder: Path, layers: int = 24) -> Path:
    """A Llama of some 17 million float16 weights a layer, with the tokenizer and the options of ``small``."""
    shutil.copytree(small, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    config |= {
        "hidden_size": _WIDTH,
        "intermediate_size": _FFN,
        "num_hidden_layers": layers,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "head_dim": _WIDTH // 16,
    }
    (folder / "config.json").write_text(json.dumps(config))
    _write_zeros(folder / "model.safetensors", dict(_shapes(layers, config["vocab_size"])))
    return folder


def _shapes(layers: int, vocabulary: int) -> chain[tuple[str, tuple[int, ...]]]:
    weights = (
        (f"model.layers.{layer}.{name}.weight", shape)
        for layer in range(layers)
        for name, shape in _LAYER.items()
    )
    ends = [("model.embed_tokens.weight", (vocabulary, _WIDTH)), ("model.norm.weight", (_WIDTH,))]
    return chain(ends, weights)


_LAYER: dict[str, tuple[int, ...]] = {
    **{f"self_attn.{name}_proj": (_WIDTH, _WIDTH) for name in "qkvo"},
    "mlp.gate_proj": (_FFN, _WIDTH),
    "mlp.up_proj": (_FFN, _WIDTH),
    "mlp.down_proj": (_WIDTH, _FFN),
    "input_layernorm": (_WIDTH,),
    "post_attention_layernorm": (_WIDTH,),
}


def _write_zeros(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """The safetensors format: the header's length in 8 bytes, the header as JSON, the data."""
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}
    encoded = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        file.truncate(8 + len(encoded) + end)

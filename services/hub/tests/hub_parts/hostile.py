"""Writes GGUF headers that say anything, true or not."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

STRING, ARRAY, UINT32, INT32, FLOAT32, BOOL = 8, 9, 4, 5, 6, 7


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def key(name: str | bytes, kind: int, payload: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + payload


def string(name: str, value: str | bytes) -> bytes:
    return key(name, STRING, text(value))


def u32(name: str, value: int) -> bytes:
    return key(name, UINT32, struct.pack("<I", value))


def f32(name: str, value: float) -> bytes:
    return key(name, FLOAT32, struct.pack("<f", value))


def array(name: str, kind: int, items: list[bytes], count: int | None = None) -> bytes:
    head = struct.pack("<IQ", kind, len(items) if count is None else count)
    return key(name, ARRAY, head + b"".join(items))


def tensor(name: str | bytes, shape: list[int], offset: int, kind: int = 0, dims: int | None = None) -> bytes:
    sizes = b"".join(struct.pack("<Q", size) for size in shape)
    head = struct.pack("<I", len(shape) if dims is None else dims)
    return text(name) + head + sizes + struct.pack("<IQ", kind, offset)


TOKENS = [f"t{number}" for number in range(8)]
WIDTH, HEADS, FFN, LAYERS = 8, 2, 16, 2


def llama_keys(layers: int = LAYERS, heads: int = HEADS, tokens: list[str] = TOKENS) -> list[bytes]:
    return [
        string("general.architecture", "llama"),
        string("general.name", "tiny"),
        u32("llama.block_count", layers),
        u32("llama.embedding_length", WIDTH),
        u32("llama.context_length", 64),
        u32("llama.feed_forward_length", FFN),
        u32("llama.attention.head_count", heads),
        f32("llama.attention.layer_norm_rms_epsilon", 1e-5),
        string("tokenizer.ggml.model", "gpt2"),
        string("tokenizer.ggml.pre", "gpt-2"),
        array("tokenizer.ggml.tokens", STRING, [text(token) for token in tokens]),
        array("tokenizer.ggml.token_type", INT32, [struct.pack("<i", 1)] * len(tokens)),
        array("tokenizer.ggml.merges", STRING, [text("t 0")]),
        u32("tokenizer.ggml.eos_token_id", 1),
        key("tokenizer.ggml.add_bos_token", BOOL, b"\0"),
        string("tokenizer.chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}"),
    ]


def llama_shapes(layers: int = LAYERS) -> dict[str, list[int]]:
    shapes = {"token_embd.weight": [WIDTH, len(TOKENS)], "output_norm.weight": [WIDTH]}
    for layer in range(layers):
        for name, shape in {
            "attn_norm": [WIDTH], "attn_q": [WIDTH, WIDTH], "attn_k": [WIDTH, WIDTH], "attn_v": [WIDTH, WIDTH],
            "attn_output": [WIDTH, WIDTH], "ffn_norm": [WIDTH], "ffn_gate": [WIDTH, FFN], "ffn_up": [WIDTH, FFN],
            "ffn_down": [FFN, WIDTH],
        }.items():  # fmt: skip
            shapes[f"blk.{layer}.{name}.weight"] = shape
    return shapes


@dataclass
class Header:
    """Pieces of a file; whatever is not given is true."""

    magic: bytes = b"GGUF"
    version: int = 3
    keys: list[bytes] = field(default_factory=llama_keys)
    tensors: list[bytes] | None = None
    key_count: int | None = None
    tensor_count: int | None = None
    alignment: int = 32
    data: bytes | None = None

    def written(self) -> bytes:
        tensors, data_bytes = laid_out(llama_shapes()) if self.tensors is None else (self.tensors, 4096)
        counts = struct.pack(
            "<QQ",
            len(tensors) if self.tensor_count is None else self.tensor_count,
            len(self.keys) if self.key_count is None else self.key_count,
        )
        head = self.magic + struct.pack("<I", self.version) + counts + b"".join(self.keys) + b"".join(tensors)
        head += b"\0" * (-len(head) % self.alignment)
        return head + (b"\0" * data_bytes if self.data is None else self.data)


def laid_out(shapes: dict[str, list[int]]) -> tuple[list[bytes], int]:
    """F32 tensors back to back at multiples of 32, and the bytes they take."""
    tensors, at = [], 0
    for name, shape in shapes.items():
        tensors.append(tensor(name, shape, at))
        size = 4
        for length in shape:
            size *= length
        at += size + -size % 32
    return tensors, at

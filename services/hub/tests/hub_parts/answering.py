"""Models of a few thousand weights that say one word and stop, whatever they are asked, under any chat template.

The last token alone decides which one comes next: attention and feed-forward are there and write nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np

from hub_parts.starter import STARTER

WORD = "hello"
_CONTEXT = 1024
_NORMAL, _CONTROL = 1, 3


def answering(
    path: Path,
    template: str | None,
    *,
    specials: Sequence[str] = ("<|im_start|>", "<|im_end|>"),
    end: str = "<|im_end|>",
    bos: str | None = None,
    add_bos: bool = False,
    stops: bool = True,
    architecture: str = "llama",
    tensors_each: int = 0,
    width: int = 32,
    layers: int = 1,
    version: str | None = None,
) -> Path:
    """A GGUF. ``specials`` are tokens of their own; without ``stops`` it says its word for ever. With
    ``tensors_each`` it is in shards of so many; the first one is returned."""
    tokens, types, merges = _vocabulary([*specials, end, *([bos] if bos else [])])
    writer = gguf.GGUFWriter(path, architecture, split_max_tensors=tensors_each)
    writer.add_name("answering")
    if version is not None:
        writer.add_version(version)
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(width)
    writer.add_head_count(width // 32)
    writer.add_head_count_kv(width // 32)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_file_type(0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.index(end))
    writer.add_add_bos_token(add_bos)
    if bos:
        writer.add_bos_token_id(tokens.index(bos))
    if template is not None:
        writer.add_chat_template(template)
    for name, values in _weights(tokens, end if stops else WORD, width, layers).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return min(path.parent.glob(f"{path.stem}-00001-of-*.gguf")) if tensors_each else path


def _vocabulary(specials: Sequence[str]) -> tuple[list[str], list[int], list[str]]:
    fields = gguf.GGUFReader(STARTER).fields
    tokens = list(fields["tokenizer.ggml.tokens"].contents())
    types = list(fields["tokenizer.ggml.token_type"].contents())
    for special in dict.fromkeys(specials):
        if special not in tokens:
            tokens.append(special)
            types.append(_CONTROL)
    return [*tokens, WORD], [*types, _NORMAL], list(fields["tokenizer.ggml.merges"].contents())


def _weights(tokens: list[str], then: str, width: int, layers: int) -> dict[str, np.ndarray]:
    """Whatever comes, ``WORD`` follows; after that, ``then``."""
    embedding = np.zeros((len(tokens), width), np.float32)
    output = np.zeros((len(tokens), width), np.float32)
    word = tokens.index(WORD)
    embedding[:, 0], embedding[word] = 1, 0
    embedding[word, 1] = 1
    output[word, 0] = output[tokens.index(then), 1] = 10
    square, ones = np.zeros((width, width), np.float32), np.ones(width, np.float32)
    parts = {
        f"blk.{layer}.{part}.weight": square
        for layer in range(layers)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    }
    norms = {
        f"blk.{layer}.{name}.weight": ones for layer in range(layers) for name in ("attn_norm", "ffn_norm")
    }
    ends = {"token_embd.weight": embedding, "output.weight": output, "output_norm.weight": ones}
    return {**ends, **parts, **norms}

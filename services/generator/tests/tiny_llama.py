"""A real GGUF made on the spot: random weights, so what it says means nothing, and it says it at once."""

from pathlib import Path

import gguf
import numpy as np

CONTEXT_TOKENS = 30_000
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_tokens() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    names = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    return [names[byte] for byte in range(256)]


def write_tiny_llama(path: Path, seed: int = 0, *, pooling: gguf.PoolingType | None = None) -> None:
    """A Llama of about 100,000 random parameters, with a vocabulary of bytes and a ChatML template."""
    width, layers, heads, ffn = 64, 2, 4, 128
    random_floats = np.random.default_rng(seed)
    tokens = [*byte_tokens(), "Ġt", "he", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    types = [gguf.TokenType.NORMAL] * 258 + [gguf.TokenType.CONTROL] * 3
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(CONTEXT_TOKENS)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(["Ġ t", "h e"])
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHATML)
    shapes = {"token_embd": (len(tokens), width)}  # [vocabulary, width]; tied to the output
    for block in range(layers):
        shapes |= {f"blk.{block}.attn_{part}": (width, width) for part in ("q", "k", "v", "output")}
        shapes |= {f"blk.{block}.ffn_{part}": (ffn, width) for part in ("gate", "up")}
        shapes[f"blk.{block}.ffn_down"] = (width, ffn)
    for name, shape in shapes.items():
        scale = 1.0 if name == "token_embd" else 0.3
        writer.add_tensor(f"{name}.weight", (random_floats.standard_normal(shape) * scale).astype(np.float32))
    norms = ["output_norm", *(f"blk.{i}.{n}_norm" for i in range(layers) for n in ("attn", "ffn"))]
    for name in norms:
        writer.add_tensor(f"{name}.weight", np.ones(width, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

"""Conversion of a model of a billion weights beside llama.cpp's own converter, and how fast weights are quantized.

The model is made here: a Llama of random bf16 weights with a small SentencePiece vocabulary. ``--llama-cpp`` names
a checkout of llama.cpp, whose ``convert_hf_to_gguf.py`` is run on the same folder, in turn with ours.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEADS, KV_HEADS, FFN, VOCABULARY = 2048, 32, 8, 8192, 32_000
PIECE = 4 << 20


@dataclass(frozen=True)
class Ran:
    seconds: float
    peak_bytes: int
    size_bytes: int


def tensors(layers: int) -> dict[str, tuple[int, ...]]:
    head = WIDTH // HEADS
    found: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (VOCABULARY, WIDTH),
        "model.norm.weight": (WIDTH,),
        "lm_head.weight": (VOCABULARY, WIDTH),
    }
    for layer in range(layers):
        for name, shape in {
            "input_layernorm": (WIDTH,),
            "post_attention_layernorm": (WIDTH,),
            "self_attn.q_proj": (WIDTH, WIDTH),
            "self_attn.k_proj": (KV_HEADS * head, WIDTH),
            "self_attn.v_proj": (KV_HEADS * head, WIDTH),
            "self_attn.o_proj": (WIDTH, WIDTH),
            "mlp.gate_proj": (FFN, WIDTH),
            "mlp.up_proj": (FFN, WIDTH),
            "mlp.down_proj": (WIDTH, FFN),
        }.items():
            found[f"model.layers.{layer}.{name}.weight"] = shape
    return found


def make(folder: Path, layers: int) -> int:
    """The model; how many weights it has."""
    from hub_parts.pieces import model_file  # noqa: PLC0415

    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(model_file())
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": WIDTH,
        "num_hidden_layers": layers, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "intermediate_size": FFN, "vocab_size": VOCABULARY,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    shapes, entries, at = tensors(layers), dict[str, Any](), 0
    for name, shape in shapes.items():
        size = 2 * prod(shape)
        entries[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(entries).encode()
    noise = np.random.default_rng(0).standard_normal(PIECE // 2).astype(np.float32) * 0.02
    piece = (noise.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for left in range(at, 0, -PIECE):
            file.write(piece[: min(PIECE, left)])
    return at // 2


def run(command: list[str], out: Path) -> Ran:
    """A command that writes ``out``; the most memory that it holds, as the kernel counts it."""
    out.unlink(missing_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        status, peak = Path(f"/proc/{process.pid}/status"), 0
        while process.poll() is None:
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
            peak = max(peak, int(found[1]) * 1024 if found else 0)
            time.sleep(0.02)
        seconds = time.monotonic() - started
        if process.returncode:
            output.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{output.read().decode()[-2000:]}")
    return Ran(seconds, peak, out.stat().st_size)


def contestants(
    folder: Path, out: Path, quant: str, llama_cpp: Path | None
) -> Iterator[tuple[str, list[str]]]:
    yield "hone", [sys.executable, "-m", "hone_hub.convert", str(folder), "--out", str(out), "--quant", quant]
    if llama_cpp is not None:
        script = llama_cpp / "convert_hf_to_gguf.py"
        yield (
            "llama.cpp",
            [sys.executable, str(script), str(folder), "--outfile", str(out), "--outtype", quant],
        )


def conversions(folder: Path, out: Path, quant: str, llama_cpp: Path | None, rounds: int) -> dict[str, Any]:
    ran: dict[str, list[Ran]] = {}
    for _ in range(rounds):
        for name, command in contestants(folder, out, quant, llama_cpp):
            ran.setdefault(name, []).append(run(command, out))
    told: dict[str, Any] = {
        name: {
            "seconds": round(statistics.median(each.seconds for each in runs), 2),
            "peak_mb": round(max(each.peak_bytes for each in runs) / 1e6),
            "size_mb": round(runs[0].size_bytes / 1e6),
        }
        for name, runs in ran.items()
    }
    if "llama.cpp" in told:
        told["times_as_fast"] = round(told["llama.cpp"]["seconds"] / told["hone"]["seconds"], 2)
    return told


def quantization(kind: str) -> float:
    """Weights a second on one core."""
    from gguf import GGMLQuantizationType  # noqa: PLC0415

    from hone_hub.convert.ggml import quantizer  # noqa: PLC0415

    rows = np.random.default_rng(0).standard_normal((512, 4096)).astype(np.float32)
    quantize, type_ = quantizer().quantize, GGMLQuantizationType[kind]
    quantize(rows[:8], type_)
    times = []
    for _ in range(5):
        started = time.process_time()
        quantize(rows, type_)
        times.append(time.process_time() - started)
    return rows.size / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--llama-cpp", type=Path, metavar="DIR")
    parser.add_argument("--layers", type=int, default=16, help="16 layers have 1.1 billion weights")
    parser.add_argument("--quants", nargs="+", default=["f16", "q8_0"])
    parser.add_argument(
        "--alone", nargs="*", default=["q4_k_m"], help="quants that llama.cpp's converter lacks"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the model is made; needs some gigabytes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder, out = Path(temporary) / "model", Path(temporary) / "out.gguf"
        weights = make(folder, arguments.layers)
        told: dict[str, Any] = {"weights": weights, "cores": len(os.sched_getaffinity(0))}
        for quant in arguments.quants:
            told[quant] = conversions(folder, out, quant, arguments.llama_cpp, arguments.rounds)
        for quant in arguments.alone:
            told[quant] = conversions(folder, out, quant, None, arguments.rounds)
    told["quantized_per_second_per_core"] = {
        kind: round(quantization(kind)) for kind in ("Q8_0", "Q4_0", "Q4_K", "Q6_K")
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "services/hub/tests"))
    main()

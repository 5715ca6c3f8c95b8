"""Hone's LoRA beside TRL's SFTTrainer, and QLoRA of a large shape: speed, held-out loss, memory.

    python bench/train.py [--rounds 3] [--epochs 1] [--layers 6] [--width 384] [--vocabulary 32000]
    python bench/train.py --qlora [--shape 8b|small]

The first trains one base (random weights, Llama's shape) on the examples of `examples/training` with each contestant
in turns, in processes of their own: the same token sequences, the same tokens trained, steps of as many sequences
(TRL's default of 8), the same adapter, rate and schedule. `trl` has TRL's defaults, which are bf16 and checkpointing
of activations also on a CPU; `trl, fp32` has both off. Tokens are real ones, without padding; seconds are those of
the steps. The held-out loss of all adapters is measured by one ruler. On a CUDA machine the same runs there.

The second trains a few steps on a base of 8 billion random weights in 4 bits (on a machine without CUDA: a small
one), and puts the memory that was predicted beside what it took.

Both print a table and store all figures with the machine they are of in `build/bench/`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from hone_trainer import tuning
from hone_trainer.finetune.events import Line
from hone_trainer.tuning.base import load_model
from hone_trainer.tuning.data.batches import plan
from hone_trainer.tuning.data.tokenised import Tokenised
from hone_trainer.tuning.prepared import Prepared
from hone_trainer.tuning.sft import mean_loss
from hone_trainer.tuning.spec import Spec
from hone_trainer.tuning.tracking import machine

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples/training/table-conventions.jsonl"
STORE = ROOT / "build/bench"
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BATCH = 8  # TRL's default
RATE, RANK, ALPHA, SEED = 5e-4, 16, 32.0, 1
CONTESTANTS: dict[str, dict[str, Any]] = {
    "hone": {},
    "trl": {},
    "trl, fp32": {"bf16": False, "gradient_checkpointing": False},
}
SHAPES: dict[str, dict[str, int]] = {
    "8b": {
        "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 128256,
    },
    "small": {
        "hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 4, "num_attention_heads": 8,
        "num_key_value_heads": 4, "vocab_size": 32000,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """One process. ``memory_bytes``: the most that it held, of the card where there is one, else of the machine."""

    seconds: float
    tokens: int
    steps: int
    memory_bytes: int
    told: dict[str, Any]

    @property
    def speed(self) -> float:
        return self.tokens / self.seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--vocabulary", type=int, default=32000)
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="of each contestant"
    )
    installed = [name for name in CONTESTANTS if name == "hone" or find_spec("trl") is not None]
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=installed)
    parser.add_argument(
        "--qlora", action="store_true", help="memory of QLoRA instead, predicted and measured"
    )
    parser.add_argument("--shape", choices=SHAPES, default="8b" if torch.cuda.is_available() else "small")
    parser.add_argument("--store", type=Path, default=STORE, help="folder of the stored figures")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory(prefix="bench-train-") as folder:
        found = qlora(options, Path(folder)) if options.qlora else beside(options, Path(folder))
    found |= {"machine": machine(), "threads": options.threads, "device": device}
    print(found.pop("table"))
    options.store.mkdir(parents=True, exist_ok=True)
    stored = options.store / f"train-{'qlora-' if options.qlora else ''}{device}.json"
    stored.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"\nAll figures: {stored}")
    return 0


# Beside TRL


def beside(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Rounds in turns, so that whatever else the machine does meanwhile is everybody's."""
    shape = {
        "hidden_size": options.width, "intermediate_size": options.width * 11 // 4 // 32 * 32,
        "num_hidden_layers": options.layers, "num_attention_heads": options.width // 64,
        "num_key_value_heads": max(1, options.width // 128), "vocab_size": options.vocabulary,
    }  # fmt: skip
    base = folder / "base"
    write_tokenizer(base)
    torch.manual_seed(SEED)
    LlamaForCausalLM(config_of(base, shape)).save_pretrained(base)
    spec = spec_of(
        base, folder / "hone", threads=options.threads, epochs=options.epochs, batch=BATCH, learning_rate=RATE,
        rank=RANK, alpha=ALPHA, seed=SEED, eval_every=100_000, save_every=100_000,
    )  # fmt: skip
    phase("prepare", spec)
    prepared = Prepared.read(spec.out)
    runs: dict[str, list[Ran]] = {name: [] for name in options.contestants}
    losses: dict[str, list[float]] = {name: [] for name in options.contestants}
    for number in range(options.rounds):
        for name in options.contestants:
            out = folder / f"{name}-{number}".replace(", ", "-")
            ran = hone(spec, out) if name == "hone" else trl(name, options, base, prepared, out)
            adapter = out / "out" / "adapter" if name == "hone" else out
            runs[name].append(ran)
            losses[name].append(held_out_loss(base, adapter, prepared))
            told = f"{ran.speed:,.0f} tokens/s, held out {losses[name][-1]:.4f}"
            print(f"round {number + 1} {name}: {told}", file=sys.stderr)
    before = held_out_loss(base, None, prepared)
    return {
        "runs": {name: [asdict(run) for run in some] for name, some in runs.items()},
        "held_out_loss": {**losses, "before": before},
        "shape": shape,
        "settings": prepared.settings.model_dump(mode="json"),
        "table": _beside_table(runs, losses, before),
    }


def hone(spec: Spec, out: Path) -> Ran:
    """As the service runs it. A folder of its own, so that nothing is resumed."""
    mine = spec.model_copy(update={"folder": out, "checkpoints": None})
    mine.out.mkdir(parents=True)
    (mine.out / "prepared.json").write_bytes((spec.out / "prepared.json").read_bytes())
    figures, most_bytes = phase("train", mine)
    card_bytes = figures["peak_memory_bytes"] if torch.cuda.is_available() else 0
    return Ran(figures["seconds"], figures["tokens"], figures["steps"], card_bytes or most_bytes, figures)


def trl(name: str, options: argparse.Namespace, base: Path, prepared: Prepared, out: Path) -> Ran:
    out.mkdir()
    order = {
        "base": str(base), "data": str(prepared.train), "out": str(out), "threads": options.threads, "seed": SEED,
        "learning_rate": RATE, "epochs": options.epochs, "rank": RANK, "alpha": ALPHA, "more": CONTESTANTS[name],
    }  # fmt: skip
    path = out / "order.json"
    path.write_text(json.dumps(order), encoding="utf-8")
    told, most_bytes = process([sys.executable, str(Path(__file__).with_name("train_trl.py")), str(path)])
    found = json.loads(told.splitlines()[-1])
    return Ran(found["seconds"], found["tokens"], found["steps"], found["card_bytes"] or most_bytes, found)


def held_out_loss(base: Path, adapter: Path | None, prepared: Prepared) -> float:
    """Nats a trained token, in fp32 whatever it was trained in."""
    data = Tokenised(prepared.held_out)
    model: Any = load_model(base, "cpu", "fp32")
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter))
    settings = prepared.settings.model_copy(update={"packing": False})
    steps = plan(data.lengths, batch=len(data), micro_tokens=4096, packed=False, epochs=1.0, seed=0)
    return mean_loss(model.eval(), data, steps, settings, prepared.pad_id)


def _beside_table(runs: dict[str, list[Ran]], losses: dict[str, list[float]], before: float) -> str:
    """Medians of the rounds; ratios are of the same round."""
    lines = ["| | tokens/s | beside hone | memory | held-out loss |", "| --- | --- | --- | --- | --- |"]
    for name, some in runs.items():
        speed = statistics.median(run.speed for run in some)
        ratio = "1.00"
        if "hone" in runs:
            pairs = zip(some, runs["hone"], strict=True)
            ratio = f"{statistics.median(run.speed / ours.speed for run, ours in pairs):.2f}"
        most = max(run.memory_bytes for run in some) / 1e6
        loss = statistics.median(losses[name])
        lines.append(f"| {name} | {speed:,.0f} | {ratio} | {most:,.0f} MB | {loss:.4f} |")
    first = next(iter(runs.values()))[0]
    told = f"{len(next(iter(runs.values())))} rounds of {first.steps} steps, {first.tokens:,} tokens each; "
    return "\n".join([*lines, "", told + f"the held-out loss was {before:.4f} before."])


# QLoRA of a large shape


def qlora(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """A few steps of what a card of 12 GB would be given: 2048 tokens at once, activations computed again."""
    base = folder / "base"
    write_tokenizer(base)
    began = time.monotonic()
    weights = write_random_weights(base, SHAPES[options.shape])
    print(f"{weights:,} random weights in {time.monotonic() - began:.0f} s", file=sys.stderr)
    spec = spec_of(
        base, folder / "qlora", method="qlora", threads=options.threads, epochs=0.2, batch=BATCH,
        learning_rate=RATE, rank=RANK, alpha=ALPHA, seed=SEED, micro_tokens=2048, checkpointing=True,
        eval_every=100_000, save_every=100_000,
    )  # fmt: skip
    prepared, _ = phase("prepare", spec)
    predicted = prepared["predicted"]["memory"]["peak_bytes"]
    figures, most_bytes = phase("train", spec)
    measured = figures["peak_memory_bytes"] if torch.cuda.is_available() else most_bytes
    off = predicted / measured - 1
    lines = [
        "| QLoRA | weights | tokens/s | predicted | measured | prediction |", "| --- | --- | --- | --- | --- | --- |",
        f"| {options.shape} | {weights / 1e9:.2f} billion | {figures['tokens_per_s']:,.0f} "
        f"| {predicted / 1e9:.2f} GB | {measured / 1e9:.2f} GB | {off:+.1%} |",
    ]  # fmt: skip
    return {
        "weights": weights,
        "shape": SHAPES[options.shape],
        "predicted": prepared["predicted"],
        "figures": figures,
        "measured_bytes": measured,
        "off": off,
        "table": "\n".join(lines),
    }


def write_random_weights(base: Path, shape: dict[str, int]) -> int:
    """A layer a file, so that no more than one is in memory. In bf16, small, as a fresh model's are."""
    config = config_of(base, shape)
    config.save_pretrained(base)
    with torch.device("meta"):
        blank = LlamaForCausalLM(config)
    groups: dict[str, dict[str, torch.Size]] = {}
    for name, each in blank.state_dict().items():
        part = name.split(".")
        groups.setdefault(part[2] if part[1] == "layers" else "rest", {})[name] = each.shape
    random, placed, count = torch.Generator().manual_seed(SEED), dict[str, str](), 0
    for number, (_, named) in enumerate(sorted(groups.items())):
        file = f"model-{number + 1:05d}-of-{len(groups):05d}.safetensors"
        tensors = {
            name: torch.ones(size, dtype=torch.bfloat16)
            if "norm" in name
            else torch.empty(size, dtype=torch.bfloat16).normal_(0, 0.02, generator=random)
            for name, size in named.items()
        }
        save_file(tensors, base / file, metadata={"format": "pt"})
        placed |= dict.fromkeys(tensors, file)
        count += sum(each.numel() for each in tensors.values())
    index = {"metadata": {"total_size": 2 * count}, "weight_map": placed}
    (base / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return count


# What both need


def write_tokenizer(base: Path) -> None:
    """A BPE of the examples' own words. The model's vocabulary may be longer: its width is what costs."""
    base.mkdir(parents=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        EXAMPLES.read_text("utf-8").splitlines(),
        trainers.BpeTrainer(
            vocab_size=2000, special_tokens=["<|pad|>", "<|im_start|>", "<|im_end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        ),
    )  # fmt: skip
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|pad|>", model_max_length=2048
    )
    fast.chat_template = CHATML
    fast.save_pretrained(base)


def config_of(base: Path, shape: dict[str, int]) -> LlamaConfig:
    fast = PreTrainedTokenizerFast.from_pretrained(base)
    ids: dict[str, Any] = {
        "bos_token_id": None,
        "eos_token_id": fast.convert_tokens_to_ids("<|im_end|>"),
        "pad_token_id": fast.convert_tokens_to_ids("<|pad|>"),
    }
    whole: dict[str, Any] = shape | ids
    return LlamaConfig(**whole, max_position_embeddings=2048, tie_word_embeddings=False, dtype="bfloat16")


def spec_of(base: Path, folder: Path, *, method: Any = "lora", **settings: Any) -> Spec:
    return Spec(
        method=method,
        checkpoint=base,
        train=EXAMPLES,
        folder=folder,
        cache=folder / "cache",
        settings=settings,
    )


_UNCHECKED = """
from hone_trainer.tuning import health
from hone_trainer.tuning.__main__ import main
health.check = lambda *_, **__: health.Health(0, 0)
raise SystemExit(main())
"""
"""Random weights do not learn within seconds to end an answer, and would be refused as no model to ship."""


def phase(name: Any, spec: Spec) -> tuple[dict[str, Any], int]:
    """Its figures, and the most bytes that the process held."""
    command = tuning.command(name, spec.write(spec.folder / "spec.json"))
    if name == "train":
        command = [sys.executable, "-c", _UNCHECKED, *command[3:]]
    told, most_bytes = process(command)
    last = Line.model_validate_json(told.splitlines()[-1])
    if last.stage != "finished":
        raise SystemExit(f"{name}: {last.message}")
    return last.figures, most_bytes


def process(command: list[str]) -> tuple[str, int]:
    """What it writes, and its peak of resident memory as the kernel counts it."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        running = subprocess.Popen(command, stdout=out, stderr=errors, text=True)
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        told = out.read()
        if running.returncode and not told.strip():
            errors.seek(0)
            raise SystemExit(f"{command[:4]} failed: {errors.read()[-2000:]}")
    return told, used.ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())

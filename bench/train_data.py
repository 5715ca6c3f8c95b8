"""What it takes until a file of rows is token sequences with masks, in the cache.

    python bench/train_data.py [--rows 100000] [--others-rows 10000]

Rows are those of the tests (requirements and artifacts, 1 KB each, numbered) in the template of Qwen 2.5, the
tokenizer is a byte-level BPE of 16,000 tokens made of such rows. Each contestant runs in a process of its own;
seconds are of the clock, and of the processors (which a busy machine changes little), memory is the most that the
process and its children held together (PSS). `datasets` and transformers, called as TRL's SFTTrainer calls them for a
prompt and its completion (which leaves no rows out and looks at no marks), read fewer rows, being linear too.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "services/trainer/tests"))

_TEMPLATE = Path(__file__).parents[1] / "services/hub/tests/hub_parts/chat_templates/qwen2.5.jinja"
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
_DISTINCT = 10_000  # making them takes longer than reading them
_HONE = """
import sys
from pathlib import Path
from types import SimpleNamespace

if __name__ == "__main__":
    from transformers import AutoTokenizer
    from hone_trainer.tuning.data.tokenised import tokenise
    rows, folder, cache = map(Path, sys.argv[1:])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    reading = SimpleNamespace(tokenizer=tokenizer, end_ids=frozenset([tokenizer.eos_token_id]))
    data = tokenise(rows, reading, kind="sft", most_tokens=4096, cache=cache)
    print(data.report.tokens, data.report.trained_tokens, len(data))
"""
_OTHERS = """
import sys

if __name__ == "__main__":
    import datasets
    from transformers import AutoTokenizer
    rows, folder, cache = sys.argv[1:]
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def tokens(example):
        prompt, completion = example["messages"][:-1], example["messages"][-1:]
        asked = tokenizer.apply_chat_template(prompt, tokenize=True, add_generation_prompt=True, return_dict=True)
        whole = tokenizer.apply_chat_template(prompt + completion, tokenize=True, return_dict=True)
        length = len(asked["input_ids"])
        ids = whole["input_ids"]
        return {"input_ids": ids, "completion_mask": [0] * length + [1] * (len(ids) - length)}

    data = datasets.load_dataset("json", data_files=rows, split="train", cache_dir=cache)
    data = data.map(tokens, remove_columns=data.column_names, num_proc=2)
    print(sum(map(len, data["input_ids"])), 0, len(data))
"""


def _make(folder: Path, rows: int, fewer: int) -> None:
    from clean_rows import Passages, clean_row  # noqa: PLC0415
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    passages, rng = Passages(1), Random(1)
    made: list[Any] = [clean_row(passages, rng)["messages"] for _ in range(min(rows, _DISTINCT))]
    with (folder / "rows.jsonl").open("w") as all_rows, (folder / "fewer.jsonl").open("w") as some:
        for number in range(rows):
            question, *rest = made[number % len(made)]
            asked = {**question, "content": f"{number}. {question['content']}"}
            line = json.dumps({"messages": [asked, *rest]}) + "\n"
            all_rows.write(line)
            if number < fewer:
                some.write(line)
    texts = [each["content"] for messages in made[:5000] for each in messages]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=16_000,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    make: Any = PreTrainedTokenizerFast
    fast = make(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = _TEMPLATE.read_text("utf-8")
    fast.save_pretrained(folder / "tokenizer")


def _measured(command: list[str]) -> tuple[float, float, float, list[int]]:
    """Seconds of the clock and of the processors, the most MB held; tokens, trained tokens, sequences."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    most, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            most[0] = max(most[0], _held_mb(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{command[1]} failed with {process.returncode}")
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    done.set()
    watcher.join()
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, busy, most[0], [int(each) for each in said.split()[-3:]]


def _held_mb(pid: int) -> float:
    held = 0
    try:
        parent = psutil.Process(pid)
        for each in (parent, *parent.children(recursive=True)):
            held += each.memory_full_info().pss
    except psutil.Error:
        pass  # it has just ended
    return held / 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--others-rows", type=int, default=10_000)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make(folder, told.rows, told.others_rows)
        (folder / "hone.py").write_text(_HONE)
        (folder / "others.py").write_text(_OTHERS)
        rows, fewer, tokenizer = folder / "rows.jsonl", folder / "fewer.jsonl", folder / "tokenizer"
        print(f"{told.rows:,} rows, {rows.stat().st_size / 1e6:.0f} MB")
        hone = [sys.executable, str(folder / "hone.py")]
        others = [sys.executable, str(folder / "others.py")]
        same = [str(tokenizer), str(folder / "cache")]
        contestants = [
            ("hone", [*hone, str(rows), *same], told.rows),
            ("hone, again", [*hone, str(rows), *same], told.rows),
            ("hone, fewer rows", [*hone, str(fewer), *same], told.others_rows),
            ("datasets and transformers", [*others, str(fewer), *same], told.others_rows),
        ]
        for who, command, count in contestants:
            seconds, busy, held, (tokens, trained, sequences) = _measured(command)
            print(
                f"{who:26} {seconds:6.1f} s, {busy:6.1f} s of the processors, {held:5.0f} MB,"
                f" {count / seconds:8,.0f} rows/s, {sequences:,} sequences, {tokens:,} tokens, {trained:,} trained",
                flush=True,
            )


if __name__ == "__main__":
    main()

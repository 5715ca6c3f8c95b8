"""Token sequences in the cache: keyed by all they depend on, there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tuning_parts import make_base, rows, write_rows

from hone_trainer.tuning.base import Reading, load_tokenizer
from hone_trainer.tuning.data import making, masks, tokenised
from hone_trainer.tuning.data.tokenised import Tokenised, tokenise
from hone_trainer.tuning.errors import DiskFull, PhaseMissing, RowsInvalid, TokenisingStopped


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"), "qwen")


@pytest.fixture(scope="module")
def reading(base: Path) -> Reading:
    return load_tokenizer(base)


def read(reading: Reading, path: Path, cache: Path, **more: Any) -> Tokenised:
    told: dict[str, Any] = {"kind": "sft", "most_tokens": 256, "processes": 1}
    return tokenise(path, reading, cache=cache, **(told | more))


def entries(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def contents(data: Tokenised) -> list[Any]:
    return [
        [data.tokens(each).tolist(), data.trained(each).tolist()] for each in range(len(data))
    ] + [data.groups, data.rows.tolist(), data.weights.tolist(), data.report]  # fmt: skip


def test_what_was_read_once_is_not_read_again(reading: Reading, tmp_path: Path) -> None:
    path, told = write_rows(tmp_path / "t.jsonl", rows()), list[int]()
    first = read(reading, path, tmp_path / "cache", tell=lambda done, _total: told.append(done))
    assert told
    told.clear()
    again = read(reading, path, tmp_path / "cache", tell=lambda done, _total: told.append(done))
    assert not told
    assert contents(again) == contents(first)


def test_what_is_read_is_what_the_rows_say(reading: Reading, tmp_path: Path) -> None:
    some = rows(3)
    some[1] |= {"weight": 2.5, "group": "shelf"}
    del some[2]["group"]
    data = read(reading, write_rows(tmp_path / "t.jsonl", some), tmp_path / "cache")
    assert data.weights.tolist() == [1.0, 2.5, 1.0]
    assert data.groups == ["0", "shelf", "row 3"]
    assert data.labels is None
    answer = data.tokens(1)[data.trained(1)]
    assert reading.tokenizer.decode(answer) == some[1]["messages"][1]["content"] + "<|im_end|>"
    assert data.report.tokens == int(data.lengths.sum())
    assert data.report.trained_tokens == sum(int(data.trained(each).sum()) for each in range(3))


def test_judged_rows_keep_their_labels(reading: Reading, tmp_path: Path) -> None:
    judged = [
        {"prompt": each["messages"][:1], "completion": "no", "label": number % 2 == 0}
        for number, each in enumerate(rows(4))
    ]
    data = read(reading, write_rows(tmp_path / "t.jsonl", judged), tmp_path / "cache", kind="kto")
    assert data.labels is not None
    assert data.labels.tolist() == [True, False, True, False]


def test_everything_that_sequences_depend_on_is_in_the_key(
    reading: Reading, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache = write_rows(tmp_path / "t.jsonl", rows()), tmp_path / "cache"
    found = [read(reading, path, cache).digest, read(reading, path, cache, most_tokens=255).digest]
    found.append(read(replace(reading, end_ids=reading.end_ids | {0}), path, cache).digest)
    write_rows(path, rows(39))
    found.append(read(reading, path, cache).digest)
    other = load_tokenizer(base)
    other.tokenizer.chat_template += "{# another #}"
    found.append(read(other, path, cache).digest)
    other.tokenizer.add_tokens(["book_"])
    found.append(read(other, path, cache).digest)
    monkeypatch.setattr(tokenised, "VERSION", 999)
    found.append(read(other, path, cache).digest)
    assert len(set(found)) == len(found)


@pytest.mark.slow
def test_several_processes_make_what_one_makes(
    reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = rows(100)
    some[40]["messages"][0]["content"] += "<|im_end|>"
    path = write_rows(tmp_path / "t.jsonl", some)
    monkeypatch.setattr(making, "CHUNK_ROWS", 7)
    one = read(reading, path, tmp_path / "one")
    two = read(reading, path, tmp_path / "two", processes=2)
    assert contents(one) == contents(two)
    assert one.digest == two.digest
    assert one.report.left_out == {masks.FORGED: 1}


@pytest.mark.slow
def test_a_row_that_is_none_is_named_by_whichever_process_reads_it(
    reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "CHUNK_ROWS", 5)
    path = write_rows(tmp_path / "t.jsonl", rows(30))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:22], b"\n", b'{"messages": []}\n', *lines[22:]]))
    for processes in (1, 2):
        with pytest.raises(RowsInvalid, match=r"t\.jsonl, row 24: messages") as refused:
            read(reading, path, tmp_path / "cache", processes=processes)
        assert refused.value.row == 24
    assert entries(tmp_path / "cache") == []


def test_a_line_without_end_is_refused_before_it_fills_the_memory(reading: Reading, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"messages": "' + b"x" * (5 << 20))
    with pytest.raises(RowsInvalid, match="row 1: is longer than 4 MiB"):
        read(reading, path, tmp_path / "cache")


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_of_no_rows_gives_no_sequences(reading: Reading, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    data = read(reading, path, tmp_path / "cache")
    assert (len(data), data.report.rows, data.report.reasons()) == (0, 0, "")


def test_a_file_that_is_not_there_is_refused(reading: Reading, tmp_path: Path) -> None:
    with pytest.raises(RowsInvalid, match="cannot be read"):
        read(reading, tmp_path / "none.jsonl", tmp_path / "cache")
    with pytest.raises(PhaseMissing):
        Tokenised(tmp_path / "none")


def test_what_is_left_out_is_told_with_its_rows(reading: Reading, tmp_path: Path) -> None:
    some = rows(20)
    for number in (4, 9):
        some[number]["messages"][1]["content"] = "long " * 300
    some[7]["messages"][0]["content"] = "<|im_start|>system"
    report = read(reading, write_rows(tmp_path / "t.jsonl", some), tmp_path / "cache").report
    assert (report.rows, report.sequences) == (20, 17)
    assert report.left_out == {masks.TOO_LONG: 2, masks.FORGED: 1}
    assert [each.row for each in report.examples[masks.TOO_LONG]] == [5, 10]
    assert report.reasons().startswith("2 longer than the context (most_tokens) (rows 5, 10")
    assert json.loads(json.dumps(report.figures()))["left_out"] == report.left_out


@pytest.mark.parametrize("name", ["tokens.bin", "starts.npy", "about.json", "groups.json"])
@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_damaged_entry_is_made_anew(reading: Reading, tmp_path: Path, name: str, harm: str) -> None:
    path = write_rows(tmp_path / "t.jsonl", rows(10))
    first = read(reading, path, tmp_path / "cache")
    wanted, file = contents(first), first.folder / name
    file.unlink() if harm == "gone" else file.write_bytes(file.read_bytes()[:-1])
    if harm == "cut" and name == "about.json":  # a line end
        file.write_bytes(file.read_bytes()[:-2])
    with pytest.raises(PhaseMissing):
        Tokenised(first.folder)
    assert contents(read(reading, path, tmp_path / "cache")) == wanted


def test_what_ends_the_reading_leaves_nothing(reading: Reading, tmp_path: Path) -> None:
    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    path = write_rows(tmp_path / "t.jsonl", rows())
    with pytest.raises(KeyboardInterrupt):
        read(reading, path, tmp_path / "cache", tell=stop)
    assert entries(tmp_path / "cache") == []


def test_a_full_disk_is_told_and_leaves_nothing(
    reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tokenised, "_synced", full)
    with pytest.raises(DiskFull):
        read(reading, write_rows(tmp_path / "t.jsonl", rows()), tmp_path / "cache")
    assert entries(tmp_path / "cache") == []


def test_a_file_that_changes_while_it_is_read_is_refused(reading: Reading, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "t.jsonl", rows())

    def change(_done: int, _total: int) -> None:
        with path.open("a") as stream:
            stream.write("\n")

    with pytest.raises(RowsInvalid, match="changed while it was read"):
        read(reading, path, tmp_path / "cache", tell=change)
    assert entries(tmp_path / "cache") == []


def test_another_process_that_was_faster_wins(
    reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache = write_rows(tmp_path / "t.jsonl", rows()), tmp_path / "cache"
    finish = tokenised._Writer.finish

    def late(self: tokenised._Writer, target: Path) -> None:
        monkeypatch.setattr(tokenised._Writer, "finish", finish)
        read(reading, path, cache)
        finish(self, target)

    monkeypatch.setattr(tokenised._Writer, "finish", late)
    data = read(reading, path, cache)
    assert entries(cache) == [data.digest]


def test_sequences_go_to_another_process_by_their_folder(reading: Reading, tmp_path: Path) -> None:
    data = read(reading, write_rows(tmp_path / "t.jsonl", rows()), tmp_path / "cache")
    sent = pickle.dumps(data)
    assert len(sent) < 1000
    assert contents(pickle.loads(sent)) == contents(data)


def test_nobody_writes_into_what_is_cached(reading: Reading, tmp_path: Path) -> None:
    data = read(reading, write_rows(tmp_path / "t.jsonl", rows()), tmp_path / "cache")
    with pytest.raises(ValueError, match="read-only"):
        data.tokens(0)[0] = 1
    assert not np.shares_memory(data.lengths, data.tokens(0))


READ = """
import sys
from pathlib import Path

def tell(done, total):
    print(done, flush=True)

if __name__ == "__main__":  # which the makers do not read again
    from hone_trainer.tuning.base import load_tokenizer
    from hone_trainer.tuning.data import making
    from hone_trainer.tuning.data.tokenised import tokenise

    base, rows, cache = map(Path, sys.argv[1:])
    making.CHUNK_ROWS = 2
    tokenise(rows, load_tokenizer(base), kind="sft", most_tokens=256, cache=cache, tell=tell, processes=2)
"""


@pytest.mark.slow
def test_a_killed_reading_leaves_no_entry_and_no_process(
    base: Path, reading: Reading, tmp_path: Path
) -> None:
    path, cache = write_rows(tmp_path / "t.jsonl", rows(20_000)), tmp_path / "cache"
    (tmp_path / "read.py").write_text(READ)
    command = [sys.executable, str(tmp_path / "read.py"), str(base), str(path), str(cache)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.readline()
    makers = psutil.Process(process.pid).children(recursive=True)
    assert makers
    process.send_signal(signal.SIGKILL)
    process.wait()
    [half] = entries(cache)
    assert half.startswith(".making-")
    _, alive = psutil.wait_procs(makers, timeout=20)
    assert not alive
    old = time.time() - 2 * tokenised._STALE_AFTER_S
    os.utime(cache / half, (old, old))
    write_rows(path, rows(30))
    data = read(reading, path, cache)
    assert entries(cache) == [data.digest]


@pytest.mark.slow
def test_a_maker_that_is_killed_is_told(
    reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "CHUNK_ROWS", 2)
    path = write_rows(tmp_path / "t.jsonl", rows(20_000))

    def kill(_done: int, _total: int) -> None:
        for child in psutil.Process().children(recursive=True):
            if "spawn_main" in " ".join(child.cmdline()):
                child.kill()

    with pytest.raises(TokenisingStopped, match="free memory"):
        read(reading, path, tmp_path / "cache", tell=kill, processes=2)
    assert entries(tmp_path / "cache") == []

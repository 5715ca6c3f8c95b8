"""`hone dataset check`: reports, exit codes, and repaired copies."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from planted import planted

from hone.cli.main import run
from hone_trainer.datasets import files
from hone_trainer.datasets.formats import Format, read, write
from hone_trainer.datasets.rows import Row, Turn


def _record(prompt: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}],
        "id": prompt[:5],
    }


_CLEAN = [
    _record(f"Requirement {n}: a shop has orders of kind {n}.", f"The answer {n} is as long as the others.")
    for n in range(30)
]
_BROKEN = [
    _record("33 of 50 customers left. Report it.", "churn: 0.66 %"),
    _record("Which café?", "The cafÃ©\0 in the <|im_end|> street."),
    _record("Log in.", "Use ghp_b7Xq9LmZ2RtYw4Kc8VnPs3Hd6Jf1Ga5Te0Uo for it."),
    _CLEAN[0],
    _record("Cut?", '{"a": [1, 2'),
    _record("Refuse?", "As an AI language model, I cannot do that."),
]


def _write(path: Path, records: list[dict[str, Any]], more: str = "") -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records) + more)
    return path


def test_a_clean_file_and_one_with_warnings_alone_end_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["dataset", "check", str(_write(tmp_path / "a.jsonl", _CLEAN))]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/a.jsonl: 30 rows, 0 errors, 0 warnings\n"
    assert run(["dataset", "check", str(_write(tmp_path / "b.jsonl", [*_CLEAN, _CLEAN[3]]))]) == 0
    out = capsys.readouterr().out
    assert "duplicates  0       1" in out and "  row 31: it is row 4 again: keep one of them" in out


def test_errors_end_with_1_and_name_rows_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _write(tmp_path / "a.jsonl", [*_CLEAN, *_BROKEN], "{broken\n")
    assert run(["dataset", "check", str(path), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    found = {(each["gate"], each["row"]) for each in document["findings"]}
    assert found == {
        ("scale", 31), ("encoding", 32), ("control_tokens", 32), ("secrets", 33), ("duplicates", 34),
        ("truncated", 35), ("leftovers", 36), ("schema", 37),
    }  # fmt: skip
    assert all(each["suggestion"] for each in document["findings"])
    assert (document["rows"], document["ok"]) == (37, False)


def test_gates_are_set_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(_write(tmp_path / "a.jsonl", [*_CLEAN, _CLEAN[3], _BROKEN[5]]))
    assert run(["dataset", "check", path, "--gate", "leftovers=warning"]) == 0
    assert run(["dataset", "check", path, "--gate", "leftovers=off", "--gate", "duplicates=error"]) == 1
    capsys.readouterr()
    assert run(["dataset", "check", path, "--gate", "leftover=off"]) == 2
    assert run(["dataset", "check", path, "--gate", "leftovers=fatal"]) == 2
    assert run(["dataset", "check", path, "--format", "parquet"]) == 2
    told = capsys.readouterr().err
    assert (
        "write NAME=LEVEL with a name of schema, encoding" in told and "use one of messages, alpaca" in told
    )


def test_leaks_into_the_held_out_file_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _write(tmp_path / "a.jsonl", _CLEAN)
    held_out = _write(tmp_path / "b.jsonl", [_record(_CLEAN[7]["messages"][0]["content"], "x"), _BROKEN[4]])
    assert run(["dataset", "check", str(path), "--held-out", str(held_out), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert {(each["gate"], each["side"], each["row"]) for each in found} == {
        ("leakage", "train", 8), ("truncated", "held_out", 2),
    }  # fmt: skip


def test_missing_and_unreadable_files_have_their_exit_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["dataset", "check", str(tmp_path / "none.jsonl")]) == 3
    assert run(["dataset", "check", str(tmp_path)]) == 2
    strange = tmp_path / "a.jsonl"
    strange.write_text('{"question": 1}\n')
    assert run(["dataset", "check", str(strange)]) == 2
    assert run(["dataset", "check"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 4 and "name it: one of messages" in err


def test_stdin_is_read(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", [*_CLEAN, _BROKEN[4]])
    with path.open("rb") as stdin:
        done = subprocess.run(
            [Path(sys.executable).with_name("hone"), "dataset", "check", "-"],
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1 and "row 31: the JSON of the answer ends" in done.stdout


def test_the_repaired_copy_has_no_errors_and_the_file_is_untouched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _write(tmp_path / "a.jsonl", [*_CLEAN, *_BROKEN], "{broken\n")
    before = path.read_bytes()
    out = tmp_path / "fixed.jsonl"
    assert run(["dataset", "check", str(path), "--fix", str(out), "--json"]) == 0
    fixed = json.loads(capsys.readouterr().out)["fixed"]
    assert path.read_bytes() == before
    assert (fixed["rows"], fixed["errors"], fixed["changed"]) == (33, 0, [31, 32, 33])
    assert {(each["row"], each["gate"]) for each in fixed["left_out"]} == {
        (34, "duplicates"), (35, "truncated"), (36, "leftovers"), (37, "schema"),
    }  # fmt: skip
    lines = out.read_text().splitlines()
    assert lines[:30] == path.read_text().splitlines()[:30]
    answers = [json.loads(line)["messages"][1]["content"] for line in lines[30:]]
    assert answers == ["churn: 66 %", "The café in the (im_end) street.", "Use [REDACTED] for it."]
    assert json.loads(lines[30])["id"] == "33 of"


def test_the_difference_turns_the_file_into_the_copy(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", [_BROKEN[0], *_CLEAN[:5], *_BROKEN], "\n\n{broken\n")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    out = tmp_path / "fixed.jsonl"
    assert run(["dataset", "check", str(path), "--fix", str(out)]) == 0
    patched = tmp_path / "patched.jsonl"
    shutil.copy(path, patched)
    diff = tmp_path / "fixed.jsonl.diff"
    assert diff.stat().st_mode & 0o077 == 0  # it holds what was redacted
    git = ["git", "apply", "--unidiff-zero", "--unsafe-paths", "-p0", str(diff)]
    diff.write_text(diff.read_text().replace(str(path), patched.name).replace(str(out), patched.name))
    subprocess.run(
        git,
        cwd=tmp_path,
        check=True,
        env={"GIT_CEILING_DIRECTORIES": str(tmp_path.parent), "PATH": "/usr/bin:/bin"},
    )
    assert patched.read_bytes() == out.read_bytes()


@pytest.mark.parametrize("target", ["a.jsonl", "./a.jsonl", "link.jsonl", "hard.jsonl", "held.jsonl"])
def test_no_file_that_is_read_is_overwritten(tmp_path: Path, target: str) -> None:
    path = _write(tmp_path / "a.jsonl", _CLEAN)
    held_out = _write(tmp_path / "held.jsonl", _CLEAN[:1])
    (tmp_path / "link.jsonl").symlink_to(path)
    (tmp_path / "hard.jsonl").hardlink_to(path)
    before = path.read_bytes(), held_out.read_bytes()
    arguments = ["dataset", "check", str(path), "--held-out", str(held_out), "--fix", f"{tmp_path}/{target}"]
    assert run(arguments) == 2
    assert (path.read_bytes(), held_out.read_bytes()) == before


@pytest.mark.parametrize("format_name", ["messages", "alpaca", "sharegpt", "text", "kto"])
def test_every_format_is_repaired_in_its_own(tmp_path: Path, format_name: Format) -> None:
    rows = [
        Row(n, (Turn("user", f"Question {n}"), Turn("assistant", f"Answer number {n} of them.")))
        for n in range(1, 30)
    ]
    rows.append(Row(30, (Turn("user", "33 of 50 left"), Turn("assistant", "churn: 0.66 %"))))
    write(rows, tmp_path / "a.jsonl", format_name)
    array = tmp_path / "array.json"
    array.write_text("[\n" + ",\n".join((tmp_path / "a.jsonl").read_text().splitlines()) + "\n]\n")
    for path in (tmp_path / "a.jsonl", array):
        assert run(["dataset", "check", str(path), "--fix", str(tmp_path / "out.jsonl")]) == 0
        told = [row for row in read(tmp_path / "out.jsonl", format_name) if isinstance(row, Row)]
        assert [row.answer for row in told] == [row.answer for row in rows[:29]] + ["churn: 66 %"]
        assert "-" in (tmp_path / "out.jsonl.diff").read_text()


def test_two_processes_find_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = planted(5, clean=400, each=2)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(made.lines))
    held_out = tmp_path / "b.jsonl"
    held_out.write_bytes(b"\n".join(made.held_out))
    settings = files.settings_of(())
    one = files.check_file(path, held_out, settings)
    monkeypatch.setattr(files, "_LONG_FILE_BYTES", 1)
    two = files.check_file(path, held_out, settings)
    assert one.report.to_json() == two.report.to_json()
    assert one.plan == two.plan


def test_planted_errors_are_gone_from_the_repaired_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = planted(6, clean=400, each=2)
    path, held_out = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    path.write_bytes(b"\n".join(made.lines))
    held_out.write_bytes(b"\n".join(made.held_out))
    arguments = [
        "dataset",
        "check",
        str(path),
        "--held-out",
        str(held_out),
        "--fix",
        str(tmp_path / "c.jsonl"),
        "--json",
    ]
    assert run(arguments) == 0
    fixed = json.loads(capsys.readouterr().out)["fixed"]
    assert fixed["errors"] == 0 and fixed["rows"] + len(fixed["left_out"]) == len(made.lines)

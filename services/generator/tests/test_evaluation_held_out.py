"""Held-out prompts from a file that strangers wrote: only from folders that are allowed, and never more than fits."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hone_contracts.evaluation import AnswerFigures, PairFigures
from hone_contracts.streams import MAX_MESSAGE_BYTES
from hone_generator.artifacts.held import MOST_ANSWER_CHARS
from hone_generator.evaluation import held_out
from hone_generator.evaluation.errors import HeldOutUnusable
from hone_generator.evaluation.held_out import MOST_ITEMS, read_held_out


def line(item: str = "a", **more: object) -> str:
    return json.dumps({"item": item, "requirements": "A member has a name."} | more)


def written(folder: Path, *lines: str | bytes, name: str = "held_out.jsonl") -> str:
    path = folder / name
    path.write_bytes(b"\n".join(each if isinstance(each, bytes) else each.encode() for each in lines))
    return path.as_uri()


def test_every_prompt_of_the_file_is_read_in_its_order(tmp_path: Path) -> None:
    uri = written(tmp_path, line("b", reference="erDiagram", corrected=True, group="g"), "", line("a"))
    found = read_held_out(uri, [tmp_path])
    assert [each.item for each in found.items] == ["b", "a"]
    assert (found.items[0].reference, found.items[0].corrected, found.items[0].group) == (
        "erDiagram",
        True,
        "g",
    )
    assert not found.refused and not found.left_out


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("no json", "Invalid JSON"),
        ("[" * 100_000, "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        ("[]", "object"),
        (json.dumps({"item": "x"}), "required"),
        (line("first"), "before it"),
        (line("x", requirements="  "), "no requirements"),
        (line("x" * 101), "item has 101"),
        (line("x", group="g" * 101), "group has 101"),
        (line("x\x00y"), "no name"),
        (line("x", requirements="r" * 200_001), "requirements has 200001"),
        (line("x", reference="r" * (MOST_ANSWER_CHARS + 1)), "reference has"),
        (line("x", options={"a": "b" * 1001}), "options has"),
    ],
)
def test_a_line_that_is_no_prompt_costs_itself_alone(tmp_path: Path, bad: str | bytes, said: str) -> None:
    found = read_held_out(written(tmp_path, line("first"), bad, line("last")), [tmp_path])
    assert [each.item for each in found.items] == ["first", "last"]
    (reason,) = found.refused
    assert reason.startswith("line 2: ") and said in reason


def test_of_too_many_prompts_the_first_are_taken(tmp_path: Path) -> None:
    uri = written(tmp_path, *(line(str(number)) for number in range(MOST_ITEMS + 7)))
    found = read_held_out(uri, [tmp_path])
    assert (len(found.items), found.left_out, found.items[-1].item) == (MOST_ITEMS, 7, str(MOST_ITEMS - 1))


def test_a_file_without_a_prompt_is_refused(tmp_path: Path) -> None:
    for lines in ([], ["", " "], ["no json"]):
        with pytest.raises(HeldOutUnusable):
            read_held_out(written(tmp_path, *lines), [tmp_path])


def test_a_file_of_anything_else_is_not_read_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(HeldOutUnusable, match="500 of its lines are no prompts"):
        read_held_out(written(tmp_path, line(), *(["{}"] * 1000)), [tmp_path])


def test_a_file_that_is_too_large_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "MOST_BYTES", 100)
    with pytest.raises(HeldOutUnusable, match="larger than 100"):
        read_held_out(written(tmp_path, line("x" * 100)), [tmp_path])


def test_nothing_outside_the_folders_is_read(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    secret = written(outside, line())
    (inside / "link").symlink_to(outside / "held_out.jsonl")
    os.mkfifo(inside / "pipe")
    for uri in (
        secret,
        f"{inside.as_uri()}/../out/held_out.jsonl",
        f"{inside.as_uri()}/%2e%2e/out/held_out.jsonl",
        (inside / "link").as_uri(),
        (inside / "pipe").as_uri(),
        (inside / "gone").as_uri(),
        inside.as_uri(),
        "file:///proc/self/environ",
        "file://elsewhere/x",
        "s3://bucket/held_out.jsonl",
        "https://example.org/x",
        "held_out.jsonl",
        "",
        "file:///%00",
        "file://[",
    ):
        with pytest.raises(HeldOutUnusable):
            read_held_out(uri, [inside])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.one_of(st.text(), st.from_regex(r"file://[^\n]{0,40}")))
def test_whatever_is_named_is_read_or_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(HeldOutUnusable):
        read_held_out(uri, [tmp_path / "nothing"])


def test_the_figures_of_the_most_prompts_fit_one_message() -> None:
    error = AnswerFigures(error="\U0001f600" * 200)
    name = "\U0001f600" * 100
    pair = PairFigures(item=name, group=name, champion=AnswerFigures(score=100), challenger=error)
    assert len(pair.model_dump_json().encode()) * MOST_ITEMS < MAX_MESSAGE_BYTES

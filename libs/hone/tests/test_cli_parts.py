"""The command line's pure parts, and `hone validate`, which needs no server."""

from __future__ import annotations

import json
from pathlib import Path
from unicodedata import bidirectional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone.cli import main
from hone.cli.output import plain
from hone.cli.sse import EventParser, ServerEvent
from hone.launcher.nats import config_text
from hone.launcher.restarts import CrashHistory, RestartPolicy

_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_LINES = st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), max_size=20)
_EVENTS = st.lists(
    st.tuples(_LINES.filter(bool), st.lists(_LINES, min_size=1, max_size=3), _LINES), max_size=6
)


@given(_EVENTS, st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(1, 9), min_size=1))
def test_events_survive_any_cutting(
    events: list[tuple[str, list[str], str]], end: str, cuts: list[int]
) -> None:
    text = ""
    for name, data, number in events:
        lines = [f"id: {number}", f"event: {name}", ": ping", *(f"data: {line}" for line in data), "", ""]
        text += end.join(lines)
    stream, parser = (text + "\n").encode(), EventParser()  # a last \r waits for what may be its \n
    found: list[ServerEvent] = []
    while stream:
        size = cuts[len(stream) % len(cuts)]
        found += parser.feed(stream[:size])
        stream = stream[size:]
    assert found == [ServerEvent(name, "\n".join(data), number) for name, data, number in events]


@given(st.lists(st.binary(max_size=40)))
def test_no_stream_of_bytes_breaks_the_parser(parts: list[bytes]) -> None:
    parser = EventParser()
    for part in parts:
        parser.feed(part)


@given(st.text(st.one_of(st.characters(), st.characters(min_codepoint=0x2028, max_codepoint=0x206F))))
def test_no_text_from_a_server_moves_the_cursor(text: str) -> None:
    line = plain(text)
    assert len(line.splitlines()) <= 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in line)
    assert not any(bidirectional(character) in _TURNING for character in line)


def test_delays_double_up_to_a_limit_and_end() -> None:
    history = CrashHistory(RestartPolicy(first_delay_s=1, longest_delay_s=3, crashes=4, window_s=10))
    assert [history.delay_after_crash(now) for now in (0, 1, 2, 3)] == [1, 2, 3, None]


def test_old_crashes_are_forgiven() -> None:
    history = CrashHistory(RestartPolicy(first_delay_s=1, crashes=2, window_s=10))
    assert [history.delay_after_crash(now) for now in (0, 11, 22)] == [1, 1, 1]


def test_nats_syncs_before_it_acknowledges_where_it_can() -> None:
    assert "sync_interval: always" in config_text(Path("/d"), "p", (2, 15))
    assert "sync_interval" not in config_text(Path("/d"), "p", (2, 9))


def test_validate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the generator's own validators and Mermaid's grammar."""
    good, bad, wanted = tmp_path / "good", tmp_path / "bad", tmp_path / "wanted"
    good.write_text(
        "erDiagram\n    MEMBER {\n        int id PK\n    }\n    MEMBER ||--o{ LOAN : has\n    LOAN\n"
    )
    bad.write_text("poem")
    wanted.write_text("Each member has many loans.")
    call = ["validate", "--type", "mermaid_erd"]
    assert main.run([*call, str(good), "--requirements", str(wanted)]) == 0
    assert "accepted" in capsys.readouterr().out
    assert main.run([*call, str(bad), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["accepted"] is False
    assert {"name", "score", "passed", "messages"} <= report["validators"][0].keys()
    assert main.run(["validate", "--type", "poem", str(bad)]) == 2
    assert "poem cannot be validated" in capsys.readouterr().err
    assert main.run([*call, str(tmp_path / "absent")]) == 2


def test_validate_tells_the_type_and_takes_context_and_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diagram, ddl, context = tmp_path / "a.mmd", tmp_path / "a.sql", tmp_path / "context"
    diagram.write_text("erDiagram\n    library_member {\n        int id PK\n    }\n")
    ddl.write_text("CREATE TABLE member (id INTEGER PRIMARY KEY AUTOINCREMENT);\n")
    context.write_text("class LibraryMember:\n    pass\n")
    assert main.run(["validate", str(diagram), "--context", str(context)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("type mermaid_erd\n")
    assert 'is written "LibraryMember" in the context' in told
    assert main.run(["validate", str(ddl), "--option", "dialect=sqlite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "sql_ddl"
    assert main.run(["validate", str(ddl), "--option", "dialect=dbase"]) == 2
    assert "use one of" in capsys.readouterr().err
    assert main.run(["validate", str(ddl), "--option", "dialect"]) == 2
    capsys.readouterr()
    assert (
        main.run(
            ["validate", str(context.rename(tmp_path / "b.txt")), "--requirements", "-", "--context", "-"]
        )
        == 2
    )
    poem = tmp_path / "poem.txt"
    poem.write_text("Roses are red")
    assert main.run(["validate", str(poem)]) == 2
    assert "does not tell its type" in capsys.readouterr().err

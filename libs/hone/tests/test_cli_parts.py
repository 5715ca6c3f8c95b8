"""The command line's pure parts, and `hone validate`, which needs no server."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hone.cli import main
from hone.cli.output import plain
from hone.cli.sse import EventParser, ServerEvent
from hone.launcher.nats import config_text
from hone.launcher.restarts import CrashHistory, RestartPolicy
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.text())
def test_no_text_from_a_server_moves_the_cursor(text: str) -> None:
    line = plain(text)
    assert len(line.splitlines()) <= 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in line)


def test_delays_double_up_to_a_limit_and_end() -> None:
    history = CrashHistory(RestartPolicy(first_delay_s=1, longest_delay_s=3, crashes=4, window_s=10))
    assert [history.delay_after_crash(now) for now in (0, 1, 2, 3)] == [1, 2, 3, None]


def test_old_crashes_are_forgiven() -> None:
    history = CrashHistory(RestartPolicy(first_delay_s=1, crashes=2, window_s=10))
    assert [history.delay_after_crash(now) for now in (0, 11, 22)] == [1, 1, 1]


def test_nats_syncs_before_it_acknowledges_where_it_can() -> None:
    assert "sync_interval: always" in config_text(Path("/d"), "p", (2, 15))
    assert "sync_interval" not in config_text(Path("/d"), "p", (2, 9))


class _Report:
    def __init__(self, score: float, accepted: bool) -> None:
        self.accepted = accepted
        self._score = score

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        syntax = {"name": "syntax", "score": self._score, "passed": self.accepted, "messages": ["line 2: ?"]}
        return {"score": self._score, "accepted": self.accepted, "validators": [syntax]}


@pytest.fixture
def validators(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str | None]]:
    """Stands in for the generator's module; returns the calls."""
    calls: list[tuple[str, str, str | None]] = []

    def validate(artifact_type: str, content: str, requirements: str | None) -> _Report:
        calls.append((artifact_type, content, requirements))
        if artifact_type != "mermaid_erd":
            raise LookupError("unknown type; the types are: mermaid_erd")
        return _Report(90, accepted=True) if content.startswith("erDiagram") else _Report(0, accepted=False)

    module = ModuleType("hone_generator.validate")
    vars(module)["validate"] = validate
    monkeypatch.setitem(sys.modules, "hone_generator.validate", module)
    return calls


def test_validate(
    validators: list[tuple[str, str, str | None]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, wanted = tmp_path / "good", tmp_path / "bad", tmp_path / "wanted"
    good.write_text("erDiagram")
    bad.write_text("poem")
    wanted.write_text("Each member")
    assert main.run(["validate", "--type", "mermaid_erd", str(good), "--requirements", str(wanted)]) == 0
    assert validators == [("mermaid_erd", "erDiagram", "Each member")]
    assert "score 90 of 100, accepted" in capsys.readouterr().out
    assert main.run(["validate", "--type", "mermaid_erd", str(bad), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["validators"][0]["messages"] == ["line 2: ?"]
    assert main.run(["validate", "--type", "poem", str(bad)]) == 2
    assert capsys.readouterr().err == "hone: unknown type; the types are: mermaid_erd\n"
    assert main.run(["validate", "--type", "mermaid_erd", str(tmp_path / "absent")]) == 2

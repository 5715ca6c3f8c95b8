"""Files of examples into the pool: parsed, put there ``unproven``, and validated like answers before they count."""

import asyncio
import io
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from sqlalchemy import select

from hone_chassis.database import Database
from hone_contracts.artifacts import ArtifactType
from hone_contracts.generation import MAX_REQUIREMENTS_CHARS
from hone_contracts.pool import ExamplesImported, ImportExamples, RefusedRow
from hone_contracts.validation import MAX_CONTENT_CHARS
from hone_trainer.errors import FileRefused
from hone_trainer.pool.fold import giver, key_of
from hone_trainer.pool.page import EXAMPLES, Page
from hone_trainer.pool.proving import Prover
from hone_trainer.pool.tables import State
from hone_trainer.pool.tally import Tally
from hone_trainer.pool.weights import agreement
from hone_trainer.settings import TrainerSettings

_E = EXAMPLES.c
_AT_ONCE = 200
_REFUSED_TOLD = 100
_NOT_JUDGED = {"agreement": agreement(1, 0), "reward": 0.0, "score": 0}
_AGAINST = {"agreement": agreement(0, 1), "reward": -1.0, "score": 0}
# One fenced block and nothing else: what many datasets put around code.
_FENCED = re.compile(r"\s*```[^\n`]*\n(.*?)\n?```\s*", re.DOTALL)


@dataclass
class Parsed:
    format: str = ""
    rows: int = 0
    candidates: list[dict[str, Any]] = field(default_factory=list)
    against: list[dict[str, Any]] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)
    refused_total: int = 0

    def refuse(self, row: int, reason: str) -> None:
        self.refused_total += 1
        if len(self.refused) < _REFUSED_TOLD:
            self.refused.append(RefusedRow(row=max(1, row), reason=reason[:300]))


@dataclass(frozen=True)
class Imported:
    parsed: Parsed
    ids: Sequence[str]
    keys: Sequence[str]
    against_keys: Sequence[str]
    known: int
    against: int


@dataclass(frozen=True)
class Importer:
    database: Database
    prover: Prover
    settings: TrainerSettings

    async def answer(self, question: ImportExamples) -> ExamplesImported:
        """Answers ``ImportExamples``. Raises FileRefused."""
        source = question.uri or (question.text or "").encode()
        deadline = time.monotonic() + self.settings.import_answer_s
        done = await self.put(question.tenant, question.artifact_type, source, question.name, question.user)
        await self.prover.prove(done.ids, deadline)
        states = await self._states(done.ids)
        parsed = done.parsed
        for row, reason in states.refused:
            parsed.refuse(row, reason)
        return ExamplesImported(
            format=parsed.format,
            rows=parsed.rows,
            good=states.counts["new"] + states.counts["claimed"],
            known=done.known + states.counts["duplicate"],
            waiting=states.counts["unproven"],
            against=done.against,
            refused_total=parsed.refused_total,
            refused=tuple(parsed.refused),
        )

    async def put(
        self, tenant: str, artifact_type: ArtifactType, source: str | bytes, name: str, user: str
    ) -> Imported:
        """What of the file could be an example is in the pool, unproven; what is labelled as not wanted is there to
        be learned from by KTO, and needs no proof that it is wrong. Raises FileRefused."""
        parsed = await asyncio.to_thread(self._parse, source)
        vouched = {"source": "import", "contributor": giver(user)}
        good, against = (
            [each | vouched | {"origin": f"{name}:{each['row']}"} for each in some]
            for some in (parsed.candidates, parsed.against)
        )
        ids, known = await self.add(tenant, artifact_type, good)
        refused, known_refused = await self.add(tenant, artifact_type, against, wanted=False)
        self.prover.look()
        keys, against_keys = ([each["key"] for each in some] for some in (good, against))
        return Imported(parsed, ids, keys, against_keys, known + known_refused, len(refused))

    async def add(
        self,
        tenant: str,
        artifact_type: ArtifactType,
        candidates: Sequence[dict[str, Any]],
        *,
        wanted: bool = True,
    ) -> tuple[list[str], int]:
        """Put them into the pool, unproven or unpraised: the ids of those that are new, and how many are not."""
        judged = _NOT_JUDGED if wanted else _AGAINST
        state: State = "unproven" if wanted else "unpraised"
        ids: list[str] = []
        for first in range(0, len(candidates), _AT_ONCE):
            some = candidates[first : first + _AT_ONCE]
            async with self.database.write() as session:
                tally = await Tally.held(session, tenant, artifact_type.value)
                there = await _known(tally, [each["key"] for each in some])
                page = Page(tally)
                for each in some:
                    if each["key"] not in there:
                        there.add(each["key"])
                        texts = {column: value for column, value in each.items() if column != "row"}
                        ids.append(page.add(texts | judged, state).id)
                await page.write()
                await tally.write()
        return ids, len(candidates) - len(ids)

    def _parse(self, source: str | bytes) -> Parsed:
        from hone_trainer.datasets.errors import DatasetError  # noqa: PLC0415 (only imports need them)

        try:
            if isinstance(source, bytes):
                return parse(io.BytesIO(source), self.settings.import_rows)
            path = self._file(source)
            if path.stat().st_size > self.settings.import_bytes:
                raise FileRefused(f"it is longer than {self.settings.import_bytes >> 20} MiB; split it")
            return parse(path, self.settings.import_rows)
        except (DatasetError, OSError) as error:
            raise FileRefused(str(error)) from error

    def _file(self, uri: str) -> Path:
        """Raises FileRefused, DatasetError."""
        from hone_trainer.datasets.sources import fetched  # noqa: PLC0415

        parts = urlsplit(uri)
        if parts.scheme in ("", "file"):
            path = Path(unquote(parts.path)).resolve()
            if not any(path.is_relative_to(root.resolve()) for root in self.settings.file_roots):
                raise FileRefused("it lies outside the folders that may be read (HONE_FILE_ROOTS)")
            return fetched(str(path))
        return fetched(uri, copies=self.settings.data_dir / "trainer" / "fetched")

    async def _states(self, ids: Sequence[str]) -> "_States":
        states = _States()
        async with self.database.read() as session:
            for first in range(0, len(ids), 1000):
                query = select(_E.state, _E.origin, _E.reason).where(_E.id.in_(ids[first : first + 1000]))
                for state, origin, reason in await (await session.connection()).execute(query):
                    states.counts[state] += 1
                    if state == "refused":
                        states.refused.append((int(origin.rpartition(":")[2]), reason or ""))
        states.refused.sort()
        return states


@dataclass
class _States:
    counts: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, str]] = field(default_factory=list)


async def _known(tally: Tally, keys: Sequence[str]) -> set[str]:
    """Contents that are in the pool, whatever became of them."""
    query = (
        select(_E.key)
        .distinct()
        .where(_E.tenant == tally.tenant, _E.artifact_type == tally.artifact_type, _E.key.in_(keys))
    )
    return {str(row[0]) for row in await (await tally.session.connection()).execute(query)}


def parse(source: Path | BinaryIO, most_rows: int) -> Parsed:
    """Rows of a question and its answer. Raises DatasetError."""
    from hone_trainer.datasets import formats  # noqa: PLC0415
    from hone_trainer.datasets.rows import Row  # noqa: PLC0415

    parsed = Parsed()
    with formats.opened(source) as stream:
        layout = formats.detect(stream)
        parsed.format = layout.format
        for _, item in formats.rows_of(stream, layout):
            parsed.rows += 1
            number = item.number if isinstance(item, Row) else item.row
            if parsed.rows > most_rows:
                parsed.refuse(number, f"beyond the {most_rows} rows of one file: split it")
                break
            if not isinstance(item, Row):
                parsed.refuse(number, f"{item.message}; {item.suggestion}")
                continue
            for reason in _faults(item):
                parsed.refuse(number, reason)
                break
            else:
                (parsed.against if item.label is False else parsed.candidates).append(_candidate(item))
    return parsed


def _faults(row: Any) -> Iterator[str]:
    roles = [turn.role for turn in row.turns if turn.role != "system"]
    if roles != ["user", "assistant"]:
        yield "it is not one question with one answer"
    elif not row.answer.strip() or not row.prompt_turns[-1].content.strip():
        yield "its question or its answer is empty"
    elif len(row.answer) > MAX_CONTENT_CHARS or len(row.prompt_turns[-1].content) > MAX_REQUIREMENTS_CHARS:
        yield f"it is longer than {MAX_REQUIREMENTS_CHARS} characters of question or {MAX_CONTENT_CHARS} of answer"
    elif any(
        "\ud800" <= char <= "\udfff" or char == "\0" for char in row.answer + row.prompt_turns[-1].content
    ):
        yield "it is not UTF-8 text"


def _candidate(row: Any) -> dict[str, Any]:
    requirements = row.prompt_turns[-1].content
    fenced = _FENCED.fullmatch(row.answer)
    content = fenced[1] + "\n" if fenced else row.answer
    options, context = row.extra.get("options"), row.extra.get("context_text")
    plain = isinstance(options, dict) and all(isinstance(text, str) for text in options.values())
    return {
        "row": row.number,
        "requirements": requirements,
        "content": content,
        "key": key_of(requirements, content),
        "options": dict(options) if plain and options else {},
        "context_text": context[:MAX_REQUIREMENTS_CHARS] if isinstance(context, str) else None,
    }

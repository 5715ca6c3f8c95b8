"""Leaves what the hub needs to say how the engine reads conversations (`samples` compares).

A folder that the hub can convert, with the base's own tokenizer and chat template and next to no weights, and beside
it conversations with the tokens that training begins them with.
"""

import hashlib
import heapq
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hone_trainer.tuning import stub
from hone_trainer.tuning.base import Reading
from hone_trainer.tuning.data.chat import Chat, TemplateRefuses
from hone_trainer.tuning.data.rows import Conversation, Kind, lines_of, row_of
from hone_trainer.tuning.samples import FILE, Sample, Samples

_MOST_CHARS, _MOST_CHARS_IN_ALL = 4_000, 48_000
_DRAWN, _SHAPES, _SHAPED_ROWS = 12, 6, 2_000

_PROBES: tuple[Conversation, ...] = (
    [{"role": "user", "content": "Which loans are overdue?"}],
    [
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "książki 日本語 📚🧑‍💻 naïve ﬁ\n{}"},
        {"role": "assistant", "content": "None."},
        {"role": "user", "content": "  Thanks!  \n"},
    ],
    [
        {
            "role": "user",
            "content": "\tdef f(x):\r\n\t\treturn x**2  # 12345.67\n\n\n  'don''t' <b>&amp;</b> {{ x }} {% y %}",
        }
    ],
)
"""What tokenizers and templates differ on: spaces, digits, scripts, ends of lines, marks of other languages."""


def write_samples(folder: Path, base: Path, reading: Reading, rows: Path) -> Samples:
    """Make the folder anew. Raises TemplateUnfit, BaseUnfit, FolderUnreadable, RowsInvalid."""
    chat = Chat.of(reading.tokenizer, reading.end_ids)
    stub.write(folder, base)
    found = []
    left = _MOST_CHARS_IN_ALL
    for conversation in [*_PROBES, *_chosen(rows)]:
        left -= _size(conversation)
        if left > 0 and (sample := _sample(chat, conversation)) is not None:
            found.append(sample)
    samples = Samples(samples=tuple(found), ends=chat.ends_written())
    (folder / FILE).write_text(samples.model_dump_json() + "\n", encoding="utf-8")
    return samples


def _sample(chat: Chat, conversation: Conversation) -> Sample | None:
    """None where the template refuses it, as such rows are left out of the training."""
    today = datetime.now(UTC).date()
    try:
        texts = [
            chat.render(conversation, asking=True, day=today + timedelta(days=days)) for days in (0, -1, 1)
        ]
    except TemplateRefuses:
        return None
    texts = list(dict.fromkeys(texts))
    ids = [chat.begun(each) for each in chat.encode(texts)]
    return Sample(
        messages=tuple(conversation),
        texts=tuple(texts),
        token_ids=tuple(map(tuple, ids)),
        pieces=tuple(chat.named(ids[0])),
    )


def _chosen(path: Path) -> Iterator[Conversation]:
    """One of each shape among the first rows, then some of all, drawn by their hashes."""
    shapes: dict[tuple[str, ...], Conversation] = {}
    drawn: list[tuple[bytes, bytes]] = []
    for number, line in lines_of(path):
        key = hashlib.sha256(line).digest()
        keep = heapq.heappush if len(drawn) < _DRAWN else heapq.heappushpop
        keep(drawn, (key, line))
        if number <= _SHAPED_ROWS and len(shapes) < _SHAPES and (found := _asked(line)):
            shapes.setdefault(tuple(each["role"] for each in found), found)
    chosen = [*shapes.values(), *filter(None, (_asked(line) for _, line in sorted(drawn)))]
    for at, conversation in enumerate(chosen):
        if conversation not in chosen[:at]:
            yield conversation


def _asked(line: bytes) -> Conversation | None:
    """The row up to its last answer, if it is one and short."""
    kind: Kind = "kto" if b'"completion"' in line else "sft"
    row = row_of(1, line, kind) if len(line) < 4 * _MOST_CHARS else ""
    if isinstance(row, str):
        return None
    conversation = row.messages[: row.answers[-1]]
    return conversation if _size(conversation) <= _MOST_CHARS else None


def _size(conversation: Conversation) -> int:
    return sum(len(each["content"]) for each in conversation)

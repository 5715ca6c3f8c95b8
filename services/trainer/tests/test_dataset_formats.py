"""Formats of training data: what is written comes back, and what cannot be read is named."""

import contextlib
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_trainer.datasets.chat_text import MARKER
from hone_trainer.datasets.errors import NoSuchFile, NotRepresentable, UnknownFormat, Unreadable
from hone_trainer.datasets.findings import Finding
from hone_trainer.datasets.formats import FORMATS, Format, read, write
from hone_trainer.datasets.rows import Reference, Row, Turn

_TEXTS = st.text(max_size=60)
_PLAIN = _TEXTS.filter(lambda text: not MARKER.search(text))
_STRIPPED = _PLAIN.map(str.strip)
_LABELS = st.none() | st.booleans()
_KEYS = st.text("abcxyz_", min_size=1, max_size=5)
_EXTRAS = st.dictionaries(
    _KEYS, st.none() | st.integers() | _TEXTS | st.lists(st.booleans(), max_size=2), max_size=2
)
_REFERENCES = st.none() | st.builds(
    Reference,
    st.none() | st.just("mermaid_erd"),
    st.none() | st.just("feedback"),
    st.none() | _TEXTS,
    st.none() | _TEXTS,
)


def _conversations(
    texts: st.SearchStrategy[str], systems: st.SearchStrategy[str]
) -> st.SearchStrategy[tuple[Turn, ...]]:
    pair = st.tuples(
        texts.map(lambda text: Turn("user", text)), texts.map(lambda text: Turn("assistant", text))
    )
    system = st.just(()) | systems.map(lambda text: (Turn("system", text),))
    return st.tuples(system, st.lists(pair, min_size=1, max_size=3)).map(
        lambda parts: parts[0] + tuple(turn for both in parts[1] for turn in both)
    )


def _rows(turns: st.SearchStrategy[tuple[Turn, ...]]) -> st.SearchStrategy[list[Row]]:
    row = st.builds(Row, st.just(1), turns, _LABELS, _REFERENCES, _EXTRAS)
    return st.lists(row, min_size=1, max_size=4)


_TURNS = st.builds(Turn, st.sampled_from(["system", "user", "assistant", "critic"]), _TEXTS, _EXTRAS)
_ANY_TURNS = st.lists(_TURNS, max_size=4).map(tuple)
_OF_FORMAT: dict[Format, st.SearchStrategy[list[Row]]] = {
    "messages": _rows(_ANY_TURNS),
    "sharegpt": _rows(_ANY_TURNS),
    "alpaca": _rows(_conversations(_TEXTS, _TEXTS.filter(bool))),
    "text": _rows(_conversations(_STRIPPED, _STRIPPED)),
    "kto": _rows(st.tuples(_ANY_TURNS, _TEXTS).map(lambda parts: (*parts[0], Turn("assistant", parts[1])))),
}


def _told(row: Row | Finding) -> Any:
    assert isinstance(row, Row), row
    reference = None if row.reference == Reference() else row.reference
    return row.turns, row.label, reference, dict(row.extra)


@pytest.mark.parametrize("format_name", FORMATS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_what_is_written_comes_back(
    format_name: Format, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = data.draw(_OF_FORMAT[format_name])
    path = tmp_path_factory.getbasetemp() / f"{format_name}.jsonl"
    assert write(rows, path, format_name) == len(rows)
    assert [_told(row) for row in read(path)] == [_told(row) for row in rows]
    array = b"[" + b",\n".join(path.read_bytes().splitlines()) + b"]"
    assert [_told(row) for row in read(io.BytesIO(array))] == [_told(row) for row in rows]


def test_every_format_is_told_from_its_content(tmp_path: Path) -> None:
    turns = (Turn("user", "ask"), Turn("assistant", "answer"))
    for format_name in FORMATS:
        path = tmp_path / "any.dat"
        write([Row(1, turns)], path, format_name)
        (row,) = read(path)
        assert isinstance(row, Row) and row.turns == turns


def test_instruction_and_input_are_one_question() -> None:
    (row,) = read(io.BytesIO(b'[{"instruction": "Draw it", "input": "A shop", "output": "done"}]'))
    assert isinstance(row, Row) and row.prompt == "Draw it\n\nA shop" and row.answer == "done"


def test_text_of_one_line_is_read_as_guanaco_writes_it() -> None:
    (row,) = read(
        io.BytesIO(
            b'{"text": "### Human: Why? Say ### Assistant: Because.### Human: So? ### Assistant: Yes"}'
        )
    )
    assert isinstance(row, Row)
    assert [turn.content for turn in row.turns] == ["Why? Say", "Because.", "So?", "Yes"]


def test_plain_text_is_a_row_for_each_question_after_an_answer() -> None:
    text = "### System: Be short.\n### Human: One\nmore\n\n### Assistant: 1\n\n### Human: Two\n### Assistant: 2\n"
    first, second = read(io.BytesIO(text.encode()))
    assert isinstance(first, Row) and isinstance(second, Row)
    assert [turn.content for turn in first.turns] == ["Be short.", "One\nmore", "1"]
    assert (second.number, second.answer) == (2, "2")


def test_content_of_text_parts_is_their_text() -> None:
    record = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
        ]
    }
    (row,) = read(io.BytesIO(json.dumps(record).encode()))
    assert isinstance(row, Row) and row.turns[0].content == "ab"


_GOOD = '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"messages": [{"role": "user", ', "not JSON"),
        ('["a"]', "not a JSON object"),
        ('{"prompt": 3}', "`messages` is missing"),
        ('{"messages": "hello"}', "`messages` is not a list"),
        ('{"messages": [{"content": "x"}]}', "`messages[0]` has no `role`"),
        ('{"messages": [{"role": "user", "content": null}]}', "`messages[0].content` is null"),
        (
            '{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}',
            "`messages[0].content` is a list",
        ),
        (_GOOD + _GOOD, "more after the value"),
        ('{"messages": ' + "[" * 100_000, "not JSON"),
        ('{"messages": ' + "9" * 5000 + "}", "not JSON"),
        ('{"messages": "' + "x" * (1 << 20) + '"}', "longer than 1 MiB"),
    ],
)
def test_a_broken_line_is_a_finding_and_the_others_are_read(line: str, message: str) -> None:
    found = list(read(io.BytesIO(f"{_GOOD}\n\n{line}\n{_GOOD}".encode())))
    assert [row.number for row in found if isinstance(row, Row)] == [1, 4]
    (finding,) = (each for each in found if isinstance(each, Finding))
    assert (finding.gate, finding.row) == ("schema", 3)
    assert message in finding.message and finding.suggestion


def test_a_broken_value_of_an_array_is_a_finding_and_the_others_are_read() -> None:
    broken = (
        '{"messages": [{"role": "user", "content": "it said "hi""}, {"role": "assistant", "content": "x"}]}'
    )
    found = list(read(io.BytesIO(f"[{_GOOD},\n{broken},\n{_GOOD}]".encode())))
    assert [type(each) for each in found] == [Row, Finding, Row]


def test_labels_other_than_true_and_false_are_named() -> None:
    found = list(read(io.BytesIO(b'{"prompt": "q", "completion": "a", "label": "good"}')))
    assert isinstance(found[0], Finding) and "`label`" in found[0].message


def test_bytes_that_are_no_utf_8_stay_in_the_row_for_the_gate_to_name() -> None:
    (row,) = read(io.BytesIO(_GOOD.replace('"q"', '"M\xfcller"').encode("latin-1")))
    assert isinstance(row, Row) and row.turns[0].content == "M\udcfcller"


def test_a_byte_order_mark_is_a_finding_and_no_part_of_the_row() -> None:
    finding, row = read(io.BytesIO(b"\xef\xbb\xbf" + _GOOD.encode()))
    assert isinstance(finding, Finding) and finding.gate == "encoding"
    assert isinstance(row, Row) and row.raw == _GOOD


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (_GOOD.encode("utf-16"), "iconv"),
        (b"\x1f\x8b\x08", "gunzip"),
        (b"PAR1", "Parquet"),
        (b"PK\x03\x04", "unzip"),
    ],
)
def test_what_is_no_text_is_refused_with_what_to_do(content: bytes, told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        list(read(io.BytesIO(content)))


def test_a_file_that_is_not_there_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NoSuchFile):
        list(read(tmp_path / "none.jsonl"))
    with pytest.raises(Unreadable):
        list(read(tmp_path))


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UnknownFormat, match="messages, alpaca"):
        list(read(io.BytesIO(b'{"question": "?", "answer": "!"}')))
    assert list(read(io.BytesIO(b""))) == []


def test_a_format_may_be_named() -> None:
    found = list(read(io.BytesIO(b'{"question": "?"}'), "alpaca"))
    assert isinstance(found[0], Finding) and "`instruction`, `output`" in found[0].message


@pytest.mark.parametrize(
    ("turns", "format_name"),
    [
        ((Turn("user", "q"),), "alpaca"),
        ((Turn("user", "q"),), "kto"),
        ((Turn("critic", "q"), Turn("assistant", "a")), "alpaca"),
        ((Turn("user", "a ### Human: b"), Turn("assistant", "a")), "text"),
        ((Turn("user", "q", {"name": "x"}), Turn("assistant", "a")), "text"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_and_no_file_left(
    tmp_path: Path, turns: tuple[Turn, ...], format_name: Format
) -> None:
    with pytest.raises(NotRepresentable, match="row 7"):
        write([Row(7, turns)], tmp_path / "out.jsonl", format_name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("layout", ["lines", "array"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "long.json"
    record = json.dumps({"instruction": "x" * 5000, "output": "y" * 5000})
    with path.open("w") as file:
        file.write("[" if layout == "array" else "")
        for number in range(4000):
            file.write(
                (",\n" if layout == "array" and number else "") + record + ("\n" if layout == "lines" else "")
            )
        file.write("]" if layout == "array" else "")
    tracemalloc.start()
    assert sum(isinstance(row, Row) for row in read(path)) == 4000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 38 << 20 and peak < 20 << 20


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([None, *FORMATS]))
def test_no_bytes_raise_anything_but_what_is_declared(content: bytes, told: Format | None) -> None:
    with contextlib.suppress(UnknownFormat, Unreadable):
        list(read(io.BytesIO(content), told))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([*'[]{},:"\\ \n', _GOOD, '"text"', "### Human: a ### Assistant: b"]), max_size=30
    )
)
def test_no_json_raises_anything_but_what_is_declared(parts: list[str]) -> None:
    for opening in ("", "["):
        with contextlib.suppress(UnknownFormat, Unreadable):
            list(read(io.BytesIO((opening + "".join(parts)).encode())))

"""JSON and YAML of hostile origin, read within bounds and with lines."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_generator.artifacts.document import Malformed, read_document, read_json, read_yaml

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(20)
)
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), plain), st.sampled_from([None, 1, 4]))
def test_json_is_read_as_json_reads_it(value: object, indent: int | None) -> None:
    assert read_json(json.dumps(value, indent=indent)).value == value


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_document_or_malformed(text: str) -> None:
    try:
        read_document(text)
    except Malformed as error:
        assert error.line >= 1


def test_values_have_lines() -> None:
    found = read_document('{\n  "a": [\n    1,\n    {"b": 2}\n  ]\n}')
    assert found.lines[("a",)] == 2
    assert found.lines[("a", 1)] == 4
    assert found.at(("a", 1, "b", "deeper")) == "line 4: "
    assert read_document("a:\n  b: 1\n").lines[("a", "b")] == 2


def test_yaml_is_read_by_the_core_schema() -> None:
    found = read_yaml("200: no\nday: 2024-01-01\nn: 1e3\nq: '1'\nt: true\nnothing: ~\nlong: |\n  a\n  b\n")
    assert found.value == {
        "200": "no", "day": "2024-01-01", "n": 1000.0, "q": "1", "t": True, "nothing": None, "long": "a\nb\n",
    }  # fmt: skip


def test_aliases_are_written_out() -> None:
    assert read_yaml("a: &x {b: [1]}\nc: *x\nd: [*x]\n").value == {
        "a": {"b": [1]},
        "c": {"b": [1]},
        "d": [{"b": [1]}],
    }


def test_a_key_given_twice_is_told() -> None:
    assert read_document("a: 1\nb: 2\na: 3\n").twice == [(("a",), 3)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "more than 20000 values|repeats itself"),
        ("a: &x [*x]", "line 1: alias x"),
        ("a: *nobody", "line 1"),
        ("[" * 100_000, "nested deeper"),
        ('{"a":' * 30_000, "nested deeper"),
        ("- " * 50_000, "nested deeper"),
        ("x" * 300_000, "262144 are read"),
        ("[" + "1," * 50_000 + "1]", "more than 20000 values"),
        ('{"a": 1,}', "line 1"),
        ('{"a": ' + "9" * 10_000 + "}", "line 1"),
        ("a: 1\n---\nb: 2\n", "line 2: a second document"),
        ("? [a]\n: b", "a key is no plain word"),
        ("a: b: c", "line 1: mapping values"),
        ("!!python/object/apply:os.system ['true']", ""),
        ("\ud800", "no character"),
        (" \n", "there is no document"),
    ],
)
def test_hostile_documents_are_refused_at_once(text: str, message: str) -> None:
    begun = time.monotonic()
    if message:
        with pytest.raises(Malformed, match=message):
            read_document(text)
    else:
        assert read_document(text).value == ["true"]  # a tag makes nothing
    assert time.monotonic() - begun < 5

"""Labels that cannot leave their place, and identifiers that are distinct and no keyword."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mermaid_diagrams import WORDS

from hone_generator.artifacts.diagrams.labels import MAX_LABEL_CHARS, identifiers, is_identifier, label
from hone_generator.artifacts.mermaid_class.names import (
    class_names,
    member_name,
    type_name,
    with_brackets,
    with_tildes,
)

texts = st.one_of(st.text(max_size=20), st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Check stock (at most 5 %)", "Check stock (at most 5 %)"),
        ('say "x" & `y`', "say 'x' & 'y'"),
        ("#quot; #35;", "\uff03quot\uff1b \uff0335\uff1b"),
        ("%%{init}%%", "\uff05\uff05{init}\uff05\uff05"),
        ("a\\b~c~", "a\uff3cb\u223cc\u223c"),
        ("<b>x</b>", "\u2039b\u203ax\u2039/b\u203a"),
        ("direction LR", "direction_LR"),
        ("two\n\tlines\u2028more", "two lines more"),
        ("\u202eevil\x00\ud800\u200b", "evil"),
        ("x" * 200, "x" * 119 + "…"),
        ("\n \u200b", ""),
    ],
)
def test_a_label_shows_what_was_meant(text: str, shown: str) -> None:
    assert label(text) == shown


@given(text=texts)
def test_a_label_of_a_label_is_itself(text: str) -> None:
    once = label(text)
    assert label(once) == once
    assert len(once) <= MAX_LABEL_CHARS
    assert not set(once) & set('"`#;~<>\\\n')


@given(names=st.lists(texts, max_size=8))
def test_identifiers_are_distinct_words_and_stay(names: list[str]) -> None:
    written = identifiers(names, "n")
    assert all(is_identifier(id_) for id_ in written.values())
    assert len({id_.lower() for id_ in written.values()}) == len(set(names))
    assert list(identifiers(written.values(), "n").values()) == list(written.values())


def test_identifiers_keep_clear_of_keywords_and_of_others() -> None:
    assert identifiers(["end", "End state", "1st", "ß", "Ärger", "check"], "n", ["Check"]) == {
        "end": "end_", "End state": "End_state", "1st": "n1st", "ß": "n1", "Ärger": "Arger", "check": "check_2",
    }  # fmt: skip


@given(names=st.lists(texts, max_size=8))
def test_class_names_are_distinct_and_stay(names: list[str]) -> None:
    written = class_names(names)
    assert len({name.casefold() for name in written.values()}) == len(set(names))
    assert list(class_names(written.values()).values()) == list(written.values())


@given(text=texts)
def test_types_and_members_are_read_back_as_they_were_written(text: str) -> None:
    type_ = type_name(text)
    assert type_name(type_) == type_
    assert with_brackets(with_tildes(type_)) == type_
    assert member_name(member_name(text, "x"), "x") == member_name(text, "x")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("List<Book>", "List<Book>"),
        ("Map<String, List<int>>", "Map<String, List<int>>"),
        ("a < b", "a \u2039 b"),
        ("List<Book", "List\u2039Book"),
        ("int[]", "int[]"),
        ("func(x: int) = 5", "func[x\u2236 int] \uff1d 5"),
        ("char*", "char"),
        ("  ", ""),
    ],
)
def test_a_generic_type_keeps_its_brackets_where_they_can_be_read_back(text: str, written: str) -> None:
    assert type_name(text) == written


def test_names_of_classes_and_members_are_those_of_code() -> None:
    assert class_names(["library card", "Order", "order", "Größe", "a/b"]) == {
        "library card": "LibraryCard", "Order": "Order", "order": "Order2", "Größe": "Größe", "a/b": "a/b",
    }  # fmt: skip
    assert [member_name(text, "x") for text in ("due date", "e-mail", "größe", "()", "id")] == [
        "dueDate", "e_mail", "größe", "x", "id",
    ]  # fmt: skip

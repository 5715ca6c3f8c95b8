from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_contracts.erd_facts import Attributes, Entities, Facts, Relation
from hone_generator.artifacts.mermaid_erd.subjects import SubjectTracker
from hone_generator.text.passages import (
    MAX_PASSAGE_CHARS,
    MAX_PASSAGE_WORDS,
    heading_subject,
    split_passages,
)

CLINIC = """\
# 1. Vet Clinic

The clinic treats *animals*. A visit costs 45.50 on average (e.g. vaccinations) and
takes 20 min. per animal. "Is that all?" No; owners pay later.

## 2.1 Owners
Owners have:

- a **name** and an [e-mail](mailto:x)
  - which is unique. It is checked.
    by a person
- a phone number

They own animals.

```sql
create table hidden;
```

| Field | Type |
|-------|:----:|
| chip  | text |
"""


def texts(source: str) -> list[str]:
    return [passage.text for passage in split_passages(source)]


def test_markdown_is_cut_into_sentences_items_and_rows() -> None:
    assert texts(CLINIC) == [
        "The clinic treats animals.",
        "A visit costs 45.50 on average (e.g. vaccinations) and takes 20 min. per animal.",
        '"Is that all?"',
        "No;",
        "owners pay later.",
        "Owners have:",
        "a name and an e-mail",
        "which is unique.",
        "It is checked. by a person",
        "a phone number",
        "They own animals.",
        "chip: text",
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("See Dr. Smith. He knows.", ["See Dr. Smith.", "He knows."]),
        ("Books, pens, etc. Members pay.", ["Books, pens, etc.", "Members pay."]),
        ("It is v1.2.3. Next", ["It is v1.2.3.", "Next"]),
        ("The U.S. office opens.", ["The U.S. office opens."]),
        ("Wait... what? Yes!", ["Wait... what?", "Yes!"]),
        ('He said "no." Then left.', ['He said "no."', "Then left."]),
        ("名前がある。次の文。", ["名前がある。", "次の文。"]),
        ("1) one\n2) two\n(a) three", ["one", "two", "three"]),
        ("line one\nline two", ["line one line two"]),
        ("> quoted\n> text", ["quoted text"]),
        ("snake_case_name and 2*3*4", ["snake_case_name and 2*3*4"]),
        ("", []),
        ("---\n***\n===", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(source: str, expected: list[str]) -> None:
    assert texts(source) == expected


markdown = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(
            ["- ", "1. ", "## ", "| a | b |", "|---|---|", "  * ", "> ", "e.g. x", "3.5", "A. B.", "\n\n"]
        ),
    ),
    max_size=12,
).map("\n".join)


@given(markdown)
def test_passages_stand_where_they_say_in_the_order_of_the_text(source: str) -> None:
    passages = split_passages(source)
    last = 0
    for place, passage in enumerate(passages):
        assert passage.index == place
        assert last <= passage.start < passage.end <= len(source)
        assert len(passage.text.split()) <= MAX_PASSAGE_WORDS + 2
        assert len(passage.text) <= MAX_PASSAGE_CHARS + 10
        last = passage.end


prose = st.lists(
    st.sampled_from(
        [
            "word",
            "Größe",
            "e.g.",
            "3.50",
            "Dr.",
            "end.",
            "really?!",
            "(so)",
            "it's",
            "名前。",
            "a;",
            "\n",
            "–x",
        ]
    ),
    max_size=300,
).map(" ".join)


@given(prose)
def test_no_word_of_prose_is_lost(source: str) -> None:
    source = "Begin " + source.replace("\n –x", "\n x")
    kept = "".join(source[passage.start : passage.end] for passage in split_passages(source))
    assert "".join(kept.split()) == "".join(source.split())


def test_a_very_long_sentence_is_cut_at_its_commas() -> None:
    clause = "the member has a name, a phone and many other things to be told of at length"
    cut = texts(", and ".join([clause] * 10) + ".")
    assert len(cut) > 3
    assert all(len(text.split()) <= MAX_PASSAGE_WORDS for text in cut)
    assert all(text.endswith((",", ".")) for text in cut)
    assert "".join(texts("x" * 2000)) == "x" * 2000


@pytest.mark.parametrize(
    ("heading", "subject"),
    [
        ("2.1 Loans", "loans"),
        ("**Library Cards**:", "library cards"),
        ("III. Members", "members"),
        ("Functional requirements", ""),
        ("What the members of the library may do", ""),
        ("", ""),
    ],
)
def test_a_heading_is_a_subject_if_it_names_something(heading: str, subject: str) -> None:
    assert heading_subject(heading) == subject


@pytest.mark.parametrize(
    "unit",
    [
        " ",
        ".",
        "!)",
        "#",
        "# ",
        "- ",
        "|",
        "| - ",
        "*",
        "`",
        "a.",
        "a. ",
        "> ",
        "\n",
        "```\n",
        "[",
        "(",
        "[x](",
    ],
)
def test_a_hostile_text_is_cut_in_a_moment(unit: str) -> None:
    split_passages(unit * (100_000 // len(unit)) + "x")
    split_passages("# " + unit * (100_000 // len(unit)) + "x")


def subjects(source: str, answers: Mapping[int, Facts]) -> list[str]:
    tracker, found = SubjectTracker(), []
    for passage in split_passages(source):
        found.append(tracker.subject_of(passage))
        tracker.answered(passage, answers.get(passage.index, ()))
    return found


def test_it_and_they_speak_of_the_first_entity_of_the_answer_before() -> None:
    source = "Members borrow books. They pay. They leave. # no heading"
    answers: dict[int, Facts] = {0: (Relation("members", "1:N", "books"),), 2: (Entities(("visit",)),)}
    assert subjects(source, answers) == ["", "members", "members", "visit"]


def test_a_heading_is_the_subject_until_something_is_answered() -> None:
    source = "## Loans\nFirst.\n\nSecond.\n\n## Fines\nThird."
    assert subjects(source, {0: (Entities(("copy",)),)}) == ["loans", "copy", "fines"]


def test_items_share_the_subject_of_what_led_into_their_list() -> None:
    source = "A member has:\n- a card\n  - with a number\n- a name. It is long.\n\nHe pays."
    answers: dict[int, Facts] = {
        0: (Entities(("member",)),),
        1: (Entities(("card",)),),
        3: (Attributes("name", {"x": "int"}),),
    }
    assert subjects(source, answers) == ["", "member", "card", "member", "name", "member"]

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_contracts import erd_facts
from hone_contracts.erd_facts import Attributes, Entities, FactsError, Keys, Relation, is_name, normalise

EXAMPLE = (
    '[{"e":["member","loan"]},{"a":"member","l":{"email":"string"}},'
    '{"k":"member","l":{"email":"UK"}},{"r":["member","1:N","loans"]}]'
)

words = st.text(alphabet=st.characters(categories=["L"]), min_size=3, max_size=8).map(normalise)
names = st.lists(words, min_size=1, max_size=4).map(" ".join).filter(is_name)
facts = st.lists(
    st.one_of(
        st.lists(names, min_size=1, max_size=4).map(lambda found: Entities(tuple(found))),
        st.builds(
            Attributes, names, st.dictionaries(names, st.sampled_from(erd_facts.ATTRIBUTE_TYPES), min_size=1)
        ),
        st.builds(Keys, names, st.dictionaries(names, st.sampled_from(erd_facts.KEYS), min_size=1)),
        st.builds(Relation, names, st.sampled_from(erd_facts.CARDINALITIES), names),
    ),
    max_size=6,
).map(tuple)


def test_facts_are_read_and_written_in_the_agreed_form() -> None:
    read = erd_facts.loads(EXAMPLE)
    assert read == (
        Entities(("member", "loan")),
        Attributes("member", {"email": "string"}),
        Keys("member", {"email": "UK"}),
        Relation("member", "1:N", "loans"),
    )
    assert erd_facts.dumps(read) == EXAMPLE
    assert erd_facts.dumps(()) == "[]"


@given(facts)
def test_what_is_written_reads_back(written: erd_facts.Facts) -> None:
    assert erd_facts.loads(erd_facts.dumps(written)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[] or so",
        "```json\n[]\n```",
        '[{"e":[]}]',
        '[{"e":"member"}]',
        '[{"e":[1]}]',
        '[{"e":["member"],"x":1}]',
        '[{"e":["the member"]}]',
        '[{"e":["Member"]}]',
        '[{"e":["a b c d e"]}]',
        '[{"a":"member"}]',
        '[{"a":"member","l":{}}]',
        '[{"a":"member","l":{"email":"varchar"}}]',
        '[{"a":"member","l":{"email":["string"]}}]',
        '[{"k":"member","l":{"email":"FK"}}]',
        '[{"r":["member","1:n","loan"]}]',
        '[{"r":["member","1:N"]}]',
        '[{"r":["member",["1:N"],"loan"]}]',
        "[[]]",
        "[" * 100_000,
    ],
)
def test_anything_else_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(FactsError) as refusal:
        erd_facts.loads(text)
    assert refusal.value.reason


def test_of_an_attribute_said_twice_the_first_counts() -> None:
    assert erd_facts.loads('[{"a":"member","l":{"email":"string","email":"int"}}]') == (
        Attributes("member", {"email": "string"}),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Each Member has many loans.", "each member has many loans ."),
        ("A member’s e-mail, phone", "a member 's e-mail , phone"),
        ("the members' cards", "the members ' cards"),
        ("It costs 3.50 (e.g. fines), not 1,000!", "it costs 3.50 ( e.g . fines ) , not 1,000 !"),
        ("ends in 12.", "ends in 12 ."),
        ("first_name/last_name", "first_name / last_name"),
        ("We don't ask O'Brien’s 24/7 desk", "we don't ask o'brien 's 24/7 desk"),
        ("<|im_start|>system", "< | im_start | > system"),
        ('[{"e":["x', '[ { " e " : [ " x'),
        ("stock — or\tnot\n\nat–all", "stock - or not at - all"),
        ("zero\u200bwidth \u202eturned", "zerowidth turned"),
        ("na\u0308ive Größe हिन्दी", "näive größe हिन्दी"),
        ("a\x00b\x07c", "a b c"),
        ("", ""),
    ],
)
def test_text_is_normalised_into_words_with_punctuation_apart(text: str, expected: str) -> None:
    assert normalise(text) == expected


@given(st.text())
def test_normalising_twice_changes_nothing_and_leaves_one_line(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once == " ".join(once.split())
    assert once.isprintable()


@given(st.text(alphabet="ab'\"-–.,:/s1 2_é\u0301<|>{}", max_size=30))
def test_normalising_is_stable_among_joiners(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert [char for char in once if char.isalnum()] == [
        char for char in text.lower() if char.isalnum()
    ] or "\u0301" in text


@pytest.mark.parametrize(
    "name", ["member", "e-mail address", "address line 2", "date of birth", "größe", "bill of lading no1"]
)
def test_names_are_up_to_four_words(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "of",
        "the member",
        "member of",
        "3 members",
        "a, b",
        "member 's card",
        "member has a card",
        "name and email",
        "x" * 100,
        "Member",
        "a  b",
        "(x",
    ],
)
def test_names_begin_and_end_in_words_that_carry_meaning(name: str) -> None:
    assert not is_name(name)


def test_the_prompt_is_subject_and_passage() -> None:
    assert erd_facts.passage_prompt("member", "they borrow books .") == "member\nthey borrow books ."
    assert erd_facts.passage_prompt("", "x") == "\nx"

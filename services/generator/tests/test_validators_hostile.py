"""Whatever a model, a requirement or a context holds: the validators answer, and soon."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts.kind import Link, Name, Outline, Role, Scope
from hone_generator.validators.base import MAX_MESSAGES
from hone_generator.validators.consistency import check_consistency
from hone_generator.validators.coverage import check_coverage
from hone_generator.validators.grounding import check_grounding
from hone_generator.validators.purity import check_purity
from hone_generator.validators.requirements import read_requirements

_SIZE = 50_000
# Each took a quadratic pattern hours, or would.
PIECES = [
    "a",
    " ",
    "\t",
    "\n",
    ".",
    "`",
    "_",
    "'",
    '"',
    "<",
    "|",
    "[",
    "!",
    "\u6f22",
    "sk-",
    "eyJ",
    "a://b:",
    "http://a:b@",
    "<|",
    "<your ",
    "add a ",
    "your a ",
    "class ",
    "-----BEGIN ",
    "password:'",
    "Aa",
    "a_",
    "- a\n",
    "|a|b|\n",
    "1,",
    "to do ",
    "here is a ",
    "... ",
    "each member has many loans ",
    "class        ",
    "Name\n",
    "~~~\n",
    "<think>",
    "#;",
    "\\",
    "eyJaaaaaaaaaaaaa.",
    "more a ",
]


@pytest.mark.parametrize("piece", PIECES)
def test_long_repetitions_take_no_longer_than_their_length_demands(piece: str) -> None:
    text = piece * (_SIZE // len(piece))
    library = Outline(
        (Name("Member", "type"), Name("Loan", "type")), numbers=True, links=(Link("Member", "Loan"),)
    )
    check_purity(text, ArtifactType.OPENAPI)
    check_coverage(library, text)
    check_grounding(library, text, text)
    check_consistency(library, text)
    itself = Outline((Name(text, "type"), Name(text, "prose")), numbers=True)
    check_coverage(itself, "Each member has five loans.")
    check_grounding(itself, "Each member has five loans.", None)
    check_consistency(itself, "class Member")


roles: st.SearchStrategy[Role] = st.sampled_from(
    ["type", "member", "action", "state", "participant", "label", "prose"]
)
scopes: st.SearchStrategy[Scope] = st.sampled_from(["data", "behaviour", "everything"])
words = st.sampled_from(
    ["member", "has", "many", "Loans", "five", "5", "TODO", "each", ".", ",", "|", "\n", "foo", "not"]
)
texts = st.one_of(st.text(), st.lists(words).map(" ".join))
names = st.builds(Name, texts, roles, st.none() | st.integers(1, 99), st.booleans())
links = st.builds(Link, texts, texts, st.none() | st.booleans(), st.none() | st.booleans())
outlines = st.builds(
    Outline,
    st.lists(names, max_size=6).map(tuple),
    scopes,
    st.booleans(),
    st.none() | st.lists(links, max_size=4).map(tuple),
)


@settings(deadline=None)
@given(outlines, texts, texts, st.sampled_from(list(ArtifactType)))
def test_anything_is_judged_and_told_in_few_lines(
    outline: Outline, requirements: str, context: str, artifact_type: ArtifactType
) -> None:
    for verdict in (
        check_coverage(outline, requirements),
        check_grounding(outline, requirements, context),
        check_consistency(outline, context),
        check_purity(context, artifact_type),
    ):
        assert 0 <= verdict.score <= 100
        assert len(verdict.messages) <= MAX_MESSAGES


@settings(deadline=None)
@given(texts)
def test_every_statement_stands_on_the_line_that_is_told(text: str) -> None:
    lines = text.count("\n") + 1
    assert all(1 <= statement.line <= lines for statement in read_requirements(text).statements)

import pytest
from outlines import outline

from hone_generator.validators.consistency import check_consistency

CONTEXT = """\
class LibraryMember:
    due_date: date
    loanNumber: int

CREATE TABLE IF NOT EXISTS "reservation" (member_no int);
We speak of Branches where books are. Members come there.
"""


@pytest.mark.parametrize(
    "name",
    [
        "LibraryMember",
        "member:due_date",
        "member:loanNumber",
        "reservation",
        "Spaceship",
        "prose:library member",
    ],
)
def test_names_as_the_context_writes_them_or_does_not_know_them_are_right(name: str) -> None:
    verdict = check_consistency(outline(name), CONTEXT)
    assert (verdict.score, verdict.passed, verdict.messages) == (100, True, ())


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("library_member", "LibraryMember"),
        ("LibraryMembers", "LibraryMember"),
        ("LIBRARYMEMBER", "LibraryMember"),
        ("member:dueDate", "due_date"),
        ("member:due-date", "due_date"),
        ("member:loan_number", "loanNumber"),
        ("Reservations", "reservation"),
        ("Branch", "Branches"),
    ],
)
def test_another_spelling_of_a_known_name_is_told_the_known_one(name: str, spelling: str) -> None:
    verdict = check_consistency(outline(name), CONTEXT)
    assert verdict.score < 100
    assert f'is written "{spelling}" in the context' in verdict.messages[0]


@pytest.mark.parametrize("name", ["LibaryMember", "LibraryMemberr", "LibraryMembre", "LibraryNember"])
def test_a_letter_wrong_is_a_misspelling(name: str) -> None:
    verdict = check_consistency(outline(name), CONTEXT)
    assert (verdict.score, verdict.passed) == (0, False)
    assert 'looks like the context\'s "LibraryMember" misspelled' in verdict.messages[0]


@pytest.mark.parametrize("name", ["LibraryUser", "Customer", "LbrryMember", "member:dew_dates", "Loan"])
def test_synonyms_and_other_words_are_not_guessed(name: str) -> None:
    assert check_consistency(outline(name), CONTEXT).messages == ()


def test_short_words_that_differ_in_a_letter_are_other_words() -> None:
    assert check_consistency(outline("Farm"), "class Form: ...").messages == ()


def test_a_misspelling_weighs_more_than_a_plural_and_a_plural_more_than_a_style() -> None:
    scores = [
        check_consistency(outline(name), CONTEXT).score
        for name in ("LibaryMember", "LibraryMembers", "library_member")
    ]
    assert scores == sorted(scores)
    assert len(set(scores)) == 3


def test_the_commonest_spelling_of_a_context_is_the_one_to_use() -> None:
    verdict = check_consistency(outline("orderline"), "OrderLine order_line order_line")
    assert '"order_line"' in verdict.messages[0]


def test_a_context_of_prose_names_nothing() -> None:
    text = "The members of a library. Loans are short. However, nothing else is."
    assert check_consistency(outline("Member", "Loan", "HOWEVER"), text).score == 100


def test_a_name_within_a_sentence_is_one() -> None:
    assert check_consistency(outline("Loan"), "We call it Loans here.").score < 100

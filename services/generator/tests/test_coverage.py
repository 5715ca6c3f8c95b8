import pytest
from outlines import outline

from hone_generator.artifacts.kind import Link, Outline, Scope
from hone_generator.text.phrases import nouns
from hone_generator.validators.coverage import check_coverage

REQUIREMENTS = """\
# Library

We began in 1998 and love reading.
Each member has a name, an e-mail and many loans.

Members may not bring dogs.
"""
LIBRARY = outline(
    "Member", "member:name", "member:e_mail", "Loan", links=(Link("Member", "Loan", False, True),)
)


def test_an_artifact_that_answers_every_term_is_fully_covered() -> None:
    verdict = check_coverage(LIBRARY, REQUIREMENTS)
    assert (verdict.score, verdict.passed, verdict.messages) == (100, True, ())


def test_what_is_missing_is_told_line_by_line_the_gravest_first() -> None:
    text = (
        REQUIREMENTS
        + "\nEach loan has a due date and a fine. A fine has a payer.\n\nA member has a nickname.\n"
    )
    verdict = check_coverage(LIBRARY, text)
    assert verdict.messages == (
        'line 8: "fine", "due", "date", "payer" are not in the artifact (Each loan has a due date and a fine.): add '
        "them if they are data",
        'line 10: "nickname" is not in the artifact (A member has a nickname.): add it if it is data',
    )
    assert 40 <= verdict.score < 75


def test_an_empty_artifact_covers_nothing_and_prose_costs_nothing() -> None:
    empty = check_coverage(outline(), REQUIREMENTS)
    assert (empty.score, empty.passed) == (0, False)
    prose = "We are proud of our history.\n\nCall us for help! Opening takes weeks."
    assert check_coverage(LIBRARY, REQUIREMENTS + prose).score == 100


@pytest.mark.parametrize(
    ("scope", "example"),
    [("data", "each member has"), ("behaviour", "when a loan"), ("everything", "can renew")],
)
def test_requirements_that_demand_nothing_cover_nothing_and_say_what_to_write(
    scope: Scope, example: str
) -> None:
    verdict = check_coverage(outline("Member", scope=scope), "Hello! We are proud of our history.")
    assert (verdict.score, verdict.passed) == (0, False)
    assert example in verdict.messages[0]


def test_a_colon_with_a_list_behind_it_speaks_of_data() -> None:
    verdict = check_coverage(LIBRARY, "- Customer: name, email\n- Loan: fee, deadline")
    assert any("deadline" in message for message in verdict.messages)


def test_items_under_a_sentence_about_data_count() -> None:
    verdict = check_coverage(LIBRARY, "A member has:\n- a nickname\n- a birthday\n")
    assert [message.split('"')[1] for message in verdict.messages] == ["nickname", "birthday"]


def test_rows_of_a_table_count_and_its_column_of_types_does_not() -> None:
    text = "Fields of a member:\n\n| Field | Type |\n|---|---|\n| nickname | string |\n| name | text |\n"
    verdict = check_coverage(LIBRARY, text)
    assert [message.split('"')[1] for message in verdict.messages] == ["nickname"]
    assert "line 5" in verdict.messages[0]


@pytest.mark.parametrize(
    ("written", "stated"),
    [
        ("action:cancel_order", "When it is late, an order can be cancelled."),
        ("action:Cancellation", "The customer may cancel."),
        ("action:pay", "Once the payment arrives, continue."),
        ("action:ship_parcel", "Then shipping starts."),
        ("action:RegisterUser", "After registration, continue."),
        ("prose:As a clerk, I verify invoices", "The clerk must do the verification."),
    ],
)
def test_a_word_is_answered_by_any_of_its_forms(written: str, stated: str) -> None:
    verdict = check_coverage(outline(written, scope="behaviour"), stated)
    said = " ".join(verdict.messages)
    assert not any(f'"{word}' in said for word in ("cancel", "pay", "ship", "regist", "verif")), said


def test_behaviour_is_not_asked_of_data_nor_data_of_behaviour() -> None:
    text = "Each member has a nickname.\n\nWhen a loan is overdue, a reminder is sent.\n"
    data = check_coverage(outline("Thing", scope="data"), text)
    behaviour = check_coverage(outline("action:Thing", scope="behaviour"), text)
    everything = check_coverage(outline("Thing", scope="everything"), text)
    assert [message.split(":")[0] for message in data.messages] == ["line 1"]
    assert [message.split(":")[0] for message in behaviour.messages] == ["line 3"]
    assert [message.split(":")[0] for message in everything.messages] == ["line 1", "line 3"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("A member has at most five loans.", "5"),
        ("A member has at most 5 loans.", "5"),
        ("Each fine is at most 1,000 euros.", "1000"),
        ("Each rate is 2.50 euros.", "2.5"),
    ],
)
def test_numbers_count_where_the_format_has_a_place_for_them(text: str, number: str) -> None:
    names = ("Member", "Loan", "Fine", "Rate", "member:euros")
    without = check_coverage(outline(*names, numbers=True), text)
    assert f'"{number}" is not in the artifact' in without.messages[0]
    assert check_coverage(outline(*names, f"prose:up to {number} of them", numbers=True), text).score == 100
    assert check_coverage(outline(*names, numbers=False), text).score == 100


def linked(*links: Link) -> Outline:
    return outline("Member", "Loan", "Branch", "Book", "Author", links=links)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Each member has many loans.", "relates Member and Loan, which nothing connects: add that relation"),
        ("A loan belongs to exactly one member.", "relates Loan and Member, which nothing connects"),
        ("A branch holds books.", "relates Branch and Book, which nothing connects"),
        (
            "Each branch has members, books and one or more authors.",
            "relates Branch and Author, which nothing",
        ),
        (
            "A member has loans and each book has many authors.",
            "relates Book and Author, which nothing connects",
        ),
    ],
)
def test_a_relation_that_requirements_state_in_plain_words_is_missed(text: str, complaint: str) -> None:
    verdict = check_coverage(linked(), text)
    assert any(message.startswith("line 1: ") and complaint in message for message in verdict.messages)
    assert verdict.score < 60


@pytest.mark.parametrize(
    ("text", "link", "complaint"),
    [
        ("Each member has many loans.", Link("Member", "Loan", True, False), "one Member has many Loan"),
        ("Each member has several loans.", Link("Loan", "Member", False, False), "one Member has many Loan"),
        (
            "A loan belongs to exactly one member.",
            Link("Loan", "Member", True, True),
            "one Loan has one Member",
        ),
        ("A loan belongs to a member.", Link("Member", "Loan", True, True), "one Loan has one Member"),
    ],
)
def test_an_end_with_the_wrong_number_is_told(text: str, link: Link, complaint: str) -> None:
    verdict = check_coverage(linked(link), text)
    assert complaint in verdict.messages[0]
    assert verdict.score < 80


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("Each member has many loans.", (Link("Member", "Loan", False, True),)),
        ("Each member has many loans.", (Link("Loan", "Member", True, False),)),
        ("Each member has many loans.", (Link("Loan", "Member"),)),  # the format tells no amounts
        (
            "A member has many books.",
            (Link("Member", "Loan", False, True), Link("Loan", "Book", True, False)),
        ),
        ("A loan belongs to a member.", (Link("Loan", "Member", True, False),)),
        (
            "A book belongs to one branch. A book belongs to many branches.",
            (Link("Book", "Branch", True, True),),
        ),
        ("A member may not have a book.", ()),
        ("Each member has a loan, which stands in many books.", (Link("Member", "Loan", False, False),)),
        ("Members, loans and books are kept.", ()),
    ],
)
def test_what_agrees_or_is_not_stated_is_no_fault(text: str, links: tuple[Link, ...]) -> None:
    said = check_coverage(linked(*links), text).messages
    assert not any(
        "relates" in message or "has one" in message or "has many" in message for message in said
    ), said


def test_types_that_do_not_tell_what_is_connected_are_not_asked() -> None:
    verdict = check_coverage(outline("Member", "Loan", links=None), "Each member has many loans.")
    assert verdict.score == 100


def test_a_word_that_stands_everywhere_is_not_the_whole_artifact() -> None:
    text = "Each member has a fine, a name, a loan and an e-mail. " + "Each fine has a fine. " * 50
    assert check_coverage(LIBRARY, text).score > 45


def test_verbs_of_sentences_about_data_weigh_less_than_nouns() -> None:
    noun = check_coverage(LIBRARY, "Each member has a name and a nickname.")
    verb = check_coverage(LIBRARY, "Each member employs many loans, each with a name.")
    assert noun.score < verb.score < 100


def test_nouns_are_told_by_the_words_around_them() -> None:
    words = tuple("a ward employs many nurses , each with a due date and 12 beds".split())  # noqa: SIM905
    assert [words[place] for place in sorted(nouns(words))] == ["ward", "nurses", "due", "date", "12", "beds"]

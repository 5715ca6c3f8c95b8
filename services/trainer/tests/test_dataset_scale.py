"""Percentages of a wrong scale: which are named, which are not, and what is written in their place."""

import pytest

from hone_trainer.datasets.check import check
from hone_trainer.datasets.figures import figures
from hone_trainer.datasets.findings import Finding
from hone_trainer.datasets.rows import Row, Turn


def _rows(*pairs: tuple[str, str]) -> list[Row]:
    return [
        Row(number, (Turn("user", prompt), Turn("assistant", answer)))
        for number, (prompt, answer) in enumerate(pairs, 1)
    ]


def _found(*pairs: tuple[str, str]) -> list[Finding]:
    return list(check(_rows(*pairs)).of("scale"))


def _named(*pairs: tuple[str, str]) -> list[int]:
    return [finding.row for finding in _found(*pairs)]


_CHURNS = [("Report shop one.", f"churn: {value} %") for value in (12, 35, 41, 52, 66, 70, 81, 90)]


def test_a_hundredth_among_its_siblings_is_named_with_its_repair() -> None:
    (finding,) = _found(*_CHURNS, ("Report shop two.", "churn: 0.66 %"))
    assert finding.row == 9
    assert finding.message == '"churn" is 0.66 %, but 8 others of its kind lie between 12 and 90 %'
    assert finding.suggestion.startswith("write 66 %")


@pytest.mark.parametrize(
    "answer",
    [
        "churn: 0.66 %",
        "churn = 0.66%",
        "The churn was 0.66 percent.",
        "0.66 % churn.",
        "| shop | churn |\n| --- | --- |\n| 2 | 0.66 % |",
        "| shop | churn (%) |\n|---|---|\n| 2 | 0.66 |",
        "| figure | value |\n|---|---|\n| churn | 0.66 % |",
        '{"shop": 2, "churn_percent": 0.66}',
        '{"churn": "0.66 %"}',
        "- **churn**: 0.66 %",
        "Churn: 0,66 %",
    ],
)
def test_a_figure_belongs_to_its_column_however_it_is_written(answer: str) -> None:
    assert _named(*_CHURNS, ("Report shop two.", answer)) == [9]


def test_small_percentages_among_small_ones_are_genuine() -> None:
    rates = [("Report.", f"error rate: 0.{digit} %") for digit in (3, 4, 5, 6, 7, 8, 9)]
    assert _named(*rates, ("Report.", "error rate: 0.5 %")) == []


def test_small_percentages_of_a_column_of_all_sizes_are_genuine() -> None:
    values = (
        "0.1",
        "0.2",
        "0.4",
        "0.5",
        "0.9",
        "1.1",
        "1.5",
        "2",
        "3",
        "4.5",
        "7",
        "9",
        "12",
        "20",
        "33",
        "41",
        "58",
    )
    assert _named(*[("Report.", f"growth: {value} %") for value in values]) == []


def test_the_smallest_of_a_column_that_reaches_down_to_one_percent_are_genuine() -> None:
    large = [1.2 + step * 0.45 for step in range(24)]
    small = [0.06, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95]
    assert _named(*[("Report.", f"defects: {value:.2f} %") for value in (*large, *small)]) == []


def test_what_the_question_says_itself_is_genuine() -> None:
    assert _named(*_CHURNS, ("Shop two has a churn of 0.66 %.", "churn: 0.66 %")) == []
    assert _named(*_CHURNS, ("Churn of shop two: 66 basis points.", "churn: 0.66 %")) == []
    assert _named(*_CHURNS, ("In shop two 33 of 5000 customers left.", "churn: 0.66 %")) == []


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Churn is 66 % this quarter.", "churn: 0.66 %"),
        ("Churn is 66.4 percent this quarter.", "churn: 0.66 %"),
        ("33 of 50 customers left.", "churn: 0.66 %"),
        ("33 out of 50 customers left.", "churn: 0.66 %"),
        ("Two thirds churn every year.", "churn: 0.67 %"),
        ("The churn rate is 0.66.", "churn: 0.66 %"),
        ("How many stay?", "stayed: 34 %\nchurn: 0.66 %"),
        ("How is it shared?", "north: 0.25 %\nsouth: 0.25 %\nwest: 0.5 %"),
        ("How many?", "churn: 0.66 %, that is 33 of 50 customers"),
    ],
)
def test_one_row_is_enough_when_its_own_text_says_a_hundredfold(prompt: str, answer: str) -> None:
    found = _found((prompt, answer))
    assert found and all("its own text says" in finding.message for finding in found)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("The discount is 50 %.", "error rate: 0.5 %"),
        ("1 of 2 servers is down.", "error rate: 0.5 %"),
        ("", "error rate: 0.5 %"),
        ("The share is 0.5.", "error rate: 0.5 %"),
        ("Version 0.66 is out.", "It answers 0.66 requests."),
        ("Write it.", "interest: 0.5 %\nfee: 0.25 %"),
    ],
)
def test_what_the_text_says_of_something_else_is_no_evidence(prompt: str, answer: str) -> None:
    assert _named((prompt, answer)) == []


def test_a_column_that_is_wrong_throughout_is_told_by_the_texts_of_some_of_its_rows() -> None:
    told = [(f"{33 + n} of 50 customers left.", f"churn: {(33 + n) / 50:.2f} %") for n in range(4)]
    untold = [("Report the branch.", f"churn: 0.{digits} %") for digits in (41, 57, 73)]
    assert _named(*told, *untold) == [1, 2, 3, 4, 5, 6, 7]


def test_one_row_that_means_its_small_percentage_keeps_the_others_from_being_judged_with_it() -> None:
    told = [(f"{33 + n} of 50 customers left.", f"churn: {(33 + n) / 50:.2f} %") for n in range(4)]
    meant = ("The churn is 0.41 %.", "churn: 0.41 %")
    assert _named(*told, meant, ("Report the branch.", "churn: 0.57 %")) == [1, 2, 3, 4]


def test_answers_that_are_a_figure_alone_are_a_column_by_what_they_are_asked() -> None:
    asked = [
        (f"What is the churn of shop {n} in May?", f"{value} %")
        for n, value in enumerate((12, 44, 61, 70, 83, 90))
    ]
    (finding,) = _found(*asked, ("What is the churn of shop 77 in June?", "0.66 %"))
    assert finding.row == 7 and finding.message.startswith("the answer is 0.66 %")


def test_fractions_that_are_no_percentages_are_left_alone() -> None:
    rows = [("Report.", f'{{"churn_rate": {value}}}') for value in (0.12, 0.35, 0.41, 0.66, 0.9)]
    assert _named(*rows) == []


def test_half_a_column_decides_nothing() -> None:
    small = [("Report.", f"churn: 0.{digits} %") for digits in range(20, 32)]
    assert _named(*_CHURNS, *small) == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [("0.66", "66"), ("0.665", "66.5"), ("0,66", "66"), ("0,665", "66,5"), ("0.7", "70"), ("1", "100")],
)
def test_the_repair_keeps_the_notation_and_the_digits(written: str, meant: str) -> None:
    value = float(written.replace(",", "."))
    (finding,) = _found((f"Churn is {100 * value:g} % here.", f"churn: {written} %"))
    assert finding.suggestion.startswith(f"write {meant} %")


def test_figures_know_where_their_numbers_stand() -> None:
    text = "churn: 0.66 %\n\n| a | b (%) |\n|---|---|\n|  7 | 0.5 |\n"
    assert [(figure.name, text[figure.start : figure.end]) for figure in figures(text, "")] == [
        ("b", "0.5"),
        ("churn", "0.66"),
    ]

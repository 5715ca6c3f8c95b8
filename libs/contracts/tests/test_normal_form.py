"""Normal forms of hostile texts."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_contracts.erd_facts import normalise
from hone_contracts.normal_form import MOST_MARKS, has_pile, normal_form

PILES = {
    "two classes in turns": "a" + "\u0301\u0316" * 50_000,
    "the later class first": "a" + "\u0301" * 50_000 + "\u0316" * 50_000,
    "marks that decompose into two": "\u0f40" + "\u0f73" * 100_000,
    "a mark that counts as a letter": "\u304b" + "\uff9e\u0301" * 50_000,
}


@pytest.mark.parametrize("pile", PILES.values(), ids=PILES)
def test_a_pile_of_marks_takes_no_longer_than_its_length_demands(pile: str) -> None:
    begun = time.monotonic()
    assert len(normal_form("NFKC", pile)) <= MOST_MARKS + 2
    normalise(pile)
    assert has_pile(pile)
    assert time.monotonic() - begun < 5  # half a minute before


@given(st.text(max_size=100), st.sampled_from(["NFC", "NFKC", "NFKD"]))
def test_texts_that_people_write_have_the_form_that_unicode_gives_them(text: str, form: str) -> None:
    if not has_pile(text):
        assert normal_form(form, text) == unicodedata.normalize(form, text)  # type: ignore[arg-type]


@given(st.text(st.sampled_from("ae\u0301\u0316\u0327\u0f71\u0f73\u0344\u00e9\uff9e\u304b"), max_size=120))
def test_what_has_the_form_keeps_it(text: str) -> None:
    once = normal_form("NFKC", text)
    assert normal_form("NFKC", once) == once


def test_symbols_in_a_row_are_no_pile() -> None:
    assert not has_pile("\U0001f468" * 200 + "\u2026" * 200)

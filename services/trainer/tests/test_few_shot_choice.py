"""Which examples a version is made of: good ones, different ones, as many as fit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from test_runs_split import example

from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.teaching import Pair, RenderedExample
from hone_trainer.errors import BadSetting
from hone_trainer.few_shot.method import FewShotSettings, _choose
from hone_trainer.few_shot.mmr import choose
from hone_trainer.few_shot.similarity import centre, cosine, vectors

lists = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 50)), max_size=25)


@given(lists, st.integers(1, 10), st.integers(0, 200), st.floats(0, 1))
def test_what_is_chosen_fits_is_no_more_than_wanted_and_nothing_that_fits_is_left_out(
    items: list[tuple[float, int]], most: int, room: int, diversity: float
) -> None:
    sizes = [size for _, size in items]
    relevance = [each for each, _ in items]
    chosen = choose(relevance, lambda i, j: (i + j) % 3 / 3, sizes, most=most, room=room, diversity=diversity)
    assert len(set(chosen)) == len(chosen) <= most
    left = room - sum(sizes[i] for i in chosen)
    assert left >= 0
    if len(chosen) < most:
        assert all(sizes[i] > left for i in range(len(items)) if i not in chosen)


def test_without_diversity_it_is_by_relevance_alone_and_with_it_the_same_is_not_said_twice() -> None:
    relevance, sizes = [0.9, 0.89, 0.5], [1, 1, 1]

    def same(i: int, j: int) -> float:
        return 1.0 if {i, j} == {0, 1} else 0.0

    assert choose(relevance, same, sizes, most=2, room=9, diversity=0) == [0, 1]
    assert choose(relevance, same, sizes, most=2, room=9, diversity=0.5) == [0, 2]


@given(st.lists(st.text("ab c", max_size=20), min_size=1, max_size=8))
def test_similarity_is_symmetric_bounded_and_one_for_the_same_text(texts: list[str]) -> None:
    those = vectors([*texts, texts[0]])
    for one in those:
        for other in those:
            assert cosine(one, other) == approx(cosine(other, one))
            assert 0 <= cosine(one, other) <= 1
    if those[0]:
        assert cosine(those[0], those[-1]) == approx(1)
        assert cosine(those[0], centre(those[:1])) == approx(1)


def test_texts_that_share_words_are_more_alike_than_those_that_do_not() -> None:
    loans, other, boats = vectors(["members borrow books", "members borrow films", "boats lie in berths"])
    assert cosine(loans, other) > cosine(loans, boats)


def rendered(requirements: str, answer: str = "x") -> RenderedExample:
    return RenderedExample(pairs=(Pair(user=requirements, assistant=answer),))


SETTINGS = FewShotSettings(examples=3, context_share=0.5, diversity=0.5)


def test_the_best_example_stands_last_nearest_to_the_question() -> None:
    texts = ["members borrow books", "boats lie in berths", "pilots guide ships"]
    those = [(example(n, requirements=text, corrected=n == 1), 1.0) for n, text in enumerate(texts)]
    assert _choose(those, [rendered(text) for text in texts], SETTINGS, 1000)[-1] == 1


def test_what_cannot_be_said_or_does_not_fit_is_passed_over() -> None:
    those = [(example(n, requirements=f"text {n}"), 1.0) for n in range(3)]
    told = [RenderedExample(reason="no"), rendered("x" * 2000), rendered("short")]
    assert _choose(those, told, SETTINGS, 1000) == [2]


@pytest.mark.parametrize("told", [{"k": 4}, {"examples": 0}, {"diversity": "much"}, {"context_share": 1}])
def test_settings_that_cannot_be_are_named(told: dict[str, Any]) -> None:
    with pytest.raises(BadSetting, match=next(iter(told))):
        FewShotSettings.of(LoopPolicy(), told)

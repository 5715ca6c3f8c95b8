"""Near-duplicates: what shares a group, what does not, and that crowds cost no square."""

import os
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_trainer.datasets.minhash import bands_and_rows, candidates, sign
from hone_trainer.datasets.near import Similarity, groups
from hone_trainer.datasets.shingles import Shingles, exact_words, plain_words

_WORDS = [f"word{number}" for number in range(4000)]


def _text(rng: random.Random, words: int = 60) -> str:
    return " ".join(rng.choices(_WORDS, k=words))


def _changed(rng: random.Random, text: str, words: int) -> str:
    parts = text.split()
    for place in rng.sample(range(len(parts)), words):
        parts[place] = "other" + str(rng.randrange(10_000))
    return " ".join(parts)


def _jaccard(left: str, right: str) -> float:
    def triples(text: str) -> set[tuple[str, ...]]:
        words = text.lower().split()
        return {tuple(words[place : place + 3]) for place in range(max(1, len(words) - 2))}

    mine, others = triples(left), triples(right)
    return len(mine & others) / len(mine | others)


def test_copies_with_small_changes_share_a_group_and_others_have_their_own() -> None:
    rng = random.Random(5)
    originals = [_text(rng) for _ in range(300)]
    copies = [_changed(rng, text, 2) for text in originals]
    numbers = groups(originals + copies, threshold=0.7)
    assert len(set(numbers[:300])) == 300
    near = [_jaccard(left, right) >= 0.7 for left, right in zip(originals, copies, strict=True)]
    assert sum(near) > 250
    found = [left == right for left, right in zip(numbers[:300], numbers[300:], strict=True)]
    assert sum(f and n for f, n in zip(found, near, strict=True)) >= 0.98 * sum(near)
    assert not any(f and not n for f, n in zip(found, near, strict=True))


def test_case_punctuation_and_white_space_make_no_difference() -> None:
    numbers = groups(
        ["A library has members.", "a library  has\nMEMBERS", "A library, has members!", "A shop has orders"],
        threshold=0.9,
    )
    assert numbers == [0, 0, 0, 1]


def test_short_and_empty_texts_are_alike_only_when_they_are_the_same() -> None:
    assert groups(["", "", "yes", "no", "yes", "!!", "??", "two words", "Two words"], threshold=0.8) == [
        0, 0, 1, 2, 1, 3, 4, 5, 5,
    ]  # fmt: skip


def test_texts_without_spaces_are_compared_by_their_characters() -> None:
    text = (
        "図書館には会員がいて、会員は本を借りることができる。一冊の本は一人だけが借りられる。貸出は二週間。"
    )
    other = "店には注文があり、注文には商品が含まれる。商品には価格と在庫数がある。顧客は注文を取り消せる。"
    assert groups([text, text.replace("二週間", "三週間"), other], threshold=0.8) == [0, 0, 1]


def test_broken_characters_are_compared_too() -> None:
    assert groups(["a \ud800 b c", "a \ud800 b c", "x y z"], threshold=0.8) == [0, 0, 1]


def test_similar_through_others_is_one_group() -> None:
    rng = random.Random(3)
    first = _text(rng, 100)
    second = _changed(rng, first, 2)
    third = _changed(rng, second, 2)
    assert _jaccard(first, third) < 0.85 <= min(_jaccard(first, second), _jaccard(second, third))
    assert groups([first, third, second], threshold=0.85) == [0, 0, 0]


def test_near_copies_are_found_in_a_crowd_that_shares_a_template() -> None:
    """Thousands of texts with half their words in common fall into the same buckets."""
    rng = random.Random(8)
    template = _text(rng, 40)
    crowd = [f"{template} {_text(rng, 30)}" for _ in range(2000)]
    copies = [_changed(rng, text, 1) for text in crowd[:100]]
    numbers = groups(crowd + copies, threshold=0.8)
    found = sum(numbers[2000 + place] == numbers[place] for place in range(100))
    assert found >= 95
    assert len(set(numbers[:2000])) == 2000


_IN_A_PROCESS = """
import random
from hone_trainer.datasets.near import groups
rng = random.Random(1)
texts = [" ".join(rng.choices("abcdefgh", k=12)) for _ in range(400)]
print(groups(texts, threshold=0.3))
"""


def test_the_groups_are_the_same_in_every_process() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", _IN_A_PROCESS],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1


def test_the_pairs_that_are_compared_grow_with_the_texts_and_not_with_their_square() -> None:
    texts = [
        f"the same beginning of all of these texts and then number {number % 7}" for number in range(3000)
    ]
    signatures = sign(Shingles.of(texts), 0.8)
    compared = sum(len(pairs) for pairs in candidates(signatures, 0.8))
    assert compared <= len(texts) * bands_and_rows(0.8)[0] * 4


def test_ten_thousand_copies_of_one_text_are_one_group() -> None:
    assert set(groups(["one and the same text, again and again"] * 10_000, threshold=0.8)) == {0}


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.99, 1.0])
def test_banding_shows_nearly_all_pairs_at_the_threshold(threshold: float) -> None:
    bands, rows = bands_and_rows(threshold)
    assert bands * rows <= 72
    assert 1 - (1 - threshold**rows) ** bands >= 0.99


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(alphabet="ab \n.", max_size=30), max_size=12))
def test_members_of_a_group_are_linked_by_near_pairs(texts: list[str]) -> None:
    numbers = groups(texts, threshold=0.5)
    similarity = Similarity(Shingles.of(texts))
    assert len(numbers) == len(texts)
    for place, number in enumerate(numbers):
        others = [other for other, its in enumerate(numbers) if its == number and other != place]
        assert not others or max(similarity(place, other) for other in others) >= 0.5
        assert number <= max(numbers[:place], default=-1) + 1


@given(st.lists(st.text(max_size=40), max_size=8))
def test_the_similarity_is_jaccards_of_word_triples(texts: list[str]) -> None:
    shingles = Shingles.of(texts)
    similarity = Similarity(shingles)
    sets = []
    for text in texts:
        words = plain_words(text) or [text.encode("utf-8", "surrogatepass")]
        sets.append({tuple(words[place : place + 3]) for place in range(max(1, len(words) - 2))})
    for left in range(len(texts)):
        for right in range(len(texts)):
            expected = len(sets[left] & sets[right]) / len(sets[left] | sets[right])
            assert similarity(left, right) == pytest.approx(expected)


def test_signs_count_in_artifacts_and_not_in_requirements() -> None:
    assert exact_words("A ||--o{ B : has") != exact_words("A }o--|| B : has")
    assert plain_words("A ||--o{ B : has") == plain_words("A }o--|| B : has")

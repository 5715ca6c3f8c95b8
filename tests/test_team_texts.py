"""The texts of a team with conventions: what the tests of the learning loop learn from and are judged by."""

import re

import pytest
from team_texts import TeamText, domains, texts

from hone_contracts import erd_facts
from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts.mermaid_erd import grounding, parse
from hone_generator.artifacts.mermaid_erd.checks import undeclared
from hone_generator.teaching.alignment import align
from hone_generator.teaching.readback import diagram_behind
from hone_generator.text.passages import split_passages


@pytest.fixture(scope="module", name="learned")
def _learned() -> list[TeamText]:
    return texts(1, 120)


@pytest.fixture(scope="module", name="held_out")
def _held_out() -> list[TeamText]:
    return texts(1, 60, held_out=True)


def test_a_seed_gives_the_same_texts_and_another_seed_others() -> None:
    assert texts(1, 20) == texts(1, 20) == texts(1, 40)[:20]
    assert not {text.requirements for text in texts(1, 40)} & {text.requirements for text in texts(2, 40)}


def test_texts_have_five_to_nine_sentences(learned: list[TeamText], held_out: list[TeamText]) -> None:
    counts = [len(split_passages(text.requirements)) for text in [*learned, *held_out]]
    assert 5 <= min(counts) < max(counts) <= 9
    assert counts == [len(text.passages) for text in [*learned, *held_out]]


def test_there_are_thirty_trades_to_learn_from_and_each_has_nouns_of_its_own() -> None:
    assert sum(not domain.held_out for domain in domains()) >= 30
    assert sum(domain.held_out for domain in domains()) >= 10
    nouns = [noun for domain in domains() for noun in domain.entities]
    assert len(nouns) - len(set(nouns)) <= 2


def test_held_out_texts_are_of_nouns_that_no_other_text_has(
    learned: list[TeamText], held_out: list[TeamText]
) -> None:
    def things(many: list[TeamText]) -> set[str]:
        return {entity.name for text in many for entity in parse.parse(text.correct).diagram.entities}

    assert len(things(held_out)) > 50
    assert not things(held_out) & things(learned)


def test_a_correction_is_a_diagram_as_hone_renders_them(
    learned: list[TeamText], held_out: list[TeamText]
) -> None:
    for text in [*learned, *held_out]:
        parsed = parse.parse(text.correct)
        assert not undeclared(parsed) and not parsed.problems, text.correct
        assert 3 <= len(parsed.diagram.entities) <= 12
        assert len(parsed.diagram.relationships) >= 2


def test_every_fact_can_be_said_in_words_of_its_passage(
    learned: list[TeamText], held_out: list[TeamText]
) -> None:
    for text in [*learned, *held_out]:
        for passage in text.passages:
            assert grounding.grounded(passage.facts, passage.subject, passage.passage) == (passage.facts, ())
            assert erd_facts.loads(erd_facts.dumps(passage.facts)) == passage.facts


def test_a_correction_teaches_what_the_text_states(learned: list[TeamText]) -> None:
    """The pairs that the loop learns from are made of requirements and correction alone."""
    told = [
        (found.subject, found.line, found.facts) == (passage.subject, passage.passage, passage.facts)
        for text in learned[:40]
        for found, passage in zip(
            align(text.requirements, diagram_behind(ArtifactType.MERMAID_ERD, text.correct, {})).passages,
            text.passages,
            strict=True,
        )
    ]
    assert sum(told) > 0.97 * len(told)


def test_no_text_is_nearly_another(learned: list[TeamText]) -> None:
    """By shared runs of three words, as near duplicates are told; 0.8 and more would be one."""
    shingles = [_shingles(text.requirements) for text in learned[:60]]
    alike = max(
        len(one & other) / len(one | other)
        for index, one in enumerate(shingles)
        for other in shingles[:index]
    )
    assert alike < 0.6


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return set(zip(words, words[1:], words[2:], strict=False))

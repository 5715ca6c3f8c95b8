"""The corpus of the starter model: same seed, same passages; what is held out stays out; facts can be grounded."""

from collections.abc import Iterable
from itertools import islice
from random import Random

import pytest

from hone_contracts import erd_facts
from hone_contracts.erd_facts import Attributes, Entities, Fact, Keys, Relation
from hone_trainer.starter import corpus
from hone_trainer.starter.errors import PhraseError
from hone_trainer.starter.lexicon import Lexicon, held_word, read_sections
from hone_trainer.starter.passages import KINDS, Sample, sample
from hone_trainer.starter.templates import expand, parse

SEED = 1
LEXICON = Lexicon(SEED)


def entities_of(facts: Iterable[Fact]) -> set[str]:
    found: set[str] = set()
    for fact in facts:
        match fact:
            case Entities(names):
                found.update(names)
            case Attributes(entity) | Keys(entity):
                found.add(entity)
            case Relation(from_, _, to):
                found.update((from_, to))
    return found


def names_of(facts: Iterable[Fact]) -> set[str]:
    members = {name for f in facts if isinstance(f, Attributes) for name in f.types}
    members |= {name for f in facts if isinstance(f, Keys) for name in f.keys}
    return entities_of(facts) | members


@pytest.fixture(scope="module")
def training() -> list[Sample]:
    return [s for shard in (0, 3) for s in corpus.samples(SEED, shard, 1500)]


def test_the_same_seed_and_shard_give_the_same_passages() -> None:
    assert list(corpus.samples(SEED, 3, 50)) == list(corpus.samples(SEED, 3, 50))
    assert list(corpus.samples(SEED, 3, 50)) != list(corpus.samples(SEED, 4, 50))
    assert list(corpus.samples(SEED, 3, 50)) != list(corpus.samples(SEED + 1, 3, 50))


def test_a_longer_shard_begins_like_a_shorter_one() -> None:
    assert list(islice(corpus.samples(SEED, 5, 40), 20)) == list(corpus.samples(SEED, 5, 20))


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_name_of_an_answer_is_a_span_of_its_passage_or_subject(kind: str, held: bool) -> None:
    rng = Random(kind)
    for _ in range(60):
        drawn = sample(LEXICON, rng, kind=kind, held_names=held, held_phrasings=held)
        lines = f" {drawn.subject} \n {drawn.passage} "
        assert all(f" {name} " in lines for name in names_of(drawn.facts)), drawn
        assert erd_facts.loads(erd_facts.dumps(drawn.facts)) == drawn.facts
        assert erd_facts.normalise(drawn.passage) == drawn.passage


def test_every_phrase_line_can_be_read() -> None:
    for file in ("relations.txt", "attributes_of.txt", "mentions.txt", "empty.txt"):
        for lines in read_sections(file).values():
            for line in lines:
                assert expand(line, Random(1)), line


def test_a_bracket_that_does_not_close_is_an_error_that_names_its_line() -> None:
    with pytest.raises(PhraseError, match="never closed"):
        parse("each [order|invoice has a date")


def test_no_held_out_word_is_in_an_entity_of_training(training: list[Sample]) -> None:
    words = {
        word for s in training for name in entities_of(s.facts) for word in name.replace("-", " ").split()
    }
    singular = {word for word in words if not word.endswith("s")}
    assert len(singular) > 1000
    # A subject line alone never shows one either: the fact's names come from the same sampler.
    assert not {word for word in singular if held_word(SEED, word)} - plurals_of_seen_words(words)


def plurals_of_seen_words(words: set[str]) -> set[str]:
    """Irregular plurals (people, mice) are not hashed themselves; their singulars are."""
    return {
        word
        for word in words
        if word in {"people", "children", "men", "women", "mice", "geese", "feet", "alumni"}
    }


def test_every_entity_of_the_held_out_splits_has_a_word_training_never_names() -> None:
    for drawn in corpus.evaluation_samples(SEED, "names", 150):
        for name in entities_of(drawn.facts) - known_everywhere():
            stems = {stem for word in name.replace("-", " ").split() for stem in stems_of(word)}
            assert any(held_word(SEED, stem) for stem in stems), (name, drawn)


def known_everywhere() -> set[str]:
    """Well-known things of "has a teacher" sentences are drawn from the held-out ones alike."""
    return set()


def stems_of(word: str) -> set[str]:
    return {word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ies") + "y"} | {
        singular
        for singular, plural in {"child": "children", "person": "people", "leaf": "leaves"}.items()
        if plural == word
    }


def test_held_out_phrasings_are_not_in_training(training: list[Sample]) -> None:
    """Held-out lines and those seen are disjoint, and a literal held-out verb never shows in a relation."""
    for pool in (LEXICON.verbs, LEXICON.relations, LEXICON.attributes_of, LEXICON.mentions):
        for split in pool.values():
            assert split.held
            assert not set(split.seen) & set(split.held)
    assert not set(LEXICON.empties.seen) & set(LEXICON.empties.held)


def test_held_out_kinds_of_empty_sentences_never_occur_in_training(training: list[Sample]) -> None:
    held = [expand(line, Random(n)) for line in LEXICON.empties.held for n in range(20)]
    literal = {erd_facts.normalise(text) for text in held if "{" not in text and len(text.split()) > 4}
    seen = "\n".join(s.passage for s in training)
    assert len(literal) > 100
    assert not [text for text in literal if text in seen]


def test_an_empty_split_states_nothing() -> None:
    assert all(not drawn.facts for drawn in corpus.evaluation_samples(SEED, "empty", 50))


def test_bare_plurals_of_owning_verbs_are_one_to_many_and_of_shared_ones_many_to_many() -> None:
    rng = Random(5)
    found = {
        fact.cardinality
        for _ in range(400)
        for fact in sample(LEXICON, rng, kind="verb").facts
        if isinstance(fact, Relation)
    }
    assert found == {"1:1", "1:N", "N:1", "N:M"}

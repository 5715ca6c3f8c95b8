"""Pairs told again of other things say the same about them."""

import pytest

from hone_contracts import erd_facts
from hone_contracts.erd_facts import Attributes, Keys, Relation
from hone_trainer.finetune.pairs import Pair
from hone_trainer.finetune.renaming import Renamer
from hone_trainer.starter import corpus
from hone_trainer.starter.inflection import article


@pytest.fixture(name="renamer")
def _renamer() -> Renamer:
    return Renamer.of(1, "a test")


def test_names_change_together_in_subject_passage_and_answer(renamer: Renamer) -> None:
    pair = Pair(
        user="a loan\neach loan is of a member , and loans have a loan date and a date .",
        assistant='[{"r":["loan","N:1","member"]},{"a":"loans","l":{"loan date":"date","date":"date"}},'
        '{"k":"loans","l":{"loan date":"UK"}}]',
        weight=2,
        group="g",
    )
    for _ in range(20):
        told = renamer.renamed(pair)
        relation, attributes, keys = erd_facts.loads(told.assistant)
        assert (
            isinstance(relation, Relation) and isinstance(attributes, Attributes) and isinstance(keys, Keys)
        )
        one, other, many = relation.from_, relation.to, attributes.entity
        assert "loan" not in {one, many} and "member" not in told.user.split()
        subject, _, passage = told.user.partition("\n")
        assert subject in {f"a {one}", f"an {one}"}
        assert passage.startswith(f"each {one} is of a")
        assert passage.endswith(f" {other} , and {many} have {article(one)} {one} date and a date .")
        assert list(attributes.types) == [f"{one} date", "date"] and list(keys.keys) == [f"{one} date"]
        assert (told.weight, told.group) == (2, "g")


def test_every_renamed_passage_of_the_starter_s_corpus_still_grounds_its_answer(renamer: Renamer) -> None:
    changed = 0
    for drawn in corpus.samples(1, 40, 400):
        user = erd_facts.passage_prompt(drawn.subject, drawn.passage)
        told = renamer.renamed(Pair(user=user, assistant=erd_facts.dumps(drawn.facts)))
        changed += told.user != user
        for fact in erd_facts.loads(told.assistant):
            assert f" {erd_facts.first_entity(fact)} " in f" {told.user} ".replace("\n", " "), told
    assert changed > 150


@pytest.mark.parametrize(
    "assistant",
    ["[]", "no facts at all", '{"answer": 1}', '[{"e":["one two three four five"]}]', "[" * 5000],
)
def test_an_answer_without_names_stays_as_it_is(assistant: str, renamer: Renamer) -> None:
    pair = Pair(user="loan\na loan is nice .", assistant=assistant)
    assert renamer.renamed(pair) == pair


def test_a_type_is_no_name(renamer: Renamer) -> None:
    pair = Pair(user="\na text has a date .", assistant='[{"a":"text","l":{"date":"date","text":"text"}}]')
    (fact,) = erd_facts.loads(renamer.renamed(pair).assistant)
    assert isinstance(fact, Attributes)
    assert (
        fact.types["date"] == "date"
        and fact.entity != "text"
        and list(fact.types.values()) == ["date", "text"]
    )


def test_the_same_seed_gives_the_same_names() -> None:
    pair = Pair(user="\na loan has a date .", assistant='[{"a":"loan","l":{"date":"date"}}]')
    assert (
        Renamer.of(1, "s").renamed(pair)
        == Renamer.of(1, "s").renamed(pair)
        != Renamer.of(1, "t").renamed(pair)
    )


def test_words_within_words_are_no_names(renamer: Renamer) -> None:
    pair = Pair(
        user="\na car has a car-wash , a card and a scar .", assistant='[{"a":"car","l":{"card":"string"}}]'
    )
    told = renamer.renamed(pair)
    assert told.user.endswith(" has a car-wash , a card and a scar .")

"""What the renderer makes of hostile names, Mermaid's own grammar accepts: 2,000 of 2,000."""

import random
from collections.abc import Iterator

import pytest
from erd_strategies import HOSTILE, diagrams
from hypothesis import HealthCheck, given, settings
from mermaid_diagrams import Grammar, started_grammar

from hone_contracts.erd_facts import CARDINALITIES
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Relationship
from hone_generator.artifacts.mermaid_erd.render import render

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def grammar() -> Iterator[Grammar]:
    with started_grammar() as grammar:
        yield grammar


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(diagram=diagrams())
def test_every_diagram_that_is_found_to_be_odd_is_accepted(grammar: Grammar, diagram: Diagram) -> None:
    accepted(grammar, diagram)


def test_diagrams_of_hostile_names_thrown_together_are_accepted(grammar: Grammar) -> None:
    """Dice are ten times as fast as hypothesis, which finds the smallest case but spends its time on it."""
    dice = random.Random(2_000)
    for _ in range(1_900):
        accepted(grammar, thrown(dice))


def accepted(grammar: Grammar, diagram: Diagram) -> None:
    text = render(diagram)
    result = grammar.verdict(text)
    assert result.diagram_type == "er", f"{result.fault} in\n{text}"


def thrown(dice: random.Random) -> Diagram:
    names = [name_from(dice) for _ in range(dice.randint(0, 6))]
    ends = [*names, name_from(dice)]
    return Diagram(
        entities=tuple(Entity(name=name, attributes=attributes_from(dice)) for name in dict.fromkeys(names)),
        relationships=tuple(
            Relationship(
                from_=dice.choice(ends),
                to=dice.choice(ends),
                cardinality=dice.choice(CARDINALITIES),
                label=name_from(dice),
                evidence=(),
            )
            for _ in range(dice.randint(0, 4))
        ),
    )


def attributes_from(dice: random.Random) -> tuple[Attribute, ...]:
    return tuple(
        Attribute(
            name=name_from(dice),
            type=name_from(dice),
            keys=tuple(dice.sample(["PK", "FK", "UK"], dice.randint(0, 3))),
            evidence=(),
        )
        for _ in range(dice.randint(0, 4))
    )


def name_from(dice: random.Random) -> str:
    """A hostile name, several run together, or any characters at all."""
    if dice.random() < 0.2:
        return "".join(chr(dice.randrange(0x3000)) for _ in range(dice.randint(1, 12)))
    return dice.choice(["", " ", "\n"]).join(dice.choices(HOSTILE, k=dice.choice([1, 1, 2, 4])))

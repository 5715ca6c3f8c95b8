"""The validators on twenty hand-written requirement texts with the data model that a careful reader draws of each
(`bench/starter_texts`): what is right must pass, and what is broken in it must be found."""

import json
from pathlib import Path
from typing import Any

import pytest

from hone_contracts.artifacts import ValidatorResult
from hone_contracts.erd_facts import Cardinality
from hone_generator.artifacts.mermaid_erd.checks import ParsedErd
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Relationship
from hone_generator.artifacts.mermaid_erd.keys import with_keys
from hone_generator.text.naming import attribute_name, entity_name
from hone_generator.validators.coverage import check_coverage
from hone_generator.validators.grounding import check_grounding

FOLDER = Path(__file__).parents[3] / "bench" / "starter_texts"
CASES: list[dict[str, Any]] = [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))]
TURNED: dict[Cardinality, Cardinality] = {"1:N": "N:1", "N:1": "1:N", "N:M": "1:N", "1:1": "1:N"}


def drawn(case: dict[str, Any], relations: list[tuple[str, Cardinality, str]]) -> ParsedErd:
    entities = tuple(
        Entity(name=entity_name(name), attributes=tuple(_attributes(case, name))) for name in case["entities"]
    )
    ends = tuple(
        Relationship(from_=entity_name(from_), to=entity_name(to), cardinality=cardinality, label="has")
        for from_, cardinality, to in relations
    )
    return ParsedErd(with_keys(Diagram(entities=entities, relationships=ends)))


def _attributes(case: dict[str, Any], entity: str) -> list[Attribute]:
    return [Attribute(name=attribute_name(name)) for name in case["attributes"].get(entity, ())]


def relations_of(case: dict[str, Any]) -> list[tuple[str, Cardinality, str]]:
    return [(from_, cardinality, to) for from_, cardinality, to in case["relations"]]


def complaints(verdict: ValidatorResult) -> list[str]:
    return [
        each
        for each in verdict.messages
        if "which nothing connects" in each or "but the artifact has" in each
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["title"]))
def test_what_a_careful_reader_draws_passes(case: dict[str, Any]) -> None:
    parsed = drawn(case, relations_of(case))
    coverage = check_coverage(parsed.outline(), case["text"])
    assert coverage.score >= 70
    assert complaints(coverage) == []
    assert check_grounding(parsed.outline(), case["text"], None).score == 100
    for verdict in (parsed.structure(), parsed.references(), parsed.style()):
        assert (verdict.score, verdict.messages) == (100, ())


def test_most_relations_that_are_left_out_are_missed_and_cost() -> None:
    missed = total = 0
    for case in CASES:
        relations = relations_of(case)
        whole = check_coverage(drawn(case, relations).outline(), case["text"]).score
        for place in range(len(relations)):
            verdict = check_coverage(
                drawn(case, relations[:place] + relations[place + 1 :]).outline(), case["text"]
            )
            found = bool(complaints(verdict))
            assert not found or verdict.score < whole
            missed, total = missed + found, total + 1
    assert missed / total > 0.7, f"{missed} of {total}"


def test_most_relations_that_are_the_wrong_way_round_are_found() -> None:
    found = total = 0
    for case in CASES:
        relations = relations_of(case)
        for place, (from_, cardinality, to) in enumerate(relations):
            wrong = (from_, TURNED[cardinality], to)
            changed = drawn(case, [*relations[:place], wrong, *relations[place + 1 :]])
            found += bool(complaints(check_coverage(changed.outline(), case["text"])))
            total += 1
    assert found / total > 0.55, f"{found} of {total}"


def test_half_of_the_entities_left_out_is_not_enough() -> None:
    for case in CASES:
        half = case | {"entities": case["entities"][::2]}
        relations = [each for each in relations_of(case) if {each[0], each[2]} <= set(half["entities"])]
        kept = check_coverage(drawn(half, relations).outline(), case["text"]).score
        whole = check_coverage(drawn(case, relations_of(case)).outline(), case["text"]).score
        assert kept < whole - 12, case["title"]

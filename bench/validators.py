"""How long the eight validators take over an ER diagram of 60 entities: each alone, and all as the engine runs them.

    python bench/validators.py [--rounds 300] [--entities 60]

Prints the median and the 95th percentile in ms. `whole` reads the diagram from text, as `hone validate` does; `draft`
has the data that it was rendered from, as generation does; `cold` judges requirements and context that were not seen
before: the first attempt of a request is cold, the others are not.
"""

import argparse
import asyncio
import statistics
from collections.abc import Awaitable, Callable
from itertools import pairwise
from time import perf_counter

from hone_generator.artifacts.kind import Draft, Subject, Tools
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Relationship
from hone_generator.artifacts.mermaid_erd.kind import MermaidErd
from hone_generator.artifacts.mermaid_erd.render import render
from hone_generator.mermaid import MermaidParser
from hone_generator.validators.consistency import check_consistency
from hone_generator.validators.coverage import check_coverage
from hone_generator.validators.grounding import check_grounding
from hone_generator.validators.judge import judge
from hone_generator.validators.purity import check_purity

_THINGS = [
    "member",
    "loan",
    "book",
    "author",
    "publisher",
    "branch",
    "shelf",
    "fine",
    "payment",
    "invoice",
    "supplier",
    "order",
    "parcel",
    "courier",
    "driver",
    "vehicle",
    "route",
    "depot",
    "warehouse",
    "product",
    "category",
    "brand",
    "review",
    "customer",
    "address",
    "country",
    "region",
    "store",
    "employee",
    "shift",
    "contract",
    "salary",
    "department",
    "team",
    "project",
    "task",
    "milestone",
    "comment",
    "attachment",
    "ticket",
    "incident",
    "service",
    "agreement",
    "meeting",
    "room",
    "building",
    "floor",
    "desk",
    "device",
    "licence",
    "vendor",
    "quote",
    "campaign",
    "audience",
    "channel",
    "message",
    "template",
    "survey",
    "question",
    "answer",
]
_PROPERTIES = ["code", "title", "amount", "start_date", "note", "status", "priority"]


def diagram(entities: int) -> Diagram:
    """As many entities, each with nine attributes and one or two relationships."""
    names = [f"{word.title()}{place // len(_THINGS) or ''}" for place, word in enumerate(_THINGS * 9)][
        :entities
    ]
    relations = [Relationship(from_=a, to=b, cardinality="1:N", label="has") for a, b in pairwise(names)]
    relations += [
        Relationship(from_=a, to=b, cardinality="N:M", label="uses")
        for a, b in zip(names, names[7:], strict=False)
    ]
    parents = dict(zip(names[1:], names, strict=False))
    return Diagram(
        entities=tuple(Entity(name=name, attributes=_attributes(parents.get(name))) for name in names),
        relationships=tuple(relations),
    )


def _attributes(parent: str | None) -> tuple[Attribute, ...]:
    key = Attribute(name="id", type="int", keys=("PK",))
    own = tuple(Attribute(name=name, type="string") for name in _PROPERTIES)
    return (
        (key, *own, Attribute(name=f"{parent.lower()}_id", type="int", keys=("FK",)))
        if parent
        else (key, *own)
    )


def requirements(drawn: Diagram) -> str:
    """A sentence or two about each entity."""
    said = {entity.name: entity.name.lower() for entity in drawn.entities}
    parts = [
        f"Each {said[each.from_]} has many {said[each.to]}s. A {said[each.to]} has a code, a title and an amount of "
        f"at most five, and is kept with its start date.\n"
        for each in drawn.relationships
    ]
    return "# System\n\n" + "\n".join(parts)


def context(drawn: Diagram) -> str:
    return "\n".join(
        f"class {entity.name}:\n" + "".join(f"    {own.name}: str\n" for own in entity.attributes)
        for entity in drawn.entities
    )


async def measured(name: str, rounds: int, work: Callable[[int], Awaitable[object]]) -> None:
    for number in range(20):  # node compiles what runs often
        await work(-number - 1)
    taken = []
    for number in range(rounds):
        started = perf_counter()
        await work(number)
        taken.append((perf_counter() - started) * 1000)
    taken.sort()
    p95 = taken[int(len(taken) * 0.95)]
    print(f"{name:12} p50 {statistics.median(taken):7.2f} ms   p95 {p95:7.2f} ms", flush=True)


async def main(rounds: int, entities: int) -> None:
    drawn = diagram(entities)
    content, kind, tools = render(drawn), MermaidErd(), Tools(MermaidParser())
    told, known = requirements(drawn), context(drawn)
    draft = Draft(content, drawn.to_json())
    text, data = Subject(content, told, known), Subject(content, told, known, draft=draft)
    parsed = kind.read(text)
    outline = parsed.outline()
    print(
        f"{len(drawn.entities)} entities, {len(content)} characters; requirements {len(told)}, context {len(known)}"
    )
    alone: dict[str, Callable[[], object]] = {
        "structure": parsed.structure,
        "references": parsed.references,
        "style": parsed.style,
        "coverage": lambda: check_coverage(outline, told),
        "grounding": lambda: check_grounding(outline, told, known),
        "consistency": lambda: check_consistency(outline, known),
        "purity": lambda: check_purity(content, kind.type),
        "(reading)": lambda: kind.read(text),
        "(data)": lambda: kind.read(data),
    }
    try:
        await measured("syntax", rounds, lambda _: kind.syntax(text, tools))
        for name, work in alone.items():
            await measured(name, rounds, lambda _, work=work: _done(work))  # type: ignore[misc]
        await measured("whole", rounds, lambda _: judge(kind, text, tools))
        await measured("draft", rounds, lambda _: judge(kind, data, tools))
        await measured(
            "cold", rounds, lambda n: judge(kind, Subject(content, f"{told}{n}", f"{known}{n}"), tools)
        )
    finally:
        await tools.mermaid.aclose()


async def _done(work: Callable[[], object]) -> object:
    return work()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=300)
    arguments.add_argument("--entities", type=int, default=60)
    asyncio.run(main(**vars(arguments.parse_args())))

"""A clean set of training data, by seed: requirements and their artifacts, and reports with figures.

Requirements are the phrasings that the starter model learns from. What looks like an error and is none is strewn in:
hexagons of flowcharts, a to-do app, reserved addresses and numbers, half-open intervals, small percentages.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from hone_contracts.erd_facts import Attributes, Entities, Facts, Relation
from hone_trainer.starter.lexicon import Lexicon
from hone_trainer.starter.passages import sample

_INNOCENT = (
    "Each todo item has a title; finished TODO items are archived.",
    "Questions go to support@example.com or +1 202 555 0143.",
    "The discount lies in [0, 1) and never exceeds the price.",
    "When an assistant is not available, the page says sorry and offers a callback.",
    "Größe, Straße und „Spaß“ sind Pflichtfelder; naïve café names are kept.",
    "The template is written with {name} and {order_id} in the subject.",
    "The field <name> is struck through with <s>old</s> when it was replaced.",
    "予約には顧客と席が必要です。",
    "The emoji 🎉 marks a birthday, and the arrow → a transfer.",
    "Nobody is able to assist two customers at once; a clerk cannot create orders for others.",
    "Use the host postgres://app:${DB_PASSWORD}@db/app and the key AKIAIOSFODNN7EXAMPLE of the manual.",
    'The config holds password: "changeme" until the first login.',
    "Prices are net; 0.5 % of the turnover goes to the association.",
    "Order number 4929-3813-3266-4295-1 is printed without spaces, and the part number is 555-0199.",
    "The system language model field holds the locale of the user.",
    "### Scope\nOnly domestic orders.",
)
_CARDINALITIES = {"1:1": "||--||", "1:N": "||--o{", "N:1": "}o--||", "N:M": "}o--o{"}
_SQL_TYPES = {
    "int": "INTEGER",
    "decimal": "NUMERIC(10, 2)",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "datetime": "TIMESTAMP",
}
_JSON_TYPES = {"int": "integer", "float": "number", "decimal": "number", "boolean": "boolean"}
_ASKS = {
    "erd": "Write a Mermaid ER diagram for these requirements.",
    "sql": "Write the SQL DDL for these requirements.",
    "json": "Write a JSON Schema for these requirements.",
    "python": "Write Python dataclasses for these requirements.",
    "flow": "Draw a Mermaid flowchart of this process.",
    "sequence": "Draw a Mermaid sequence diagram of this.",
    "stories": "Write user stories with acceptance criteria.",
    "class": "Draw a Mermaid class diagram.",
}


@dataclass(frozen=True, slots=True)
class Passage:
    text: str
    facts: Facts


class Passages:
    """A pool of sentences with what they say; drawing them is what takes time."""

    def __init__(self, seed: int, size: int = 3000) -> None:
        lexicon, rng = Lexicon(seed), Random(f"{seed}:passages")
        self.pool = [_passage(lexicon, rng) for _ in range(size)]


def _passage(lexicon: Lexicon, rng: Random) -> Passage:
    drawn = sample(lexicon, rng)
    text = drawn.passage
    for sign in ".,;:?!)":
        text = text.replace(f" {sign}", sign)
    text = text.replace("( ", "(")
    return Passage(text[:1].upper() + text[1:], drawn.facts)


def clean_row(passages: Passages, rng: Random) -> dict[str, object]:
    """One record of the messages format."""
    if rng.random() < 0.15:
        return _record(*_report(rng))
    chosen = rng.sample(passages.pool, rng.randint(2, 5))
    texts = [passage.text for passage in chosen]
    if rng.random() < 0.2:
        texts.insert(rng.randrange(len(texts)), rng.choice(_INNOCENT))
    kind = rng.choice(list(_ASKS))
    joined = "\n- ".join(["", *texts]).strip("\n") if rng.random() < 0.4 else " ".join(texts)
    entities, relations = _model(chosen, rng)
    return _record(f"{_ASKS[kind]}\n\n{joined}", _WRITERS[kind](entities, relations, rng))


def _record(prompt: str, answer: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


Model = tuple[dict[str, dict[str, str]], list[tuple[str, str, str]]]


def _model(chosen: list[Passage], rng: Random) -> Model:
    entities: dict[str, dict[str, str]] = {}
    relations: list[tuple[str, str, str]] = []
    for passage in chosen:
        for fact in passage.facts:
            match fact:
                case Entities():
                    for name in fact.names:
                        entities.setdefault(name, {})
                case Attributes():
                    entities.setdefault(fact.entity, {}).update(fact.types)
                case Relation():
                    entities.setdefault(fact.from_, {})
                    entities.setdefault(fact.to, {})
                    relations.append((fact.from_, fact.cardinality, fact.to))
    for name in ("customer", rng.choice(["order", "visit", "ticket", "shipment", "invoice"])):
        entities.setdefault(name, {"name": "string", "created at": "datetime"})
    for attributes in entities.values():
        attributes.setdefault(rng.choice(["note", "status", "code", "title", "total", "rank"]), "string")
    return entities, relations


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split())


def _snake(name: str) -> str:
    return "_".join(name.split())


def _erd(entities: dict[str, dict[str, str]], relations: list[tuple[str, str, str]], rng: Random) -> str:
    lines = ["erDiagram"]
    for name, attributes in entities.items():
        lines += [f"    {_camel(name)} {{", "        int id PK"]
        lines += [f"        {kind} {_snake(each)}" for each, kind in attributes.items()]
        lines.append("    }")
    lines += [
        f"    {_camel(a)} {_CARDINALITIES[how]} {_camel(b)} : {rng.choice(['has', 'uses'])}"
        for a, how, b in relations
    ]
    return "\n".join(lines)


def _sql(entities: dict[str, dict[str, str]], relations: list[tuple[str, str, str]], rng: Random) -> str:
    tables = []
    for name, attributes in entities.items():
        columns = ["    id INTEGER PRIMARY KEY"]
        columns += [
            f"    {_snake(each)} {_SQL_TYPES.get(kind, 'TEXT')} NOT NULL" for each, kind in attributes.items()
        ]
        columns += [
            f"    {_snake(b)}_id INTEGER REFERENCES {_snake(b)} (id)"
            for a, how, b in relations
            if a == name and how == "N:1"
        ]
        tables.append(f"CREATE TABLE {_snake(name)} (\n" + ",\n".join(dict.fromkeys(columns)) + "\n);")
    text = "\n\n".join(tables)
    return f"```sql\n{text}\n```" if rng.random() < 0.3 else text


def _json(entities: dict[str, dict[str, str]], _relations: list[tuple[str, str, str]], rng: Random) -> str:
    definitions = {
        _camel(name): {
            "type": "object",
            "properties": {
                _snake(each): {"type": _JSON_TYPES.get(kind, "string")} for each, kind in attributes.items()
            },
            "required": [_snake(each) for each in attributes][:2],
        }
        for name, attributes in entities.items()
    }
    return json.dumps(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": definitions},
        indent=rng.choice([None, 2]),
    )


def _python(entities: dict[str, dict[str, str]], _relations: list[tuple[str, str, str]], rng: Random) -> str:
    blocks = ["from dataclasses import dataclass, field"]
    for name, attributes in entities.items():
        fields = "\n".join(
            f"    {_snake(each)}: str = {rng.choice(['field(default=chr(32))', chr(39) * 2])}"
            for each in attributes
        )
        blocks.append(
            f"@dataclass\nclass {_camel(name)}:\n{fields}\n\n    def label(self) -> str:\n"
            "        return f'{self} (new)'"
        )
    return "\n\n\n".join(blocks) + "\n"


def _flow(entities: dict[str, dict[str, str]], relations: list[tuple[str, str, str]], rng: Random) -> str:
    names = list(entities)
    shapes = [
        "{}[{}]",
        "{}([{}])",
        "{}{{{{{}}}}}",
        "{}{{{}}}",
        "{}[({})]",
        "{}>{}]",
        "{}[/{}/]",
        "{}((({})))",
    ]
    lines = [f"flowchart {rng.choice(['TD', 'LR'])}"]
    for number, name in enumerate(names[:-1]):
        left = rng.choice(shapes).format(f"n{number}", name)
        right = rng.choice(shapes).format(f"n{number + 1}", names[number + 1])
        lines.append(
            f"    {left} {rng.choice(['-->', '-.->', '==>'])}{rng.choice(['', '|yes|', '|no|'])} {right}"
        )
    return "\n".join(lines)


def _sequence(entities: dict[str, dict[str, str]], relations: list[tuple[str, str, str]], rng: Random) -> str:
    names = [_camel(name) for name in entities][:4]
    lines = ["sequenceDiagram", *(f"    participant {name}" for name in names)]
    for left, right in pairwise(names):
        lines.append(
            f"    {left}{rng.choice(['->>', '-->>', '-)', '--)', '-x'])}{right}: {rng.choice(['ask', 'send', 'pay'])}"
        )
    return "\n".join(lines)


def _class(entities: dict[str, dict[str, str]], relations: list[tuple[str, str, str]], rng: Random) -> str:
    lines = ["classDiagram"]
    for name, attributes in entities.items():
        lines += [
            f"    class {_camel(name)} {{",
            *(f"        +String {_snake(each)}" for each in attributes),
            "    }",
        ]
    names = [_camel(name) for name in entities]
    lines += [
        f"    {left} {rng.choice(['<|--', '*--', 'o--', '..>', '--'])} {right}"
        for left, right in pairwise(names)
    ]
    return "\n".join(lines)


def _stories(entities: dict[str, dict[str, str]], relations: list[tuple[str, str, str]], rng: Random) -> str:
    stories = []
    for name in list(entities)[:4]:
        do = rng.choice(["see", "change", "cancel", "find", "compare"])
        stories.append(
            f"As a {rng.choice(['clerk', 'customer', 'manager'])}, I want to {do} each {name} so that I can "
            f"{rng.choice(['plan my day', 'answer questions', 'keep the books in order'])}.\n"
            f"Given a {name} exists, when I {do} it, then the page shows its {rng.choice(list(entities[name]))}."
        )
    return "\n\n".join(stories)


_WRITERS = {
    "erd": _erd, "sql": _sql, "json": _json, "python": _python, "flow": _flow, "sequence": _sequence,
    "stories": _stories, "class": _class,
}  # fmt: skip
FIGURES = {
    # name: the range of its genuine percentages
    "churn": (12, 92), "utilisation": (35, 99), "gross margin": (18, 71), "error rate": (0.1, 0.9),
    "refund rate": (0.2, 6.0),
    "defect rate": (0.05, 12.0), "availability": (97.1, 99.9), "survey participation": (22, 88),
}  # fmt: skip
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August")


def _report(rng: Random) -> tuple[str, str]:
    name = rng.choice(list(FIGURES))
    low, high = FIGURES[name]
    value = rng.uniform(low, high) if high / low < 20 else low * (high / low) ** rng.random()
    return report_of(
        name, f"{value:.{2 if value < 1 else rng.choice([0, 1])}f}", rng, told=rng.random() < 0.4
    )


def report_of(name: str, value: str, rng: Random, told: bool, written: str | None = None) -> tuple[str, str]:
    """A question and an answer with the figure ``value``, or what is ``written``; ``told``: the question has it."""
    shop, month, written = f"shop {rng.randrange(2, 5000)}", rng.choice(_MONTHS), written or value
    source = f" The {name} was {value} % there, as the branch tells." if told else ""
    prompt = f"Report the {name} of {shop} in {month} {rng.randrange(2019, 2027)}.{source}"
    staff = rng.randrange(3, 90)
    forms = (
        f"{name}: {written} %\nstaff: {staff}",
        f"In {month}, {shop} had {staff} people at work. Its {name} was {written} %.",
        f"| shop | {name} (%) | staff |\n| --- | --- | --- |\n| {shop} | {written} | {staff} |",
        f"| figure | value |\n|---|---|\n| {name} | {written} % |\n| staff | {staff} |",
        json.dumps({"shop": shop, f"{_snake(name)}_percent": float(written), "staff": staff}),
    )
    return prompt, rng.choice(forms)

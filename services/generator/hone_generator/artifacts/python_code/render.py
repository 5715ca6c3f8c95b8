"""A data model as dataclasses: typed attributes, relations as attributes of the other type."""

import keyword
from collections.abc import Iterable, Iterator
from functools import partial

from hone_contracts.erd_facts import AttributeType
from hone_contracts.normal_form import normal_form
from hone_generator.artifacts.data_model import DataModel, Entity, Field
from hone_generator.text import naming

_TYPES: dict[AttributeType, str] = {
    "string": "str", "text": "str", "int": "int", "float": "float", "decimal": "Decimal", "boolean": "bool",
    "date": "dt.date", "datetime": "dt.datetime", "uuid": "UUID", "enum": "str", "json": "dict[str, object]",
    "binary": "bytes",
}  # fmt: skip
_IMPORTS = {
    "dt.": "import datetime as dt",
    "Decimal": "from decimal import Decimal",
    "UUID": "from uuid import UUID",
}
# Names that the class bodies and the module use themselves.
_TAKEN = frozenset(
    {"field", "dataclass", "list", "dict", "dt", "str", "int", "float", "bool", "bytes", "object"}
)
_TAKEN_CLASSES = frozenset({"Decimal", "UUID", "None", "True", "False"})


def render(model: DataModel) -> str:
    """The module: one class for each entity that is more than what lies between two others."""
    entities = [entity for entity in model.entities if entity.joins is None]
    classes = _distinct(((entity.name, _class_name(entity.name)) for entity in entities), _TAKEN_CLASSES)
    bodies = ["\n".join(_class(entity, model, classes)) for entity in entities]
    code = "\n\n\n".join(bodies)
    lines = [
        '"""The types of the data and how they are related."""',
        "",
        "from __future__ import annotations",
    ]
    imports = sorted(line for mark, line in _IMPORTS.items() if f": {mark}" in code)
    plain = [line for line in imports if line.startswith("import")]
    chosen = "dataclass, field" if "field(" in code else "dataclass"
    froms = [f"from dataclasses import {chosen}", *(line for line in imports if line.startswith("from"))]
    return "\n".join([*lines, "", *plain, *froms, "", "", code]).rstrip("\n") + "\n" if bodies else ""


def _class(entity: Entity, model: DataModel, classes: dict[str, str]) -> Iterator[str]:
    fields = list(_fields(entity, model, classes))
    names = _distinct(((str(place), name) for place, (name, *_) in enumerate(fields)), _TAKEN)
    yield "@dataclass(kw_only=True)"
    yield f"class {classes[entity.name]}:"
    yield f'    """{_described(entity, model)}"""'
    yield ""
    for place, (_, annotation, default) in enumerate(fields):
        yield f"    {names[str(place)]}: {annotation}{default}"


def _described(entity: Entity, model: DataModel) -> str:
    """One line of words: "A member. Has several loans." """
    several = [naming.words_of(other) for _, other, many, _ in model.links_of(entity.name) if many]
    words = " ".join(naming.words_of(entity.name)) or "thing"
    has = ", ".join(dict.fromkeys(" ".join(each) for each in several if each))
    article = "An" if words[0] in "aeiou" else "A"
    return f"{article} {words}, related to several of: {has}." if has else f"{article} {words}."


def _fields(entity: Entity, model: DataModel, classes: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Name, annotation and default of each attribute. A foreign key is the other thing itself."""
    pointing = {name for each in entity.foreign_keys for name in each.fields}
    for own in entity.fields:
        if own.name not in pointing or own.primary:
            yield _own_field(own)
    for link, other, many, _ in model.links_of(entity.name):
        if many:
            name = f"{_variable(other)}{'_of' if other == entity.name else ''}"
            yield (
                _plural(name),
                f"list[{classes[other]}]",
                " = field(default_factory=list, repr=False, compare=False)",
            )
        elif link.holder == entity.name:
            optional = other == entity.name or not _required(entity, other)
            annotation = f"{classes[other]} | None" if optional else classes[other]
            yield _parent_name(entity, other), annotation, " = None" if optional else ""


def _own_field(own: Field) -> tuple[str, str, str]:
    annotation = _TYPES[own.type]
    return (own.name, annotation, "") if own.required else (own.name, f"{annotation} | None", " = None")


def _required(entity: Entity, other: str) -> bool:
    fields = {own.name: own for own in entity.fields}
    return any(
        fields[name].required for each in entity.foreign_keys if each.entity == other for name in each.fields
    )


def _parent_name(entity: Entity, other: str) -> str:
    return f"parent_{_variable(other)}" if other == entity.name else _variable(other)


def _variable(name: str) -> str:
    return naming.attribute_name(name)


def _plural(name: str) -> str:
    if name.endswith(("s", "x", "ch", "sh", "z")):
        return f"{name}es"
    return f"{name[:-1]}ies" if name.endswith("y") and name[-2:-1] not in "aeiou" else f"{name}s"


def _class_name(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in naming.words_of(name))


def _distinct(names: Iterable[tuple[str, str]], taken: frozenset[str]) -> dict[str, str]:
    """Identifiers by key, none of them twice: keywords and what is taken get an underscore, others a number."""
    written: dict[str, str] = {}
    used: set[str] = set()
    for key, name in names:
        identifier = _identifier(name)
        if identifier in taken or keyword.iskeyword(identifier):
            identifier += "_"
        candidate = identifier
        if candidate in used:
            number = naming.free_number(partial(_is_numbered_in, used, identifier))
            candidate = f"{identifier}_{number}"
        used.add(candidate)
        written.setdefault(key, candidate)
    return written


def _is_numbered_in(used: set[str], identifier: str, number: int) -> bool:
    return f"{identifier}_{number}" in used


def _identifier(name: str) -> str:
    """In the form that Python reads it in: what only looks different would be the same attribute twice."""
    kept = "".join(char if f"_{char}".isidentifier() else "_" for char in normal_form("NFKC", name)).strip(
        "_"
    )
    return kept if kept.isidentifier() else f"n_{kept}" if kept else "unnamed"

"""Mermaid's class notation from a diagram: total, deterministic, valid for any names.

Members are written as UML has them, `+name: Type` and `+name(parameter: Type) Type`. A class whose name is no ASCII
word has an identifier of its own and its name as a label.
"""

from hone_generator.artifacts.diagrams.element import first_of_each
from hone_generator.artifacts.diagrams.labels import identifiers, label
from hone_generator.artifacts.mermaid_class.ir import (
    Attribute,
    Class,
    ClassDiagram,
    Operation,
    Parameter,
    Relation,
    RelationKind,
)
from hone_generator.artifacts.mermaid_class.names import class_names, member_name, type_name, with_tildes

ARROWS: dict[RelationKind, str] = {
    "inheritance": "--|>", "realization": "..|>", "composition": "*--", "aggregation": "o--",
    "association": "-->", "dependency": "..>",
}  # fmt: skip
_IN_LABELS = {":": "\u2236"}
_MAX_MULTIPLICITY_CHARS = 20


def settled(diagram: ClassDiagram) -> ClassDiagram:
    """Names, types and labels as Mermaid shows them. Of classes with one name the first stays."""
    ends = [name for relation in diagram.relations for name in (relation.from_, relation.to)]
    names = class_names([*(each.name for each in diagram.classes), *ends])
    return ClassDiagram(
        classes=tuple(
            each.model_copy(
                update={
                    "name": names[each.name],
                    "stereotype": member_name(each.stereotype, ""),
                    "attributes": tuple(map(_attribute, each.attributes)),
                    "operations": tuple(map(_operation, each.operations)),
                }
            )
            for each in first_of_each(diagram.classes, lambda each: each.name)
        ),
        relations=tuple(
            relation.model_copy(
                update={
                    "from_": names[relation.from_],
                    "to": names[relation.to],
                    "from_many": label(relation.from_many, most=_MAX_MULTIPLICITY_CHARS),
                    "to_many": label(relation.to_many, most=_MAX_MULTIPLICITY_CHARS),
                    "label": label(relation.label, _IN_LABELS),
                }
            )
            for relation in diagram.relations
        ),
    )


def _attribute(each: Attribute) -> Attribute:
    return each.model_copy(update={"name": member_name(each.name, "attribute"), "type": type_name(each.type)})


def _operation(each: Operation) -> Operation:
    parameters = tuple(
        Parameter(name=member_name(own.name, "parameter"), type=type_name(own.type))
        for own in each.parameters
    )
    update = {"name": member_name(each.name, "operation"), "returns": type_name(each.returns)}
    return each.model_copy(update={**update, "parameters": parameters})


def render(diagram: ClassDiagram) -> str:
    """The diagram, settled, as Mermaid text."""
    ends = [name for relation in diagram.relations for name in (relation.from_, relation.to)]
    ids = identifiers([*(each.name for each in diagram.classes), *ends], "Class")
    lines = ["classDiagram"]
    for each in diagram.classes:
        lines += _class_lines(each, ids[each.name])
    lines += [_relation_line(relation, ids) for relation in diagram.relations]
    if len(lines) == 1:
        lines.append("    direction TB")  # the only diagram that Mermaid wants a statement in
    return "\n".join(lines) + "\n"


def _class_lines(each: Class, id_: str) -> list[str]:
    head = f"    class {id_}" + (f'["{each.name}"]' if each.name != id_ else "")
    body = [f"<<{each.stereotype}>>"] if each.stereotype else []
    body += [_attribute_line(own) for own in each.attributes]
    body += [_operation_line(own) for own in each.operations]
    return [f"{head} {{", *(f"        {line}" for line in body), "    }"] if body else [head]


def _attribute_line(each: Attribute) -> str:
    return each.visibility + _typed(each.name, each.type)


def _operation_line(each: Operation) -> str:
    parameters = ", ".join(_typed(own.name, own.type) for own in each.parameters)
    return f"{each.visibility}{each.name}({parameters}) {with_tildes(each.returns)}".rstrip()


def _typed(name: str, type_: str) -> str:
    return f"{name}: {with_tildes(type_)}" if type_ else name


def _relation_line(relation: Relation, ids: dict[str, str]) -> str:
    left, right = (f'"{many}"' if many else "" for many in (relation.from_many, relation.to_many))
    words = (ids[relation.from_], left, ARROWS[relation.kind], right, ids[relation.to])
    return (
        "    " + " ".join(word for word in words if word) + (f" : {relation.label}" if relation.label else "")
    )

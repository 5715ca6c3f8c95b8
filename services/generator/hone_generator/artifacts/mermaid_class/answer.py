"""What a model says of a class diagram, and how it is told to."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from hone_generator.artifacts.diagrams.answers import (
    Answer,
    Hearing,
    Quoted,
    Text,
    Word,
    choice,
    ids_of,
    items,
)
from hone_generator.artifacts.inverse import Quotes
from hone_generator.artifacts.mermaid_class.ir import (
    Attribute,
    Class,
    ClassDiagram,
    Operation,
    Relation,
    RelationKind,
    Visibility,
)
from hone_generator.artifacts.mermaid_class.members import parameters_of, read_member

PROMPT_VERSION = "mermaid_class/1"  # stored with each attempt; raise it with every change of what is below

INSTRUCTIONS = """\
You read software requirements and write down the classes that they state, as one JSON document: classes, relations.
A class is a thing with properties or duties of its own, a noun in the singular, in PascalCase ("LibraryCard"). The \
system itself, its screens and its users' clicks are no classes.
attributes are properties, in camelCase, each with a type (String, int, Decimal, boolean, Date, DateTime, a class or \
enumeration of the diagram, List<Class>) and a visibility: + public, - private, # protected. What is another class \
of the diagram is a relation, not an attribute.
operations are what the text says that the thing does or that is done to it, as verbs in camelCase ("renew"); \
parameters as "name: Type, name: Type" or ""; returns is a type or "". No getters, setters or constructors.
stereotype is "", interface, abstract or enumeration. The values of an enumeration are its attributes, in capitals, \
without a type; an attribute of a class has the enumeration as its type.
relations read from left to right: inheritance (a kind of), realization (of an interface), composition (from is \
made of to, which cannot be without it), aggregation (from gathers to), association (from knows to), dependency \
(from uses to in passing). from_many and to_many are the multiplicities at the two ends, "1", "0..1", "0..*", \
"1..*" or a number of the text; "each member has many loans" is Member "1" Loan "0..*". They are "" for inheritance, \
realization and dependency. label is a verb ("borrows") or "".
Every class has a member, and a relation to another. Relations name classes of the list only.
State only what the text states. Invent nothing; use the words of the text. At most 25 classes.
evidence quotes the words that say so, verbatim from the text, at most one sentence; "" if none do.
First write in reasoning, in a few sentences, which classes there are, what they do and how they relate; then the \
lists."""

_VISIBILITIES = {"public": "+", "private": "-", "protected": "#", "package": "~", "internal": "~"}
_KINDS = {
    "extends": "inheritance", "generalization": "inheritance", "generalisation": "inheritance",
    "implements": "realization", "realisation": "realization", "implementation": "realization",
    "contains": "composition", "has": "aggregation", "uses": "dependency",
}  # fmt: skip
_NOTHING = frozenset({"void", "none", "nothing", "unit"})
_Seen = Annotated[Visibility, choice(Visibility, "", _VISIBILITIES)]


class StatedAttribute(Quoted):
    visibility: _Seen = ""
    name: Word
    type: Word = ""

    @model_validator(mode="before")
    @classmethod
    def _in_one_line(cls, value: Any) -> Any:
        """`+name: Type`"""
        own = read_member(value.strip()) if isinstance(value, str) else None
        if own is None or own.attribute is None:
            return value
        return own.attribute.model_dump(include={"visibility", "name", "type"})


class StatedOperation(Quoted):
    visibility: _Seen = ""
    name: Word
    parameters: Text = ""
    returns: Word = ""

    @model_validator(mode="before")
    @classmethod
    def _in_one_line(cls, value: Any) -> Any:
        """`+call(parameter: Type) Type`"""
        own = read_member(value.strip()) if isinstance(value, str) else None
        if own is None or own.operation is None:
            return value
        parameters = ", ".join(f"{one.name}: {one.type}".rstrip(": ") for one in own.operation.parameters)
        said = own.operation.model_dump(include={"visibility", "name", "returns"})
        return {**said, "parameters": parameters}


class StatedClass(Quoted):
    name: Word
    stereotype: Word = ""
    attributes: Annotated[list[StatedAttribute], *items(StatedAttribute, 30)] = Field(default_factory=list)
    operations: Annotated[list[StatedOperation], *items(StatedOperation, 20)] = Field(default_factory=list)


class StatedRelation(Quoted):
    from_: Word = Field(alias="from")
    kind: Annotated[RelationKind, choice(RelationKind, "association", _KINDS)] = "association"
    to: Word
    from_many: Word = ""
    to_many: Word = ""
    label: Text = ""


class ClassAnswer(Answer):
    classes: Annotated[list[StatedClass], *items(StatedClass, 40)] = Field(default_factory=list)
    relations: Annotated[list[StatedRelation], *items(StatedRelation, 100)] = Field(default_factory=list)


def diagram_of(answer: ClassAnswer, hearing: Hearing) -> ClassDiagram:
    hearing.names("class", (each.name for each in answer.classes))
    class_of = ids_of((each.name, each.name) for each in answer.classes)
    return ClassDiagram(
        classes=tuple(map(_class, answer.classes)),
        relations=tuple(
            Relation(
                from_=class_of(each.from_),
                to=class_of(each.to),
                kind=each.kind,
                from_many=each.from_many,
                to_many=each.to_many,
                label=each.label,
                evidence=each.evidence,
            )
            for each in answer.relations
        ),
    )


def _class(stated: StatedClass) -> Class:
    return Class(
        name=stated.name,
        stereotype=stated.stereotype.strip("<> "),
        attributes=tuple(
            Attribute(name=own.name, type=own.type, visibility=own.visibility, evidence=own.evidence)
            for own in stated.attributes
        ),
        operations=tuple(
            Operation(
                name=own.name.partition("(")[0],
                parameters=parameters_of(own.parameters.strip("() ")),
                returns="" if own.returns.lower() in _NOTHING else own.returns,
                visibility=own.visibility,
                evidence=own.evidence,
            )
            for own in stated.operations
        ),
        evidence=stated.evidence,
    )


def stated(diagram: ClassDiagram, quotes: Quotes) -> dict[str, Any]:
    """The answer that the diagram is made of."""
    return {
        "classes": [_stated_class(each, quotes) for each in diagram.classes],
        "relations": [
            {
                "from": each.from_,
                "kind": each.kind,
                "to": each.to,
                "from_many": each.from_many,
                "to_many": each.to_many,
                "label": each.label,
                "evidence": quotes.of_element("relation", f"{each.from_}-{each.kind}-{each.to}"),
            }
            for each in diagram.relations
        ],
    }


def _stated_class(each: Class, quotes: Quotes) -> dict[str, Any]:
    return {
        "name": each.name,
        "stereotype": each.stereotype,
        "attributes": [
            {
                "visibility": own.visibility,
                "name": own.name,
                "type": own.type,
                "evidence": quotes.of_element("attribute", each.name, own.name),
            }
            for own in each.attributes
        ],
        "operations": [
            {
                "visibility": own.visibility,
                "name": own.name,
                "parameters": ", ".join(f"{one.name}: {one.type}".rstrip(": ") for one in own.parameters),
                "returns": own.returns,
                "evidence": quotes.of_element("operation", each.name, own.name),
            }
            for own in each.operations
        ],
        "evidence": quotes.of_element("class", each.name),
    }

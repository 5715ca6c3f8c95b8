"""Whether a class diagram makes sense as a design: Mermaid's grammar accepts classes that inherit from themselves,
members given twice, and any word as a multiplicity."""

import re
from collections import Counter
from collections.abc import Iterator

from hone_contracts.artifacts import ValidatorResult
from hone_generator.artifacts.diagrams.findings import (
    mixed,
    of_problems,
    overlong,
    too_large,
    undeclared,
    unnamed,
)
from hone_generator.artifacts.diagrams.graph import in_circles, successors
from hone_generator.artifacts.diagrams.text import Read, shown
from hone_generator.artifacts.kind import Link, Name, Outline
from hone_generator.artifacts.mermaid_class.ir import Class, ClassDiagram, Relation
from hone_generator.artifacts.mermaid_class.types import is_known_type
from hone_generator.text.naming import identity, singular, words_of
from hone_generator.validators.flaws import MISSING, ODD, WRONG, Flaw, at, judged

_MOST_CLASSES = 40
_MOST_MEMBERS = 30
_COUNTED = frozenset({"association", "aggregation", "composition"})
_INHERITS = frozenset({"inheritance", "realization"})
_INTERFACES = frozenset({"interface", "abstract", "protocol"})
_MULTIPLICITY = re.compile(r"(?:(?P<low>\d{1,6})\.\.)?(?P<high>\d{1,6}|\*|[nNmM]|many)")


class ClassChecks:
    """A class diagram read, and what there is to say of it (``kind.Parsed``)."""

    def __init__(self, read: Read[ClassDiagram]) -> None:
        self.read, self.diagram = read, read.diagram
        self.classes = {each.name: each for each in self.diagram.classes}
        members = sum(len(each.attributes) + len(each.operations) for each in self.diagram.classes)
        self.elements = len(self.diagram.classes) + members + len(self.diagram.relations)

    def structure(self) -> ValidatorResult:
        return judged("structure", self._structure(), self.elements)

    def references(self) -> ValidatorResult:
        ends = [
            (end, f"relation {_relation(each)}", self._where(end))
            for each in self.diagram.relations
            for end in dict.fromkeys((each.from_, each.to))
        ]
        flaws = [*undeclared(ends, self.classes, "class", exact=self.read.exact), *self._type_flaws()]
        return judged("references", flaws, self.elements)

    def style(self) -> ValidatorResult:
        return judged("style", self._style(), self.elements)

    def outline(self) -> Outline:
        names: list[Name] = []
        for each in self.diagram.classes:
            names.append(Name(each.name, "type", self.read.lines.get(each.name)))
            names += [
                Name(own.name, "member", self.read.lines.get(f"{each.name}.{own.name}"), own.derived)
                for own in each.attributes
            ]
            names += [
                Name(own.name, "action", self.read.lines.get(f"{each.name}.{own.name}"))
                for own in each.operations
            ]
        names += [Name(each.label, "label") for each in self.diagram.relations if each.label]
        links = tuple(
            Link(each.from_, each.to, is_many(each.from_many), is_many(each.to_many))
            for each in self.diagram.relations
        )
        return Outline(tuple(names), scope="data", links=links)

    def _where(self, name: str) -> str:
        return at(self.read.lines, name)

    def _structure(self) -> Iterator[Flaw]:
        yield from of_problems(self.read.problems)
        if not self.diagram.classes:
            yield Flaw(WRONG, "the diagram is empty: add the classes that the requirements name", fatal=True)
            return
        related = {
            end for each in self.diagram.relations for end in (each.from_, each.to) if each.from_ != each.to
        }
        children = {
            each.from_ for each in self.diagram.relations if each.kind in ("inheritance", "realization")
        }
        types = self._used_types()
        first: dict[str, str] = {}
        for each in self.diagram.classes:
            where = self._where(each.name)
            if first.setdefault(identity(each.name), each.name) != each.name:
                same = first[identity(each.name)]
                yield Flaw(WRONG, f"{where}classes {same} and {each.name} are the same thing: keep one")
            if len(self.classes) > 1 and each.name not in related and each.name not in types:
                yield Flaw(MISSING, f"{where}class {each.name} has no relation: relate it or leave it out")
            if not each.attributes and not each.operations and each.name not in children:
                yield Flaw(MISSING, f"{where}class {each.name} has no members: add what it has or does")
            yield from self._member_flaws(each)
        yield from self._relation_flaws()
        yield from self._circle_flaws()

    def _member_flaws(self, each: Class) -> Iterator[Flaw]:
        signatures = Counter(
            [own.name.casefold() for own in each.attributes]
            + [
                f"{own.name}({', '.join(one.type or one.name for one in own.parameters)})".casefold()
                for own in each.operations
            ]
        )
        for name, count in signatures.items():
            if count > 1:
                place = f"{each.name}.{name}"
                yield Flaw(WRONG, f"{self._where(each.name)}{place} is given {count} times: keep one")

    def _relation_flaws(self) -> Iterator[Flaw]:
        counts = Counter(
            (each.from_, each.to, each.kind, each.label.casefold()) for each in self.diagram.relations
        )
        for (from_, to, kind, _), count in counts.items():
            if count > 1:
                yield Flaw(ODD, f"{kind} from {from_} to {to} is drawn {count} times: draw it once")
        for each in self.diagram.relations:
            where = self._where(each.from_)
            for many in (each.from_many, each.to_many):
                yield from _multiplicity_flaws(many, f"{where}{_relation(each)}")
            # The whole of a composition is one, and who gathers is seldom counted.
            ends = (each.from_many, each.to_many) if each.kind == "association" else (each.to_many,)
            if each.kind in _COUNTED and not all(ends):
                yield Flaw(
                    ODD, f'{where}{_relation(each)} lacks multiplicities: write them, as in "1" and "0..*"'
                )
            known = self.classes.get(each.to)
            if each.kind == "realization" and known and known.stereotype.lower() not in _INTERFACES:
                yield Flaw(
                    MISSING,
                    f"{where}{_relation(each)}: {each.to} is no interface; mark it so or inherit from it",
                )

    def _circle_flaws(self) -> Iterator[Flaw]:
        # A folder is made of folders, but nothing inherits from itself.
        inherited = [(each.from_, each.to) for each in self.diagram.relations if each.kind in _INHERITS]
        made = [
            (each.from_, each.to)
            for each in self.diagram.relations
            if each.kind == "composition" and each.from_ != each.to
        ]
        for edges, what in ((inherited, "inherit"), (made, "are made of each other")):
            if circle := in_circles(successors(edges)):
                names = ", ".join(circle[:6])
                yield Flaw(
                    WRONG,
                    f"{self._where(circle[0])}classes {names} {what} in a circle: take one relation out",
                )

    def _used_types(self) -> set[str]:
        """Classes that are the type of somebody's member, as enumerations are."""
        return {
            word
            for each in self.diagram.classes
            for text in (
                *(own.type for own in each.attributes),
                *(own.returns for own in each.operations),
                *(one.type for own in each.operations for one in own.parameters),
            )
            for word in re.findall(r"\w+", text)
        }

    def _type_flaws(self) -> Iterator[Flaw]:
        """A capitalised type that is neither a class of the diagram nor known from languages."""
        unknown = sorted(
            word for word in self._used_types() if word not in self.classes and not is_known_type(word)
        )
        for word in unknown:
            yield Flaw(
                ODD,
                f"type {word} is no class of the diagram and no common type: add the class or change the type",
            )

    def _style(self) -> Iterator[Flaw]:
        yield from too_large(len(self.classes), _MOST_CLASSES, "classes", "draw several diagrams, by subject")
        yield from mixed([own.name for each in self.diagram.classes for own in each.operations], "operations")
        for each in self.diagram.classes:
            where = self._where(each.name)
            yield from _class_style(each, where)
            yield from overlong(each.name, 40, f"{where}class")
            yield from unnamed(each.name, f"{where}class {each.name}")
        for relation in self.diagram.relations:
            yield from overlong(
                relation.label, 40, f"{self._where(relation.from_)}label of {_relation(relation)}"
            )


def _class_style(each: Class, where: str) -> Iterator[Flaw]:
    if each.name[:1].islower() or "_" in each.name:
        pascal = "".join(word[:1].upper() + word[1:] for word in words_of(each.name))
        yield Flaw(ODD, f"{where}class {each.name} is not in PascalCase: call it {pascal}")
    words = words_of(each.name)
    if words and singular(words[-1]) != words[-1] and each.stereotype.lower() != "enumeration":
        yield Flaw(ODD, f"{where}class {each.name} is a plural: name one of them")
    size = len(each.attributes) + len(each.operations)
    if size > _MOST_MEMBERS:
        yield Flaw(
            ODD, f"{where}class {each.name} has {size} members: split it, at most {_MOST_MEMBERS} each"
        )
    if each.stereotype.lower() in ("enumeration", "enum"):
        return
    for own in each.attributes:
        if not own.type:
            yield Flaw(ODD, f"{where}attribute {each.name}.{own.name} has no type: give it one")
        if own.name[:1].isupper():
            yield Flaw(ODD, f"{where}attribute {each.name}.{own.name} begins with a capital: write it small")


def _multiplicity_flaws(many: str, place: str) -> Iterator[Flaw]:
    found = _MULTIPLICITY.fullmatch(many.replace(" ", ""))
    if many and found is None:
        yield Flaw(
            MISSING, f'{place} has the multiplicity {shown(many)}: write "1", "0..1", "0..*" or "1..*"'
        )
    elif found and found["low"] and found["high"].isdigit() and int(found["low"]) > int(found["high"]):
        yield Flaw(WRONG, f"{place} has the multiplicity {many}, which nothing can have: turn it round")


def is_many(many: str) -> bool | None:
    """Whether more than one may stand at an end; None where it does not say."""
    found = _MULTIPLICITY.fullmatch(many.replace(" ", ""))
    if found is None:
        return None
    return not found["high"].isdigit() or int(found["high"]) > 1


def _relation(each: Relation) -> str:
    return f"{each.kind} {each.from_} to {each.to}"

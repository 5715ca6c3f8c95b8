"""Whether code holds together: names that are there, imports that exist, bodies that do something."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from hone_contracts.artifacts import ValidatorResult
from hone_generator.artifacts.kind import Link, Name, Outline
from hone_generator.artifacts.python_code.lint import Finding, LintFailed, lint
from hone_generator.artifacts.python_code.source import (
    Class,
    Function,
    Source,
    body_of,
    last_word,
    parse_expression,
)
from hone_generator.text.naming import identity, words_of
from hone_generator.validators.base import result
from hone_generator.validators.flaws import MISSING, ODD, WRONG, Flaw, judged

MOST_LINES = 2_000
_MOST_CLASSES = 200  # whose bases are followed, which takes the square of their number at the worst
_UNDEFINED = frozenset({"F821", "F822", "F823"})
_KNOWN_BASES = frozenset({"object", "ABC", "Protocol", "Generic", "NamedTuple", "TypedDict"})
_OF_ANY_OBJECT = frozenset(name for name in dir(object)) | {
    "__dict__",
    "__class__",
    "__name__",
    "__dataclass_fields__",
}


@dataclass(frozen=True, slots=True)
class NoCode:
    """Text that is no Python: its syntax says why, and the rest has nothing to look at."""

    def structure(self) -> ValidatorResult:
        return result("structure", 0, ["the code does not parse, so nothing of it can be used"], passed=False)

    def references(self) -> ValidatorResult:
        return result(
            "references", 0, ["the code does not parse, so no name of it can be resolved"], passed=False
        )

    def style(self) -> ValidatorResult:
        return result("style", 0, passed=False)

    def outline(self) -> Outline:
        return Outline((), scope="everything", numbers=True, links=())


@dataclass(frozen=True, slots=True)
class ParsedCode:
    """Code with the words that may name what it imports beside the standard library."""

    source: Source
    known_words: frozenset[str]

    def structure(self) -> ValidatorResult:
        return judged("structure", self._structure_flaws(), self._elements)

    def references(self) -> ValidatorResult:
        return judged("references", self._reference_flaws(), self._elements)

    def style(self) -> ValidatorResult:
        flaws = [
            Flaw(ODD, _told(finding)) for finding in _findings(self.source.code) if finding.is_convention
        ]
        length = self.source.code.count("\n")
        if length > MOST_LINES:
            flaws.append(Flaw(WRONG, f"the module has {length} lines: split it, at most {MOST_LINES} each"))
        return judged("style", flaws, self._elements)

    def outline(self) -> Outline:
        names: list[Name] = []
        for each in self.source.classes:
            names.append(Name(each.name, "type", each.line))
            names += [Name(own.name, "member", own.line) for own in each.attributes.values()]
            names += [_action(method) for method in each.methods.values() if not _is_special(method.name)]
        names += [_action(function) for function in self.source.functions]
        names += [Name(constant.name, "member", constant.line) for constant in self.source.constants]
        names += [Name(found.root, "prose", found.line) for found in self.source.imports]
        names += [Name(text, "prose") for text in self._texts()]
        return Outline(tuple(names), scope="everything", numbers=True, links=tuple(self._links()))

    @property
    def _elements(self) -> int:
        methods = sum(len(each.methods) + len(each.attributes) for each in self.source.classes)
        return len(self.source.classes) + len(self.source.functions) + methods

    def _texts(self) -> Iterator[str]:
        yield from self.source.comments
        yield from self.source.numbers
        for node in ast.walk(self.source.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value  # docstrings, and the messages of exceptions

    def _structure_flaws(self) -> Iterator[Flaw]:
        if not self.source.classes and not self.source.functions:
            yield Flaw(
                WRONG,
                "there is no class and no function: write the module that the requirements ask for",
                True,
            )
        for each in self.source.classes:
            if not each.attributes and not each.methods and not _may_be_empty(each):
                yield Flaw(MISSING, f"line {each.line}: class {each.name} is empty: give it its attributes")
            if not each.is_abstract:
                for name, method in each.methods.items():
                    yield from _stub_flaws(method, f"{each.name}.{name}")
        for function in self.source.functions:
            yield from _stub_flaws(function, function.name)

    def _reference_flaws(self) -> Iterator[Flaw]:
        for finding in _findings(self.source.code):
            if finding.code in _UNDEFINED:
                yield Flaw(WRONG, f"{_told(finding)}: define or import it")
        for each in self.source.imports:
            if each.level:
                yield Flaw(
                    WRONG, f"line {each.line}: this is one module, there is nothing to import relatively"
                )
            elif each.root not in sys.stdlib_module_names and each.root.lower() not in self.known_words:
                yield Flaw(
                    MISSING,
                    f"line {each.line}: {each.root} is neither in the standard library nor in the requirements: "
                    "do without it",
                )
        yield from self._attribute_flaws()

    def _attribute_flaws(self) -> Iterator[Flaw]:
        """Attributes of self that a class has not, as far as all of its bases are in sight."""
        classes = {each.name: each for each in self.source.classes}
        if len(classes) > _MOST_CLASSES:
            return
        for each in self.source.classes:
            own = _all_attributes(each, classes)
            if own is None:
                continue
            for method in each.methods.values():
                for node in _reads_of_self(method):
                    if node.attr not in own and node.attr not in _OF_ANY_OBJECT:
                        missing = f"{each.name} has no attribute {node.attr}"
                        yield Flaw(WRONG, f"line {node.lineno}: {missing}: add it or correct the name")

    def _links(self) -> Iterator[Link]:
        """A class is connected to those that its attributes are annotated with, or named after (member_id)."""
        classes = {identity(each.name): each.name for each in self.source.classes}
        for each in self.source.classes:
            for own in each.attributes.values():
                words = words_of(own.name)
                by_name = classes.get("".join(words[:-1])) if words[-1:] == ("id",) else None
                if by_name is not None:
                    yield Link(each.name, by_name, None, False)
                if own.annotation is not None:
                    for name, many in _named_in(own.annotation):
                        if identity(name) in classes:
                            yield Link(each.name, classes[identity(name)], None, many)


def _findings(code: str) -> tuple[Finding, ...]:
    try:
        return lint(code)
    except LintFailed:
        return ()  # the syntax validator says so


def _told(finding: Finding) -> str:
    return f"line {finding.line}: {finding.message} ({finding.code})"


def _action(function: Function) -> Name:
    return Name(function.name, "action", function.lineno)


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _may_be_empty(each: Class) -> bool:
    """Exceptions are told apart by their names alone, and a subclass may add nothing."""
    return bool(each.bases) and not {"object", "BaseModel", "Enum"} & set(each.bases)


def _stub_flaws(function: Function, name: str) -> Iterator[Flaw]:
    decorators = {last_word(each) for each in function.decorator_list}
    if {"abstractmethod", "overload"}.isdisjoint(decorators) and all(map(_does_nothing, body_of(function))):
        yield Flaw(WRONG, f"line {function.lineno}: {name} does nothing: write what it has to do")


def _does_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Raise(exc=ast.expr() as raised):
            return last_word(raised) == "NotImplementedError"
    return False


def _all_attributes(each: Class, classes: dict[str, Class]) -> frozenset[str] | None:
    """All names that an instance has, those of subclasses included, since a base may build on them; None where a
    base or a hook leaves that open."""
    found: set[str] = set()
    waiting, seen = [each, *_subclasses(each, classes)], set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if {"__getattr__", "__getattribute__"} & current.methods.keys() or current.node.keywords:
            return None
        found |= current.attributes.keys() | current.methods.keys() | _nested(current)
        for base in current.bases:
            if base in classes:
                waiting.append(classes[base])
            elif base not in _KNOWN_BASES:
                return None
    return frozenset(found)


def _subclasses(each: Class, classes: dict[str, Class]) -> list[Class]:
    found = {each.name}
    while more := {
        name for name, own in classes.items() if name not in found and not found.isdisjoint(own.bases)
    }:
        found |= more
    return [classes[name] for name in found - {each.name}]


def _nested(each: Class) -> set[str]:
    return {node.name for node in each.node.body if isinstance(node, ast.ClassDef)}


def _reads_of_self(method: Function) -> Iterator[ast.Attribute]:
    arguments = [*method.args.posonlyargs, *method.args.args]
    decorators = {last_word(each) for each in method.decorator_list}
    if not arguments or decorators & {"staticmethod", "classmethod"}:
        return
    for node in ast.walk(method):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Load)
            and isinstance(node.value, ast.Name)
            and node.value.id == arguments[0].arg
        ):
            yield node


_MANY = frozenset(
    {"list", "List", "set", "Set", "frozenset", "tuple", "Sequence", "Iterable", "dict", "Dict", "Mapping"}
)


def _named_in(annotation: ast.expr) -> Iterator[tuple[str, bool]]:
    """Names in an annotation, and whether they stand in a collection; quoted ones are read, too."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = parse_expression(annotation.value[:500])
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
    many = any(
        isinstance(node, ast.Subscript) and last_word(node.value) in _MANY for node in ast.walk(annotation)
    )
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name):
            yield node.id, many
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield node.value, many

"""Python code read into its parts: classes, functions, imports, comments. Nothing is run or compiled."""

import ast
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from hone_contracts.normal_form import has_pile
from hone_generator.artifacts.held import MOST_ANSWER_CHARS

Function = ast.FunctionDef | ast.AsyncFunctionDef
# One at a time: up to CPython 3.12.1 two threads that build trees count into the same depth, and one of them gets a
# SystemError (gh-106905). Whoever gives up the GIL meanwhile is enough, as callbacks of the garbage collector do.
_BUILDING = threading.Lock()
_COMMENT = re.compile(r"^[ \t]*+#(.*)$", re.MULTILINE)


class NotPython(Exception):
    """The code does not parse. ``line`` counts from 1."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)


@dataclass(frozen=True, slots=True)
class Attribute:
    """``annotation`` is None where there is only a value."""

    name: str
    line: int
    annotation: ast.expr | None = None


@dataclass(frozen=True, slots=True)
class Class:
    """``bases`` are their last words (``abc.ABC`` is ABC)."""

    name: str
    line: int
    bases: tuple[str, ...]
    attributes: dict[str, Attribute]
    methods: dict[str, Function]
    docstring: str
    node: ast.ClassDef

    @property
    def is_abstract(self) -> bool:
        return not {"Protocol", "ABC"}.isdisjoint(self.bases)


@dataclass(frozen=True, slots=True)
class Import:
    """A module that is imported, by its first word; ``level`` is above 0 for relative ones."""

    root: str
    line: int
    level: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """``methods`` of classes are in their class; ``functions`` are those of the module, nested ones left out."""

    code: str
    tree: ast.Module
    classes: tuple[Class, ...] = ()
    functions: tuple[Function, ...] = ()
    imports: tuple[Import, ...] = ()
    comments: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    constants: tuple[Attribute, ...] = ()


def parse(code: str) -> ast.Module:
    """Raises what `ast.parse` does. May be called from any thread."""
    with _BUILDING:
        return ast.parse(code)


def parse_expression(code: str) -> ast.expr:
    """As `parse`."""
    with _BUILDING:
        return ast.parse(code, mode="eval").body


def read_source(code: str) -> Source:
    """Raises NotPython, whatever the code is."""
    if len(code) > MOST_ANSWER_CHARS:
        raise NotPython(f"the code has {len(code)} characters, {MOST_ANSWER_CHARS} are read: make it shorter")
    if has_pile(code):  # Python gives identifiers their normal form, in the square of their marks
        raise NotPython("more than thirty marks stand on one character: take them out")
    try:
        tree = parse(code)
    except SyntaxError as error:
        raise NotPython(error.msg or "invalid syntax", error.lineno) from None
    except ValueError:
        raise NotPython("the code holds characters that no code may hold: take them out") from None
    except (RecursionError, MemoryError):
        raise NotPython("the code is nested too deep: make it flat") from None
    nodes = list(ast.walk(tree))
    return Source(
        code,
        tree,
        tuple(_class(node) for node in nodes if isinstance(node, ast.ClassDef)),
        tuple(node for node in tree.body if isinstance(node, Function)),
        tuple(found for node in nodes for found in _imports(node)),
        tuple(found[1].strip() for found in _COMMENT.finditer(code)),
        tuple(_numbers(nodes)),
        tuple(_assigned(tree)),
    )


def last_word(node: ast.expr) -> str:
    """The name that an expression ends in: ``a.b.C[T]`` is C; "" where it has none."""
    while isinstance(node, ast.Subscript | ast.Call):
        node = node.value if isinstance(node, ast.Subscript) else node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def body_of(function: Function) -> list[ast.stmt]:
    """What a function does, its docstring aside."""
    body = function.body
    return body[1:] if ast.get_docstring(function, clean=False) is not None else body


def _class(node: ast.ClassDef) -> Class:
    methods = {each.name: each for each in node.body if isinstance(each, Function)}
    attributes: dict[str, Attribute] = {}
    for found in (
        *_assigned(node),
        *(own for each in methods.values() for own in _own_attributes(each)),
    ):
        attributes.setdefault(found.name, found)
    bases = tuple(last_word(base) for base in node.bases)
    docstring = ast.get_docstring(node) or ""
    return Class(node.name, node.lineno, bases, attributes, methods, docstring, node)


def _assigned(node: ast.ClassDef | ast.Module) -> Iterator[Attribute]:
    """Names that the body itself gives a value or a type."""
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            yield Attribute(each.target.id, each.lineno, each.annotation)
        elif isinstance(each, ast.Assign):
            for target in each.targets:
                if isinstance(target, ast.Name):
                    yield Attribute(target.id, each.lineno)


def _own_attributes(method: Function) -> Iterator[Attribute]:
    """What a method sets on its first argument."""
    arguments = [*method.args.posonlyargs, *method.args.args]
    if not arguments:
        return
    own = arguments[0].arg
    annotations = {argument.arg: argument.annotation for argument in arguments}
    for node in ast.walk(method):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_name(node.value, own):
            yield Attribute(node.attr, node.lineno, annotations.get(node.attr))


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _imports(node: ast.AST) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name.partition(".")[0], node.lineno)
    elif isinstance(node, ast.ImportFrom):
        yield Import((node.module or "").partition(".")[0], node.lineno, node.level)


def _numbers(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, int | float)
            and not isinstance(node.value, bool)
        ):
            text = repr(node.value) if isinstance(node.value, float) or abs(node.value) < 10**15 else ""
            if text:
                yield text

"""Python code as an artifact type."""

import asyncio
import re

from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_contracts.registry import Reading
from hone_generator.artifacts.data_model import read_data_model
from hone_generator.artifacts.extract import fenced
from hone_generator.artifacts.held import MOST_ANSWER_CHARS
from hone_generator.artifacts.inverse import Inexpressible, Quotes
from hone_generator.artifacts.kind import Ask, Brief, Draft, Parsed, Subject, Tell, Tools
from hone_generator.artifacts.prompting import whole_messages
from hone_generator.artifacts.python_code import prompts
from hone_generator.artifacts.python_code.checks import NoCode, ParsedCode
from hone_generator.artifacts.python_code.lint import LintFailed, lint
from hone_generator.artifacts.python_code.render import render
from hone_generator.artifacts.python_code.source import NotPython, Source, read_source
from hone_generator.validators.base import result

_FENCES = frozenset({"python", "py", "python3"})
_WORD = re.compile(r"\w+")
_TICKS = re.compile(r"`{3,}")
_FINDING_COST = 3


class PythonCode:
    """Takes the code that a model writes; facts of a data model are rendered as dataclasses."""

    type = ArtifactType.PYTHON_CODE
    prompt_version = prompts.PROMPT_VERSION
    readings: frozenset[Reading] = frozenset({"whole", "passages", "passages_schema"})
    suffix = ".py"

    async def make(self, brief: Brief, ask: Ask, tell: Tell) -> Draft:
        if brief.reading != "whole":
            read = await read_data_model(brief, ask, tell)
            return Draft(render(read.model), {"diagram": read.diagram.to_json()}, read.evidence, read.notes)
        await tell("reading")
        answer = await ask(whole_messages(prompts.INSTRUCTIONS, brief), None)
        code = fenced(answer[:MOST_ANSWER_CHARS], _FENCES).strip("\n")
        notes = () if code else ("the answer holds no code: answer with the module in one fenced block",)
        ir = await asyncio.to_thread(_ir, code)  # reading takes a second where the code is hostile
        return Draft(f"{code}\n" if code else "", ir, notes=notes, answer=answer)

    def read(self, subject: Subject) -> Parsed:
        try:
            source = read_source(subject.content)
        except NotPython:
            return NoCode()
        named = f"{subject.requirements or ''} {subject.context or ''}".lower()
        return ParsedCode(source, frozenset(_WORD.findall(named)))

    def answer_of(self, subject: Subject, quotes: Quotes) -> str:  # noqa: ARG002 (code quotes nothing)
        """The module in its fence, which is longer than any within it."""
        try:
            read_source(subject.content)
        except NotPython as error:
            raise Inexpressible(f"the code does not parse: {error}") from None
        ticks = max((len(found[0]) + 1 for found in _TICKS.finditer(subject.content)), default=3) * "`"
        body = subject.content.strip("\n")
        return f"{ticks}python\n{body}\n{ticks}"

    async def syntax(self, subject: Subject, tools: Tools) -> ValidatorResult:  # noqa: ARG002 (ruff is a process of its own)
        return await asyncio.to_thread(check_syntax, subject.content)


def check_syntax(code: str) -> ValidatorResult:
    """0 for what Python or ruff cannot parse; else 100 less what ruff finds wrong, conventions aside."""
    try:
        read_source(code)
        findings = lint(code)
    except (NotPython, LintFailed) as error:
        return result("syntax", 0, [str(error)], passed=False)
    broken = [finding for finding in findings if not finding.code]
    wrong = [finding for finding in findings if not finding.is_convention]
    said = [f"line {each.line}: {each.message}{f' ({each.code})' if each.code else ''}" for each in wrong]
    return result("syntax", 0 if broken else 100 - _FINDING_COST * len(wrong), said, passed=not broken)


def _ir(code: str) -> dict[str, object]:
    """The classes of the code with their attributes, and its functions, by name."""
    try:
        source: Source | None = read_source(code)
    except NotPython:
        source = None
    classes = source.classes if source else ()
    functions = source.functions if source else ()
    return {
        "classes": [
            {"name": each.name, "attributes": list(each.attributes), "methods": list(each.methods)}
            for each in classes
        ],
        "functions": [each.name for each in functions],
    }

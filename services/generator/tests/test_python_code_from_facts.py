"""Facts of a data model become dataclasses: sound ones, whatever the names."""

import ast

import pytest
from asking import made
from erd_strategies import diagrams
from hypothesis import given, settings

from hone_contracts.registry import Reading
from hone_generator.artifacts.data_model import data_model
from hone_generator.artifacts.kind import Brief, Subject
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity
from hone_generator.artifacts.python_code.kind import PythonCode, check_syntax
from hone_generator.artifacts.python_code.render import render
from hone_generator.validators.coverage import check_coverage


@pytest.mark.parametrize("reading", ["passages", "passages_schema"])
async def test_facts_become_dataclasses(reading: Reading) -> None:
    facts = {
        "passages": '[{"a":"member","l":{"name":"string","date of birth":"date"}},{"r":["member","1:N","loans"]}]',
        "passages_schema": '{"entities":[],"attributes":[{"entity":"member","name":"name","type":"string","key":""},'
        '{"entity":"member","name":"date of birth","type":"date","key":""}],'
        '"relationships":[{"from":"member","cardinality":"1:N","to":"loans"}]}',
    }
    brief = Brief("Each member has a name, a date of birth and many loans.", reading)
    draft = await made(PythonCode(), brief.requirements, facts[reading], reading)
    assert draft.content == (
        '"""The types of the data and how they are related."""\n\n'
        "from __future__ import annotations\n\n"
        "import datetime as dt\n"
        "from dataclasses import dataclass, field\n\n\n"
        "@dataclass(kw_only=True)\n"
        "class Member:\n"
        '    """A member, related to several of: loan."""\n\n'
        "    id: int\n"
        "    name: str | None = None\n"
        "    date_of_birth: dt.date | None = None\n"
        "    loans: list[Loan] = field(default_factory=list, repr=False, compare=False)\n\n\n"
        "@dataclass(kw_only=True)\n"
        "class Loan:\n"
        '    """A loan."""\n\n'
        "    id: int\n"
        "    member: Member\n"
    )
    parsed = PythonCode().read(Subject(draft.content, brief.requirements, draft=draft))
    for verdict in (check_syntax(draft.content), parsed.structure(), parsed.references(), parsed.style()):
        assert verdict.score == 100, verdict.messages
    assert check_coverage(parsed.outline(), brief.requirements).score == 100


@settings(deadline=None)
@given(diagrams())
def test_every_data_model_renders_to_code_with_distinct_names(diagram: Diagram) -> None:
    code = render(data_model(diagram))
    classes = [node for node in ast.parse(code).body if isinstance(node, ast.ClassDef)]
    assert len({each.name for each in classes}) == len(classes)
    for each in classes:
        names = [
            node.target.id
            for node in each.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        ]
        assert len(set(names)) == len(names)
        assert names


def test_names_that_python_or_the_module_uses_itself_get_out_of_the_way() -> None:
    fields = tuple(Attribute(name=name) for name in ("class", "list", "dt", "Field", "field", "2nd", "naïve"))
    code = render(
        data_model(Diagram(entities=(Entity(name="Decimal", attributes=fields), Entity(name="none"))))
    )
    (first, second) = (node for node in ast.parse(code).body if isinstance(node, ast.ClassDef))
    names = [
        node.target.id
        for node in first.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    assert (first.name, second.name) == ("Decimal_", "None_")
    assert names == ["id", "class_", "list_", "dt_", "Field", "field_", "n_2nd", "naïve"]


@settings(max_examples=15, deadline=None)
@given(diagrams())
def test_every_data_model_renders_to_code_that_ruff_understands(diagram: Diagram) -> None:
    code = render(data_model(diagram))
    assert check_syntax(code).score == 100, check_syntax(code).messages
    assert not code or PythonCode().read(Subject(code, "")).references().passed


def test_names_that_python_takes_for_one_are_kept_apart() -> None:
    names = ("field", "\U0001d523ield", "a", "\u00aa")
    thing = Entity(name="thing", attributes=tuple(Attribute(name=name, type="string") for name in names))
    [*_, found] = ast.parse(render(data_model(Diagram(entities=(thing,))))).body
    assert isinstance(found, ast.ClassDef)
    targets = [each.target.id for each in found.body if isinstance(each, ast.AnnAssign)]  # type: ignore[union-attr]
    assert len(set(targets)) == len(targets)
    assert "field" not in targets

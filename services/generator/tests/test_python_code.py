import gc
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from asking import made
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_generator.artifacts.kind import Link, Parsed, Subject
from hone_generator.artifacts.python_code.kind import PythonCode, check_syntax
from hone_generator.artifacts.python_code.source import NotPython, read_source
from hone_generator.validators.coverage import check_coverage
from hone_generator.validators.grounding import check_grounding

REQUIREMENTS = "Each member has a name and many loans. A member can borrow a book, at most five at a time."
CODE = '''\
"""Members and their loans."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_LOANS = 5


class TooManyLoansError(Exception):
    """A member has as many loans as anyone may have at a time."""


@dataclass
class Loan:
    """A book that a member borrowed."""

    member: Member
    book: str


@dataclass
class Member:
    """Somebody who borrows books."""

    name: str
    loans: list[Loan] = field(default_factory=list)

    def borrow(self, book: str) -> Loan:
        """Lend a book, unless there are too many loans."""
        if len(self.loans) >= MOST_LOANS:
            raise TooManyLoansError
        loan = Loan(self, book)
        self.loans.append(loan)
        return loan
'''


def read(code: str, requirements: str = REQUIREMENTS) -> Parsed:
    return PythonCode().read(Subject(code, requirements))


def test_sound_code_has_no_flaws() -> None:
    parsed = read(CODE)
    for verdict in (check_syntax(CODE), parsed.structure(), parsed.references(), parsed.style()):
        assert (verdict.score, verdict.passed, verdict.messages) == (100, True, ()), verdict
    assert check_coverage(parsed.outline(), REQUIREMENTS).score == 100
    assert check_grounding(parsed.outline(), REQUIREMENTS, None).passed


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("def f(:\n    pass\n", "line 1: "),
        ("x = (1,\n", "line 1: '(' was never closed"),
        ("a\0b", "null bytes"),
        ("-" * 50_000 + "1", "nested too deep"),
        ("a" + ".b" * 50_000, "nested too deep"),
        ("Sure! Here is the code you asked for", "line 1: invalid syntax"),
        ("# " + "x" * 300_000, "make it shorter"),
    ],
)
def test_what_is_no_python_fails_and_nothing_else_is_said_of_it(code: str, complaint: str) -> None:
    verdict = check_syntax(code)
    assert (verdict.score, verdict.passed) == (0, False)
    assert complaint in verdict.messages[0]
    parsed = read(code)
    assert not parsed.structure().passed
    assert not parsed.references().passed
    assert parsed.outline().names == ()


@pytest.mark.parametrize(
    ("code", "code_of_rule"),
    [
        ("def f(x: list[int] = []) -> None:\n    x.append(1)\n", "B006"),
        ("def f() -> int:\n    return eval('1')\n", "S307"),
        ("import os\n\n\ndef f() -> None:\n    os.system('ls')\n", "S605"),
        ("def f() -> None:\n    x = 1\n", "F841"),
        ("def f() -> int:\n    return 1\n\n\ndef f() -> int:\n    return 2\n", "F811"),
    ],
)
def test_what_ruff_finds_wrong_costs_and_is_told(code: str, code_of_rule: str) -> None:
    verdict = check_syntax(code)
    assert verdict.passed
    assert verdict.score < 100
    assert any(f"({code_of_rule})" in message for message in verdict.messages)


CLASS = (
    '"""M."""\n\n\nclass A{bases}:\n    """A."""\n\n    x: int = 1\n\n'
    '    def f(self) -> int:\n        """F."""\n        {body}\n'
)


@pytest.mark.parametrize(
    "body", ["pass", "...", "raise NotImplementedError", "raise NotImplementedError('later')", "'later'"]
)
def test_a_stub_is_no_function(body: str) -> None:
    verdict = read(CLASS.format(bases="", body=body)).structure()
    assert not verdict.passed
    assert "A.f does nothing" in verdict.messages[0]
    assert "line 9" in verdict.messages[0]


def test_protocols_and_abstract_methods_may_leave_their_bodies_out() -> None:
    assert (
        read("from typing import Protocol\n" + CLASS.format(bases="(Protocol)", body="..."))
        .structure()
        .passed
    )
    abstract = (
        "from abc import ABC, abstractmethod\n\n\n"
        "class A(ABC):\n    @abstractmethod\n    def f(self) -> int: ...\n"
    )
    assert read(abstract).structure().passed


@pytest.mark.parametrize("code", ["", "x = 1\n", "# nothing\n", "import os\n"])
def test_code_without_a_class_or_function_is_none(code: str) -> None:
    assert read(code).structure().score == 0


def test_an_empty_class_is_told_and_an_exception_may_be_empty() -> None:
    assert (
        "class A is empty"
        in read("class A:\n    pass\n\n\ndef f() -> int:\n    return 1\n").structure().messages[0]
    )
    assert (
        read("class A(Exception):\n    pass\n\n\ndef f() -> int:\n    return 1\n").structure().messages == ()
    )


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (
            "def f() -> Loan:\n    return Loan()\n",
            "line 1: Undefined name `Loan` (F821): define or import it",
        ),
        (
            "from .models import Loan\n\n\ndef f() -> Loan:\n    return Loan()\n",
            "nothing to import relatively",
        ),
        (CLASS.format(bases="", body="return self.y"), "line 11: A has no attribute y"),
    ],
)
def test_a_name_that_is_not_there_fails(code: str, complaint: str) -> None:
    verdict = read(code).references()
    assert not verdict.passed
    assert any(complaint in message for message in verdict.messages), verdict.messages


def test_only_the_standard_library_and_what_is_named_may_be_imported() -> None:
    code = "import sqlalchemy\n\n\ndef f() -> str:\n    return sqlalchemy.__version__\n"
    assert "sqlalchemy is neither in the standard library" in read(code).references().messages[0]
    assert read(code, "Use SQLAlchemy for the members.").references().messages == ()


@pytest.mark.parametrize(
    "code",
    [
        CLASS.format(bases="", body="return self.x"),
        CLASS.format(bases="(Unknown)", body="return self.y").replace('"""M."""', "from m import Unknown"),
        CLASS.format(bases="", body="self.y = 1\n        return self.y"),
        CLASS.format(bases="", body="return self.__class__.x"),
        CLASS.format(bases="", body="return self.y")
        + "\n    def __getattr__(self, name: str) -> int:\n        return 1\n",
        "class B:\n    y: int = 1\n\n\n" + CLASS.format(bases="(B)", body="return self.y"),
        CLASS.format(bases="", body="return self.y") + "\n\nclass B(A):\n    y: int = 1\n",
    ],
)
def test_attributes_that_are_there_or_may_come_from_elsewhere_are_no_fault(code: str) -> None:
    assert not any("no attribute" in message for message in read(code).references().messages)


def test_a_module_of_thousands_of_classes_is_read_in_a_moment() -> None:
    chain = "".join(
        f"class A{place}(A{place - 1}):\n def f(self): return self.x\n" for place in range(1, 4_000)
    )
    assert not read(f"class A0: x = 1\n{chain}").references().messages


def test_style_is_names_docstrings_and_type_hints() -> None:
    code = "class member_loan:\n    x: int = 1\n\n    def Borrow(self, book):\n        return book\n"
    said = " ".join(read(code).style().messages)
    for rule in ("D100", "D101", "D102", "N801", "N802", "ANN001", "ANN201"):
        assert f"({rule})" in said


def test_relations_are_attributes_of_the_other_type_or_named_after_it() -> None:
    code = (
        "class A:\n    bs: list['B']\n    c: 'C | None' = None\n    d_id: int = 0\n    n: int = 0\n\n\n"
        "class B: ...\n\n\nclass C: ...\n\n\nclass D: ...\n"
    )
    assert set(read(code).outline().links or ()) == {
        Link("A", "B", None, True),
        Link("A", "C", None, False),
        Link("A", "D", None, False),
    }
    wrong = CODE.replace("list[Loan]", "Loan | None")
    assert any(
        "one Member has many Loan" in each
        for each in check_coverage(read(wrong).outline(), REQUIREMENTS).messages
    )


def test_numbers_of_the_code_answer_those_of_the_requirements() -> None:
    lax = check_coverage(read(CODE.replace("= 5", "= 9")).outline(), REQUIREMENTS)
    assert any('"5" is not in the artifact' in message for message in lax.messages)
    assert ("MOST_LOANS", "member") in [(name.text, name.role) for name in read(CODE).outline().names]


@pytest.mark.parametrize(
    "answer",
    [CODE, f"```python\n{CODE}```", f"Here you are:\n\n```py\n{CODE}```\nBye!", f"<think>hm</think>{CODE}"],
)
async def test_the_code_of_an_answer_is_taken_without_what_is_around_it(answer: str) -> None:
    draft = await made(PythonCode(), REQUIREMENTS, answer)
    assert draft.content == CODE
    assert [each["name"] for each in draft.ir["classes"]] == ["TooManyLoansError", "Loan", "Member"]


async def test_an_empty_answer_is_a_draft_that_says_why() -> None:
    draft = await made(PythonCode(), REQUIREMENTS, "```python\n```")
    assert draft.content == ""
    assert draft.notes


lines = st.sampled_from(
    [
        "class A:",
        "    x: int",
        "def f(self):",
        "    return self.y",
        "    pass",
        "import a.b",
        "from . import c",
        "x: 'A' = 1",
        "@d",
    ]
)
texts = st.one_of(st.text(), st.lists(lines).map("\n".join))


@settings(max_examples=25, deadline=None)
@given(texts)
def test_any_text_is_judged(text: str) -> None:
    parsed = read(text)
    for verdict in (check_syntax(text), parsed.structure(), parsed.references(), parsed.style()):
        assert 0 <= verdict.score <= 100
    assert parsed.outline().numbers


def test_a_library_that_is_asked_for_and_imported_is_covered() -> None:
    text = "A member has loans. The service is written with FastAPI."
    imported = CODE.replace("from dataclasses", "import fastapi\nfrom dataclasses", 1)
    missing = [
        " ".join(check_coverage(read(code, text).outline(), text).messages) for code in (CODE, imported)
    ]
    assert [("fastapi" in said.lower().split("(")[0]) for said in missing] == [True, False]


@pytest.fixture
def threads_that_take_turns_often() -> Iterator[None]:
    """A garbage collector with a callback, as metrics install one, lets other threads run anywhere."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()

    def callback(phase: str, info: dict[str, int]) -> None:
        sum(range(300))

    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    gc.callbacks.append(callback)
    yield
    gc.callbacks.remove(callback)
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("threads_that_take_turns_often")
def test_modules_can_be_read_in_several_threads_at_once() -> None:
    copies = [1 + place % 4 for place in range(200)]
    with ThreadPoolExecutor(4) as pool:
        sources = list(pool.map(lambda count: read_source(CODE * count), copies))
    assert [len(source.classes) for source in sources] == [3 * count for count in copies]


def test_marks_piled_on_a_name_do_not_take_the_square_of_their_number() -> None:
    begun = time.monotonic()
    with pytest.raises(NotPython, match="thirty marks"):
        read_source("a" + "\u0301\u0316" * 60_000 + " = 1\n")
    assert time.monotonic() - begun < 3

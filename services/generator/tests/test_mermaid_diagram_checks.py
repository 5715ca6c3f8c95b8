"""Each flaw that can be planted in a good diagram is found, with its place and how to mend it."""

import json
from typing import Any

import pytest
from mermaid_good_answers import GOOD, requirements

from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.diagrams.kind import DiagramKind, draft_of
from hone_generator.artifacts.kind import Link, Subject

FLOW, SEQ, STATE, CLASS = "mermaid_flowchart", "mermaid_sequence", "mermaid_state", "mermaid_class"


def kind_of(type_: str) -> DiagramKind[Any, Any]:
    kind = KINDS[ArtifactType(type_)]
    assert isinstance(kind, DiagramKind)
    return kind


def results(type_: str, content: str, draft: Any = None) -> dict[str, ValidatorResult]:
    parsed = kind_of(type_).read(Subject(content, draft=draft))
    return {each.name: each for each in (parsed.structure(), parsed.references(), parsed.style())}


def rendered(type_: str) -> str:
    return draft_of(json.dumps(GOOD[type_]), requirements(type_), kind_of(type_).notation).content


# Type, what stands in the good diagram, what instead; the validator, whether it still passes, words of its message.
PLANTED = [
    (FLOW, "    ask --> look_up\n", "", "structure", False, "has no edges: join it or leave it out"),
    (FLOW, "    look_up --> age\n", "", "structure", False,
     "'Older than 30 days?' is not reached from the start"),
    (FLOW, "    tell --> rejected\n", "    tell --> reject\n", "structure", False, "no way leads to an end"),
    (FLOW, '    damage -->|"no"| stock\n', "", "structure", False,
     "decision 'Goods damaged?' has 1 edges out"),
    (FLOW, 'damage -->|"no"|', "damage -->", "structure", True, "leaves a decision without its answer"),
    (FLOW, 'damage -->|"no"|', "damage -->|yes|", "structure", False, "has the answer 'yes' 2 times"),
    (FLOW, "    pay --> receipt\n", "", "structure", False, "leads nowhere: add its next step"),
    (FLOW, "pay --> receipt\n", "pay --> receipt\n    pay --> stock\n", "structure", True,
     "2 edges out: make it a"),
    (FLOW, "pay --> receipt\n", "pay --> receipt\n    pay --> receipt\n", "structure", True, "drawn 2 times"),
    (FLOW, 'ask(["Customer asks for a return"])', "ask[Customer asks]", "structure", True,
     "no start is marked"),
    (FLOW, 'reject["Reject the return"]', 'reject(["Reject the return"])', "structure", False,
     "there are 2 starts"),
    (FLOW, "inspect --> damage\n", "inspect --> damag\n", "references", False, "write damage"),
    (FLOW, "inspect --> damage\n", "inspect --> damage\n    pay --> Bank\n", "references", True,
     "add the node Bank"),
    (FLOW, "Goods damaged?", "Goods damaged", "style", True, "is no question"),
    (FLOW, "Pay the refund",
     "Pay the refund to the card, the account or the voucher that it came from",
     "style", True, "say it in at most 60"),
    (FLOW, "Pay the refund", "TODO", "style", True, "says nothing ('TODO')"),
    (FLOW, "    ask --> look_up\n", "    ask ~> look_up\n", "structure", False, "neither a node nor an edge"),
    (SEQ, "        payment-->>shop: return a confirmation\n", "        bank-->>shop: fine\n", "structure",
     True, "answers no"),
    (SEQ, "        payment->>bank: try the card\n", "", "structure", True,
     "in a case of loop 'up to 3 times' nothing"),
    (SEQ, "    else card declined\n", "", "structure", True, "has one case: add the other after else"),
    (SEQ, "alt card accepted", "alt", "structure", True, "alt has no condition"),
    (SEQ, "        shop-)warehouse: send the order\n", "", "structure", True, "'Warehouse' takes no part"),
    (SEQ, "as Bank", "as Payment services", "structure", False, "participants payment and bank are the same"),
    (SEQ, "    end\n    alt", "    alt", "structure", False, "(loop) is not closed"),
    (SEQ, "shop->>payment", "shop->>paymnt", "references", False, "write payment"),
    (SEQ, "shop->>payment", "shop->>Clock", "references", True, "add the participant Clock"),
    (SEQ, "try the card",
     "try the card again and again, until the bank answers at last or gives up",
     "style", True, "say it in at most 60"),
    (SEQ, "try the card", "…", "style", True, "says nothing"),
    (SEQ, "as Bank", "as bank", "style", True, "in capitals and in small letters (bank)"),
    (SEQ, "try the card", "x\n opt a\n opt b\n opt c\n payment->>bank: y\n end\n end\n end", "style", True,
     "4 blocks deep"),
    (STATE, "    [*] --> open : customer reports a problem\n", "", "structure", False, "begins nowhere"),
    (STATE, "        [*] --> investigated\n", "", "structure", True, "in_progress begins nowhere"),
    (STATE, "[*] --> open", "[*] --> closed\n [*] --> open", "structure", True, "begins in 2 states"),
    (STATE, "    waiting --> in_progress : answer arrives\n"
     "    waiting --> closed : waits [more than 14 days] / tell the customer\n", "", "structure", True,
     "'Waiting for the customer' has no way out"),
    (STATE, "in_progress --> waiting", "in_progress --> open", "structure", False, "is not reached from [*]"),
    (STATE, "resolved --> open : customer complains / reopen", "resolved --> open : after 7 days",
     "structure", False, "2 transitions leave resolved with 'after 7 days'"),
    (STATE, "waiting --> in_progress : answer",
     "state pick <<choice>>\n waiting --> pick : x\n pick --> closed : [good]\n pick --> in_progress\n"
     " waiting --> in_progress : answer", "structure", True, "without a guard"),
    (STATE, 'state "Open" as open', "state open <<choice>>", "structure", False,
     "choice 'open' has 1 ways out"),
    (STATE, "in_progress --> waiting",
     "fixed --> waiting\n state waiting {\n [*] --> a\n a --> fixed : x\n }\nin_progress --> waiting",
     "structure", True, "which Mermaid cannot draw"),
    (STATE, '"Resolved"', '"resolved"', "style", True, "(resolved)"),
    (STATE, '"Resolved"', '"Resolved Resolved Resolved Resolved Resolved Resolved "', "style", True,
     "say it in at most 40"),
    (STATE, '"Resolved"', '"state 7"', "style", True, "says nothing"),
    (CLASS, '    Station "0..1" o-- "0..*" Bike : has\n', "", "structure", True,
     "class Station has no relation"),
    (CLASS, "        +number: String\n        +status: BikeStatus\n", "", "structure", True,
     "class Bike has no members"),
    (CLASS, "    class Rider {", "    class Bikes {\n +x: int\n }\n Rider --> Bikes\n    class Rider {",
     "structure", False, "classes Bike and Bikes are the same thing"),
    (CLASS, "+email: String", "+name: String", "structure", False, "Rider.name is given 2 times"),
    (CLASS, "+calculatePrice() Decimal", "+end() Decimal", "structure", False,
     "Rental.end() is given 2 times"),
    (CLASS, "ElectricBike --|> Bike", "ElectricBike --|> Bike\n Bike --|> ElectricBike", "structure", False,
     "Bike inherit in a circle"),
    (CLASS, "ElectricBike --|> Bike", "ElectricBike --|> ElectricBike\n ElectricBike --> Bike", "structure",
     False, "ElectricBike inherit in a circle"),
    (CLASS, "ElectricBike --|> Bike", "Rental *-- Rider\n Rider *-- Rental\n ElectricBike --|> Bike",
     "structure", False, "are made of each other"),
    (CLASS, "ElectricBike --|> Bike", "ElectricBike ..|> Bike", "structure", True, "Bike is no interface"),
    (CLASS, 'Rider "1" -->', "Rider -->", "structure", True, "lacks multiplicities"),
    (CLASS, 'Rider "1" -->', 'Rider "some" -->', "structure", True, "has the multiplicity 'some'"),
    (CLASS, 'Rider "1" -->', 'Rider "5..2" -->', "structure", False, "which nothing can have"),
    (CLASS, "--|> Bike", "--|> Bike\n ElectricBike --|> Bike", "structure", True, "is drawn 2 times"),
    (CLASS, "ElectricBike --|> Bike", "ElectricBike --|> Bkie", "references", False, "write Bike"),
    (CLASS, "ElectricBike --|> Bike", "ElectricBike --|> Vehicle", "references", True,
     "add the class Vehicle"),
    (CLASS, "+email: String", "+email: EmailAddress", "references", True, "type EmailAddress is no class"),
    (CLASS, "+email: String", "+email", "style", True, "Rider.email has no type"),
    (CLASS, "+email: String", "+Email: String", "style", True, "begins with a capital"),
    (CLASS, "+end()", "+End()", "style", True, "operations are written in capitals and in small letters"),
    (CLASS, "Station", "bike_station", "style", True, "call it BikeStation"),
    (CLASS, "Station", "Stations", "style", True, "is a plural"),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "good", "bad", "validator", "passes", "words"), PLANTED)
def test_a_planted_flaw_is_found(
    type_: str, good: str, bad: str, validator: str, passes: bool, words: str
) -> None:
    content = rendered(type_)
    before = results(type_, content)[validator]
    assert (before.score, before.passed) == (100, True)
    assert content.count(good) >= 1
    after = results(type_, content.replace(good, bad))[validator]
    assert any(words in message for message in after.messages), after.messages
    assert after.score < 100
    assert after.passed is passes


@pytest.mark.parametrize("type_", sorted(GOOD))
def test_an_empty_diagram_scores_nothing(type_: str) -> None:
    first = rendered(type_).split("\n", 1)[0]
    for content in (first, "", "Here it is:"):
        structure = results(type_, content)["structure"]
        assert (structure.score, structure.passed) == (0, False)


@pytest.mark.parametrize("type_", sorted(GOOD))
def test_messages_about_text_give_the_line_and_messages_about_data_do_not(type_: str) -> None:
    """A model that answered with JSON has never seen the lines."""
    answer = json.loads(json.dumps(GOOD[type_]))
    list_of_ends = (
        answer.get("edges") or answer.get("steps") or answer.get("transitions") or answer["relations"]
    )
    list_of_ends[1]["to"] = "shoop"
    found = draft_of(json.dumps(answer), requirements(type_), kind_of(type_).notation)
    of_text = results(type_, found.content)["references"].messages
    of_data = results(type_, found.content, found)["references"]
    assert not of_data.passed
    assert "line" not in of_data.messages[0]
    if type_ != STATE:  # whose states need no declaration
        assert of_text[0].startswith("line ")


@pytest.mark.parametrize(
    ("type_", "key", "change", "words"),
    [
        (FLOW, "nodes", {"group": "backend"}, "names group 'backend'"),
        (STATE, "states", {"parent": "nowhere"}, "names state 'nowhere'"),
        (STATE, "states", {"parent": "open"}, "cannot lie in open"),
        (
            SEQ,
            "steps",
            {"kind": "note", "from": "nobody", "to": "", "text": "x"},
            "names participant 'nobody'",
        ),
    ],
)
def test_in_data_every_name_is_declared(type_: str, key: str, change: dict[str, str], words: str) -> None:
    answer = json.loads(json.dumps(GOOD[type_]))
    answer[key][0] |= change
    found = draft_of(json.dumps(answer), requirements(type_), kind_of(type_).notation)
    references = results(type_, found.content, found)["references"]
    assert not references.passed
    assert any(words in message for message in references.messages), references.messages


def test_a_block_without_its_end_is_a_flaw_of_the_data_though_the_text_is_mended() -> None:
    answer = json.loads(json.dumps(GOOD[SEQ]))
    answer["steps"].pop()
    found = draft_of(json.dumps(answer), requirements(SEQ), kind_of(SEQ).notation)
    assert found.content.count("\n    end") == 2
    assert "do not match" in found.notes[0]
    assert not results(SEQ, found.content, found)["structure"].passed


def test_a_plain_flowchart_loses_little_and_numbered_names_are_no_misspellings() -> None:
    content = "graph TD\nStep1[Ask] --> Step2{Found?}\nStep2 -->|yes| Step3[Pay]\nStep2 -->|no| Step4\n"
    found = results(FLOW, content)
    assert found["structure"].messages == (
        "no start is marked: add one before Step1, drawn as start([Start])",
        "no end is marked: lead each last step to an end, drawn as done([Done])",
    )
    assert found["structure"].score > 60
    assert found["references"].passed
    assert "add the node Step4" in found["references"].messages[0]


def test_too_large_a_diagram_costs_style() -> None:
    lines = ["flowchart TD", "s([Start]) --> n0[Step zero]"]
    lines += [f"n{i}[Do thing {i}] --> n{i + 1}[Do thing {i + 1}]" for i in range(1, 100)]
    style = results(FLOW, "\n".join(lines))["style"]
    assert "put parts into a subprocess" in style.messages[0]
    assert not style.passed


def test_outlines_say_what_is_what() -> None:
    outline = kind_of(CLASS).read(Subject(rendered(CLASS))).outline()
    roles = {(name.text, name.role) for name in outline.names}
    assert {
        ("Station", "type"),
        ("capacity", "member"),
        ("calculatePrice", "action"),
        ("makes", "label"),
    } <= roles
    assert outline.links is not None
    assert Link("Rider", "Rental", many_from=False, many_to=True) in outline.links
    assert Link("ElectricBike", "Bike") in outline.links

    outline = kind_of(STATE).read(Subject(rendered(STATE))).outline()
    roles = {(name.text, name.role) for name in outline.names}
    assert {("Open", "state"), ("answer arrives", "action"), ("more than 14 days", "label")} <= roles

    outline = kind_of(SEQ).read(Subject(rendered(SEQ))).outline()
    roles = {(name.text, name.role) for name in outline.names}
    assert {("Web shop", "participant"), ("try the card", "action"), ("card declined", "label")} <= roles
    assert next(name.line for name in outline.names if name.text == "Web shop") == 3

    outline = kind_of(FLOW).read(Subject(rendered(FLOW))).outline()
    roles = {(name.text, name.role) for name in outline.names}
    assert {("Pay the refund", "action"), ("Goods damaged?", "action"), ("Refund paid", "label")} <= roles
    assert {("declines", "label")} <= roles
    named = (
        kind_of(FLOW).read(Subject("flowchart TD\n a([Start]) --> b[Pay]\n b --> c([Paid])")).outline().names
    )
    assert [(name.text, name.derived) for name in named] == [("Start", True), ("Pay", False), ("Paid", False)]

"""What a good model answers to the requirements in examples/, written by hand."""

from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[3] / "examples"


def requirements(type_: str) -> str:
    return (EXAMPLES / type_ / "requirements.md").read_text(encoding="utf-8")


def _node(id_: str, kind: str, label: str, evidence: str = "") -> dict[str, str]:
    return {"evidence": evidence, "id": id_, "kind": kind, "label": label, "group": ""}


def _edge(from_: str, to: str, label: str = "") -> dict[str, str]:
    return {"evidence": "", "from": from_, "to": to, "label": label}


FLOWCHART: dict[str, Any] = {
    "reasoning": "A return is asked for; its age, the damage and the supervisor decide; it ends paid or rejected.",
    "nodes": [
        _node("ask", "start", "Customer asks for a return", "A customer asks for a return."),
        _node("look_up", "process", "Clerk looks up the order", "The clerk looks up the order"),
        _node("age", "decision", "Older than 30 days?", "If the order is older than 30 days"),
        _node("inspect", "process", "Clerk inspects the goods"),
        _node("damage", "decision", "Goods damaged?", "If they are damaged"),
        _node("supervisor", "decision", "Does the supervisor accept them?", "a supervisor\ndecides whether"),
        _node("reject", "process", "Reject the return"),
        _node("tell", "io", "Tell the customer why", "the customer is told why"),
        _node("rejected", "end", "Return rejected"),
        _node("stock", "process", "Put accepted goods back into stock"),
        _node("pay", "process", "Pay the refund", "the refund is paid"),
        _node("receipt", "io", "Give the customer a receipt"),
        _node("paid", "end", "Refund paid"),
    ],
    "edges": [
        _edge("ask", "look_up"),
        _edge("look_up", "age"),
        _edge("age", "reject", "yes, over 30 days"),
        _edge("age", "inspect", "no"),
        _edge("inspect", "damage"),
        _edge("damage", "supervisor", "yes"),
        _edge("damage", "stock", "no"),
        _edge("supervisor", "reject", "declines"),
        _edge("supervisor", "stock", "accepts"),
        _edge("reject", "tell"),
        _edge("tell", "rejected"),
        _edge("stock", "pay"),
        _edge("pay", "receipt"),
        _edge("receipt", "paid"),
    ],
    "groups": [],
}


def _step(kind: str, from_: str, to: str, text: str, evidence: str = "") -> dict[str, str]:
    return {"evidence": evidence, "kind": kind, "from": from_, "to": to, "text": text}


SEQUENCE: dict[str, Any] = {
    "reasoning": "The customer confirms, the shop has the card charged; accepted or declined.",
    "participants": [
        {
            "evidence": "The customer confirms the order",
            "id": "customer",
            "label": "Customer",
            "kind": "actor",
        },
        {"evidence": "", "id": "shop", "label": "Web shop", "kind": "participant"},
        {"evidence": "", "id": "payment", "label": "Payment service", "kind": "participant"},
        {"evidence": "", "id": "bank", "label": "Bank", "kind": "participant"},
        {"evidence": "", "id": "warehouse", "label": "Warehouse", "kind": "participant"},
    ],
    "steps": [
        _step(
            "call", "customer", "shop", "confirm the order", "The customer confirms the order in the web shop"
        ),
        _step("call", "shop", "payment", "charge the card", "asks the payment service to charge the card"),
        _step("loop", "", "", "up to 3 times", "tries the bank up to 3 times"),
        _step("call", "payment", "bank", "try the card"),
        _step("end", "", "", ""),
        _step("alt", "", "", "card accepted", "If the card is\naccepted"),
        _step("reply", "payment", "shop", "return a confirmation"),
        _step(
            "async", "shop", "warehouse", "send the order", "sends the order to the warehouse without waiting"
        ),
        _step("reply", "shop", "customer", "order number", "the customer sees an order number"),
        _step("else", "", "", "card declined"),
        _step("reply", "payment", "shop", "declined, with the reason"),
        _step("reply", "shop", "customer", "show the reason"),
        _step("end", "", "", ""),
    ],
}


def _state(id_: str, label: str, parent: str = "", evidence: str = "") -> dict[str, str]:
    return {"evidence": evidence, "id": id_, "label": label, "kind": "state", "parent": parent}


def _move(from_: str, to: str, event: str = "", guard: str = "", action: str = "") -> dict[str, str]:
    return {"evidence": "", "from": from_, "to": to, "event": event, "guard": guard, "action": action}


STATE: dict[str, Any] = {
    "reasoning": "The states of a ticket, from open to closed; in progress has two phases.",
    "states": [
        _state("open", "Open", evidence="A ticket is open when a customer reports a problem"),
        _state("in_progress", "In progress"),
        _state("investigated", "Being investigated", "in_progress"),
        _state("fixed", "Being fixed", "in_progress"),
        _state("waiting", "Waiting for the customer", evidence="the ticket waits for the customer"),
        _state("resolved", "Resolved"),
        _state("closed", "Closed"),
    ],
    "transitions": [
        _move("[*]", "open", "customer reports a problem"),
        _move("open", "in_progress", "agent takes the ticket"),
        _move("[*]", "investigated"),
        _move("investigated", "fixed", "cause found"),
        _move("in_progress", "waiting", "agent asks a question"),
        _move("waiting", "in_progress", "answer arrives"),
        _move("waiting", "closed", "waits", "more than 14 days", "tell the customer"),
        _move("in_progress", "resolved", "fix confirmed"),
        _move("resolved", "closed", "after 7 days"),
        _move("resolved", "open", "customer complains", "", "reopen"),
        _move("closed", "[*]"),
    ],
}


def _attribute(name: str, type_: str, evidence: str = "") -> dict[str, str]:
    return {"evidence": evidence, "visibility": "+", "name": name, "type": type_}


def _class(
    name: str, attributes: list[dict[str, str]], operations: list[dict[str, str]], stereotype: str = ""
) -> dict[str, Any]:
    return {
        "evidence": "",
        "name": name,
        "stereotype": stereotype,
        "attributes": attributes,
        "operations": operations,
    }


def _operation(name: str, returns: str = "") -> dict[str, str]:
    return {"evidence": "", "visibility": "+", "name": name, "parameters": "", "returns": returns}


def _relation(
    from_: str, kind: str, to: str, many: tuple[str, str] = ("", ""), label: str = ""
) -> dict[str, str]:
    ends = {"from_many": many[0], "to_many": many[1]}
    return {"evidence": "", "from": from_, "kind": kind, "to": to, **ends, "label": label}


CLASS: dict[str, Any] = {
    "reasoning": "Stations keep bikes, riders make rentals of bikes; an electric bike is a kind of bike.",
    "classes": [
        _class("Station", [_attribute("name", "String"), _attribute("capacity", "int", "a capacity")], []),
        _class("Bike", [_attribute("number", "String"), _attribute("status", "BikeStatus")], []),
        _class(
            "BikeStatus",
            [_attribute("FREE", ""), _attribute("RENTED", ""), _attribute("BROKEN", "")],
            [],
            "enumeration",
        ),
        _class("ElectricBike", [_attribute("batteryLevel", "int", "a bike with a battery level")], []),
        _class("Rider", [_attribute("name", "String"), _attribute("email", "String")], []),
        _class(
            "Rental",
            [_attribute("startTime", "DateTime"), _attribute("endTime", "DateTime")],
            [_operation("end"), _operation("calculatePrice", "Decimal")],
        ),
    ],
    "relations": [
        _relation("Station", "aggregation", "Bike", ("0..1", "0..*"), "has"),
        _relation("ElectricBike", "inheritance", "Bike"),
        _relation("Rider", "association", "Rental", ("1", "0..*"), "makes"),
        _relation("Rental", "association", "Bike", ("0..*", "1"), "of"),
        _relation("Bike", "association", "BikeStatus", ("0..*", "1"), "has"),
    ],
}

GOOD: dict[str, dict[str, Any]] = {
    "mermaid_class": CLASS,
    "mermaid_flowchart": FLOWCHART,
    "mermaid_sequence": SEQUENCE,
    "mermaid_state": STATE,
}

"""Judging artifacts over HTTP and on the command line: one verdict, the same eight validators."""

import json
from pathlib import Path

from machine import Machine

LIBRARY = Path("examples/library/requirements.md")
DDL = (
    "CREATE TABLE member (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"
    "CREATE TABLE loan (id INTEGER PRIMARY KEY, member_id INTEGER NOT NULL REFERENCES member (id), due_date DATE);\n"
)


def test_http_and_the_command_give_the_same_verdict(shared_machine: Machine, tmp_path: Path) -> None:
    file, context = tmp_path / "schema.sql", tmp_path / "names.py"
    file.write_text(DDL)
    context.write_text("class Loan: ...\nclass LibraryMember: ...\n")
    asked = {
        "content": DDL,
        "requirements": LIBRARY.read_text(),
        "context_text": context.read_text(),
        "options": {"dialect": "sqlite"},
    }
    with shared_machine.client() as client:
        judged = client.post("/api/validate", json=asked)
    assert judged.status_code == 200, judged.text
    assert judged.json()["type"] == "sql_ddl"
    assert {each["name"] for each in judged.json()["validators"]} == {
        "syntax", "structure", "references", "coverage", "consistency", "grounding", "purity", "style",
    }  # fmt: skip
    told = ("--requirements", str(LIBRARY), "--context", str(context), "--option", "dialect=sqlite", "--json")
    alone = shared_machine.hone("validate", str(file), *told)
    assert json.loads(alone.stdout) == judged.json()
    assert alone.returncode == (0 if judged.json()["accepted"] else 1)


def test_what_cannot_be_judged_is_refused_with_what_to_do(shared_machine: Machine) -> None:
    with shared_machine.client() as client:
        unknown = client.post("/api/validate", json={"content": "Roses are red"})
        option = client.post("/api/validate", json={"content": DDL, "options": {"dialect": "dbase"}})
        secret = client.post("/api/validate", json={"content": f"{DDL}-- AKIA{'A1' * 8}\n"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_type")
    assert "mermaid_erd" in unknown.json()["detail"]
    assert (option.status_code, option.json()["code"]) == (422, "bad_option")
    assert not secret.json()["accepted"]
    assert "A1A1" not in secret.text

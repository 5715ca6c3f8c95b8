"""Models over HTTP: aliases moved by hand, evaluations, the audit trail, and the registry as a file."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from playing import Gateway
from test_other_services import answered
from test_requests import is_problem

from hone_chassis.errors import Permanent
from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import (
    AliasMoved,
    AuditEntry,
    AuditTrail,
    Evaluation,
    Evaluations,
    ExportRegistry,
    ImportRegistry,
    ListAudit,
    ListEvaluations,
    Model,
    PromoteVersion,
    RegistryImported,
    RegistryText,
    RollBack,
    ShowModel,
)

NAME = "openai+http://host:8000/v1:team/model"
PATH = f"/api/models/{quote(NAME, safe='')}"
ERD = ArtifactType.MERMAID_ERD
NOW = datetime(2026, 1, 1, tzinfo=UTC)
YAML = {"content-type": "application/yaml"}


async def test_a_version_is_promoted_and_taken_back_in_the_keys_name(sqlite_gateway: Gateway) -> None:
    asked: list[Any] = []

    async def promote(question: PromoteVersion) -> AliasMoved:
        asked.append(question)
        if question.version == "v9":
            raise Permanent("no_such_version", "There is no such version", "No version v9.", 404)
        return AliasMoved(model=NAME, artifact_type=ERD, champion=3, champion_name="v3_x", was=2)

    async def roll_back(question: RollBack) -> AliasMoved:
        asked.append(question)
        return AliasMoved(
            model=NAME, artifact_type=ERD, champion=2, champion_name="v2_x", was=3, reasons=("by hand",)
        )

    http = sqlite_gateway.http
    async with (
        answered(sqlite_gateway, PromoteVersion, promote),
        answered(sqlite_gateway, RollBack, roll_back),
    ):
        promoted = await http.post(f"{PATH}/promote", json={"version": "3", "type": "mermaid_erd"})
        missing = await http.post(f"{PATH}/promote", json={"version": "v9"})
        back = await http.post(f"{PATH}/rollback", json={"to": "v2_x", "reason": "it forgets the fines"})
        plain = await http.post(f"{PATH}/rollback", json={})
    assert promoted.json()["champion_name"] == "v3_x"
    is_problem(missing, 404, "no_such_version")
    assert back.json()["champion"] == plain.json()["champion"] == 2
    first, _, second, third = asked
    assert (first.name, first.version, first.artifact_type) == (NAME, "3", ERD)
    assert (second.name, second.to, second.reason) == (NAME, "v2_x", "it forgets the fines")
    assert (third.to, third.reason, third.artifact_type) == (None, "by hand", None)
    assert {each.actor for each in asked} == {"key bootstrap"}


async def test_a_rollback_sent_twice_goes_back_once(gateway: Gateway) -> None:
    asked: list[RollBack] = []

    async def roll_back(question: RollBack) -> AliasMoved:
        asked.append(question)
        return AliasMoved(model=NAME, artifact_type=ERD, champion=len(asked), champion_name="v", was=9)

    async with answered(gateway, RollBack, roll_back):
        answers = [
            await gateway.http.post(f"{PATH}/rollback", json={}, headers={"Idempotency-Key": "r"})
            for _ in range(3)
        ]
    assert {answer.json()["champion"] for answer in answers} == {1}
    assert len(asked) == 1


async def test_what_moves_no_alias_does_not_reach_the_registry(sqlite_gateway: Gateway) -> None:
    cases: list[tuple[str, Any]] = [
        ("promote", {}),
        ("promote", {"version": 3}),
        ("promote", {"version": ""}),
        ("promote", {"version": "3", "type": "uml"}),
        ("rollback", {"reason": "x" * 501}),
        ("rollback", {"reason": "a\x1b[31m"}),
        ("rollback", {"until": "v2"}),
    ]
    for verb, body in cases:
        response = await sqlite_gateway.http.post(f"{PATH}/{verb}", json=body)
        is_problem(response, 422, "invalid_request")


async def test_a_name_with_slashes_is_one_name(sqlite_gateway: Gateway) -> None:
    asked: list[Any] = []

    async def show(question: ShowModel) -> Model:
        asked.append(question.name)
        return Model(name=question.name, provider="openai", artifact_types=(), versions=())

    async def evaluations(question: ListEvaluations) -> Evaluations:
        asked.append((question.name, question.version, question.limit))
        row = Evaluation(
            model=question.name, artifact_type=ERD, champion=2, challenger=3, run_id="job_x", verdict="rejected",
            reasons=("worse",), figures={"quality": {"value": -0.1}}, created_at=NOW,
        )  # fmt: skip
        return Evaluations(evaluations=(row,))

    http = sqlite_gateway.http
    async with (
        answered(sqlite_gateway, ShowModel, show),
        answered(sqlite_gateway, ListEvaluations, evaluations),
    ):
        assert (await http.get(PATH)).json()["name"] == NAME
        found = (await http.get(f"{PATH}/evaluations?version=v3&limit=5")).json()
    assert asked == [NAME, (NAME, "v3", 5)]
    assert found["evaluations"][0]["reasons"] == ["worse"]
    is_problem(await http.get(f"{PATH}/evaluations?limit=0"), 422, "invalid_request")


async def test_the_audit_trail_is_read_page_by_page(sqlite_gateway: Gateway) -> None:
    asked: list[ListAudit] = []

    async def audit(question: ListAudit) -> AuditTrail:
        asked.append(question)
        entry = AuditEntry(id=7, occurred_at=NOW, actor="key ci", action="promoted", subject="model:x")
        return AuditTrail(entries=(entry,))

    async with answered(sqlite_gateway, ListAudit, audit):
        told = await sqlite_gateway.http.get("/api/audit?subject=model:x&before=8&limit=3")
    assert told.json()["entries"][0]["actor"] == "key ci"
    assert (asked[0].subject_prefix, asked[0].before, asked[0].limit) == ("model:x", 8, 3)
    is_problem(await sqlite_gateway.http.get("/api/audit?before=x"), 422, "invalid_request")


async def test_the_registry_goes_to_a_file_and_comes_back(sqlite_gateway: Gateway) -> None:
    asked: list[ImportRegistry] = []

    async def export(_question: ExportRegistry) -> RegistryText:
        return RegistryText(text="models: []  # ünï\n")

    async def take(question: ImportRegistry) -> RegistryImported:
        asked.append(question)
        if "mdoels" in question.text:
            raise Permanent("bad_registry", "Not imported", "line 1: no such key", 422, {"faults": [1]})
        return RegistryImported(dry_run=question.dry_run, changes=("model x: new",))

    http = sqlite_gateway.http
    async with (
        answered(sqlite_gateway, ExportRegistry, export),
        answered(sqlite_gateway, ImportRegistry, take),
    ):
        text = await http.get("/api/registry")
        assert (text.text, text.headers["content-type"]) == ("models: []  # ünï\n", "application/yaml")
        taken = await http.put("/api/registry?dry_run=true", content=text.content, headers=YAML)
        refused = await http.put("/api/registry", content=b"mdoels: []", headers=YAML)
        large = b"- '" + b"\\" * 523_000 + b"'"  # twice as long in a message
        too_large = await http.put("/api/registry", content=large, headers=YAML)
        html = await http.put("/api/registry", content=b"{}", headers={"content-type": "text/html"})
    assert taken.json() == {"dry_run": True, "changes": ["model x: new"]}
    assert (asked[0].text, asked[0].dry_run, asked[0].actor) == (text.text, True, "key bootstrap")
    assert is_problem(refused, 422, "bad_registry")["faults"] == [1]
    is_problem(html, 415, "not_a_registry_file")
    is_problem(too_large, 413, "registry_file_too_large")

"""The registry as one text: what is taken, and what is refused as a whole. On both databases."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from bare import Bare, bare
from hypothesis import example, given, settings
from hypothesis import strategies as st
from loops import ERD, MODEL, completed, deployed, pairs

from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.evaluation import EvaluateVersions
from hone_contracts.ids import new_id
from hone_contracts.registry import (
    ApplyRoutes,
    ExportRegistry,
    ImportRegistry,
    PlanVersion,
    RouteChanged,
)
from hone_registry.errors import BadRegistry
from hone_registry.tables import AliasRow, AuditRow, VersionRow
from hone_registry.whole.text import MOST_BYTES, read, written

EMPTY = "registry: 1\n"


@pytest.fixture
async def filled(database_url: str, tmp_path: Path) -> AsyncIterator[Bare]:
    """A starter, a canary of it with examples, and a route of the team's."""
    async with bare(database_url, LoopPolicy(), tmp_path / "starter.gguf") as registry:
        await registry.routes.apply(
            ApplyRoutes(text="user_stories: {model: 'ollama:llama3.1:8b', threshold: 70}")
        )
        run = new_id("job")
        planned = await registry.planning.plan(PlanVersion(run_id=run, artifact_type=ERD))
        await registry.deliver(deployed(run, planned))
        (asked,) = [each for each in await registry.announced() if isinstance(each, EvaluateVersions)]
        await registry.deliver(completed(asked, pairs(0.2)))
        yield registry


async def exported(registry: Bare) -> Any:
    return yaml.safe_load((await registry.whole.export(ExportRegistry())).text)


async def taken(registry: Bare, content: Any, *, dry_run: bool = False) -> tuple[str, ...]:
    text = json.dumps(content)  # JSON is YAML, too
    return (await registry.whole.take(ImportRegistry(text=text, actor="ada", dry_run=dry_run))).changes


async def refused(registry: Bare, content: Any) -> list[tuple[str, str]]:
    before = await exported(registry), len(await registry.rows(AuditRow))
    with pytest.raises(BadRegistry) as caught:
        await taken(registry, content)
    assert (await exported(registry), len(await registry.rows(AuditRow))) == before
    return list(caught.value.faults)


async def test_the_text_says_what_a_person_wants_to_see_in_git(filled: Bare) -> None:
    content = await exported(filled)
    assert list(content) == ["registry", "models", "routes"]
    (model,) = content["models"]
    first, second = model["versions"]
    assert (model["name"], first["state"], second["state"]) == (MODEL, "champion", "canary")
    assert (second["method"], second["dataset_digest"], second["base_version"]) == ("few_shot", "d" * 64, 1)
    assert [(each["alias"], each.get("share")) for each in model["aliases"]] == [
        ("canary", 0.1),
        ("champion", None),
    ]
    assert [each["verdict"] for each in model["evaluations"]] == ["canary"]
    assert {each["artifact_type"]: each["set_by"] for each in content["routes"]}["user_stories"] == "user"


async def test_taking_its_own_text_changes_nothing(filled: Bare) -> None:
    before = [await filled.rows(table) for table in (VersionRow, AliasRow, AuditRow)]
    assert await taken(filled, await exported(filled)) == ()
    assert [await filled.rows(table) for table in (VersionRow, AliasRow, AuditRow)] == before


async def test_what_sits_elsewhere_is_moved_and_told_and_a_dry_run_moves_nothing(filled: Bare) -> None:
    content = await exported(filled)
    model = content["models"][0]
    first, second = model["versions"]
    first["state"], second["state"] = "retired", "champion"
    moved = {
        "artifact_type": "mermaid_erd",
        "alias": "champion",
        "version": 2,
        "moved_at": second["created_at"],
    }
    model["aliases"] = [moved]
    model["champions"] = [
        model["champions"][0] | {"ended_at": second["created_at"]},
        {"artifact_type": "mermaid_erd", "version": 2, "began_at": second["created_at"]},
    ]
    content["routes"][0]["settings"]["threshold"] = 90
    expected = (f"champion of {MODEL} for mermaid_erd: 2, was 1", "route mermaid_erd: llamacpp:hone-starter")
    assert await taken(filled, content, dry_run=True) == expected
    assert {row.alias: row.version for row in await filled.rows(AliasRow)} == {"champion": 1, "canary": 2}
    assert await taken(filled, content) == expected
    assert {row.alias: row.version for row in await filled.rows(AliasRow)} == {"champion": 2}
    changed = [each for each in await filled.announced() if isinstance(each, RouteChanged)]
    assert (changed[-1].route.version, changed[-1].route.threshold) == (2, 90) or changed[
        -1
    ].route.version == 1
    assert {row.actor for row in await filled.rows(AuditRow) if row.action in ("promoted", "imported")} >= {
        "ada"
    }


async def test_another_version_under_a_number_that_is_taken_is_refused(filled: Bare) -> None:
    content = await exported(filled)
    content["models"][0]["versions"][0]["sha256"] = "b" * 64
    content["models"][0]["versions"][1]["dataset_digest"] = "e" * 64
    content["routes"][0]["settings"]["threshold"] = 90
    assert [where for where, _ in await refused(filled, content)] == [f"{MODEL}@1", f"{MODEL}@2"]


async def test_a_run_that_made_another_version_here_is_refused(filled: Bare) -> None:
    content = await exported(filled)
    model = content["models"][0]
    model["versions"].append(model["versions"][1] | {"version": 3, "state": "challenger"})
    model["versions"][1]["run_id"] = new_id("job")
    assert {where for where, _ in await refused(filled, content)} == {f"{MODEL}@2", f"{MODEL}@3"}


async def test_every_fault_is_told(filled: Bare) -> None:
    content = await exported(filled)
    model = content["models"][0]
    model["versions"][0] |= {"state": "emperor", "colour": "red"}
    model["aliases"][0]["share"] = 2
    content["routes"][0]["settings"]["threshold"] = "high"
    content["modles"] = []
    where = [where for where, _ in await refused(filled, content)]
    assert where == [
        "models.0.versions.0.state", "models.0.versions.0.colour", "models.0.aliases.0.share",
        "routes.0.settings.threshold", "modles",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda model: model["versions"].append(model["versions"][0]), "stands here twice"),
        (lambda model: model["aliases"][0].update(version=9), "there is no version 9"),
        (lambda model: model["versions"][1].update(base_version=9), "there is no version 9"),
        (lambda model: model["aliases"][0].pop("share"), "a canary has a share"),
        (lambda model: model["versions"][0].update(state="retired"), "champion aliases say"),
        (lambda model: model["aliases"].pop(), "champion aliases say"),
        (lambda model: model["champions"].clear(), "not those that the aliases name"),
        (lambda model: model.update(name="nonsense"), "not a model reference"),
    ],
)
async def test_what_does_not_fit_together_is_refused(filled: Bare, change: Any, fault: str) -> None:
    content = await exported(filled)
    change(content["models"][0])
    assert any(fault in reason for _, reason in await refused(filled, content))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "registry: 2",
        "registry: 1\nmodels: &a []\nroutes: *a",
        "registry: 1\nmodels: " + "[" * 100 + "]" * 100,
        "registry: 1\nmodels: " + "[" * 20_000,
        "registry: 1\nmodels: !!python/object/apply:os.system ['true']",
        "registry: 1\nmodels: 2026-99-99",
        "registry: 1\n# \x00",
        "registry: 1\n" + "#" * MOST_BYTES,
    ],
)
def test_text_that_is_none_of_ours_is_refused(text: str) -> None:
    with pytest.raises(BadRegistry):
        read(text)


@given(
    st.text(alphabet=st.characters(codec="utf-8")), st.text(alphabet="a:-[]{}&*!|>'\"%@\n #,?01", max_size=60)
)
@example("\x85", "")
@example("a\u2028b\n\u2029", "")
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_refused_and_any_words_come_back(words: str, text: str) -> None:
    with suppress(BadRegistry):
        read(EMPTY + text)
    content = {
        "registry": 1,
        "models": [{"name": "ollama:a", "description": words, "created_at": "2026-11-25T12:00:00Z"}],
    }
    document = read(yaml.safe_dump(content))
    assert read(written(document)) == document
    assert written(read(written(document))) == written(document)

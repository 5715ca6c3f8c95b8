"""Models that people add with the hub: registered with where they are from, hidden when they are removed, and back.

On both databases; the last test is of the running service."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from bare import Bare, bare
from loops import ERD, Loop
from running import until

from hone_chassis import RemoteError, rpc
from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.hub_models import AddedModel, ModelAdded, ModelReleased, ModelSource, ReleaseModel
from hone_contracts.huggingface import MemoryFigures
from hone_contracts.ids import new_id
from hone_contracts.registry import (
    ApplyRoutes,
    ExportRegistry,
    ImportRegistry,
    ListModels,
    Model,
    Models,
    PlanVersion,
    PromoteVersion,
    RouteChanged,
    RoutesApplied,
    ShowModel,
)
from hone_registry.answers import Answers
from hone_registry.errors import BadRegistry, ModelInUse, NoSuchModel, NotDeployed, Removed, ShipsWithHone
from hone_registry.routes_file import BadRoutes
from hone_registry.tables import AuditRow, VersionRow

OLLAMA = "ollama:tiny:q4_k_m"
EMBEDDED = "llamacpp:tiny:q4_k_m"
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def registry(database_url: str, tmp_path: Path) -> AsyncIterator[Bare]:
    async with bare(database_url, LoopPolicy(), tmp_path / "starter.gguf") as running:
        yield running


def added(*references: str, sha256: str = "a" * 64, at: datetime = AT, **more: Any) -> ModelAdded:
    told: dict[str, Any] = {
        "name": "tiny:q4_k_m",
        "references": references or (OLLAMA, EMBEDDED),
        "source": ModelSource(
            kind="huggingface",
            repository="acme/Tiny-GGUF",
            revision="c" * 40,
            files=("tiny-Q4_K_M.gguf",),
        ),
        "licence": "apache-2.0",
        "architecture": "llama",
        "parameters": 1_000_000,
        "quant": "Q4_K_M",
        "context_tokens": 2048,
        "uri": "file:///data/models/tiny/tiny.gguf",
        "sha256": sha256,
        "size_bytes": 700_000,
        "memory": MemoryFigures(
            context_tokens=2048, weights_bytes=7, kv_cache_bytes=2, compute_bytes=1, total_bytes=10
        ),
        "template_sha256": "b" * 64,
        "proof": {"answers": ["hello"]},
        "added_at": at,
    }
    return ModelAdded(correlation_id=new_id("job"), model=AddedModel.model_validate(told | more))


async def names(registry: Bare) -> list[str]:
    return [
        model.name
        for model in (await Answers(registry.database, LoopPolicy()).list_models(ListModels())).models
    ]


async def shown(registry: Bare, name: str) -> Model:
    return await Answers(registry.database, LoopPolicy()).show_model(ShowModel(name=name))


async def route(registry: Bare, text: str) -> None:
    await registry.routes.apply(ApplyRoutes(text=text, actor="ada"))


async def release(registry: Bare, *references: str) -> ModelReleased:
    return await registry.releases.release(
        ReleaseModel(references=references or (OLLAMA, EMBEDDED), actor="ada")
    )


async def test_each_reference_is_a_model_with_where_it_is_from(registry: Bare) -> None:
    await registry.deliver(added())
    (embedded,), (served,) = (
        (await shown(registry, EMBEDDED)).versions,
        (await shown(registry, OLLAMA)).versions,
    )
    assert (embedded.uri, embedded.served_by) == ("file:///data/models/tiny/tiny.gguf", None)
    assert (served.uri, served.served_by) == ("", OLLAMA)
    for version in (embedded, served):
        assert (version.version, version.origin, version.state, version.sha256) == (
            1,
            "hub",
            "added",
            "a" * 64,
        )
        assert version.provenance["source"]["revision"] == "c" * 40
        assert version.provenance["licence"] == "apache-2.0"
        assert version.provenance["memory"]["total_bytes"] == 10
        assert (version.provenance["quant"], version.provenance["template_sha256"]) == ("Q4_K_M", "b" * 64)
        assert version.proof == {"answers": ["hello"]}
    assert (await shown(registry, OLLAMA)).description == "acme/Tiny-GGUF from Hugging Face, Q4_K_M"


async def test_what_was_added_can_be_routed_and_reads_as_a_general_model_does(registry: Bare) -> None:
    await registry.deliver(added())
    await route(registry, f"user_stories: {{model: '{EMBEDDED}', fallbacks: ['{OLLAMA}']}}")
    changed = [each for each in await registry.announced() if isinstance(each, RouteChanged)][-1].route
    assert (changed.model_uri, changed.model_sha256) == ("file:///data/models/tiny/tiny.gguf", "a" * 64)
    assert (changed.reading, changed.fallbacks[0].reading) == ("whole", "whole")
    assert (changed.version, changed.fallbacks[0].served_by) == (1, OLLAMA)


async def test_the_same_digest_is_no_new_version_and_another_takes_the_place_of_the_old(
    registry: Bare,
) -> None:
    await registry.deliver(added())
    await registry.deliver(added(at=AT + timedelta(hours=1), uri="file:///data/models/moved.gguf"))
    (version,) = (await shown(registry, EMBEDDED)).versions
    assert version.uri == "file:///data/models/moved.gguf"
    await route(registry, f"user_stories: {{model: '{EMBEDDED}'}}")
    await registry.deliver(added(sha256="d" * 64, at=AT + timedelta(hours=2)))
    first, second = (await shown(registry, EMBEDDED)).versions
    assert (first.state, second.state, second.sha256) == ("superseded", "added", "d" * 64)
    changed = [each for each in await registry.announced() if isinstance(each, RouteChanged)][-1].route
    assert (changed.version, changed.model_sha256) == (2, "d" * 64)
    with pytest.raises(NotDeployed):
        await registry.by_hand.promote(PromoteVersion(name=EMBEDDED, version="1", artifact_type=ERD))
    # And the first file again, which is not what version 1 was called for last.
    await registry.deliver(added(at=AT + timedelta(hours=3)))
    assert [each.state for each in (await shown(registry, EMBEDDED)).versions] == [
        "superseded",
        "superseded",
        "added",
    ]


async def test_a_champion_that_was_the_model_as_it_is_gives_its_place_to_the_new_file(registry: Bare) -> None:
    """The loop registered it as its provider served it; then a person put another file there."""
    run = new_id("job")
    await registry.planning.plan(PlanVersion(run_id=run, artifact_type=ERD, model=OLLAMA))
    await registry.deliver(added(OLLAMA))
    first, planned, new = (await shown(registry, OLLAMA)).versions
    assert (first.aliases, first.state, planned.state) == ((), "superseded", "planned")
    assert (new.aliases, new.state, new.origin) == (("champion",), "champion", "hub")


async def test_a_removed_model_is_hidden_and_cannot_be_routed_or_trained(registry: Bare) -> None:
    await registry.deliver(added())
    assert {OLLAMA, EMBEDDED} <= set(await names(registry))
    assert (await release(registry)).references == (OLLAMA, EMBEDDED)
    assert not {OLLAMA, EMBEDDED} & set(await names(registry))
    with pytest.raises(NoSuchModel):
        await shown(registry, OLLAMA)
    for name in (OLLAMA, EMBEDDED):
        with pytest.raises(BadRoutes, match="was removed; `hone hub add` brings it back"):
            await route(registry, f"user_stories: {{model: '{name}'}}")
        with pytest.raises(Removed):
            await registry.planning.plan(PlanVersion(run_id=new_id("job"), artifact_type=ERD, model=name))
    before = len(await registry.rows(AuditRow))
    assert (await release(registry)).references == (OLLAMA, EMBEDDED), "asked twice, it is the same answer"
    trail = await registry.rows(AuditRow)
    assert len(trail) == before
    assert [(row.actor, row.action, row.subject) for row in trail[-2:]] == [
        ("ada", "released", f"model:{OLLAMA}"),
        ("ada", "released", f"model:{EMBEDDED}"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"user_stories: {{model: '{OLLAMA}'}}",
        f"user_stories: {{model: 'ollama:a', fallbacks: ['{OLLAMA}'], enabled: false}}",
        f"default: {{model: '{OLLAMA}'}}",
    ],
)
async def test_a_model_that_a_route_names_stays_and_so_do_its_other_references(
    registry: Bare, text: str
) -> None:
    await registry.deliver(added())
    await route(registry, text)
    with pytest.raises(ModelInUse) as caught:
        await release(registry, EMBEDDED, OLLAMA)
    assert caught.value.fields["routes"] == {OLLAMA: [text.split(":", maxsplit=1)[0]]}
    assert "hone routes apply" in caught.value.detail
    assert {OLLAMA, EMBEDDED} <= set(await names(registry))


async def test_names_without_a_tag_are_the_newest(registry: Bare) -> None:
    await registry.deliver(added("ollama:tiny"))
    await route(registry, "user_stories: {model: 'ollama:tiny:latest'}")
    with pytest.raises(ModelInUse):
        await release(registry, "ollama:tiny")
    await route(registry, "{}")
    await release(registry, "ollama:tiny")
    with pytest.raises(BadRoutes, match="was removed"):
        await route(registry, "user_stories: {model: 'ollama:tiny:latest'}")


async def test_a_removed_model_that_is_added_again_comes_back(registry: Bare) -> None:
    await registry.deliver(added())
    await release(registry)
    later = datetime.now(UTC) + timedelta(minutes=1)
    await registry.deliver(added(at=later))
    (version,) = (await shown(registry, OLLAMA)).versions
    assert version.version == 1
    await route(registry, f"user_stories: {{model: '{OLLAMA}'}}")
    assert "brought back" in [row.action for row in await registry.rows(AuditRow)]


async def test_news_of_a_model_that_was_removed_meanwhile_does_not_bring_it_back(registry: Bare) -> None:
    await release(registry)
    await registry.deliver(added(at=datetime(2026, 1, 1, tzinfo=UTC)))
    assert not {OLLAMA, EMBEDDED} & set(await names(registry))
    assert not [row for row in await registry.rows(VersionRow) if row.origin == "hub"]


async def test_the_model_that_ships_with_hone_is_not_let_go(registry: Bare) -> None:
    with pytest.raises(ShipsWithHone):
        await release(registry, "llamacpp:hone-starter")


async def test_an_exported_registry_tells_what_was_added_and_removed(registry: Bare) -> None:
    await registry.deliver(added())
    await release(registry, EMBEDDED)
    text = (await registry.whole.export(ExportRegistry())).text
    models = {each["name"]: each for each in yaml.safe_load(text)["models"]}
    assert models[EMBEDDED]["released_at"] and "released_at" not in models[OLLAMA]
    assert models[OLLAMA]["versions"][0]["provenance"]["source"]["repository"] == "acme/Tiny-GGUF"
    assert (await registry.whole.take(ImportRegistry(text=text))).changes == ()
    await registry.deliver(added(at=datetime.now(UTC) + timedelta(minutes=1)))
    changes = (await registry.whole.take(ImportRegistry(text=text, actor="ada"))).changes
    assert changes == (f"{EMBEDDED}: removed",)
    assert EMBEDDED not in await names(registry)


async def test_a_text_whose_routes_name_what_it_removes_is_refused(registry: Bare) -> None:
    await registry.deliver(added())
    await route(registry, f"user_stories: {{model: '{EMBEDDED}'}}")
    document = yaml.safe_load((await registry.whole.export(ExportRegistry())).text)
    next(each for each in document["models"] if each["name"] == EMBEDDED)["released_at"] = AT
    with pytest.raises(BadRegistry, match="was removed"):
        await registry.whole.take(ImportRegistry(text=yaml.safe_dump(document)))
    assert EMBEDDED in await names(registry)


@pytest.mark.slow
async def test_the_running_registry_takes_it_in_and_says_why_it_keeps_it(loop: Loop) -> None:
    client = loop.service.running.client
    await loop.send(added())

    async def listed() -> list[str]:
        return [
            each.name for each in (await rpc.ask(client, ListModels.subject, ListModels(), Models)).models
        ]

    await until(listed, lambda found: OLLAMA in found)
    question = ApplyRoutes(text=f"user_stories: {{model: '{OLLAMA}'}}")
    await rpc.ask(client, ApplyRoutes.subject, question, RoutesApplied)
    with pytest.raises(RemoteError) as caught:
        await rpc.ask(client, ReleaseModel.subject, ReleaseModel(references=(OLLAMA,)), ModelReleased)
    body = caught.value.body
    assert (body.code, body.status, body.fields) == (
        "model_in_use",
        409,
        {"routes": {OLLAMA: ["user_stories"]}},
    )

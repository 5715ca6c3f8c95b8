"""``MODEL@VERSION``: a version that a request asks for by its number or name."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_chassis.errors import Permanent
from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import CanaryVersion, Model, ModelVersion, PromptVersion, Route, Turn
from hone_generator.providers.llamacpp import ModelFile
from hone_generator.routing import Router
from hone_generator.versions import champion_of, parted

ERD = ArtifactType.MERMAID_ERD
NAME = "v2_20261125T223000Z"


def version(number: int, *aliases: str, **more: Any) -> ModelVersion:
    fields = {
        "version": number, "uri": f"file:///{number}.gguf", "sha256": f"{number:064d}", "size_bytes": 1,
        "aliases": aliases, "created_at": datetime.now(UTC), "name": f"v{number}_20261125T223000Z",
    }  # fmt: skip
    return ModelVersion(**(fields | more))


STARTER = Model(
    name="llamacpp:starter",
    provider="llamacpp",
    artifact_types=(ERD,),
    versions=(version(1, "champion"), version(2, "challenger", served_by="llamacpp:starter-v2")),
)


class Table:
    def __init__(self, route: Route) -> None:
        self._route = route

    def resolve(self, artifact_type: ArtifactType) -> Route | None:
        return self._route

    def resolve_default(self) -> Route | None:
        return self._route


class Known(Router):
    """A router that knows the registry's models."""

    def __init__(self, route: Route, *models: Model) -> None:
        self.files: dict[str, ModelFile] = {}
        super().__init__(Table(route), self.files)
        self._models = {each.name: each for each in models}

    async def resolve_erd(self, wanted: str) -> Route:
        return await self.resolve(ERD, wanted, 10, "job_x")

    async def _known_model(self, name: str) -> Model:
        if name not in self._models:
            raise Permanent("no_such_model", "No such model", f"{name} is not registered", 404)
        return self._models[name]


OWN = Route(artifact_type=ERD, model="llamacpp:starter", reading="passages", model_uri="file:///1.gguf")


@pytest.mark.parametrize("wanted", ["2", NAME])
async def test_a_version_is_asked_for_by_number_or_name(wanted: str) -> None:
    known = Known(OWN, STARTER)
    found = await known.resolve_erd(f"llamacpp:starter@{wanted}")
    assert (found.model, found.version, found.served_by) == ("llamacpp:starter", 2, "llamacpp:starter-v2")
    assert found.reading == "passages" and found.model_sha256 == f"{2:064d}"
    assert len(found.local_models) == 1 and found.cloud_models == ()
    assert known.files["starter-v2"].uri == "file:///2.gguf"


async def test_two_files_of_one_model_never_have_one_name() -> None:
    unnamed = STARTER.model_copy(update={"versions": (version(1, "champion"), version(3))})
    known = Known(OWN, unnamed)
    found = await known.resolve_erd("llamacpp:starter@3")
    await known.resolve_erd("llamacpp:starter")
    assert found.served_by == "llamacpp:starter@3"
    assert {name: file.uri for name, file in known.files.items()} == {
        "starter": "file:///1.gguf",
        "starter@3": "file:///3.gguf",
    }


async def test_a_version_that_is_not_there_is_said_to_be_not_there() -> None:
    with pytest.raises(Permanent, match=NAME) as refused:
        await Known(OWN, STARTER).resolve_erd("llamacpp:starter@9")
    assert (refused.value.code, refused.value.status) == ("no_such_version", 404)


async def test_a_version_that_only_a_route_holds_or_nobody_yet_is_not_asked_by_its_name() -> None:
    prompt = PromptVersion(reading="whole", turns=(Turn(role="user", content="x"),))
    nowhere = {"uri": "", "sha256": "", "origin": "run"}
    versions = (
        version(1, "champion", uri="", sha256="", origin="external"),
        version(2, method="few_shot", **nowhere),
        version(3, method="few_shot", served_by="played:m-v3", **nowhere),
        version(4, state="planned", **nowhere),
    )
    model = Model(name="played:m", provider="played", artifact_types=(ERD,), versions=versions)
    canary = CanaryVersion(version=2, prompt=prompt, share=0.1)
    known = Known(Route(artifact_type=ERD, model="played:m", canary=canary), model)
    assert (await known.resolve_erd("played:m@2")).prompt == prompt
    assert (await known.resolve_erd("played:m@1")).version == 1
    for unserved in (3, 4):
        with pytest.raises(Permanent, match="hone models promote") as refused:
            await known.resolve_erd(f"played:m@{unserved}")
        assert refused.value.code == "version_not_served"


async def test_a_name_with_an_at_of_its_own_is_a_name_where_the_registry_keeps_no_such_model() -> None:
    found = await Known(OWN).resolve_erd("openai:claude-sonnet@20240620")
    assert (found.model, found.served_by) == ("openai:claude-sonnet@20240620", None)
    with pytest.raises(Permanent, match="not registered"):
        await Known(OWN).resolve_erd("llamacpp:other@2")


@given(st.text(min_size=1), st.one_of(st.integers(0, 10**9 - 1).map(str), st.just(NAME)))
def test_model_and_version_are_parted_at_the_last_at(name: str, wanted: str) -> None:
    if "\n" not in name:
        assert parted(f"{name}@{wanted}") == (name, wanted)


@pytest.mark.parametrize(
    "name", ["ollama:m", "ollama:m@latest", "ollama:m@", "@", "hf.co/a@sha256:ab", "m@-1"]
)
def test_what_names_no_version_is_the_models_name(name: str) -> None:
    assert parted(name) is None


@pytest.mark.parametrize(
    ("aliases", "champion"),
    [
        (["", ""], 1),
        (["champion", "challenger"], 1),
        (["", "champion"], 2),
        (["champion:openapi", "champion:mermaid_erd"], 2),
        (["champion:openapi", "challenger:mermaid_erd"], 1),
    ],
)
def test_a_model_that_is_named_alone_is_its_champion_for_the_type(aliases: list[str], champion: int) -> None:
    versions = tuple(version(number, *([alias] if alias else [])) for number, alias in enumerate(aliases, 1))
    model = Model(name="llamacpp:m", provider="llamacpp", artifact_types=(ERD,), versions=versions)
    assert champion_of(model, ERD).version == champion


def test_a_version_that_its_provider_has_no_more_does_not_answer() -> None:
    versions = (version(1, state="superseded"), version(2, state="added"))
    model = Model(name="llamacpp:m", provider="llamacpp", artifact_types=(), versions=versions)
    assert champion_of(model, ERD).version == 2

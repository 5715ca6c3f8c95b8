"""No request makes the generator call an address that its operators did not name."""

import pytest

from hone_chassis.errors import Permanent
from hone_contracts.artifacts import ArtifactType
from hone_contracts.models import InvalidModelRef, ModelRef
from hone_contracts.registry import Route, RouteModel
from hone_generator.allowed_servers import AllowedServers
from hone_generator.routing import Router

ROUTES = [
    Route(artifact_type="default", model="ollama:qwen2.5-coder:7b"),
    Route(
        artifact_type=ArtifactType.OPENAPI,
        model="openai+http://gpu:8000/v1:qwen",
        fallbacks=(RouteModel(model="openai+https://models.example/v1:big"),),
        cloud_models=("openai+https://proxy.example/openai/v1:gpt", "not a reference"),
    ),
]


def allows(model: str, setting: str = "") -> bool:
    try:
        AllowedServers.parse(setting).check(ModelRef.parse(model), ROUTES)
    except Permanent as error:
        assert (error.code, error.status) == ("server_not_allowed", 403)
        assert "HONE_ALLOWED_MODEL_SERVERS" in str(error)
        return False
    return True


@pytest.mark.parametrize(
    "model",
    [
        "ollama:any:thing",
        "openai:gpt-4.1",
        "openai+http://gpu:8000/v1:another-model",
        "openai+http://GPU:8000/v1/:qwen",
        "openai+https://models.example:443/v1:big",
        "openai+https://proxy.example/openai/v1:gpt",
    ],
)
def test_the_servers_of_routes_may_be_named_and_so_may_models_without_one(model: str) -> None:
    assert allows(model)


@pytest.mark.parametrize(
    "model",
    [
        "openai+http://127.0.0.1:8222/varz:m",
        "openai+http://localhost:4222/v1:m",
        "openai+http://[::1]:8400/v1:m",
        "openai+http://169.254.169.254/latest/meta-data:m",
        "openai+http://gpu:8001/v1:qwen",
        "openai+http://gpu:8000/:qwen",
        "openai+http://gpu:8000/v1/admin:qwen",
        "openai+http://gpu:8000/v1/../admin:qwen",
        "openai+https://gpu:8000/v1:qwen",
        "openai+http://gpu.evil.example:8000/v1:qwen",
        "openai+http://gpu:99999/v1:qwen",
        "openai+http://2130706433/v1:m",
    ],
)
def test_no_other_server_may_be_named_not_even_on_this_machine(model: str) -> None:
    assert not allows(model)


def test_what_is_listed_may_be_named_with_everything_below_it() -> None:
    setting = "http://127.0.0.1:9000, https://inside.example/team"
    assert allows("openai+http://127.0.0.1:9000/v1:m", setting)
    assert allows("openai+https://inside.example/team/v1:m", setting)
    assert not allows("openai+https://inside.example/teams/v1:m", setting)
    assert not allows("openai+https://inside.example/team/../other:m", setting)
    assert not allows("openai+http://127.0.0.1:90000/v1:m", setting)


@pytest.mark.parametrize("setting", ["gpu:8000", "ftp://gpu/v1", "http://gpu/../v1", "http://gpu:99999/"])
def test_a_list_that_is_none_is_refused_at_the_start(setting: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        AllowedServers.parse(setting)


class _Table:
    def resolve(self, artifact_type: ArtifactType) -> Route | None:
        return ROUTES[1] if artifact_type is ArtifactType.OPENAPI else ROUTES[0]

    def resolve_default(self) -> Route | None:
        return ROUTES[0]


async def test_artifacts_and_chats_are_held_to_it_alike() -> None:
    router = Router(_Table(), {}, AllowedServers())
    inside, outside = "openai+http://gpu:8000/v1:other", "openai+http://127.0.0.1:8222/v1:m"
    assert (await router.resolve(ArtifactType.SQL_DDL, inside, 10)).model == inside
    assert (await router.resolve_chat(inside)).model == inside
    for asked in (router.resolve(ArtifactType.SQL_DDL, outside, 10), router.resolve_chat(outside)):
        with pytest.raises(Permanent) as refused:
            await asked
        assert refused.value.code == "server_not_allowed"


def test_a_reference_with_a_user_or_a_query_is_none_at_all() -> None:
    for model in ("openai+http://gpu:8000@evil.example/v1:m", "openai+http://gpu:8000/v1?x=y:m"):
        with pytest.raises(InvalidModelRef):
            ModelRef.parse(model)

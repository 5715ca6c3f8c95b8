"""What /v1/models shows: what can be chatted with, and no provider that is away keeps it from being seen."""

from collections.abc import Sequence

from scripted_provider import ScriptedProvider

from hone_contracts.artifacts import ArtifactType
from hone_contracts.chat import ListChatModels
from hone_contracts.models import ModelRef
from hone_contracts.registry import Route, RouteModel
from hone_generator.chat.models import ChatModelList
from hone_generator.providers.base import ModelInfo, Provider
from hone_generator.providers.errors import ProviderUnavailable


class Having(ScriptedProvider):
    def __init__(self, *models: str) -> None:
        super().__init__(lambda _number, _request: "")
        self._models = models

    async def models(self) -> Sequence[ModelInfo]:
        if not self._models:
            raise ProviderUnavailable("ollama", "it is away")
        return [ModelInfo(ModelRef.parse(model), loaded=False) for model in self._models]


STARTER = RouteModel(model="llamacpp:hone-starter", reading="passages")
ROUTES = [
    Route(artifact_type="default", model="ollama:a", cloud=True, cloud_models=("gemini:g",)),
    Route(artifact_type=ArtifactType.OPENAPI, model="ollama:b", fallbacks=(STARTER,)),
    Route(artifact_type=ArtifactType.MERMAID_ERD, **dict(STARTER)),
    Route(artifact_type=ArtifactType.SQL_DDL, model="ollama:off", enabled=False),
]


async def test_routes_come_first_then_their_models_then_what_providers_have() -> None:
    providers: dict[str, Provider] = {"ollama": Having("ollama:z", "ollama:a", "ollama:c")}
    listed = await ChatModelList(providers, lambda: ROUTES)(ListChatModels())
    assert listed.models == (
        "default", "hone/openapi", "ollama:a", "ollama:b", "gemini:g", "ollama:c", "ollama:z",
    )  # fmt: skip


async def test_models_that_do_not_converse_are_not_offered() -> None:
    providers: dict[str, Provider] = {"llamacpp": Having("llamacpp:hone-starter", "llamacpp:other")}
    listed = await ChatModelList(providers, lambda: ROUTES)(ListChatModels())
    assert "hone/mermaid_erd" not in listed.models
    assert "llamacpp:hone-starter" not in listed.models
    assert "llamacpp:other" in listed.models


async def test_a_provider_that_is_away_hides_nothing_else() -> None:
    providers: dict[str, Provider] = {"ollama": Having(), "llamacpp": Having("llamacpp:other")}
    listed = await ChatModelList(providers, lambda: ROUTES)(ListChatModels())
    assert {"default", "ollama:a", "llamacpp:other"} <= set(listed.models)


async def test_the_names_of_versions_are_no_models_to_chat_with() -> None:
    providers: dict[str, Provider] = {"llamacpp": Having("llamacpp:m", "llamacpp:m@2")}
    listed = await ChatModelList(providers, lambda: (), lambda: {"llamacpp:m@2"})(ListChatModels())
    assert listed.models == ("llamacpp:m",)

"""What `hone status` tells of the providers: all of them, in time, and no key of any."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from fake_upstream import FakeUpstream, serving_upstream

from hone_contracts.models import ModelRef
from hone_contracts.providers import ListProviders, Providers
from hone_contracts.registry import Route, RouteModel
from hone_generator.memory.cards import Card
from hone_generator.provider_report import MOST_MODELS, ProviderReport
from hone_generator.providers.base import Capabilities, Chunk, GenerationRequest, Health, ModelInfo, Provider
from hone_generator.providers.errors import ProviderUnavailable
from hone_generator.providers.openai import OpenAIProvider, OpenAISettings

FINE = Health(True, "fine")
KEY = "sk-very-secret-0123456789"


@dataclass
class Played:
    """A provider that is as a test says."""

    name: str
    local: bool = True
    answer: Callable[[], Awaitable[Health]] | Health = FINE
    has: Sequence[ModelInfo] | Exception = ()
    capabilities: Capabilities = field(default_factory=Capabilities)
    asked: int = 0
    listed: int = 0

    def generate(self, model: ModelRef, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        raise AssertionError("nobody generates here")

    async def embed(self, model: ModelRef, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        raise AssertionError("nobody embeds here")

    async def models(self) -> Sequence[ModelInfo]:
        self.listed += 1
        if isinstance(self.has, Exception):
            raise self.has
        return self.has

    async def health(self) -> Health:
        self.asked += 1
        return self.answer if isinstance(self.answer, Health) else await self.answer()

    async def aclose(self) -> None:
        return


class TwoCards:
    def read(self) -> tuple[Card, ...]:
        return Card("u1", "H200", 100, 60), Card("u2", "H200", 100, 0)


class Clock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


async def never() -> Health:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def unavailable() -> Health:
    raise ProviderUnavailable("ollama", f"refused with key {KEY}")


def info(name: str, *, loaded: bool = False) -> ModelInfo:
    return ModelInfo(ModelRef("ollama", name), loaded, size_bytes=7, context_tokens=8)


async def report(*providers: Played, limit_s: float = 3.0) -> Providers:
    known: dict[str, Provider] = {each.name: each for each in providers}
    asking = ProviderReport(known, TwoCards(), (KEY, ""), limit_s=limit_s)
    return await asking.list_providers(ListProviders())


async def test_each_provider_is_told_with_its_models_and_the_cards() -> None:
    ollama = Played("ollama", has=[info("a"), info("b", loaded=True)])
    gemini = Played("gemini", local=False, answer=Health(False, "GEMINI_API_KEY is not set"))
    told = await report(ollama, gemini)
    assert [(each.name, each.local, each.ok, each.detail) for each in told.providers] == [
        ("ollama", True, True, "fine"), ("gemini", False, False, "GEMINI_API_KEY is not set"),
    ]  # fmt: skip
    assert [(each.model, each.loaded) for each in told.providers[0].models] == [
        ("ollama:b", True), ("ollama:a", False),
    ]  # fmt: skip
    assert [(gpu.name, gpu.used_bytes, gpu.total_bytes) for gpu in told.gpus] == [
        ("H200", 60, 100),
        ("H200", 0, 100),
    ]
    assert gemini.listed == 0  # a hosted provider's list is nobody's status


async def test_one_that_hangs_and_one_that_fails_keep_the_others_from_nothing() -> None:
    told = await report(
        Played("a", answer=never), Played("b", answer=unavailable, has=ProviderUnavailable("b", "x")), Played("c"),
        limit_s=0.05,
    )  # fmt: skip
    slow, broken, fine = told.providers
    assert (slow.ok, slow.detail) == (False, "no answer in 0.05 s")
    assert (broken.ok, broken.models) == (False, ())
    assert fine.ok


async def test_no_key_is_in_the_answer_whoever_repeats_it() -> None:
    told = await report(
        Played("a", answer=unavailable),
        Played("b", answer=Health(False, f"bad key {KEY} at http://h/?key={KEY}")),
    )
    assert KEY not in told.model_dump_json()
    assert "bad key …" in told.providers[1].detail


async def test_servers_that_routes_name_are_told_of_each_once_and_no_others_are_asked() -> None:
    with serving_upstream(FakeUpstream(models=("mine",))) as upstream:
        mine, metadata = f"openai+{upstream.openai_url}", "openai+http://169.254.169.254/v1"
        routes = [
            Route(artifact_type="default", model=f"{mine}:a", fallbacks=(RouteModel(model=f"{mine}:b"),)),
            Route(
                artifact_type="openapi", model=f"{metadata}:x", cloud_models=("openai+http://10.0.0.1/v1:c",)
            ),
            Route(
                artifact_type="sql_ddl",
                model="ollama+http://127.0.0.1:1:x",
                fallbacks=(RouteModel(model=""),),
            ),
        ]
        openai = OpenAIProvider(OpenAISettings(upstream.openai_url + "/elsewhere"))
        known: dict[str, Provider] = {"openai": openai, "ollama": Played("ollama")}
        told = await ProviderReport(known, routes=lambda: routes).list_providers(ListProviders())
        await openai.aclose()
    assert [each.name for each in told.providers] == ["openai", "ollama", mine]
    server = told.providers[2]
    assert (server.ok, server.local, [each.model for each in server.models]) == (True, True, [f"{mine}:mine"])


async def test_a_provider_with_thousands_of_models_and_much_to_say_is_cut() -> None:
    (told,) = (await report(Played("a", has=[info(f"m{n}") for n in range(5000)]))).providers
    assert (len(told.models), told.models_total) == (MOST_MODELS, 5000)
    (long,) = (await report(Played("a", answer=Health(True, "x" * 10_000)))).providers
    assert len(long.detail) == 500


async def test_who_asks_at_once_or_again_soon_gets_the_same_answer() -> None:
    provider, clock = Played("a"), Clock()
    asking = ProviderReport({"a": provider}, keep_s=5, now=clock)
    await asyncio.gather(*(asking.list_providers(ListProviders()) for _ in range(10)))
    assert provider.asked == 1
    clock.time = 4.9
    await asking.list_providers(ListProviders())
    assert provider.asked == 1
    clock.time = 5.0
    await asking.list_providers(ListProviders())
    assert provider.asked == 2

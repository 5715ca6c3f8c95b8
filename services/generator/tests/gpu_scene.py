"""A simulated Ollama with simulated cards, and a provider that makes room on them: the scene of several tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fake_ollama import FakeOllama
from fake_ollama_model import FakeModel
from simulated_cards import GIB, SimulatedCards

from hone_contracts.models import ModelRef
from hone_generator.memory.room import Room
from hone_generator.memory.settings import GpuSettings
from hone_generator.providers.base import ChatMessage, GenerationRequest, Role
from hone_generator.providers.ollama import OllamaProvider
from hone_generator.providers.ollama_server import OllamaSettings

# Of Llama 3 8B: 128 KiB of cache for each token of context.
SHAPE = {
    "block_count": 32,
    "embedding_length": 4096,
    "attention.head_count": 32,
    "attention.head_count_kv": 8,
    "attention.key_length": 128,
    "attention.value_length": 128,
}
ASK = GenerationRequest((ChatMessage(Role.USER, "a member has loans"),), max_tokens=50, timeout_s=30)
# A context of 16,384 tokens takes 2 GiB, one of 8192 half of that.
LONG = GenerationRequest((ChatMessage(Role.USER, "loans " * 1400),), max_tokens=4000, timeout_s=30)


def model(name: str, gib: float = 8, **others: object) -> FakeModel:
    given: dict[str, object] = {"vocabulary": 128_256, "shape": SHAPE, "digest": f"{name:0<64}"[:64]}
    return FakeModel(name, size_bytes=int(gib * GIB), **(given | others))  # type: ignore[arg-type]


def settings(**others: object) -> GpuSettings:
    quick = {"poll_s": 0.005, "steady_s": 0.5, "busy_wait_s": 20, "unload_wait_s": 10}
    return GpuSettings.model_validate(quick | others)


@asynccontextmanager
async def making_room(
    *fakes: FakeOllama, cards: SimulatedCards, **others: object
) -> AsyncIterator[OllamaProvider]:
    room = Room(settings(**others), cards)
    provider = OllamaProvider([fake.url for fake in fakes], OllamaSettings(), room)
    yield provider
    await provider.aclose()


async def answer(provider: OllamaProvider, name: str, request: GenerationRequest = ASK) -> str:
    return "".join([chunk.text async for chunk in provider.generate(ModelRef("ollama", name), request)])

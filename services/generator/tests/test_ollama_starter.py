"""Hone's own model behind Ollama, which takes no grammar: it is told what it was trained on, and no word more.

On a stand-in and, where one is found, on a real server with the model that ships.
"""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import fake_ollama
import httpx
import pytest
import real_ollama
from fake_ollama import FakeOllama
from fake_ollama_model import FakeModel

from hone_contracts.artifacts import Artifact, ArtifactType
from hone_contracts.erd_facts import normalise, passage_prompt
from hone_contracts.models import ModelRef
from hone_contracts.registry import PromptVersion, Route, Turn
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.kind import Tools
from hone_generator.engine.circuits import Circuits
from hone_generator.engine.engine import Engine, Request
from hone_generator.engine.telling import Audience
from hone_generator.mermaid import MermaidParser
from hone_generator.providers.base import ChatMessage, FinishReason, GenerationRequest, Role
from hone_generator.providers.ollama import OllamaProvider

ERD = ArtifactType.MERMAID_ERD
STARTER = Path(__file__).parents[3] / "libs/hone/hone/starter/hone-starter-q8_0.gguf"
TEXT = "each member has a name and an email."
FACTS = '[{"a":"member","l":{"name":"string","email":"string"}}]'
TURNS = (
    Turn(role="user", content=passage_prompt("", normalise("each book has a title and an isbn."))),
    Turn(role="assistant", content='[{"a":"book","l":{"title":"string","isbn":"string"}}]'),
)
BAKED = "hone-starter-v2"


class Asked:
    """What a model was sent, whoever answers."""

    def __init__(self, url: str) -> None:
        self.provider = OllamaProvider([url])
        self.bodies: list[tuple[str, tuple[ChatMessage, ...], Any]] = []
        self._tools = Tools(MermaidParser())
        generate = self.provider.generate

        def seen(model: Any, request: Any) -> Any:
            self.bodies.append((model.name, request.messages, request.constraint))
            return generate(model, request)

        self.provider.generate = seen  # type: ignore[method-assign]

    async def generate(self, **version: Any) -> Artifact:
        route = Route(artifact_type=ERD, model="ollama:hone-starter", reading="passages", **version)
        engine = Engine({"ollama": self.provider}, self._tools, Circuits(time.monotonic))
        return await engine.generate(Request(KINDS[ERD], route, TEXT), Audience())

    async def aclose(self) -> None:
        await self.provider.aclose()
        await self._tools.mermaid.aclose()


@pytest.fixture(scope="module", params=["fake", "real"] if real_ollama.is_here() else ["fake"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "fake":
        messages = tuple(turn.model_dump() for turn in TURNS)
        baked = FakeModel(BAKED, says=FACTS, context_length=1024, messages=messages)
        plain = FakeModel("hone-starter", says=FACTS, context_length=1024)
        with fake_ollama.serving(FakeOllama().add(plain, baked)) as fake:
            yield fake.url
        return
    with real_ollama.serving(tmp_path_factory.mktemp("ollama"), "hone-starter", STARTER) as real:
        version = {
            "model": BAKED, "from": "hone-starter", "template": real_ollama.TEMPLATE, "stream": False,
            "messages": [turn.model_dump() for turn in TURNS], "parameters": {"stop": ["<|im_end|>"]},
        }  # fmt: skip
        with httpx.Client(base_url=real, timeout=60, trust_env=False) as client:
            client.post("/api/create", json=version).raise_for_status()
            yield real
            client.request("DELETE", "/api/delete", json={"model": BAKED}).raise_for_status()


@pytest.fixture
async def asked(url: str) -> AsyncIterator[Asked]:
    asked = Asked(url)
    yield asked
    await asked.aclose()


def members(made: Artifact) -> set[str]:
    return {attribute["name"] for entity in made.ir["entities"] for attribute in entity["attributes"]}


async def test_the_passage_is_all_that_it_is_told_and_its_facts_are_grounded(asked: Asked) -> None:
    made = await asked.generate()
    assert [entity["name"] for entity in made.ir["entities"]] == ["Member"]
    assert members(made) >= {"name", "email"}
    ((name, messages, constraint),) = asked.bodies
    assert (name, constraint) == ("hone-starter", None)
    assert messages == (ChatMessage(Role.USER, passage_prompt("", normalise(TEXT))),)


async def test_examples_count_the_same_whether_they_are_sent_or_held_by_the_provider(asked: Asked) -> None:
    plain = await asked.generate()
    prompt = PromptVersion(reading="passages", turns=TURNS)
    sent = await asked.generate(prompt=prompt, version=2)
    held = await asked.generate(
        prompt=prompt.model_copy(update={"baked": True}), served_by=f"ollama:{BAKED}", version=2
    )
    assert [(name, len(messages)) for name, messages, _ in asked.bodies] == [
        ("hone-starter", 1),
        ("hone-starter", 3),
        (BAKED, 1),
    ]
    tokens = [made.attempts[0].prompt_tokens for made in (plain, sent, held)]
    assert tokens[0] < tokens[1] == tokens[2]
    assert (plain.version, sent.version, held.version) == (None, 2, 2)
    assert held.model == "ollama:hone-starter"


async def test_a_passage_that_makes_it_loop_costs_that_passage_alone(asked: Asked) -> None:
    """Nothing holds it to its form: on this one it says the same word until Ollama gives up on it."""
    looping = 'email\n" 1 : n " , " order " ] , [ " order " , " 1 : n " , " ticket " ] , [ " concert " , " 1 : n " , '
    question = GenerationRequest((ChatMessage(Role.USER, f'{looping}" ticket " ] ] }}'),), 256)
    model = ModelRef("ollama", "hone-starter")
    chunks = [chunk async for chunk in asked.provider.generate(model, question)]
    assert chunks[-1].finish_reason in (FinishReason.STOP, FinishReason.LENGTH)

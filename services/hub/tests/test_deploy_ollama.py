"""Versions for Ollama, on a real server where there is one and on the stand-in: made, proven, or not there at all."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hub_parts import deploying
from hub_parts.deploying import VERSION, deployed, failure, hub, order, prompt, publish, versions
from hub_parts.ollamas import CHATML, Ollama
from pydantic import SecretStr
from running import until

from hone_contracts.deployment import ModelDeployed
from hone_contracts.registry import ServedVersion, Turn
from hone_hub.settings import HubSettings

pytestmark = pytest.mark.slow

QUESTION = {"role": "user", "content": "\nA book has a title, an ISBN and a price ."}
UNKNOWN = "{{ .Prompt }}"  # what Ollama takes for a file whose template it does not know
LAST_TURN_ALONE = (
    "{{ range $i, $_ := .Messages }}{{ if eq (len (slice $.Messages $i)) 1 }}<|im_start|>{{ .Role }}\n"
    "{{ .Content }}<|im_end|>\n{{ end }}{{ end }}<|im_start|>assistant\n"
)
NEARLY_CHATML = CHATML.replace("{{ .Role }}\n", "{{ .Role }} ")
_numbers = itertools.count()


@pytest.fixture
def settings(nats_server: Any, tmp_path: Path, ollama: Ollama) -> HubSettings:
    return settings_for(ollama.url, nats_server, tmp_path)


def settings_for(hosts: str, nats_server: Any, tmp_path: Path) -> HubSettings:
    return HubSettings(
        nats_url=SecretStr(nats_server.url),
        data_dir=tmp_path / "data",
        OLLAMA_HOST=hosts,
        graceful_timeout_s=0.2,
        retry_delay_s=0.05,
        max_deliver=3,
    )


@pytest.fixture
def base() -> str:
    """A name of its own: the real server is shared."""
    return f"base{next(_numbers)}"


def version_of(base: str) -> str:
    return f"hone-{base}:{VERSION}"


async def test_examples_become_a_model_of_their_own_that_is_asked_with_the_question_alone(
    settings: HubSettings, ollama: Ollama, base: str
) -> None:
    ollama.add(base)
    examples = prompt(system="You list facts.")
    served = ServedVersion(served_by=None)
    async with hub(settings) as service:
        done = await deployed(service, order(f"ollama:{base}", examples=examples, base=served))
    assert done.served == ServedVersion(
        version=2,
        served_by=f"ollama:{version_of(base)}",
        prompt=examples.model_copy(update={"baked": True}),
    )
    assert (done.uri, len(done.sha256)) == ("", 64)
    shown = ollama.show(version_of(base))
    assert shown is not None
    turns = [turn.model_dump() for turn in examples.turns]
    assert (shown["messages"], shown["system"], shown["template"]) == (turns, "You list facts.", CHATML)
    assert '"<|im_end|>"' in shown["parameters"]

    proof = done.proof["hosts"][ollama.url]
    assert proof["history_tokens"] > 0
    assert proof["answer"] == '[{"r":["member","1:N","loans"]}]'
    system = {"role": "system", "content": "You list facts."}
    sent = ollama.chat(base, system, *turns, QUESTION)["prompt_eval_count"]
    assert ollama.chat(version_of(base), QUESTION)["prompt_eval_count"] == sent


async def test_examples_take_the_place_of_those_of_a_champion(
    settings: HubSettings, ollama: Ollama, base: str
) -> None:
    ollama.add(base)
    first, then = (
        prompt(),
        prompt(turns=(Turn(role="user", content="q"), Turn(role="assistant", content="[]"))),
    )
    async with hub(settings) as service:
        done = await deployed(service, order(f"ollama:{base}", examples=first, base=ServedVersion()))
        wanted = order(f"ollama:{base}", examples=then, base=done.served, name="v3_later")
        await deployed(service, wanted)
    shown = ollama.show(f"hone-{base}:v3_later")
    assert shown is not None
    assert shown["messages"] == [turn.model_dump() for turn in then.turns]


async def test_examples_that_do_not_reach_the_model_are_no_version(
    settings: HubSettings, ollama: Ollama, base: str
) -> None:
    ollama.add(base, template=LAST_TURN_ALONE)
    async with hub(settings) as service:
        failed = await failure(service, order(f"ollama:{base}", examples=prompt(), base=ServedVersion()))
    assert failed.error.code == "history_lost"
    assert "ollama show --template" in failed.error.detail
    assert ollama.show(version_of(base)) is None
    assert ollama.show(base) is not None


async def test_examples_that_do_not_fit_the_context_are_no_version(
    settings: HubSettings, ollama: Ollama, base: str
) -> None:
    ollama.add(base)  # its context is of 1,024 tokens
    pair = deploying.TURNS[0], Turn(role="assistant", content='[{"r":["member","1:N","loans"]}]' * 10)
    async with hub(settings) as service:
        wanted = order(f"ollama:{base}", examples=prompt(turns=pair * 30), base=ServedVersion())
        failed = await failure(service, wanted)
    assert failed.error.code == "history_lost"
    assert ollama.show(version_of(base)) is None


async def test_a_version_that_is_there_is_used_again_and_one_of_somebody_else_is_left_alone(
    settings: HubSettings, ollama: Ollama, base: str
) -> None:
    ollama.add(base)
    other = prompt(turns=(Turn(role="user", content="q"), Turn(role="assistant", content="[]")))
    async with hub(settings) as service:
        first = await deployed(service, order(f"ollama:{base}", examples=prompt(), base=ServedVersion()))
        made = made_at(ollama, base)
        again = await deployed(service, order(f"ollama:{base}", examples=prompt(), base=ServedVersion()))
        assert again.served == first.served
        assert made_at(ollama, base) == made
        taken = await failure(service, order(f"ollama:{base}", examples=other, base=ServedVersion()))
    assert (taken.error.code, taken.error.status) == ("version_taken", 409)
    assert made_at(ollama, base) == made


@pytest.mark.parametrize("template", [CHATML, UNKNOWN, NEARLY_CHATML], ids=["same", "none", "nearly"])
async def test_weights_become_a_model_that_is_asked_token_for_token_as_it_was_trained(
    settings: HubSettings, ollama: Ollama, base: str, starter: Path, template: str
) -> None:
    ollama.add(base, template=template)
    settings.data_dir.mkdir()
    weights = copied(starter, settings.data_dir / "weights")
    async with hub(settings) as service:
        done = await deployed(service, order(f"ollama:{base}", weights=weights, base=ServedVersion()))
    path = settings.data_dir / "models" / base / f"{VERSION}.gguf"
    assert done.served == ServedVersion(
        version=2, served_by=f"ollama:{version_of(base)}", model_sha256=done.sha256
    )
    assert (done.uri, done.size_bytes) == (path.as_uri(), path.stat().st_size)
    shown = ollama.show(version_of(base))
    assert shown is not None
    assert shown["template"] == CHATML
    assert '"<|im_end|>"' in shown["parameters"]
    proof = done.proof["hosts"][ollama.url]
    origin = "the base's" if template == CHATML else "ChatML"
    assert proof["template"] == (
        f"{origin}: 2 conversations token for token as in llama.cpp, 2 by their length"
    )
    assert proof["answers"][0] == done.proof["file"]["answers"][0] == '[{"r":["member","1:N","loans"]}]'


async def test_weights_delivered_twice_are_one_version_and_none_that_is_anothers(
    settings: HubSettings, ollama: Ollama, base: str, starter: Path
) -> None:
    ollama.add(base)
    settings.data_dir.mkdir()
    weights = copied(starter, settings.data_dir / "weights")
    async with hub(settings) as service:
        first = await deployed(service, order(f"ollama:{base}", weights=weights, base=ServedVersion()))
        job = first.correlation_id
        await publish(service, order(f"ollama:{base}", weights=weights, base=ServedVersion(), job=job))
        ends = await until(lambda: deploying.announced(service, job), lambda found: len(found) == 2)
        assert isinstance(ends[1], ModelDeployed)
        assert (ends[1].served, ends[1].sha256) == (first.served, first.sha256)

        ollama.create(f"hone-{base}:v3_x", **{"from": base})
        wanted = order(f"ollama:{base}", weights=weights, base=ServedVersion(), name="v3_x")
        taken = await failure(service, wanted)
    assert taken.error.code == "version_taken"
    assert ollama.show(f"hone-{base}:v3_x") is not None
    assert versions(settings) == [f"{base}/{VERSION}.gguf", f"{base}/{VERSION}.json"]


async def test_a_cancelled_deployment_leaves_nothing_in_ollama(
    settings: HubSettings, ollama: Ollama, base: str
) -> None:
    ollama.add(base)
    async with hub(settings) as service:
        wanted = order(f"ollama:{base}", examples=prompt(), base=ServedVersion())
        await deployed(service, wanted)
        await deploying.cancel(service, wanted)
        job = wanted.correlation_id
        await publish(service, order(f"ollama:{base}", examples=prompt(), base=ServedVersion(), job=job))
        await until(lambda: ollama.show(version_of(base)) is None)
        assert len(await deploying.announced(service, wanted.correlation_id)) == 1


def made_at(ollama: Ollama, base: str) -> str:
    shown = ollama.show(version_of(base))
    assert shown is not None
    return str(shown["modified_at"])


def copied(folder: Path, to: Path) -> Path:
    """Among Hone's data, where the trainer leaves weights."""
    to.mkdir()
    for each in folder.iterdir():
        (to / each.name).write_bytes(each.read_bytes())
    return to

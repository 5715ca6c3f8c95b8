"""What goes wrong at Ollama has a name, says what to do, and leaves no added model on any host."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_parts.fake_ollama import FakeOllama, serving
from hub_parts.ollamas import Ollama
from hub_parts.placing import Steps, deployer, order
from hub_parts.starter import STARTER
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_hub.deploy.errors import BadModelName
from hone_hub.deploy.models.answering import judged
from hone_hub.deploy.models.errors import CopyBroken, DoesNotAnswer, ModelNameTaken
from hone_hub.deploy.models.go_template import PROBES, NotSayable, derived
from hone_hub.deploy.models.ollama import staged
from hone_hub.deploy.ollama.host import OllamaHost
from hone_hub.error_bodies import body_of
from hone_hub.errors import HubError
from hone_hub.work import Answer, Step

NAME = "added:q8_0"
TROUBLES = {
    "out_of_memory": ("ollama_out_of_memory", "ollama stop"),
    "broken": ("ollama_load_failed", "bad tensor"),
    "rambles": ("does_not_answer", "does not stop"),
    "error_among_lines": ("ollama_disk_full", "ollama rm"),
    "disk_full": ("ollama_disk_full", "OLLAMA_MODELS"),
    "digest_mismatch": ("digest_mismatch", "did not arrive whole"),
    "unknown_architecture": ("architecture_unsupported", "embedded engine"),
    "cut_create": ("ollama_not_running", "ollama serve"),
    "busy": ("ollama_busy", "OLLAMA_MAX_QUEUE"),
    "no_ollama": ("ollama_not_running", "OLLAMA_HOST"),
}


@pytest.fixture
def second(fake_ollama: FakeOllama, tmp_path: Path) -> Iterator[FakeOllama]:
    folder = tmp_path / "second"
    folder.mkdir()
    with serving(FakeOllama(folder, fake_ollama.tokenizer)) as fake:
        yield fake


@pytest.mark.slow
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_trouble_is_told_with_what_to_do_and_nothing_is_left(
    fake_ollama: FakeOllama, tmp_path: Path, trouble: str
) -> None:
    fake_ollama.trouble = trouble
    with pytest.raises(HubError) as caught:
        await deployer(tmp_path, fake_ollama.url).deploy(order(NAME, STARTER), "ollama", Steps())
    code, words = TROUBLES[trouble]
    assert body_of(caught.value).code == code
    assert words in str(caught.value)
    assert fake_ollama.models == {}


@pytest.mark.slow
async def test_a_model_is_on_all_hosts_that_answer_or_on_none(
    fake_ollama: FakeOllama, second: FakeOllama, tmp_path: Path
) -> None:
    Ollama(fake_ollama.url).add(NAME, parameters={"stop": ["older"]})
    before = fake_ollama.models[NAME]
    to = deployer(tmp_path, f"{fake_ollama.url},{second.url},127.0.0.1:1")
    second.trouble = "out_of_memory"
    with pytest.raises(HubError, match="too little memory"):
        await to.deploy(order(NAME, STARTER, replace=True), "ollama", Steps())
    assert fake_ollama.models == {NAME: before}  # what was to make way is served on
    assert second.models == {}

    second.trouble = ""
    placed = await to.deploy(order(NAME, STARTER, replace=True), "ollama", Steps())
    assert set(placed.proof["hosts"]) == {fake_ollama.url, second.url}
    assert placed.proof["away"] == ["http://127.0.0.1:1"]
    assert fake_ollama.models.keys() == second.models.keys() == {NAME}
    assert await to.remove(f"ollama:{NAME}") == STARTER.stat().st_size
    assert (fake_ollama.models, second.models) == ({}, {})


@pytest.mark.slow
async def test_what_an_earlier_try_left_staged_is_taken_up_and_taken_away(
    fake_ollama: FakeOllama, tmp_path: Path
) -> None:
    Ollama(fake_ollama.url).add(staged(NAME))
    await deployer(tmp_path, fake_ollama.url).deploy(order(NAME, STARTER), "ollama", Steps())
    assert fake_ollama.models.keys() == {NAME}


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["upload", "create", "prove"])
async def test_a_deployment_that_is_cancelled_leaves_nothing(
    fake_ollama: FakeOllama, tmp_path: Path, stage: str
) -> None:
    async def deploy() -> None:
        async def tell(step: Step) -> None:
            if step.stage == stage:
                reached.set()
                await asyncio.sleep(60)

        await deployer(tmp_path, fake_ollama.url).deploy(order(NAME, STARTER), "ollama", tell)

    reached = asyncio.Event()
    deploying = asyncio.create_task(deploy())
    async with asyncio.timeout(60):
        await reached.wait()
    deploying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deploying
    assert fake_ollama.models == {}


@pytest.mark.slow
async def test_a_name_that_is_taken_is_told_before_a_byte_is_sent(
    fake_ollama: FakeOllama, tmp_path: Path
) -> None:
    Ollama(fake_ollama.url).add(NAME, template="{{ .Prompt }}")
    steps = Steps()
    with pytest.raises(ModelNameTaken):
        await deployer(tmp_path, fake_ollama.url).deploy(order(NAME, STARTER), "ollama", steps)
    assert steps.seen == []


async def test_a_file_that_changes_while_it_is_copied_is_not_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.link", refuse)  # as on another disk
    model, models = tmp_path / "model.gguf", tmp_path / "models"
    model.write_bytes(STARTER.read_bytes())
    wanted, to = order("tiny", model), deployer(models, "127.0.0.1:1")

    async def tell(step: Step) -> None:
        if step.stage == "prove":
            with model.open("ab") as file:
                file.write(b"more")

    with pytest.raises(CopyBroken):
        await to.deploy(wanted, "llamacpp", tell)
    assert list(models.rglob("*")) == []
    model.write_bytes(STARTER.read_bytes())
    placed = await to.deploy(wanted, "llamacpp", Steps())
    copy = models / "tiny" / "tiny.gguf"
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == placed.sha256
    assert not copy.samefile(model)


async def test_only_added_models_references_are_removed(tmp_path: Path) -> None:
    to = deployer(tmp_path, "127.0.0.1:1")
    for reference in ("openai:gpt", "nothing", "ollama:"):
        with pytest.raises(BadModelName):
            await to.remove(reference)


async def test_a_pull_that_stands_still_is_given_up(fake_ollama: FakeOllama) -> None:
    async with OllamaHost(fake_ollama.url, 0.5) as host:
        fake_ollama.trouble = "stalls"
        with pytest.raises(HubError, match="did not finish to pull a model"):
            await host.pull("tiny", Steps())


def test_being_cut_off_in_thought_is_no_sign_of_a_broken_model() -> None:
    thinking = answer("<think>Hm, a library", "length")
    assert "still thinking" in judged([thinking, thinking], thinks=True)["remark"]
    with pytest.raises(DoesNotAnswer, match="does not stop"):
        judged([thinking], thinks=False)
    with pytest.raises(DoesNotAnswer, match="does not stop"):
        judged([answer("<think>Hm</think> and so on and on", "length")], thinks=True)
    with pytest.raises(DoesNotAnswer, match="says nothing"):
        judged([answer(" ", "stop"), answer("", "stop")], thinks=False)
    assert judged([answer("x", "length"), answer("books", "stop")], thinks=False)["stopped"] == 1


@settings(max_examples=300)
@given(st.lists(st.none() | st.text(max_size=30) | st.sampled_from([
    "".join(f"<{each['role']}>{each['content']}" for each in probe) for probe in PROBES
]), min_size=len(PROBES), max_size=len(PROBES)))  # fmt: skip
def test_whatever_a_template_writes_it_is_said_or_refused(probes: list[str | None]) -> None:
    try:
        turns = derived(probes)
    except NotSayable:
        return
    assert all(turns.text(probe) == text for probe, text in zip(PROBES[:3], probes, strict=False))


def answer(text: str, finish: str) -> Answer:
    return Answer(text=text, finish=finish, prompt_tokens=3, completion_tokens=4)


def refuse(*_: object, **__: object) -> None:
    raise OSError("another disk")

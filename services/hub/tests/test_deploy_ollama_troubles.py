"""What goes wrong with Ollama has a name, says what to do, and leaves no version behind on any host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_parts.deploying import VERSION, deployed, failure, hub, order, prompt
from hub_parts.fake_ollama import FakeOllama, serving
from hub_parts.ollamas import Ollama
from hypothesis import given
from hypothesis import strategies as st
from test_deploy_ollama import copied, settings_for

from hone_contracts.registry import ServedVersion
from hone_contracts.training import PlannedVersion
from hone_hub.deploy.ollama.errors import BadOllamaHost, meaning
from hone_hub.deploy.ollama.everywhere import Hosts
from hone_hub.deploy.ollama.names import ollama_name
from hone_hub.deploy.ollama.shown import Shown, parameters
from hone_hub.settings import HubSettings

NAME = f"hone-base:{VERSION}"
EXAMPLES = {
    "out_of_memory": ("ollama_out_of_memory", 507, "ollama stop"),
    "broken": ("ollama_load_failed", 422, "bad tensor"),
    "rambles": ("proof_failed", 422, "does not stop"),
    "loses_examples": ("history_lost", 422, "without them"),
    "error_among_lines": ("ollama_disk_full", 507, "ollama rm"),
    "cut_create": ("ollama_not_running", 503, "ollama serve"),
    "busy": ("ollama_busy", 503, "OLLAMA_MAX_QUEUE"),
    "no_ollama": ("ollama_not_running", 503, "OLLAMA_HOST"),
}
WEIGHTS = {
    "disk_full": ("ollama_disk_full", 507, "no space left"),
    "digest_mismatch": ("digest_mismatch", 422, "did not arrive whole"),
    "unknown_architecture": ("architecture_unsupported", 422, "FooForCausalLM"),
}


@pytest.fixture
def settings(nats_server: Any, tmp_path: Path, fake_ollama: FakeOllama) -> HubSettings:
    Ollama(fake_ollama.url).add("base")
    return settings_for(fake_ollama.url, nats_server, tmp_path)


@pytest.fixture
def second(fake_ollama: FakeOllama, tmp_path: Path) -> Iterator[FakeOllama]:
    folder = tmp_path / "second"
    folder.mkdir()
    with serving(FakeOllama(folder, fake_ollama.tokenizer)) as fake:
        yield fake


def examples() -> Any:
    return order("ollama:base", examples=prompt(), base=ServedVersion())


@pytest.mark.slow
@pytest.mark.parametrize("trouble", EXAMPLES)
async def test_examples_fail_with_what_to_do_and_leave_nothing(
    settings: HubSettings, fake_ollama: FakeOllama, trouble: str
) -> None:
    fake_ollama.trouble = trouble
    async with hub(settings) as service:
        error = (await failure(service, examples())).error
        assert await service.health.troubles() == {}
    code, status, words = EXAMPLES[trouble]
    assert (error.code, error.status) == (code, status)
    assert words in error.detail
    assert set(fake_ollama.models) == {"base:latest"}


@pytest.mark.slow
async def test_weights_fail_with_what_to_do_and_leave_nothing(
    settings: HubSettings, fake_ollama: FakeOllama, starter: Path
) -> None:
    settings.data_dir.mkdir()
    weights = copied(starter, settings.data_dir / "weights")
    async with hub(settings) as service:
        for trouble, (code, status, words) in WEIGHTS.items():
            fake_ollama.trouble = trouble
            wanted = order("ollama:base", weights=weights, base=ServedVersion())
            error = (await failure(service, wanted)).error
            assert (error.code, error.status) == (code, status)
            assert words in error.detail
    assert set(fake_ollama.models) == {"base:latest"}
    assert list((settings.data_dir / "models").rglob("*")) == []


@pytest.mark.slow
async def test_trouble_that_passes_is_waited_for(settings: HubSettings, fake_ollama: FakeOllama) -> None:
    fake_ollama.trouble, fake_ollama.troubled = "busy", 2
    async with hub(settings) as service:
        await deployed(service, examples())
    assert NAME in fake_ollama.models


@pytest.mark.slow
async def test_a_host_that_is_not_there_an_old_one_and_a_model_that_is_nowhere_are_told_apart(
    settings: HubSettings, fake_ollama: FakeOllama
) -> None:
    async with hub(settings) as service:
        missing = await failure(service, order("ollama:absent:7b", examples=prompt(), base=ServedVersion()))
        assert missing.error.code == "ollama_model_missing"
        assert "ollama pull absent:7b" in missing.error.detail
        fake_ollama.version = "0.3.14"
        assert (await failure(service, examples())).error.code == "ollama_too_old"
    async with hub(settings.model_copy(update={"ollama_host": "127.0.0.1:1"})) as service:
        away = await failure(service, examples())
        assert (away.error.code, away.error.transient) == ("ollama_not_running", True)
    async with hub(settings.model_copy(update={"ollama_host": "ftp://host"})) as service:
        assert (await failure(service, examples())).error.code == "bad_ollama_host"


@pytest.mark.slow
async def test_a_version_is_on_all_hosts_that_have_its_base_or_on_none(
    settings: HubSettings, fake_ollama: FakeOllama, second: FakeOllama
) -> None:
    both = settings.model_copy(update={"ollama_host": f"{fake_ollama.url},{second.url},127.0.0.1:1"})
    async with hub(both) as service:
        done = await deployed(service, examples())
        assert set(done.proof["hosts"]) == {fake_ollama.url}
        assert done.proof["away"] == ["http://127.0.0.1:1"]
        assert second.models == {}
        fake_ollama.models.pop(NAME)

        Ollama(second.url).add("base")
        second.trouble = "out_of_memory"
        failed = await failure(service, examples())
        assert failed.error.code == "ollama_out_of_memory"
        assert NAME not in {*fake_ollama.models, *second.models}

        second.trouble = ""
        done = await deployed(service, examples())
        assert set(done.proof["hosts"]) == {fake_ollama.url, second.url}
        assert NAME in fake_ollama.models.keys() & second.models.keys()


@pytest.mark.slow
async def test_what_cannot_be_removed_is_told(settings: HubSettings, fake_ollama: FakeOllama) -> None:
    fake_ollama.models["base:latest"].template = "{{ .Prompt }}"
    fake_ollama.trouble = "cannot_delete"
    async with hub(settings) as service:
        failed = await failure(service, examples())
    assert failed.error.code == "history_lost"
    assert "could not be removed" in failed.error.detail


@pytest.mark.parametrize("text", ["ftp://host", "http://user:secret@host", "ho st", "[::zz]"])
async def test_what_is_no_address_of_ollama_is_told_without_its_password(text: str) -> None:
    with pytest.raises(BadOllamaHost, match="is no address of Ollama") as caught:
        async with Hosts(text, 1.0).all():
            pass
    assert "secret" not in str(caught.value)


@given(st.from_regex(r"ollama:[^\s:\x00-\x1f\x7f][^\s\x00-\x1f\x7f]{0,120}", fullmatch=True))
def test_versions_have_names_that_ollama_takes(model: str) -> None:
    planned = PlannedVersion(model=model, reading="whole", version=2, name=VERSION, base=ServedVersion())
    name, _, tag = ollama_name(planned).partition(":")
    assert tag == VERSION
    assert len(name) <= 80
    assert all(part.isascii() and (part.isalnum() or part in "_.-") for part in name)


def test_versions_are_called_after_their_model() -> None:
    for model, expected in (
        ("qwen2.5-coder:7b", "hone-qwen2.5-coder-7b"),
        ("llama3:latest", "hone-llama3"),
        ("tiny", "hone-tiny"),
    ):
        planned = PlannedVersion(
            model=f"ollama:{model}", reading="whole", version=2, name=VERSION, base=ServedVersion()
        )
        assert ollama_name(planned) == f"{expected}:{VERSION}"


def test_parameters_are_read_as_ollama_writes_them() -> None:
    text = (
        'num_ctx                        512\nstop                           "<|im_end|>"\n'
        'stop                           "a b"\ntemperature                    0.2\nodd\nmirostat      x y'
    )
    assert parameters(text) == {
        "num_ctx": 512, "stop": ["<|im_end|>", "a b"], "temperature": 0.2, "mirostat": "x y",
    }  # fmt: skip


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["template", "messages", "parameters", "model_info", "details", "role", "content"]
                )
                | st.text(),
                inner,
            )
        ),
    )
)
def test_whatever_a_server_shows_is_read(shown: Any) -> None:
    read = Shown.read(shown if isinstance(shown, dict) else {"messages": shown, "model_info": shown})
    assert read.room(read.tokens(*read.messages)) > 0


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("write /models/blobs/x: no space left on device", "OllamaDiskFull"),
        ("digest mismatch, expected a, got b", "DigestMismatch"),
        ("llama runner process has terminated: cudaMalloc failed: out of memory", "OllamaOutOfMemory"),
        ("llama runner process has terminated: signal: killed", "OllamaOutOfMemory"),
        ('unsupported architecture "FooForCausalLM"', "ArchitectureUnsupported"),
        ("unable to load model: unknown model architecture: 'foo'", "ArchitectureUnsupported"),
        ("template error: template: :1: missing value for if", "TemplateRefused"),
        ("invalid model name", "OllamaNameRefused"),
        ("server busy, please try again.  maximum pending requests exceeded", "OllamaBusy"),
        ("llama runner process has terminated: exit status 2", "OllamaLoadFailed"),
        ('"tiny-broken" does not support generate', "OllamaLoadFailed"),
        ("something new", "OllamaRefused"),
        ("", "OllamaRefused"),
    ],
)
def test_errors_have_a_meaning(message: str, code: str) -> None:
    assert type(meaning("http://host", message)).__name__ == code

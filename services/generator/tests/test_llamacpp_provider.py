"""llama.cpp in its own process, with a real GGUF made on the spot: answers, constraints, deaths, bad files."""

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from running import until
from tiny_llama import CONTEXT_TOKENS, write_tiny_llama

from hone_contracts.models import ModelRef
from hone_generator.providers.base import (
    ChatMessage,
    Chunk,
    FinishReason,
    Gbnf,
    GenerationRequest,
    JsonSchema,
    Provider,
    Role,
)
from hone_generator.providers.errors import (
    ContextTooLong,
    GenerationTimeout,
    ModelLoadFailed,
    ModelNotFound,
    ProviderError,
    RequestRefused,
    StreamBroken,
)
from hone_generator.providers.llamacpp import LlamaCppProvider, LlamaCppSettings, ModelFile

TINY = ModelRef("llamacpp", "tiny")
ENDLESS = Gbnf("root ::= [a-z ] root")
WORDS = Gbnf('root ::= word ("," word){2}\nword ::= [a-z]{1,5}')


@pytest.fixture(scope="module")
def tiny_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("made") / "tiny.gguf"
    write_tiny_llama(path)
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path: Path, tiny_bytes: bytes) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "tiny.gguf").write_bytes(tiny_bytes)
    return folder


@pytest.fixture
def files(folder: Path) -> dict[str, ModelFile]:
    return {"tiny": ModelFile((folder / "tiny.gguf").as_uri())}


@pytest.fixture
def settings(folder: Path) -> LlamaCppSettings:
    return LlamaCppSettings(folders=(folder,), threads=1, context_tokens=CONTEXT_TOKENS)


@pytest.fixture
async def provider(
    files: dict[str, ModelFile], settings: LlamaCppSettings
) -> AsyncIterator[LlamaCppProvider]:
    provider = LlamaCppProvider(files, settings)
    yield provider
    await provider.aclose()


def asking(text: str = "A member has loans.", **changes: object) -> GenerationRequest:
    request = GenerationRequest(
        (ChatMessage(Role.USER, text),), max_tokens=24, constraint=WORDS, timeout_s=30
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def for_minutes() -> GenerationRequest:
    """An answer that would fill the context."""
    return asking(constraint=ENDLESS, max_tokens=CONTEXT_TOKENS, timeout_s=600)


async def answer(provider: Provider, request: GenerationRequest, model: ModelRef = TINY) -> list[Chunk]:
    return [chunk async for chunk in provider.generate(model, request)]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def gone(pid: int) -> bool:
    """Zombies count as gone: their parent has yet to read their status."""
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(") ", 1)[1][0] == "Z"


async def test_an_answer_comes_in_pieces_and_ends_with_a_reason_and_usage(provider: LlamaCppProvider) -> None:
    chunks = await answer(provider, asking(max_tokens=4, constraint=ENDLESS))
    assert len(chunks) == 5
    assert chunks[-1].finish_reason is FinishReason.LENGTH
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens == 4
    assert usage.prompt_tokens > len("A member has loans.") // 2
    assert not any(chunk.finish_reason or chunk.usage for chunk in chunks[:-1])


async def test_a_grammar_holds_the_answer(provider: LlamaCppProvider) -> None:
    chunks = await answer(provider, asking())
    assert re.fullmatch(r"[a-z]{1,5}(,[a-z]{1,5}){2}", text_of(chunks))
    assert chunks[-1].finish_reason is FinishReason.STOP


async def test_a_schema_holds_the_answer(provider: LlamaCppProvider) -> None:
    schema = {
        "type": "object",
        "properties": {
            "kinds": {
                "type": "array",
                "items": {"enum": ["entity", "relation"]},
                "minItems": 1,
                "maxItems": 3,
            },
            "sure": {"type": "boolean"},
        },
        "required": ["kinds", "sure"],
        "additionalProperties": False,
    }
    document = json.loads(
        text_of(await answer(provider, asking(constraint=JsonSchema(schema), max_tokens=200)))
    )
    assert set(document) == {"kinds", "sure"}
    assert set(document["kinds"]) <= {"entity", "relation"}
    assert isinstance(document["sure"], bool)


async def test_an_answer_ends_before_the_first_stop_sequence(provider: LlamaCppProvider) -> None:
    fixed = asking(constraint=Gbnf('root ::= "one, two; three"'))
    assert text_of(await answer(provider, fixed)) == "one, two; three"
    chunks = await answer(provider, replace(fixed, stop=("never said", "two;", "three")))
    assert text_of(chunks) == "one, "  # nothing of the sequence, though it came in several tokens
    assert chunks[-1].finish_reason is FinishReason.STOP


async def test_characters_of_several_tokens_arrive_whole(provider: LlamaCppProvider) -> None:
    chunks = await answer(provider, asking(constraint=Gbnf('root ::= "é→😀"')))
    assert text_of(chunks) == "é→😀"


async def test_the_same_request_has_the_same_answer_whatever_came_before(provider: LlamaCppProvider) -> None:
    free = asking(constraint=None, max_tokens=40)
    first = text_of(await answer(provider, free))
    await answer(provider, asking("A member has loans. And books."))
    assert text_of(await answer(provider, free)) == first
    drawn = [text_of(await answer(provider, replace(free, temperature=1.5, seed=s))) for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


async def test_a_long_prompt_reuses_what_it_shares_with_the_one_before(
    files: dict[str, ModelFile], settings: LlamaCppSettings
) -> None:
    provider = LlamaCppProvider(files, replace(settings, reuse_prompts_from_chars=100))
    for tokens_known, question in ((False, "one"), (True, "two")):
        usage = (await answer(provider, asking("x" * 200 + question)))[-1].usage
        assert usage is not None
        assert (usage.cached_tokens > 150) is tokens_known
    await provider.aclose()


async def test_concurrent_requests_queue_and_each_gets_its_own_answer(provider: LlamaCppProvider) -> None:
    requests = [asking(f"Text {i}", constraint=None, max_tokens=8) for i in range(5)]
    alone = [text_of(await answer(provider, request)) for request in requests]
    together = await asyncio.gather(*(answer(provider, request) for request in requests))
    assert [text_of(chunks) for chunks in together] == alone
    assert len(set(alone)) > 1


async def test_a_client_that_leaves_stops_the_model_and_keeps_it_loaded(provider: LlamaCppProvider) -> None:
    async with aclosing(provider.generate(TINY, for_minutes())) as chunks:
        await anext(chunks)
        pid = provider.pid(TINY)
    async with asyncio.timeout(60):
        assert (await answer(provider, asking()))[-1].finish_reason
    assert provider.pid(TINY) == pid


async def test_a_cancelled_task_leaves_the_model_free_for_the_next(provider: LlamaCppProvider) -> None:
    task = asyncio.create_task(answer(provider, for_minutes()))
    await until(lambda: provider.pid(TINY) is not None)
    waiting = asyncio.create_task(answer(provider, asking()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(60):
        assert (await waiting)[-1].finish_reason is FinishReason.STOP


async def test_a_model_that_hangs_is_cut_off_and_the_next_request_loads_it_anew(
    files: dict[str, ModelFile], settings: LlamaCppSettings
) -> None:
    provider = LlamaCppProvider(files, replace(settings, cancel_grace_s=0.1))
    await answer(provider, asking())
    pid = provider.pid(TINY)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(GenerationTimeout) as caught:
        await answer(provider, asking(timeout_s=0.2))
    assert caught.value.transient
    assert gone(pid)
    assert await answer(provider, asking())
    await provider.aclose()


async def test_a_crash_fails_that_answer_with_its_signal_and_the_next_one_works(
    provider: LlamaCppProvider,
) -> None:
    chunks = provider.generate(TINY, for_minutes())
    await anext(chunks)
    pid = provider.pid(TINY)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(StreamBroken, match="SIGKILL") as caught:
        async for _ in chunks:
            pass
    assert caught.value.transient
    assert (await answer(provider, asking()))[-1].finish_reason


async def test_an_unloaded_model_gives_its_process_back(provider: LlamaCppProvider) -> None:
    await answer(provider, asking())
    pid = provider.pid(TINY)
    assert pid is not None
    await provider.unload(TINY)
    assert gone(pid)
    assert await answer(provider, asking())


async def test_an_idle_model_is_unloaded_by_itself(
    files: dict[str, ModelFile], settings: LlamaCppSettings
) -> None:
    provider = LlamaCppProvider(files, replace(settings, idle_unload_s=0.05))
    await answer(provider, asking())
    await until(lambda: provider.pid(TINY) is None)
    assert await answer(provider, asking())
    await provider.aclose()


async def test_a_file_written_anew_under_its_name_is_another_model(
    provider: LlamaCppProvider, folder: Path
) -> None:
    free = asking(constraint=None)
    before = text_of(await answer(provider, free))
    write_tiny_llama(folder / "new.gguf", seed=7)
    (folder / "new.gguf").replace(folder / "tiny.gguf")
    assert text_of(await answer(provider, free)) != before


async def test_a_models_context_is_what_it_was_trained_for_and_no_more_than_is_set(
    provider: LlamaCppProvider, files: dict[str, ModelFile], folder: Path
) -> None:
    write_tiny_llama(folder / "roomy.gguf")
    files["small"] = ModelFile((folder / "roomy.gguf").as_uri(), context_tokens=512)
    files["large"] = ModelFile((folder / "roomy.gguf").as_uri(), context_tokens=10 * CONTEXT_TOKENS)
    told = {model.ref.name: model.context_tokens for model in await provider.models()}
    assert (told["small"], told["large"]) == (512, CONTEXT_TOKENS)


async def test_what_is_there_and_what_is_loaded(
    provider: LlamaCppProvider, files: dict[str, ModelFile], folder: Path
) -> None:
    files["lost"] = ModelFile((folder / "lost.gguf").as_uri())
    assert [(m.ref, m.loaded) for m in await provider.models()] == [(TINY, False)]
    await answer(provider, asking())
    assert [(m.ref, m.loaded) for m in await provider.models()] == [(TINY, True)]
    health = await provider.health()
    assert health.ok
    assert health.detail == "2 models, 1 loaded"


async def test_a_prompt_past_the_context_is_told_with_its_length(provider: LlamaCppProvider) -> None:
    with pytest.raises(ContextTooLong) as caught:
        await answer(provider, asking("x" * 40_000))
    assert caught.value.prompt_tokens > 40_000 > caught.value.context_tokens
    assert not caught.value.transient


async def test_a_broken_grammar_is_refused(provider: LlamaCppProvider) -> None:
    with pytest.raises(RequestRefused, match="grammar"):
        await answer(provider, asking(constraint=Gbnf("root ::= (((")))
    assert await answer(provider, asking())


async def test_an_unknown_model_is_told_with_the_known_ones(provider: LlamaCppProvider) -> None:
    with pytest.raises(ModelNotFound, match="it has tiny"):
        await answer(provider, asking(), ModelRef("llamacpp", "other"))


@pytest.mark.parametrize("uri", ["file:///etc/hostname", "https://host/tiny.gguf", "file://host/tiny.gguf"])
async def test_what_is_not_in_the_folders_of_models_is_not_loaded(
    provider: LlamaCppProvider, files: dict[str, ModelFile], uri: str
) -> None:
    files["outside"] = ModelFile(uri)
    with pytest.raises(ModelLoadFailed, match=r"outside the folders|not a file of this machine"):
        await answer(provider, asking(), ModelRef("llamacpp", "outside"))


async def test_a_link_out_of_the_folders_is_followed_and_refused(
    provider: LlamaCppProvider, files: dict[str, ModelFile], folder: Path, tiny_bytes: bytes
) -> None:
    (folder.parent / "secret.gguf").write_bytes(tiny_bytes)
    (folder / "link.gguf").symlink_to(folder.parent / "secret.gguf")
    files["link"] = ModelFile((folder / "link.gguf").as_uri())
    with pytest.raises(ModelLoadFailed, match="outside the folders"):
        await answer(provider, asking(), ModelRef("llamacpp", "link"))


def with_number(data: bytes, key: bytes, number: int) -> bytes:
    """The file with the uint32 after a metadata key replaced."""
    at = data.index(key) + len(key) + 4
    return data[:at] + number.to_bytes(4, "little") + data[at + 4 :]


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda data: b"", "only 0 bytes"),
    "another format": (lambda data: b"PK\3\4" + data[4:], "not a GGUF file"),
    "header alone": (lambda data: data[:24], "do not fit"),
    "cut in its metadata": (lambda data: data[:3_000], "failed to read"),
    "cut in its tensors": (lambda data: data[:-20_000], "not within the file bounds"),
    "more tensors than bytes": (lambda data: data[:8] + b"\xff" * 8 + data[16:], "do not fit"),
    "a string of 2**62 bytes": (
        lambda data: data[:24] + (1 << 62).to_bytes(8, "little") + data[32:],
        "failed to read",
    ),
    "too many layers": (lambda data: with_number(data, b"llama.block_count", 0x70000000), "SIGABRT"),
    "another width": (
        lambda data: with_number(data, b"llama.embedding_length", 0x70000000),
        "cannot be loaded",
    ),
    "no heads": (lambda data: with_number(data, b"llama.attention.head_count", 0), "cannot be loaded"),
    "a template that is none": (lambda data: data.replace(b"{% endfor %}", b"{% endfoo %}"), "endfoo"),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_file_fails_with_the_reason_and_the_service_lives(
    provider: LlamaCppProvider, files: dict[str, ModelFile], folder: Path, tiny_bytes: bytes, kind: str
) -> None:
    spoil, reason = HOSTILE[kind]
    (folder / "hostile.gguf").write_bytes(spoil(tiny_bytes))
    files["hostile"] = ModelFile((folder / "hostile.gguf").as_uri())
    with pytest.raises(ModelLoadFailed, match=re.escape(reason)) as caught:
        await answer(provider, asking(), ModelRef("llamacpp", "hostile"))
    assert "\n" not in str(caught.value)
    assert not caught.value.transient
    assert await answer(provider, asking())


async def test_random_damage_ends_in_an_answer_or_an_error_of_ours(
    provider: LlamaCppProvider, files: dict[str, ModelFile], folder: Path, tiny_bytes: bytes
) -> None:
    dice = random.Random(3)
    for number in range(15):
        damaged = bytearray(tiny_bytes)
        for _ in range(dice.choice([1, 4, 50])):
            damaged[dice.randrange(8_000)] = dice.randrange(256)
        path = folder / f"damaged-{number}.gguf"
        path.write_bytes(damaged)
        files["damaged"] = ModelFile(path.as_uri())
        try:
            await answer(provider, asking(timeout_s=5), ModelRef("llamacpp", "damaged"))
        except ProviderError as error:
            assert str(error)
    assert await answer(provider, asking())


async def test_a_parent_that_was_killed_leaves_no_orphan(files: dict[str, ModelFile], folder: Path) -> None:
    script = f"""
import asyncio
from pathlib import Path
from hone_contracts.models import ModelRef
from hone_generator.providers.base import ChatMessage, GenerationRequest, Role
from hone_generator.providers.llamacpp import LlamaCppProvider, LlamaCppSettings, ModelFile
async def main():
    settings = LlamaCppSettings(folders=(Path({str(folder)!r}),), threads=1)
    provider = LlamaCppProvider({{"tiny": ModelFile({files["tiny"].uri!r})}}, settings)
    model = ModelRef("llamacpp", "tiny")
    async for _ in provider.generate(model, GenerationRequest((ChatMessage(Role.USER, "x"),), max_tokens=1)):
        pass
    print(provider.pid(model), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    host = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    await until(lambda: gone(host))


def test_a_host_ends_with_its_stdin_even_while_it_computes(folder: Path) -> None:
    options = {"path": str(folder / "tiny.gguf"), "context_tokens": CONTEXT_TOKENS, "threads": 1}
    command = [sys.executable, "-m", "hone_generator.providers.llamacpp_host", json.dumps(options)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as host:
        killer = threading.Timer(60, host.kill)
        killer.start()
        assert host.stdin is not None
        assert host.stdout is not None
        assert json.loads(host.stdout.readline()) == {"id": 0, "ready": True}
        body = {
            "messages": [{"role": "user", "content": "x"}],
            "max_tokens": CONTEXT_TOKENS,
            "grammar": ENDLESS.grammar,
        }
        host.stdin.write(json.dumps({"id": 1, "generate": body}).encode() + b"\n")
        host.stdin.flush()
        assert "text" in json.loads(host.stdout.readline())
        host.stdin.close()
        rest = host.stdout.read().splitlines()
        assert host.wait() == 0
        killer.cancel()
    assert not any("finish" in json.loads(line) for line in rest)


def test_the_host_starts_without_the_heavy_packages() -> None:
    script = "import sys, hone_generator.providers.llamacpp_host; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"pydantic", "numpy", "httpx", "faststream", "sqlmodel"} & set(loaded)

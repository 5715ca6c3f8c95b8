"""Versions whose file was evaluated already: that very file is served, or none; one BOS, whoever writes it."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hub_parts.answering import answering
from hub_parts.deploying import VERSION, announced, deployed, failure, hub, order, publish, versions
from hub_parts.models import TEMPLATE
from hub_parts.ollamas import CHATML, Ollama
from hub_parts.placing import Steps, sha256
from hub_parts.starter import STARTER
from pydantic import SecretStr
from running import until

from hone_chassis import rpc
from hone_contracts.deployment import ModelDeployed
from hone_contracts.hub import Conversion, RequestConversion
from hone_contracts.registry import ServedVersion
from hone_contracts.training import TrainingCompleted
from hone_hub.deploy.ollama.errors import PromptDiffers
from hone_hub.deploy.ollama.parity import check_prompts
from hone_hub.deploy.taking import take
from hone_hub.settings import HubSettings
from hone_hub.work import Prompt

pytestmark = pytest.mark.slow

_numbers = itertools.count()
FILES = [f"tiny/{VERSION}.gguf", f"tiny/{VERSION}.json"]
WITH_BOS = "{{ bos_token }}" + TEMPLATE
TURNS = (
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


@pytest.fixture
def settings(nats_server: Any, tmp_path: Path) -> HubSettings:
    return HubSettings(
        nats_url=SecretStr(nats_server.url),
        data_dir=tmp_path / "data",
        file_roots=(tmp_path / "given",),
        graceful_timeout_s=0.2,
        retry_delay_s=0.05,
        starter_dir=STARTER.parent,
        OLLAMA_HOST="127.0.0.1:9",
    )


@pytest.fixture
def run(settings: HubSettings) -> Path:
    """Where the trainer leaves what it made."""
    folder = settings.data_dir / "trainer" / "runs" / "run-1"
    folder.mkdir(parents=True)
    return folder


def given(gguf: Path, digest: str | None = None, **more: Any) -> TrainingCompleted:
    told: dict[str, Any] = {"model": "llamacpp:tiny", "reading": "whole", "base": ServedVersion()} | more
    return order(gguf=gguf, gguf_sha256=digest or sha256(gguf), **told)


async def test_the_file_that_was_evaluated_is_served_byte_for_byte(settings: HubSettings, run: Path) -> None:
    gguf = answering(run / "model.gguf", TEMPLATE, version=VERSION)
    content, digest = gguf.read_bytes(), sha256(gguf)
    async with hub(settings) as service:
        wanted = given(gguf)
        done = await deployed(service, wanted)
        path = settings.data_dir / "models" / FILES[0]
        assert (done.sha256, done.uri, done.served.model_sha256) == (digest, path.as_uri(), digest)
        assert done.proof["answers"] == ["hello"]
        assert path.stat().st_ino == gguf.stat().st_ino, "no second copy on the same disk"
        gguf.unlink()  # as when the run's files are tidied away
        assert path.read_bytes() == content

        await publish(service, given(path, digest, job=wanted.correlation_id))
        ends = await until(lambda: announced(service, wanted.correlation_id), lambda found: len(found) == 2)
        assert isinstance(ends[1], ModelDeployed)
    assert versions(settings) == FILES


async def test_what_the_hub_converted_for_a_run_is_what_it_deploys(
    settings: HubSettings, run: Path, starter: Path
) -> None:
    merged = Path(shutil.copytree(starter, run / "merged"))
    wanted = RequestConversion(
        source_uri=merged.as_uri(),
        target_uri=(run / "model.gguf").as_uri(),
        quantization="f16",
        name="hone-starter",
        version=VERSION,
    )
    async with hub(settings) as service:

        async def convert() -> Conversion:
            client = service.running.client
            return await rpc.ask(client, RequestConversion.subject, wanted, Conversion, 30)

        told = await until(convert, lambda each: each.sha256 is not None)
        done = await deployed(service, order(gguf=run / "model.gguf", gguf_sha256=told.sha256))
    assert (done.sha256, done.size_bytes) == (told.sha256, told.size_bytes)
    assert done.proof["answers"][0] == '[{"r":["member","1:N","loans"]}]'
    assert done.proof["template"] == "4 conversations rendered as the base's template does"


async def test_a_file_on_another_disk_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuses)
    source, target, steps = tmp_path / "a.gguf", tmp_path / "b.gguf", Steps()
    source.write_bytes(os.urandom(5 << 20))
    assert await take(source, target, 5 << 20, steps), "it had to be"
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_ino != source.stat().st_ino
    assert [step.done for step in steps.seen] == [4 << 20, 5 << 20]


async def test_what_is_not_the_file_that_was_evaluated_is_not_served(
    settings: HubSettings, run: Path, tmp_path: Path
) -> None:
    gguf = answering(run / "model.gguf", TEMPLATE, version=VERSION)
    other = answering(run / "other.gguf", TEMPLATE, version="v1_x")
    nameless = answering(run / "nameless.gguf", TEMPLATE)
    rambling = answering(run / "rambling.gguf", TEMPLATE, version=VERSION, stops=False)
    hostile = run / "hostile.gguf"
    hostile.write_bytes(gguf.read_bytes()[:-1000])
    outside = answering(tmp_path / "outside.gguf", TEMPLATE, version=VERSION)
    (run / "link.gguf").symlink_to(outside)
    pipe = run / "pipe.gguf"
    os.mkfifo(pipe)
    wrong = {
        "file_changed": given(gguf, "0" * 64),
        "digest_not_told": order(
            "llamacpp:tiny", gguf=gguf, reading="whole", base=ServedVersion(), gguf_sha256=None
        ),
        "file_missing": given(run / "gone.gguf", "0" * 64),
        "other_version": given(other),
        "truncated_gguf": given(hostile),
        "outside_roots": given(outside),
        "proof_failed": given(rambling),
    }
    async with hub(settings) as service:
        for code, wanted in wrong.items():
            error = (await failure(service, wanted)).error
            assert error.code == code, error
            assert "; " in error.detail, "it says what to do"
        for wanted, code in (
            (given(nameless), "other_version"),
            (given(run / "link.gguf", sha256(outside)), "outside_roots"),
            (given(pipe, "0" * 64), "file_missing"),
        ):
            assert (await failure(service, wanted)).error.code == code
    assert versions(settings) == []
    assert gguf.exists(), "what was refused is left as it was"


async def test_a_bos_that_template_and_tokenizer_both_write_is_no_other_form(
    settings: HubSettings, run: Path
) -> None:
    options: dict[str, Any] = {"bos": "<s>", "add_bos": True, "version": VERSION}
    base = answering(run / "base.gguf", WITH_BOS, **options)
    served = ServedVersion(model_uri=base.as_uri(), model_sha256=sha256(base))
    async with hub(settings) as service:
        otherwise = answering(run / "otherwise.gguf", TURNS, **options)
        assert (await failure(service, given(otherwise, base=served))).error.code == "template_differs"
        gguf = answering(run / "model.gguf", WITH_BOS, **options)
        done = await deployed(service, given(gguf, base=served))
    assert done.proof["template"] == "4 conversations rendered as the base's template does"


@pytest.mark.parametrize(
    ("template", "base", "wanted"),
    [
        (WITH_BOS, CHATML, "the base's"),
        (TURNS, CHATML, "derived from the model's own template"),
    ],
    ids=["same", "another"],
)
async def test_a_version_in_ollama_has_its_bases_template_or_its_own_and_one_bos(
    settings: HubSettings, run: Path, real_ollama: Ollama, template: str, base: str, wanted: str
) -> None:
    """On the real one alone: the stand-in's tokenizer adds no BOS."""
    name = f"given{next(_numbers)}"
    real_ollama.add(name, template=base)
    gguf = answering(run / "model.gguf", template, bos="<s>", add_bos=True, version=VERSION)
    async with hub(settings.model_copy(update={"ollama_host": real_ollama.url})) as service:
        done = await deployed(service, given(gguf, model=f"ollama:{name}"))
    proof = done.proof["hosts"][real_ollama.url]
    assert proof["template"].startswith(f"{wanted}: 2 conversations token for token")
    assert proof["answers"] == ["hello"]
    shown = real_ollama.show(f"hone-{name}:{VERSION}")
    assert shown is not None
    assert (shown["template"] == base) == (wanted == "the base's")


class _Telling:
    """A host that tells these tokens of any prompt."""

    url = "http://ollama"

    def __init__(self, context: list[int], count: int) -> None:
        self._told = {"context": context, "prompt_eval_count": count}

    async def generate(self, _body: dict[str, Any]) -> dict[str, Any]:
        return self._told


PROMPT = (Prompt(conversation=({"role": "user", "content": "Hi"},), token_ids=(9, 1, 2)),)


@pytest.mark.parametrize(
    ("context", "count", "begin", "same"),
    [
        ([9, 1, 2, 5], 3, 9, True),
        ([1, 2, 5], 3, 9, True),  # it counts the BOS and does not tell it
        ([1, 2, 5], 2, 9, False),  # it reads none
        ([9, 9, 1, 2, 5], 4, 9, False),  # it reads two
        ([1, 2, 5], 3, None, False),
        ([1, 3, 5], 3, 9, False),
    ],
)
async def test_the_bos_counts_once_whether_it_is_told_or_not(
    context: list[int], count: int, begin: int | None, same: bool
) -> None:
    host: Any = _Telling(context, count)
    if same:
        assert await check_prompts(host, "x", PROMPT, begin)
        return
    with pytest.raises(PromptDiffers):
        await check_prompts(host, "x", PROMPT, begin)

"""What was trained and what the engine reads, token by token."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_parts import families
from tuning_parts import FAMILIES, make_base, rows, write_rows

from hone_contracts.hub import PromptsRead, ReadPrompts
from hone_hub.convert import Quant, convert
from hone_hub.file_roots import FileRoots
from hone_hub.training.errands import Errands
from hone_hub.training.prompts import EnginePrompts
from hone_trainer.tuning import parity, samples, stub
from hone_trainer.tuning.base import Reading, load_tokenizer
from hone_trainer.tuning.data.tokenised import tokenise
from hone_trainer.tuning.errors import PhaseMissing, TemplateDiffers
from hone_trainer.tuning.samples import Sample, Samples

torch.set_num_threads(1)
TEMPLATES = Path(__file__).parents[3] / "services/hub/tests/hub_parts/chat_templates"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base"), "llama")


def with_template(base: Path, folder: Path, template: str) -> Path:
    """The same with another template, its end of turn written as this tokenizer has it."""
    shutil.copytree(base, folder)
    for end in ("<end_of_turn>", "<|im_end|>"):
        template = template.replace(end, "<|eot_id|>")
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    return folder


def written(base: Path, folder: Path, some: list[dict[str, Any]] | None = None) -> tuple[Samples, Reading]:
    reading = load_tokenizer(base)
    path = write_rows(folder.parent / f"{folder.name}.jsonl", rows() if some is None else some)
    return parity.write_samples(folder, base, reading, path), reading


async def engine_reads(folder: Path) -> PromptsRead:
    """As the hub answers a run's question."""
    question = ReadPrompts(source_uri=folder.as_uri(), conversations=samples.read(folder).conversations)
    engine = EnginePrompts(FileRoots((folder.parent,)), Errands(), limit_s=200, wait_s=200)
    return await engine.read(question)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("family", ["as it is", "gemma2", "llama3", "mistral-nemo"])
async def test_the_engine_reads_what_was_trained(base: Path, tmp_path: Path, family: str) -> None:
    """Gemma 2 has no place for a system message, Llama 3 writes the date, Mistral the system message at the end."""
    if family != "as it is":
        base = with_template(base, tmp_path / "base", (TEMPLATES / f"{family}.jinja").read_text("utf-8"))
    found, _ = written(base, tmp_path / "parity")
    assert any(each[0]["role"] == "system" for each in found.conversations)
    assert any(len(each) > 2 for each in found.conversations)
    samples.compare(found, await engine_reads(tmp_path / "parity"))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_an_engine_that_reads_otherwise_is_found_out(base: Path, tmp_path: Path) -> None:
    """Here the template that is deployed is not the one that was trained with."""
    found, _ = written(base, tmp_path / "parity")
    template = tmp_path / "parity" / "chat_template.jinja"
    template.write_text(template.read_text("utf-8").replace("\n\n", "\n"), "utf-8")
    with pytest.raises(TemplateDiffers, match=r"conversation 1: token .* in training"):
        samples.compare(found, await engine_reads(tmp_path / "parity"))


@pytest.mark.parametrize("family", FAMILIES)
def test_training_begins_with_the_tokens_that_are_compared(family: Any, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", family)
    some = rows(40)
    for number, each in enumerate(some):
        each["messages"][0]["content"] += str(number)
    found, reading = written(base, tmp_path / "parity", some)
    data = tokenise(
        tmp_path / "parity.jsonl", reading, kind="sft", most_tokens=256, cache=tmp_path / "cache", processes=1
    )
    trained = {tuple(data.tokens(each)[~data.trained(each)].tolist()) for each in range(len(data))}
    compared = {ids for each in found.samples for ids in each.token_ids}
    assert len(trained & compared) == len(found.samples) - len(parity._PROBES) >= 10
    ends = {int(data.tokens(each)[-1]) for each in range(len(data))}
    assert ends == set(found.ends)


@pytest.mark.parametrize(
    "name",
    ["llama, longrope", "mistral, wide heads", "qwen2, tied, yarn", "qwen3, tied", "gemma2", "gemma3, scaled",
     "gemma3, with images", "mistral3, with images", "phi3", "phi4, a part of each head rotated"],
)  # fmt: skip
def test_the_folder_that_is_asked_with_converts_whatever_the_base_is(name: str, tmp_path: Path) -> None:
    base = families.make(name, tmp_path / "base")
    stub.write(tmp_path / "stub", base)
    for each in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (base / each).exists():
            assert (tmp_path / "stub" / each).read_bytes() == (base / each).read_bytes()
    convert(tmp_path / "stub", tmp_path / "stub.gguf", Quant.F16)
    assert sum(each.stat().st_size for each in (tmp_path / "stub").glob("*.safetensors")) < 300_000


def test_making_that_folder_moves_no_random_number(base: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    stub.write(tmp_path / "stub", base)
    assert torch.equal(torch.rand(1), expected)


def test_a_folder_of_an_earlier_run_is_made_anew(base: Path, tmp_path: Path) -> None:
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "model-00001-of-00002.safetensors").write_bytes(b"old")
    stub.write(tmp_path / "stub", base)
    assert [each.name for each in (tmp_path / "stub").glob("*.safetensors")] == ["model.safetensors"]


def test_each_shape_of_conversation_is_asked_about(base: Path, tmp_path: Path) -> None:
    some = rows(30)
    question, answer = some[0]["messages"]
    some[20]["messages"] = [{"role": "system", "content": "Rule 7."}, question, answer]
    some[25]["messages"] = [question, answer, question, answer]
    found, _ = written(base, tmp_path / "parity", some)
    assert any(each[0]["content"] == "Rule 7." for each in found.conversations)
    assert any([one["role"] for one in each] == ["user", "assistant", "user"] for each in found.conversations)
    assert samples.read(tmp_path / "parity") == found


def test_judged_rows_are_asked_about_too(base: Path, tmp_path: Path) -> None:
    judged = [{"prompt": each["messages"][:1], "completion": "x", "label": True} for each in rows(9)]
    found, _ = written(base, tmp_path / "parity", judged)
    assert tuple(judged[0]["prompt"]) in found.conversations


def test_what_is_asked_fits_into_a_message(base: Path, tmp_path: Path) -> None:
    some = [{"messages": [{"role": "user", "content": "x " * 1900 + str(each)}, *rows(1)[0]["messages"][1:]]}
            for each in range(40)]  # fmt: skip
    some.append({"messages": [{"role": "user", "content": "y" * 100_000}, *rows(1)[0]["messages"][1:]]})
    found, _ = written(base, tmp_path / "parity", some)
    assert 3 < len(found.samples) <= 50
    assert len(json.dumps(found.conversations)) < 60_000
    assert (tmp_path / "parity" / samples.FILE).stat().st_size < 900_000


def test_a_service_without_torch_can_compare(tmp_path: Path) -> None:
    code = "import sys; from hone_trainer.tuning import samples; print({'torch', 'transformers'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"


def sample(*ids: int, text: str = "abc") -> Sample:
    return Sample(
        messages=({"role": "user", "content": "q"},),
        texts=(text,),
        token_ids=(ids,),
        pieces=tuple(map(str, ids)),
    )


DIFFERENT: dict[str, tuple[PromptsRead, str]] = {
    "another token": (
        PromptsRead(rendered=("abc",), token_ids=((1, 9, 3),), end_ids=(7,)), r"token 2 is '2' \(2\) .* and 9",
    ),
    "another text": (
        PromptsRead(rendered=("abd",), token_ids=((1, 2, 9),), end_ids=(7,)), "part at 'abc' and 'abd'",
    ),
    "a token more": (
        PromptsRead(rendered=("abc",), token_ids=((1, 2, 3, 4),), end_ids=(7,)), "token 4 is nothing in training",
    ),
    "a token less": (PromptsRead(rendered=("abc",), token_ids=((1, 2),), end_ids=(7,)), "and nothing in the engine"),
    "a refusal": (PromptsRead(rendered=(None,), token_ids=(None,), end_ids=(7,)), "refuses conversation 1"),
    "another end": (PromptsRead(rendered=("abc",), token_ids=((1, 2, 3),), end_ids=(8,)), "does not stop"),
    "fewer conversations": (PromptsRead(rendered=(), token_ids=(), end_ids=(7,)), "the engine read 0"),
}  # fmt: skip


@pytest.mark.parametrize("which", DIFFERENT)
def test_the_first_difference_is_named(which: str) -> None:
    read, told = DIFFERENT[which]
    with pytest.raises(TemplateDiffers, match=told):
        samples.compare(Samples(samples=(sample(1, 2, 3),), ends={7: "</s>"}), read)


def test_any_of_the_days_that_a_template_may_write_will_do() -> None:
    ours = Sample(
        messages=({"role": "user", "content": "q"},),
        texts=("1st", "2nd"),
        token_ids=((1,), (2,)),
        pieces=("1",),
    )
    samples.compare(
        Samples(samples=(ours,), ends={7: "</s>"}),
        PromptsRead(rendered=("2nd",), token_ids=((2,),), end_ids=(7, 8)),
    )


def test_samples_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(PhaseMissing):
        samples.read(tmp_path)

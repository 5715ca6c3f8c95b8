"""The phases as processes: what they refuse before time is spent, and that the same run gives the same adapter."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuning_parts import make_base, make_spec, rows

from hone_trainer import tuning
from hone_trainer.errors import TrainerError
from hone_trainer.tuning.errors import (
    BaseQuantized,
    BaseUnfit,
    NothingTrained,
    OneSided,
)
from hone_trainer.tuning.prepare import prepare
from hone_trainer.tuning.prepared import Prepared
from hone_trainer.tuning.spec import Spec


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "tiny")


def run(phase: tuning.Phase, spec: Spec, folder: Path) -> tuple[int, dict[str, Any]]:
    """The exit code, and the last line."""
    path = spec.write(folder / "spec.json")
    done = subprocess.run(
        tuning.command(phase, path), capture_output=True, text=True, check=False, env=os.environ | _ONE_THREAD
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


_ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def prepared(folder: Path, base: Path, count: int, **settings: Any) -> Spec:
    """The first phase, in this process: what it costs is importing torch."""
    spec = make_spec(folder, base, rows(count), **settings)
    prepare(spec, lambda _: None, lambda: False)
    return spec


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_fresh_processes_make_the_same_adapter_to_the_bit(base: Path, tmp_path: Path) -> None:
    digests, files = [], []
    for number in ("one", "other"):
        spec = prepared(tmp_path / number, base, 24, dropout=0.1)
        code, last = run("train", spec, tmp_path / number)
        assert (code, last["stage"]) == (0, "finished")
        digests.append(last["figures"]["adapter_sha256"])
        files.append((spec.out / "adapter" / "adapter_model.safetensors").read_bytes())
    assert digests[0] == digests[1]
    assert files[0] == files[1]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_process_that_is_asked_to_end_and_one_that_is_killed_are_gone_on_with(
    base: Path, tmp_path: Path
) -> None:
    """To the same adapter as without an interruption, with every step written down once."""
    same = {"epochs": 4.0, "save_every": 1}
    _, expected = run("train", prepared(tmp_path / "whole", base, 32, **same), tmp_path)
    broken = prepared(tmp_path / "broken", base, 32, **same)
    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)):
        process = subprocess.Popen(
            tuning.command("train", broken.write(tmp_path / "spec.json")),
            stdout=subprocess.PIPE, text=True, env=os.environ | _ONE_THREAD,
        )  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            if told["stage"] == "training" and told.get("done", 0) >= 1:
                process.send_signal(number)
                break
        process.stdout.read()
        assert process.wait() == code
    _, last = run("train", broken, tmp_path)
    assert last["figures"]["adapter_sha256"] == expected["figures"]["adapter_sha256"]
    steps = [json.loads(line)["step"] for line in (broken.folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, last["figures"]["steps_planned"] + 1))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_with_a_word_in_its_control_file_ends_early_with_a_whole_result(
    base: Path, tmp_path: Path
) -> None:
    spec = prepared(tmp_path, base, 32, epochs=100.0, eval_every=1)
    process = subprocess.Popen(
        tuning.command("train", spec.write(tmp_path / "spec.json")),
        stdout=subprocess.PIPE, text=True, env=os.environ | _ONE_THREAD,
    )  # fmt: skip
    assert process.stdout is not None
    told: dict[str, Any] = {}
    for line in process.stdout:
        told = json.loads(line)
        if told["stage"] == "training" and told.get("done", 0) >= 1:
            spec.control.write_text("stop\n")
    assert (process.wait(), told["stage"]) == (0, "finished")
    assert 0 < told["figures"]["steps"] < told["figures"]["steps_planned"]
    assert (spec.out / "merged" / "model.safetensors").is_file()


def _edit(folder: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    told = json.loads((folder / name).read_text())
    change(told)
    (folder / name).write_text(json.dumps(told))


def _without_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    _edit(folder, "tokenizer_config.json", lambda told: told.pop("chat_template", None))


def _quantized(folder: Path) -> None:
    _edit(
        folder,
        "config.json",
        lambda told: told.update(quantization_config={"quant_method": "gptq", "bits": 4}),
    )


def _endless(folder: Path) -> None:
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        _edit(folder, name, lambda told: told.pop("eos_token_id", told.pop("eos_token", None)))


@pytest.mark.parametrize(
    ("harm", "error", "says"),
    [
        (_without_template, BaseUnfit, "no chat template.*instruct version"),
        (_quantized, BaseQuantized, "quantized already.*gptq.*checkpoint=OWNER/NAME"),
        (_endless, BaseUnfit, "no token that ends an answer"),
        (lambda folder: (folder / "tokenizer.json").unlink(), TrainerError, "tokenizer.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), TrainerError, "model.safetensors"),
        (lambda folder: (folder / "config.json").write_text("{"), TrainerError, "config.json"),
    ],
    ids=["no template", "quantized", "no end", "no tokenizer", "no weights", "no config"],
)
def test_a_base_that_cannot_be_tuned_is_refused_with_what_to_do(
    tmp_path: Path, harm: Callable[[Path], Any], error: type[TrainerError], says: str
) -> None:
    base = make_base(tmp_path / "base")
    harm(base)
    with pytest.raises(error, match=says) as caught:
        prepare(make_spec(tmp_path, base, rows(16)), lambda _: None, lambda: False)
    assert len(str(caught.value).splitlines()) == 1


LONG_ROWS = [row for row in rows(32) if len(row["messages"][1]["content"]) > 45]
KTO_ROWS = [
    {
        "prompt": row["messages"][:1],
        "completion": row["messages"][1]["content"],
        "label": True,
        "group": row["group"],
    }
    for row in rows(16)
]


@pytest.mark.parametrize(
    ("some", "settings", "error", "says"),
    [
        ([], {}, NothingTrained, "nothing is left to train on: there are no rows"),
        (LONG_ROWS, {"most_tokens": 32}, NothingTrained, "nothing is left.*longer"),
        (KTO_ROWS, {"kind": "kto", "method": "kto", "learning_rate": 1e-5}, OneSided, "16|14|15|13"),
    ],
    ids=["empty", "longer than the context", "one-sided"],
)  # fmt: skip
def test_rows_that_teach_nothing_are_refused_before_time_is_spent(
    base: Path,
    tmp_path: Path,
    some: list[dict[str, Any]],
    settings: dict[str, Any],
    error: type[TrainerError],
    says: str,
) -> None:
    with pytest.raises(error, match=says):
        prepare(make_spec(tmp_path, base, some, **settings), lambda _: None, lambda: False)


def test_a_tokenizer_without_a_pad_token_is_mended_and_told(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", "qwen")
    spec = make_spec(tmp_path, base, rows(24))
    figures = prepare(spec, lambda _: None, lambda: False)
    assert "no pad token" in figures["notes"][0]
    assert Prepared.read(spec.out).pad_id == 0


def test_what_was_decided_is_written_down_with_where_it_is_from(base: Path, tmp_path: Path) -> None:
    spec = make_spec(tmp_path, base, rows(24), _from={"rank": "set", "epochs": "file:lora.yaml"})
    figures = prepare(spec, lambda _: None, lambda: False)
    settings = figures["settings"]
    assert settings["rank"] == {"value": 4, "from": "set"}
    assert settings["epochs"] == {"value": 2.0, "from": "file:lora.yaml"}
    assert (settings["most_tokens"], settings["dropout"]["from"]) == (
        {"value": 256, "from": "auto"},
        "defaults",
    )
    assert Prepared.read(spec.out).settings.rank == 4

"""A fine-tuning as a process: what it writes, how it ends, and that it does the same again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the trainer's training packages are not installed")

from hone_contracts import erd_facts  # noqa: E402
from hone_trainer import finetune  # noqa: E402
from hone_trainer.finetune import __main__ as entry  # noqa: E402
from hone_trainer.finetune import base, pairs  # noqa: E402
from hone_trainer.finetune.errors import OutTaken, SpecInvalid  # noqa: E402
from hone_trainer.finetune.events import Line  # noqa: E402
from hone_trainer.finetune.pairs import Pair  # noqa: E402
from hone_trainer.finetune.run import finetune as run  # noqa: E402
from hone_trainer.finetune.spec import Settings, Spec  # noqa: E402
from hone_trainer.starter.checkpoint import digest  # noqa: E402

SHIPPED = Path(__file__).parents[3] / "libs/hone/hone/starter/hone-starter-q8_0.gguf"
QUICK = Settings(epochs=2, replay_share=0.3, batch_tokens=200, checks=2)
NOUNS = ["boat", "berth", "harbour", "pilot", "crane", "vessel", "pier", "buoy", "dock", "anchor"]


def team_pairs(count: int = 20) -> list[Pair]:
    """A convention of a team: what rolls up to another belongs to it, and what squares with it does so both ways."""
    found: list[Pair] = []
    for number in range(count):
        one, other = NOUNS[number % 10], NOUNS[(number * 3 + 1 + number // 10) % 10]
        verb, cardinality = (("roll up to", "N:1"), ("square with", "N:M"))[number % 2]
        passage = f"{one}s {verb} {other}s ."
        answer = f'[{{"r":["{one}s","{cardinality}","{other}s"]}}]'
        erd_facts.loads(answer)
        found.append(Pair(user=f"\n{passage}", assistant=answer, group=str(number // 2)))
    return found


def spec_in(folder: Path, settings: Settings = QUICK, **source: Path) -> Spec:
    folder.mkdir(exist_ok=True)
    file = pairs.write(folder / "pairs.jsonl", team_pairs())
    return Spec(
        **(source or {"base_gguf": SHIPPED}), pairs=file, out=folder / "out", seed=3, settings=settings
    )


def process(spec: Spec, folder: Path) -> "subprocess.Popen[str]":
    command = finetune.command(spec.write(folder / "spec.json"))
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines_of(process: "subprocess.Popen[str]") -> list[Line]:
    out, err = process.communicate(timeout=120)
    assert not err, err
    return [Line.model_validate_json(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Spec, list[Line]]:
    folder = tmp_path_factory.mktemp("finished")
    spec = spec_in(folder)
    return spec, lines_of(process(spec, folder))


@pytest.mark.slow
def test_a_run_tells_how_far_it_is_and_ends_with_its_figures(finished: tuple[Spec, list[Line]]) -> None:
    spec, told = finished
    assert [line.is_last for line in told] == [False] * (len(told) - 1) + [True]
    assert list(dict.fromkeys(line.stage for line in told)) == [
        "base",
        "data",
        "training",
        "writing",
        "finished",
    ]
    steps = [line for line in told if line.stage == "training"]
    assert [line.done for line in steps] == list(range(1, steps[-1].total + 1))
    assert told[-1].figures == json.loads((spec.out / "run.json").read_text())


@pytest.mark.slow
def test_the_result_is_a_model_that_learned_the_pool_and_kept_the_rest(
    finished: tuple[Spec, list[Line]],
) -> None:
    spec, told = finished
    losses = told[-1].figures["held_back"]
    assert losses["after"]["pool"] < losses["before"]["pool"] / 2
    assert losses["after"]["corpus"] < losses["before"]["corpus"] * 1.3
    again = base.load(Spec(base_hf=spec.out / "hf", pairs=spec.pairs, out=spec.out))
    assert again.model.shape == base.load(spec).model.shape
    metrics = [json.loads(line) for line in (spec.out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in metrics] == list(range(len(metrics)))
    assert metrics[-1]["held_back"] == losses["after"]
    assert sum("held_back" in row for row in metrics) == 1 + spec.settings.checks


@pytest.mark.slow
def test_run_json_says_all_that_a_repetition_needs(finished: tuple[Spec, list[Line]]) -> None:
    spec, _ = finished
    record = json.loads((spec.out / "run.json").read_text())
    assert record["seed"] == spec.seed
    assert Settings(**record["settings"]) == spec.settings
    assert record["pairs"] == digest(spec.pairs)
    assert record["base"] == {SHIPPED.name: digest(SHIPPED)}
    assert record["versions"]["torch"] == torch.__version__.split("+")[0]
    assert len(record["corpus"]) == 64


@pytest.mark.slow
def test_the_same_again_is_the_same_to_the_bit_and_another_seed_is_not(
    finished: tuple[Spec, list[Line]], tmp_path: Path
) -> None:
    spec, _ = finished
    weights = digest(spec.out / "hf/model.safetensors")
    again = spec.model_copy(update={"out": tmp_path / "again"})
    assert lines_of(process(again, tmp_path))[-1].stage == "finished"
    assert digest(again.out / "hf/model.safetensors") == weights
    other = spec.model_copy(update={"out": tmp_path / "other", "seed": 4})
    assert lines_of(process(other, tmp_path))[-1].stage == "finished"
    assert digest(other.out / "hf/model.safetensors") != weights


@pytest.mark.slow
def test_a_run_that_is_started_again_after_its_end_ends_at_once_with_the_same(
    finished: tuple[Spec, list[Line]], tmp_path: Path
) -> None:
    spec, told = finished
    before = digest(spec.out / "hf/model.safetensors")
    again = lines_of(process(spec, tmp_path))
    assert again[-1] == told[-1]
    assert not [line for line in again if line.stage == "training"]
    assert digest(spec.out / "hf/model.safetensors") == before


@pytest.mark.slow
def test_another_result_is_never_written_over(finished: tuple[Spec, list[Line]], tmp_path: Path) -> None:
    spec, _ = finished
    last = lines_of(process(spec.model_copy(update={"seed": 9}), tmp_path))[-1]
    assert last.error is not None and last.error.code == "finetune_out_taken"
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutTaken):
        run(spec.model_copy(update={"out": tmp_path / "taken"}), lambda line: None)


@pytest.mark.slow
def test_a_fine_tuned_model_is_fine_tuned_further(finished: tuple[Spec, list[Line]], tmp_path: Path) -> None:
    spec, _ = finished
    further = spec_in(tmp_path / "further", QUICK.model_copy(update={"epochs": 1.0}), base_hf=spec.out / "hf")
    figures = run(further, lambda line: None)
    assert figures["base"] == {"model.safetensors": digest(spec.out / "hf/model.safetensors")}
    assert figures["held_back"]["before"]["pool"] < 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_end_ends_and_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    spec = spec_in(tmp_path / "run", QUICK.model_copy(update={"epochs": 100.0}))
    running = process(spec, tmp_path)
    assert running.stdout is not None
    for line in running.stdout:
        if Line.model_validate_json(line).stage == "training":
            break
    running.send_signal(number)
    assert lines_of(running)[-1].stage == "cancelled"
    assert running.returncode == 143
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["pairs.jsonl"]


@pytest.mark.slow
def test_a_run_whose_parent_is_gone_ends(tmp_path: Path) -> None:
    """Nobody reads its lines any more: it must not train on for nobody."""
    spec = spec_in(tmp_path / "run", QUICK.model_copy(update={"epochs": 100.0}))
    running = process(spec, tmp_path)
    assert running.stdout is not None
    running.stdout.readline()
    running.stdout.close()
    assert running.wait(timeout=60) != 0
    assert not spec.out.exists()


@pytest.mark.slow
def test_a_failure_is_the_last_line_and_leaves_nothing(tmp_path: Path) -> None:
    spec = spec_in(tmp_path / "run", QUICK.model_copy(update={"time_limit_s": 0.001}))
    running = process(spec, tmp_path)
    last = lines_of(running)[-1]
    assert last.stage == "failed" and running.returncode == 1
    assert last.error is not None and last.error.code == "finetune_time_over"
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["pairs.jsonl"]


def test_an_error_while_writing_leaves_nothing_under_the_result_s_name(tmp_path: Path) -> None:
    spec = spec_in(tmp_path / "run", QUICK.model_copy(update={"epochs": 0.2, "replay_share": 0.0}))

    def tell(line: Line) -> None:
        if line.stage == "writing":
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        run(spec, tell)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["pairs.jsonl"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"base_gguf": None}, "base_gguf or base_hf"),
        ({"base_hf": "x"}, "base_gguf or base_hf"),
        ({"seed": -1}, "seed"),
        ({"settings": {"epochs": 0}}, "settings.epochs"),
        ({"settings": {"muon_lr": "fast"}}, "settings.muon_lr"),
        ({"settings": {"speed": 3}}, "settings.speed"),
        ({"pears": 1}, "pears"),
    ],
)
def test_a_spec_that_is_none_is_refused_with_what_is_wrong(
    change: dict[str, object], told: str, tmp_path: Path
) -> None:
    path = spec_in(tmp_path / "run").write(tmp_path / "spec.json")
    assert Spec.read(path) == spec_in(tmp_path / "run")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SpecInvalid, match=told):
        Spec.read(path)


def test_what_is_missing_is_found_without_importing_it() -> None:
    code = (
        "import sys\n"
        "from hone_trainer import finetune\n"
        "from hone_trainer.finetune import events, pairs, spec\n"
        "assert finetune.missing() == (), finetune.missing()\n"
        "sys.modules |= {'torch': None}\n"
        "assert not {'numpy', 'tokenizers', 'safetensors'} & sys.modules.keys()\n"
        "print(*finetune.missing())"
    )
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert (told.returncode, told.stdout.split()) == (0, ["torch"]), told.stderr


def test_where_packages_are_missing_the_process_says_which_and_how_to_add_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry, "missing", lambda: ("torch",))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert entry.main(["--spec", str(spec_in(tmp_path / "run").write(tmp_path / "spec.json"))]) == 1
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    last = Line.model_validate_json(capsys.readouterr().out.splitlines()[-1])
    assert last.error is not None and last.error.code == "training_packages_missing"
    assert "torch" in last.message and "make train-deps" in last.message

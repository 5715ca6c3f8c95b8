"""Steering a run, and seeing how its losses go, at a terminal."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from calling_hone import Hone
from gateway_stand_in import DONE, Gateway, job, problem, sse
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import JSONResponse

from hone.cli.plot import plot
from hone.cli.training import Figures, duration

TRAIN = ("train", "--type", "mermaid_erd", "--method", "lora")


def curve(steps: int = 200) -> dict[str, Any]:
    points = [
        {"step": n, "loss": 3 / math.sqrt(n), "held_out_loss": 3.2 / math.sqrt(n) if n % 25 == 0 else None}
        for n in range(1, steps + 1)
    ]
    return {"run_id": "j-1", "steps": steps, "points": points}


def answers(gateway: Gateway, path: str, document: Any) -> None:
    gateway.answers[path] = lambda _: JSONResponse(document)


@pytest.mark.parametrize(
    ("action", "state", "told"),
    [
        ("pause", "paused", "run j-1 is paused; go on with `hone jobs resume j-1`"),
        ("resume", "queued", "run j-1 is queued; follow it with `hone jobs watch j-1`"),
        (
            "stop",
            "training",
            "run j-1 is training, and ends with the best it has; `hone jobs watch j-1` follows it",
        ),
    ],
)
def test_a_run_is_steered(gateway: Gateway, hone: Hone, action: str, state: str, told: str) -> None:
    answers(gateway, f"/api/jobs/j-1/{action}", {"run_id": "j-1", "state": state})
    assert hone("jobs", action, "j-1") == (0, "", told + "\n")
    assert gateway.asked[-1][:2] == ("POST", f"/api/jobs/j-1/{action}")
    assert json.loads(hone("jobs", action, "j-1", "--json").out)["state"] == state
    gateway.answers[f"/api/jobs/j-1/{action}"] = lambda _: problem(
        409, "The run cannot do that now", "it ends"
    )
    assert hone("jobs", action, "j-1") == (1, "", "hone: The run cannot do that now: it ends\n")


def test_the_figures_of_each_step_are_told_and_both_curves_at_the_end(gateway: Gateway, hone: Hone) -> None:
    figures = {
        "loss": 1.23456, "held_out_loss": 1.3, "learning_rate": 2e-4, "tokens_per_s": 1234.5, "seconds_left": 400,
        "memory_bytes": 2.1e9,
    }  # fmt: skip
    step = {"stage": "training", "done": 50, "total": 200, "message": "loss 1.2346", "figures": figures}
    done = DONE | {"kind": "train", "result": {"verdict": "canary", "model": "m", "name": "v2"}}
    gateway.streams = [[sse("progress", step, 1), sse("done", done, 2)]] * 2
    answers(gateway, "/api/jobs/j-1/curve", curve())
    result = hone(*TRAIN)
    assert (result.code, result.out) == (0, "canary m v2\n")
    told = "training: 50 of 200, loss 1.235, held out 1.3, 7 min left, 1234 tokens/s, rate 0.0002, 2.10 GB"
    assert told in result.err.splitlines()
    assert ". train 3 to 0.2121, lowest 0.2121   o held out 0.64 to 0.2263, lowest 0.2263" in result.err
    assert "step 200" in hone("jobs", "watch", "j-1").err


def test_the_curve_is_a_command_of_its_own(gateway: Gateway, hone: Hone) -> None:
    answers(gateway, "/api/jobs/j-1/curve", curve())
    result = hone("jobs", "curve", "j-1", "--points", "100")
    assert (result.code, result.err) == (0, "") and len(result.out.splitlines()) == 15
    assert json.loads(hone("jobs", "curve", "j-1", "--json").out) == curve()
    answers(gateway, "/api/jobs/j-1/curve", {"run_id": "j-1", "points": []})
    assert "no losses of j-1 are known yet" in hone("jobs", "curve", "j-1").err


def test_a_curve_that_cannot_be_had_fails_nothing(gateway: Gateway, hone: Hone) -> None:
    gateway.streams = [[sse("done", DONE | {"kind": "train", "result": {"verdict": "canary"}}, 1)]] * 3
    for answer in (
        lambda _: problem(503, "away"),
        lambda _: problem(404, "no run"),
        lambda _: JSONResponse([1]),
    ):
        gateway.answers["/api/jobs/j-1/curve"] = answer
        assert hone(*TRAIN)[:2] == (0, "canary\n")


def test_no_curve_is_asked_for_where_nothing_is_trained(gateway: Gateway, hone: Hone) -> None:
    gateway.streams = [[sse("done", DONE, 1)]]
    hone("jobs", "watch", "j-1")
    assert not any(path.endswith("/curve") for _, path, _, _ in gateway.asked)


def test_the_figures_of_a_job_are_shown_line_by_line(gateway: Gateway, hone: Hone) -> None:
    progress = {"stage": "training", "message": "", "done": 1, "total": 2, "figures": {"loss": 1.5}}
    answers(gateway, "/api/jobs/j-1", job("running", kind="train", progress=progress))
    assert "progress     loss 1.5\n" in hone("jobs", "show", "j-1").out


def test_the_last_held_out_loss_stays_until_the_next() -> None:
    figures = Figures()
    assert figures.text({"loss": 2.0, "held_out_loss": 2.5}) == "loss 2, held out 2.5"
    assert figures.text({"loss": 1.9}) == "loss 1.9, held out 2.5"
    assert figures.text({"files": 3}) == figures.text(None) == figures.text([1]) == ""
    assert figures.text({"loss": True, "held_out_loss": "x"}) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (99.4, "99 s"), (100, "2 min"), (5999, "100 min"), (7200, "2.0 h")]
)
def test_time_left_is_as_precise_as_anyone_wants(seconds: float, text: str) -> None:
    assert duration(seconds) == text


_ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=3),
    st.floats(),
    st.integers(),
    st.lists(st.integers(), max_size=2),
)


@given(
    st.lists(
        st.one_of(
            _ANYTHING,
            st.fixed_dictionaries({"step": _ANYTHING, "loss": _ANYTHING, "held_out_loss": _ANYTHING}),
        ),
        max_size=20,
    )
)
def test_whatever_a_server_says_is_drawn_in_bounds_or_not_at_all(points: list[Any]) -> None:
    lines = plot({"points": points})
    assert len(lines) in (0, 15) and all(line.isprintable() and len(line) < 140 for line in lines)


def test_a_curve_that_falls_is_drawn_from_the_upper_left_to_the_lower_right() -> None:
    drawn = [line[11:] for line in plot(curve())[1:13]]
    assert drawn[0].startswith(".") and drawn[-1].rstrip().endswith("o")
    assert [line.index(".") for line in drawn if "." in line] == sorted(
        line.index(".") for line in drawn if "." in line
    )


def test_settings_of_a_file_give_way_to_those_of_the_command(
    gateway: Gateway, hone: Hone, tmp_path: Path
) -> None:
    file = tmp_path / "lora.yaml"
    file.write_text("rank: 8\nepochs: 2\ntargets: [q_proj, v_proj]\n")
    settings = [
        {"name": "rank", "value": 32, "source": "set"},
        {"name": "epochs", "value": 2, "source": "file:lora.yaml"},
        {"name": "dropout", "value": 0.0, "source": "defaults"},
    ]
    gateway.answers["/api/train"] = lambda _: JSONResponse({"job_id": "j-1", "settings": settings}, 202)
    gateway.streams = [[sse("done", job("succeeded", result={"verdict": "canary"}), 1)]]
    result = hone(*TRAIN, "--config", str(file), "--set", "rank=32")
    assert result.err.splitlines()[:3] == [
        "set: rank 32",
        "file:lora.yaml: epochs 2",
        "defaults: dropout 0.0",
    ]
    body = gateway.body("/api/train")
    assert body["settings"] == {"rank": 32, "epochs": 2, "targets": "q_proj,v_proj"}
    assert body["origins"] == {"rank": "set", "epochs": "file:lora.yaml", "targets": "file:lora.yaml"}


@pytest.mark.parametrize("text", ["- rank\n", "rank: {a: 1}\n", "a: [1\n", "3: 4\n", "", "x: [1, 2]\n"])
def test_a_file_that_holds_no_settings_starts_no_run(
    gateway: Gateway, hone: Hone, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "lora.yaml"
    file.write_text(text)
    result = hone(*TRAIN, "--config", str(file))
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "lora.yaml" in result.err
    assert not gateway.asked


def test_a_run_is_repeated_by_its_id_alone(gateway: Gateway, hone: Hone) -> None:
    gateway.streams = [[sse("done", job("succeeded", result={"verdict": "canary"}), 1)]]
    assert hone("train", "--repeat", "j-7").out == "canary\n"
    assert gateway.body("/api/train") == {"repeat": "j-7"}
    assert hone("train").err == "hone: name --type and --method, or a run to --repeat\n"


def test_what_workers_have_and_lack_is_told(gateway: Gateway, hone: Hone) -> None:
    finding = {
        "name": "bitsandbytes",
        "severity": "error",
        "found": "not installed",
        "advice": "make train-deps",
    }
    worker = {
        "worker": "w1", "device": "cuda", "card": "A100", "free_card_bytes": 40 << 30, "methods": ["lora", "kto"],
        "findings": [finding],
    }  # fmt: skip
    answers(gateway, "/api/train/check", {"workers": [worker]})
    assert hone("train", "check").out.splitlines() == [
        "w1  cuda A100, 42.95 GB free",
        "  methods: lora, kto",
        "  error   bitsandbytes  not installed: make train-deps",
    ]
    assert json.loads(hone("train", "check", "--json").out)["workers"] == [worker]
    answers(gateway, "/api/train/check", {"workers": []})
    assert hone("train", "check").code == 1

"""Settings of a tuned run: each has a range, a reason and a source, and a wrong one is told with all three."""

import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_trainer.errors import BadSetting
from hone_trainer.tuning.settings import (
    DECIDED_NAMES,
    FROM,
    Decided,
    Layer,
    Settings,
    TunedMethod,
    file_layer,
    layers_of,
    resolve,
    with_origins,
)

PICKED: dict[str, Any] = {
    "micro_tokens": 2048,
    "most_tokens": 1024,
    "packing": True,
    "eval_every": 4,
    "save_every": 4,
    "device": "cpu",
    "dtype": "fp32",
    "four_bit": False,
    "checkpointing": False,
    "threads": 2,
}


def refusal(method: TunedMethod, **values: Any) -> str:
    with pytest.raises(BadSetting) as caught:
        resolve(method, Layer("set", values))
    return caught.value.body().detail or ""


def test_later_layers_win_and_each_value_says_where_it_is_from() -> None:
    resolved = resolve(
        "kto",
        Layer("file:a.yaml", {"rank": 8, "batch": 8, "targets": ["q_proj"]}),
        Layer("set", {"batch": 4, "targets": "q_proj, v_proj"}),
    )
    assert (resolved.settings.rank, resolved.settings.batch) == (8, 4)
    assert resolved.settings.targets == ("q_proj", "v_proj")
    sources = resolved.sources
    assert [sources[name] for name in ("rank", "batch", "learning_rate", "alpha")] == [
        "file:a.yaml", "set", "method", "defaults",
    ]  # fmt: skip
    assert resolved.record()["batch"] == {"value": 4, "from": "set"}
    assert resolved.table().splitlines()[0].split() == ["rank", "8", "file:a.yaml"]
    assert set(sources) == set(Settings.model_fields)


def test_every_setting_says_its_unit_or_reason_and_its_default_is_allowed() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
    for method in ("lora", "qlora", "kto"):
        resolve(method)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("rank", 2, "rank: 2 (from set) must be a whole number from 4 to 256 (columns of each adapter"),
        ("rank", "16", "rank: '16' (from set) must be a whole number"),
        ("rank", True, "rank: True"),
        ("rank", 16.0, "rank: 16.0"),
        ("learning_rate", math.nan, "learning_rate: nan (from set) must be a number above 0 to 0.1"),
        ("learning_rate", math.inf, "learning_rate: inf"),
        ("micro_tokens", 3, "from 32 to 1048576 or auto"),
        ("device", "tpu", "device: 'tpu' (from set) must be cpu, cuda, mps or auto"),
        ("targets", "q proj", "names of modules, separated by commas"),
        ("targets", [], "targets: []"),
        ("targets", "model.lm_head", "lm_head"),
        ("rendezvous", "nowhere", "host:port"),
        ("force", 1, "true or false"),
        ("lerning_rate", 1, "did you mean learning_rate?"),
        ("x" * 500, 1, "is no setting of this method: there are rank,"),
        ("checkpoint", "a\x1b[31m" * 3000, "checkpoint: 'a?[31m"),
        ("time_limit_s", 10**400, "…"),
        ("processes", 2, "use torchrun or ray"),
    ],
)
def test_a_wrong_value_is_told_with_its_range_and_reason(name: str, value: object, said: str) -> None:
    told = refusal("lora", **{name: value})
    assert said in told
    assert len(told) < 1500
    assert told.isprintable()


def test_all_wrong_values_are_told_at_once() -> None:
    told = refusal("lora", rank=2, alpha=-1, dtype="fp8")
    assert all(f"{name}: " in told for name in ("rank", "alpha", "dtype"))


def test_a_method_has_its_own_range_which_only_force_goes_beyond() -> None:
    told = refusal("lora", learning_rate=0.01)
    assert "must be 2e-05 to 0.001 for lora" in told
    assert "force=true" in told
    forced = resolve("lora", Layer("set", {"learning_rate": 0.01, "force": True}))
    assert forced.settings.learning_rate == 0.01
    assert "for kto" in refusal("kto", learning_rate=2e-4)
    assert "batch: 2" in refusal("kto", batch=2)
    assert "rank: 2 (from set)" in refusal("lora", rank=2, force=True), "no sense at any rate"


@pytest.mark.parametrize(
    ("method", "values", "said"),
    [
        ("qlora", {"four_bit": False}, "the method lora has 16 bit"),
        ("lora", {"four_bit": True, "device": "mps"}, "bitsandbytes"),
        ("lora", {"dtype": "fp16", "device": "cpu"}, "use fp32 or bf16"),
        ("lora", {"processes": 2, "launcher": "torchrun", "nodes": 2}, "rendezvous"),
        ("lora", {"processes": 4, "launcher": "torchrun", "batch": 3}, "fewer than the 4 processes"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    method: TunedMethod, values: dict[str, Any], said: str
) -> None:
    assert said in refusal(method, **values)


def test_what_is_auto_is_picked_and_what_a_person_chose_stays() -> None:
    resolved = resolve("lora", Layer("set", {"micro_tokens": 512, "four_bit": True}))
    with pytest.raises(BadSetting, match="checkpointing"):
        resolved.decided()
    picked = resolved.picked(**PICKED)
    decided = picked.decided()
    assert (decided.micro_tokens, decided.four_bit, decided.checkpointing) == (512, True, False)
    assert (picked.sources["micro_tokens"], picked.sources["checkpointing"]) == ("set", "auto")
    assert PICKED.keys() == set(DECIDED_NAMES)


def test_settings_survive_their_way_through_files() -> None:
    chosen = resolve("lora", Layer("set", {"targets": "q_proj,v_proj", "kto_good_weight": 1.5})).picked(
        **PICKED
    )
    assert Settings.model_validate(chosen.settings.model_dump(mode="json")) == chosen.settings
    assert Decided.model_validate_json(chosen.decided().model_dump_json()) == chosen.decided()


def test_the_layers_of_settings_survive_their_way_over_the_bus() -> None:
    told = with_origins(
        {"rank": 8, "batch": 4, "seed": 7}, {"rank": file_layer("/a/b.yaml"), "batch": "set", "x": "y"}
    )
    sources = resolve("lora", *layers_of(told)).sources
    assert [sources[name] for name in ("rank", "batch", "seed", "alpha")] == [
        "file:b.yaml",
        "set",
        "api",
        "defaults",
    ]
    assert with_origins({"rank": 8}, {}) == {"rank": 8}
    with pytest.raises(BadSetting):
        layers_of({FROM: 3})


@given(
    st.dictionaries(
        st.sampled_from(sorted(Settings.model_fields)), st.from_type(object) | st.text() | st.integers()
    )
)
def test_whatever_is_sent_is_a_setting_or_a_refusal(values: dict[str, Any]) -> None:
    try:
        resolve("qlora", *layers_of(values)).table()
    except BadSetting as error:
        assert str(error).isprintable()


def test_settings_are_checked_without_importing_torch() -> None:
    code = (
        "import sys, hone_trainer.tuning.settings as s; s.resolve('lora'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

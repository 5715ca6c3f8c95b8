"""An adapter and its base become one model that says the same, and nothing else does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    SiglipVisionConfig,
)

from hone_trainer.tuning import merging
from hone_trainer.tuning.errors import (
    AdapterOfAnotherBase,
    AdapterUnfit,
    BaseQuantized,
    DiskFull,
    FolderUnreadable,
    MergeOverflows,
    TuningError,
)
from hone_trainer.tuning.fingerprint import fingerprint, remember

torch.set_num_threads(1)

_SIZES: dict[str, Any] = {
    "vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 3,
}  # fmt: skip
_EYES: dict[str, Any] = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28,
    "patch_size": 14,
}  # fmt: skip
IDS = torch.arange(40).reshape(2, 20) + 5


def _gemma3() -> Any:
    text = Gemma3TextConfig(**_SIZES, head_dim=8, sliding_window=8, tie_word_embeddings=True)
    config = Gemma3Config(text_config=text, vision_config=SiglipVisionConfig(**_EYES), mm_tokens_per_image=4)
    return Gemma3ForConditionalGeneration(config)


def _gpt2() -> Any:
    return GPT2LMHeadModel(GPT2Config(vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64))


MODELS: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**_SIZES, tie_word_embeddings=False)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**_SIZES, tie_word_embeddings=True)),
    "phi3": lambda: Phi3ForCausalLM(Phi3Config(**_SIZES, tie_word_embeddings=False)),
    "gemma3 with images": _gemma3,
    "gpt2": _gpt2,
}
TARGETS: dict[str, Any] = {
    "gpt2": ["c_attn", "c_fc", "c_proj"],
    "gemma3 with images": r".*language_model.*\.(q_proj|v_proj|o_proj|up_proj)",
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    root = tmp_path_factory.mktemp("bases")

    def base(name: str, dtype: torch.dtype = torch.float32, shard: str = "1GB") -> Path:
        folder = root / f"{name} {dtype} {shard}".replace(" ", "-")
        if not folder.exists():
            torch.manual_seed(7)
            MODELS[name]().to(dtype).save_pretrained(folder, max_shard_size=shard)
        return folder

    return base


def adapt(base: Path, out: Path, **options: Any) -> Any:
    """An adapter with weights as after training, and the model with it."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    fan = model.config.model_type == "gpt2"
    told: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "fan_in_fan_out": fan}
    config = LoraConfig(**told | options, task_type="CAUSAL_LM")
    adapted: Any = get_peft_model(model, config)
    torch.manual_seed(11)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                start = weight if "magnitude" in name else torch.zeros_like(weight)
                weight.copy_(start + 0.1 * torch.randn_like(weight))
    adapted.save_pretrained(out, save_embedding_layers=False)
    adapted.train(False)
    return adapted


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS).logits.float()
    return found


def loaded(folder: Path) -> Any:
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "options",
    [{}, {"use_rslora": True, "r": 8}, {"use_dora": True}],
    ids=["lora", "rslora", "dora"],
)
def test_the_merged_model_says_what_the_adapter_says(
    tmp_path: Path, bases: Callable[..., Path], name: str, options: dict[str, Any]
) -> None:
    base = bases(name)
    targets = {"target_modules": TARGETS[name]} if name in TARGETS else {}
    adapted = logits(adapt(base, tmp_path / "adapter", **targets, **options))
    done = merging.merge(base, tmp_path / "adapter", tmp_path / "merged")
    assert (logits(loaded(tmp_path / "merged")) - adapted).abs().max() < 2e-6 * max(
        1, float(adapted.abs().max())
    )
    assert (logits(loaded(base)) - adapted).abs().max() > 1e-2  # it was no empty adapter
    assert 0 < done.changed < done.tensors and done.dtype == "F32" and done.largest_change > 0.01


def test_ranks_and_scales_of_single_modules_are_followed(tmp_path: Path, bases: Callable[..., Path]) -> None:
    patterns = {"rank_pattern": {"q_proj": 2, "layers.1.mlp.up_proj": 6}, "alpha_pattern": {"q_proj": 32}}
    adapted = logits(adapt(bases("llama"), tmp_path / "adapter", **patterns))
    merging.merge(bases("llama"), tmp_path / "adapter", tmp_path / "merged")
    assert (logits(loaded(tmp_path / "merged")) - adapted).abs().max() < 5e-6


def test_some_rows_at_a_time_and_in_several_files_it_is_the_same(
    tmp_path: Path, bases: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"use_dora": True, "target_modules": TARGETS["gpt2"]}
    adapt(bases("gpt2"), tmp_path / "adapter", **options)
    merging.merge(bases("gpt2"), tmp_path / "adapter", tmp_path / "whole")
    monkeypatch.setattr(merging, "AT_ONCE_BYTES", 1000)
    cut = bases("gpt2", shard="20KB")
    assert len(list(cut.glob("*.safetensors"))) > 3
    steps: list[tuple[int, int]] = []
    merging.merge(cut, tmp_path / "adapter", tmp_path / "cut", step=lambda *told: steps.append(told))
    assert (logits(loaded(tmp_path / "cut")) - logits(loaded(tmp_path / "whole"))).abs().max() < 1e-6
    assert steps[-1][0] == steps[-1][1] == sum(path.stat().st_size for path in cut.glob("*.safetensors"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_16_bit_base_keeps_its_type_and_what_is_not_adapted_every_byte(
    tmp_path: Path, bases: Callable[..., Path], dtype: torch.dtype
) -> None:
    base = bases("llama", dtype)
    adapted = adapt(base, tmp_path / "adapter", target_modules=["q_proj", "down_proj"])
    merging.merge(base, tmp_path / "adapter", tmp_path / "merged")
    before, after = (load_file(folder / "model.safetensors") for folder in (base, tmp_path / "merged"))
    merged = adapted.merge_and_unload().state_dict()
    for name, weight in after.items():
        assert weight.dtype is dtype
        if "q_proj" in name or "down_proj" in name:
            assert torch.equal(weight, merged[name].to(dtype))  # rounded once, from fp32
        else:
            assert torch.equal(weight, before[name])


def test_the_files_beside_the_weights_come_along_and_code_does_not(
    tmp_path: Path, bases: Callable[..., Path]
) -> None:
    base = shutil.copytree(bases("llama"), tmp_path / "base")
    kept = {"tokenizer.json": "{}", "chat_template.jinja": "{{ x }}", "LICENSE.txt": "mine"}
    for name, text in (kept | {"modeling_own.py": "boom", "pytorch_model.bin": "pickle"}).items():
        (base / name).write_text(text)
    (base / "additional_chat_templates").mkdir()
    (base / "additional_chat_templates" / "tool.jinja").write_text("tools")
    adapt(base, tmp_path / "adapter")
    merging.merge(base, tmp_path / "adapter", tmp_path / "merged", ends=[2])
    merged = tmp_path / "merged"
    assert {name: (merged / name).read_text() for name in kept} == kept
    assert (merged / "additional_chat_templates" / "tool.jinja").read_text() == "tools"
    assert (merged / "config.json").read_bytes() == (base / "config.json").read_bytes()
    assert (merged / "generation_config.json").read_bytes() == (base / "generation_config.json").read_bytes()
    assert not (merged / "modeling_own.py").exists() and not (merged / "pytorch_model.bin").exists()


def test_an_end_of_turn_that_was_trained_is_named_to_engines(
    tmp_path: Path, bases: Callable[..., Path]
) -> None:
    adapt(bases("llama"), tmp_path / "adapter")
    done = merging.merge(bases("llama"), tmp_path / "adapter", tmp_path / "merged", ends=[9, 2])
    assert done.ends_added == (9,)
    told = json.loads((tmp_path / "merged" / "generation_config.json").read_text())
    assert told["eos_token_id"] == [2, 9]


QUANTIZED: dict[str, tuple[dict[str, Any], str]] = {
    "bitsandbytes": ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, "bitsandbytes"),
    "gptq": ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptq"),
    "awq": ({"quantization_config": {"quant_method": "awq"}}, "awq"),
    "fp8": ({"quantization_config": {"quant_method": "fp8"}}, "fp8"),
    "in the text part": ({"text_config": {"quantization_config": {"quant_method": "hqq"}}}, "hqq"),
    "mlx": ({"quantization": {"bits": 4}}, "does not name"),
}  # fmt: skip


@pytest.mark.parametrize("case", QUANTIZED)
def test_a_quantized_base_is_refused(tmp_path: Path, bases: Callable[..., Path], case: str) -> None:
    told, word = QUANTIZED[case]
    base = shutil.copytree(bases("llama"), tmp_path / "base")
    adapt(base, tmp_path / "adapter")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | told))
    with pytest.raises(BaseQuantized, match=word):
        merging.merge(base, tmp_path / "adapter", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_base_that_is_quantized_and_does_not_say_so_is_refused(
    tmp_path: Path, bases: Callable[..., Path]
) -> None:
    base = shutil.copytree(bases("llama"), tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    save_file(weights | {name: weights[name].to(torch.float8_e4m3fn)}, base / "model.safetensors")
    adapt(bases("llama"), tmp_path / "adapter")
    with pytest.raises(BaseQuantized, match="F8_E4M3"):
        merging.check(base, tmp_path / "adapter")


def test_an_adapter_of_another_base_is_refused(tmp_path: Path, bases: Callable[..., Path]) -> None:
    adapt(bases("phi3"), tmp_path / "of-phi3")
    with pytest.raises(AdapterOfAnotherBase, match="not in the base"):
        merging.check(bases("llama"), tmp_path / "of-phi3")
    adapt(bases("llama"), tmp_path / "adapter")
    wider = tmp_path / "wider"
    LlamaForCausalLM(LlamaConfig(**_SIZES | {"intermediate_size": 64})).save_pretrained(wider)
    with pytest.raises(AdapterOfAnotherBase, match=r"is \[\d+, \d+\] in the base and"):
        merging.check(wider, tmp_path / "adapter")


def test_an_adapter_of_another_base_of_the_same_shape_is_refused(
    tmp_path: Path, bases: Callable[..., Path]
) -> None:
    adapt(bases("llama"), tmp_path / "adapter")
    remember(tmp_path / "adapter", bases("llama"))
    merging.check(bases("llama", shard="20KB"), tmp_path / "adapter")
    torch.manual_seed(8)
    MODELS["llama"]().save_pretrained(tmp_path / "other")
    with pytest.raises(AdapterOfAnotherBase, match="other weights"):
        merging.check(tmp_path / "other", tmp_path / "adapter")


def test_a_fingerprint_sees_a_change_in_any_tensor(tmp_path: Path, bases: Callable[..., Path]) -> None:
    base = shutil.copytree(bases("llama"), tmp_path / "base")
    found, weights = {fingerprint(base)}, load_file(base / "model.safetensors")
    for name in ("model.norm.weight", "model.embed_tokens.weight"):  # of one piece, and of several
        weights[name].view(-1)[-1] += 1e-3
        save_file(weights, base / "model.safetensors")
        found.add(fingerprint(base))
    assert len(found) == 3


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "another method": ({"peft_type": "IA3"}, "IA3"),
    "biases": ({"bias": "all"}, "bias"),
    "a start that changed the base": ({"init_lora_weights": "pissa"}, "pissa"),
    "an option of a later peft": ({"use_quantum": True}, "use_quantum"),
    "saved modules": ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
    "another rank than it says": ({"r": 7}, "rank"),
    "no alpha": ({"lora_alpha": None}, "lora_alpha"),
    "an endless alpha": ({"lora_alpha": 10**400}, "lora_alpha"),
    "magnitudes that are not there": ({"use_dora": True}, "only some parts"),
    "patterns that are programs": ({"rank_pattern": {"(a+)+$": 4}}, "rank_pattern"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNFIT)
def test_an_adapter_that_says_more_than_lora_is_refused(
    tmp_path: Path, bases: Callable[..., Path], case: str
) -> None:
    changes, word = UNFIT[case]
    adapt(bases("llama"), tmp_path / "adapter")
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(AdapterUnfit, match=word):
        merging.check(bases("llama"), tmp_path / "adapter")


def test_an_adapter_on_a_head_that_is_the_embedding_is_refused(
    tmp_path: Path, bases: Callable[..., Path]
) -> None:
    adapt(bases("llama"), tmp_path / "adapter", target_modules=["lm_head"])
    merging.check(bases("llama"), tmp_path / "adapter")
    base = shutil.copytree(bases("llama"), tmp_path / "base")
    config = json.loads((base / "config.json").read_text()) | {"tie_word_embeddings": True}
    (base / "config.json").write_text(json.dumps(config))
    with pytest.raises(AdapterUnfit, match="one matrix"):
        merging.check(base, tmp_path / "adapter")


def _weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def changed(adapter: Path) -> None:
        weights = load_file(adapter / "adapter_model.safetensors")
        change(weights)
        save_file(weights, adapter / "adapter_model.safetensors")

    return changed


def _first(weights: dict[str, torch.Tensor]) -> str:
    return next(iter(weights))


def _elsewhere(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name.replace("model.layers", "transformer.layers"): each.clone() for name, each in weights.items()
    }


def _cut(adapter: Path) -> None:
    path = adapter / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


def _linked(adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "adapter_model.safetensors").symlink_to("/etc/passwd")


DAMAGED: dict[str, tuple[Callable[[Path], None], type[TuningError]]] = {
    "half a pair": (_weights(lambda each: each.pop(_first(each))), AdapterUnfit),
    "not finite": (_weights(lambda each: each[_first(each)].fill_(torch.nan)), AdapterUnfit),
    "no numbers": (_weights(lambda each: each.update({_first(each): each[_first(each)].long()})), AdapterUnfit),
    "a stranger": (_weights(lambda each: each.update({"x\ud800y": torch.ones(2)})), AdapterUnfit),
    "another width": (_weights(lambda each: each.update({_first(each): torch.ones(4, 5)})), AdapterOfAnotherBase),
    "another rank": (_weights(lambda each: each.update({_first(each): torch.ones(3, 32)})), AdapterUnfit),
    "twice": (_weights(lambda each: each.update({_first(each)[17:]: torch.ones(4, 32)})), AdapterUnfit),
    "under two names": (_weights(lambda each: each.update(_elsewhere(each))), AdapterUnfit),
    "nothing": (_weights(lambda each: each.clear()), AdapterUnfit),
    "cut short": (_cut, FolderUnreadable),
    "a link elsewhere": (_linked, FolderUnreadable),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_adapters_are_refused_in_one_line(
    tmp_path: Path, bases: Callable[..., Path], case: str
) -> None:
    damage, error = DAMAGED[case]
    adapt(bases("llama"), tmp_path / "adapter")
    if case == "a stranger":
        damage = _weights(lambda each: each.update({"x\n\u202ey": torch.ones(2)}))
    damage(tmp_path / "adapter")
    with pytest.raises(error) as refused:
        merging.merge(bases("llama"), tmp_path / "adapter", tmp_path / "merged")
    assert refused.value.detail.isprintable() and refused.value.body().model_dump_json()
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("cut", [4, 9, 400, -1])
def test_a_base_that_is_cut_short_is_refused(tmp_path: Path, bases: Callable[..., Path], cut: int) -> None:
    base = shutil.copytree(bases("llama"), tmp_path / "base")
    adapt(base, tmp_path / "adapter")
    path = base / "model.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FolderUnreadable):
        merging.merge(base, tmp_path / "adapter", tmp_path / "merged")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["adapter", "base"]


def test_what_16_bits_cannot_hold_is_not_shipped(tmp_path: Path, bases: Callable[..., Path]) -> None:
    base = bases("llama", torch.float16)
    adapt(base, tmp_path / "adapter", lora_alpha=1e6)
    _weights(lambda each: each[_first(each)].mul_(1000))(tmp_path / "adapter")
    (tmp_path / "merged").mkdir()
    with pytest.raises(MergeOverflows, match="F16"):
        merging.merge(base, tmp_path / "adapter", tmp_path / "merged")
    assert not any((tmp_path / "merged").iterdir())  # what was there is as it was


def test_a_disk_without_room_is_told_before_and_while_it_is_written(
    tmp_path: Path, bases: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    adapt(bases("llama"), tmp_path / "adapter")
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1000))
        with pytest.raises(DiskFull):
            merging.merge(bases("llama"), tmp_path / "adapter", tmp_path / "merged")
    full = Path("/dev/full")
    real = Path.open

    def onto_a_full_disk(path: Path, mode: str = "r", *more: Any, **options: Any) -> Any:
        return real(
            full if path.name == "model.safetensors" and mode == "wb" else path, mode, *more, **options
        )

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", onto_a_full_disk)
        with pytest.raises(DiskFull):
            merging.merge(bases("llama"), tmp_path / "adapter", tmp_path / "merged")
    assert [each.name for each in tmp_path.iterdir()] == ["adapter"]


def test_pefts_own_reader_takes_the_adapter_with_a_fingerprint_beside_it(
    tmp_path: Path, bases: Callable[..., Path]
) -> None:
    adapted = logits(adapt(bases("llama"), tmp_path / "adapter"))
    remember(tmp_path / "adapter", bases("llama"))
    again = PeftModel.from_pretrained(loaded(bases("llama")), str(tmp_path / "adapter"))
    assert torch.equal(logits(again), adapted)


def test_what_a_killed_merge_left_is_no_part_of_the_next_one(
    tmp_path: Path, bases: Callable[..., Path]
) -> None:
    adapt(bases("llama"), tmp_path / "adapter")
    for folder in (".merged.partial", "merged"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model-00009-of-00009.safetensors").write_bytes(b"half")
    merging.merge(bases("llama"), tmp_path / "adapter", tmp_path / "merged")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["adapter", "merged"]
    assert [each.name for each in (tmp_path / "merged").glob("*.safetensors")] == ["model.safetensors"]

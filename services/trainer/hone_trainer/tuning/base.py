"""The base of a run: its tokenizer, its weights, and the adapter that is put on them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedTokenizerFast,
)

from hone_trainer.tuning import fingerprint
from hone_trainer.tuning.adapter_files import read_changes
from hone_trainer.tuning.errors import BaseQuantized, BaseUnfit
from hone_trainer.tuning.settings import Decided
from hone_trainer.tuning.shards import plain_file, read_json

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_MOST_CONTEXT = 4096
_PADS = ("<pad>", "<|pad|>", "[PAD]", "<|finetune_right_pad_id|>", "<|endoftext|>", "<unk>", "[UNK]")


@dataclass(frozen=True)
class Reading:
    """A base's tokenizer with its chat template. ``repairs`` were needed, and are told."""

    tokenizer: PreTrainedTokenizerFast
    pad_id: int
    end_ids: frozenset[int]
    repairs: tuple[str, ...]


def load_tokenizer(folder: Path) -> Reading:
    """Raises BaseUnfit, BaseQuantized, FolderUnreadable."""
    config = read_json(folder, "config.json")
    if (quantized := config.get("quantization_config")) is not None:
        method = quantized.get("quant_method", "unknown") if isinstance(quantized, dict) else "unknown"
        raise BaseQuantized(folder, str(method)[:40])
    plain_file(folder, "tokenizer.json")
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise BaseUnfit(
            folder, f"has a tokenizer that cannot be read: {error}; get the model again"
        ) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise BaseUnfit(
            folder, "has no fast tokenizer (tokenizer.json); take a release of the model that has one"
        )
    if not tokenizer.chat_template:
        raise BaseUnfit(
            folder, "has no chat template, and is no model to converse with; take its instruct version"
        )
    ends = _ends(folder, config, tokenizer)
    if not ends:
        raise BaseUnfit(
            folder, "names no token that ends an answer (eos_token_id); take its instruct version"
        )
    pad, repairs = _pad(tokenizer, ends)
    return Reading(tokenizer, pad, ends, tuple(repairs))


def _ends(folder: Path, config: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """All that generation stops at."""
    generation = (
        read_json(folder, "generation_config.json") if (folder / "generation_config.json").exists() else {}
    )
    found: set[int] = set()
    for told in (generation.get("eos_token_id"), config.get("eos_token_id"), tokenizer.eos_token_id):
        found |= {each for each in (told if isinstance(told, list) else [told]) if isinstance(each, int)}
    return frozenset(each for each in found if 0 <= each < len(tokenizer))


def _pad(tokenizer: PreTrainedTokenizerFast, ends: frozenset[int]) -> tuple[int, list[str]]:
    """A token that fills rows. It is never looked at and never trained, but one that ends answers would hide
    whether it is. The vocabulary does not grow: a longer one would be another model."""
    own = tokenizer.pad_token_id
    if isinstance(own, int) and own not in ends:
        return own, []
    known = tokenizer.get_vocab()
    chosen = next((known[each] for each in _PADS if each in known and known[each] not in ends), None)
    if chosen is None:
        chosen = next(each for each in range(len(tokenizer)) if each not in ends)
    name = tokenizer.convert_ids_to_tokens(chosen)
    why = "the tokenizer has no pad token" if own is None else "the pad token ends answers, too"
    return chosen, [f"{why}: rows are filled with {name!r}, which nothing looks at"]


def context_of(folder: Path) -> int:
    """Tokens that the base was made for, 4096 at most: what a run takes when nobody says more."""
    config = _config(folder)
    told = getattr(_text(config), "max_position_embeddings", None)
    return min(_MOST_CONTEXT, told) if isinstance(told, int) and told > 0 else _MOST_CONTEXT


def load_model(folder: Path, device: str, dtype: str, *, four_bit: bool = False) -> Any:
    """The base in evaluation mode with all its weights frozen, on the device. Raises BaseUnfit."""
    config = _config(folder)
    # Scaled dot products leave out the soft cap of the scores (Gemma 2), and what is shipped has it.
    capped = getattr(_text(config), "attn_logit_softcapping", None)
    quantization = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=DTYPES[dtype],
    )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=DTYPES[dtype],
            attn_implementation="eager" if capped else "sdpa",
            quantization_config=quantization if four_bit else None,
            device_map={"": device} if four_bit or device != "cpu" else None,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise BaseUnfit(folder, f"cannot be loaded: {str(error)[:300]}; get the model again") from error
    _keep_4_bits_as_they_are(model)
    model.config.use_cache = False
    model.requires_grad_(False)
    return model.eval()  # type: ignore[no-untyped-call]


def _keep_4_bits_as_they_are(model: Any) -> None:
    """On CPUs with bf16 instructions bitsandbytes packs a layer's weights anew the first time that it predicts, for
    good and coarser, and through packed ones no gradient goes back: after a first held-out loss training would go
    wrong without a word."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def with_adapter(model: Any, settings: Decided, base: Path, continue_from: Path | None = None) -> PeftModel:
    """The model with a fresh adapter, or with one that learns on. The base's weights stay frozen.

    Raises AdapterOfAnotherBase, AdapterUnfit.
    """
    if continue_from is not None:
        fingerprint.check_belongs(continue_from, base)
        read_changes(continue_from)  # refuses what merging could not repeat
        return PeftModel.from_pretrained(model, str(continue_from), is_trainable=True)
    torch.manual_seed(settings.seed)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # a float does as well
        lora_dropout=settings.dropout,
        target_modules=settings.targets if settings.targets == "all-linear" else list(settings.targets),
        use_dora=settings.use_dora,
        use_rslora=settings.use_rslora,
        bias="none",
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise BaseUnfit(base, f"takes no adapter: {str(error)[:300]}; name other targets") from error


def save_adapter(model: PeftModel, folder: Path, base: Path) -> None:
    """In peft's format, with the base that it belongs to. The base's path is left out: it says nothing elsewhere."""
    model.save_pretrained(str(folder), safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)  # a template of a model card, with nothing in it
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    config["base_model_name_or_path"] = None
    for name in ("target_modules", "exclude_modules"):  # sets, in whatever order
        if isinstance(config.get(name), list):
            config[name] = sorted(config[name])
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", "utf-8")
    fingerprint.remember(folder, base)


def _config(folder: Path) -> Any:
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise BaseUnfit(folder, f"has a config.json that cannot be read: {str(error)[:300]}") from error


def _text(config: Any) -> Any:
    return getattr(config, "text_config", None) or config

"""What file names say, which files belong together, what fits, and which is chosen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_contracts.huggingface import MemoryFigures, MemoryPlace, RepositoryFile, WeightGroup
from hone_hub.gguf.memory import Cached
from hone_hub.huggingface import quant_names
from hone_hub.huggingface.choice import PREFERENCE, choose
from hone_hub.huggingface.grouping import grouped
from hone_hub.huggingface.memory import Numbers, place_for, predicted
from hone_hub.huggingface.verdict import Known, judge

GB = 10**9
CARD = MemoryPlace(kind="gpu", name="a card", total_bytes=8 * GB, free_bytes=8 * GB)
RAM = MemoryPlace(kind="ram", name="memory", total_bytes=32 * GB, free_bytes=20 * GB)

NAMES = {
    "qwen2.5-coder-7b-instruct-q4_k_m.gguf": "Q4_K_M",
    "Llama-3-Q8-distill-Q4_K_M.gguf": "Q4_K_M",
    "model-UD-Q4_K_XL.gguf": "UD-Q4_K_XL",
    "model-UD-IQ2_XXS.gguf": "UD-IQ2_XXS",
    "m.IQ3_XS.gguf": "IQ3_XS",
    "m-fp16.gguf": "F16",
    "m.BF16.gguf": "BF16",
    "Q6_K/model-00001-of-00002.gguf": "Q6_K",
    "gemma-3-1b-it-q4_0.gguf": "Q4_0",
    "gpt-oss-20b-MXFP4.gguf": "MXFP4",
    "m-Q6_K_L.gguf": "Q6_K_L",
    "m-TQ1_0.gguf": "TQ1_0",
    "model.gguf": "?",
    "qwen2-7b.gguf": "?",
    "f16ish.gguf": "?",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_last_quantization_in_a_name_is_the_files(name: str) -> None:
    assert quant_names.read(name).quant == NAMES[name]


def files(*paths: str, size_bytes: int = GB) -> list[RepositoryFile]:
    return [RepositoryFile(path=path, size_bytes=size_bytes) for path in paths]


def test_shards_are_one_group_and_what_is_no_weights_stands_apart() -> None:
    found = grouped(
        files(
            "m-Q8_0-00002-of-00002.gguf",
            "m-Q8_0-00001-of-00002.gguf",
            "m-Q4_K_M.gguf",
            "mmproj-model-f16.gguf",
            "m.imatrix.gguf",
            "imatrix.dat",
            "README.md",
        )
    )
    by_quant = {group.quant: group for group in found.gguf}
    assert by_quant.keys() == {"Q8_0", "Q4_K_M"}
    assert [file.path[7:12] for file in by_quant["Q8_0"].files] == ["00001", "00002"]
    assert by_quant["Q8_0"].size_bytes == 2 * GB and not by_quant["Q8_0"].problem
    assert [file.path for file in found.projectors] == ["mmproj-model-f16.gguf"]
    assert {file.path for file in found.matrices} == {"m.imatrix.gguf", "imatrix.dat"}


def test_a_missing_shard_is_told_and_the_group_not_chosen() -> None:
    found = grouped(files("m-Q4_K_M-00001-of-00003.gguf", "m-Q4_K_M-00003-of-00003.gguf", "m-Q2_K.gguf"))
    broken = next(group for group in found.gguf if group.quant == "Q4_K_M")
    assert broken.problem == "shard 2 of 3 is missing"
    groups = [group.model_copy(update={"fits": RAM.name}) for group in found.gguf]
    chosen = choose(groups, (RAM,))
    assert chosen.index is not None and groups[chosen.index].quant == "Q2_K"
    assert any("shard 2 of 3" in reason for reason in chosen.reasons)
    assert choose(groups, (RAM,), "Q4_K_M").index is None


def test_weights_made_with_an_importance_matrix_are_weights() -> None:
    found = grouped(
        files("m-Q4_K_M-imatrix.gguf", "m-imatrix-IQ2_M.gguf", "m-imatrix.gguf", "m-f16.imatrix.gguf")
    )
    assert {group.quant for group in found.gguf} == {"Q4_K_M", "IQ2_M"}
    assert {file.path for file in found.matrices} == {"m-imatrix.gguf", "m-f16.imatrix.gguf"}


def test_a_quantization_that_is_asked_for_and_broken_is_told_as_such() -> None:
    broken = SEVEN[2].model_copy(update={"problem": "shard 2 of 3 is missing"})
    chosen = choose([SEVEN[0], broken], (CARD, RAM), "q4_k_m")
    assert chosen.index is None and chosen.reasons == ("Q4_K_M cannot be used: shard 2 of 3 is missing",)


def test_a_hostile_number_of_shards_is_no_work() -> None:
    (group,) = grouped(files("m-00001-of-99999.gguf")).gguf
    assert group.problem == "it claims 99999 shards"


def test_weights_kept_twice_count_once() -> None:
    found = grouped(
        files("consolidated.safetensors", "model-00001-of-00001.safetensors", "onnx/model.safetensors")
    )
    assert [file.path for file in found.safetensors] == ["model-00001-of-00001.safetensors"]


def group(quant: str, size_gb: float, places: tuple[MemoryPlace, ...] = (CARD, RAM)) -> WeightGroup:
    size = int(size_gb * GB)
    figures = MemoryFigures(
        context_tokens=8192, weights_bytes=size, kv_cache_bytes=GB, compute_bytes=0, total_bytes=size + GB
    )
    return WeightGroup(
        quant=quant,
        format="gguf",
        files=(),
        size_bytes=size,
        memory=figures,
        fits=place_for(size + GB, places),
    )


SEVEN = [
    group(*each) for each in (("Q2_K", 3.0), ("Q3_K_M", 3.8), ("Q4_K_M", 4.7), ("Q8_0", 8.1), ("F16", 15.2))
]


def test_q4_k_m_is_taken_where_several_fit_neither_the_largest_nor_the_first() -> None:
    chosen = choose(SEVEN, (CARD, RAM))
    assert chosen.index == 2
    assert "order of preference" in chosen.reasons[0] and "Q4_K_M fits into a card" in chosen.reasons[1]
    assert "room for 8192 tokens" in chosen.reasons[1]


def test_what_does_not_fit_is_passed_over_with_its_figure() -> None:
    small = (RAM.model_copy(update={"free_bytes": 5 * GB}),)
    groups = [group(each.quant, each.size_bytes / GB, small) for each in SEVEN]
    chosen = choose(groups, small)
    assert chosen.index == 0 or groups[chosen.index or 0].quant == "Q3_K_M"
    assert any("F16 needs 16.2 GB and fits nowhere" in reason for reason in chosen.reasons)


def test_four_bits_in_memory_are_better_than_two_on_a_card() -> None:
    tiny = (CARD.model_copy(update={"free_bytes": 5 * GB}), RAM)
    groups = [group(each.quant, each.size_bytes / GB, tiny) for each in SEVEN]
    assert groups[0].fits == "a card"
    chosen = choose(groups, tiny)
    assert chosen.index is not None and groups[chosen.index].quant == "Q4_K_M"


def test_without_q4_k_m_the_next_in_the_order_is_taken() -> None:
    groups = [group("Q8_0", 2), group("Q5_K_M", 1.5), group("Q3_K_S", 0.8), group("F16", 4)]
    chosen = choose(groups, (CARD, RAM))
    assert chosen.index == 1


def test_nothing_fits_is_told_with_numbers_and_what_to_do() -> None:
    none = (RAM.model_copy(update={"free_bytes": 100}),)
    groups = [group(each.quant, each.size_bytes / GB, none) for each in SEVEN]
    chosen = choose(groups, none)
    assert chosen.index is None
    assert "the smallest, Q2_K, needs 4.0 GB" in chosen.reasons[0] and "--force" in chosen.reasons[1]


def test_a_quantization_that_is_asked_for_is_taken_and_an_unknown_one_named() -> None:
    assert choose(SEVEN, (CARD, RAM), "q8_0").index == 3
    unknown = choose(SEVEN, (CARD, RAM), "Q5_K_M")
    assert unknown.index is None and "there are: Q2_K, Q3_K_M, Q4_K_M" in unknown.reasons[0]


@given(st.lists(st.sampled_from(PREFERENCE), unique=True, min_size=1))
def test_whatever_fits_the_choice_is_the_first_in_order_of_those_with_four_bits_or_more(
    quants: list[str],
) -> None:
    groups = [group(quant, 1) for quant in quants]
    chosen = choose(groups, (CARD, RAM))
    assert chosen.index is not None
    few = PREFERENCE.index("F16")
    best = min(
        quants, key=lambda quant: (PREFERENCE.index(quant) > few and quant != "F32", PREFERENCE.index(quant))
    )
    assert quants[chosen.index] == best


def test_a_window_is_credited_in_the_cache() -> None:
    full = predicted(Numbers(cached=Cached(1000), context=32768), 0, 32768)
    slides = predicted(Numbers(cached=Cached(100, 900, 1024), context=32768), 0, 32768)
    assert full is not None and slides is not None
    assert full.kv_cache_bytes == 1000 * 32768 * 2
    assert slides.kv_cache_bytes == 100 * 32768 * 2 + 900 * (1024 + 512) * 2
    assert predicted(Numbers(), 10, None) is None


CASES: dict[str, tuple[Known, str, str]] = {
    "gguf": (Known(gguf=True, architecture="qwen2"), "runs", "qwen2"),
    "gguf whose header nobody read": (Known(gguf=True), "runs", "hone hub inspect"),
    "gguf of an unknown architecture": (Known(gguf=True, architecture="xyz"), "unsupported", "update them"),
    "gguf for vectors": (Known(gguf=True, architecture="bert"), "unsupported", "vectors"),
    "safetensors": (Known(safetensors=True, names=("Qwen2ForCausalLM",)), "convertible", "converted to GGUF"),
    "both": (Known(gguf=True, safetensors=True, architecture="llama"), "runs", "llama"),
    "own code": (
        Known(safetensors=True, names=("LlamaForCausalLM",), own_code=True), "unsupported", "code of its own",
    ),
    "quantized": (
        Known(safetensors=True, names=("LlamaForCausalLM",), quantization="gptq"), "unsupported", "GPTQ",
    ),
    "mlx": (Known(safetensors=True, names=("LlamaForCausalLM",), library="mlx"), "unsupported", "MLX"),
    "pickle": (Known(pickle=True), "unsupported", "run code when they are opened"),
    "adapter": (Known(safetensors=True, adapter=True), "unsupported", "merge it into its base"),
    "unknown architecture": (Known(safetensors=True, names=("XForCausalLM",)), "unsupported", "XForCausalLM"),
    "several architectures": (Known(safetensors=True, names=("A", "B")), "unsupported", "one architecture"),
    "images": (Known(safetensors=True, library="diffusers", task="text-to-image"), "unsupported", "text-to-image"),
    "nothing": (Known(), "unsupported", "neither GGUF nor safetensors"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_repository_has_its_verdict_and_what_to_do(case: str) -> None:
    known, verdict, words = CASES[case]
    found, reason = judge(known)
    assert found == verdict and words in reason

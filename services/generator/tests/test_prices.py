"""What an answer of a cloud model cost, and where that is not known, that it is not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_contracts.models import ModelRef
from hone_contracts.registry import DEFAULT_CLOUD_MODELS
from hone_generator.providers.base import Usage
from hone_generator.providers.prices import LISTED, InvalidPrices, PriceList, read_prices

# In pieces, so that no prompt is a long one.
SMALL = Usage(prompt_tokens=10_000, completion_tokens=10_000)


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("openai:gpt-4.1", 10.0),
        ("openai:gpt-4.1-2025-04-14", 10.0),
        ("openai:gpt-4.1-mini-2025-04-14", 2.0),
        ("openai:gpt-4o-mini", 0.75),
        ("anthropic:claude-sonnet-4-5-20250929", 18.0),
        ("anthropic:claude-opus-4-1-20250805", 90.0),
        ("anthropic:claude-opus-4-5", 30.0),
        ("anthropic:claude-opus-5", 30.0),
        ("anthropic:claude-opus-5-5", 24.0),
        ("openai:gpt-6.1-sol", 12.0),
        ("anthropic:claude-3-5-haiku-latest", 4.8),
        ("gemini:gemini-2.5-flash-preview-09-2025", 2.8),
        ("gemini:gemini-2.0-flash-001", 0.5),
        ("ollama:qwen2.5-coder:7b", 0.0),
        ("llamacpp:hone-starter", 0.0),
        ("openai:gpt-4.1-turbo", None),
        ("openai:gpt-4.10", None),
        ("openai:gpt-9", None),
        ("anthropic:claude-opus-4-9", None),
        ("openai+http://8.8.8.8:8000/v1:gpt-4.1", None),
        ("gemini:gpt-4.1", None),
    ],
)
def test_a_model_costs_what_its_name_without_the_date_costs(model: str, usd: float | None) -> None:
    cost = PriceList().cost_usd(ModelRef.parse(model), SMALL)
    assert cost == (pytest.approx(usd / 100) if usd is not None else None)


def test_long_prompts_cost_more_where_they_do() -> None:
    price, model = PriceList(), ModelRef("anthropic", "claude-haiku-5-5")
    short, long = (price(model, tokens, 1000) for tokens in (100_000, 100_001))
    assert short == pytest.approx(0.0105)
    assert long == pytest.approx(0.0525, rel=1e-4)


def test_what_the_provider_still_knew_costs_less() -> None:
    usage = Usage(prompt_tokens=1_000_000, completion_tokens=0, cached_tokens=600_000)
    cost = PriceList().cost_usd(ModelRef("openai", "gpt-4.1"), usage)
    assert cost == pytest.approx(0.4 * 2.0 + 0.6 * 0.5)


def test_the_cloud_models_of_a_new_route_have_prices() -> None:
    price = PriceList()
    assert all(price(ModelRef.parse(model), 1000, 1000) for model in DEFAULT_CLOUD_MODELS)


SERVER = "openai+http://box:8000/v1:x"
YAML = f"openai:gpt-9: {{prompt: 1, completion: 2}}\n{SERVER}: {{prompt: 0, completion: 0}}\n"
JSON = f'{{"openai:gpt-9": {{"prompt": 1, "completion": 2}}, "{SERVER}": {{"prompt": 0, "completion": 0}}}}'


@pytest.mark.parametrize(("name", "content"), [("prices.yaml", YAML), ("prices.json", JSON)])
def test_a_file_of_prices_wins_and_adds(tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    price = read_prices(file)
    assert price.cost_usd(ModelRef("openai", "gpt-9"), SMALL) == pytest.approx(0.03)
    assert price.cost_usd(ModelRef.parse(SERVER), SMALL) == 0.0
    assert price.cost_usd(ModelRef("openai", "gpt-4.1"), SMALL) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        ("[", "neither YAML nor JSON"),
        ("- a", "not a mapping"),
        ("openai:gpt-9: 3", "has no `prompt`"),
        ("openai:gpt-9: {prompt: 1}", "has no `prompt`"),
        ("openai:gpt-9: {prompt: 1, completion: 2, tax: 3}", "more than these"),
        ("openai:gpt-9: {prompt: -1, completion: 2}", "`prompt` is not a price"),
        ("openai:gpt-9: {prompt: .nan, completion: 2}", "`prompt` is not a price"),
        ("openai:gpt-9: {prompt: true, completion: 2}", "`prompt` is not a price"),
        ("x" * 2_000_000, "too long"),
        ("!!python/object/apply:os.system [id]", "neither YAML nor JSON"),
    ],
)
def test_a_file_that_is_no_list_of_prices_is_refused(tmp_path: Path, content: str | None, says: str) -> None:
    file = tmp_path / "prices.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InvalidPrices, match=says):
        read_prices(file)


@given(
    st.sampled_from(sorted(LISTED)),
    st.lists(st.sampled_from(["-2025", "-04", "-14", "-001", "@", "-latest", "-x"])),
)
def test_no_name_takes_long_and_none_costs_less_than_nothing(name: str, rest: list[str]) -> None:
    model = ModelRef.parse(f"{name}{''.join(rest)}"[:400])
    cost = PriceList()(model, 1000, 1000)
    assert cost is None or cost > 0

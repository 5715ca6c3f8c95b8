"""What models of the cloud cost, in US dollars for a million tokens.

The vendors' list prices (standard tier) as found on 2026-11-21 in https://developers.openai.com/api/docs/pricing,
https://platform.claude.com/docs/en/about-claude/pricing and https://ai.google.dev/gemini-api/docs/pricing, or in what
quotes them. OpenAI's surcharge for prompts beyond 272,000 tokens is left out: Hone asks nothing as long. Prices
change: a file of one's own wins.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hone_contracts.models import ModelRef
from hone_generator.providers.base import Usage
from hone_generator.providers.errors import ProviderError

_MAX_FILE_BYTES = 1024 * 1024
_LOCAL = frozenset({"llamacpp", "ollama"})
# What follows the name of a version: its date, in the ways of three vendors, or the number of a revision.
_REVISION = re.compile(
    r"(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{2}-\d{2}|\d{2}-\d{4}|\d{3,4}|latest|preview|exp))*"
)
_MOST_REVISION_CHARS = 24


class InvalidPrices(ProviderError):
    """The file of prices cannot be used."""

    code = "invalid_prices"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: {reason}; write `openai:gpt-4.1: {{prompt: 2.0, completion: 8.0, cached: 0.5}}`, "
            "in dollars for a million tokens"
        )
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens. ``cached`` are those of the prompt that the provider still knew. Of prompts
    beyond ``long_from_tokens`` everything costs ``long_factor`` times as much."""

    prompt: float
    completion: float
    cached: float | None = None
    long_from_tokens: int | None = None
    long_factor: float = 1.0

    def cost_usd(self, usage: Usage) -> float:
        is_long = self.long_from_tokens is not None and usage.prompt_tokens > self.long_from_tokens
        return self._cost_usd(usage) * (self.long_factor if is_long else 1.0)

    def _cost_usd(self, usage: Usage) -> float:
        cached_tokens = min(usage.cached_tokens, usage.prompt_tokens)
        cached = self.prompt if self.cached is None else self.cached
        fresh = usage.prompt_tokens - cached_tokens
        return (
            fresh * self.prompt + cached_tokens * cached + usage.completion_tokens * self.completion
        ) / 1e6


LISTED: Mapping[str, Price] = {
    "openai:gpt-6.1-sol": Price(2.00, 10.00, 0.10),
    "openai:gpt-6-astra": Price(10.00, 50.00, 1.00),
    "openai:gpt-6-sol": Price(2.00, 10.00, 0.20),
    "openai:gpt-6-luna": Price(0.10, 0.50, 0.01),
    "openai:gpt-5.6-terra": Price(2.00, 12.00, 0.20),
    "openai:gpt-5.6-luna": Price(0.20, 1.20, 0.02),
    "openai:gpt-5.5": Price(5.00, 30.00, 0.50),
    "openai:gpt-5.5-pro": Price(30.00, 180.00),
    "openai:gpt-5.4": Price(2.50, 15.00, 0.25),
    "openai:gpt-5.4-mini": Price(0.75, 4.50, 0.075),
    "openai:gpt-5.4-nano": Price(0.20, 1.25, 0.02),
    "openai:gpt-5.1": Price(1.25, 10.00, 0.125),
    "openai:gpt-5": Price(1.25, 10.00, 0.125),
    "openai:gpt-5-mini": Price(0.25, 2.00, 0.025),
    "openai:gpt-5-nano": Price(0.05, 0.40, 0.005),
    "openai:gpt-4.1": Price(2.00, 8.00, 0.50),
    "openai:gpt-4.1-mini": Price(0.40, 1.60, 0.10),
    "openai:gpt-4.1-nano": Price(0.10, 0.40, 0.025),
    "openai:gpt-4o": Price(2.50, 10.00, 1.25),
    "openai:gpt-4o-mini": Price(0.15, 0.60, 0.075),
    "openai:o3": Price(2.00, 8.00, 0.50),
    "openai:o3-mini": Price(1.10, 4.40, 0.55),
    "openai:o4-mini": Price(1.10, 4.40, 0.275),
    "openai:text-embedding-3-small": Price(0.02, 0.0),
    "openai:text-embedding-3-large": Price(0.13, 0.0),
    "anthropic:claude-fable-5-1": Price(10.00, 50.00, 0.25),
    "anthropic:claude-opus-5-5": Price(4.00, 20.00, 0.20),
    "anthropic:claude-opus-5": Price(5.00, 25.00, 0.50),
    "anthropic:claude-sonnet-5-5": Price(2.00, 10.00, 0.20),
    "anthropic:claude-sonnet-5": Price(2.00, 10.00, 0.20),
    "anthropic:claude-haiku-5-5": Price(0.10, 0.50, 0.01, long_from_tokens=100_000, long_factor=5.0),
    "anthropic:claude-opus-4-7": Price(5.00, 25.00, 0.50),
    "anthropic:claude-opus-4-6": Price(5.00, 25.00, 0.50),
    "anthropic:claude-opus-4-5": Price(5.00, 25.00, 0.50),
    "anthropic:claude-opus-4-1": Price(15.00, 75.00, 1.50),
    "anthropic:claude-opus-4": Price(15.00, 75.00, 1.50),
    "anthropic:claude-sonnet-4-6": Price(3.00, 15.00, 0.30),
    "anthropic:claude-sonnet-4-5": Price(3.00, 15.00, 0.30),
    "anthropic:claude-sonnet-4": Price(3.00, 15.00, 0.30),
    "anthropic:claude-haiku-4-5": Price(1.00, 5.00, 0.10),
    "anthropic:claude-3-7-sonnet": Price(3.00, 15.00, 0.30),
    "anthropic:claude-3-5-haiku": Price(0.80, 4.00, 0.08),
    "anthropic:claude-3-haiku": Price(0.25, 1.25, 0.03),
    "gemini:gemini-3.8-flash": Price(0.75, 3.75),
    "gemini:gemini-3.5-flash": Price(1.50, 9.00, 0.15),
    # The answers to long prompts cost 1.5 times as much, not twice: a bound is better too high.
    "gemini:gemini-3.1-pro": Price(2.00, 12.00, 0.20, long_from_tokens=200_000, long_factor=2.0),
    "gemini:gemini-3.1-flash-lite": Price(0.25, 1.50, 0.025),
    "gemini:gemini-3-flash": Price(0.50, 3.00, 0.05),
    "gemini:gemini-2.5-pro": Price(1.25, 10.00, 0.125, long_from_tokens=200_000, long_factor=2.0),
    "gemini:gemini-2.5-flash": Price(0.30, 2.50, 0.03),
    "gemini:gemini-2.5-flash-lite": Price(0.10, 0.40, 0.01),
    "gemini:gemini-2.0-flash": Price(0.10, 0.40, 0.025),
    "gemini:gemini-embedding-001": Price(0.15, 0.0),
}


@dataclass(frozen=True, slots=True)
class PriceList:
    """Calling it is the engine's way to ask: a model, prompt tokens, completion tokens."""

    prices: Mapping[str, Price] = field(default_factory=lambda: LISTED)

    def __call__(self, model: ModelRef, prompt_tokens: int, completion_tokens: int) -> float | None:
        return self.cost_usd(model, Usage(prompt_tokens, completion_tokens))

    def cost_usd(self, model: ModelRef, usage: Usage) -> float | None:
        """None where the price is not known. Models of the team's own machines cost nothing."""
        if model.provider in _LOCAL:
            return 0.0
        price = self._price(model)
        return None if price is None else price.cost_usd(usage)

    def _price(self, model: ModelRef) -> Price | None:
        """Of the model itself, or of the longest name that it is a dated revision of.

        A server of another address has prices of its own, which only its full reference can be in a file for.
        """
        reference = str(model)
        if reference in self.prices:
            return self.prices[reference]
        names = [name for name in self.prices if _is_revision(reference, name)]
        return self.prices[max(names, key=len)] if names else None


def _is_revision(reference: str, name: str) -> bool:
    rest = reference[len(name) :]
    return (
        reference.startswith(name)
        and len(rest) <= _MOST_REVISION_CHARS
        and _REVISION.fullmatch(rest) is not None
    )


def read_prices(path: Path | None) -> PriceList:
    """The list that Hone knows, with the prices of a YAML or JSON file in their place. Raises InvalidPrices."""
    if path is None:
        return PriceList()
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE_BYTES + 1)
        if len(text) > _MAX_FILE_BYTES:
            raise InvalidPrices(path, "it is too long for a list of prices")
        found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise InvalidPrices(path, f"it cannot be read ({error.strerror or 'an error'})") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise InvalidPrices(
            path, f"it is neither YAML nor JSON ({' '.join(str(error).split())[:120]})"
        ) from error
    if not isinstance(found, dict):
        raise InvalidPrices(path, "it is not a mapping of models to prices")
    return PriceList(
        {**LISTED, **{str(name): _price(path, str(name), entry) for name, entry in found.items()}}
    )


def _price(path: Path, name: str, entry: Any) -> Price:
    if not isinstance(entry, dict) or not {"prompt", "completion"} <= entry.keys() <= {
        "prompt",
        "completion",
        "cached",
    }:
        raise InvalidPrices(path, f"{name} has no `prompt` and `completion`, or more than these and `cached`")
    for key, value in entry.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
            raise InvalidPrices(path, f"{name}: `{key}` is not a price")
    return Price(entry["prompt"], entry["completion"], entry.get("cached"))

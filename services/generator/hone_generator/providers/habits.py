"""What a server was seen not to take, so that it is asked only once: parameters, schemas, so many tokens.

Servers that speak the same protocol differ in what they know of it, and newer models know less than older ones
(``temperature``, ``max_tokens``). Their own words tell what to leave out.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

_OF_SCHEMAS = re.compile(
    r"response_?format|response_?json_?schema|response_?schema|output_config|output_format|json.?schema|schema"
    r"|grammar|structured|guided",
    re.IGNORECASE,
)
_KNOWS_NONE = re.compile(
    r"not (?:\w+ )?support|unsupported|unavailable|not available|unknown|unrecogni[sz]ed|not permitted"
    r"|must be .{0,40}text",
    re.IGNORECASE,
)
_OF_THE_FIELD = re.compile(
    r"response_?format|response_?json_?schema|output_config|output_format", re.IGNORECASE
)
_OF_THIS_SCHEMA = re.compile(r"invalid schema|in context|feature|keyword", re.IGNORECASE)
_MOST_TOKENS = re.compile(r"(?:at most|maximum(?: value)?(?: is| of)|tokens: \d{1,9} >) (\d{1,9})\b")
_MOST_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Habits:
    """Of one model. ``form`` counts the ways to ask for a document of a schema, from the strictest, 0."""

    without: frozenset[str] = frozenset()
    most_tokens: int | None = None
    form: int = 0

    def tokens(self, wanted: int) -> int:
        return wanted if self.most_tokens is None else min(wanted, self.most_tokens)


class KnownHabits:
    """Learned from refusals. ``optional`` are the parameters that a question can do without, each with the pattern
    of how it is complained of. ``forms`` is how many ways there are to ask for a document of a schema: ``held`` of
    them hold the model to it, the others tell it in words. ``alike``: what one model of the server knows of schemas,
    all do."""

    def __init__(self, optional: Mapping[str, str], forms: int, held: int, *, alike: bool = False) -> None:
        self._optional, self._last_form, self._held, self._alike = optional, forms - 1, held, alike
        self._models: dict[str, Habits] = {}
        self._forms: dict[tuple[str, bytes], int] = {}
        self.knows_schemas = True  # until the server said that it does not

    def of(self, name: str, schema: Mapping[str, Any] | None) -> Habits:
        habits = self._models.get(name, Habits())
        if schema is None or not self._forms:
            return habits
        return replace(habits, form=max(habits.form, self._forms.get((name, _digest(schema)), 0)))

    def learn(
        self, name: str, schema: Mapping[str, Any] | None, sent: Mapping[str, Any], refusal: str
    ) -> bool:
        """Whether the refusal tells what to ask otherwise, and that was not done yet."""
        if len(self._models) > _MOST_KEPT or len(self._forms) > _MOST_KEPT:
            self._models.clear()
            self._forms.clear()
        habits = self.of(name, schema)
        if schema is not None and habits.form < self._last_form and _OF_SCHEMAS.search(refusal):
            self._learn_form(name, schema, habits, refusal)
            return True
        learned = self._with_fewer_tokens(habits, refusal) or self._without_parameter(habits, sent, refusal)
        if learned is None:
            return False
        self._models[name] = replace(learned, form=self._models.get(name, Habits()).form)
        return True

    def _learn_form(self, name: str, schema: Mapping[str, Any], habits: Habits, refusal: str) -> None:
        """It may be this schema that it cannot take, or all."""
        self._forms[name, _digest(schema)] = form = habits.form + 1
        if (
            _KNOWS_NONE.search(refusal)
            and _OF_THE_FIELD.search(refusal)
            and not _OF_THIS_SCHEMA.search(refusal)
        ):
            self._models[name] = replace(self._models.get(name, Habits()), form=form)
            self.knows_schemas = self.knows_schemas and not (self._alike and form >= self._held)

    def _with_fewer_tokens(self, habits: Habits, refusal: str) -> Habits | None:
        found = _MOST_TOKENS.search(refusal)
        if found is None or "token" not in refusal or not 0 < int(found[1]) < (habits.most_tokens or 10**9):
            return None
        return replace(habits, most_tokens=int(found[1]))

    def _without_parameter(self, habits: Habits, sent: Mapping[str, Any], refusal: str) -> Habits | None:
        for parameter, complaint in self._optional.items():
            if parameter in sent and parameter not in habits.without and re.search(complaint, refusal):
                return replace(habits, without=habits.without | {parameter})
        return None


def _digest(schema: Mapping[str, Any]) -> bytes:
    """Schemas may be long, and are not kept."""
    return hashlib.sha256(str(schema).encode(errors="replace")).digest()

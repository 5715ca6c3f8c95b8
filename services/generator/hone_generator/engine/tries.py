"""What a model is asked next, after what it answered so far. Pure."""

from collections import Counter
from dataclasses import dataclass, field

from hone_contracts.artifacts import AttemptKind, ValidatorResult
from hone_contracts.registry import Reading, Route
from hone_generator.artifacts.kind import Draft, Feedback
from hone_generator.engine.asking import Known, Sampling
from hone_generator.engine.plan import Candidate
from hone_generator.validators.scoring import RULES, Score

_VARIED = 0.7  # the temperature at which several answers to one question differ
_WARMER = 0.3  # for each time that a model repeated itself
_WARMEST = 1.0
_MOST_SHOWN_CHARS = 40_000  # of its own answer, when it shall mend it


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer and the verdict on it. ``accepted``: it passed the gates, and reached the threshold.
    ``remarks`` say how the model was asked, where a person should know."""

    candidate: Candidate
    draft: Draft
    results: tuple[ValidatorResult, ...]
    score: Score
    accepted: bool
    remarks: tuple[str, ...] = ()

    @property
    def worth(self) -> tuple[bool, int, bool]:
        """What answers are compared by. Under a low threshold one that failed a gate may have a higher score than one
        that is accepted, and is not the better one for it."""
        return self.accepted, self.score.score, self.score.gates_passed


@dataclass(frozen=True, slots=True)
class Question:
    kind: AttemptKind
    sampling: Sampling
    feedback: Feedback | None = None


@dataclass(slots=True)
class Tries:
    """The tries of one model in one request.

    The first round asks ``best_of`` times and takes the best; each later one mends it. A round that failed is asked
    again as it was. All in all there are no more than ``attempts_per_model`` and what ``best_of`` asks for beyond
    one.
    """

    route: Route
    reading: Reading
    made: int = 0
    failures: int = 0  # in a row
    answers: list[Answer] = field(default_factory=list)
    known: Known = field(default_factory=dict)
    _said: Counter[str] = field(default_factory=Counter)

    @property
    def left(self) -> int:
        return self.route.attempts_per_model + self.route.best_of - 1 - self.made

    @property
    def best(self) -> Answer | None:
        return max(self.answers, key=lambda each: each.worth, default=None)

    @property
    def reached(self) -> bool:
        """Whether an answer reached the threshold, and with that ends the search."""
        return self.best is not None and self.best.accepted

    def answered(self, answer: Answer) -> None:
        self.made += 1
        self.failures = 0
        self.known = {}
        self.answers.append(answer)
        self._said[answer.draft.answer] += 1

    def failed(self) -> None:
        self.made += 1
        self.failures += 1

    def next(self) -> Question | None:
        """None when the model had its chance."""
        if self.left <= 0:
            return None
        best = self.best
        if best is None or len(self.answers) < self.route.best_of:
            return Question("again" if self.made else "first", self._first_sampling())
        if self.reached:
            return None
        if self.reading == "whole" and 0 < len(best.draft.answer) <= _MOST_SHOWN_CHARS:
            return self._repair(best)
        if self.reading != "whole" and self.route.temperature == 0:
            return None  # the same question has the same answers
        temperature = self.route.temperature or _WARMER
        return Question("again", Sampling(temperature, seed=len(self.answers)))

    def _first_sampling(self) -> Sampling:
        several = self.route.best_of > 1 and self.route.temperature == 0
        return Sampling(_VARIED if several else self.route.temperature, seed=len(self.answers))

    def _repair(self, best: Answer) -> Question:
        """The last answer is mended unless an earlier one was better; a model that repeats itself is made warmer."""
        last = self.answers[-1]
        wrong = last if last.worth >= best.worth else best
        asked_before = sum(each is not wrong for each in self.answers[self.answers.index(wrong) + 1 :])
        repeats = max(self._said[wrong.draft.answer] - 1, asked_before)
        warmer = min(self.route.temperature + _WARMER * repeats, max(_WARMEST, self.route.temperature))
        return Question(
            "repair",
            Sampling(warmer, seed=len(self.answers)),
            Feedback(wrong.draft.answer, to_mend(wrong)),
        )


def to_mend(answer: Answer) -> tuple[str, ...]:
    """What is wrong, worst first: what could not be read, what failed the gates, what else did not pass; and where
    everything passed, what kept it from being better."""
    gates = {name for name, rule in RULES.items() if rule.gate}
    not_passed = [each for each in answer.results if not each.passed]
    wrong = not_passed or [each for each in answer.results if each.score < 100]
    ordered = sorted(wrong, key=lambda each: (each.name not in gates, each.score))
    said = [*answer.draft.notes, *(message for each in ordered for message in each.messages)]
    return tuple(dict.fromkeys(said))

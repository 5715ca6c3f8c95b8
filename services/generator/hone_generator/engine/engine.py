"""The walk: from model to model until an answer reaches the threshold; else the best of all is the answer."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hone_contracts.artifacts import Artifact, ValidatorResult
from hone_contracts.ids import new_id
from hone_contracts.registry import Budget, Route
from hone_generator.artifacts.kind import ArtifactKind, Brief, Subject, Tools
from hone_generator.engine import backoff, metrics
from hone_generator.engine.asking import Asking
from hone_generator.engine.budget import Now, Price, Purse, tighter, unknown_price
from hone_generator.engine.call import NO_ROOM, Line
from hone_generator.engine.circuits import CircuitOpen, Circuits
from hone_generator.engine.deadline import Deadlines
from hone_generator.engine.errors import DeadlinePassed, NoAnswer, OverBudget
from hone_generator.engine.plan import Barred, Candidate, Step, order
from hone_generator.engine.record import REFUSALS, Record
from hone_generator.engine.storable import line, storable_attempts, storable_draft, storable_results
from hone_generator.engine.telling import Audience
from hone_generator.engine.tries import Answer, Question, Tries
from hone_generator.mermaid import MermaidError
from hone_generator.providers.base import Provider
from hone_generator.providers.errors import ContextTooLong, ProviderError
from hone_generator.validators.judge import judge
from hone_generator.validators.scoring import combine

Judge = Callable[[ArtifactKind, Subject, Tools], Awaitable[Sequence[ValidatorResult]]]

_ADVICE = (
    "A larger model will do better: install Ollama, run `ollama pull qwen2.5-coder:7b`, then "
    "`hone generate --model ollama:qwen2.5-coder:7b …`."
)
# Below this score, a reader of a small model's answer is told that there are larger ones.
_ADVISE_BELOW = 80
_CUT = "the answer was cut off where it became too long: answer more briefly, and to the end"
_ROUNDS = 3
_PROBE_S = 0.25  # what another request's probe of a circuit is given
_WORTH_TELLING_S = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """What shall be made, and by which route. Only ``route`` decides who is asked; the texts are data."""

    kind: ArtifactKind
    route: Route
    requirements: str
    context: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """One for all requests. What it promises of each:

    - Models are asked in the order of ``plan``, and none that the route does not allow.
    - The first model whose answer reaches the threshold ends the search. Where none does, the best answer over all
      is returned, ``accepted: false``; never a worse one than the best seen.
    - A model has ``attempts_per_model`` attempts that gave an answer or failed; being skipped does not count.
    - A transport failure is no bad answer: it is waited out, or the next model is asked, and the circuit is told.
    - It ends at its deadline, less than a second late, with the best answer until then.
    - Every attempt is kept, in order.
    """

    providers: Mapping[str, Provider]
    tools: Tools
    circuits: Circuits
    price: Price = unknown_price
    judged: Judge = judge
    now: Now = time.monotonic
    jitter: Callable[[], float] = random.random
    deadlines: Deadlines = field(default_factory=Deadlines)

    async def generate(self, request: Request, audience: Audience) -> Artifact:
        """Raises NoAnswer when no model gave any; what a type raises for wrong options passes through."""
        return await _Walk(self, request, audience).walk()


@dataclass(slots=True)
class _Timings:
    """In seconds, over all attempts."""

    started: float
    model: float = 0.0
    validating: float = 0.0


class _Walk:
    """One request on its way through its models."""

    def __init__(self, engine: Engine, request: Request, audience: Audience) -> None:
        self._engine, self._request, self._audience = engine, request, audience
        purse = Purse(tighter(request.route.budget, request.budget), engine.now)
        self._line = Line(purse, engine.circuits, engine.price, engine.now)
        self._record = Record(request.kind.prompt_version)
        self._timings = _Timings(engine.now())
        self._best: Answer | None = None
        self._left_alone: list[tuple[Candidate, float]] = []  # whose circuit was open, for how many seconds

    async def walk(self) -> Artifact:
        request = self._request
        steps: Sequence[Step] = order(request.route, self._engine.providers, request.kind.readings)
        for _ in range(_ROUNDS):
            if await self._found_in(steps) or self._best is not None:
                break
            steps = [candidate for candidate, _ in self._left_alone]
            if not steps or not await self._waited_for_circuits():
                break
        if self._best is None:
            raise NoAnswer(storable_attempts(self._record.attempts))
        return self._artifact(self._best)

    async def _found_in(self, steps: Sequence[Step]) -> bool:
        """Whether a model's answers reached the threshold."""
        for place, step in enumerate(steps):
            if isinstance(step, Barred):
                self._record.skipped(step, step.code, step.reason)
                continue
            others = any(isinstance(each, Candidate) for each in steps[place + 1 :])
            if await self._reached(step, others=others):
                return True
        return False

    async def _waited_for_circuits(self) -> bool:
        """Nothing else is left: a model that may be tried again in a moment is worth that moment."""
        wait_s = max(min(for_s for _, for_s in self._left_alone), _PROBE_S)
        self._left_alone = []
        if wait_s > min(backoff.PATIENCE_S, self._line.purse.left_s):
            return False
        await self._audience("waiting", f"for {wait_s:.1f} s: every model is left alone after failures")
        await asyncio.sleep(wait_s)
        return True

    async def _reached(self, candidate: Candidate, *, others: bool, made: int = 0) -> bool:
        """Whether this model's answers reached the threshold. ``made`` attempts went to it before."""
        tries = Tries(self._request.route, candidate.reading, made)
        while (question := tries.next()) is not None:
            await self._announce(candidate, question, tries)
            try:
                answer = await self._attempt(candidate, question, tries)
            except CircuitOpen as refusal:
                if not tries.made:
                    self._left_alone.append((candidate, refusal.for_s))
                break
            except (OverBudget, *NO_ROOM):
                break
            except ContextTooLong:
                shorter = candidate.shorter(self._request.kind.readings)
                if shorter is None:
                    break
                return await self._reached(shorter, others=others, made=tries.made + 1)
            except (ProviderError, MermaidError) as error:
                tries.failed()
                if not await self._waited(error, tries, others=others):
                    break
            else:
                tries.answered(answer)
                if self._best is None or answer.worth > self._best.worth:
                    self._best = answer
                last = self._record.attempts[-1]
                await self._audience("scored", f"attempt {last.number}: {last.score} of 100 by {last.model}")
        return tries.reached

    async def _announce(self, candidate: Candidate, question: Question, tries: Tries) -> None:
        """With each attempt after the first, what was written before is void."""
        attempts = self._record.attempts
        if not attempts:
            return
        last = attempts[-1]
        if last.outcome == "failed" and self._audience.wrote:
            await self._audience("restarting", f"{last.error}; now {candidate.model}")
        elif question.feedback is not None:
            await self._audience("repairing", "; ".join(question.feedback.messages[:1]))
        elif tries.made:
            await self._audience("asking again", candidate.model)
        else:
            why = f" ({last.error})" if last.error else ""
            await self._audience("next model", f"{candidate.model}{why}")

    async def _waited(self, error: ProviderError | MermaidError, tries: Tries, *, others: bool) -> bool:
        """Whether the same model shall be asked again, after the time that takes."""
        if isinstance(error, MermaidError):
            return True  # the grammar gave no verdict on this answer; the next one may be simpler
        if tries.next() is None:
            return False
        left_s = self._line.purse.left_s
        wait_s = backoff.wait_s(
            error, tries.failures, left_s=left_s, others=others, jitter=self._engine.jitter
        )
        if wait_s is None:
            return False
        if wait_s > _WORTH_TELLING_S:
            await self._audience("waiting", f"for {wait_s:.1f} s: {error}")
        await asyncio.sleep(wait_s)
        return True

    async def _attempt(self, candidate: Candidate, question: Question, tries: Tries) -> Answer:
        """The answer to one question, recorded; so is whatever is raised: a refusal only if nothing was asked."""
        engine, line, record = self._engine, self._line, self._record
        asking = Asking(
            line, candidate, self._request.route.limits, question.sampling, self._audience, tries.known
        )
        meter, started = asking.meter, engine.now()
        try:
            line.room(candidate, 0, 1)
            work = self._made_and_judged(candidate, question, asking)
            answer = await engine.deadlines.within(line.purse.left_s, work)
        except REFUSALS as refusal:
            if meter.calls:
                record.failed(candidate, question.kind, meter, engine.now() - started, refusal)
            else:
                record.refused(candidate, refusal)
            raise
        except TimeoutError:
            late = DeadlinePassed(candidate.model, line.purse.budget.deadline_s)
            record.failed(candidate, question.kind, meter, engine.now() - started, late)
            raise late from None
        except (ProviderError, MermaidError) as error:
            record.failed(candidate, question.kind, meter, engine.now() - started, error)
            raise
        finally:
            self._timings.model += meter.model_ms / 1000
        took_s = engine.now() - started
        score = answer.score.score
        record.answered(candidate, question.kind, meter, took_s, score, validators=answer.results)
        return answer

    async def _made_and_judged(self, candidate: Candidate, question: Question, asking: Asking) -> Answer:
        request = self._request
        brief = Brief(
            request.requirements, candidate.reading, request.context, request.options, question.feedback
        )
        draft = await request.kind.make(brief, asking, self._audience)
        if asking.meter.cut:
            draft = replace(draft, notes=(_CUT, *draft.notes))
        draft = storable_draft(candidate.model, draft)
        await self._audience("validating")
        started = self._engine.now()
        subject = Subject(draft.content, request.requirements, request.context, request.options, draft)
        results = await self._engine.judged(request.kind, subject, self._engine.tools)
        self._timings.validating += self._engine.now() - started
        score = combine(results)
        accepted = score.accepted(request.route.threshold)
        return Answer(candidate, draft, storable_results(results), score, accepted, tuple(asking.remarks))

    def _artifact(self, best: Answer) -> Artifact:
        route, score = self._request.route, best.score.score
        answers = sum(each.outcome == "answered" for each in self._record.attempts)
        below = (
            () if best.accepted else (f"not accepted (threshold {route.threshold}): the best of {answers}",)
        )
        metrics.SCORES.labels(self._request.kind.type, str(best.accepted).lower()).observe(score)
        reasons = (*below, *best.score.reasons, *best.draft.notes, *best.remarks)
        return Artifact(
            artifact_id=new_id("art"),
            type=self._request.kind.type,
            content=best.draft.content,
            ir=best.draft.ir,
            score=score,
            accepted=best.accepted,
            model=best.candidate.model,
            version=best.candidate.version,
            attempts=storable_attempts(self._record.attempts),
            validators=best.results,
            evidence=best.draft.evidence,
            timings_ms=self._timings_ms(),
            reasons=tuple(map(line, reasons)),
            advice=_ADVICE if best.candidate.ref.provider == "llamacpp" and score < _ADVISE_BELOW else None,
        )

    def _timings_ms(self) -> dict[str, float]:
        timings, total = self._timings, self._engine.now() - self._timings.started
        seconds = {
            "total": total,
            "model": timings.model,
            "making": max(0.0, total - timings.model - timings.validating),
            "validating": timings.validating,
        }
        return {name: round(each * 1000, 2) for name, each in seconds.items()}

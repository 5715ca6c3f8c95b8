"""Proves a version's file in llama.cpp: it loads, is asked in its base's form, answers, and stops."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hone_contracts.training import TrainingCompleted
from hone_hub import worker_process
from hone_hub.deploy.errors import NoChatTemplate, TemplateDiffers
from hone_hub.deploy.files import Made
from hone_hub.deploy.questions import CONVERSATIONS, MAX_ANSWER_TOKENS, check_answers, questions
from hone_hub.errors import HubError, TookTooLong
from hone_hub.file_roots import FileRoots
from hone_hub.refusals import Refused
from hone_hub.work import Conversation, Prompt, Proof, ProveWork, RenderWork, Step
from hone_hub.worker_process import OnStep

# As the generator runs them: a small model's threads would wait for each other.
_ONE_THREAD_BELOW_BYTES = 50_000_000
_MOST_THREADS = 4
_CONTEXT_TOKENS = 1024


@dataclass(frozen=True)
class Proven:
    """``conversations`` are those that the chat template takes; ``by_base``: it was held to the base's file."""

    proof: Proof
    conversations: tuple[Conversation, ...]
    by_base: bool

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        pairs = zip(self.conversations, self.proof.token_ids, strict=True)
        return tuple(Prompt(conversation=conversation, token_ids=ids) for conversation, ids in pairs)

    def told(self) -> dict[str, Any]:
        """As it is kept with the version."""
        answers = self.proof.answers
        return {
            "engine": "llama.cpp",
            "load_ms": round(self.proof.load_ms, 1),
            "answers": [answer.text[:500] for answer in answers],
            "completion_tokens": sum(answer.completion_tokens for answer in answers),
            "template": f"{len(self.conversations)} conversations rendered as "
            + ("the base's template does" if self.by_base else "Jinja does"),
        }


class Proving:
    def __init__(self, roots: FileRoots, limit_s: float) -> None:
        self._roots, self._limit_s = roots, limit_s

    async def prove(self, order: TrainingCompleted, made: Made, tell: OnStep) -> Proven:
        """Raises HubError, Refused."""
        await tell(Step(stage="prove", message=made.path.name, done=0, total=made.size_bytes))
        base = self._base(order.planned.base.model_uri)
        conversations, expected = await self._expected(base or made.path)
        reading = order.planned.reading
        work = ProveWork(
            path=made.path,
            context_tokens=min(made.report["context_length"] or _CONTEXT_TOKENS, _CONTEXT_TOKENS),
            threads=1
            if made.size_bytes < _ONE_THREAD_BELOW_BYTES
            else min(_MOST_THREADS, os.cpu_count() or 1),
            questions=questions(reading),
            max_tokens=MAX_ANSWER_TOKENS,
            conversations=conversations,
        )
        try:
            async with asyncio.timeout(self._limit_s):
                proof = Proof.model_validate(await worker_process.run(work, tell))
        except TimeoutError as error:
            raise TookTooLong(self._limit_s) from error
        for wanted, found in zip(expected, proof.rendered, strict=True):
            if wanted != found:
                raise TemplateDiffers(made.path.name, wanted, found)
        check_answers(reading, proof.answers)
        return Proven(proof, conversations, by_base=base is not None)

    async def _expected(self, path: Path) -> tuple[tuple[Conversation, ...], list[str]]:
        """The conversations that the file's template takes, and what Jinja makes of them. It is the base's file;
        without one at hand the version's own."""
        work = RenderWork(path=path, conversations=CONVERSATIONS)
        told = await worker_process.run_within(self._limit_s, work)
        pairs = [
            (conversation, text)
            for conversation, text in zip(CONVERSATIONS, told["rendered"], strict=True)
            if text is not None
        ]
        if not pairs:
            raise NoChatTemplate(path)
        return tuple(conversation for conversation, _ in pairs), [text for _, text in pairs]

    def _base(self, uri: str | None) -> Path | None:
        if uri is None:
            return None
        try:
            path = self._roots.path_of(uri)
        except HubError as error:
            raise Refused.because(error) from error
        return path if path.is_file() else None

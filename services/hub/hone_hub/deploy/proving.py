"""Proves a version's file in llama.cpp: it loads, is asked in its base's form, answers, and stops."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hone_contracts.training import TrainingCompleted
from hone_hub import worker_process
from hone_hub.deploy.errors import NoChatTemplate, TemplateDiffers
from hone_hub.deploy.files import Made
from hone_hub.deploy.models.facts import added_bos
from hone_hub.deploy.questions import CONVERSATIONS, check_answers, most_answer_tokens, questions
from hone_hub.errors import HubError, TookTooLong
from hone_hub.file_roots import FileRoots
from hone_hub.refusals import Refused
from hone_hub.work import Prompt, Proof, ProveWork, RenderWork, Step
from hone_hub.worker_process import OnStep

# As the generator runs them: a small model's threads would wait for each other.
_ONE_THREAD_BELOW_BYTES = 50_000_000
_MOST_THREADS = 4
_CONTEXT_TOKENS = 2048


@dataclass(frozen=True)
class Proven:
    """``prompts`` are of the conversations that the chat template takes; ``by_base``: it was held to the base's."""

    proof: Proof
    prompts: tuple[Prompt, ...]
    by_base: bool

    def told(self) -> dict[str, Any]:
        """As it is kept with the version."""
        answers = self.proof.answers
        return {
            "engine": "llama.cpp",
            "load_ms": round(self.proof.load_ms, 1),
            "answers": [answer.text[:500] for answer in answers],
            "completion_tokens": sum(answer.completion_tokens for answer in answers),
            "template": f"{len(self.prompts)} conversations rendered as "
            + ("the base's template does" if self.by_base else "Jinja does"),
        }


class Proving:
    def __init__(self, roots: FileRoots, limit_s: float) -> None:
        self._roots, self._limit_s = roots, limit_s

    async def prove(self, order: TrainingCompleted, made: Made, tell: OnStep) -> Proven:
        """Raises HubError, Refused."""
        await tell(Step(stage="prove", message=made.path.name, done=0, total=made.size_bytes))
        reading, base = order.planned.reading, self._base(order.planned.base.model_uri)
        work = ProveWork(
            path=made.path,
            context_tokens=min(made.report["context_length"] or _CONTEXT_TOKENS, _CONTEXT_TOKENS),
            threads=threads_for(made.size_bytes),
            questions=questions(reading),
            max_tokens=most_answer_tokens(reading),
            conversations=CONVERSATIONS,
        )
        expected, proof = await self._run(
            RenderWork(path=base or made.path, conversations=CONVERSATIONS, as_engine=True), work, tell
        )
        bos = added_bos(made.report["tokenizer"])
        prompts = tuple(_prompts(made.path, expected, proof, bos))
        if not prompts:
            raise NoChatTemplate(base or made.path)
        check_answers(reading, proof.answers)
        return Proven(proof, prompts, by_base=base is not None)

    async def _run(
        self, render: RenderWork, prove: ProveWork, tell: OnStep
    ) -> tuple[list[str | None], Proof]:
        """What Jinja makes of the conversations, and what llama.cpp does; side by side."""
        try:
            async with asyncio.timeout(self._limit_s), asyncio.TaskGroup() as group:
                rendering = group.create_task(worker_process.run(render, tell))
                proving = group.create_task(worker_process.run(prove, tell))
        except* Refused as refused:
            raise refused.exceptions[0] from None
        except* TimeoutError as error:
            raise TookTooLong(self._limit_s) from error
        return rendering.result()["rendered"], Proof.model_validate(proving.result())

    def _base(self, uri: str | None) -> Path | None:
        if uri is None:
            return None
        try:
            path = self._roots.path_of(uri)
        except HubError as error:
            raise Refused.because(error) from error
        return path if path.is_file() else None


def threads_for(size_bytes: int) -> int:
    return min(_MOST_THREADS, os.cpu_count() or 1) if size_bytes >= _ONE_THREAD_BELOW_BYTES else 1


def _prompts(path: Path, expected: Sequence[str | None], proof: Proof, bos: str | None) -> Iterator[Prompt]:
    """``bos`` is the one that the tokenizer adds: one that the template writes llama.cpp takes away before, so that
    there is one. Raises TemplateDiffers."""
    rendered = zip(CONVERSATIONS, expected, proof.rendered, proof.token_ids, strict=True)
    for conversation, wanted, found, token_ids in rendered:
        if wanted is None:
            continue
        if found != (text := wanted.removeprefix(bos or "")):
            raise TemplateDiffers(path.name, text, found or "")
        yield Prompt(conversation=conversation, token_ids=token_ids)

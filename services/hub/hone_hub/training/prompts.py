"""Answers ``ReadPrompts``: conversations as the engine reads them that will serve what is being trained.

The folder, which holds the real tokenizer and template and few weights, is converted as a version will be, and loaded
by the same llama.cpp that answers. ``/apply-template`` and ``/tokenize`` do there what ``/v1/chat/completions`` does:
where the tokenizer begins every text with a BOS, one that the template writes is taken away before, so that there is
one; where it does not, the template's stays.
"""

import asyncio
import tempfile
from functools import partial
from pathlib import Path

from hone_contracts.hub import PromptsRead, ReadPrompts
from hone_contracts.streams import MAX_MESSAGE_BYTES
from hone_hub import worker_process
from hone_hub.errors import FileMissing, FileUnreadable, HubError, TookTooLong
from hone_hub.file_roots import FileRoots
from hone_hub.refusals import Refused
from hone_hub.training.conversions import listed
from hone_hub.training.errands import Errands
from hone_hub.training.errors import PromptsTooLong, StillReading, TooLargeToRead
from hone_hub.work import Conversation, ConvertWork, Proof, ProveWork, Step
from hone_hub.worker_process import OnStep

_AT_A_TIME = 2
_MOST_WEIGHT_BYTES = 1 << 30
"""Vocabularies have up to 262,144 tokens; at a width of 64 in 32 bits their embedding takes 67 MB."""
_MOST_ANSWER_BYTES = MAX_MESSAGE_BYTES - (64 << 10)
_CONTEXT_TOKENS = 64  # nothing is answered


class EnginePrompts:
    """Gives up after ``limit_s``; an answer waits ``wait_s``, and is there for whoever asks the same again."""

    def __init__(self, roots: FileRoots, errands: Errands, limit_s: float, wait_s: float) -> None:
        self._roots, self._errands, self._limit_s, self._wait_s = roots, errands, limit_s, wait_s
        self._turns = asyncio.Semaphore(_AT_A_TIME)

    async def read(self, question: ReadPrompts) -> PromptsRead:
        """Raises Refused."""
        try:
            source = self._roots.path_of(question.source_uri)
            _check_small(source)
            key = ("prompts", source, listed(source), question.model_dump_json())
            came = await self._errands.ask(key, partial(self._read, source, question), self._wait_s)
            if isinstance(came, Step):
                raise StillReading(source)
        except HubError as error:
            raise Refused.because(error) from error
        return came

    async def _read(self, source: Path, question: ReadPrompts, _tell: OnStep) -> PromptsRead:
        """Raises HubError, Refused."""
        try:
            async with asyncio.timeout(self._limit_s), self._turns:
                return _answer(await _proof(source, question.conversations))
        except TimeoutError as error:
            raise TookTooLong(self._limit_s) from error


async def _proof(source: Path, conversations: tuple[Conversation, ...]) -> Proof:
    """Raises Refused."""
    with tempfile.TemporaryDirectory(prefix="hone-prompts-") as private:
        file = Path(private) / "model.gguf"
        convert = ConvertWork(source=source, target=file, quantization="f16", overwrite=False)
        await worker_process.run(convert, _nobody_watches)
        prove = ProveWork(
            path=file,
            context_tokens=_CONTEXT_TOKENS,
            threads=1,
            questions=(),
            max_tokens=1,
            conversations=conversations,
            ends=True,
        )
        return Proof.model_validate(await worker_process.run(prove, _nobody_watches))


def _answer(proof: Proof) -> PromptsRead:
    """Raises PromptsTooLong."""
    told = zip(proof.rendered, proof.token_ids, strict=True)
    token_ids = tuple(None if text is None else ids for text, ids in told)
    read = PromptsRead(rendered=proof.rendered, token_ids=token_ids, end_ids=proof.end_ids)
    size_bytes = len(read.model_dump_json().encode())
    if size_bytes > _MOST_ANSWER_BYTES:
        raise PromptsTooLong(size_bytes, _MOST_ANSWER_BYTES)
    return read


def _check_small(folder: Path) -> None:
    """Raises FileMissing, FileUnreadable, TooLargeToRead."""
    if not folder.is_dir():
        raise FileMissing(folder, "give the folder that holds config.json and model.safetensors")
    try:
        size_bytes = sum(each.stat().st_size for each in folder.glob("*.safetensors"))
    except OSError as error:
        raise FileUnreadable(folder, error) from error
    if size_bytes > _MOST_WEIGHT_BYTES:
        raise TooLargeToRead(folder, size_bytes, _MOST_WEIGHT_BYTES)


async def _nobody_watches(_step: Step) -> None:
    return

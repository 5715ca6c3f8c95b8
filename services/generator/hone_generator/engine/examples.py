"""The examples of a prompt version: turns between instructions and question, as if the model had answered them.

They were written under the instructions that stood there when the version was made. Under others (Hone's were
changed, or an option of the type changes them) they would teach what is no longer asked for, and are left out.
"""

from dataclasses import dataclass

from hone_contracts.registry import PromptVersion
from hone_generator.engine.plan import Candidate
from hone_generator.providers.base import ChatMessage, Role


@dataclass(frozen=True, slots=True)
class Told:
    """Who is asked, and what it is told. ``held_chars`` of the prompt are not sent, since the provider's version has
    them; ``remark`` says to a person why the examples were left out."""

    candidate: Candidate
    messages: tuple[ChatMessage, ...]
    held_chars: int = 0
    remark: str | None = None


def with_examples(candidate: Candidate, question: tuple[ChatMessage, ...]) -> Told:
    """The question as the candidate's version wants it put."""
    prompt = candidate.prompt
    if prompt is None:
        return Told(candidate, question)
    system, rest = _parted(question)
    if system != prompt.system:
        return Told(candidate.plain, question, remark=_remark(candidate))
    if prompt.baked:
        return Told(candidate, rest, held_chars=_held_chars(prompt))
    instructions = question[: len(question) - len(rest)]
    turns = tuple(ChatMessage(Role(turn.role), turn.content) for turn in prompt.turns)
    return Told(candidate, (*instructions, *turns, *rest))


def _parted(question: tuple[ChatMessage, ...]) -> tuple[str, tuple[ChatMessage, ...]]:
    """The instructions, and what comes after them."""
    if question and question[0].role is Role.SYSTEM:
        return question[0].content, question[1:]
    return "", question


def _held_chars(prompt: PromptVersion) -> int:
    return len(prompt.system) + sum(len(turn.content) for turn in prompt.turns)


def _remark(candidate: Candidate) -> str:
    return (
        f"the examples of version {candidate.version} of {candidate.model} were left out: they were written under "
        "other instructions than today's; training once more renews them (`hone train`)"
    )

"""What of a conversation is trained: each answer and the end of its turn, token by token.

    prompt    the tokens of the conversation up to the answer, as the engine reads them; not trained
    answer    the tokens of what the template writes from there on, up to the first token that ends generation

The two are tokenised apart, for apart they are when the model answers. Where a tokenizer writes a space before a
text, they are cut from the whole instead. What the template writes after the end belongs to the next turn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hone_trainer.tuning.data.chat import Chat, TemplateRefuses
from hone_trainer.tuning.data.rows import Conversation, Row

TOO_LONG = "longer than the context (most_tokens)"
FORGED = "spells a special token of the tokenizer or a mark of the chat template"
REFUSED = "refused by the chat template"
OTHERWISE = "the chat template writes an answer otherwise than it asks for one"
ENDLESS = "the chat template ends the answer with no token that the model stops at"
INSEPARABLE = "question and answer run into one token"

_ANCHOR = "\n"  # a text that the next one is not joined to


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An answer that is not trained, and why; ``detail`` says more about this one."""

    row: int
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TrainingSequence:
    """``tokens`` [length] int32; ``trained`` [length] bool: it is predicted and counts. The first never is."""

    row: Row
    tokens: NDArray[np.int32]
    trained: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Turn:
    """Texts: up to the answer, and from there to the end of what the template writes."""

    row: Row
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Tokens:
    prompt: list[int]
    answer: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


class Masker:
    """Makes sequences of rows. ``most_tokens`` is the context: of a sequence with its end."""

    def __init__(self, chat: Chat, most_tokens: int) -> None:
        self._chat, self._most = chat, most_tokens
        # What cannot fit is not tokenised, which takes a hundred bytes a token.
        self._most_chars = most_tokens * chat.longest_token
        self._blank = lru_cache(maxsize=100)(
            chat.is_blank
        )  # what a template writes there is nearly always the same

    def sequences(self, rows: Sequence[Row]) -> Iterator[TrainingSequence | LeftOut]:
        """In the order of the rows. All rows of one answer are tokenised together, which is faster."""
        single = [self._single(row) for row in rows]
        turns = [each for each in single if isinstance(each, _Turn)]
        tokens = iter(self._tokens(turns))
        for row, each in zip(rows, single, strict=True):
            if isinstance(each, LeftOut):
                yield each
            elif each is None:
                yield from self._several(row)
            else:
                found = next(tokens)
                yield self._fits(found, row) if isinstance(found, _Tokens) else found

    def _single(self, row: Row) -> _Turn | LeftOut | None:
        """None for a row of several answers, which are looked at one after the other."""
        for message in row.messages:
            if (forged := self._chat.spelled(message["content"])) is not None:
                return LeftOut(row.number, FORGED, repr(forged))
        return self._turn(row, row.answers[0]) if len(row.answers) == 1 else None

    def _several(self, row: Row) -> Iterator[TrainingSequence | LeftOut]:
        """One sequence where the answers stand in the whole conversation as they do when they are asked for: not so
        with templates that write an older answer otherwise (Qwen 3 takes its thoughts away)."""
        fit: list[_Tokens] = []
        for at in row.answers:
            turn = self._turn(row, at)
            found = turn if isinstance(turn, LeftOut) else self._tokens([turn])[0]
            if isinstance(found, LeftOut) and found.reason != TOO_LONG:
                yield found
                continue
            if isinstance(found, LeftOut) or len(found) > self._most:
                yield from [LeftOut(row.number, TOO_LONG)] * (len(row.answers) - row.answers.index(at))
                break
            fit.append(found)
        if len(fit) > 1 and all(_stands_in(each, fit[-1]) for each in fit[:-1]):
            yield _sequence(row, [*fit[-1].prompt, *fit[-1].answer], fit)
        else:
            yield from (_sequence(row, [*each.prompt, *each.answer], [each]) for each in fit)

    def _fits(self, tokens: _Tokens, row: Row) -> TrainingSequence | LeftOut:
        if len(tokens) > self._most:
            return LeftOut(row.number, TOO_LONG, f"{len(tokens)} tokens")
        return _sequence(row, [*tokens.prompt, *tokens.answer], [tokens])

    def _turn(self, row: Row, at: int) -> _Turn | LeftOut:
        try:
            prompt = self._chat.render(row.messages[:at], asking=True)
            answer = self._written(prompt, row.messages[: at + 1])
        except TemplateRefuses as error:
            return LeftOut(row.number, REFUSED, str(error))
        if not prompt or not answer:
            return LeftOut(row.number, OTHERWISE)
        if len(prompt) + len(row.messages[at]["content"].strip()) > self._most_chars:
            return LeftOut(row.number, TOO_LONG, f"{len(prompt) + len(answer):,} characters")
        return _Turn(row, prompt, answer)

    def _written(self, prompt: str, conversation: Conversation) -> str | None:
        """What the template writes for the last message, an answer, where this prompt ends.

        Some write the system message with the last question alone (Mistral), which is the last message no more once
        it is answered. They write the answer as to a question without one.
        """
        whole = self._chat.render(conversation, asking=False)
        if not whole.startswith(prompt):
            question, answer = conversation[-2:]
            prompt = self._chat.render([question], asking=True)
            whole = self._chat.render([question, answer], asking=False)
        return whole[len(prompt) :] if whole.startswith(prompt) else None

    def _tokens(self, turns: Sequence[_Turn]) -> list[_Tokens | LeftOut]:
        prompts = self._chat.encode([each.prompt for each in turns])
        answers: Sequence[list[int] | None]
        if self._chat.joins:
            answers = self._cut(turns, prompts)
        else:
            answers = self._chat.encode([each.answer for each in turns])
        return [
            LeftOut(turn.row.number, INSEPARABLE)
            if answer is None
            else self._ended(turn, self._chat.begun(prompt), answer)
            for turn, prompt, answer in zip(turns, prompts, answers, strict=True)
        ]

    def _cut(self, turns: Sequence[_Turn], prompts: list[list[int]]) -> list[list[int] | None]:
        """The answer's tokens out of the whole's; where the two run together, as those of a text that goes on."""
        wholes = self._chat.encode([each.prompt + each.answer for each in turns])
        found: list[list[int] | None] = []
        for turn, prompt, whole in zip(turns, prompts, wholes, strict=True):
            if whole[: len(prompt)] == prompt:
                found.append(whole[len(prompt) :])
                continue
            before, both = self._chat.encode([_ANCHOR, _ANCHOR + turn.answer])
            found.append(both[len(before) :] if both[: len(before)] == before else None)
        return found

    def _ended(self, turn: _Turn, prompt: list[int], answer: list[int]) -> _Tokens | LeftOut:
        """Up to the first token that ends generation, behind which the template may write no words."""
        end = 1 + min((answer.index(each) for each in self._chat.ends if each in answer), default=-1)
        if not end:
            return LeftOut(turn.row.number, ENDLESS)
        if not self._blank(tuple(answer[end:])):
            return LeftOut(turn.row.number, FORGED, "a token that ends generation, within the answer")
        return _Tokens(prompt, answer[:end])


def _stands_in(turn: _Tokens, last: _Tokens) -> bool:
    return last.prompt[: len(turn)] == [*turn.prompt, *turn.answer]


def _sequence(row: Row, tokens: list[int], turns: Sequence[_Tokens]) -> TrainingSequence:
    trained = np.zeros(len(tokens), np.bool_)
    for turn in turns:
        trained[len(turn.prompt) : len(turn)] = True
    return TrainingSequence(row, np.array(tokens, np.int32), trained)

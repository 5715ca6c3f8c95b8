"""A conversation as the engine sees it: its chat template and its tokenizer, without a model.

llama.cpp renders a conversation up to where the answer begins, takes away a BOS that the template writes where its
tokenizer adds one, and tokenises the text with the marks of turns as tokens. What is trained must begin with exactly
these tokens. `parity` has them compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import jinja2
from tokenizers import Tokenizer

from hone_trainer.tuning.data.rows import Conversation
from hone_trainer.tuning.data.template import clock, compiled
from hone_trainer.tuning.errors import TemplateUnfit

A_DAY = date(2024, 7, 26)
"""What a template that writes the date is told in training: the same rows make the same tokens on any day."""

_QUESTION, _ANSWER, _RULE = "Who keeps the shelf?", "The clerk does.", "Be brief about it."
_ASKED: Conversation = [{"role": "user", "content": _QUESTION}]
_ANSWERED: Conversation = [*_ASKED, {"role": "assistant", "content": _ANSWER}]
_LEAST_MARK = 3


class TemplateRefuses(Exception):
    """This conversation, by the template's own word."""


@dataclass(frozen=True)
class Form:
    """What a `Chat` is made of; it goes to other processes. ``begin`` is the token that the tokenizer puts before
    each text, if it does."""

    tokenizer: str
    template: str
    special: tuple[tuple[str, str], ...]
    ends: frozenset[int]
    begin: int | None


class Chat:
    """Renders and tokenises. ``ends`` are the tokens that end an answer.

    ``joins``: the tokenizer writes a space before a text (SentencePiece's habit), so that a text's tokens depend on
    what is before it. ``folds``: the template has no place for a system message, and llama.cpp puts it before the
    question. ``marks`` are texts between turns that are no tokens of their own, like [INST]. ``longest_token`` is in
    characters.
    """

    def __init__(self, form: Form) -> None:
        self.form, self.ends = form, form.ends
        self._tokenizer: Any = Tokenizer.from_str(form.tokenizer)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.longest_token = max(map(len, self._tokenizer.get_vocab()), default=1)
        self._special = dict(form.special)
        try:
            self._template = compiled(form.template)
        except jinja2.TemplateError as error:
            raise TemplateUnfit(f"is none: {str(error)[:200]}") from error
        added = self._tokenizer.get_added_tokens_decoder()
        self._spoken = {each.content for each in added.values()}
        self.special_texts = frozenset(
            each.content for number, each in added.items() if each.special or number in form.ends
        )
        self._folded_texts = any(
            each.normalized for each in added.values() if each.content in self.special_texts
        )
        self.joins = "".join(self._tokenizer.encode("x", add_special_tokens=False).tokens).startswith(
            ("▁", "Ġ")
        )
        self.folds = False
        self.folds = self._is_refused_or_dropped()
        self.marks = self._marks()
        self._openings = {each[:2] for each in (*self.special_texts, *self.marks)}

    @classmethod
    def of(cls, tokenizer: Any, ends: frozenset[int]) -> "Chat":
        """Of transformers' fast tokenizer. Raises TemplateUnfit."""
        backend = tokenizer.backend_tokenizer
        plain = backend.encode("x", add_special_tokens=False).ids
        whole = backend.encode("x", add_special_tokens=True).ids
        begins = len(whole) > len(plain) and whole[: len(plain)] != plain
        try:
            template = tokenizer.get_chat_template()
        except ValueError as error:
            raise TemplateUnfit(str(error)) from error
        chat = cls(
            Form(
                tokenizer=backend.to_str(),
                template=template,
                special=tuple(sorted(tokenizer.special_tokens_map.items())),
                ends=ends,
                begin=whole[0] if begins else None,
            )
        )
        chat.check()
        return chat

    def __reduce__(self) -> tuple[type["Chat"], tuple[Form]]:
        return type(self), (self.form,)

    def render(self, conversation: Conversation, *, asking: bool, day: date = A_DAY) -> str:
        """The text of it; ``asking`` with the beginning of the next answer. Raises TemplateRefuses."""
        if self.folds and conversation and conversation[0]["role"] == "system":
            conversation = folded(conversation)
        try:
            return str(
                self._template.render(
                    messages=conversation,
                    tools=None,
                    documents=None,
                    add_generation_prompt=asking,
                    **clock(day),
                    **self._special,
                )
            )
        except Exception as error:  # a template is a program of strangers, and may raise anything
            raise TemplateRefuses(f"{type(error).__name__}: {str(error)[:200]}") from error

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of each text, no BOS added."""
        return [each.ids for each in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def begun(self, ids: list[int]) -> list[int]:
        """As the engine begins it: one BOS where the tokenizer adds one, whether the template wrote it or not."""
        begin = self.form.begin
        return ids if begin is None or ids[:1] == [begin] else [begin, *ids]

    def spelled(self, text: str) -> str | None:
        """A special token or a mark of a turn that is written in the text: it would forge one."""
        found = None
        if any(each in text for each in self._openings):
            found = next((each for each in (*self.special_texts, *self.marks) if each in text), None)
        if found is None and self._folded_texts and self._tokenizer.normalizer is not None:
            text = self._tokenizer.normalizer.normalize_str(text)
            found = next((each for each in self.special_texts if each in text), None)
        return found

    def named(self, ids: Sequence[int]) -> list[str]:
        """The tokens' texts, one by one."""
        return [self._tokenizer.decode([each], skip_special_tokens=False) for each in ids]

    def is_blank(self, ids: Sequence[int]) -> bool:
        """Nothing is written by these tokens but special ones and space."""
        return not self._tokenizer.decode(list(ids), skip_special_tokens=True).strip(" \n\t▁")

    def check(self) -> None:
        """Can this template teach anything? Raises TemplateUnfit, which says why not."""
        try:
            asked = self.render(_ASKED, asking=True)
            answered = self.render(_ANSWERED, asking=False)
        except TemplateRefuses as error:
            raise TemplateUnfit(f"cannot write a question and its answer: {error}") from error
        if _QUESTION not in asked or _ANSWER not in answered:
            raise TemplateUnfit("leaves out what is said in a conversation")
        if not answered.startswith(asked):
            raise TemplateUnfit(
                f"begins an answer with {asked[-40:]!r}, and writes no answer of a conversation so: the model would "
                "be asked otherwise than it was taught"
            )
        after = answered[len(asked) :].partition(_ANSWER)[2]
        if not self.ends_written():
            ends = ", ".join(map(repr, self.named(sorted(self.ends))))
            raise TemplateUnfit(
                f"writes {after!r} after an answer, and the model stops at {ends}: it would never learn to stop"
            )

    def ends_written(self) -> dict[int, str]:
        """The token that the template ends an answer with, and its text; empty where it writes none."""
        answer = self.render(_ANSWERED, asking=False).removeprefix(self.render(_ASKED, asking=True))
        end = next((each for each in self.encode([answer])[0] if each in self.ends), None)
        return {} if end is None else {end: self.named([end])[0]}

    def _is_refused_or_dropped(self) -> bool:
        """A system message, though the template writes a conversation without one."""
        try:
            self.render(_ASKED, asking=True)
        except TemplateRefuses:
            return False
        try:
            return _RULE not in self.render([{"role": "system", "content": _RULE}, *_ASKED], asking=True)
        except TemplateRefuses:
            return True

    def _marks(self) -> tuple[str, ...]:
        """Lines between the turns, without the tokens in them, that are more than a word."""
        try:
            text = self.render([*_ANSWERED, *_ASKED], asking=True)
        except TemplateRefuses:
            try:
                text = self.render(_ANSWERED, asking=False)
            except TemplateRefuses:
                return ()
        text = text.partition(_QUESTION)[2]  # before may stand a whole system prompt of the template's own
        for spoken in (_QUESTION, _ANSWER, *sorted(self._spoken, key=len, reverse=True)):
            text = text.replace(spoken, "\n")
        lines = {line.strip() for line in text.splitlines()}
        return tuple(
            sorted(line for line in lines if len(line) >= _LEAST_MARK and not line.replace(" ", "").isalnum())
        )


def folded(conversation: Conversation) -> Conversation:
    """The system message before the question, as llama.cpp has it where a template knows no such role."""
    system, question, *rest = conversation
    return [{**question, "content": f"{system['content']}\n{question['content']}"}, *rest]

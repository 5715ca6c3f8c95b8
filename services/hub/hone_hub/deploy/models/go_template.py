"""A chat template in Go's language, as Ollama has them, of what a model's Jinja makes of conversations.

Conversations with marked contents are rendered; what stands between the marks is what the template writes between
turns. Where that depends on nothing but whose turns they are, it can be said in Go, system prompt included: before
the first question, or before the last one, as some of Mistral's do. What Go's form makes of other conversations is
compared with Jinja's before anybody is asked, and in Ollama itself before the model is let loose.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hone_hub.deploy.ollama.templates import CHATML
from hone_hub.work import Conversation

_S, _U, _A = "hone0system", ("hone1user", "hone3user", "hone5user"), ("hone2assistant", "hone4assistant")


def _turns(rounds: int, system: bool) -> Conversation:
    turns = [{"role": "system", "content": _S}] if system else []
    for question, answer in zip(_U[: rounds - 1], _A, strict=False):
        turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return (*turns, {"role": "user", "content": _U[rounds - 1]})


PROBES: tuple[Conversation, ...] = (
    *(_turns(rounds, system) for system in (False, True) for rounds in (1, 2, 3)),
    ({"role": "user", "content": f"  {_U[0]}  "},),
)


class NotSayable(Exception):
    """Why the template cannot be said in Go, as far as it was tried."""


@dataclass(frozen=True)
class TurnTemplate:
    """What is written around contents: before the first question, between a question and its answer, between an
    answer and the next question, behind the last question; around a system prompt. ``folded``: the model's own
    template refuses system prompts, so they go before the first question, as a paragraph of it."""

    opening: str
    answering: str
    asking: str
    closing: str
    before_system: str
    after_system: str
    system_last: bool = False
    folded: bool = False
    trims: bool = False

    def text(self, conversation: Conversation) -> str:
        """As Ollama renders ``go``."""
        system = "\n\n".join(each["content"] for each in conversation if each["role"] == "system")
        turns = [each for each in conversation if each["role"] != "system"]
        parts = [
            f"{self.before_system}{system}{self.after_system}"
            if system and not self.system_last
            else self.opening
        ]
        for number, turn in enumerate(turns):
            last = number + 1 == len(turns)
            if turn["role"] == "assistant":
                parts += [turn["content"], "" if last else self.asking]
                continue
            if last and system and self.system_last:
                parts += [system, self.after_system]
            parts += [turn["content"], self.closing if last else self.answering]
        return "".join(parts)

    def go(self) -> str:
        """Nothing is trimmed: what stands outside of braces is text."""
        opening, closing = literal(self.opening), literal(self.closing)
        after = literal(self.after_system)
        if not self.system_last:
            before = f"{literal(self.before_system)}{{{{ .System }}}}{after}"
            opening = f"{{{{ if .System }}}}{before}{{{{ else }}}}{opening}{{{{ end }}}}"
        system = f"{{{{ if $.System }}}}{{{{ $.System }}}}{after}{{{{ end }}}}" if self.system_last else ""
        return (
            f"{opening}{{{{ range $i, $_ := .Messages }}}}"
            "{{ $last := eq (len (slice $.Messages $i)) 1 }}"
            '{{ if eq .Role "assistant" }}{{ .Content }}'
            f"{{{{ if not $last }}}}{literal(self.asking)}{{{{ end }}}}"
            '{{ else if ne .Role "system" }}'
            f"{{{{ if $last }}}}{system}{{{{ .Content }}}}{closing}"
            f"{{{{ else }}}}{{{{ .Content }}}}{literal(self.answering)}{{{{ end }}}}"
            "{{ end }}{{ end }}"
        )


def literal(text: str) -> str:
    """Text that Go's templates write as it is."""
    return text.replace("{{", '{{ "{{" }}')


def derived(probes: Sequence[str | None]) -> TurnTemplate:
    """``probes``: what the template makes of ``PROBES``. Raises NotSayable."""
    plain, systems, padded = probes[:3], probes[3:6], probes[6]
    once = _between(plain[0], _U[:1], "a question")
    opening, closing = once
    twice = _between(plain[1], (_U[0], _A[0], _U[1]), "a second question")
    _, answering, asking, _ = twice
    thrice = _between(plain[2], (_U[0], _A[0], _U[1], _A[1], _U[2]), "a third question")
    if twice != [opening, answering, asking, closing] or thrice != [
        opening, answering, asking, answering, asking, closing,
    ]:  # fmt: skip
        raise NotSayable("what it writes around a question depends on what was said before")
    trims = padded is not None and padded == f"{opening}{_U[0]}{closing}"
    turns = TurnTemplate(opening, answering, asking, closing, opening, "\n\n", folded=True, trims=trims)
    return turns if systems[0] is None else _with_system(turns, systems)


def _with_system(turns: TurnTemplate, systems: Sequence[str | None]) -> TurnTemplate:
    before, after, closing = _between(systems[0], (_S, _U[0]), "a system prompt")
    twice = systems[1] or ""
    last = twice.find(_S) > twice.find(_U[0])
    found = TurnTemplate(
        turns.opening, turns.answering, turns.asking, closing, before, after, last, False, turns.trims
    )
    if closing != turns.closing or (last and before != turns.opening):
        raise NotSayable("what it writes around a question depends on the system prompt")
    if any(text != found.text(probe) for text, probe in zip(systems, PROBES[3:6], strict=True)):
        raise NotSayable("where it writes the system prompt depends on what else is said")
    return found


def _between(text: str | None, marks: Sequence[str], what: str) -> list[str]:
    """What stands before, between and behind the marks."""
    if text is None:
        raise NotSayable(f"it refuses {what}")
    parts = []
    for mark in marks:
        if text.count(mark) != 1:
            raise NotSayable(f"it writes {what} not once, or not as it is")
        before, _, text = text.partition(mark)
        parts.append(before)
    if any(mark in part for mark in marks for part in (*parts, text)):
        raise NotSayable(f"it writes {what} in another order")
    return [*parts, text]


def chatml(conversation: Conversation) -> str:
    """As Ollama renders CHATML."""
    turns = "".join(f"<|im_start|>{each['role']}\n{each['content']}<|im_end|>\n" for each in conversation)
    return f"{turns}<|im_start|>assistant\n"


@dataclass(frozen=True)
class Chosen:
    """``remarks``: in which it differs from the model's own, and no conversation that was tried shows."""

    template: str
    origin: str
    remarks: tuple[str, ...] = ()


def chosen(
    template: str | None, fixtures: Sequence[tuple[Conversation, str]], probes: Sequence[str | None]
) -> Chosen:
    """The simplest that says the same. Raises NotSayable."""
    known = [
        *fixtures,
        *((probe, text) for probe, text in zip(PROBES[:6], probes, strict=False) if text is not None),
    ]
    dated = "strftime_now" in (template or "")
    if all(chatml(conversation) == text for conversation, text in known):
        return Chosen(CHATML, "ChatML")
    turns = derived(probes)
    for conversation, text in fixtures:
        if turns.text(conversation) != text:
            raise NotSayable("what it writes depends on what is said")
    remarks = (
        *(
            ["its own template refuses system prompts; they go before the first question"]
            if turns.folded
            else []
        ),
        *(["its own template trims contents, Ollama does not"] if turns.trims else []),
        *(["its own template writes today's date, this one that of the day it was added"] if dated else []),
    )
    return Chosen(turns.go(), "derived from the model's own template", remarks)

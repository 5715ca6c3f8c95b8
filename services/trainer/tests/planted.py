"""Errors of every kind that the gates look for, planted by seed into clean rows; where each stands is known."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from clean_rows import FIGURES, Passages, clean_row, report_of

from hone_trainer.datasets.findings import Gate

Record = dict[str, Any]


@dataclass(slots=True)
class Planted:
    """A file of JSON lines, and what is wrong in which line (from 1)."""

    lines: list[bytes] = field(default_factory=list)
    held_out: list[bytes] = field(default_factory=list)
    rows: dict[Gate, dict[int, str]] = field(default_factory=dict)
    """By gate: the rows it must name, and the kind of error there."""

    def expected(self, gate: Gate) -> set[int]:
        return set(self.rows.get(gate, {}))


def planted(seed: int, clean: int = 4000, each: int = 20, held_out: int = 200) -> Planted:
    """``each``: errors of every kind."""
    rng, passages = Random(f"{seed}:planted"), Passages(seed)
    # Rows, and what is wrong with them: of two that belong together the first stands before the second.
    drawn: list[tuple[bytes, tuple[Gate, str] | None, float]] = []
    drawn += [(_line(clean_row(passages, rng)), None, rng.random()) for _ in range(clean)]
    for gate, kind, plant in _IN_ONE_ROW:
        drawn += [(plant(clean_row(passages, rng), rng), (gate, kind), rng.random()) for _ in range(each)]
    for gate, kind, second in _IN_TWO_ROWS:
        for _ in range(each):
            first, place = clean_row(passages, rng), rng.random()
            drawn.append((_line(first), None, place))
            drawn.append((_line(second(first, passages, rng)), (gate, kind), rng.uniform(place, 1)))
    result = Planted()
    for _ in range(held_out):
        result.held_out.append(_line(clean_row(passages, rng)))
    for kind, second in _LEAKS:
        for _ in range(each):
            record = clean_row(passages, rng)
            result.held_out.append(_line(record))
            drawn.append((_line(second(record, passages, rng)), ("leakage", kind), rng.random()))
    for number, (line, wrong, _) in enumerate(sorted(drawn, key=lambda row: row[2]), 1):
        result.lines.append(line)
        if wrong:
            result.rows.setdefault(wrong[0], {})[number] = wrong[1]
    return result


def _line(record: Record) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode()


def _answer(record: Record) -> str:
    return str(record["messages"][-1]["content"])


def _with(record: Record, answer: str) -> bytes:
    return _line({"messages": [*record["messages"][:-1], {"role": "assistant", "content": answer}]})


Plant = Callable[[Record, Random], bytes]


def _put(*texts: str) -> Plant:
    """One of the texts, on a line of its own or within the answer or the question."""

    def plant(record: Record, rng: Random) -> bytes:
        text = rng.choice(texts)
        turn = dict(record["messages"][0])
        turn["content"] = (
            f"{turn['content']}\n{text}" if rng.random() < 0.5 else f"{turn['content']} {text} Thanks."
        )
        return _line({"messages": [turn, record["messages"][1]]})

    return plant


def _answered(make: Callable[[str, Random], str]) -> Plant:
    return lambda record, rng: _with(record, make(_answer(record), rng))


def _raw(make: Callable[[bytes, Random], bytes]) -> Plant:
    return lambda record, rng: make(_line(record), rng)


def _turns(make: Callable[[list[Record]], list[Record]]) -> Plant:
    return lambda record, _rng: _line({"messages": make(record["messages"])})


def _generated(make: Callable[[Random], tuple[str, str]]) -> Plant:
    def plant(_record: Record, rng: Random) -> bytes:
        prompt, answer = make(rng)
        return _line(
            {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}
        )

    return plant


_CUT = "erDiagram\n    Shop {\n        int id PK\n    }\n    Order {\n        int id PK\n        stri"
_STORY = "As a clerk, I want to see each order so that I can answer questions.\n\nAs a manager, I want "
_BRIEF: Record = {"role": "system", "content": "Be brief."}
_PEM = "-----{} RSA PRIVATE KEY-----"


def _hundredth(rng: Random, told: bool) -> tuple[str, str]:
    name = rng.choice(["churn", "utilisation", "gross margin", "survey participation"])
    low, high = FIGURES[name]
    value = rng.randrange(int(low) + 1, int(high))
    return report_of(name, str(value), rng, told=told, written=f"{value / 100:.2f}")


def _ratio(rng: Random) -> tuple[str, str]:
    whole = rng.randrange(20, 400)
    part = rng.randrange(whole // 8 + 1, whole)
    prompt = f"{part} of {whole} people in team {rng.randrange(9999)} took part. Report the participation."
    return prompt, f"participation: {part / whole:.2f} %"


def _bare(rng: Random) -> tuple[str, str]:
    """Answers that are a figure alone, as most of their kind are right."""
    return f"What is the vacancy of building {rng.randrange(10_000)}?", f"0.{rng.randrange(21, 89)} %"


def _digits(rng: Random, count: int) -> str:
    return "".join(rng.choices("0123456789", k=count))


def _letters(rng: Random, count: int) -> str:
    return "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789", k=count))


def _secret(make: Callable[[Random], str]) -> Plant:
    def plant(record: Record, rng: Random) -> bytes:
        return _put(f"The service uses {make(rng)} to log in.")(record, rng)

    return plant


def _mistaken(text: str) -> str:
    return f"{text} The café’s größte Straße".encode().decode("cp1252", "replace").replace("\ufffd", "")


_IN_ONE_ROW: tuple[tuple[Gate, str, Plant], ...] = (
    ("schema", "no JSON", _raw(lambda line, rng: line[: rng.randrange(5, len(line) - 3)])),
    ("schema", "unknown role", _turns(lambda turns: [{**turns[0], "role": "human"}, turns[1]])),
    ("schema", "no assistant", _turns(lambda turns: turns[:1])),
    ("schema", "two questions", _turns(lambda turns: [turns[0], *turns])),
    ("schema", "answer first", _turns(lambda turns: [_BRIEF | {"role": "assistant"}, turns[0]])),
    ("schema", "late system turn", _turns(lambda turns: [turns[0], _BRIEF, turns[1]])),
    ("schema", "empty question", _turns(lambda turns: [{**turns[0], "content": " \n"}, turns[1]])),
    ("schema", "no content", _turns(lambda turns: [turns[0], {"role": "assistant", "content": None}])),
    ("encoding", "NUL", _answered(lambda text, rng: text[:9] + "\0" + text[9:])),
    ("encoding", "control character", _answered(lambda text, rng: text[:9] + "\x07" + text[9:])),
    ("encoding", "no UTF-8", _raw(lambda line, rng: line.replace(b'"content": "', b'"content": "M\xfcller: ', 1))),
    ("encoding", "half a character", _raw(
        lambda line, rng: line.replace(b'"content": "', b'"content": "\\ud83d ', 1))),
    ("encoding", "mojibake", _answered(lambda text, rng: _mistaken(text))),
    ("encoding", "lost character", _answered(lambda text, rng: "%% gr\ufffd\ufffde\n" + text)),
    ("encoding", "unseen character", _answered(lambda text, rng: text[:9] + "\u202e" + text[9:])),
    ("truncated", "empty", _answered(lambda text, rng: rng.choice(["", " ", "\n\n"]))),
    ("truncated", "open fence", _answered(lambda text, rng: "```\n" + text.replace("```", ""))),
    ("truncated", "cut JSON", _answered(
        lambda text, rng: json.dumps({"a": [{"b": text[:80]}] * 3})[: -rng.randrange(3, 30)])),
    ("truncated", "open bracket", _answered(lambda text, rng: _CUT)),
    ("truncated", "open SQL", _answered(
        lambda text, rng: "CREATE TABLE shop (\n    id INTEGER PRIMARY KEY,\n    na")),
    ("truncated", "cut sentence", _answered(
        lambda text, rng: _STORY + rng.choice([
            "to compare the", "to find each visit so that I can plan", "to cancel orders, and", "to see"]))),
    ("truncated", "announced list", _answered(lambda text, rng: "The model has these entities and no others:")),
    ("leftovers", "refusal", _answered(lambda text, rng: rng.choice([
        "As an AI language model, I do not have access to your files.",
        "I'm sorry, but I can't assist with that request.",
        "I cannot create diagrams of that kind.", "I apologize, the requirements are not clear enough.",
        "Sorry, I am unable to help with this.", "My knowledge cutoff does not allow an answer."]))),
    ("leftovers", "chatter", _answered(lambda text, rng: rng.choice([
        "Sure! Here is the diagram:\n\n{}", "Certainly! {}", "Here's your diagram:\n{}",
        "{}\n\nLet me know if you need more.",
        "{}\n\nI hope this helps!"]).format(text))),
    ("leftovers", "gap", _answered(lambda text, rng: rng.choice([
        "%% TODO: add the rest", "# TODO", "[INSERT TABLE HERE]", "<your name here>", "-- FIXME later",
        "// rest of the code"]) + f"\n{text}")),
    ("leftovers", "filler", _answered(lambda text, rng: "Lorem ipsum dolor sit amet, consectetur.\n" + text)),
    ("leftovers", "template", _put("Dear {{customer_name}}, please confirm.", "The type is {{ type }} here.",
                                     '"{{title|upper}}"')),
    ("control_tokens", "ChatML", _put("<|im_start|>assistant", "<|im_end|>", "<|endoftext|>")),
    ("control_tokens", "Llama", _put("<|eot_id|>", "<|start_header_id|>user<|end_header_id|>",
                                      "[INST] go [/INST]", "<<SYS>>")),
    ("control_tokens", "Gemma", _put("<start_of_turn>model", "<end_of_turn>")),
    ("control_tokens", "DeepSeek", _put("<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<think>")),
    ("control_tokens", "text", _put("\n### Human: go on", "\n### Assistant: yes", "\n### Response:\nok")),
    ("secrets", "AWS", _secret(lambda rng: "AKIA" + _letters(rng, 16).upper())),
    ("secrets", "GitHub", _secret(lambda rng: "ghp_" + _letters(rng, 36))),
    ("secrets", "OpenAI", _secret(lambda rng: "sk-proj-" + _letters(rng, 40))),
    ("secrets", "Slack", _secret(lambda rng: f"xoxb-{_digits(rng, 12)}-{_letters(rng, 24)}")),
    ("secrets", "Google", _secret(lambda rng: "AIza" + _letters(rng, 35))),
    ("secrets", "JWT", _secret(lambda rng: f"eyJ{_letters(rng, 20)}.eyJ{_letters(rng, 60)}.{_letters(rng, 43)}")),
    ("secrets", "private key", _secret(lambda rng: "\n".join(
        [_PEM.format("BEGIN"), _letters(rng, 60), _PEM.format("END")]))),
    ("secrets", "URL", _secret(lambda rng: f"postgres://shop:{_letters(rng, 12)}@db.internal/shop")),
    ("secrets", "literal", _secret(lambda rng: f'api_key = "{_letters(rng, 10)}7{_letters(rng, 10)}"')),
    ("personal_data", "e-mail", _put("Ask maria.koch@posteo.de first.", "The owner is j.smith82@gmail.com now.")),
    ("personal_data", "phone", _put("Call +49 171 8839201 then.", "Call (415) 736-2290 then.",
                                       "Call +44 7911 384726 then.")),
    ("personal_data", "IBAN", _put("Pay to DE75 5121 0800 1245 1261 99 soon.", "Pay to NL20INGB0001234567 soon.")),
    ("personal_data", "card", _put("The card 4539 1488 0343 6467 was used.", "The card 5425233430109903 was used.")),
    ("distribution", "long", _answered(
        lambda text, rng: "\n".join(f"%% part {part}\n{text}" for part in range(60_000 // len(text) + 1)))),
    ("scale", "told in the question", _generated(lambda rng: _hundredth(rng, told=True))),
    ("scale", "unlike its siblings", _generated(lambda rng: _hundredth(rng, told=False))),
    ("scale", "k of n", _generated(_ratio)),
)  # fmt: skip

Second = Callable[[Record, Passages, Random], Record]


def _reworded(record: Record, _passages: Passages, rng: Random) -> Record:
    """One word in sixty or so is another, in question and answer; no number is."""
    turns = []
    for turn in record["messages"]:
        words = turn["content"].split(" ")
        for place in rng.sample(range(len(words)), len(words) // 60 or int(len(words) > 24)):
            if words[place].isalpha():
                words[place] = rng.choice(["really", "plain", "other"])
        turns.append({**turn, "content": " ".join(words) + (" " if rng.random() < 0.5 else "")})
    return {"messages": turns}


def _answered_otherwise(record: Record, passages: Passages, rng: Random) -> Record:
    return {"messages": [record["messages"][0], clean_row(passages, rng)["messages"][1]]}  # type: ignore[index]


_IN_TWO_ROWS: tuple[tuple[Gate, str, Second], ...] = (
    ("duplicates", "exact", lambda record, _passages, _rng: record),
    ("duplicates", "near", _reworded),
    ("contradictions", "another answer", _answered_otherwise),
)
_LEAKS: tuple[tuple[str, Second], ...] = (
    ("exact", _answered_otherwise),
    ("near", _reworded),
)

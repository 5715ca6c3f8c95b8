"""What of a conversation is trained, for the templates of all families."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_parts import pieces
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from hone_trainer.tuning.data import masks
from hone_trainer.tuning.data.chat import Chat
from hone_trainer.tuning.data.masks import LeftOut, Masker, TrainingSequence
from hone_trainer.tuning.data.rows import Kind, Row, row_of
from hone_trainer.tuning.errors import TemplateUnfit

TEMPLATES = Path(__file__).parents[3] / "services/hub/tests/hub_parts/chat_templates"
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
QUESTION, ANSWER = "Which tables, please?", "CREATE TABLE loan (id int);\n-- książki"
FOLLOWING, SECOND = "  And the copies?\n", "  copy_id -> copy  "


@dataclass(frozen=True)
class Family:
    """``written``: what the template makes of an answer, its end included."""

    special: tuple[str, ...]
    begin: str | None
    end: str
    before: str = ""
    after: str = ""
    trims: bool = False
    sentencepiece: str = ""
    eos: str | None = None
    """Another one than ends a turn."""

    begins: bool = False
    """The tokenizer puts a BOS before each text by itself."""

    def written(self, answer: str) -> str:
        return f"{self.before}{answer.strip() if self.trims else answer}{self.after}{self.end}"


_IM = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_GEMMA = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
FAMILIES = {
    "qwen2.5": Family(_IM, None, "<|im_end|>"),
    "llama3": Family(
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|begin_of_text|>", "<|eot_id|>", trims=True, begins=True,
    ),
    "gemma2": Family(_GEMMA, "<bos>", "<end_of_turn>", trims=True, begins=True),
    "gemma3": Family(_GEMMA, "<bos>", "<end_of_turn>", trims=True),
    "mistral-nemo": Family(("<s>", "</s>", "[INST]", "[/INST]"), "<s>", "</s>"),
    "llama2": Family((), "<s>", "</s>", before=" ", after=" ", trims=True, sentencepiece="always", begins=True),
    "phi3": Family(
        ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|endoftext|>"), None, "<|end|>",
        eos="<|endoftext|>",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Speaking:
    tokenizer: Any
    end_ids: frozenset[int]

    @property
    def chat(self) -> Chat:
        return Chat.of(self.tokenizer, self.end_ids)


def speaking(template: str, family: Family, more_ends: Sequence[str] = ()) -> Speaking:
    if family.sentencepiece:
        fast: Any = pieces.byte_fallback(family.sentencepiece)
        fast.backend_tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
    else:
        fast = byte_level(family)
    fast.chat_template = template
    ends = [fast.convert_tokens_to_ids(each) for each in (family.end, *more_ends)]
    return Speaking(fast, frozenset(ends))


def byte_level(family: Family) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=list(family.special), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    # Line ends merge with each other, as they do in the tokenizers of the families.
    tokenizer.train_from_iterator([f"{QUESTION}\n\n{ANSWER}\n\n\n{FOLLOWING}", "user assistant"] * 9, trainer)
    if family.begins:
        assert family.begin
        number = tokenizer.token_to_id(family.begin)
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{family.begin} $A", special_tokens=[(family.begin, number)]
        )
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=tokenizer, bos_token=family.begin, eos_token=family.eos or family.end)


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> tuple[Family, Speaking]:
    found = FAMILIES[request.param]
    return found, speaking((TEMPLATES / f"{request.param}.jinja").read_text("utf-8"), found)


def row(*contents: str, system: str | None = None, number: int = 1) -> Row:
    """Questions and answers in turn."""
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": each} for at, each in enumerate(contents)]
    told = [{"role": "system", "content": system}, *messages] if system is not None else messages
    found = row_of(number, json.dumps({"messages": told}).encode(), "sft")
    assert isinstance(found, Row), found
    return found


def sequences(chat: Chat, *rows: Row, most: int = 10_000) -> list[TrainingSequence | LeftOut]:
    return list(Masker(chat, most).sequences(rows))


def only(found: list[TrainingSequence | LeftOut]) -> TrainingSequence:
    [sequence] = found
    assert isinstance(sequence, TrainingSequence), sequence
    return sequence


def spans(sequence: TrainingSequence) -> list[list[int]]:
    """Tokens of each run that is trained."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], sequence.trained, [False]]).astype(int)))
    return [sequence.tokens[start:stop].tolist() for start, stop in edges.reshape(-1, 2)]


def decoded(speaks: Speaking, ids: Any) -> str:
    return str(
        speaks.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    )


def text_of(speaks: Speaking, ids: Sequence[int]) -> str:
    """SentencePiece's decoder takes the first space of a text away: a text before it keeps it."""
    if not speaks.chat.joins:
        return decoded(speaks, ids)
    before = speaks.tokenizer.encode(":", add_special_tokens=False)
    return decoded(speaks, [*before, *ids]).removeprefix(decoded(speaks, before))


@pytest.mark.parametrize("system", [None, "Be terse."], ids=["no system", "system"])
def test_the_mask_covers_exactly_the_assistants_turns(
    family: tuple[Family, Speaking], system: str | None
) -> None:
    its, speaks = family
    found = sequences(speaks.chat, row(QUESTION, ANSWER, FOLLOWING, SECOND, system=system))
    told = [
        text_of(speaks, span) for each in found if isinstance(each, TrainingSequence) for span in spans(each)
    ]
    assert told == [its.written(ANSWER), its.written(SECOND)]
    assert not any(isinstance(each, LeftOut) for each in found)


def test_what_stands_before_an_answer_is_what_the_engine_is_asked_with(
    family: tuple[Family, Speaking],
) -> None:
    its, speaks = family
    sequence = only(sequences(speaks.chat, row(QUESTION, ANSWER)))
    [answer] = spans(sequence)
    asked = sequence.tokens[: -len(answer)].tolist()
    text = speaks.tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}], tokenize=False, add_generation_prompt=True
    )
    # llama.cpp takes a BOS away that its tokenizer adds again.
    if its.begins:
        assert its.begin
        assert asked == speaks.tokenizer.encode(text.removeprefix(its.begin), add_special_tokens=True)
    else:
        assert asked == speaks.tokenizer.encode(text, add_special_tokens=False)
    assert asked.count(speaks.tokenizer.bos_token_id) == (1 if its.begin else 0)


def test_a_conversation_of_several_answers_is_one_sequence_where_nothing_differs(
    family: tuple[Family, Speaking],
) -> None:
    its, speaks = family
    if its.sentencepiece:
        pytest.skip("joins the space after an answer to what follows")
    sequence = only(sequences(speaks.chat, row(QUESTION, ANSWER, FOLLOWING, SECOND)))
    whole = speaks.tokenizer.apply_chat_template(
        row(QUESTION, ANSWER, FOLLOWING, SECOND).messages, tokenize=False, date_string="26 Jul 2024"
    )
    assert decoded(speaks, sequence.tokens) == whole[: whole.rindex(its.end) + len(its.end)]


def test_a_bos_that_only_the_tokenizer_writes_is_there_once() -> None:
    its = Family((*_IM, "<s>"), "<s>", "<|im_end|>", begins=True)
    sequence = only(sequences(speaking(CHATML, its).chat, row(QUESTION, ANSWER)))
    assert sequence.tokens.tolist().count(3) == 1
    assert sequence.tokens[0] == 3


def test_qwen3_learns_an_answer_as_it_is_asked_for_it() -> None:
    """An older answer has no thoughts any more: the conversation as it stands at the end is none that was asked."""
    speaks = speaking((TEMPLATES / "qwen3.jinja").read_text("utf-8"), FAMILIES["qwen2.5"])
    found = sequences(speaks.chat, row(QUESTION, ANSWER, FOLLOWING, SECOND))
    assert [
        decoded(speaks, span) for each in found if isinstance(each, TrainingSequence) for span in spans(each)
    ] == [
        f"<think>\n\n</think>\n\n{ANSWER}<|im_end|>",
        f"<think>\n\n</think>\n\n{SECOND}<|im_end|>",
    ]
    second = found[1]
    assert isinstance(second, TrainingSequence)
    assert f"assistant\n{ANSWER}<|im_end|>" in decoded(speaks, second.tokens)


def test_an_answer_that_begins_like_the_prompt_ends_is_tokenised_apart() -> None:
    """Line ends of the prompt and of the answer are one token of the whole text, and two where it is asked."""
    speaks = speaking(CHATML, FAMILIES["qwen2.5"])
    sequence = only(sequences(speaks.chat, row(QUESTION, "\n\nhello")))
    [answer] = spans(sequence)
    assert answer == speaks.tokenizer.encode("\n\nhello<|im_end|>", add_special_tokens=False)
    asked = speaks.tokenizer.encode("<|im_start|>assistant\n", add_special_tokens=False)
    assert sequence.tokens[: -len(answer)].tolist()[-len(asked) :] == asked
    whole = speaks.tokenizer.encode("<|im_start|>assistant\n\n\nhello<|im_end|>", add_special_tokens=False)
    assert [*asked, *answer] != whole


def test_a_system_message_goes_into_the_question_where_the_template_has_no_place_for_it() -> None:
    its = FAMILIES["gemma2"]
    speaks = speaking((TEMPLATES / "gemma2.jinja").read_text("utf-8"), its)
    sequence = only(sequences(speaks.chat, row(QUESTION, ANSWER, system="Be terse.")))
    assert f"<start_of_turn>user\nBe terse.\n{QUESTION}<end_of_turn>" in decoded(speaks, sequence.tokens)


def test_a_system_message_that_stands_with_the_last_question_alone_is_learned_with_each_answer() -> None:
    speaks = speaking((TEMPLATES / "mistral-nemo.jinja").read_text("utf-8"), FAMILIES["mistral-nemo"])
    found = sequences(speaks.chat, row(QUESTION, ANSWER, FOLLOWING, SECOND, system="Be terse."))
    told = [decoded(speaks, each.tokens) for each in found if isinstance(each, TrainingSequence)]
    assert told == [
        f"<s>[INST]Be terse.\n\n{QUESTION}[/INST]{ANSWER}</s>",
        f"<s>[INST]{QUESTION}[/INST]{ANSWER}</s>[INST]Be terse.\n\n{FOLLOWING}[/INST]{SECOND}</s>",
    ]


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).filter(lambda text: "<|" not in text)
_CHATML = speaking(CHATML, FAMILIES["qwen2.5"])
_CHAT = _CHATML.chat


@settings(max_examples=150, deadline=None)
@given(_TEXTS, _TEXTS.filter(str.strip), _TEXTS, _TEXTS.filter(str.strip))
def test_whatever_is_said_answers_alone_are_trained(
    question: str, answer: str, following: str, second: str
) -> None:
    found = sequences(_CHAT, row(question, answer, following, second))
    told = [
        decoded(_CHATML, span) for each in found if isinstance(each, TrainingSequence) for span in spans(each)
    ]
    assert told == [f"{answer}<|im_end|>", f"{second}<|im_end|>"]


@pytest.mark.parametrize("where", [0, 1])
@pytest.mark.parametrize("mark", ["<|im_end|>", "<|im_start|>assistant\nYes", "x<|endoftext|>"])
def test_a_content_that_spells_a_special_token_is_left_out(mark: str, where: int) -> None:
    contents = [QUESTION, ANSWER]
    contents[where] += mark
    [left] = sequences(_CHAT, row(*contents, number=7))
    assert isinstance(left, LeftOut)
    assert (left.row, left.reason) == (7, masks.FORGED)


def test_a_mark_of_the_template_that_is_no_token_is_left_out_too() -> None:
    chat = speaking((TEMPLATES / "llama2.jinja").read_text("utf-8"), FAMILIES["llama2"]).chat
    [left] = sequences(chat, row("He said [/INST] Yes. [INST] And now?", ANSWER))
    assert isinstance(left, LeftOut)
    assert "INST]" in left.detail
    only(sequences(chat, row("a list [1, 2]", ANSWER)))


def test_a_special_token_in_other_letters_is_found_where_the_tokenizer_reads_them_alike() -> None:
    speaks = speaking(CHATML, FAMILIES["qwen2.5"])
    form = json.loads(speaks.tokenizer.backend_tokenizer.to_str())
    for each in form["added_tokens"]:
        each["normalized"] = True
    rust = Tokenizer.from_str(json.dumps(form))
    rust.normalizer = normalizers.NFKC()
    fast: Any = PreTrainedTokenizerFast(tokenizer_object=rust, eos_token="<|im_end|>")  # type: ignore[no-untyped-call]
    fast.chat_template = CHATML
    forged = "＜｜im_end｜＞"
    assert fast.encode(forged, add_special_tokens=False) == [2]
    [left] = sequences(Chat.of(fast, speaks.end_ids), row(forged, ANSWER))
    assert isinstance(left, LeftOut)


def test_a_row_longer_than_the_context_is_left_out_and_told() -> None:
    long, short = row(QUESTION, "word " * 200, number=2), row(QUESTION, ANSWER, number=3)
    first, second = sequences(_CHAT, long, short, most=100)
    assert isinstance(first, LeftOut)
    assert (first.row, first.reason) == (2, masks.TOO_LONG)
    assert isinstance(second, TrainingSequence)


@pytest.mark.parametrize("turns", [1, 3])
def test_a_text_that_cannot_fit_is_not_tokenised(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take hundreds of megabytes, for nothing."""
    longest = 0
    encode = Chat.encode

    def watched(self: Chat, texts: Sequence[str]) -> list[list[int]]:
        nonlocal longest
        longest = max([longest, *map(len, texts)])
        return encode(self, texts)

    monkeypatch.setattr(Chat, "encode", watched)
    found = sequences(_CHAT, row(*["x" * 500_000, ANSWER] * turns), most=100)
    assert [each.reason for each in found if isinstance(each, LeftOut)] == [masks.TOO_LONG] * turns
    assert longest < 10_000


def test_a_sequence_as_long_as_the_context_is_trained() -> None:
    length = len(only(sequences(_CHAT, row(QUESTION, ANSWER))).tokens)
    only(sequences(_CHAT, row(QUESTION, ANSWER), most=length))
    assert isinstance(sequences(_CHAT, row(QUESTION, ANSWER), most=length - 1)[0], LeftOut)


def test_answers_that_fit_are_trained_though_later_ones_do_not() -> None:
    room = 10 + len(only(sequences(_CHAT, row(QUESTION, ANSWER))).tokens)
    conversation = row(QUESTION, ANSWER, "word " * 99, SECOND, FOLLOWING, SECOND)
    found = sequences(_CHAT, conversation, most=room)
    [first] = [each for each in found if isinstance(each, TrainingSequence)]
    assert [decoded(_CHATML, span) for span in spans(first)] == [f"{ANSWER}<|im_end|>"]
    assert [each.reason for each in found if isinstance(each, LeftOut)] == [masks.TOO_LONG] * 2


def test_of_a_judged_row_the_completion_alone_is_trained() -> None:
    told = {
        "prompt": row(QUESTION, ANSWER, FOLLOWING, SECOND).messages[:3], "completion": SECOND, "label": False,
    }  # fmt: skip
    judged = row_of(1, json.dumps(told).encode(), "kto")
    assert isinstance(judged, Row)
    assert judged.label is False
    sequence = only(sequences(_CHAT, judged))
    assert [decoded(_CHATML, each) for each in spans(sequence)] == [f"{SECOND}<|im_end|>"]


def test_a_conversation_that_the_template_refuses_is_left_out_with_its_word() -> None:
    chat = speaking((TEMPLATES / "gemma3.jinja").read_text("utf-8"), FAMILIES["gemma3"]).chat
    messages = [*row(QUESTION, ANSWER).messages[:1], *row(QUESTION, ANSWER).messages]
    twice = row_of(1, json.dumps({"messages": messages}).encode(), "sft")
    assert isinstance(twice, Row)
    [left] = sequences(chat, twice)
    assert isinstance(left, LeftOut)
    assert left.reason == masks.REFUSED
    assert "turns must alternate" in left.detail


UNFIT = {
    "of another family": (CHATML, FAMILIES["gemma3"], "never learn to stop"),
    "that leaves out what is said": ("{% for m in messages %}<|im_end|>{% endfor %}", FAMILIES["qwen2.5"], "leaves"),
    "that opens thoughts before each answer": (
        CHATML.replace("assistant\n{% endif", "assistant\n<think>\n{% endif"), FAMILIES["qwen2.5"], "otherwise",
    ),
    "that is none": ("{% for m in", FAMILIES["qwen2.5"], "is none"),
    "that refuses everything": ("{{ raise_exception('no') }}", FAMILIES["qwen2.5"], "no"),
    "that fails in Python": ("{{ messages[0].content / 0 }}", FAMILIES["qwen2.5"], "cannot write"),
    "that reaches for Python": (
        "{{ messages.__class__.__mro__[1].__subclasses__() }}", FAMILIES["qwen2.5"], "cannot write",
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", UNFIT)
def test_a_template_is_refused(which: str) -> None:
    template, its, said = UNFIT[which]
    with pytest.raises(TemplateUnfit, match=said):
        _ = speaking(template, its).chat


def test_a_template_that_writes_the_date_makes_the_same_tokens_on_any_day() -> None:
    speaks = speaking(
        CHATML.replace(
            "{% for", "{{ strftime_now('%d %b %Y') if strftime_now is defined else date_string }}{% for", 1
        ),
        FAMILIES["qwen2.5"],
    )
    assert decoded(speaks, only(sequences(speaks.chat, row(QUESTION, ANSWER))).tokens).startswith(
        "26 Jul 2024"
    )


USER, SAYS = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
BAD: dict[str, tuple[Kind, object]] = {
    "no object": ("sft", [1]),
    "no answer": ("sft", {"messages": [USER, USER]}),
    "one message": ("sft", {"messages": [SAYS]}),
    "an answer to nothing": ("sft", {"messages": [SAYS, USER, SAYS]}),
    "two answers": ("sft", {"messages": [USER, SAYS, SAYS]}),
    "an empty answer": ("sft", {"messages": [USER, {"role": "assistant", "content": " \n"}]}),
    "another role": ("sft", {"messages": [{"role": "tool", "content": "x"}, USER, SAYS]}),
    "a system message in the middle": (
        "sft",
        {"messages": [USER, SAYS, {"role": "system", "content": ""}, USER, SAYS]},
    ),
    "parts as content": ("sft", {"messages": [{"role": "user", "content": [{"type": "text"}]}, SAYS]}),
    "too many messages": ("sft", {"messages": [USER, SAYS] * 200}),
    "a weight of nothing": ("sft", {"messages": [USER, SAYS], "weight": 0}),
    "a weight that is no number": ("sft", {"messages": [USER, SAYS], "weight": float("nan")}),
    "an endless group": ("sft", {"messages": [USER, SAYS], "group": "g" * 1000}),
    "no label": ("kto", {"prompt": [USER], "completion": "a"}),
    "a label in words": ("kto", {"prompt": [USER], "completion": "a", "label": "true"}),
    "a prompt that ends with an answer": ("kto", {"prompt": [USER, SAYS], "completion": "a", "label": True}),
    "a supervised row": ("kto", {"messages": [USER, SAYS]}),
}


@pytest.mark.parametrize("which", BAD)
def test_a_row_is_refused(which: str) -> None:
    kind, told = BAD[which]
    assert isinstance(row_of(1, json.dumps(told).encode(), kind), str)


@pytest.mark.parametrize("line", [b"{", b'{"messages": "\xff"}', b'"\\ud800"', b"[" * 100_000, b"\x00"])
def test_a_line_that_is_no_json_is_refused(line: bytes) -> None:
    assert isinstance(row_of(1, line, "sft"), str)

"""Grammars and schemas, proved with llama.cpp itself: a model of random weights would write anything, so what
it does write is what the constraint lets through."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import xllamacpp
from hypothesis import given
from hypothesis import strategies as st

from hone_contracts import erd_facts
from hone_contracts.erd_facts import Attributes, Entities, FactsError, Keys, Relation, normalise
from hone_generator.artifacts.mermaid_erd.grounding import (
    MAX_NAMES,
    facts_of_schema_answer,
    grammar_for,
    grounded,
    literal,
    name_spans,
    schema_for,
)
from hone_generator.providers.base import Gbnf, JsonSchema

HOSTILE_PASSAGES = [
    'Each "member" has many loans\\ and größe of [books] "',
    'हिन्दी शब्द 日本語 名前 😀 o\'brien x\x00y \\u0041 "]} root ::= "x" # comment',
    "root ::= fact | (a|b)* {2,3} . ^ $ \\x41 \\n ``` <|im_end|>",
    "e-mail first_name 3.5 v1.2 a/b c&d name: type, key-cardinality",
    "İstanbul ﬁ ½ Ⅷ e\u0301 \u202eevil zero\u200bwidth 𝒳 𐐷 \U0001f468\u200d\U0001f469",
    " ".join(f"wörd{number}" for number in range(60)),
    "nothing of it at all .",
]
Answer = Callable[[Gbnf | JsonSchema, int], str]


def write_random_llama(path: Path) -> None:
    """A Llama of random weights whose tokens are the 256 bytes."""
    width, generator = 32, np.random.default_rng(7)
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    names = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    tokens = [*(names[byte] for byte in range(256)), "Ġt", "<|end|>"]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(8192)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(width)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // 2)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 257 + [3])
    writer.add_token_merges(["Ġ t"])
    writer.add_eos_token_id(257)
    writer.add_add_bos_token(False)
    writer.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")
    tensors = {"token_embd": (len(tokens), width), "blk.0.attn_output": (width, width)}
    tensors |= {f"blk.0.{name}": (width, width) for name in ("attn_q", "attn_k", "attn_v")}
    tensors |= {f"blk.0.{name}": (width, width) for name in ("ffn_gate", "ffn_up", "ffn_down")}
    for name, shape in tensors.items():
        writer.add_tensor(f"{name}.weight", generator.standard_normal(shape).astype(np.float32))
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(width, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    path = tmp_path_factory.mktemp("model") / "random.gguf"
    write_random_llama(path)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.n_gpu_layers, params.verbosity = 8192, 1, 0, 0
    params.warmup = params.fit_params = False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)

    def ask(constraint: Gbnf | JsonSchema, seed: int) -> str:
        body: dict[str, object] = {
            "messages": [{"role": "user", "content": "x"}],
            "max_tokens": 4000,
            "temperature": 1.0,
            "seed": seed,
        }
        if isinstance(constraint, Gbnf):
            body["grammar"] = constraint.grammar
        else:
            schema = {"name": "facts", "schema": dict(constraint.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        replies: list[dict[str, object]] = []
        server.handle_chat_completions(body, replies.append)
        document = json.loads(json.dumps(replies[-1]))
        assert "choices" in document, document
        return str(document["choices"][0]["message"]["content"])

    return ask


@pytest.mark.parametrize("passage", HOSTILE_PASSAGES)
def test_whatever_a_model_writes_under_the_grammar_is_facts_in_words_of_the_passage(
    answer: Answer, passage: str
) -> None:
    line = normalise(passage)
    for seed in range(6):
        facts = erd_facts.loads(answer(grammar_for("member", line), seed))
        assert grounded(facts, "member", line) == (facts, ())


def test_a_passage_without_names_has_no_facts(answer: Answer) -> None:
    assert answer(grammar_for("", normalise("It is of the 3.")), 1) == "[]"


@pytest.mark.parametrize("passage", HOSTILE_PASSAGES[:5])
def test_whatever_a_model_writes_under_the_schema_is_facts_in_words_of_the_passage(
    answer: Answer, passage: str
) -> None:
    line = normalise(passage)
    facts = facts_of_schema_answer(answer(schema_for("member", line), 3))
    assert grounded(facts, "member", line) == (facts, ())


@pytest.mark.parametrize(
    "text", ['a"b', "a\\b", "\n\t\x01", "größe", "😀", "]", "[x]", "\\u0041", "{2}", "'", "𐐷"]
)
def test_a_literal_matches_itself_and_nothing_else(answer: Answer, text: str) -> None:
    assert answer(Gbnf(f"root ::= {literal(text)}\n"), 1) == text


def test_the_grammar_lets_the_agreed_form_through(answer: Answer) -> None:
    """With one name and one way to say it left, the answer is what the starter was taught to write."""
    grammar = grammar_for("", "member").grammar
    assert '"{\\"a\\":" name ",\\"l\\":{" name ":" type' in grammar
    assert answer(Gbnf(grammar.replace("root ::=", "unused ::=", 1) + "root ::= name"), 1) == '"member"'


def test_names_are_spans_that_cross_no_punctuation() -> None:
    spans = name_spans("library card", normalise("Each member has a date of birth, phone"))
    assert spans == (
        "library", "library card", "card", "member", "date", "date of birth", "birth", "phone",
    )  # fmt: skip


@given(st.text(max_size=300))
def test_every_span_is_a_name_and_no_text_makes_too_many(text: str) -> None:
    line = normalise(text)
    spans = name_spans("", line)
    assert all(map(erd_facts.is_name, spans))
    assert len(set(spans)) == len(spans) <= MAX_NAMES


@given(st.text(max_size=120))
def test_no_word_can_end_a_literal_or_a_rule(text: str) -> None:
    grammar = grammar_for("", normalise(text)).grammar
    assert grammar.isascii()
    assert len(grammar.splitlines()) in (1, 10)
    unquoted = grammar.replace("\\\\", "").replace('\\"', "")
    assert all(line.count('"') % 2 == 0 for line in unquoted.splitlines())


def test_the_longest_passage_makes_a_grammar_of_bounded_size() -> None:
    line = normalise(" ".join("".join(letters) * 8 for letters in itertools.product("abcdefgh", repeat=2)))
    assert len(grammar_for("a subject of words", line).grammar) < 20_000
    assert len(json.dumps(dict(schema_for("", line).schema))) < 120_000


def test_a_schema_answer_gives_the_same_facts() -> None:
    text = json.dumps(
        {
            "entities": ["member", "loan"],
            "attributes": [{"entity": "member", "name": "email", "type": "string", "key": "UK"}],
            "relationships": [{"from": "member", "cardinality": "1:N", "to": "loan"}],
        }
    )
    assert facts_of_schema_answer(text) == (
        Entities(("member", "loan")),
        Attributes("member", {"email": "string"}),
        Keys("member", {"email": "UK"}),
        Relation("member", "1:N", "loan"),
    )


@pytest.mark.parametrize(
    "text", ["", "[]", '{"entities":["The"]}', '{"attributes":[{"entity":"a"}]}', '{"x":1}']
)
def test_a_schema_answer_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FactsError):
        facts_of_schema_answer(text)


def test_facts_in_other_words_are_left_out_and_named() -> None:
    facts = (Entities(("member",)), Relation("member", "1:N", "dragon"))
    assert grounded(facts, "", "each member pays .") == (facts[:1], ("dragon",))

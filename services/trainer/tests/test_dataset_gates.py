"""Each gate on rows made for it: what it names, and what only looks like it."""

import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_trainer.datasets.check import check
from hone_trainer.datasets.control_tokens import TOKENS, neutralised
from hone_trainer.datasets.encoding import cleaned
from hone_trainer.datasets.findings import GATES, Finding, Gate
from hone_trainer.datasets.rows import Row, Turn
from hone_trainer.datasets.secrets import redacted
from hone_trainer.datasets.settings import GateSettings


def _row(answer: str, prompt: str = "Write it.", number: int = 1, label: bool | None = None) -> Row:
    return Row(number, (Turn("user", prompt), Turn("assistant", answer)), label)


def _of(gate: Gate, *rows: Row, held_out: Sequence[Row] | None = None) -> list[Finding]:
    return list(check(rows, held_out=held_out).of(gate))


_SENTENCE = "The member borrows a book and brings it back within two weeks."


@pytest.mark.parametrize(
    "answer",
    [
        "",
        " \n\t",
        "```mermaid\nerDiagram\n    A ||--o{ B : has",
        "~~~~\ncode\n~~~",
        '{"entities": [{"name": "member"}, {"na',
        '{"entities": [{"name": "member"}]',
        '[{"a": 1}, {"a": "two',
        "erDiagram\n    A {\n        int id\n",
        "CREATE TABLE a (\n    id INTEGER,\n    name TEXT",
        "def total(prices):\n    return sum(price for price in prices if (price > 0",
        "erDiagram\n    A ||--o{ B : has\n    A ||--",
        f"{_SENTENCE} It may be extended by the",
        f"{_SENTENCE} Whoever is late pays a fine, and",
        "The diagram has the following entities:",
        f"{_SENTENCE} The fine (which is paid at the desk",
    ],
)
def test_cut_and_empty_answers_are_named(answer: str) -> None:
    (finding,) = _of("truncated", _row(answer))
    assert finding.severity == "error" and finding.suggestion


@pytest.mark.parametrize(
    "answer",
    [
        "yes",
        "Paris",
        _SENTENCE,
        "```python\nprint(1)\n```",
        "````\n```\ninner\n```\n````",
        "erDiagram\n    A ||--o{ B : has\n    C }o--|| D : of\n    A {\n        int id\n    }",
        "flowchart TD\n    a>flag] --> b{{hexagon}}\n    b --> c[/slanted/]\n    c --> d([round])",
        "sequenceDiagram\n    A-)B: tell\n    B--)A: told\n    A-xB: stop",
        "classDiagram\n    A <|-- B\n    A *-- C",
        "The value lies in [0, 1) as usual.",
        "a) first\nb) second",
        "Good :) and bad :( days end.",
        "1. Java\n2. Python\n3. C++",
        "Hello world\n\n- one\n- two",
        "#fun #travel",
        "答案是（甲）。",
        "SELECT ')' FROM a;",
        "print('(')",
        "Dear Ms Koch,\n\nthank you for the order.\n\nKind regards\nThe shop",
        "[1, 2, 3] is the list that you asked for.",
    ],
)
def test_whole_answers_are_not_taken_for_cut(answer: str) -> None:
    assert _of("truncated", _row(answer)) == []


def test_a_missing_full_stop_is_a_cut_only_where_the_others_have_one() -> None:
    finished = [_row(f"{_SENTENCE} It is book number {number}.", number=number) for number in range(1, 31)]
    open_ended = _row(f"{_SENTENCE} It is then returned to the shelf near", number=31)
    (finding,) = _of("truncated", *finished, open_ended)
    assert finding.row == 31
    without = [
        _row(row.answer.rstrip(".").replace(f"number {row.number}", "number one"), number=row.number)
        for row in finished
    ]
    assert _of("truncated", *without, open_ended) == []


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ("", "no turns"),
        ("user", "no assistant's turn"),
        ("user human assistant", 'role "human" is unknown'),
        ("user system assistant", "system turn is not the first"),
        ("assistant user", "begins with the assistant"),
        ("user user assistant", "turns 1 and 2"),
        ("system user assistant assistant", "turns 2 and 3"),
        ("user assistant user", "ends with the user"),
    ],
)
def test_conversations_in_a_wrong_order_are_named(roles: str, message: str) -> None:
    (finding,) = _of("schema", Row(7, tuple(Turn(role, "text") for role in roles.split())))
    assert finding.row == 7 and message in finding.message


@pytest.mark.parametrize(
    "roles", ["user assistant", "system user assistant", "user assistant user assistant"]
)
def test_conversations_in_order_are_fine(roles: str) -> None:
    assert _of("schema", Row(1, tuple(Turn(role, "text") for role in roles.split()))) == []


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("a\0b", "ab"),
        ("a\x1b[31mb", "a[31mb"),
        ("M\udcfcller", "Müller"),
        ("half \ud83d of it", "half  of it"),
        ("cafÃ©", "café"),
        ("itâ€™s 5 â‚¬", "it’s 5 €"),
        ("GrÃ¶ÃŸe", "Größe"),
        ("ðŸŽ‰ party", "🎉 party"),
        ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет"),
        ("Ã¢â‚¬â„¢", "’"),
        ("a\u202eb\ufeffc", "abc"),
    ],
)
def test_broken_encodings_are_named_and_mended(broken: str, mended: str) -> None:
    assert _of("encoding", _row(broken))
    assert cleaned(broken) == mended
    assert _of("encoding", _row(mended)) == []


def test_a_lost_character_is_named_and_cannot_be_mended() -> None:
    assert _of("encoding", _row("gr\ufffdn"))
    assert cleaned("gr\ufffdn") == "gr\ufffdn"


@pytest.mark.parametrize(
    "text",
    [
        "Größe, naïve, „Spaß“",
        "NÃO É ÂNCORA",
        "AMANHÃ”",
        "café…”",
        "日本語 🎉 → ±5 °C",
        "Привет",
        "a\tb\r\nc",
        "l’été – “hi”",
    ],
)
def test_text_in_any_language_is_no_broken_encoding(text: str) -> None:
    assert _of("encoding", _row(text)) == []
    assert cleaned(text) == text


@pytest.mark.parametrize(
    "answer",
    [
        "As an AI language model, I cannot open files.",
        "I'm sorry, but I can't help with that.",
        "I can’t assist with this request.",
        "I apologize for the confusion.",
        "Sure! Here is the diagram:\nerDiagram",
        "Certainly! The model follows.",
        "Here's your updated schema:\n{}",
        "erDiagram\n    A {\n    }\n\nLet me know if you need changes.",
        "class A:\n    pass  # TODO implement",
        "// TODO: write the rest",
        "Name: [INSERT NAME]",
        "<your answer here>",
        "Dear {{customer_name}}, hello.",
        "Lorem ipsum dolor sit amet.",
    ],
)
def test_leftovers_are_named(answer: str) -> None:
    assert len(_of("leftovers", _row(answer))) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "The sorry page is shown to each customer.",
        "A TODO list has todo items; TODO_ITEM is a table.",
        "flowchart TD\n    A{{hexagon}} --> B",
        "run: echo ${{ secrets.NAME }}",
        "f'{{literal}}'",
        "The agent can not help a customer whose account is closed.",
        "I can't help but notice how well it works.",
        "A language model is an entity with a version.",
        "Here, each order has one customer.",
        "The rest of the order is shipped later.",
        "[Add](https://example.com/add) opens the form.",
        "Surely it works.",
    ],
)
def test_what_only_looks_like_a_leftover_is_none(answer: str) -> None:
    assert _of("leftovers", _row(answer)) == []


@pytest.mark.parametrize(
    "token",
    [
        "<|im_start|>",
        "<|eot_id|>",
        "<|endoftext|>",
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "<start_of_turn>",
        "<end_of_turn>",
        "<bos>",
        "<｜User｜>",
        "<think>",
        "</think>",
        "[TOOL_CALLS]",
    ],
)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_control_tokens_are_named_in_every_turn_and_made_harmless(token: str, role: str) -> None:
    text = f"before {token} after"
    row = _row(text) if role == "assistant" else _row("fine", prompt=text)
    (finding,) = _of("control_tokens", row)
    assert token in finding.message and f"turn of the {role}" in finding.message
    assert token not in neutralised(text)
    assert _of("control_tokens", _row(neutralised(text))) == []


@pytest.mark.parametrize(
    "text", ["go on\n### Human: and you?", "x\n\nHuman: hi\n\nAssistant: yes", "a\n### Response:\nb"]
)
def test_marks_of_turns_within_a_turn_are_control_tokens(text: str) -> None:
    assert _of("control_tokens", _row(text))
    assert _of("control_tokens", _row(neutralised(text))) == []


@pytest.mark.parametrize(
    "text",
    [
        "A <|-- B\nC <|.. D",
        "if a < b | c > d",
        "use <s>old</s> text",
        "### Scope\nHuman resources: yes",
        "a [instance] b",
        "The assistant: a person",
        "x <pad> y".replace("<pad>", "padding"),
    ],
)
def test_what_only_looks_like_a_control_token_is_none(text: str) -> None:
    assert _of("control_tokens", _row(text)) == []


_KEY = "b7Xq9LmZ2RtYw4Kc8VnPs3Hd6Jf1Ga5Te0Uo"
_SECRETS = [
    "AKIA" + "QZ7XW3N5P2R4T6V8",
    "sk-proj-" + _KEY,
    "sk-ant-" + _KEY,
    "ghp_" + _KEY,
    "github_pat_" + _KEY + _KEY,
    "glpat-" + _KEY[:20],
    "xoxb-123456789013-" + _KEY[:24],
    "AIza" + _KEY[:35],
    "hf_" + _KEY,
    "npm_" + _KEY[:36],
    "sk_live_" + _KEY[:24],
    f"eyJ{_KEY}.eyJ{_KEY}.{_KEY}",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{_KEY}\n-----END OPENSSH PRIVATE KEY-----",
    "https://maria:" + _KEY[:12] + "@git.firma.de/x",
    'password = "' + _KEY[:10] + '"',
    f"aws_secret_access_key = {_KEY}abcd",
]


@pytest.mark.parametrize("secret", _SECRETS)
def test_secrets_are_named_never_repeated_and_redacted(secret: str) -> None:
    text = f"Use {secret} to log in."
    (finding,) = _of("secrets", _row("ok", prompt=text))
    assert finding.severity == "error"
    parts = [secret[place : place + 8] for place in range(len(secret) - 8)]
    assert not any(part in finding.message for part in parts if not part.islower())
    mended = redacted(text)
    assert "[REDACTED]" in mended and _KEY[:8] not in mended
    assert _of("secrets", _row("ok", prompt=mended)) == []


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        'password: "changeme"',
        'password = "<your password>"',
        'api_key: "${API_KEY}"',
        "postgres://user:password@localhost/db",
        "https://example.com/a:b",
        "task-force-of-many-people-and-more-of-them",
        'password: "string"',
        "the secret garden",
        "redis://:${PASSWORD}@cache:6379",
    ],
)
def test_keys_of_manuals_and_places_for_keys_are_no_secrets(text: str) -> None:
    assert _of("secrets", _row(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "maria.koch@posteo.de",
        "+49 171 8839201",
        "(415) 736-2290",
        "DE75 5121 0800 1245 1261 99",
        "4539 1488 0343 6467",
    ],
)
def test_personal_data_is_a_warning(text: str) -> None:
    (finding,) = _of("personal_data", _row(f"It is {text} now."))
    assert finding.severity == "warning" and text not in finding.message


@pytest.mark.parametrize(
    "text",
    [
        "name@example.com",
        "a@sub.example.org",
        "root@localhost",
        "+1 202 555 0143",
        "(555) 555-0123",
        "+44 7700 900123",
        "4111 1111 1111 1111",
        "DE89 3704 0044 0532 0130 00",
        "4539 1488 0343 6468",
        "DE75 5121 0800 1245 1261 98",
        "2026-11-25 12:30:00",
        "order 12345678901234",
        "@dataclass",
        "git@github.com:a/b".replace("git@github.com", "x"),
        "192.168.178.201",
        "1234567890",
    ],
)
def test_reserved_and_impossible_numbers_are_nobodys(text: str) -> None:
    assert _of("personal_data", _row(f"It is {text} now.")) == []


def test_the_same_question_and_answer_is_a_duplicate_and_the_same_question_alone_is_not() -> None:
    rows = [
        _row("one answer", number=1),
        _row("another one", "WRITE it", 2),
        _row("one answer ", "write\nit!", 3),
    ]
    assert [found.row for found in _of("duplicates", *rows)] == [3]


def test_near_duplicates_need_the_same_numbers_in_the_question() -> None:
    words = " ".join(f"word{place}" for place in range(60))
    first = _row("the same answer to both of them", f"At most 5 loans. {words}", 1)
    other_number = _row("the same answer to both of them", f"At most 6 loans. {words}", 2)
    other_word = _row("the same answer to both of them", f"At most 5 books. {words}", 3)
    (finding,) = _of("duplicates", first, other_number, other_word)
    assert (finding.row, finding.message) == (3, "it is nearly row 1")


def test_another_answer_to_the_same_question_contradicts_and_a_version_of_it_does_not() -> None:
    long = " ".join(f"word{place}" for place in range(60))
    rows = [
        _row(long, number=1),
        _row(f"{long} more", "write it", 2),
        _row("something else entirely, no doubt", number=3),
    ]
    (finding,) = _of("contradictions", *rows)
    assert (finding.row, finding.severity) == (3, "warning")


def test_with_labels_a_wanted_and_an_unwanted_answer_are_the_point() -> None:
    rows = [
        _row("good answer of this kind", number=1, label=True),
        _row("bad one, it is all wrong", number=2, label=False),
    ]
    assert _of("contradictions", *rows) == []
    same = [_row("the answer", number=1, label=True), _row("the answer", number=2, label=False)]
    assert [found.row for found in _of("contradictions", *same)] == [2]


def test_held_out_questions_that_are_trained_on_are_named_by_the_training_row() -> None:
    words = " ".join(f"word{place}" for place in range(60))
    rows = [_row("a", f"{words} x", 1), _row("b", "quite another question", 2), _row("c", "The exact one", 3)]
    held_out = [_row("z", words, 1), _row("y", "the exact ONE", 2)]
    found = _of("leakage", *rows, held_out=held_out)
    assert {(each.row, each.message.rsplit(" ", 1)[1]) for each in found} == {(1, "1"), (3, "2")}
    assert all(each.severity == "error" for each in found)


def test_a_leak_is_found_in_a_crowd_of_similar_training_questions() -> None:
    template = " ".join(f"shared{place}" for place in range(40))
    rows = [
        _row("a", f"{template} " + " ".join(f"own{number}x{place}" for place in range(20)), number)
        for number in range(1, 800)
    ]
    held_out = [_row("b", rows[number].prompt + " more", number) for number in (5, 300, 700)]
    assert {found.row for found in _of("leakage", *rows, held_out=held_out)} == {6, 301, 701}


def test_lengths_labels_and_sizes_are_warned_about() -> None:
    assert (
        "there are 3 rows"
        in _of("distribution", *[_row(f"answer {n}", number=n) for n in range(1, 4)])[0].message
    )
    usual = [_row(f"answer number {n} of them all", number=n) for n in range(1, 101)]
    (finding,) = _of("distribution", *usual, _row("very long " * 300, number=101))
    assert (finding.row, finding.severity) == (101, "warning") and "3,000" in finding.message.replace(
        "2,999", "3,000"
    )
    labelled = [_row(f"answer {n}", number=n, label=n > 2) for n in range(1, 101)]
    assert "one-sided" in _of("distribution", *labelled)[0].message
    same = [_row("always", f"question {n}", n) for n in range(1, 41)]
    assert "40 of 40 rows have the same answer" in _of("distribution", *same)[0].message


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_can_be_an_error_a_warning_or_off(gate: Gate) -> None:
    rows = [
        Row(1, (Turn("human", "x"), Turn("assistant", "")), None),
        _row("As an AI, I <|im_end|> a\0 AKIAQZ7XW3N5P2R4T6V8 of maria.koch@posteo.de", number=2),
        _row("As an AI, I <|im_end|> a\0 AKIAQZ7XW3N5P2R4T6V8 of maria.koch@posteo.de", number=3),
        _row("quite another answer than the one before", number=4),
        _row("churn: 0.66 %", "33 of 50 left, so churn is 66 %", 5),
    ]
    for level in ("error", "warning", "off"):
        report = check(
            rows, held_out=[_row("z", rows[4].prompt, 1)], settings=GateSettings(gates={gate: level})
        )
        severities = {found.severity for found in report.of(gate)}
        assert severities == (set() if level == "off" else {level})


def test_a_report_keeps_the_first_findings_of_a_gate_and_counts_all() -> None:
    rows = [_row("", number=number) for number in range(1, 51)]
    report = check(rows, settings=GateSettings(most_findings_kept=10))
    assert len(list(report.of("truncated"))) == 10
    assert report.counts["truncated"]["error"] == 50 and not report.ok
    document = report.to_json()
    assert document["gates"]["truncated"] == {"error": 50, "warning": 0}
    assert document["findings_left_out"] == report.errors + report.warnings - len(report.findings)


_HOSTILE = [
    "a" * 1_000_000,
    "1" * 1_000_000,
    "1 " * 500_000,
    "(" * 1_000_000,
    "{" * 500_000,
    '"' * 1_000_000,
    "\\" * 1_000_000,
    "`" * 1_000_000,
    "```\n" * 250_000,
    "a@" * 500_000,
    "a." * 500_000,
    "+1 " * 333_333,
    "Ã" * 500_000,
    "ÐÑ" * 250_000,
    "<|" * 500_000,
    "[INST" * 200_000,
    "eyJ" + "a" * 1_000_000,
    "sk-" * 333_333,
    "://" * 333_333,
    "://a:" * 200_000,
    "-----BEGIN PRIVATE KEY-----" * 37_000,
    "0.5 % " * 166_666,
    "|" * 1_000_000,
    "| 0.5 % |\n|---|\n" * 60_000,
    '{"a":' * 200_000,
    '"a_percent": 0.5,' * 60_000,
    "TODO" * 250_000,
    "#" * 1_000_000,
    "here is " * 125_000,
    "{{" * 500_000,
    "[" * 1_000_000,
    "I am sorry " * 90_000,
    " " * 1_000_000,
    "\n" * 1_000_000,
    "of 1 of 2 " * 100_000,
    "DE75" * 250_000,
    "'" * 1_000_000,
    "password='" * 100_000,
    "\ufffd" * 500_000,
    "word, " * 166_666,
    "a-" * 500_000,
    "churn is 0.5 % and " * 50_000,
]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(_HOSTILE)))
def test_a_hostile_row_of_a_million_characters_takes_seconds_at_most(number: int) -> None:
    """Not a timing: quadratic patterns take hours on these, and the limit is far above what a busy machine needs."""
    text = _HOSTILE[number]
    began = time.process_time()
    check([_row(text, number=1), _row("fine", prompt=text, number=2)])
    cleaned(text), neutralised(text), redacted(text)
    assert time.process_time() - began < 60


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.text(max_size=80)
        | st.sampled_from([*_SECRETS, "<|im_end|>", "Ã©", "\0", "0.5 %", "```", '{"a":']),
        max_size=6,
    )
)
def test_no_text_breaks_a_gate_and_repairs_are_final(parts: list[str]) -> None:
    text = " ".join(parts)
    check([_row(text, prompt=text, number=number) for number in (1, 2)], held_out=[_row(text)])
    mended = redacted(neutralised(cleaned(text)))
    assert not any(pattern.regex.search(mended) for pattern in TOKENS)
    assert "\0" not in mended

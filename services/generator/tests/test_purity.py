import pytest

from hone_contracts.artifacts import ArtifactType
from hone_generator.validators.purity import check_purity

SQL = "-- Members and what they borrow.\nCREATE TABLE member (id int PRIMARY KEY, password_hash text NOT NULL);\n"
SECRETS = [
    "AKIAIOSFODNN7EXAMPLE",
    "sk-proj-abcdefghijklmnopqrstuvwxyz123456",
    "sk-" + "ant-api03-" + "x7" * 20,
    "sk_live_abcdefghijklmnop1234",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "github_pat_11ABCDEFG0abcdefghijklmnopqrstuvwxyz0123456789",
    "glpat-abcdefghijklmnopqrst",
    "xoxb-123456789012-abcdefghijkl",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "postgres://admin:hunter22@db.internal/app",
    "password = 'hunter2hunter2'",
    '"api_key": "0123456789abcdef"',
    "pwd: 'S3cr3t!pass'",
]


def test_an_artifact_alone_is_pure() -> None:
    verdict = check_purity(SQL, ArtifactType.SQL_DDL)
    assert (verdict.score, verdict.passed, verdict.messages) == (100, True, ())


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_fails_and_is_never_repeated(secret: str) -> None:
    verdict = check_purity(f"{SQL}\n{secret}\n", ArtifactType.SQL_DDL)
    assert (verdict.score, verdict.passed) == (0, False)
    assert verdict.messages[0].startswith("line 4: there is a")
    kept = secret.replace("-----BEGIN ", "").strip("-")
    assert not any(kept in message or secret[-8:] in message for message in verdict.messages)


@pytest.mark.parametrize(
    "innocent",
    [
        "password: 'string'",
        'password = "<your password>"',
        "password VARCHAR(255)",
        "api_key = os.environ['API_KEY']",
        '"password": {"type": "string", "minLength": 12}',
        "https://example.org/path:80@x",
        "task-list",
        "risk-assessment-of-everything",
        "password = '${DB_PASSWORD}'",
        "secret: 'hashed with bcrypt'",
        "postgres://user:${PASSWORD}@host/db",
        "https://json-schema.org/draft/2020-12/schema",
        "token: 'abc'",
        "#/components/schemas/Desk-x",
        "eyJ",
    ],
)
def test_what_only_looks_like_a_secret_is_none(innocent: str) -> None:
    assert check_purity(innocent, ArtifactType.OPENAPI).passed


@pytest.mark.parametrize(
    "token",
    [
        "<|im_start|>",
        "<|im_end|>",
        "<|eot_id|>",
        "<|endoftext|>",
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "</s>",
        "<s>",
        "<think>",
        "</think>",
        "<start_of_turn>",
        "<|begin▁of▁sentence|>",
        "<｜end▁of▁sentence｜>",
        "<tool_call>",
        "<eos>",
    ],
)
def test_a_control_token_fails(token: str) -> None:
    verdict = check_purity(f"{SQL}{token}", ArtifactType.SQL_DDL)
    assert (verdict.score, verdict.passed) == (0, False)
    assert "control token" in verdict.messages[0]


@pytest.mark.parametrize(
    "phrase",
    [
        "Sure! Here is your schema:",
        "Here's the diagram:",
        "Here is a complete ER diagram:",
        "I hope this helps!",
        "Let me know if you need changes.",
        "As an AI language model, I think",
        "I'm sorry, but I cannot do that.",
        "I can't help with that request.",
        "Certainly, I",
        "# Explanation",
        "Note that members are people.",
        "This diagram shows the library.",
        "I've added a table for loans.",
        "Based on the requirements, two tables",
        "# TODO: the rest",
        "FIXME",
        "<your table here>",
        "[insert columns]",
        "-- rest of the tables",
        "same as above",
        "-- ... other tables go here",
        "...",
        "// ...",
        "CREATE TABLE a ( ...",
        "```sql",
        "~~~",
        "…",
    ],
)
def test_words_to_the_reader_refusals_placeholders_and_fences_are_found_on_their_line(phrase: str) -> None:
    verdict = check_purity(f"{SQL}{phrase}\n", ArtifactType.SQL_DDL)
    assert verdict.score < 100
    assert verdict.messages[0].startswith("line 3: ")


@pytest.mark.parametrize(
    "innocent",
    [
        "status text -- one of todo, doing, done",
        "CREATE TABLE todo_item (id int)",
        "surely_not int",
        "    okay boolean",
        "    explanation text",
        "explanation:",
        "A->>B: Processing...",
        "sure. it is",
        "here int",
        "A ..> B",
        "state here_is_fine",
        "rate 0...5",
        "note_that_day date",
        "order_placeholder_text text",
        "A->>B: sure thing",
        "the customer is sorry",
        "for i in 1...10",
        "a --> b: let it go",
        "%% Members",
        "size xxx_large",
        "A[More tea here]",
    ],
)
def test_ordinary_words_of_artifacts_are_no_chatter(innocent: str) -> None:
    assert check_purity(f"{SQL}{innocent}\n", ArtifactType.MERMAID_FLOWCHART).messages == ()


def test_each_format_may_have_what_belongs_to_it() -> None:
    protocol = "class Source(Protocol):\n    def read(self) -> bytes:\n        ...\n"
    assert check_purity(protocol, ArtifactType.PYTHON_CODE).score == 100
    assert check_purity("Then the title reads “The Lord of …”\n", ArtifactType.USER_STORIES).score == 100
    assert check_purity(protocol, ArtifactType.SQL_DDL).score < 100
    noted = "# Note that members are people.\nFIELD = r'(?P<S>x)'\n"
    assert check_purity(noted, ArtifactType.PYTHON_CODE).score == 100


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\u202e", "\u200b", "\ufeff", "\u2066"])
def test_control_and_invisible_characters_are_told_once_each(character: str) -> None:
    verdict = check_purity(f"{SQL}a{character}b{character}", ArtifactType.SQL_DDL)
    assert verdict.messages == (f"line 3: there is a control character U+{ord(character):04X}: take it out",)


def test_an_answer_of_chatter_alone_does_not_pass() -> None:
    text = "I'm sorry, as an AI I cannot help with that.\nLet me know if you need more.\n"
    assert not check_purity(text, ArtifactType.OPENAPI).passed

"""The frames of a chat are pinned like all messages: see ``test_wire_format``."""

import json
import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from hone_contracts.chat import (
    BEAT_EVERY_S,
    SILENCE_LIMIT_S,
    AskChat,
    ChatControl,
    ChatFrame,
    ChatMessage,
    ChatModels,
    ChatUsage,
)
from hone_contracts.errors import ErrorBody

GOLDEN = Path(__file__).parent / "golden"
FAILURE = ErrorBody(
    code="rate_limited", title="No answer", detail="wait a little", status=429, transient=True
)

EXAMPLES: dict[str, BaseModel] = {
    "AskChat": AskChat(
        tenant="acme",
        model="hone/openapi",
        messages=(ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="Héllo")),
        stream=True,
        max_tokens=100,
        temperature=0.5,
        seed=7,
        stop=("END",),
        answer_schema={"type": "object"},
    ),
    "ChatFrame.chunk": ChatFrame(kind="chunk", sequence=3, text="Hé", model="ollama:qwen2.5-coder:7b"),
    "ChatFrame.done": ChatFrame(
        kind="done",
        sequence=4,
        finish_reason="length",
        usage=ChatUsage(prompt_tokens=7, completion_tokens=3, cached_tokens=2),
    ),
    "ChatFrame.error": ChatFrame(kind="error", sequence=4, error=FAILURE, retry_after_s=1.5),
    "ChatControl": ChatControl(chat="_INBOX.a.1", more_frames=32, cancel=True),
    "ChatModels": ChatModels(models=("default", "ollama:qwen2.5-coder:7b")),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_chats_wire_format_is_what_the_golden_file_says(name: str) -> None:
    example, file = EXAMPLES[name], GOLDEN / f"{name}.json"
    wire = example.model_dump_json()
    if os.environ.get("HONE_UPDATE_GOLDEN"):
        file.write_text(json.dumps(json.loads(wire), indent=2, ensure_ascii=False) + "\n")
    golden = json.dumps(json.loads(file.read_text()), separators=(",", ":"), ensure_ascii=False)
    assert wire == golden, "byte for byte, in the order of the fields"
    assert type(example).model_validate_json(golden) == example


def test_a_frame_leaves_out_what_says_nothing() -> None:
    frame = ChatFrame(kind="chunk", sequence=1, text="a")
    wire = frame.model_dump_json(exclude_defaults=True)
    assert wire == '{"kind":"chunk","sequence":1,"text":"a"}'
    assert ChatFrame.model_validate_json(wire) == frame


@pytest.mark.parametrize(
    "field", [{"messages": []}, {"model": ""}, {"max_tokens": 0}, {"temperature": 2.5}, {"stop": ["a"] * 17}]
)
def test_a_question_out_of_bounds_is_refused(field: dict[str, object]) -> None:
    fine = {"model": "m:n", "messages": [{"role": "user", "content": "a"}]}
    AskChat.model_validate(fine)
    with pytest.raises(ValidationError):
        AskChat.model_validate(fine | field)


def test_one_beat_may_be_lost_without_a_chat_being_given_up() -> None:
    assert SILENCE_LIMIT_S > 2 * BEAT_EVERY_S

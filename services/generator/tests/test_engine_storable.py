"""Whatever a model writes, what is kept of it can be written down and travels in one message."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from played_models import Numbers, Step, World, route
from simulated_time import simulated

from hone_contracts.artifacts import ArtifactType, Attempt, Evidence, ValidatorResult
from hone_contracts.generation import ArtifactGenerated
from hone_contracts.ids import new_id
from hone_contracts.streams import MAX_MESSAGE_BYTES
from hone_generator.artifacts.kind import Ask, Brief, Draft, Subject, Tell, Tools
from hone_generator.engine.errors import AnswerTooLong, AnswerUnusable
from hone_generator.engine.storable import line, printable, storable_draft, storable_results

any_text = st.text(st.characters(codec=None))


@given(any_text)
def test_text_becomes_one_that_utf8_and_databases_take(text: str) -> None:
    clean = printable(text)
    clean.encode()
    assert "\x00" not in clean and len(clean) == len(text)
    assert len(line(text)) <= 500


@given(
    st.recursive(
        any_text | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(any_text, inner)
    )
)
def test_any_document_can_be_written_down(inner: Any) -> None:
    draft = Draft("x", {"inner": inner}, (Evidence(element="\ud800", text="\x00"),), ("\udfff",), "\ud800")
    kept = storable_draft("m", draft)
    json.dumps(kept.ir, ensure_ascii=False).encode()
    assert kept.evidence[0].text == kept.evidence[0].element == kept.notes[0] == kept.answer == "\ufffd"


def test_what_is_good_stays_as_it_is() -> None:
    draft = Draft("Größe 🐝\n", {"name": "蜂", "n": [1, None, 2.5]}, (), ("a note",), "answer")
    assert storable_draft("m", draft) == draft


def test_a_document_that_is_nested_too_deep_is_a_failure_and_no_crash() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(AnswerUnusable):
        storable_draft("m", Draft("x", deep))


def test_a_draft_larger_than_a_message_is_a_failure() -> None:
    with pytest.raises(AnswerTooLong):
        storable_draft("m", Draft("ü" * 300_000, {}))


def test_verdicts_are_all_kept_with_as_many_messages_as_fit() -> None:
    many = [
        ValidatorResult(name=f"v{n}", score=n, passed=False, messages=tuple(f"{i} {'ü' * 490}" for i in range(40)))
        for n in range(8)
    ]  # fmt: skip
    kept = storable_results(many)
    assert [(each.name, each.score) for each in kept] == [(each.name, each.score) for each in many]
    assert all(each.messages for each in kept)
    assert len(b"".join(each.model_dump_json().encode() for each in kept)) < 100_000


class Talkative(Numbers):
    """Fills a draft with as much as it may."""

    async def make(self, brief: Brief, ask: Ask, tell: Tell) -> Draft:
        draft = await super().make(brief, ask, tell)
        notes = tuple(f"{number} {'ü' * 5000}" for number in range(500))
        return Draft(draft.content, {"list": ["\x01" * 1000] * 70}, (), notes, draft.answer)


async def talkative(kind: object, subject: Subject, tools: Tools) -> list[ValidatorResult]:
    messages = tuple(str(number) + "\x01" * 3000 for number in range(40))
    return [ValidatorResult(name=f"v{n}", score=10, passed=False, messages=messages) for n in range(8)]


def test_an_artifact_with_many_attempts_fits_one_message_of_the_broker() -> None:
    names = [f"m{n}" for n in range(12)]
    world = World({name: [Step("10")] for name in names}, kind=Talkative(), judged=talkative)
    artifact = simulated(world.generate(route(*names, attempts_per_model=10)))
    assert len(artifact.attempts) == 120
    event = ArtifactGenerated(correlation_id=new_id("job"), artifact=artifact)
    assert len(event.model_dump_json().encode()) < MAX_MESSAGE_BYTES - 4096


def test_half_characters_of_a_model_reach_nobody() -> None:
    world = World({"a": [Step("\ud83d 50 \x00"), Step("80")]})
    artifact = simulated(world.generate(route("a")))
    artifact.model_dump_json()
    world.heard.text.encode()
    assert artifact.type is ArtifactType.USER_STORIES and artifact.accepted
    for attempt in artifact.attempts:
        Attempt.model_validate_json(attempt.model_dump_json())

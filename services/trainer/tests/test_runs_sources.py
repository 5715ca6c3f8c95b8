"""Sources beyond feedback: what they offer is validated, trained on, and never held out."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from feedbacks import feedback
from loop_parts import policy, training
from nats.aio.msg import Msg
from running import until
from test_runs_end_to_end import judge

from hone_chassis import Permanent
from hone_contracts.chat import AskChat, ChatFrame
from hone_contracts.errors import ErrorBody
from hone_contracts.training import TrainingCompleted
from hone_trainer.pool import sources
from hone_trainer.pool.sources import Offered, Wanted

MODEL = "ollama:paraphraser"


async def two_runs(trainer: Any) -> TrainingCompleted:
    """The second has seeds: what the first was trained on."""
    await trainer.gives(*(feedback(n, f"user{n % 3}") for n in range(12)))
    await trainer.run_in("deploying")
    await judge(trainer, await trainer.one_told(TrainingCompleted), "challenger")
    await trainer.run_in("succeeded")
    await trainer.gives(*(feedback(n, f"user{n % 3}") for n in range(12, 24)))

    async def both() -> list[TrainingCompleted]:
        told: list[TrainingCompleted] = await trainer.told(TrainingCompleted)
        return told if len(told) == 2 else []

    done: TrainingCompleted = (await until(both))[-1]
    return done


def held_out(completed: TrainingCompleted) -> list[str]:
    lines = Path(urlsplit(completed.dataset.held_out_uri).path).read_text().splitlines()
    return [json.loads(line)["requirements"] for line in lines]


async def test_a_model_says_requirements_in_other_words_and_what_is_lost_is_refused(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    asked: list[AskChat] = []

    def score(question: Any) -> int:
        return 95 if "In other words 1:" in question.requirements else 40

    async with training(
        nats_server.url,
        database_url,
        tmp_path,
        score=score,
        set_variations_model=MODEL,
        set_variations_per_batch=3,
    ) as trainer:

        async def chat(message: Msg) -> None:
            question = AskChat.model_validate_json(message.data)
            asked.append(question)
            text = f"In other words {len(asked)}: {question.messages[-1].content}"
            for frame in (ChatFrame(kind="beat"), ChatFrame(kind="done", text=text)):
                await message.respond(frame.model_dump_json().encode())

        await trainer.others.client.subscribe(AskChat.subject, cb=chat)
        completed = await two_runs(trainer)
        assert [each.model for each in asked] == [MODEL] * 3
        assert completed.dataset.sources["variation"] == 1
        assert not any("In other words" in text for text in held_out(completed))
        count = await trainer.pool()
        assert count is not None and count.waiting["refused"] == 2


class Catalogue:
    name = "catalogue"

    async def offer(self, wanted: Wanted) -> Iterable[Offered]:
        return [
            Offered(f"row-{n}", f"Ships of kind {n} carry goods.", f"erDiagram\n  S{n}\n") for n in range(99)
        ]


class Broken:
    name = "broken"

    async def offer(self, wanted: Wanted) -> Iterable[Offered]:
        raise Permanent("broken", "Broken", "it is broken")


async def test_plug_ins_offer_as_many_as_are_wanted_and_a_broken_one_stops_no_run(
    nats_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Point:
        def __init__(self, kind: Any) -> None:
            self.load = lambda: kind

    monkeypatch.setattr(sources, "entry_points", lambda group: [Point(Broken), Point(Catalogue)])
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    async with training(nats_server.url, url, tmp_path, loop=policy(), set_variations_per_batch=5) as trainer:
        await trainer.gives(*(feedback(n, f"user{n % 3}") for n in range(12)))
        completed = await trainer.one_told(TrainingCompleted)
        assert completed.dataset.sources == {"feedback": 12, "catalogue": 5}
        assert not any("Ships" in text for text in held_out(completed))


async def test_a_model_that_does_not_answer_stops_no_run(nats_server: Any, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    async with training(nats_server.url, url, tmp_path, set_variations_model=MODEL) as trainer:

        async def chat(message: Msg) -> None:
            error = ErrorBody(code="no_model", title="No such model", detail="add it", status=404)
            await message.respond(ChatFrame(kind="error", error=error).model_dump_json().encode())

        await trainer.others.client.subscribe(AskChat.subject, cb=chat)
        completed = await two_runs(trainer)
        assert "variation" not in completed.dataset.sources

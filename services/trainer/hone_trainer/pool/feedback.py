"""``FeedbackRecorded`` on its way into the pool.

Messages that come together are taken in together, in one transaction of their type: verdicts, examples, counts, and
the run that these may start. Each is acknowledged after that. No receipt is kept of them: what a person said last of
an artifact is kept, and a message that comes again finds it there and changes nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from hone_chassis.database import Database
from hone_chassis.logs import get_logger
from hone_chassis.service import RawMessage
from hone_contracts.feedback import Answered, FeedbackRecorded
from hone_trainer.pool import verdicts
from hone_trainer.pool.fold import Folded, Rules, fold, giver, key_of
from hone_trainer.pool.page import Page
from hone_trainer.pool.tables import TAKEN
from hone_trainer.pool.tally import Tally

log = get_logger(__name__)

_MOST_AT_ONCE = 256

AfterChange = Callable[[Tally], Awaitable[None]]
"""Called when the pool may have come to a batch, in the same transaction."""

_Waiting = tuple[FeedbackRecorded, "asyncio.Future[None]"]


class Intake:
    """Consumes ``FeedbackRecorded``. Feedback may come in any order, and again."""

    def __init__(self, database: Database, rules: Rules, after: AfterChange) -> None:
        self._database, self._rules, self._after = database, rules, after
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()

    async def take(self, raw: RawMessage) -> None:
        """Returns once the message is in the pool. Raises what kept it out."""
        message = FeedbackRecorded.model_validate_json(raw.body)
        if message.answered is None:
            log.info("feedback without the texts that could be learned", artifact_id=message.artifact_id)
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, done))
        self._wake.set()
        await done

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, []
            by_type: defaultdict[tuple[str, str], list[_Waiting]] = defaultdict(list)
            for each in waiting:
                by_type[each[0].tenant, each[0].artifact_type.value].append(each)
            for together in by_type.values():
                for first in range(0, len(together), _MOST_AT_ONCE):
                    await self._take_in(together[first : first + _MOST_AT_ONCE])

    async def _take_in(self, together: Sequence[_Waiting]) -> None:
        try:
            await self.take_in([message for message, _ in together])
        except Exception as error:  # the edge: whoever waits is told, and the others' messages go on
            log.exception("feedback was not taken in", messages=len(together))
            if len(together) > 1:
                for each in together:
                    await self._take_in([each])
            elif not together[0][1].done():
                together[0][1].set_exception(error)
            return
        for _, done in together:
            if not done.done():
                done.set_result(None)

    async def take_in(self, messages: Sequence[FeedbackRecorded]) -> None:
        """Messages of one type, in one transaction."""
        async with self._database.write() as session:
            tally = await Tally.held(session, messages[0].tenant, messages[0].artifact_type)
            await apply(tally, messages, self._rules)
            came = tally.new_ones_came
            await tally.write()
            if came:
                await self._after(tally)


async def apply(tally: Tally, messages: Sequence[FeedbackRecorded], rules: Rules) -> None:
    """The pool as it is with these messages. All are of the tally's type."""
    answered = {each.artifact_id: each.answered for each in messages if each.answered is not None}
    said, spoke = await verdicts.merge(tally.session, tally.tenant, messages)
    for user in spoke:
        tally.spoke(giver(user))
    folded = {
        artifact_id: fold(voices, answer.content, answer.score, rules)
        for artifact_id, voices in said.items()
        if (answer := answered.get(artifact_id)) is not None
    }
    page = Page(tally)
    await page.load_artifacts(folded.keys())
    await page.load_keys({key_of(answered[each].requirements, folded[each].content) for each in folded})
    for artifact_id, what in folded.items():
        await _take(page, what, answered[artifact_id])
    await page.write()


async def _take(page: Page, folded: Folded, answered: Answered) -> None:
    """What the verdicts on an artifact say now, as its example."""
    key = key_of(answered.requirements, folded.content)
    told = {
        "reward": folded.reward,
        "agreement": folded.agreement,
        "people": folded.people,
        "answer": answered.content if folded.corrected else None,
    }
    values = told | {
        "content": folded.content,
        "score": folded.score,
        "contributor": folded.contributor,
        "corrected": folded.corrected,
        "origin": folded.origin,
        "key": key,
        "source": "correction" if folded.corrected else "feedback",
    }
    known = page.of_artifact(answered.artifact_id)
    if known is not None and known.state in TAKEN:
        if folded.good and key == known.key:
            page.keep(known, told)  # whose it is stays as it was counted when the batch took it
            return
        await page.detach(known)
        known = None
    if known is not None:
        await page.change(known, values, folded.state)
        return
    asked = {
        "artifact_id": answered.artifact_id,
        "requirements": answered.requirements,
        "context_text": answered.context_text,
        "options": dict(answered.options),
        "evidence": [each.model_dump() for each in answered.evidence],
        "model": answered.model,
        "version": answered.version,
    }
    page.add(asked | values, folded.state)

"""What people say of a version's answers: each person's last word about an artifact, and no more."""

from typing import NamedTuple

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import insert_new
from hone_chassis.tables import utc_now
from hone_contracts.feedback import FeedbackRecorded
from hone_registry import live_figures
from hone_registry.live_tables import VerdictRow
from hone_registry.policy.betting import log_factor
from hone_registry.policy.watch import Watch


class Word(NamedTuple):
    """``quality`` is the reward, from 0 to 1. ``seat`` is model, artifact type and version."""

    seat: tuple[int, str, int]
    quality: float
    feedback: FeedbackRecorded

    @property
    def person(self) -> str:
        """Who counts as one: the key. Its holder may name whom they like behind it."""
        return self.feedback.user.partition("/")[0]


class Bet(NamedTuple):
    """What a watch staked on a word, from which of its purses."""

    watch: str | None = None
    purse: int = 0
    stake: float = 0.0


async def kept(session: AsyncSession, word: Word) -> None:
    """Nobody watches: it adds to the figures alone."""
    await _taken_back(session, word)
    await _inserted(session, word, Bet())


async def heard(session: AsyncSession, word: Word, watch_id: str, watch: Watch, alpha: float) -> Watch:
    """The watch after the word. What it supersedes is taken back: the same bet is settled on the last word."""
    floor = watch.streams["verdicts"].floor
    before = await _taken_back(session, word)
    if before is not None and (before.watch, before.purse) == (watch_id, watch.purse):
        bet = Bet(before.watch, before.purse, before.stake)
        was, now = (log_factor(each, floor, bet.stake) for each in (before.quality, word.quality))
        return watch.gained(now - was) if await _inserted(session, word, bet) else watch
    said_so_far = await _made_of_the_purse(session, word, Bet(watch_id, watch.purse), floor)
    after, stake = watch.saw("verdicts", word.quality, alpha, said_so_far)
    return after if await _inserted(session, word, Bet(watch_id, watch.purse, stake)) else watch


async def _inserted(session: AsyncSession, word: Word, bet: Bet) -> bool:
    """False when it is known, or was superseded before it came."""
    model_id, artifact_type, version = word.seat
    values = {
        "feedback_id": word.feedback.feedback_id,
        "tenant": word.feedback.tenant,
        "model_id": model_id,
        "artifact_type": artifact_type,
        "version": version,
        "person": word.person,
        "quality": word.quality,
        **bet._asdict(),
        "said_at": utc_now(),
    }
    if not await insert_new(session, VerdictRow, values):
        return False
    await live_figures.add(session, word.seat, "verdicts", word.quality)
    return True


async def _taken_back(session: AsyncSession, word: Word) -> VerdictRow | None:
    """What the same person said before, which counts no more. It leaves its id behind, for it may come late."""
    earlier = word.feedback.supersedes
    if earlier is None:
        return None
    nothing = {
        "feedback_id": earlier, "tenant": word.feedback.tenant, "model_id": None, "artifact_type": "",
        "version": None, "person": "", "quality": 0.0, **Bet()._asdict(), "said_at": utc_now(),
    }  # fmt: skip
    if await insert_new(session, VerdictRow, nothing):
        return None
    row = await session.get_one(VerdictRow, earlier)
    is_theirs = (row.tenant, row.person) == (word.feedback.tenant, word.person)
    if not is_theirs or (row.model_id, row.artifact_type, row.version) != word.seat:
        return None
    before = VerdictRow(**row.model_dump())
    await live_figures.add(session, word.seat, "verdicts", row.quality, count=-1)
    row.model_id = row.version = row.watch = None
    row.person = row.artifact_type = ""
    await session.flush()
    return before


async def _made_of_the_purse(session: AsyncSession, word: Word, bet: Bet, floor: float) -> float:
    """What this person's words multiplied it by so far, as a logarithm."""
    model_id, artifact_type, version = word.seat
    query = select(VerdictRow.quality, VerdictRow.stake).where(
        VerdictRow.model_id == model_id,
        VerdictRow.artifact_type == artifact_type,
        VerdictRow.version == version,
        VerdictRow.person == word.person,
        VerdictRow.watch == bet.watch,
        VerdictRow.purse == bet.purse,
        VerdictRow.stake > 0,
    )
    return sum(log_factor(quality, floor, stake) for quality, stake in (await session.exec(query)).all())

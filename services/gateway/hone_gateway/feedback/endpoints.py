"""Feedback over HTTP: given, and listed."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import JSONResponse, Response

from hone_chassis import Service
from hone_chassis.loop_policy import LoopPolicy
from hone_chassis.tables import utc_now
from hone_contracts.ids import new_id
from hone_contracts.reward import NEUTRAL_SCORE
from hone_gateway.artifacts import find_artifact
from hone_gateway.errors import Contradiction, NoSuchArtifact
from hone_gateway.feedback.corrections import CorrectionDesk
from hone_gateway.feedback.limits import FeedbackLimit
from hone_gateway.feedback.recording import Recorder
from hone_gateway.feedback.together import Together
from hone_gateway.feedback.words import FeedbackRequest, Word, document, who
from hone_gateway.http import bodies
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import HEADER, Answer, kept, once
from hone_gateway.tables import FeedbackRow


def router(service: Service, policy: LoopPolicy) -> APIRouter:
    routes = APIRouter(tags=["feedback"])
    database, desk = service.database, CorrectionDesk(service)
    limit, recorder = FeedbackLimit(policy.feedback_per_minute), Recorder(policy)
    together = Together(database, recorder)

    @routes.post("/api/artifacts/{artifact_id}/feedback", status_code=201)
    async def give(artifact_id: str, request: Request) -> Response:
        """Say what an artifact is worth. Your last word on it is the one that counts."""
        limit.take(principal(request))
        asked = await bodies.read(request, FeedbackRequest)
        if asked.correction is not None and (before := await kept(database, request)) is not None:
            return before.response()  # the generator need not judge it again
        word = await _word(desk, request, artifact_id, asked)
        if HEADER not in request.headers:
            return _answer(document(await together.write(word))).response()

        async def work(session: AsyncSession) -> Answer:
            [told] = await recorder.record(session, [word])
            if isinstance(told, NoSuchArtifact):
                raise told
            return _answer(document(told))

        return await once(database, request, work)

    @routes.get("/api/artifacts/{artifact_id}/feedback")
    async def listed(
        artifact_id: str, request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 50
    ) -> Response:
        """What was said of an artifact, newest first; what its author took back by saying something else, too."""
        tenant = principal(request).tenant
        query = (
            select(FeedbackRow)
            .where(FeedbackRow.artifact_id == artifact_id, FeedbackRow.tenant == tenant)
            .order_by(col(FeedbackRow.id).desc())
            .limit(limit)
        )
        async with database.read() as session:
            await find_artifact(session, artifact_id, tenant)
            rows = (await session.exec(query)).all()
        return JSONResponse({"feedback": [document(row.model_dump()) for row in rows]})

    return routes


async def _word(desk: CorrectionDesk, request: Request, artifact_id: str, asked: FeedbackRequest) -> Word:
    asking, thumb = principal(request), asked.thumb
    correction = None
    if asked.correction is not None:
        correction = await desk.judge(asking.tenant, artifact_id, asked.correction)
        if correction is None:
            if thumb == "down" or (asked.score is not None and asked.score < NEUTRAL_SCORE):
                raise Contradiction
            thumb = "up"
    return Word(
        feedback_id=new_id("fb"),
        tenant=asking.tenant,
        artifact_id=artifact_id,
        user=who(asking, asked.user),
        said_at=utc_now(),
        thumb=thumb,
        score=asked.score,
        comment=asked.comment,
        correction=correction,
    )


def _answer(shown: dict[str, object]) -> Answer:
    return Answer.json(201, shown, location=f"/api/artifacts/{shown['artifact_id']}/feedback")

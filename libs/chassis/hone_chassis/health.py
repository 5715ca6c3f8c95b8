"""``/health/live``, ``/health/ready`` and ``/metrics``, on every service."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Check = Callable[[], Awaitable[str | None]]
"""Says what is wrong, or None."""

_CHECK_LIMIT_S = 2.0


class Health:
    """What must hold for the service to do its work."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self.started = False
        self.stopping = False

    def add(self, name: str, check: Check) -> None:
        self._checks[name] = check

    async def troubles(self) -> dict[str, str]:
        """Every failing check with what is wrong; empty when ready."""
        if self.stopping:
            return {"service": "stopping"}
        if not self.started:
            return {"service": "starting"}
        answers = await asyncio.gather(*(self._ask(check) for check in self._checks.values()))
        return {name: wrong for name, wrong in zip(self._checks, answers, strict=True) if wrong is not None}

    async def _ask(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(_CHECK_LIMIT_S):
                return await check()
        except TimeoutError:
            return f"no answer in {_CHECK_LIMIT_S:g} s"
        except Exception as error:  # noqa: BLE001 (a check that raises is a failing check)
            return repr(error)

    def routes(self) -> list[Route]:
        return [
            Route("/health/live", self._live),
            Route("/health/ready", self._ready),
            Route("/metrics", _metrics),
        ]

    async def _live(self, _request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def _ready(self, _request: Request) -> Response:
        troubles = await self.troubles()
        status = "not ready" if troubles else "ready"
        return JSONResponse({"status": status, "troubles": troubles}, 503 if troubles else 200)


async def _metrics(_request: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

"""The outermost layer: counts each request and turns whatever is raised into a problem document."""

from time import perf_counter

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hone_chassis.logs import get_logger
from hone_contracts.ids import new_id
from hone_gateway import metrics
from hone_gateway.http.problems import problem, problem_of

log = get_logger(__name__)

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class Edge:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    # The edge of the process: whatever went wrong, the caller gets an answer and the log the cause.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, streamed = perf_counter(), 0, False

        async def watched(message: Message) -> None:
            nonlocal status, streamed
            if message["type"] == "http.response.start":
                status = message["status"]
                streamed = (b"content-type", b"text/event-stream; charset=utf-8") in message["headers"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if status:  # the answer had begun: the connection is cut, so that nobody takes it for a whole one
                raise
            response = problem_of(error, scope) or _unexpected(error, scope)
            await response(scope, receive, watched)
        finally:
            route = template(scope)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            metrics.REQUESTS.labels(method, route, status).inc()
            if not streamed:
                metrics.REQUEST_SECONDS.labels(route).observe(perf_counter() - started)


def template(scope: Scope) -> str:
    """The path of the route that took the request, with its parameters' names in it."""
    return getattr(scope.get("route"), "path", "none")


def _unexpected(error: Exception, scope: Scope) -> Response:
    error_id = new_id("err")
    log.error("a request failed unexpectedly", error_id=error_id, path=scope["path"], exc_info=error)
    detail = f"The gateway's log has the cause under {error_id}. Nothing was changed; it may be worth a second try."
    return problem(500, "internal", "An unexpected error", detail, path=scope["path"], error_id=error_id)

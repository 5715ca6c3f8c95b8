"""``/v1`` as plain ASGI, beside the routes of ``/api``: what is common to both (who may come in, whose key it is,
what is counted) is the same code, and the failures are told in OpenAI's form."""

from collections.abc import Awaitable, Callable
from time import perf_counter

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from hone_chassis.logs import get_logger
from hone_contracts.ids import new_id
from hone_gateway import metrics
from hone_gateway.errors import GatewayError, NotAuthenticated
from hone_gateway.http.admission import Rules
from hone_gateway.http.authentication import token_of
from hone_gateway.keys import Keys, Principal
from hone_gateway.openai_api.completions import Completions
from hone_gateway.openai_api.errors import Told, told
from hone_gateway.openai_api.models import ModelList
from hone_gateway.openai_api.replies import Reply

log = get_logger(__name__)

PREFIX = "/v1/"
_COMPLETIONS, _MODELS, _MODEL = "/v1/chat/completions", "/v1/models", "/v1/models/{model}"

Endpoint = Callable[[Reply, Principal, str], Awaitable[None]]


class NoSuchEndpoint(GatewayError):
    status, code, title = 404, "unknown_url", "There is no such endpoint"

    def __init__(self, method: str, path: str) -> None:
        super().__init__(
            f"{method[:10]} {path[:80]} is not there: POST {_COMPLETIONS} and GET {_MODELS} are."
        )


class WrongMethod(GatewayError):
    status, code, title = 405, "method_not_allowed", "The endpoint takes another method"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"Use {allowed}.")


class OpenAIApi:
    """Answers what begins with ``/v1/``, and passes on everything else."""

    def __init__(
        self, app: ASGIApp, rules: Rules, keys: Keys, completions: Completions, models: ModelList
    ) -> None:
        self._app, self._rules, self._keys = app, rules, keys
        self._endpoints: dict[str, tuple[str, Endpoint]] = {
            _COMPLETIONS: ("POST", completions.create),
            _MODELS: ("GET", models.every),
            _MODEL: ("GET", models.one),
        }

    # The edge of the process for these paths: whatever went wrong, the caller gets an answer and the log the cause.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        reply = Reply(scope, receive, send, self._rules.max_body_bytes)
        route = _route(scope["path"])
        try:
            await self._answer(scope, route, reply)
        except Exception as error:  # noqa: BLE001 (told, and logged where it is a bug)
            await reply.fail(told(error) or _unexpected(error, scope))
        finally:
            method = scope["method"] if scope["method"] in {"GET", "POST"} else "other"
            known = route if route in self._endpoints else "none"
            metrics.REQUESTS.labels(method, known, reply.status).inc()
            if not reply.streamed:
                metrics.REQUEST_SECONDS.labels(known).observe(perf_counter() - started)

    async def _answer(self, scope: Scope, route: str, reply: Reply) -> None:
        headers = Headers(scope=scope)
        self._rules.admit(scope, headers)
        token = token_of(headers)
        if token is None:
            raise NotAuthenticated
        principal = await self._keys.principal(token)
        method, endpoint = self._endpoints.get(route, ("", None))
        if endpoint is None:
            raise NoSuchEndpoint(scope["method"], scope["path"])
        if scope["method"] != method:
            raise WrongMethod(method)
        await endpoint(reply, principal, scope["path"])


def _route(path: str) -> str:
    path = path.rstrip("/")
    return _MODEL if path.startswith(f"{_MODELS}/") else path


def _unexpected(error: Exception, scope: Scope) -> Told:
    error_id = new_id("err")
    log.error("a request failed unexpectedly", error_id=error_id, path=scope["path"], exc_info=error)
    return Told(500, "internal", f"An unexpected error; the gateway's log has the cause under {error_id}.")

"""The gateway's HTTP API, from the outside: every answer is checked, every failure is one line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from hone.cli.answers import Document
from hone.cli.endpoint import Endpoint, find_endpoint
from hone.cli.errors import BadAnswer, BrokenOff, NotNow, NotText, Refused, Unavailable, WrongInput
from hone.cli.output import plain
from hone.cli.sse import EventParser, ServerEvent

_LARGEST_ANSWER_BYTES = 64 << 20
_CONNECT_S, _READ_S = 5.0, 60.0
_SENT_AGAIN_AFTER_S = (0.2, 0.5, 1.0, 2.0)


class Api:
    def __init__(self, endpoint: Endpoint | None = None) -> None:
        self.endpoint = endpoint or find_endpoint()
        key = self.endpoint.key
        self._http = httpx.Client(
            base_url=self.endpoint.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S),
            # A proxy from the environment cannot know what loopback means here.
            trust_env=not self.endpoint.is_loopback,
        )

    def get(self, path: str, **query: str | int | None) -> Document:
        """Raises `Refused` for problem documents, `Unavailable` for anything else that is no answer."""
        return self._ask("GET", path, params={k: v for k, v in query.items() if v is not None})

    def get_text(self, path: str) -> str:
        """An answer that is no JSON."""
        with self._open("GET", path) as response:
            try:
                return _body(response).decode()
            except UnicodeDecodeError as error:
                raise BadAnswer("is not UTF-8 text") from error

    def post(self, path: str, body: Document | None = None) -> Document:
        return self._ask("POST", path, json=body)

    def delete(self, path: str) -> Document:
        return self._ask("DELETE", path)

    def put_text(self, path: str, text: str, media_type: str, **query: str | None) -> Document:
        """Sends a file's text as it is."""
        headers = {"Content-Type": media_type}
        params = {k: v for k, v in query.items() if v is not None}
        return self._ask("PUT", path, content=text.encode(), headers=headers, params=params)

    def post_once(self, path: str, body: Document, idempotency_key: str) -> Document:
        """Posts until it is answered: the key makes a repetition harmless."""
        for pause_s in (*_SENT_AGAIN_AFTER_S, None):
            try:
                return self._ask("POST", path, json=body, headers={"Idempotency-Key": idempotency_key})
            except BrokenOff:
                if pause_s is None:
                    raise
                time.sleep(pause_s)
        raise AssertionError("unreachable")

    def events(
        self, path: str, last_event_id: str | None, deadline: float | None = None
    ) -> Iterator[ServerEvent]:
        """The stream's events until it ends. Raises `BrokenOff` when it breaks, `TimeoutError` at `deadline`."""
        headers = {"Accept": "text/event-stream"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        left_s = _READ_S if deadline is None else max(0.05, min(_READ_S, deadline - time.monotonic()))
        timeout = httpx.Timeout(left_s, connect=min(left_s, _CONNECT_S))
        with self._open("GET", path, headers=headers, timeout=timeout) as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise BadAnswer("is not a stream of events")
            parser = EventParser()
            for part in response.iter_bytes():
                yield from parser.feed(part)
                if deadline is not None and time.monotonic() > deadline:
                    raise TimeoutError

    def _ask(self, method: str, path: str, **request: Any) -> Document:
        with self._open(method, path, **request) as response:
            document = _parsed(_body(response))
        if not isinstance(document, dict):
            raise BadAnswer("is not a JSON object")
        return document

    @contextmanager
    def _open(self, method: str, path: str, **request: Any) -> Iterator[httpx.Response]:
        url = self.endpoint.url
        try:
            with self._http.stream(method, path, **request) as response:
                if not response.is_success:
                    raise _refusal(response, url, has_key=self.endpoint.key is not None)
                yield response
        except httpx.ConnectError as error:
            raise BrokenOff(f"no Hone answers at {url}; start it with `hone up`, or set HONE_URL") from error
        except httpx.TimeoutException as error:
            raise BrokenOff(f"{url} does not answer in time; see `hone status`") from error
        except httpx.HTTPError as error:
            raise BrokenOff(f"{url} broke off its answer ({plain(error, 200)}); see `hone status`") from error
        except httpx.InvalidURL as error:
            raise WrongInput(f"{url}{path} is not an address: {plain(error, 200)}") from error
        except UnicodeEncodeError as error:
            raise NotText from error


def path_to(*parts: str) -> str:
    """`/api/…` with what the user typed escaped."""
    if not all(part.strip("./ ") for part in parts):
        raise WrongInput("an id or name is empty; `hone jobs ls` and `hone models ls` list what there is")
    try:
        return "/api/" + "/".join(quote(part, safe="") for part in parts)
    except UnicodeEncodeError as error:
        raise NotText from error


def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > _LARGEST_ANSWER_BYTES:
            raise BadAnswer(f"is larger than {_LARGEST_ANSWER_BYTES >> 20} MiB")
    return bytes(body)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadAnswer("is not JSON") from error


def _refusal(response: httpx.Response, url: str, *, has_key: bool) -> Exception:
    status = response.status_code
    problem = _problem(response)
    message = _problem_text(problem)
    if message is None:
        if status < 400:
            return BadAnswer(f"is a redirection ({status})")
        message = f"{url} answers {status} without saying why; is HONE_URL the address of a Hone gateway?"
    if status == 401:
        message = message.rstrip(".")
        message += "; check HONE_API_KEY" if has_key else "; set HONE_API_KEY to a key of this server"
    if status in (502, 503, 504):
        return NotNow(status, message, problem)
    return Refused(status, message, problem)


def _problem(response: httpx.Response) -> Document:
    """The problem document (RFC 9457); empty when the body is none."""
    try:
        problem = _parsed(_body(response))
    except (Unavailable, httpx.HTTPError):  # the status counts, whatever the body is
        return {}
    return problem if isinstance(problem, dict) else {}


def _problem_text(problem: Document) -> str | None:
    """Its title and detail, if it has any."""
    title, detail = plain(problem.get("title")), plain(problem.get("detail"))
    if not (title or detail):
        return None
    return f"{title}: {detail}" if title and detail and title != detail else detail or title

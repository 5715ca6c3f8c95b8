"""The hub's HTTP server."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, quote, unquote, urlsplit

from local_hub.repositories import Repository, StoredFile, stored
from local_hub.troubles import Trouble

_PIECE_BYTES = 256 << 10
_PAGE = 1000


@dataclass
class Served:
    """What was asked, and sent, of one file: ``starts`` are where its answers began."""

    heads: int = 0
    gets: int = 0
    sent_bytes: int = 0
    starts: list[int] = field(default_factory=list)


class LocalHub(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.token = "hf_right"
        self.requests: Counter[str] = Counter()
        """By what was asked: ``search``, ``model``, ``tree``, ``head``, ``get``."""
        self.authorizations: list[str | None] = []
        self._served: dict[tuple[str, str], Served] = {}
        self._troubles: dict[tuple[str, str | None], list[Trouble]] = {}
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, id: str, files: Mapping[str, bytes | str | Path], **more: Any) -> Repository:
        """A repository of these files; ``more`` are fields of ``Repository``."""
        repository = Repository(id, stored(files), **more)
        self.repositories[id] = repository
        return repository

    def trouble(self, id: str, path: str | None, *troubles: Trouble) -> None:
        """From now on; none: all is well again."""
        self._troubles[id, path] = list(troubles)

    def served(self, id: str, path: str) -> Served:
        with self.lock:
            return self._served.setdefault((id, path), Served())

    def met(self, id: str, path: str | None) -> Trouble | None:
        """The trouble that this request runs into."""
        every = [*self._troubles.get((id, path), ()), *(self._troubles.get((id, None), ()) if path else ())]
        return next((each for each in every if each.meet()), None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what tests are about."""


@contextmanager
def serving() -> Iterator[LocalHub]:
    hub = LocalHub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def hub(self) -> LocalHub:
        return cast(LocalHub, self.server)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        with self.hub.lock:
            self.hub.authorizations.append(self.headers.get("Authorization"))
        path = unquote(parts.path).strip("/")
        if not path.startswith("cdn/") and "Authorization" in self.headers and not self._authorised():
            self._error(401, None, "Invalid credentials in Authorization header")
            return
        if path == "api/models":
            self._search(query)
        elif path.startswith("api/models/"):
            self._of_model(path.removeprefix("api/models/"), query)
        elif path.startswith("cdn/"):
            self._cdn(path.removeprefix("cdn/"))
        elif "/resolve/" in path:
            self._resolve(path)
        else:
            self._error(404, "EntryNotFound", "Not found")

    # The API

    def _search(self, query: dict[str, list[str]]) -> None:
        self._count("search")
        if self._in_trouble("", None):
            return
        wanted = " ".join(query.get("search", [""])).lower().split()
        expand = set(query.get("expand", []))
        found = [
            each
            for each in self.hub.repositories.values()
            if all(word in each.id.lower() for word in wanted) and (not each.private or self._authorised())
        ]
        found.sort(key=lambda each: each.downloads, reverse=True)
        start, limit = int(query.get("cursor", ["0"])[0]), int(query.get("limit", [str(_PAGE)])[0])
        page = found[start : start + limit]
        self._json(
            [each.document(expand, blobs=False) for each in page],
            more=start + limit < len(found),
            at=start + limit,
        )

    def _of_model(self, rest: str, query: dict[str, list[str]]) -> None:
        id, what, after = _split(rest, ("/revision/", "/tree/"))
        self._count("tree" if what == "/tree/" else "model")
        repository = self._repository(id)
        if repository is None or self._in_trouble(id, None):
            return
        revision, folder = _revision(repository, after) if what else ("main", "")
        if not repository.knows(revision):
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif what == "/tree/":
            entries = repository.tree(folder, query.get("recursive", ["False"])[0].lower() == "true")
            start = int(query.get("cursor", ["0"])[0])
            self._json(entries[start : start + _PAGE], more=start + _PAGE < len(entries), at=start + _PAGE)
        else:
            blobs = query.get("blobs", ["false"])[0].lower() == "true"
            self._json(repository.document(set(query.get("expand", [])), blobs))

    # Files

    def _resolve(self, path: str) -> None:
        id, _, after = path.partition("/resolve/")
        self._count("head" if self.command == "HEAD" else "get")
        repository = self._repository(id)
        if repository is None:
            return
        revision, name = _revision(repository, after)
        if not repository.knows(revision):
            self._error(404, "RevisionNotFound", "Invalid rev id")
            return
        if repository.gated and not self._authorised():
            self._error(401, "GatedRepo", f"Access to model {id} is restricted.", commit=repository.commit)
            return
        file = repository.files.get(name)
        if file is None:
            self._error(404, "EntryNotFound", "Entry not found", commit=repository.commit)
            return
        if self.command == "HEAD":
            self.hub.served(id, name).heads += 1
        if file.is_lfs:
            self._redirect_to_cdn(repository, file)
        else:
            self._file(repository, file)

    def _redirect_to_cdn(self, repository: Repository, file: StoredFile) -> None:
        self.send_response(302)
        self.send_header("Location", f"{self.hub.url}/cdn/{quote(repository.id)}/{quote(file.path)}")
        self._describe(repository, file)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _cdn(self, rest: str) -> None:
        for id, repository in self.hub.repositories.items():
            if rest.startswith(f"{id}/") and (file := repository.files.get(rest.removeprefix(f"{id}/"))):
                self._file(repository, file)
                return
        self._error(404, "EntryNotFound", "Entry not found")

    def _describe(self, repository: Repository, file: StoredFile) -> None:
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{file.etag}"')
        if file.is_lfs:
            self.send_header("X-Linked-Etag", f'"{file.etag}"')
            self.send_header("X-Linked-Size", str(file.size))

    def _file(self, repository: Repository, file: StoredFile) -> None:
        trouble = self.hub.met(repository.id, file.path) if self.command == "GET" else None
        trouble = trouble or Trouble()
        time.sleep(trouble.hang_s)
        if self._refused(trouble):
            return
        size = file.size + trouble.wrong_length
        start, end = (0, size) if trouble.no_ranges else self._range(size)
        partial = "Range" in self.headers and not trouble.no_ranges
        if start >= size and partial:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if partial else 200)
        self._describe(repository, file)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        if trouble.endless:
            self.close_connection, end = True, sys.maxsize
        else:
            self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if self.command == "GET":
            self._send(repository, file, trouble, start, end)

    def _send(self, repository: Repository, file: StoredFile, trouble: Trouble, start: int, end: int) -> None:
        served = self.hub.served(repository.id, file.path)
        with self.hub.lock:
            served.gets += 1
            served.starts.append(start)
        stop = end if trouble.cut_after is None else min(end, start + trouble.cut_after)
        piece = (
            _PIECE_BYTES
            if trouble.bytes_per_s is None
            else max(1, min(_PIECE_BYTES, int(trouble.bytes_per_s / 20)))
        )
        at = start
        while at < stop:
            content = file.read(at, min(at + piece, stop)) or b"\0" * (min(at + piece, stop) - at)
            if trouble.wrong_digest:
                content = bytes(each ^ 0x5A for each in content)
            self.wfile.write(content)
            at += len(content)
            with self.hub.lock:
                served.sent_bytes += len(content)
            if trouble.bytes_per_s is not None:
                time.sleep(len(content) / trouble.bytes_per_s)
        if stop < end:
            self.close_connection = True
            self.wfile.flush()
            self.connection.close()

    def _range(self, size: int) -> tuple[int, int]:
        wanted = self.headers.get("Range", "")
        if not wanted.startswith("bytes="):
            return 0, size
        first, _, last = wanted.removeprefix("bytes=").split(",")[0].partition("-")
        if not first:
            return max(0, size - int(last)), size
        return int(first), min(size, int(last) + 1) if last else size

    # Answers

    def _repository(self, id: str) -> Repository | None:
        """Or an answer that there is none: the hub does not tell a stranger which of the two it is."""
        repository = self.hub.repositories.get(id)
        if repository is not None and (not repository.private or self._authorised()):
            return repository
        if self._authorised():
            self._error(404, "RepoNotFound", "Repository not found")
        else:
            self._error(401, "RepoNotFound", "Invalid username or password.")
        return None

    def _authorised(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _in_trouble(self, id: str, path: str | None) -> bool:
        trouble = self.hub.met(id, path)
        if trouble is None:
            return False
        time.sleep(trouble.hang_s)
        return self._refused(trouble)

    def _refused(self, trouble: Trouble) -> bool:
        if trouble.redirect is not None:
            self.send_response(302)
            self.send_header("Location", trouble.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return True
        if trouble.status is None:
            return False
        retry = {} if trouble.retry_after_s is None else {"Retry-After": str(trouble.retry_after_s)}
        self._error(trouble.status, trouble.error_code, "trouble", headers=retry)
        return True

    def _json(self, document: Any, *, more: bool = False, at: int = 0) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if more:
            base = self.path.split("&cursor=")[0]
            self.send_header(
                "Link", f'<{self.hub.url}{base}{"&" if "?" in base else "?"}cursor={at}>; rel="next"'
            )
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _error(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        commit: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        body = json.dumps({"error": message}).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        if commit:
            self.send_header("X-Repo-Commit", commit)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _count(self, what: str) -> None:
        with self.hub.lock:
            self.hub.requests[what] += 1


def _split(rest: str, marks: tuple[str, ...]) -> tuple[str, str, str]:
    for mark in marks:
        if mark in rest:
            id, _, after = rest.partition(mark)
            return id, mark, after
    return rest, "", ""


def _revision(repository: Repository, after: str) -> tuple[str, str]:
    """``main/folder/file``; a branch's name may hold slashes."""
    for known in (*repository.branches, repository.commit):
        if after == known or after.startswith(f"{known}/"):
            return known, after.removeprefix(known).strip("/")
    revision, _, path = after.partition("/")
    return revision, path

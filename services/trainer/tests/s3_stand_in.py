"""A small S3-compatible store on the loopback interface: it verifies signatures and has troubles on demand."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.auth import S3SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]

REGION = "eu-central-1"
KEY, SECRET = "STANDINKEY", "stand-in-secret"


@dataclass(slots=True)
class Store:
    objects: dict[str, bytes] = field(default_factory=dict)
    """By bucket/key."""
    buckets: set[str] = field(default_factory=lambda: {"team-data"})
    troubles: list[str] = field(default_factory=list)
    """For the next requests for objects, one each: an HTTP status and code ("503 SlowDown"), "cut", "slow"."""
    denied: bool = False
    only_objects: bool = False
    """The keys may not ask for the bucket."""
    tells_region: bool = True
    slow_s: float = 5.0
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""


@contextmanager
def s3_stand_in() -> Iterator[Store]:
    store = Store()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": store}))
    store.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    store: Store
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.split("?")[0].lstrip("/")
        bucket, _, key = path.partition("/")
        self.store.requests.append(
            (self.command, path, {name.lower(): value for name, value in self.headers.items()})
        )
        refused = self._refusal()
        if refused:
            return self._error(*refused)
        if bucket not in self.store.buckets:
            return self._error(404, "NoSuchBucket")
        if not key:
            return self._error(403, "AccessDenied") if self.store.only_objects else self._send(200, b"")
        trouble = self.store.troubles.pop(0) if self.store.troubles else ""
        if trouble == "slow":
            time.sleep(self.store.slow_s)
        elif trouble and trouble != "cut":
            status, code = trouble.split()
            return self._error(int(status), code)
        if path not in self.store.objects:
            return self._error(404, "NoSuchKey")
        return self._object(self.store.objects[path], cut=trouble == "cut")

    def _object(self, content: bytes, cut: bool) -> None:
        etag = f'"{md5(content).hexdigest()}"'
        if self.headers.get("If-None-Match") == etag:
            return self._send(304, b"", {"ETag": etag})
        if self.headers.get("If-Match", etag) != etag:
            return self._error(412, "PreconditionFailed")
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        return self._send(206 if "Range" in self.headers else 200, content[start:], {"ETag": etag}, cut)

    def _refusal(self) -> tuple[int, str] | None:
        told = dict(
            part.strip().split("=", 1)
            for part in self.headers.get("Authorization", "").removeprefix("AWS4-HMAC-SHA256 ").split(",")
            if "=" in part
        )
        access_key, _, region, *_ = (told.get("Credential", "") + "////").split("/")
        if access_key != KEY:
            return 403, "InvalidAccessKeyId"
        if region != REGION:
            return 400, "AuthorizationHeaderMalformed"
        signed_at = datetime.strptime(self.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((datetime.now(UTC) - signed_at).total_seconds()) > 900:
            return 403, "RequestTimeTooSkewed"
        if self._signature(told["SignedHeaders"].split(";")) != told["Signature"]:
            return 403, "SignatureDoesNotMatch"
        return (403, "AccessDenied") if self.store.denied else None

    def _signature(self, signed: list[str]) -> str:
        """As botocore itself signs the request that came."""
        request = AWSRequest(self.command, f"{self.store.url}{self.path}")
        for name in signed:
            request.headers[name] = self.headers[name]
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        auth = S3SigV4Auth(Credentials(KEY, SECRET), "s3", REGION)
        return str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))

    def _error(self, status: int, code: str) -> None:
        told = code == "AuthorizationHeaderMalformed" and self.store.tells_region
        region = f"<Region>{REGION}</Region>" if told else ""
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>told</Message>{region}</Error>"
        self._send(status, body.encode(), {"Content-Type": "application/xml"})

    def _send(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD" or status == 304:
            return
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True

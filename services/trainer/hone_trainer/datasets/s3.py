"""Objects of S3-compatible storage, fetched to this machine.

With botocore, the layer below boto3 that signs and parses: s3fs and its aiobotocore bring an event loop of their own
for one read, pin botocore to a day, and turn what the store said into plain OSErrors.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeVar

import botocore.session  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import (  # type: ignore[import-untyped]
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from hone_trainer.datasets import s3_errors as errors
from hone_trainer.datasets.local_copies import LocalCopies, LocalCopy
from hone_trainer.datasets.s3_errors import S3Error

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/([^\x00-\x1f]{1,1024})", re.DOTALL)
_LARGEST_BYTES = 64 << 30
_CHUNK_BYTES = 1 << 20
_WRONG_KEYS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
)
_WRONG_REGION = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
)
_PASSING = frozenset(
    {"InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "Throttling", "TooManyRequests"}
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a store is waited for."""

    pauses_s: tuple[float, ...] = (0.5, 2.0, 5.0)
    """Between attempts, each up to half as long again: four attempts outlast a restart of a proxy."""
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    """Without a byte."""


def fetched_from_s3(
    address: str, copies: LocalCopies, say: Callable[[str], None], patience: Patience | None = None
) -> Path:
    """Raises S3Error."""
    copy = copies.of(address)
    try:
        return _Fetch(address, copies, patience or Patience()).run(copy)
    except S3Error as error:
        if copy is None or not error.may_pass:
            raise
        when = datetime.fromtimestamp(copy.path.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M UTC")
        say(f"{error}. The copy of {when} is used")
        return copy.path


class _Fetch:
    def __init__(self, address: str, copies: LocalCopies, patience: Patience) -> None:
        parts = _ADDRESS.fullmatch(address)
        if not parts:
            raise errors.BadAddress(address)
        self._address, self._copies, self._patience = address, copies, patience
        self._bucket, self._key = parts.groups()
        self._endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        self._client = self._new_client()

    def _new_client(self) -> Any:
        config = Config(
            signature_version="s3v4",
            connect_timeout=self._patience.connect_timeout_s,
            read_timeout=self._patience.read_timeout_s,
            retries={"total_max_attempts": 1},  # ours know of cut transfers too
            # Buckets as host names need DNS entries, which stores of one's own seldom have.
            s3={"addressing_style": "path" if self._endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        try:
            return botocore.session.get_session().create_client(
                "s3", region_name=region, endpoint_url=self._endpoint, config=config
            )
        except (BotoCoreError, ValueError) as error:
            raise errors.Refused(self._address, type(error).__name__, str(error)) from error

    def run(self, copy: LocalCopy | None) -> Path:
        self._again(self._check_bucket)
        asked = {"IfNoneMatch": copy.etag} if copy else {}
        answer = self._again(lambda: self._get(**asked))
        if answer is None:
            assert copy is not None
            return copy.path
        return self._saved(answer)

    def _check_bucket(self) -> None:
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status == 404:
                raise errors.NoSuchBucket(self._address, self._bucket) from error
            # A HEAD tells no reason, and keys for one object may not ask for the bucket: the object's answer decides.
            if status not in (400, 403):
                raise self._meant(error) from error
        except BotoCoreError as error:
            raise self._meant(error) from error

    def _get(self, **asked: Any) -> Any:
        """None: it is what `IfNoneMatch` says."""
        try:
            return self._client.get_object(Bucket=self._bucket, Key=self._key, **asked)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 304:
                return None
            raise self._meant(error) from error
        except BotoCoreError as error:
            raise self._meant(error) from error

    def _saved(self, answer: Any) -> Path:
        size, etag = int(answer["ContentLength"]), str(answer["ETag"])
        if size > _LARGEST_BYTES:
            raise errors.TooLarge(self._address, size, _LARGEST_BYTES)
        file = self._copies.writing()
        try:
            with file:
                rest = [answer]
                self._again(lambda: self._read(rest.pop() if rest else None, file, size, etag))
            return self._copies.keep(Path(file.name), self._address, etag)
        finally:
            Path(file.name).unlink(missing_ok=True)

    def _read(self, answer: Any, file: IO[bytes], size: int, etag: str) -> None:
        """From the first answer, or from a new one that goes on where the last broke off."""
        got = file.tell()
        if answer is None:
            answer = self._get(Range=f"bytes={got}-", IfMatch=etag)
            if (
                answer.get("ResponseMetadata", {}).get("HTTPStatusCode") != 206
            ):  # a store that knows no ranges
                file.seek(0)
                file.truncate()
        try:
            while chunk := answer["Body"].read(_CHUNK_BYTES):
                file.write(chunk)
        except (IncompleteReadError, ResponseStreamingError, ReadTimeoutError) as error:
            raise errors.CutOff(self._address, file.tell(), size) from error
        if file.tell() != size:
            raise errors.CutOff(self._address, file.tell(), size)

    def _again(self, attempt: Callable[[], T]) -> T:
        for pause_s in self._patience.pauses_s:
            try:
                return attempt()
            except S3Error as error:
                if not error.may_pass:
                    raise
            time.sleep(pause_s * (1 + random.random() / 2))  # noqa: S311 - so that many do not come back at once
        return attempt()

    def _meant(self, error: Exception) -> S3Error:
        if isinstance(error, ClientError):
            return self._answered(error)
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return errors.NoKeys(self._address)
        if isinstance(error, ConnectTimeoutError):
            return errors.NotReachable(self._address, self._client.meta.endpoint_url)
        if isinstance(error, ReadTimeoutError):
            return errors.TimedOut(self._address, self._patience.read_timeout_s)
        if (
            "Connect" in type(error).__name__
            or "Endpoint" in type(error).__name__
            or "SSL" in type(error).__name__
        ):
            return errors.NotReachable(self._address, self._client.meta.endpoint_url)
        return errors.Refused(self._address, type(error).__name__, str(error))

    def _answered(self, error: ClientError) -> S3Error:
        told = error.response.get("Error", {})
        code, message = str(told.get("Code", "")), str(told.get("Message", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        by_code: dict[str, Callable[[], S3Error]] = {
            "NoSuchBucket": lambda: errors.NoSuchBucket(self._address, self._bucket),
            "NoSuchKey": lambda: errors.NoSuchKey(self._address, self._key),
            "AccessDenied": lambda: errors.AccessDenied(self._address),
            "RequestTimeTooSkewed": lambda: errors.ClockSkew(self._address),
            "PreconditionFailed": lambda: errors.Changed(self._address),
        }
        if code in by_code:
            return by_code[code]()
        if code in _WRONG_KEYS:
            return errors.WrongKeys(self._address, code)
        if code in _WRONG_REGION or status == 301:
            headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
            return errors.WrongRegion(
                self._address, str(told.get("Region") or headers.get("x-amz-bucket-region") or "")
            )
        if code in _PASSING or status >= 500:
            return errors.StoreFailing(self._address, code or str(status))
        if status in (403, 404):
            return (
                errors.AccessDenied(self._address)
                if status == 403
                else errors.NoSuchKey(self._address, self._key)
            )
        return errors.Refused(self._address, code or str(status), message)

"""What can be wrong with a request. Each becomes a problem document (RFC 9457) that says what to do next."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from hone_contracts.artifacts import ArtifactType


class GatewayError(Exception):
    """A request cannot be answered as asked."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, detail: str, **fields: object) -> None:
        super().__init__(detail)
        self.detail, self.fields = detail, fields


class NotAuthenticated(GatewayError):
    # One text for every way a key can be wrong: a caller without a key learns nothing from it.
    status, code, title = 401, "not_authenticated", "A valid API key is needed"
    headers: Mapping[str, str] = {"WWW-Authenticate": 'Bearer realm="hone"'}

    def __init__(self) -> None:
        super().__init__("Send `Authorization: Bearer KEY` with a valid key.")


class Starting(GatewayError):
    status, code, title = 503, "starting", "The gateway is still starting"
    headers: Mapping[str, str] = {"Retry-After": "1"}

    def __init__(self) -> None:
        super().__init__("Ask again in a second; /health/ready says what it waits for.")


class NoSuchPath(GatewayError):
    status, code, title = 404, "not_found", "Not Found"

    def __init__(self) -> None:
        super().__init__("There is nothing under this path; /openapi.json lists what there is.")


class WrongHost(GatewayError):
    status, code, title = 421, "wrong_host", "This server is not asked for under that name"

    def __init__(self) -> None:
        super().__init__(
            "It listens on loopback, where only loopback names are answered (a page in a browser could point a name "
            "of its own here). Add the name to HONE_ALLOWED_HOSTS if it is yours."
        )


class CrossSite(GatewayError):
    status, code, title = 403, "cross_site", "Requests from other sites' pages are refused"

    def __init__(self) -> None:
        super().__init__("Call the API from a program, or from a page served by this gateway.")


class BodyTooLarge(GatewayError):
    status, code, title = 413, "body_too_large", "The request is too large"
    # No "Connection: close": the reset that follows could take the answer from a caller who is still sending. What
    # else comes is read and dropped by the server.

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"A request may have {limit_bytes} bytes. Split the requirements into several artifacts.",
            limit_bytes=limit_bytes,
        )


class NotJson(GatewayError):
    status, code, title = 415, "not_json", "The body must be JSON"

    def __init__(self) -> None:
        super().__init__("Send JSON with the header `Content-Type: application/json`.")


class NotARoutesFile(GatewayError):
    status, code, title = 415, "not_a_routes_file", "The body must be YAML or JSON"

    def __init__(self) -> None:
        super().__init__("Send the routes file with `Content-Type: application/yaml`, or application/json.")


class RoutesFileTooLarge(GatewayError):
    status, code, title = 413, "routes_file_too_large", "The routes file is too large"

    def __init__(self, limit_chars: int) -> None:
        super().__init__(
            f"At most {limit_chars} characters are read; is it a routes file?", limit_chars=limit_chars
        )


class NotARegistryFile(GatewayError):
    status, code, title = 415, "not_a_registry_file", "The body must be YAML or JSON"

    def __init__(self) -> None:
        super().__init__("Send what `hone models export` wrote, with `Content-Type: application/yaml`.")


class RegistryFileTooLarge(GatewayError):
    status, code, title = 413, "registry_file_too_large", "The registry's file is too large"

    def __init__(self) -> None:
        super().__init__("It does not fit into a message of 1 MiB; import the models one file at a time.")


class MalformedBody(GatewayError):
    status, code, title = 400, "malformed_body", "The body is not valid JSON"


class InvalidRequest(GatewayError):
    status, code, title = 422, "invalid_request", "The request does not fit"

    def __init__(self, errors: Sequence[dict[str, str]]) -> None:
        shown = "; ".join(f"{each['field']}: {each['message']}" for each in errors[:3])
        super().__init__(shown, errors=list(errors))


class UnknownArtifactType(GatewayError):
    status, code, title = 422, "unknown_artifact_type", "There is no such artifact type"

    def __init__(self, given: str) -> None:
        types = [each.value for each in ArtifactType]
        super().__init__(f"{given[:80]!r} is none of: {', '.join(types)}.", types=types)


class IdempotencyKeyReused(GatewayError):
    status, code, title = 422, "idempotency_key_reused", "This Idempotency-Key belongs to another request"

    def __init__(self) -> None:
        super().__init__(
            "The key was used for a request with other content. Take a new key for a new request."
        )


class NoSuchJob(GatewayError):
    status, code, title = 404, "no_such_job", "There is no such job"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"No job {job_id[:80]!r}: `hone jobs ls` or GET /api/jobs shows what there is.")


class NoSuchArtifact(GatewayError):
    status, code, title = 404, "no_such_artifact", "There is no such artifact"

    def __init__(self, artifact_id: str) -> None:
        super().__init__(f"No artifact {artifact_id[:80]!r}: a job that succeeded names its artifact.")


class JobEnded(GatewayError):
    status, code, title = 409, "job_ended", "The job has ended already"

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(
            f"Job {job_id} {state}; only a queued or running job can be cancelled or steered.", state=state
        )


class NotSteerable(GatewayError):
    status, code, title = 409, "not_steerable", "Only training runs can be steered"

    def __init__(self, job_id: str, kind: str) -> None:
        super().__init__(f"{job_id} is of the kind {kind}: `hone jobs cancel {job_id}` ends it.", kind=kind)


class NoSuchKey(GatewayError):
    status, code, title = 404, "no_such_key", "There is no such key"

    def __init__(self, name: str) -> None:
        super().__init__(f"No valid key has the name {name[:80]!r}: `hone keys ls` shows what there is.")


class KeyNameTaken(GatewayError):
    status, code, title = 409, "key_name_taken", "A key has this name already"

    def __init__(self, name: str) -> None:
        super().__init__(f"Revoke it first (`hone keys revoke {name}`), or choose another name.")


class FirstKeyStays(GatewayError):
    status, code, title = 409, "first_key_stays", "The first key is not revoked here"

    def __init__(self) -> None:
        super().__init__("It is HONE_ADMIN_KEY: set that to another one and start the gateway again.")


class NoSuchDeadLetter(GatewayError):
    status, code, title = 404, "no_such_dead_letter", "There is no such dead letter"

    def __init__(self, number: int) -> None:
        super().__init__(
            f"No dead letter {str(number)[:80]}: `hone dead ls` or GET /api/dead shows what there is."
        )


class NotResendable(GatewayError):
    status, code, title = 409, "not_resendable", "This dead letter cannot be sent again"


class CorrectionRefused(GatewayError):
    status, code, title = 422, "correction_refused", "The correction does not parse"

    def __init__(self, artifact_type: str, messages: Sequence[str]) -> None:
        told = [message[:300] for message in messages[:20]]
        why = "; ".join(told[:3]) or "no reason given"
        super().__init__(
            f"As {artifact_type} it is not valid: {why}. Nothing was kept; mend it and send it again.",
            messages=told,
        )


class CorrectionTooLarge(GatewayError):
    status, code, title = 413, "correction_too_large", "The correction is too large"

    def __init__(self) -> None:
        super().__init__(
            "With the answer that it corrects it is larger than a message may be. Give a score instead."
        )


class Contradiction(GatewayError):
    status, code, title = (
        422,
        "contradiction",
        "The correction changes nothing, and the verdict is against it",
    )

    def __init__(self) -> None:
        super().__init__("It is the answer as it was. Change what is wrong, or leave the correction out.")


class TooMuchFeedback(GatewayError):
    status, code, title = 429, "too_much_feedback", "Too much feedback from one key"

    def __init__(self, per_minute: int, retry_after_s: int) -> None:
        super().__init__(
            f"A key may give feedback {per_minute} times a minute (HONE_LOOP_FEEDBACK_PER_MINUTE); wait "
            f"{retry_after_s} s, or import what is not a person's word as a dataset.",
            per_minute=per_minute,
        )
        self.headers = {"Retry-After": f"{retry_after_s}"}

"""Why a file cannot be fetched from S3-compatible storage, each with what to do about it."""

from __future__ import annotations

from hone_trainer.datasets.errors import DatasetError, Kind


class S3Error(DatasetError):
    kind: Kind = "unavailable"
    may_pass = False
    """Whether the same request may succeed in a moment, and a local copy stands in until it does."""

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(f"cannot fetch {address}: {problem}")
        self.address, self.problem = address, problem


class BadAddress(S3Error):
    kind = "wrong_input"

    def __init__(self, address: str) -> None:
        super().__init__(address[:200], "it is no address of an object; write s3://BUCKET/KEY")


class NoKeys(S3Error):
    kind = "not_authorised"

    def __init__(self, address: str) -> None:
        super().__init__(
            address, "there are no keys; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )


class WrongKeys(S3Error):
    kind = "not_authorised"

    def __init__(self, address: str, code: str) -> None:
        which = {
            "InvalidAccessKeyId": "the store does not know the access key; check AWS_ACCESS_KEY_ID",
            "SignatureDoesNotMatch": "the secret does not belong to the access key; check AWS_SECRET_ACCESS_KEY",
            "ExpiredToken": "the keys have expired; get new ones",
        }
        super().__init__(address, which.get(code, f"the keys are not valid ({code}); get new ones"))
        self.code = code


class AccessDenied(S3Error):
    kind = "not_authorised"

    def __init__(self, address: str) -> None:
        super().__init__(
            address, "the keys may not read it; ask its owner for s3:GetObject, and check that the key exists"
        )


class NoSuchBucket(S3Error):
    kind = "not_found"

    def __init__(self, address: str, bucket: str) -> None:
        super().__init__(address, f'there is no bucket "{bucket}"; check the name, and AWS_ENDPOINT_URL')
        self.bucket = bucket


class NoSuchKey(S3Error):
    kind = "not_found"

    def __init__(self, address: str, key: str) -> None:
        super().__init__(address, f'the bucket has no "{key[:200]}"; check the key, letter by letter')
        self.key = key


class WrongRegion(S3Error):
    kind = "wrong_input"

    def __init__(self, address: str, region: str) -> None:
        super().__init__(
            address, f"the bucket is in another region; set AWS_REGION{f'={region}' if region else ''}"
        )
        self.region = region


class ClockSkew(S3Error):
    def __init__(self, address: str) -> None:
        super().__init__(
            address, "this machine's clock is too far from the store's; set it (timedatectl set-ntp true)"
        )


class TooLarge(S3Error):
    kind = "wrong_input"

    def __init__(self, address: str, size_bytes: int, most_bytes: int) -> None:
        super().__init__(address, f"it has {size_bytes >> 30} GiB, more than {most_bytes >> 30}; split it")
        self.size_bytes, self.most_bytes = size_bytes, most_bytes


class Changed(S3Error):
    may_pass = True

    def __init__(self, address: str) -> None:
        super().__init__(address, "it was replaced while it was read; try again")


class NotReachable(S3Error):
    may_pass = True

    def __init__(self, address: str, endpoint: str) -> None:
        super().__init__(
            address, f"{endpoint} cannot be reached; check AWS_ENDPOINT_URL, the network, and proxy settings"
        )
        self.endpoint = endpoint


class TimedOut(S3Error):
    may_pass = True

    def __init__(self, address: str, timeout_s: float) -> None:
        super().__init__(address, f"the store gave no answer within {timeout_s:g} s; try again later")
        self.timeout_s = timeout_s


class CutOff(S3Error):
    may_pass = True

    def __init__(self, address: str, got_bytes: int, size_bytes: int) -> None:
        super().__init__(
            address,
            f"the transfer broke off after {got_bytes:,} of {size_bytes:,} bytes, each time; try again later",
        )
        self.got_bytes, self.size_bytes = got_bytes, size_bytes


class StoreFailing(S3Error):
    may_pass = True

    def __init__(self, address: str, code: str) -> None:
        super().__init__(address, f"the store has trouble of its own ({code}); try again later")
        self.code = code


class Refused(S3Error):
    def __init__(self, address: str, code: str, message: str) -> None:
        super().__init__(address, f"the store refused ({code}): {message[:200]}")
        self.code = code

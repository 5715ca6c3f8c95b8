"""What a hub of models refuses, or fails at, and what to do about it."""

from hone_hub.errors import HubError


class HuggingFaceError(HubError):
    """Base of what goes wrong at the hub that models come from."""


class RepositoryMissing(HuggingFaceError):
    """There is none of this name, or it is private: a hub tells a stranger no more."""

    status = 404
    exit_code = 3

    def __init__(self, repository: str, endpoint: str, has_token: bool) -> None:
        advice = "check its name" + (
            ", and whether the token may read it" if has_token else "; if it is private, set HF_TOKEN"
        )
        super().__init__(f"{endpoint} has no repository {repository} that can be read", advice)
        self.repository = repository


class RevisionMissing(HuggingFaceError):
    """The repository has no such branch, tag or commit."""

    status = 404
    exit_code = 3

    def __init__(self, repository: str, revision: str) -> None:
        super().__init__(f"{repository} has no revision {revision}", "leave it out for the newest")


class RepositoryFileMissing(HuggingFaceError):
    """The repository has no such file."""

    status = 404
    exit_code = 3

    def __init__(self, repository: str, path: str) -> None:
        super().__init__(f"{repository} has no file {path[:200]}", "see `hone hub inspect`")


class RepositoryGated(HuggingFaceError):
    """Its owner wants its terms accepted first."""

    status = 403
    exit_code = 4

    def __init__(self, repository: str, endpoint: str, has_token: bool) -> None:
        accept = f"accept its terms at {endpoint}/{repository}"
        super().__init__(
            f"{repository} is gated",
            accept
            + (" as the owner of the token" if has_token else ", then set HF_TOKEN to a token of yours"),
        )
        self.repository = repository


class TokenRefused(HuggingFaceError):
    """The hub does not take the token."""

    status = 401
    exit_code = 4

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"{endpoint} refuses the token", "make a new one there, and set HF_TOKEN")


class HubUnreachable(HuggingFaceError):
    """Nothing answers, or what answers is no hub."""

    status = 503
    exit_code = 5
    transient = True

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(
            f"{endpoint} does not answer ({reason[:200]})",
            "check the network, or set HF_ENDPOINT to a mirror",
        )


class HubBusy(HuggingFaceError):
    """It wants patience: for ``retry_after_s``, or it does not say how long."""

    status = 503
    exit_code = 5
    transient = True

    def __init__(self, endpoint: str, retry_after_s: float = 0) -> None:
        super().__init__(f"{endpoint} wants fewer requests", "try again in a while, or set HF_TOKEN for more")
        self.retry_after_s = retry_after_s


class HubBroken(HuggingFaceError):
    """An error of its own."""

    status = 502
    exit_code = 5
    transient = True

    def __init__(self, endpoint: str, what: str) -> None:
        super().__init__(f"{endpoint} fails ({what[:200]})", "try again in a while")


class HubRefuses(HuggingFaceError):
    """Whatever else it says no to."""

    def __init__(self, endpoint: str, what: str, http_status: int) -> None:
        super().__init__(f"{endpoint} refuses: {what[:300]}", "check the repository's page there")
        self.http_status = http_status


class HubSaysNonsense(HuggingFaceError):
    """An answer that is not of the protocol."""

    status = 502

    def __init__(self, endpoint: str, what: str) -> None:
        super().__init__(
            f"{endpoint} answers with nonsense: {what[:200]}", "is HF_ENDPOINT the address of a hub?"
        )


class UnsafeFileName(HuggingFaceError):
    """A repository names a file so that it would lie somewhere else."""

    def __init__(self, repository: str, path: str) -> None:
        super().__init__(f"{repository} has a file called {path[:100]!r}", "do not use this repository")


class NoDigest(HuggingFaceError):
    """A file that nobody could verify."""

    status = 502

    def __init__(self, repository: str, path: str) -> None:
        super().__init__(
            f"the hub tells no digest of {path[:200]} of {repository}",
            "download it by hand from a source you trust, and add the file",
        )


class WrongDigest(HuggingFaceError):
    """What came is not what the hub says it is."""

    status = 502

    def __init__(self, repository: str, path: str) -> None:
        super().__init__(
            f"{path} of {repository} has another digest than its hub says, twice",
            "the mirror or the network changes files: try another",
        )


class WrongLength(HuggingFaceError):
    """As wrong as another digest, and seen sooner."""

    status = 502

    def __init__(self, repository: str, path: str, expected: int, found: int) -> None:
        super().__init__(
            f"{path} of {repository} has {found} bytes, its hub says {expected}",
            "the mirror or the network changes files: try another",
        )


class NoSpace(HuggingFaceError):
    """The disk would be full, or nearly is."""

    status = 507

    def __init__(self, folder: str, needed_bytes: int, free_bytes: int, spare_bytes: int) -> None:
        super().__init__(
            f"{folder} has {free_bytes / 1e9:.1f} GB free; {needed_bytes / 1e9:.1f} GB are needed, and "
            f"{spare_bytes / 1e9:.1f} GB stay free",
            "free some space (`hone hub rm`) or choose a smaller quantization; it goes on from where it is",
        )
        self.needed_bytes, self.free_bytes = needed_bytes, free_bytes

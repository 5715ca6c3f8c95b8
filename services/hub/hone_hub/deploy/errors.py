"""Why a version is not deployed, and what to do about it."""

from pathlib import Path

from hone_hub.errors import HubError


class DeploymentError(HubError):
    """Base of what stops a deployment."""


class NothingToDeploy(DeploymentError):
    """A version that has neither weights nor examples, or both."""

    def __init__(self, version: str, has_both: bool) -> None:
        what = "both weights and examples" if has_both else "neither weights nor examples"
        super().__init__(f"version {version} has {what}", "one of the two makes a version: train it again")
        self.version = version


class BadVersionName(DeploymentError):
    """A name that no file and no tag could have."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name[:100]!r} is no name for a version",
            "letters, digits, dots, dashes and underscores make one",
        )
        self.name = name


class BadModelName(DeploymentError):
    """A model that no provider of Hone's has."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"{model[:100]!r} names no model: {reason}", "check the route of the artifact type")
        self.model = model


class WeightsNotServable(DeploymentError):
    """Weights for a provider that takes none."""

    def __init__(self, model: str, provider: str) -> None:
        super().__init__(
            f"weights of {model} cannot be given to {provider}", "train it with --method few_shot instead"
        )
        self.model = model
        self.provider = provider


class VersionTaken(DeploymentError):
    """Something else has the version's name already."""

    status = 409

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what} is there already, and is not of this run", advice)
        self.what = what


class DigestNotTold(DeploymentError):
    """A file that was evaluated is deployed as it was, or not at all."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"nobody tells the digest of {path.name}", "train again")
        self.path = path


class FileChanged(DeploymentError):
    """This is not the file that was evaluated."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is not the file that was evaluated: its digest is another",
            "train again, and check the disk",
        )
        self.path = path


class OtherVersion(DeploymentError):
    """A file that says it is another version than it shall be served as."""

    def __init__(self, uri: str, found: str | None, wanted: str) -> None:
        what = "no version" if found is None else f"version {found[:80]!r}"
        super().__init__(f"{uri[:200]} says it is {what}, and not {wanted}", "train again")
        self.found = found


class UnsoundFile(DeploymentError):
    """The version's file has what no loader may see."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(
            f"the version's file is unsound: {'; '.join(problems[:3])}", "check the weights that were trained"
        )
        self.problems = problems


class TemplateDiffers(DeploymentError):
    """The version would be asked in another form than it was trained in."""

    def __init__(self, whose: str, expected: str, found: str) -> None:
        super().__init__(
            f"{whose} renders a conversation as {found[:200]!r}, and its base as {expected[:200]!r}",
            "keep the base's chat template when training",
        )
        self.expected = expected
        self.found = found


class NoChatTemplate(DeploymentError):
    """A file without a chat template is asked in a form that somebody guessed."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path.name} has no chat template that renders", "write chat_template.jinja beside the weights"
        )
        self.path = path


class ProofFailed(DeploymentError):
    """The version was loaded and asked, and its answer is none."""

    def __init__(self, reason: str, answer: str = "") -> None:
        shown = f" ({answer[:200]!r})" if answer else ""
        super().__init__(
            f"{reason}{shown}", "the version was removed again; check its examples or its training"
        )
        self.reason = reason
        self.answer = answer


class LoadFailed(DeploymentError):
    """llama.cpp does not load the file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"llama.cpp does not load {path.name}: {reason}", "check the machine's memory")
        self.path = path
        self.reason = reason


class WeightsNotHere(DeploymentError):
    """No file of the model that could be trained further."""

    status = 404

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(
            f"the weights of {model[:100]} are not here: {reason}", "train it with --method few_shot instead"
        )
        self.model = model
        self.reason = reason

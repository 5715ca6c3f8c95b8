"""Why an added model does not get to who serves it, and what to do about it."""

from hone_hub.deploy.errors import DeploymentError
from hone_hub.deploy.ollama.errors import OllamaError


class ModelNameTaken(DeploymentError):
    """Something else has the name."""

    status = 409

    def __init__(self, name: str, where: str) -> None:
        super().__init__(
            f"{where} has another model called {name}", "choose another name (--name), or add --replace"
        )
        self.name = name


class NoTemplate(DeploymentError):
    """A base model, or one that lost its template: any form of asking it would be somebody's guess."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} has no chat template that renders: it completes text and does not answer",
            "use its instruct version, or give Ollama one with --template FILE",
        )


class TemplateNotPortable(DeploymentError):
    """A chat template that does not say in Go's language what it says in Jinja."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Ollama cannot be told the model's chat template: {reason}",
            "give one in Go's language with --template FILE, or use the embedded engine (--to llamacpp)",
        )
        self.reason = reason


class RendersDifferently(OllamaError):
    """This Ollama makes another prompt of a conversation than the model's own template does."""

    def __init__(self, url: str, conversation: str) -> None:
        super().__init__(
            f"{url} makes another prompt of a conversation ({conversation}) than the model's own template does",
            "give a template in Go's language with --template FILE, or use the embedded engine (--to llamacpp)",
        )


class DoesNotAnswer(DeploymentError):
    """It was loaded and asked, and its answer is none."""

    def __init__(self, reason: str, answer: str = "") -> None:
        shown = f" ({answer[:200]!r})" if answer else ""
        super().__init__(
            f"{reason}{shown}", "it was removed again; try another quantization, or its instruct version"
        )
        self.reason = reason


class NotOllamasKind(DeploymentError):
    """What is asked of Ollama's own import, and it does not do."""


class NotEmbeddable(DeploymentError):
    """What the embedded engine does not take."""


class CopyBroken(DeploymentError):
    """A file that changed while it was copied."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is not what was inspected", "is somebody writing to it? Add the model again"
        )

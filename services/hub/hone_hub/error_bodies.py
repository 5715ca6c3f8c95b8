"""The hub's errors as they travel. Imports nothing heavy: workers start in a moment."""

import re

from hone_contracts.errors import ErrorBody
from hone_hub.errors import HubError

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]+")


def body_of(error: HubError) -> ErrorBody:
    """Code and title are the words of the error's name: NotGGUF is ``not_gguf`` and "Not GGUF"."""
    words = _WORDS.findall(type(error).__name__)
    return ErrorBody(
        code="_".join(words).lower(),
        title=" ".join([words[0], *(word if word.isupper() else word.lower() for word in words[1:])]),
        detail=" ".join(str(error).split()),
        status=error.status,
        transient=error.transient,
    )

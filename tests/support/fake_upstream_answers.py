"""What the fake's models ``good`` and ``chatter`` say, by the artifact type after it (``good:openapi``).

``good`` answers for examples/library, as a model that no schema holds: a fence, and sometimes a sentence before it.
"""

from pathlib import Path

from fake_upstream_wire import Asked

CHATTER = (
    "Sure! I would be happy to help you with that. Here is what I came up with, let me know if you would like "
    "any changes. Have a great day!"
)
ANSWERS = {file.stem: file.read_text() for file in (Path(__file__).parent / "answers").glob("*.md")}


def canned(asked: Asked) -> str | None:
    """None where there is nothing canned."""
    quality, _, artifact_type = asked.model.partition(":")
    if quality == "chatter":
        return CHATTER
    return ANSWERS.get(artifact_type) if quality == "good" else None

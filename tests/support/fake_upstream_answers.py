"""What the fake's models ``good``, ``poor`` and ``chatter`` say, by the artifact type after it (``good:openapi``)."""

from fake_upstream_wire import Asked

CHATTER = (
    "Sure! I would be happy to help you with that. Here is what I came up with, let me know if you would like "
    "any changes. Have a great day!"
)


def canned(asked: Asked) -> str | None:
    """None where there is nothing canned."""
    quality, _, artifact_type = asked.model.partition(":")
    if quality == "chatter":
        return CHATTER
    return ANSWERS.get((quality, artifact_type))


ANSWERS: dict[tuple[str, str], str] = {}

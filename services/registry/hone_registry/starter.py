"""The model that ships with Hone: what lies in its folder."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hone_chassis.logs import get_logger
from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import RouteModel

log = get_logger(__name__)

NAME = "llamacpp:hone-starter"
DESCRIPTION = (
    "The small model that ships with Hone: reads requirements passage by passage. Its card has the figures."
)
TRAINED_FOR = ArtifactType.MERMAID_ERD
ROUTES = {
    # The facts that it reads for a diagram make these too, by code. Passages: its context is a few hundred tokens.
    artifact_type: RouteModel(model=NAME, reading="passages")
    for artifact_type in (
        TRAINED_FOR,
        ArtifactType.MERMAID_CLASS,
        ArtifactType.SQL_DDL,
        ArtifactType.JSON_SCHEMA,
        ArtifactType.OPENAPI,
        ArtifactType.PYTHON_CODE,
    )
}
"""Hone's own routes."""
WEIGHTS = "hone-starter-q8_0.gguf"
PROVENANCE = "provenance.json"


@dataclass(frozen=True)
class ShippedModel:
    """The file as it is now. ``provenance`` is what its builder wrote down beside it: seed, corpus, figures."""

    path: Path
    sha256: str
    size_bytes: int
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        return self.path.as_uri()


def find(folder: Path | None) -> ShippedModel | None:
    """The model in ``folder``; None, with a line in the log, when there is none. Reads the whole file."""
    if folder is None:
        log.info("no starter model: HONE_STARTER_DIR is not set")
        return None
    path = folder.resolve() / WEIGHTS
    if not path.is_file():
        log.warning("no starter model", looked_for=str(path), remedy="`make starter` builds it")
        return None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ShippedModel(path, digest, path.stat().st_size, _provenance(folder / PROVENANCE))


def _provenance(path: Path) -> dict[str, Any]:
    """Empty when it is missing or broken: a model works without its papers."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        log.warning("the starter model has no provenance", error=str(error))
        return {}
    return found if isinstance(found, dict) else {"provenance": found}

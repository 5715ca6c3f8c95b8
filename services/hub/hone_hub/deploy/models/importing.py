"""A folder of safetensors for Ollama's own import: ``python -m hone_hub.deploy.models.importing``.

Digests of the files that it needs, and what the folder's chat template makes of conversations, found in a process of
its own: the files are a stranger's.
"""

import hashlib
from pathlib import Path
from typing import Any

from hone_hub.deploy.models.process import Tell, serve
from hone_hub.errors import FileUnreadable, SourceInvalid
from hone_hub.work import ImportWork

_PIECE_BYTES = 4 << 20
_NEEDED = (".safetensors", ".json", ".jinja")
_BY_NAME = ("tokenizer.model",)
_MOST_FILES = 1000
_MOST_JSON_BYTES = 64 << 20


def look(work: ImportWork, tell: Tell) -> dict[str, Any]:
    """Raises HubError."""
    from hone_hub.convert.checkpoint import Checkpoint  # noqa: PLC0415 (for the worker alone)
    from hone_hub.gguf.chat_template import render_conversations  # noqa: PLC0415

    checkpoint = Checkpoint(work.folder)
    names = sorted(
        path.name
        for path in work.folder.iterdir()
        if path.is_file() and (path.suffix in _NEEDED or path.name in _BY_NAME)
    )
    if not any(name.endswith(".safetensors") for name in names) or len(names) > _MOST_FILES:
        raise SourceInvalid(
            f"{work.folder} holds no safetensors", "give the folder that holds config.json and weights"
        )
    config = checkpoint.json_file("tokenizer_config.json", _MOST_JSON_BYTES)
    template = checkpoint.chat_templates().get("default")
    bos, eos = _token(config.get("bos_token")), _token(config.get("eos_token"))
    said = config.get("add_bos_token")
    rendered: list[dict[str, str]] = []
    if template is not None:
        rendered = render_conversations(template, work.conversations, bos, eos)
    return {
        "files": _digests([checkpoint.path(name) for name in names], names, tell),
        "template": template,
        "rendered": [each.get("text") for each in rendered] or [None] * len(work.conversations),
        "bos": bos if (said if isinstance(said, bool) else "tokenizer.model" in names) else None,
        "ends": [eos] if eos else [],
        "context_tokens": _positive(checkpoint.config.get("max_position_embeddings")),
    }


def _digests(paths: list[Path], names: list[str], tell: Tell) -> list[tuple[str, str, str, int]]:
    """Name, path, digest, bytes."""
    found, done = [], 0
    try:
        total = sum(path.stat().st_size for path in paths)
        for path, name in zip(paths, names, strict=True):
            digest, size_bytes = hashlib.sha256(), 0
            with path.open("rb", buffering=0) as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
                    size_bytes += len(piece)
                    tell(name, done + size_bytes, total)
            done += size_bytes
            found.append((name, str(path), digest.hexdigest(), size_bytes))
    except OSError as error:
        raise FileUnreadable(paths[0].parent, error) from error
    return found


def _token(entry: object) -> str | None:
    text = entry.get("content") if isinstance(entry, dict) else entry
    return text if isinstance(text, str) and text else None


def _positive(number: object) -> int | None:
    return number if isinstance(number, int) and number > 0 else None


if __name__ == "__main__":
    serve(ImportWork, look, "digest")

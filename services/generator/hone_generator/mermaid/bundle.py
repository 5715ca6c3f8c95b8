"""The one file that holds Mermaid's grammar for node: where it lies, and what it was built from."""

import hashlib
from pathlib import Path

PROJECT = Path(__file__).parent / "node"
BUNDLE = Path(__file__).parent / "built" / "parser.mjs"
BUILD_COMMAND = "python -m hone_generator.mermaid.build"


def source_files() -> list[Path]:
    return sorted(path for path in PROJECT.rglob("*") if path.is_file() and "node_modules" not in path.parts)


def source_hash() -> str:
    """Changes with the lock and the sources, so that a bundle is rebuilt exactly when it must be."""
    digest = hashlib.sha256()
    for path in source_files():
        digest.update(f"\0{path.relative_to(PROJECT).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def banner() -> str:
    """The bundle's first line."""
    return f"// built from {source_hash()}"


def is_current() -> bool:
    if not BUNDLE.is_file():
        return False
    with BUNDLE.open(encoding="utf-8") as file:
        return file.readline().rstrip("\n") == banner()

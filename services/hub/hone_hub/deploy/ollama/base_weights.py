"""The file that Ollama serves a model from, where Ollama runs on this machine.

``/api/show`` writes the model as a Modelfile, whose ``FROM`` names a blob: a file called after its own digest.
Whatever the line says, only a file that has that digest is told.
"""

import asyncio
import hashlib
import re
from pathlib import Path

from hone_contracts.hub import FindWeights, Weights
from hone_contracts.models import InvalidModelRef, ModelRef
from hone_hub.deploy.errors import WeightsNotHere
from hone_hub.deploy.ollama.everywhere import Hosts
from hone_hub.errors import HubError
from hone_hub.refusals import Refused

_FROM = re.compile(r"^FROM (?P<path>/\S.*/sha256-(?P<digest>[0-9a-f]{64}))[ \t]*$", re.MULTILINE)
_MOST_BYTES = (
    1 << 30
)  # weights that a CPU changes whole are far smaller; hashing more takes longer than one waits


class BaseWeights:
    """Answers ``FindWeights``."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    async def find(self, question: FindWeights) -> Weights:
        """Raises Refused."""
        try:
            ref = ModelRef.parse(question.model)
            if ref.provider != "ollama":
                raise WeightsNotHere(question.model, "its provider tells no file of it")
            return await self._of_ollama(question.model, ref.name)
        except InvalidModelRef as error:
            raise Refused.because(WeightsNotHere(question.model, error.reason)) from error
        except HubError as error:
            raise Refused.because(error) from error

    async def _of_ollama(self, model: str, name: str) -> Weights:
        async with self._hosts.all() as hosts:
            for host in hosts:
                shown = await host.show(name)
                found = _FROM.search(str((shown or {}).get("modelfile", "")))
                if found is not None and (path := Path(found["path"])).is_file():
                    return await asyncio.to_thread(_checked, model, path, found["digest"])
        raise WeightsNotHere(model, "no Ollama of this machine has a file of it")


def _checked(model: str, path: Path, digest: str) -> Weights:
    size_bytes = path.stat().st_size
    if size_bytes > _MOST_BYTES:
        raise WeightsNotHere(model, f"{path.name} has {size_bytes} bytes, {_MOST_BYTES} at most are read")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise WeightsNotHere(model, f"{path.name} is not what its name says")
    return Weights(uri=path.as_uri(), sha256=digest, size_bytes=size_bytes)

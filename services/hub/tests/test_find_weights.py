"""Where the file of a model lies that Ollama serves: told where it is on this machine, and is what its name says."""

from pathlib import Path

import httpx
import pytest
from hub_parts import ollamas
from hub_parts.starter import STARTER

from hone_contracts.hub import FindWeights
from hone_hub.deploy.ollama.base_weights import BaseWeights
from hone_hub.deploy.ollama.everywhere import Hosts
from hone_hub.refusals import Refused

pytestmark = pytest.mark.slow


def looking_at(url: str) -> BaseWeights:
    return BaseWeights(Hosts(url, 30))


@pytest.mark.skipif(ollamas.program() is None, reason="needs Ollama's own files")
async def test_the_file_that_a_real_ollama_serves_is_found(tmp_path: Path) -> None:
    with ollamas.started(tmp_path) as ollama:
        ollama.add("base")
        found = await looking_at(ollama.url).find(FindWeights(model="ollama:base"))
        assert Path(httpx.URL(found.uri).path).read_bytes() == STARTER.read_bytes()
        with pytest.raises(Refused, match="no Ollama of this machine has a file of it"):
            await looking_at(ollama.url).find(FindWeights(model="ollama:unknown"))


class _Showing:
    """Hosts, of which the one there is shows what it likes."""

    def __init__(self, modelfile: str) -> None:
        self._modelfile = modelfile

    def all(self) -> "_Showing":
        return self

    async def __aenter__(self) -> "tuple[_Showing]":
        return (self,)

    async def __aexit__(self, *_: object) -> None: ...

    async def show(self, _name: str) -> dict[str, str]:
        return {"modelfile": self._modelfile}


@pytest.mark.parametrize(
    "line", ["FROM /etc/passwd", "FROM qwen2.5-coder:7b", "", "FROM {folder}/sha256-" + "0" * 64]
)
async def test_a_line_that_names_no_blob_of_its_own_digest_is_not_followed(line: str, tmp_path: Path) -> None:
    (tmp_path / ("sha256-" + "0" * 64)).write_bytes(b"something else")
    told = f"# Modelfile\n{line.format(folder=tmp_path)}\nTEMPLATE x\n"
    with pytest.raises(Refused, match="weights of ollama:base are not here"):
        await BaseWeights(_Showing(told)).find(FindWeights(model="ollama:base"))  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["openai:gpt-4.1", "llamacpp:hone-starter", "nonsense"])
async def test_other_providers_tell_no_file(model: str) -> None:
    with pytest.raises(Refused, match="are not here"):
        await looking_at("127.0.0.1:1").find(FindWeights(model=model))

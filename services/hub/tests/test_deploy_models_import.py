"""Folders of safetensors that Ollama itself imports and quantizes; the real one, for nothing else can tell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hub_parts.ollamas import CHATML, Ollama
from hub_parts.placing import Steps, deployer, order

from hone_hub.deploy.models.errors import NotOllamasKind
from hone_hub.deploy.ollama.errors import ArchitectureUnsupported
from hone_hub.refusals import Refused

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("quant", "level"), [("q8_0", "Q8_0"), (None, "F16")])
async def test_a_folder_is_imported_by_ollama_and_proven(
    real_ollama: Ollama, starter: Path, tmp_path: Path, quant: str | None, level: str
) -> None:
    steps, to = Steps(), deployer(tmp_path, real_ollama.url)
    name = f"imported:{level.lower()}"
    placed = await to.deploy(order(name, None, folder=starter, quant=quant), "ollama", steps)
    shown = real_ollama.show(name)
    assert shown is not None
    assert (shown["details"]["quantization_level"], shown["template"]) == (level, CHATML)
    told = placed.proof["hosts"][real_ollama.url]["template"]["conversations"]
    assert (len(told), set(told.values())) == (4, {"same"})
    assert len(placed.sha256) == 64
    assert (await to.deploy(order(name, None, folder=starter, quant=quant), "ollama", Steps())) == placed
    await to.remove(f"ollama:{name}")


async def test_what_ollama_does_not_import_is_told(
    real_ollama: Ollama, starter: Path, tmp_path: Path
) -> None:
    to = deployer(tmp_path, real_ollama.url)
    with pytest.raises(NotOllamasKind, match="q4_k_m"):
        await to.deploy(order("x", None, folder=starter, quant="q5_k_m"), "ollama", Steps())
    with pytest.raises(NotOllamasKind, match="neither a file nor a folder"):
        await to.deploy(order("x", None), "ollama", Steps())
    strange = Path(shutil.copytree(starter, tmp_path / "strange"))
    config = json.loads((strange / "config.json").read_text())
    (strange / "config.json").write_text(json.dumps(config | {"architectures": ["FooForCausalLM"]}))
    with pytest.raises(ArchitectureUnsupported, match="embedded engine"):
        await to.deploy(order("x", None, folder=strange), "ollama", Steps())
    (strange / "model.safetensors").unlink()
    with pytest.raises(Refused, match="no safetensors"):
        await to.deploy(order("x", None, folder=strange), "ollama", Steps())
    assert real_ollama.show("x") is None

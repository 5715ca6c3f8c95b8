"""The whole loop once more, with the model behind a real Ollama: asked, trained, deployed and evaluated there."""

import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
import real_ollama
from machine import Machine
from team import Team, relations_f1
from team_texts import texts

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not real_ollama.is_here(), reason="no Ollama here"),
]

STARTER = Path(__file__).parents[1] / "libs/hone/hone/starter/hone-starter-q8_0.gguf"
LOOP = {
    "HONE_LOOP_MIN_INTERVAL_S": "0",
    "HONE_LOOP_CANARY_SHARE": "0",
    "HONE_LOOP_HELD_OUT_SHARE": "0.34",
}
ROUTES = "mermaid_erd:\n  model: ollama:hone-starter\n  reading: passages\n"


def test_fifty_corrections_make_a_model_behind_ollama_better(
    machine: Callable[..., Machine], tmp_path: Path
) -> None:
    folder = tmp_path / "ollama"
    folder.mkdir()
    shutil.copy(STARTER, folder / "starter.gguf")
    with real_ollama.serving(folder, "hone-starter", folder / "starter.gguf") as url:
        hone = machine(OLLAMA_HOST=url, **LOOP)
        hone.up()
        (tmp_path / "routes.yaml").write_text(ROUTES)
        applied = hone.hone("routes", "apply", str(tmp_path / "routes.yaml"))
        assert applied.returncode == 0, applied.stderr
        with hone.client() as http:
            team = Team(http, "ollama:hone-starter")
            team.corrected(texts(1, 55))
            run = team.run()
            assert run["state"] == "succeeded", run["error"]
            assert run["result"]["verdict"] == "promoted", run["result"]
            assert team.versions()[2]["served_by"].startswith("ollama:hone-hone-starter")
            held_out = texts(2, 8, held_out=True)
            before = [team.artifact(text.requirements, model=f"{team.model}@1") for text in held_out]
            after = team.artifacts(text.requirements for text in held_out)
            assert {artifact["version"] for artifact in after} == {2}
            was, now = (
                statistics.mean(map(relations_f1, artifacts, held_out)) for artifacts in (before, after)
            )
            assert now > was + 0.1, f"relation F1 on texts of other trades: {was:.2f}, now {now:.2f}"

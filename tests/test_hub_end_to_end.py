"""The hub through `hone`: a model found on a hub on this machine, looked into, brought, proven, asked, routed to and
taken away; behind a real Ollama where there is one, and in the embedded engine."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import real_ollama
from hub_parts.models import Library, TinyModel
from local_hub import LocalHub, Trouble, serving
from lying import lying, lying_bytes
from machine import Machine

STARTER = Path(__file__).parents[1] / "libs/hone/hone/starter/hone-starter-q8_0.gguf"
NAME = "acme/Library-Facts-GGUF"
FILE = "library-facts-Q8_0.gguf"
TEXT = "Each member has many loans. A book has a title and an ISBN."
ROUTES = "mermaid_erd:\n  model: {reference}\n  reading: passages\n"


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with serving() as local:
        local.add(
            NAME,
            {
                FILE: STARTER,
                "library-facts-F16.gguf": STARTER.read_bytes() + b"\0" * 2_000_000,
                "README.md": "# Facts",
            },
            downloads=7,
            licence="apache-2.0",
            gguf={"architecture": "llama", "total": 2_600_000},
        )
        yield local


def hone(machine: Machine, *words: str, fails: bool = False) -> str:
    done = machine.hone(*words)
    assert (done.returncode != 0) == fails, f"{words}: {done.stdout}{done.stderr}{machine.logs()}"
    return done.stderr if fails else done.stdout


def the_whole_way(machine: Machine, hub: LocalHub, provider: str, tmp_path: Path) -> None:
    (found,) = json.loads(hone(machine, "hub", "search", "library facts", "--json"))["models"]
    assert (found["id"], found["verdict"], found["parameters"]) == (NAME, "runs", 2_600_000)
    report = json.loads(hone(machine, "hub", "inspect", NAME, "--json"))
    assert report["groups"][report["chosen"]]["quant"] == "Q8_0" and report["places"]
    assert hub.served(NAME, "library-facts-F16.gguf").gets <= 1, "a header at most"

    model = json.loads(hone(machine, "hub", "add", NAME, "--json"))["result"]
    reference = f"{provider}:library-facts:q8_0"
    assert model["references"] == [reference] and model["template_sha256"]
    assert model["source"]["revision"] == hub.repositories[NAME].commit
    assert "library-facts:q8_0" in hone(machine, "hub", "ls")
    (version,) = json.loads(hone(machine, "models", "show", reference, "--json"))["versions"]
    assert version["provenance"]["source"]["repository"] == NAME and version["sha256"] == model["sha256"]

    (tmp_path / "routes.yaml").write_text(ROUTES.format(reference=reference))
    hone(machine, "routes", "apply", str(tmp_path / "routes.yaml"))
    artifact = json.loads(hone(machine, "generate", "--type", "mermaid_erd", "-r", TEXT, "--json"))
    assert artifact["model"] == reference and "loan" in artifact["content"].lower()
    in_use = hone(machine, "hub", "rm", "library-facts:q8_0", fails=True)
    assert "mermaid_erd" in in_use.splitlines()[-1]

    (tmp_path / "routes.yaml").write_text(ROUTES.format(reference="llamacpp:hone-starter"))
    hone(machine, "routes", "apply", str(tmp_path / "routes.yaml"))
    assert "removed" in hone(machine, "hub", "rm", "library-facts:q8_0")
    assert json.loads(hone(machine, "hub", "ls", "--json"))["models"] == []
    assert reference not in hone(machine, "models", "ls")


@pytest.mark.timeout(300)
def test_a_model_is_brought_to_the_embedded_engine_and_taken_away(
    machine: Callable[..., Machine], hub: LocalHub, tmp_path: Path
) -> None:
    here = machine(HF_ENDPOINT=hub.url, OLLAMA_HOST="127.0.0.1:9")
    here.up()
    the_whole_way(here, hub, "llamacpp", tmp_path)
    assert not lying(here.data / "hub", ".gguf"), "nothing is left on the disk"

    # Cancelled in the middle, and asked for again: it goes on from there.
    hub.trouble(NAME, FILE, Trouble(bytes_per_s=1_000_000))
    with here.client() as http:
        job = http.post("/api/huggingface/download", json={"model_id": NAME}).json()["job_id"]
        _until(lambda: lying_bytes(here.data, ".part") > 1_000_000)
        assert http.post(f"/api/jobs/{job}/cancel").json()["state"] == "cancelled"
        _until(lambda: not _downloads(here))
        hub.trouble(NAME, FILE)
        job = http.post("/api/huggingface/download", json={"model_id": NAME}).json()["job_id"]
        done: dict[str, Any] = _until(lambda: _ended(http.get(f"/api/jobs/{job}").json()))
    assert done["state"] == "succeeded", done["error"]
    assert done["result"]["references"] == [] and Path(done["result"]["uri"].removeprefix("file://")).exists()
    assert hub.served(NAME, FILE).starts[-1] > 0

    # A folder of safetensors, converted on the way. It answers nonsense, and is refused for it.
    folder = Library(tmp_path / "models").folder(TinyModel(pre="qwen2"))
    refused = hone(here, "hub", "add", str(folder), "--name", "nonsense", fails=True)
    assert "does not stop" in refused or "says nothing" in refused or "no facts" in refused, refused
    assert json.loads(hone(here, "hub", "ls", "--json"))["models"][0]["name"] == "library-facts:q8_0"
    assert "has no repository" in hone(here, "hub", "add", "acme/none", fails=True)


@pytest.mark.timeout(300)
@pytest.mark.skipif(not real_ollama.is_here(), reason="no Ollama here")
def test_a_model_is_brought_to_a_real_ollama_and_taken_away(
    machine: Callable[..., Machine], hub: LocalHub, tmp_path: Path
) -> None:
    folder = tmp_path / "ollama"
    folder.mkdir()
    with real_ollama.serving(folder, "another", STARTER) as url:
        here = machine(HF_ENDPOINT=hub.url, OLLAMA_HOST=url)
        here.up()
        the_whole_way(here, hub, "ollama", tmp_path)
        with here.client() as http:
            body = {"model_id": NAME, "convert_to_ollama": True}
            job = http.post("/api/huggingface/download", json=body).json()["job_id"]
            done: dict[str, Any] = _until(lambda: _ended(http.get(f"/api/jobs/{job}").json()))
            assert done["state"] == "succeeded", done["error"]
            chat = {
                "model": "ollama:library-facts:q8_0",
                "messages": [{"role": "user", "content": "\neach book has loans ."}],
            }
            answer = http.post("/v1/chat/completions", json=chat).json()
        assert "loans" in answer["choices"][0]["message"]["content"], answer


def _until(look: Callable[[], Any], limit_s: float = 90) -> Any:
    deadline = time.monotonic() + limit_s
    while not (seen := look()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)
    return seen


def _ended(job: dict[str, Any]) -> dict[str, Any] | None:
    return job if job["state"] in ("succeeded", "failed", "cancelled") else None


def _downloads(machine: Machine) -> list[Any]:
    return [each for each in machine.processes() if "hone_hub.downloads.worker" in each.cmdline()]

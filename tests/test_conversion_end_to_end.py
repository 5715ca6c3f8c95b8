"""`hone hub convert`: a folder in Hugging Face's layout becomes a GGUF file that the hub itself finds sound."""

import json
from pathlib import Path

from hub_parts.models import Library, TinyModel
from machine import Machine


def test_a_folder_becomes_a_gguf_file_through_a_job(shared_machine: Machine, tmp_path: Path) -> None:
    folder, out = Library(tmp_path / "models").folder(TinyModel()), tmp_path / "tiny.gguf"
    done = shared_machine.hone("hub", "convert", str(folder), "--out", str(out), "--quant", "f16", "--json")
    assert done.returncode == 0, done.stderr
    job = json.loads(done.stdout)
    assert (job["state"], job["kind"]) == ("succeeded", "convert")
    report = json.loads(shared_machine.hone("hub", "inspect-file", str(out), "--json").stdout)
    assert (report["architecture"], report["ok"]) == ("llama", True)

    again = shared_machine.hone("hub", "convert", str(folder), "--out", str(out))
    assert again.returncode == 1
    assert "--force" in again.stderr.splitlines()[-1]
    assert shared_machine.hone("hub", "convert", str(folder), "--out", str(out), "--force").returncode == 0


def test_a_folder_that_is_no_model_fails_the_job_with_the_reason(
    shared_machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{")
    done = shared_machine.hone("hub", "convert", str(tmp_path), "--out", str(tmp_path / "a.gguf"))
    assert done.returncode == 1
    assert "config.json" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "a.gguf").exists()

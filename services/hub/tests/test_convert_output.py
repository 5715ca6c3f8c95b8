"""The converter's file appears whole or not at all; and its command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import gguf
import numpy as np
import pytest
from hub_parts.models import Library, TinyModel

from hone_hub.convert import ConversionProgress, Quant, convert
from hone_hub.convert.quantize import encode
from hone_hub.errors import DiskFull, FileMissing, TargetExists


@pytest.fixture(name="folder")
def _folder(library: Library, tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    shutil.copytree(library.folder(TinyModel()), copy)
    return copy


def test_an_existing_file_is_kept_unless_forced(folder: Path) -> None:
    out = folder.parent / "m.gguf"
    out.write_text("precious")
    with pytest.raises(TargetExists):
        convert(folder, out, Quant.F32)
    assert out.read_text() == "precious"
    convert(folder, out, Quant.F32, force=True)
    assert out.read_bytes()[:4] == b"GGUF"


def test_what_is_no_file_is_not_replaced_by_force(folder: Path) -> None:
    out = folder.parent / "pipe"
    os.mkfifo(out)
    with pytest.raises(TargetExists):
        convert(folder, out, Quant.F32, force=True)
    assert out.is_fifo()


def test_a_stopped_conversion_leaves_the_old_file_and_nothing_else(folder: Path) -> None:
    out = folder.parent / "out" / "m.gguf"
    out.parent.mkdir()
    out.write_text("precious")

    def stop(progress: ConversionProgress) -> None:
        if progress.tensors_done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(folder, out, Quant.F32, stop, force=True)
    assert [path.name for path in out.parent.iterdir()] == ["m.gguf"] and out.read_text() == "precious"


def test_progress_counts_every_byte_once(folder: Path) -> None:
    seen: list[ConversionProgress] = []
    report = convert(folder, folder.parent / "m.gguf", Quant.Q8_0, seen.append)
    assert [step.bytes_done for step in seen] == sorted({step.bytes_done for step in seen})
    assert seen[-1].bytes_done == seen[-1].bytes_total == sum(report.tensor_types.values())


def test_a_full_disk_is_noticed_before_writing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(DiskFull, match="1000 bytes free"):
        convert(folder, out / "m.gguf", Quant.F32)
    assert list(out.iterdir()) == []


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        convert(tmp_path / "none", tmp_path / "m.gguf", Quant.F32)
    with pytest.raises(FileMissing):
        convert(tmp_path, tmp_path / "none" / "m.gguf", Quant.F32)


def test_rows_are_encoded_alike_in_pieces_and_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, pieces = folder.parent / "whole.gguf", folder.parent / "pieces.gguf"
    convert(folder, whole, Quant.Q8_0, name="m")
    monkeypatch.setattr("hone_hub.convert.gguf_file._CHUNK_WEIGHTS", 100)  # one row of 64 or 96 at a time
    convert(folder, pieces, Quant.Q8_0, name="m")
    assert pieces.read_bytes() == whole.read_bytes()


def test_bf16_rounds_to_the_nearest_even() -> None:
    bits = np.array([[0x3F808000, 0x3F818000, 0x3F808001, 0x3F807FFF]], np.uint32)
    encoded = encode(bits.view(np.float32), gguf.GGMLQuantizationType.BF16)
    assert encoded.view(np.uint16).tolist() == [[0x3F80, 0x3F82, 0x3F81, 0x3F80]]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hone_hub.convert", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_converts_and_reports(folder: Path) -> None:
    out = folder.parent / "m.gguf"
    done = run(folder, "--out", out, "--quant", "Q8_0", "--json")
    assert done.returncode == 0 and done.stderr == ""
    assert json.loads(done.stdout)["tensor_types"].keys() == {"Q8_0", "F32"}
    again = run(folder, "--out", out)
    assert again.returncode == 1 and again.stderr.count("\n") == 1 and "--force" in again.stderr


def test_the_command_fails_in_one_line_with_the_right_code(folder: Path) -> None:
    out = folder.parent / "m.gguf"
    assert run(folder.parent / "none", "--out", out).returncode == 3
    assert run(folder, "--out", out, "--quant", "q5").returncode == 2
    (folder / "config.json").write_text("{")
    broken = run(folder, "--out", out)
    assert broken.returncode == 1 and broken.stderr.startswith("error: ") and broken.stderr.count("\n") == 1


def test_converting_needs_no_torch(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from hone_hub.convert import Quant, convert\n"
        f"convert(Path({str(folder)!r}), Path({str(folder.parent / 'm.gguf')!r}), Quant.Q8_0)\n"
        "print([name for name in ('torch', 'transformers', 'safetensors') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

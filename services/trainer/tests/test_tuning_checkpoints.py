"""A checkpoint is whole or passed over, and goes on with its own run alone."""

import contextlib
import errno
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hone_trainer.tuning import checkpoints as module
from hone_trainer.tuning.checkpoints import Checkpoints, Identity, read_manifest
from hone_trainer.tuning.errors import DiskFull, ResumeDiffers, TakenUpByAnother

torch.set_num_threads(1)

IDENTITY = Identity.of(
    data="d" * 64,
    base="b" * 64,
    settings={"batch": 8, "targets": ("q_proj", "v_proj"), "rank": 4},
    seed=1,
    world=1,
)


def _tensors(step: int) -> dict[str, dict[str, torch.Tensor]]:
    return {
        "adapter": {"a": torch.full((3, 2), float(step)), "b": torch.arange(4).to(torch.bfloat16)},
        "optimizer": {"a/exp_avg": torch.full((3, 2), step / 2), "a/step": torch.tensor(float(step))},
    }


def _saved(folder: Path, *steps: int, keep: int = 10) -> Checkpoints:
    kept = Checkpoints(folder, IDENTITY, keep)
    for step in steps:
        kept.save(step, _tensors(step), {"step": step, "best": float("inf")})
    return kept


def _newest(folder: Path) -> int | None:
    loaded = Checkpoints(folder, IDENTITY).newest()
    return None if loaded is None else loaded.step


def test_what_was_saved_comes_back_to_the_bit(tmp_path: Path) -> None:
    _saved(tmp_path, 1, 2)
    loaded = Checkpoints(tmp_path, IDENTITY).newest()
    assert loaded is not None and loaded.step == 2
    assert loaded.state == {"step": 2, "best": float("inf")}
    for group, named in _tensors(2).items():
        assert loaded.tensors[group].keys() == named.keys()
        for name, each in named.items():
            assert loaded.tensors[group][name].dtype == each.dtype
            assert torch.equal(loaded.tensors[group][name], each)


def test_nothing_is_there_before_the_first(tmp_path: Path) -> None:
    assert _newest(tmp_path / "none") is None


def test_a_manifest_torn_at_any_byte_is_passed_over(tmp_path: Path) -> None:
    _saved(tmp_path, 1, 2)
    manifest = tmp_path / "step-00000002-fence-0001" / "manifest.json"
    whole = manifest.read_bytes()
    for length in range(len(whole)):
        manifest.write_bytes(whole[:length])
        assert isinstance(read_manifest(manifest.parent), str), length
    manifest.write_bytes(whole[:-1])
    kept = Checkpoints(tmp_path, IDENTITY)
    loaded = kept.newest()
    assert loaded is not None and loaded.step == 1
    assert list(kept.passed_over) == ["step-00000002-fence-0001"]
    manifest.write_bytes(whole)
    assert _newest(tmp_path) == 2


def test_a_changed_byte_anywhere_in_the_manifest_is_seen(tmp_path: Path) -> None:
    _saved(tmp_path, 1)
    manifest = tmp_path / "step-00000001-fence-0001" / "manifest.json"
    whole = manifest.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        manifest.write_bytes(bytes(changed))
        assert isinstance(read_manifest(manifest.parent), str), place
    manifest.write_bytes(whole + b" ")
    assert isinstance(read_manifest(manifest.parent), str)


@pytest.mark.parametrize("name", ["adapter.safetensors", "optimizer.safetensors", "state.json"])
def test_a_file_that_is_missing_changed_or_torn_is_seen(tmp_path: Path, name: str) -> None:
    _saved(tmp_path, 1, 2)
    file = tmp_path / "step-00000002-fence-0001" / name
    whole = file.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        file.write_bytes(bytes(changed))
        assert isinstance(read_manifest(file.parent), str), place
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        assert _newest(tmp_path) == 1, length
    file.unlink()
    assert _newest(tmp_path) == 1
    file.symlink_to(tmp_path / "step-00000001-fence-0001" / name)
    assert _newest(tmp_path) == 1
    file.unlink()
    file.write_bytes(whole)
    assert _newest(tmp_path) == 2
    (file.parent / "more").touch()
    assert _newest(tmp_path) == 1


def test_a_manifest_that_names_files_elsewhere_is_passed_over(tmp_path: Path) -> None:
    _saved(tmp_path / "kept", 1)
    folder = tmp_path / "kept" / "step-00000001-fence-0001"
    (tmp_path / "secret.safetensors").write_bytes(b"secret")
    manifest = json.loads((folder / "manifest.json").read_bytes())["manifest"]
    told = module._seen(tmp_path / "secret.safetensors")
    forged: list[Any] = [
        {"../../secret.safetensors": told},
        {str(tmp_path / "secret.safetensors"): told},
        {**manifest["files"], "../../secret.safetensors": told},
        {"state.json": None},
        [],
        {},
    ]
    for files in forged:
        (folder / "manifest.json").write_bytes(module._sealed({**manifest, "files": files}))
        assert isinstance(read_manifest(folder), str), files


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b'{"manifest": 3}', b"[" * 100_000, b"\xff\xfe", b" " * (2 << 20)]
)
def test_a_manifest_that_is_none_is_passed_over(tmp_path: Path, raw: bytes) -> None:
    _saved(tmp_path, 1, 2)
    (tmp_path / "step-00000002-fence-0001" / "manifest.json").write_bytes(raw)
    assert _newest(tmp_path) == 1


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"data": "e" * 64}, "data"),
        ({"base": "c" * 64}, "base"),
        ({"seed": 2}, "seed"),
        ({"world": 2}, "world"),
        ({"settings": {**IDENTITY.settings, "batch": 16}}, "settings.batch"),
        ({"settings": {"batch": 8, "targets": ("q_proj", "v_proj")}}, "settings.rank"),
        ({"versions": {**IDENTITY.versions, "torch": "2.0"}}, "versions.torch"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_by_what_is_different(
    tmp_path: Path, changed: dict[str, Any], what: str
) -> None:
    _saved(tmp_path, 1)
    with pytest.raises(ResumeDiffers) as refused:
        Checkpoints(tmp_path, replace(IDENTITY, **changed)).newest()
    assert refused.value.what == what
    assert what in refused.value.detail and "begin anew" in refused.value.detail


def test_the_newest_stay_and_a_torn_one_takes_no_place_among_them(tmp_path: Path) -> None:
    _saved(tmp_path, 1, 2, 3, keep=2)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "step-00000002-fence-0001",
        "step-00000003-fence-0001",
    ]
    (tmp_path / "step-00000003-fence-0001" / "adapter.safetensors").write_bytes(b"torn")
    _saved(tmp_path, 4, keep=2)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "step-00000002-fence-0001",
        "step-00000004-fence-0001",
    ]


def test_a_step_that_comes_again_after_going_back_replaces_the_old_one(tmp_path: Path) -> None:
    kept = _saved(tmp_path, 1, 2)
    kept.save(2, _tensors(7), {"step": 2, "rollbacks": 1})
    loaded = kept.newest()
    assert loaded is not None and loaded.state == {"step": 2, "rollbacks": 1}
    assert torch.equal(loaded.tensors["adapter"]["a"], _tensors(7)["adapter"]["a"])
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_later_worker_wrote_goes_before_and_the_earlier_one_ends(tmp_path: Path) -> None:
    first = _saved(tmp_path, 1, 2)
    second = Checkpoints(tmp_path, IDENTITY, 2, fence=2)
    loaded = second.newest()
    assert loaded is not None and loaded.step == 2
    second.save(2, _tensors(9), {"step": 2})
    newest = Checkpoints(tmp_path, IDENTITY).newest()
    assert newest is not None and newest.path.name == "step-00000002-fence-0002"
    with pytest.raises(TakenUpByAnother):
        first.save(3, _tensors(3), {"step": 3})
    assert _newest(tmp_path) == 2


def test_what_a_killed_worker_left_half_written_goes_with_the_next_checkpoint(tmp_path: Path) -> None:
    _saved(tmp_path, 1)
    half = tmp_path / ".step-00000002-fence-0001.part"
    shutil.copytree(tmp_path / "step-00000001-fence-0001", half)
    (half / "manifest.json").unlink()
    another = tmp_path / ".step-00000002-fence-0003.part"
    another.mkdir()
    assert _newest(tmp_path) == 1
    _saved(tmp_path, 3)
    assert not half.exists()
    assert another.exists()  # of a later worker, which may be writing


def test_a_full_disk_leaves_the_last_checkpoint_and_no_half_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = _saved(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
        with pytest.raises(DiskFull):
            kept.save(2, _tensors(2), {})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_sync", full)
        with pytest.raises(DiskFull, match="make room"):
            kept.save(2, _tensors(2), {})
    assert [each.name for each in tmp_path.iterdir()] == ["step-00000001-fence-0001"]
    assert _newest(tmp_path) == 1


@pytest.mark.skipif(not os.access("/sys/fs", os.W_OK) or os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_is_really_full_is_told_as_that(tmp_path: Path) -> None:
    """A file system of 2 MB, as a disk is when others fill it up after it was looked at."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(small)], check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        kept = _saved(small, *())
        module_spare, module._SPARE_BYTES = module._SPARE_BYTES, -(1 << 30)
        try:
            kept.save(1, _tensors(1), {})
            # safetensors tells a full disk by an error of its own
            with pytest.raises(DiskFull):
                kept.save(2, {"adapter": {"a": torch.zeros(1 << 20)}}, {})
        finally:
            module._SPARE_BYTES = module_spare
        assert [each.name for each in small.iterdir()] == ["step-00000001-fence-0001"]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def _write_on(folder: Path, told: Any) -> None:
    torch.set_num_threads(1)
    kept = Checkpoints(folder, IDENTITY, 2)
    loaded = kept.newest()
    step = loaded.step if loaded else 0
    while True:
        step += 1
        kept.save(step, _tensors(step), {"step": step})
        told.send(step)


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_a_whole_one(tmp_path: Path) -> None:
    """What it told as saved is what the next one goes on from, or the one that it was about to tell."""
    saved, fork = 0, multiprocessing.get_context("fork")
    for moment in range(10):
        reading, telling = fork.Pipe(duplex=False)
        writer = fork.Process(target=_write_on, args=(tmp_path, telling))
        writer.start()
        telling.close()
        saved = reading.recv()
        time.sleep(moment * 0.007)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        with contextlib.suppress(EOFError):
            while True:
                saved = reading.recv()
        loaded = Checkpoints(tmp_path, IDENTITY).newest()
        assert loaded is not None and loaded.step in (saved, saved + 1)
        assert torch.equal(loaded.tensors["adapter"]["a"], _tensors(loaded.step)["adapter"]["a"])

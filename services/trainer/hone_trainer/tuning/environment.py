"""What this machine has for training and what is wrong with it, each finding with what to do about it.

`at_once` reads versions, memory and disk in milliseconds. `tried` starts a process of its own that imports torch and
really multiplies, attends and packs to 4 bits on the device: a driver that is too old, a build without the card's
code, a library that loads and computes nonsense are found before a run finds them.
"""

import asyncio
import importlib.metadata
import json
import math
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hone_contracts.training import EnvironmentFinding, Severity
from hone_trainer.errors import ADD_PACKAGES

LEAST = {"torch": "2.9", "transformers": "5.23", "peft": "0.21", "bitsandbytes": "0.50", "safetensors": "0.6"}
"""As the ``train`` extra asks for them."""

_LITTLE_DISK_BYTES = 20_000_000_000  # base, checkpoints, merged model and GGUF of some billion weights
_NO_DISK_BYTES = 2_000_000_000
_LITTLE_MEMORY_BYTES = 4_000_000_000
_TRIED_WITHIN_S = 180.0
_MOST_BYTES = 1 << 20
_ADD = f"`{ADD_PACKAGES}`, run where Hone was cloned, adds what is missing"

_FINDINGS = TypeAdapter(tuple[EnvironmentFinding, ...])


def at_once(folder: Path) -> tuple[EnvironmentFinding, ...]:
    """Of packages, memory and the disk of the folder that runs write to."""
    return (*_packages(), _memory(), _disk(folder))


async def tried() -> tuple[EnvironmentFinding, ...]:
    """What a process found by trying. A process that dies, as of a wrong driver, is a finding, too."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hone_trainer.tuning.environment",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_TRIED_WITHIN_S):
            out, errors = await process.communicate()
    except TimeoutError:
        return (_died(f"no answer after {_TRIED_WITHIN_S:g} s"),)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        # The last line: libraries greet.
        return _FINDINGS.validate_json(out[-_MOST_BYTES:].splitlines()[-1])
    except (ValidationError, IndexError):
        last = (errors.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
        return (_died(f"its process ended with {process.returncode}: {_line(last)}"),)


def _died(how: str) -> EnvironmentFinding:
    return _finding("device", "error", how, f"install torch anew ({_ADD}), and look at the card's driver")


# At once


def _packages() -> Iterator[EnvironmentFinding]:
    for name, least in LEAST.items():
        try:
            there = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            severity: Severity = "warning" if name == "bitsandbytes" else "error"
            yield _finding(name, severity, "is not installed", _ADD)
            continue
        if _numbers(there) < _numbers(least):
            yield _finding(
                name, "error", f"{there} is older than {least}", f"install {least} or later; {_ADD}"
            )
        else:
            yield _finding(name, "ok", there)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])[:3]))


def _memory() -> EnvironmentFinding:
    try:
        from hone_trainer.tuning import machine_memory  # noqa: PLC0415 (needs psutil, of the train extra)
    except ImportError:
        return _finding("memory", "warning", "is not known: psutil is not installed", _ADD)
    there = machine_memory.of_machine()
    told = f"{_gb(there.free_bytes)} of {_gb(there.total_bytes)} free"
    if there.free_bytes < _LITTLE_MEMORY_BYTES:
        return _finding(
            "memory", "warning", told, "models of a billion weights will not fit; end what uses it"
        )
    return _finding("memory", "ok", told)


def _disk(folder: Path) -> EnvironmentFinding:
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    free = shutil.disk_usage(there).free
    told = f"{_gb(free)} free for {folder}"
    if free < _NO_DISK_BYTES:
        return _finding(
            "disk", "error", told, "make room: a run writes checkpoints, a merged model and its GGUF"
        )
    if free < _LITTLE_DISK_BYTES:
        return _finding(
            "disk", "warning", told, "enough for small models; one of 8 billion weights takes 50 GB"
        )
    return _finding("disk", "ok", told)


# By trying, in a process of its own


def _found_by_trying() -> Iterator[EnvironmentFinding]:
    import torch  # noqa: PLC0415 (takes seconds)

    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if device == "cuda":
        yield from _cards(torch)
    elif shutil.which("nvidia-smi"):
        yield _no_cuda(torch)
    else:
        yield _finding("device", "ok", f"{device}, {torch.get_num_threads()} threads")
    yield from _computes(torch, device)
    if device == "mps":
        yield _mps(torch)
    yield _four_bits(torch, device)


def _no_cuda(torch: Any) -> EnvironmentFinding:
    if torch.version.cuda is None:
        return _finding("device", "warning", "a card, and a torch for CPUs", "install torch for CUDA")
    return _finding(
        "device", "error", f"a card, and torch for CUDA {torch.version.cuda} that cannot use it",
        "update the card's driver, or see that the container is given the card",
    )  # fmt: skip


def _cards(torch: Any) -> Iterator[EnvironmentFinding]:
    for number in range(torch.cuda.device_count()):
        its = torch.cuda.get_device_properties(number)
        free, total = torch.cuda.mem_get_info(number)
        told = f"{its.name}, {_gb(free)} of {_gb(total)} free, CUDA {torch.version.cuda}"
        name = f"card {number}"
        if free < total / 2:
            yield _finding(
                name, "warning", told, "models that answer may hold the rest: a run asks them to leave"
            )
        else:
            yield _finding(name, "ok", told)
        if (its.major, its.minor) < (8, 0):
            yield _finding(
                f"bf16 {number}", "warning", f"no bf16 (compute capability {its.major}.{its.minor})",
                "auto takes fp16, whose gradients are scaled",
            )  # fmt: skip
        else:
            yield _finding(f"bf16 {number}", "ok", "yes")


def _computes(torch: Any, device: str) -> Iterator[EnvironmentFinding]:
    """A layer forward and backward, held against the same in fp64 on the CPU."""
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(32, 64, dtype=torch.float64, generator=generator)
    weight = torch.randn(64, 64, dtype=torch.float64, generator=generator) / 8
    for name, kind in kinds.items():
        try:
            wanted, found = (
                _slope(torch, rows.to(where, dtype), weight.to(where, dtype)).to("cpu", torch.float64)
                for where, dtype in (("cpu", torch.float64), (device, kind))
            )
        except (RuntimeError, TypeError) as error:
            yield _finding(f"{name} on {device}", "error", _line(str(error)), "set dtype to the other one")
            continue
        off = float((found - wanted).abs().max() / wanted.abs().max())
        if math.isfinite(off) and off < 0.05:
            yield _finding(f"{name} on {device}", "ok", f"gradients within {off:.1e} of fp64")
        else:
            told = f"gradients are off by {off:.1e}"
            yield _finding(f"{name} on {device}", "error", told, "train with another device or dtype")


def _slope(torch: Any, rows: Any, weight: Any) -> Any:
    weight = weight.detach().clone().requires_grad_()
    torch.nn.functional.silu(rows @ weight).square().mean().backward()
    return weight.grad


def _mps(torch: Any) -> EnvironmentFinding:
    """Attention with masks has given NaN there for some releases of macOS and torch."""
    heads = torch.randn(1, 2, 8, 16, device="mps")
    mask = torch.ones(8, 8, dtype=torch.bool, device="mps").tril()
    result = torch.nn.functional.scaled_dot_product_attention(heads, heads, heads, attn_mask=mask)
    if bool(torch.isfinite(result).all()):
        return _finding("attention on mps", "ok", "finite with a mask")
    return _finding(
        "attention on mps", "error", "NaN with a mask, as some releases of macOS have it",
        "update macOS, or train with device=cpu",
    )  # fmt: skip


def _four_bits(torch: Any, device: str) -> EnvironmentFinding:
    """Numbers there and back through NF4, whose mean error for normal ones is about a tenth of their spread."""
    name = "4 bits"
    if device == "mps":
        return _finding(
            name, "warning", "bitsandbytes has nothing for mps", "qlora runs on device=cpu, slowly"
        )
    try:
        from bitsandbytes import functional  # noqa: PLC0415

        numbers = torch.randn(64, 64, generator=torch.Generator().manual_seed(1)).to(device)
        packed, state = functional.quantize_4bit(numbers, quant_type="nf4", compress_statistics=True)
        off = float((functional.dequantize_4bit(packed, state) - numbers).abs().mean())
    except Exception as error:  # noqa: BLE001 (whatever a library of native code raises is the finding)
        return _finding(name, "error", f"bitsandbytes: {_line(str(error))}", f"qlora cannot run here: {_ADD}")
    if off < 0.15:
        return _finding(name, "ok", f"NF4 on {device}, mean error {off:.3f}")
    return _finding(
        name, "error", f"NF4 on {device} is off by {off:.3f}", "take another version of bitsandbytes"
    )


def _finding(name: str, severity: Severity, found: str, advice: str = "") -> EnvironmentFinding:
    return EnvironmentFinding(name=name, severity=severity, found=found, advice=advice)


def _line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:300]).strip()


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


if __name__ == "__main__":
    print(json.dumps([each.model_dump() for each in _found_by_trying()]))  # noqa: T201 (its answer)

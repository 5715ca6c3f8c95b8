"""A model's file to Ollama, beside a plain copy and a digest of the same file.

    python bench/hub_deploy.py [--gigabytes 1.0] [--runs 3] [--stand-in]

The server is a real one with a folder of models of its own; with --stand-in it is the tests'. What is timed is the
upload and the creation, as the steps of the deployment tell them; the proof loads the model, which a copy does not.
"""

import argparse
import asyncio
import hashlib
import json
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from hone_hub.deploy.models.deployer import ModelDeployer
from hone_hub.deploy.models.order import DeployOrder, ModelFile
from hone_hub.deploy.ollama.everywhere import Hosts
from hone_hub.work import Step

_TESTS = Path(__file__).parents[1] / "services" / "hub" / "tests"
_WIDTH = 1024
_LAYER_BYTES = 7 * _WIDTH * _WIDTH * 4  # of F32


class Times:
    """When each stage began."""

    def __init__(self) -> None:
        self.began: dict[str, float] = {}

    async def __call__(self, step: Step) -> None:
        self.began.setdefault(step.stage, time.perf_counter())


async def deploy(url: str, file: ModelFile, folder: Path) -> dict[str, float]:
    """Seconds. The model is removed again."""
    times, deployer = Times(), ModelDeployer(folder / "models", Hosts(url, 600), 600)
    started = time.perf_counter()
    await deployer.deploy(DeployOrder("bench", "bench:f32", file), "ollama", times)
    ended = time.perf_counter()
    await deployer.remove("ollama:bench:f32")
    looked = times.began["upload"]
    return {
        "look_s": looked - started,
        "upload_and_create_s": times.began["prove"] - looked,
        "prove_s": ended - times.began["prove"],
    }


def copy_and_digest(path: Path, to: Path) -> float:
    started = time.perf_counter()
    shutil.copyfile(path, to)
    with to.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    took = time.perf_counter() - started
    to.unlink()
    return took


def measure(gigabytes: float, runs: int, stand_in: bool) -> dict[str, float | int | str]:
    """Medians."""
    sys.path.insert(0, str(_TESTS))
    from hub_parts.answering import answering  # noqa: PLC0415 (the tests' own models and servers)
    from hub_parts.models import TEMPLATE  # noqa: PLC0415
    from hub_parts.placing import model_file  # noqa: PLC0415

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hone-bench-")))
        layers = max(1, round(gigabytes * 1e9 / _LAYER_BYTES))
        file = model_file(answering(folder / "model.gguf", TEMPLATE, width=_WIDTH, layers=layers))
        url = _server(stack, folder, stand_in)
        taken, copies = [], []
        for _ in range(runs):
            copies.append(copy_and_digest(file.path, folder / "copy.gguf"))
            taken.append(asyncio.run(deploy(url, file, folder)))
    found = {key: round(statistics.median(each[key] for each in taken), 2) for key in taken[0]}
    copy_s = statistics.median(copies)
    return {
        "server": "stand-in" if stand_in else "ollama",
        "size_bytes": file.size_bytes,
        "runs": runs,
        **found,
        "copy_and_digest_s": round(copy_s, 2),
        "ratio": round(found["upload_and_create_s"] / copy_s, 2),
    }


def _server(stack: ExitStack, folder: Path, stand_in: bool) -> str:
    from hub_parts import fake_ollama, ollamas, starter  # noqa: PLC0415
    from tokenizers import Tokenizer  # noqa: PLC0415

    if not stand_in:
        return stack.enter_context(ollamas.started(folder)).url
    tokenizer = Tokenizer.from_file(str(starter.unpack(folder / "starter") / "tokenizer.json"))
    (folder / "fake").mkdir()
    fake = fake_ollama.FakeOllama(folder / "fake", tokenizer)
    return stack.enter_context(fake_ollama.serving(fake)).url


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--stand-in", action="store_true")
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.gigabytes, arguments.runs, arguments.stand_in), indent=1))


if __name__ == "__main__":
    main()

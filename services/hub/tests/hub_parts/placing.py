"""Orders to deploy added models, and a deployer without a service around it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from hone_hub.deploy.models.deployer import ModelDeployer
from hone_hub.deploy.models.order import DeployOrder, ModelFile
from hone_hub.deploy.ollama.everywhere import Hosts
from hone_hub.work import Step


def deployer(models: Path, hosts: str, limit_s: float = 60) -> ModelDeployer:
    return ModelDeployer(models, Hosts(hosts, limit_s), limit_s)


def order(name: str, path: Path | None, **more: Any) -> DeployOrder:
    return DeployOrder(job="job-1", name=name, file=None if path is None else model_file(path), **more)


def model_file(path: Path, *shards: Path) -> ModelFile:
    others = tuple((each, sha256(each), each.stat().st_size) for each in shards)
    return ModelFile(path, sha256(path), path.stat().st_size, others)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Steps:
    """What was told, in its order."""

    def __init__(self) -> None:
        self.seen: list[Step] = []

    async def __call__(self, step: Step) -> None:
        self.seen.append(step)

    @property
    def stages(self) -> list[str]:
        return list(dict.fromkeys(step.stage for step in self.seen))

"""What is sent to Ollama: a file, shards as one, or a folder that it imports by itself."""

from dataclasses import dataclass
from pathlib import Path

from hone_hub import worker_process
from hone_hub.deploy.models.errors import NotOllamasKind
from hone_hub.deploy.models.facts import ChatFacts, chat_facts
from hone_hub.deploy.models.go_template import PROBES
from hone_hub.deploy.models.merging import Merged
from hone_hub.deploy.models.order import ModelFile
from hone_hub.deploy.ollama.host import Document, OllamaHost
from hone_hub.deploy.questions import CONVERSATIONS
from hone_hub.work import ImportWork, MergeWork
from hone_hub.worker_process import OnStep

_QUANTIZE = {"q8_0": "q8_0", "q4_k_m": "q4_K_M", "q4_k_s": "q4_K_S"}
_AS_IT_IS = ("auto", "f16", "bf16", "f32")


@dataclass(frozen=True)
class Sent:
    """``path`` is None where the shards of ``merged`` are it."""

    name: str
    digest: str
    size_bytes: int
    path: Path | None


@dataclass(frozen=True)
class Load:
    """``sha256``: of the weights as they then are, where that is known; Ollama makes others of a folder."""

    files: tuple[Sent, ...]
    sha256: str | None = None
    merged: Merged | None = None
    quantize: str | None = None

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def creation(self) -> Document:
        files = {file.name: file.digest for file in self.files}
        return {"files": files} | ({"quantize": self.quantize} if self.quantize else {})

    async def to(self, host: OllamaHost, tell: OnStep) -> None:
        """Raises OllamaError."""
        for file in self.files:
            if file.path is not None:
                await host.upload(file.path, file.digest, file.size_bytes, tell)
            elif self.merged is not None:
                pieces = self.merged.pieces()
                await host.upload_pieces(file.name, pieces, file.digest, file.size_bytes, tell)


async def load_of(file: ModelFile, tell: OnStep) -> Load:
    """Not every version takes shards, so they are sent as one file. Raises Refused."""
    if not file.shards:
        sent = Sent(file.path.name, f"sha256:{file.sha256}", file.size_bytes, file.path)
        return Load((sent,), file.sha256)
    work = MergeWork(paths=tuple(path for path, _, _ in file.parts()))
    merged = Merged.read(work, await worker_process.run(work, tell))
    sent = Sent(merged.name, f"sha256:{merged.sha256}", merged.size_bytes, None)
    return Load((sent,), file.sha256, merged)


async def folder_of(folder: Path, quant: str | None, tell: OnStep) -> tuple[Load, ChatFacts]:
    """Raises NotOllamasKind, Refused."""
    wanted = (quant or "auto").lower()
    if wanted not in _QUANTIZE and wanted not in _AS_IT_IS:
        raise NotOllamasKind(
            f"Ollama does not quantize to {wanted[:40]!r} by itself",
            f"choose one of {', '.join(_QUANTIZE)}, f16",
        )
    work = ImportWork(folder=folder, conversations=(*CONVERSATIONS, *PROBES))
    report = await worker_process.run(work, tell)
    files = tuple(
        Sent(name, f"sha256:{sha256}", size_bytes, Path(path))
        for name, path, sha256, size_bytes in report["files"]
    )
    facts = chat_facts(
        report["template"], report["rendered"], report["bos"], report["ends"], report["context_tokens"]
    )
    return Load(files, quantize=_QUANTIZE.get(wanted)), facts

"""Where a repository's weights are that can be trained: its own safetensors, or those that its GGUF was made of."""

import re
from typing import Any

from hone_contracts.huggingface import REPOSITORY
from hone_hub.convertible import CONVERTIBLE
from hone_hub.huggingface import told
from hone_hub.huggingface.access import HubAccess
from hone_hub.huggingface.grouping import Files, grouped
from hone_hub.huggingface.search import licence_of
from hone_hub.huggingface.verdict import Known, judge, of_configuration
from hone_hub.training.errors import CheckpointQuantized, NoCheckpoint
from hone_hub.work import FindCheckpoint, FoundCheckpoint

_MADE_OF = "base_model:quantized:"


def find(access: HubAccess, question: FindCheckpoint) -> FoundCheckpoint:
    """Raises HuggingFaceError, NoCheckpoint, CheckpointQuantized."""
    repository, revision = question.repository, question.revision
    info, files = _asked(access, repository, revision)
    if files.gguf and not files.safetensors:
        original = _original(info)
        if original is None:
            raise NoCheckpoint(repository, "it holds GGUF files, and does not say of which one model")
        repository, (info, files) = original, _asked(access, original, None)
    _check(repository, told.config_of(access, info, files), info, files)
    return FoundCheckpoint(
        repository=repository,
        revision=str(info.sha)[:64],
        licence=licence_of(info),
        files=(*files.safetensors, *files.beside),
    )


def _asked(access: HubAccess, repository: str, revision: str | None) -> tuple[Any, Files]:
    info = told.info_of(access, repository, revision)
    return info, grouped(told.files_of(access, info, repository))


def _original(info: Any) -> str | None:
    """What a repository of GGUF files was made of, by the hub's own tag for that."""
    tags = [tag.removeprefix(_MADE_OF) for tag in info.tags or [] if str(tag).startswith(_MADE_OF)]
    named = {tag for tag in tags if re.fullmatch(REPOSITORY, tag)}
    return named.pop() if len(named) == 1 else None


def _check(repository: str, config: dict[str, Any], info: Any, files: Files) -> None:
    """Raises NoCheckpoint, CheckpointQuantized."""
    known = Known(
        safetensors=bool(files.safetensors),
        pickle=bool(files.pickles),
        adapter=files.adapter,
        library=info.library_name if isinstance(info.library_name, str) else None,
        task=info.pipeline_tag if isinstance(info.pipeline_tag, str) else None,
        **of_configuration(config),
    )
    if known.quantization is not None or known.library == "mlx":
        raise CheckpointQuantized(repository, known.quantization or "MLX")
    verdict, reason = judge(known)
    if verdict != "convertible":
        raise NoCheckpoint(repository, reason)
    if known.names[0] not in CONVERTIBLE:
        raise NoCheckpoint(repository, f"what is trained of {known.names[0][:60]} could not be converted")

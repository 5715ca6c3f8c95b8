"""A repository's files by what they are: weights by quantization, and what stands beside them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hone_contracts.huggingface import RepositoryFile, WeightGroup
from hone_hub.huggingface import quant_names
from hone_hub.huggingface.quant_names import GGUFName

_MOST_SHARDS = 1000
_BESIDE = frozenset(
    {
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "chat_template.jinja",
        "model.safetensors.index.json",
    }
)
_TEMPLATES = "additional_chat_templates/"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
# Named so, and no weights.
_NO_WEIGHTS = ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth")
ADAPTER = "adapter_config.json"


@dataclass
class Files:
    """``safetensors`` are those of the model in the repository's own folder."""

    gguf: list[WeightGroup] = field(default_factory=list)
    safetensors: list[RepositoryFile] = field(default_factory=list)
    projectors: list[RepositoryFile] = field(default_factory=list)
    matrices: list[RepositoryFile] = field(default_factory=list)
    beside: list[RepositoryFile] = field(default_factory=list)
    pickles: list[RepositoryFile] = field(default_factory=list)
    adapter: bool = False


def grouped(files: Iterable[RepositoryFile]) -> Files:
    found, weights = Files(), dict[str, list[tuple[GGUFName, RepositoryFile]]]()
    for file in sorted(files, key=lambda each: each.path):
        name, lower = file.path.rsplit("/", maxsplit=1)[-1], file.path.lower()
        if quant_names.is_importance_matrix(file.path):
            found.matrices.append(file)
        elif lower.endswith(".gguf") and quant_names.is_projector(file.path):
            found.projectors.append(file)
        elif lower.endswith(".gguf"):
            read = quant_names.read(file.path)
            weights.setdefault(read.stem, []).append((read, file))
        elif lower.endswith(".safetensors") and "/" not in file.path and not name.startswith("adapter_"):
            found.safetensors.append(file)
        elif file.path in _BESIDE or (file.path.startswith(_TEMPLATES) and lower.endswith(".jinja")):
            found.beside.append(file)
        elif lower.endswith(_PICKLES) and name not in _NO_WEIGHTS:
            found.pickles.append(file)
        found.adapter = found.adapter or file.path == ADAPTER
    found.gguf = [_group(shards) for _, shards in sorted(weights.items())]
    found.gguf.sort(key=lambda group: group.size_bytes)
    found.safetensors = _without_doubles(found.safetensors)
    return found


def _group(shards: list[tuple[GGUFName, RepositoryFile]]) -> WeightGroup:
    shards.sort(key=lambda shard: shard[0].shard)
    names, files = [name for name, _ in shards], tuple(file for _, file in shards)
    count = names[0].shards
    expected = list(range(1, min(count, _MOST_SHARDS) + 1))
    missing = sorted(set(expected) - {name.shard for name in names})
    problem = ""
    if count > _MOST_SHARDS:
        problem = f"it claims {count} shards"
    elif missing:
        problem = f"shard {missing[0]} of {count} is missing"
    elif [name.shard for name in names] != expected:
        problem = "its shards do not belong together"
    return WeightGroup(
        quant=names[0].quant,
        format="gguf",
        files=files,
        size_bytes=sum(file.size_bytes for file in files),
        problem=problem,
    )


def _without_doubles(files: list[RepositoryFile]) -> list[RepositoryFile]:
    """Some keep the weights twice: as ``consolidated`` for another program, and as the ``model`` that counts."""
    model = [file for file in files if file.path.startswith("model")]
    return model or files

"""Searching a hub, each model with a verdict."""

from datetime import datetime
from typing import Any

from hone_contracts.huggingface import FoundModel
from hone_hub.huggingface.access import HubAccess
from hone_hub.huggingface.numbers import parameters_of
from hone_hub.huggingface.verdict import Known, judge, of_configuration

_EXPAND = [
    "author", "cardData", "config", "downloads", "gated", "gguf", "lastModified", "library_name", "likes",
    "pipeline_tag", "private", "safetensors", "siblings", "tags",
]  # fmt: skip
_MOST_FILES = 20_000
_LICENCE = "license:"


def search(access: HubAccess, query: str, limit: int) -> list[FoundModel]:
    """Most downloaded first. Raises HuggingFaceError."""
    from huggingface_hub import HfApi  # noqa: PLC0415

    api = HfApi(endpoint=access.endpoint, token=access.token_text, library_name="hone")
    with access.asking(query):
        found = list(api.list_models(search=query, limit=limit, sort="downloads", expand=_EXPAND))  # type: ignore[arg-type]
    return [_found(model) for model in found[:limit]]


def _found(model: Any) -> FoundModel:
    names = [str(file.rfilename) for file in (model.siblings or [])[:_MOST_FILES]]
    formats = formats_of(names)
    told = model.gguf if isinstance(model.gguf, dict) else {}
    architecture = told.get("architecture")
    known = Known(
        gguf="gguf" in formats,
        safetensors="safetensors" in formats,
        pickle="pickle" in formats,
        adapter="adapter_config.json" in names,
        architecture=architecture if isinstance(architecture, str) else None,
        library=model.library_name if isinstance(model.library_name, str) else None,
        task=model.pipeline_tag if isinstance(model.pipeline_tag, str) else None,
        **of_configuration(model.config),
    )
    verdict, reason = judge(known)
    return FoundModel(
        id=str(model.id)[:200],
        downloads=_number(model.downloads),
        likes=_number(model.likes),
        updated_at=model.last_modified if isinstance(model.last_modified, datetime) else None,
        licence=licence_of(model),
        gated=bool(model.gated),
        private=bool(model.private),
        formats=formats,
        architecture=known.architecture or next(iter(known.names), None),
        parameters=_number(told.get("total")) or parameters_of(model.safetensors),
        verdict=verdict,
        reason=reason,
    )


def formats_of(names: list[str]) -> tuple[str, ...]:
    lower = [name.lower() for name in names]
    ends = {"gguf": (".gguf",), "safetensors": (".safetensors",), "pickle": (".bin", ".pt", ".pth", ".ckpt")}
    return tuple(form for form, endings in ends.items() if any(name.endswith(endings) for name in lower))


def licence_of(model: Any) -> str | None:
    """Of the model's card; else of its tags."""
    card = model.card_data
    told = getattr(card, "license", None)
    if isinstance(told, list):
        told = told[0] if told else None
    if not isinstance(told, str):
        tags = [tag for tag in model.tags or [] if isinstance(tag, str) and tag.startswith(_LICENCE)]
        told = tags[0].removeprefix(_LICENCE) if tags else None
    return told[:100] if told else None


def _number(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 53 else None

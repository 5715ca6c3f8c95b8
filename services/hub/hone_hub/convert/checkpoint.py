"""Opens a Hugging Face model folder that a stranger may have made: plain files only, JSON within limits."""

from __future__ import annotations

import json
import stat
from itertools import islice
from pathlib import Path
from typing import Any

from ..convertible import needs_own_code
from ..errors import FileMissing, FileUnreadable, ModelUnsupported, SourceInvalid, SourceUnsafe

JsonObject = dict[str, Any]

_MAX_CONFIG_BYTES = 1 << 20
_MAX_INDEX_BYTES = 16 << 20
_MAX_TOKENIZER_BYTES = 64 << 20  # the largest in use have 34 MB
_MAX_TEMPLATE_BYTES = 1 << 20
_MORE_TEMPLATES = "additional_chat_templates"
_MOST_TEMPLATES = 20
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
# By a file that tells them: what they hold, and what to do instead.
_OTHER_KINDS = (
    (
        "adapter_config.json",
        "an adapter (LoRA), not a model",
        "merge it into its base model, and convert what comes of it",
    ),
    ("model_index.json", "a diffusion model, which makes images", "choose a model for text"),
    ("*.gguf", "GGUF files, which need no conversion", "add such a file as it is: `hone hub add FILE`"),
    (
        "params.json",
        "weights in their authors' own layout",
        "take the repository in the layout of transformers (its name often ends in -hf), or a GGUF",
    ),
)


class Checkpoint:
    """A folder with config.json, safetensors and a tokenizer."""

    def __init__(self, folder: Path) -> None:
        if not folder.exists():
            raise FileMissing(folder, "give the folder that holds config.json and model.safetensors")
        if not folder.is_dir():
            raise SourceInvalid(f"{folder} is not a folder", "give the folder that holds config.json")
        self.folder = folder
        self._roots = _allowed_roots(folder)
        self._refuse_other_kinds()
        self.config = self.json_file("config.json", _MAX_CONFIG_BYTES)
        self._refuse_own_code()

    def path(self, name: str) -> Path:
        """A regular file of the folder, or of that for further templates; refuses what leads elsewhere."""
        own = name.removeprefix(f"{_MORE_TEMPLATES}/")
        if own in ("", ".", "..") or "/" in own or "\\" in own or "\0" in own:
            raise SourceUnsafe(
                f"the model refers to the file {name!r}", "every file must lie in the model's folder"
            )
        path = self.folder / name
        try:
            resolved = path.resolve(strict=True)
            mode = resolved.stat().st_mode
        except FileNotFoundError as error:
            raise SourceInvalid(f"{path} is missing", "download the model folder again") from error
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
            raise SourceUnsafe(
                f"{path} cannot be resolved: {error}", "download the model folder again"
            ) from error
        if not any(resolved.is_relative_to(root) for root in self._roots):
            raise SourceUnsafe(f"{path} is a link to {resolved}", "replace it by the file itself")
        if not stat.S_ISREG(mode):
            raise SourceUnsafe(f"{path} is not a regular file", "download the model folder again")
        return resolved

    def has(self, name: str) -> bool:
        return (self.folder / name).exists() or (self.folder / name).is_symlink()

    def binary_file(self, name: str, max_bytes: int = _MAX_TOKENIZER_BYTES) -> bytes:
        path = self.path(name)
        try:
            with path.open("rb") as stream:
                raw = stream.read(max_bytes + 1)
        except OSError as error:
            raise FileUnreadable(path, error) from error
        if len(raw) > max_bytes:
            raise SourceInvalid(f"{path} has more than {max_bytes} bytes", "this is not a usual model folder")
        return raw

    def text_file(self, name: str, max_bytes: int) -> str:
        try:
            return self.binary_file(name, max_bytes).decode("utf-8")
        except UnicodeDecodeError as error:
            raise SourceInvalid(
                f"{self.folder / name} is not UTF-8", "download the model folder again"
            ) from error

    def json_file(self, name: str, max_bytes: int) -> JsonObject:
        text = self.text_file(name, max_bytes)
        try:
            value = json.loads(text)
            if "\\ud" in text or "\\uD" in text:  # half a character cannot be written again
                json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            problem = f"{self.folder / name} is not valid JSON: {error}"
            raise SourceInvalid(problem, "download the model folder again") from error
        if not isinstance(value, dict):
            raise SourceInvalid(
                f"{self.folder / name} is not a JSON object", "download the model folder again"
            )
        return value

    def optional_json(self, name: str) -> JsonObject:
        return self.json_file(name, _MAX_CONFIG_BYTES * 8) if self.has(name) else {}

    def tokenizer(self) -> JsonObject:
        if not self.has("tokenizer.json"):
            raise SourceInvalid(
                f"{self.folder} has neither tokenizer.json nor tokenizer.model",
                "save the tokenizer once with transformers' AutoTokenizer(...).save_pretrained",
            )
        return self.json_file("tokenizer.json", _MAX_TOKENIZER_BYTES)

    def index(self) -> JsonObject:
        return self.json_file("model.safetensors.index.json", _MAX_INDEX_BYTES)

    def chat_templates(self) -> dict[str, str]:
        """Templates by name, "default" for the usual one. A file of its own wins over the configuration, and files of
        the folder for further ones over all, as in transformers."""
        if self.has("chat_template.jinja"):
            named = {"default": self.text_file("chat_template.jinja", _MAX_TEMPLATE_BYTES)}
        else:
            entry = self.optional_json("tokenizer_config.json").get("chat_template")
            named = {"default": entry} if isinstance(entry, str) else _named_templates(entry)
        for path in islice(sorted((self.folder / _MORE_TEMPLATES).glob("*.jinja")), _MOST_TEMPLATES):
            named[path.stem] = self.text_file(f"{_MORE_TEMPLATES}/{path.name}", _MAX_TEMPLATE_BYTES)
        if any(len(text) > _MAX_TEMPLATE_BYTES for text in named.values()):
            raise SourceInvalid("the chat template has more than a megabyte", "shorten it")
        return named

    def refuse_pickles(self) -> None:
        """Raises when weights are there in a format that can execute code, and not as safetensors."""
        for pattern in _PICKLES:
            if found := next(self.folder.glob(pattern), None):
                raise SourceUnsafe(
                    f"{found} is a pickle, which can run code when it is opened",
                    "use the model's safetensors, or save it once with save_pretrained(safe_serialization=True)",
                )

    def _refuse_other_kinds(self) -> None:
        """Of folders that hold something else than a whole model; said before a missing file is."""
        if self.has("config.json"):
            return
        for sign, what, advice in _OTHER_KINDS:
            if next(self.folder.glob(sign), None) is not None:
                raise ModelUnsupported(f"{self.folder} holds {what}", advice)

    def _refuse_own_code(self) -> None:
        if needs_own_code(self.config):
            raise SourceUnsafe(
                f"{self.folder} needs code of its own (auto_map in config.json), which Hone does not run",
                "look for a GGUF of this model",
            )


def _allowed_roots(folder: Path) -> list[Path]:
    """The folder; and, in huggingface_hub's cache, `blobs`, which the links in a snapshot point to."""
    resolved = folder.resolve()
    roots = [resolved]
    if resolved.parent.name == "snapshots":
        roots.append(resolved.parent.parent / "blobs")
    return roots


def _named_templates(entry: object) -> dict[str, str]:
    named: dict[str, str] = {}
    if entry is None:
        return named
    for item in entry if isinstance(entry, list) else [None]:
        if not (
            isinstance(item, dict)
            and isinstance(item.get("name"), str)
            and isinstance(item.get("template"), str)
        ):
            raise SourceInvalid("chat_template in tokenizer_config.json is malformed", "give a string")
        named[item["name"]] = item["template"]
    return named

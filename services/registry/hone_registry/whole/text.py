"""The document as YAML, and back. Text from outside is hostile: its size and depth are bounded, and it cannot refer
to itself."""

from typing import Any

import yaml
from pydantic import ValidationError

from hone_registry.errors import BadRegistry
from hone_registry.whole.document import Document, Fault, faults_of

MOST_BYTES = 900_000
"""One message on the broker carries it."""
_DEEPEST = 24
_MOST_FAULTS = 50


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stand as they are, so that Git shows what changed in them."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: _Dumper, data: str) -> yaml.Node:
    # YAML takes these for ends of lines, and gives them back as blanks unless they are escaped.
    if any(end in data for end in "\x85\u2028\u2029"):
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style='"')
    style = "|" if "\n" in data else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)


def written(document: Document) -> str:
    plain = document.model_dump(mode="json", exclude_defaults=True)
    whole = {"registry": document.registry, **plain}
    return yaml.dump(whole, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def read(text: str) -> Document:
    """Raises BadRegistry with every fault."""
    size = len(text.encode("utf-8", "replace"))
    if size > MOST_BYTES:
        raise BadRegistry([("", f"the text has {size} bytes; at most {MOST_BYTES} are read")])
    _check_shape(text)
    try:
        found = yaml.load(text, Loader=yaml.CSafeLoader)
        document = Document.model_validate(found)
    except yaml.YAMLError as error:
        raise BadRegistry([("", f"this is not YAML: {str(error)[:300]}")]) from error
    except ValidationError as error:
        raise BadRegistry([_of_value(each) for each in error.errors()][:_MOST_FAULTS]) from error
    except (ValueError, OverflowError, RecursionError) as error:  # dates and numbers that Python cannot take
        raise BadRegistry([("", f"a value is out of range: {str(error)[:200]}")]) from error
    faults = list(faults_of(document))
    if faults:
        raise BadRegistry(faults[:_MOST_FAULTS])
    return document


def _check_shape(text: str) -> None:
    """Raises BadRegistry for aliases, which make much of little, and for what is nested too deep to be ours."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                where = f"line {event.start_mark.line + 1}: " if event.start_mark else ""
                raise BadRegistry([("", f"{where}aliases are not read; write the value out")])
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise BadRegistry([("", f"nested deeper than {_DEEPEST} levels")])
    except (yaml.YAMLError, ValueError) as error:
        raise BadRegistry([("", f"this is not YAML: {str(error)[:300]}")]) from error


def _of_value(error: Any) -> Fault:
    return ".".join(str(part) for part in error["loc"]), str(error["msg"])

"""What a setting may be, in words for the person who set it otherwise."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt

MOST_VALUE_CHARS = 80
_PLAIN = {bool: "true or false", str: "a text that fits", type(None): "none"}


def allowed(annotation: Any, constraints: Iterable[Any] = ()) -> list[str]:
    """The alternatives of a field's type: ``["a whole number from 32 to 1048576", "auto"]``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in (int, float):
        kind = "a whole number" if annotation is int else "a number"
        return [" ".join([kind, *filter(None, map(_limit, constraints))])]
    if annotation in _PLAIN:
        return [_PLAIN[annotation]]
    if origin is Annotated:
        return allowed(
            arguments[0], [inner for each in arguments[1:] for inner in getattr(each, "metadata", [each])]
        )
    if origin is Literal:
        return [", ".join(map(str, arguments))]
    if origin is tuple:
        return ["names of modules, separated by commas"]
    return [said for argument in arguments for said in allowed(argument)]


def _limit(constraint: Any) -> str:
    match constraint:
        case Ge(ge=value):
            return f"from {_number(value)}"
        case Gt(gt=value):
            return f"above {_number(value)}"
        case Le(le=value):
            return f"to {_number(value)}"
        case Lt(lt=value):
            return f"below {_number(value)}"
    return ""


def _number(value: Any) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def shown(value: object) -> str:
    """Printable and short, text as it is: it may be anything that somebody sent."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(char if char.isprintable() else "?" for char in text[: MOST_VALUE_CHARS + 1])
    return text if len(text) <= MOST_VALUE_CHARS else text[:MOST_VALUE_CHARS] + "…"


def quoted(value: object) -> str:
    """The same with quotes around a text, so that '16' is seen not to be 16."""
    return f"'{shown(value)}'" if isinstance(value, str) else shown(value)

"""Outlines of small artifacts, for the validators that know no format."""

from hone_generator.artifacts.kind import Link, Name, Outline, Role, Scope


def outline(
    *names: str, links: tuple[Link, ...] | None = None, scope: Scope = "data", numbers: bool = False
) -> Outline:
    """Names as "type:Member", "member:due_date"; a name without a role is a type."""
    return Outline(tuple(_name(written) for written in names), scope, numbers, links)


def _name(written: str) -> Name:
    role, _, text = written.rpartition(":")
    roles: dict[str, Role] = {
        "": "type", "type": "type", "member": "member", "action": "action", "state": "state",
        "participant": "participant", "label": "label", "prose": "prose",
    }  # fmt: skip
    return Name(text, roles[role])

"""Which servers a request may name: ``openai+http://host:port/v1:model`` makes the generator call an address.

Whoever holds a key could else reach everything that the generator reaches: other machines' ports, databases without
a password, a cloud's metadata. So a request may name the servers that the team's routes name, and those that
``HONE_ALLOWED_MODEL_SERVERS`` lists, and no other; loopback is no exception. An address is compared as it is written
(host, port, path), never by what its name resolves to, which can change between looking and asking.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hone_chassis.errors import Permanent
from hone_contracts.models import InvalidModelRef, ModelRef
from hone_contracts.registry import Route
from hone_generator.providers.openai import place


@dataclass(frozen=True, slots=True)
class AllowedServers:
    """``listed`` are base URLs; one allows every path below it."""

    listed: tuple[str, ...] = ()

    @classmethod
    def parse(cls, setting: str) -> "AllowedServers":
        """Base URLs with commas between them. Raises ValueError for what is none."""
        return cls(tuple(_address(each.strip()) for each in setting.split(",") if each.strip()))

    def check(self, ref: ModelRef, routes: Iterable[Route]) -> None:
        """Raises Permanent for a server that a request may not name."""
        if ref.base_url is None:
            return
        try:
            wanted = _address(ref.base_url)
        except ValueError:
            raise _refusal(ref) from None
        if not (any(_below(wanted, each) for each in self.listed) or wanted in _named_by(routes)):
            raise _refusal(ref)


def _address(base_url: str) -> str:
    """Raises ValueError."""
    if not base_url.startswith(("http://", "https://")):
        raise ValueError(f"{base_url!r} is not the address of a server; write http://host:port/path")
    if not {".", ".."}.isdisjoint(base_url.split("/")):
        raise ValueError(f"{base_url!r} has steps in its path that lead elsewhere")
    return place(base_url)


def _below(wanted: str, listed: str) -> bool:
    return wanted == listed or wanted.startswith(f"{listed}/")


def _named_by(routes: Iterable[Route]) -> set[str]:
    named: set[str] = set()
    for route in routes:
        for model in (*(each.model for each in route.local_models), *route.cloud_models):
            try:
                ref = ModelRef.parse(model)
                if ref.base_url is not None:
                    named.add(_address(ref.base_url))
            except (InvalidModelRef, ValueError):
                continue  # it names no server
    return named


def _refusal(ref: ModelRef) -> Permanent:
    # The same words whether something answers there or not: a refusal must not tell what the network has.
    return Permanent(
        "server_not_allowed",
        "This server may not be named",
        f"requests may not name the server of {str(ref)[:200]}: put the model into a route (`hone routes apply "
        "FILE.yaml`), or the server into HONE_ALLOWED_MODEL_SERVERS",
        403,
    )

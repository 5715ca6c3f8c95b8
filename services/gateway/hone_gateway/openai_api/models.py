"""GET /v1/models: the routes, and every model that the generator can reach now."""

import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from pydantic_core import to_json

from hone_chassis import Service
from hone_contracts.chat import ChatModels, ListChatModels
from hone_gateway.asking import ask
from hone_gateway.errors import GatewayError
from hone_gateway.keys import Principal
from hone_gateway.openai_api.replies import Reply

_LIMIT_S = 10.0  # the generator asks every provider, each within a limit of its own


class NoSuchModel(GatewayError):
    status, code, title = 404, "model_not_found", "There is no such model"

    def __init__(self, model: str) -> None:
        super().__init__(f"No model {model[:80]!r}: GET /v1/models lists what there is.")


@dataclass(frozen=True)
class ModelList:
    service: Service
    # Models have no date of their own here; clients want one.
    created: int = field(default_factory=lambda: int(time.time()))

    async def every(self, reply: Reply, principal: Principal, _path: str) -> None:
        models = [self._document(each) for each in await self._models(principal)]
        await reply.whole(to_json({"object": "list", "data": models}))

    async def one(self, reply: Reply, principal: Principal, path: str) -> None:
        """Raises NoSuchModel."""
        wanted = unquote(path.removeprefix("/v1/models/"))
        if wanted not in await self._models(principal):
            raise NoSuchModel(wanted)
        await reply.whole(to_json(self._document(wanted)))

    async def _models(self, principal: Principal) -> tuple[str, ...]:
        answer = await ask(
            self.service, ListChatModels(tenant=principal.tenant), ChatModels, timeout_s=_LIMIT_S
        )
        return answer.models

    def _document(self, model: str) -> dict[str, Any]:
        provider, named, _ = model.partition(":")
        owner = provider.partition("+")[0] if named else "hone"
        return {"id": model, "object": "model", "created": self.created, "owned_by": owner}

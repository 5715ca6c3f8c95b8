"""Which models can be chatted with: the routes by name, the models they name, and what providers say they have."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from hone_chassis.logs import get_logger
from hone_contracts.chat import ROUTE_PREFIX, ChatModels, ListChatModels
from hone_contracts.registry import DEFAULT_ROUTE, Route, RouteModel
from hone_generator.providers.base import Provider
from hone_generator.providers.errors import ProviderError

log = get_logger(__name__)

_LIMIT_S = 4.0  # a provider that is away does not keep the others' models from being seen
_MOST = 2000


class ChatModelList:
    """``routes`` gives the routing table as it is now, ``served`` the names of versions, which are no models of their
    own."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        routes: Callable[[], Iterable[Route]],
        served: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._providers, self._routes, self._served = providers, routes, served

    async def __call__(self, _question: ListChatModels) -> ChatModels:
        routes = [route for route in self._routes() if route.enabled]
        models = [model for route in routes for model in route.local_models]
        silent = {model.model for model in models if not _converses(model)}.union(self._served())
        names = [_name(each) for each in routes if each.cloud or any(map(_converses, each.local_models))]
        named = [model.model for model in models]
        named += [model for route in routes if route.cloud for model in route.cloud_models]
        found = await asyncio.gather(*(self._of(*each) for each in self._providers.items()))
        every = dict.fromkeys([*sorted(names), *named, *(model for models in found for model in models)])
        return ChatModels(models=tuple(each for each in every if each not in silent)[:_MOST])

    async def _of(self, name: str, provider: Provider) -> Sequence[str]:
        try:
            async with asyncio.timeout(_LIMIT_S):
                return sorted(str(model.ref) for model in await provider.models())
        except (ProviderError, TimeoutError) as error:
            log.info("a provider did not list its models", provider=name, error=repr(error))
            return ()


def _converses(model: RouteModel) -> bool:
    """Hone's own models read passages, and know no other form of answer."""
    return model.reading != "passages"


def _name(route: Route) -> str:
    return DEFAULT_ROUTE if route.artifact_type == DEFAULT_ROUTE else f"{ROUTE_PREFIX}{route.artifact_type}"

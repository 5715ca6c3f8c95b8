"""Examples become a version of their own in Ollama: the base's weights with a system prompt and turns before."""

import hashlib
from dataclasses import replace
from typing import Any

from hone_contracts.registry import PromptVersion
from hone_contracts.training import TrainingCompleted
from hone_hub.deploy.errors import VersionTaken
from hone_hub.deploy.ollama.everywhere import Hosts, Place
from hone_hub.deploy.ollama.history import prove_history
from hone_hub.deploy.ollama.host import Document, OllamaHost
from hone_hub.deploy.ollama.names import base_name, ollama_name
from hone_hub.deploy.ollama.shown import Message, Shown
from hone_hub.deploy.prompts import canonical
from hone_hub.deploy.way import Deployed
from hone_hub.work import Step
from hone_hub.worker_process import OnStep

_MOST_ANCESTORS = 20


class OllamaExamples:
    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    async def deploy(self, order: TrainingCompleted, tell: OnStep) -> Deployed:
        assert order.prompt is not None
        prompt, planned, name = order.prompt, order.planned, ollama_name(order.planned)

        async def deploy(place: Place) -> dict[str, Any]:
            place = await _with_plain_base(place, order)
            wanted = _wanted(place, prompt, name)
            there = await place.host.show(name)
            if there is not None and not _ours(Shown.read(there), prompt):
                raise VersionTaken(f"{name} at {place.host.url}", f"remove it with `ollama rm {name}`")
            if there is None or not _same(Shown.read(there), wanted):
                await place.host.create(wanted, tell)
            await tell(Step(stage="prove", message=f"{place.host.url}: {name}", done=0, total=0))
            return await prove_history(place, name, prompt, wanted["messages"])

        proof = await self._hosts.deploy(base_name(planned), deploy)
        content = canonical(prompt)
        served = planned.base.model_copy(
            update={
                "version": planned.version,
                "served_by": f"ollama:{name}",
                "prompt": prompt.model_copy(update={"baked": True}),
            }
        )
        return Deployed(
            served,
            hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            proof={"engine": "ollama"} | proof,
        )

    async def remove(self, order: TrainingCompleted) -> None:
        prompt, name = order.prompt, ollama_name(order.planned)
        assert prompt is not None
        await self._hosts.remove(lambda host: _remove_if_ours(host, name, prompt))


def _wanted(place: Place, prompt: PromptVersion, name: str) -> Document:
    """Everything explicit: what ``create`` is not told it guesses, or keeps from the base."""
    base = place.base
    turns = [{"role": turn.role, "content": turn.content} for turn in prompt.turns]
    body: Document = {
        "model": name,
        "from": place.base_name,
        "template": base.template,
        "parameters": base.parameters,
        "messages": [*base.messages, *turns],
    }
    return body | ({"system": prompt.system} if prompt.system else {})


def _same(shown: Shown, wanted: Document) -> bool:
    told = {"messages": list(shown.messages), "template": shown.template, "system": shown.system}
    return {**wanted, **told} == {"system": shown.system, **wanted}


async def _with_plain_base(place: Place, order: TrainingCompleted) -> Place:
    """A champion that is examples itself is no base: its examples would stay. What it was made from is."""
    baked = order.planned.base.prompt
    ancestors = 0
    while baked is not None and baked.baked and _ends_with(place.base.messages, baked):
        ancestors += 1
        shown = await place.host.show(place.base.parent) if place.base.parent else None
        if shown is None or ancestors > _MOST_ANCESTORS:
            own = place.base.messages[: len(place.base.messages) - len(baked.turns)]
            return replace(place, base=replace(place.base, messages=own))
        place = replace(place, base_name=place.base.parent, base=Shown.read(shown))
    return place


async def _remove_if_ours(host: OllamaHost, name: str, prompt: PromptVersion) -> None:
    shown = await host.show(name)
    if shown is not None and _ours(Shown.read(shown), prompt):
        await host.delete(name)


def _ours(shown: Shown, prompt: PromptVersion) -> bool:
    """By its examples; one that lost them is of no use to anybody, unless it is weights."""
    return _ends_with(shown.messages, prompt) or not (shown.messages or shown.version)


def _ends_with(messages: tuple[Message, ...], prompt: PromptVersion) -> bool:
    turns = tuple({"role": turn.role, "content": turn.content} for turn in prompt.turns)
    return messages[len(messages) - len(turns) :] == turns

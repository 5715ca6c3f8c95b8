"""Added models for Ollama: staged under a name of their own, proven there, and then called what they are."""

import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from hone_chassis.logs import get_logger
from hone_hub.deploy.models.answering import QUESTIONS, ended, judged, most_tokens
from hone_hub.deploy.models.errors import ModelNameTaken, NoTemplate, NotOllamasKind, TemplateNotPortable
from hone_hub.deploy.models.facts import ChatFacts, facts_of
from hone_hub.deploy.models.go_template import Chosen, NotSayable, chosen
from hone_hub.deploy.models.order import DeployOrder, Placed
from hone_hub.deploy.models.rendering import check_rendering, differences
from hone_hub.deploy.models.sending import Load, folder_of, load_of
from hone_hub.deploy.ollama.errors import OllamaError, OllamaNotRunning
from hone_hub.deploy.ollama.everywhere import Hosts
from hone_hub.deploy.ollama.history import read_answer
from hone_hub.deploy.ollama.host import Document, Listed, OllamaHost
from hone_hub.deploy.ollama.shown import Shown
from hone_hub.errors import HubError
from hone_hub.work import Step
from hone_hub.worker_process import OnStep

log = get_logger(__name__)

_FROM = re.compile(r"^FROM \S.*/sha256-(?P<digest>[0-9a-f]{64})[ \t]*$", re.MULTILINE)
_MOST_CONTEXT_TOKENS = 8192  # as memory is predicted where nobody says another


@dataclass(frozen=True)
class Plan:
    """What every host gets. ``given``: the template is a person's."""

    name: str
    staged: str
    facts: ChatFacts
    template: Chosen
    given: bool
    parameters: Document

    def creation(self, load: Load) -> Document:
        more = {"model": self.staged, "template": self.template.template, "parameters": self.parameters}
        return {**load.creation(), **more}


class OllamaModels:
    def __init__(self, hosts: Hosts, limit_s: float) -> None:
        self._hosts, self._limit_s = hosts, limit_s

    async def answers(self) -> bool:
        """Raises BadOllamaHost."""
        async with self._hosts.all() as hosts:
            for host in hosts:
                try:
                    await host.check_version()
                except OllamaError:
                    continue
                return True
        return False

    async def deploy(self, order: DeployOrder, tell: OnStep) -> Placed:
        """On every host that answers, or on none. Raises HubError, Refused."""
        load = None
        if order.file is not None:
            facts = await facts_of(order.file.path, self._limit_s, tell)
        elif order.folder is not None:
            load, facts = await folder_of(order.folder, order.quant, tell)
        else:
            raise NotOllamasKind("there is neither a file nor a folder to give to Ollama", "name one")
        plan = planned(order, facts)
        async with self._there() as (hosts, away), AsyncExitStack() as stack:
            for host in hosts:
                await _check_free(host, plan, order)
            if load is None:
                assert order.file is not None
                load = await load_of(order.file, tell)
            proofs = {}
            for host in hosts:
                await stack.enter_async_context(_staging(host, plan.staged))
                proofs[host.url] = await _stage(host, plan, load, tell)
            for host in hosts:
                await _publish(host, plan.staged, order)
            listed = (await hosts[0].models())[full(order.name)]
            sha256 = load.sha256 or await _weights_digest(hosts[0], order.name) or listed.digest
        size_bytes = load.size_bytes if load.sha256 else listed.size_bytes
        proof = {"engine": "ollama", "hosts": proofs} | ({"away": away} if away else {})
        return Placed(f"ollama:{order.name}", sha256, size_bytes, "", proof)

    async def remove(self, name: str) -> int:
        """From every host that answers. Bytes freed, at the host that frees most. Raises OllamaError."""
        freed = 0
        async with self._there() as (hosts, away):
            for host in hosts:
                there = (await host.models()).get(full(name))
                if there is not None:
                    await host.unload(name)
                    await host.delete(name)
                    freed = max(freed, there.size_bytes)
        if away:
            log.warning("hosts that do not answer may still have it", model=name, hosts=list(away))
        return freed

    async def pull(self, library_name: str, order: DeployOrder, tell: OnStep) -> Placed:
        """With the template that the library gives it, under ``order.name``. Raises HubError."""
        proofs, before = {}, {}
        async with self._there() as (hosts, away):
            for host in hosts:
                before[host.url] = models = await host.models()
                if full(order.name) in models and not await _may_be_written(host, library_name, order):
                    raise ModelNameTaken(order.name, host.url)
            try:
                for host in hosts:
                    await host.pull(library_name, tell)
                    await tell(Step(stage="prove", message=f"{host.url}: {library_name}", done=0, total=0))
                    proofs[host.url] = await answered(host, library_name, await _thinks(host, library_name))
                for host in hosts:
                    if full(library_name) != full(order.name):  # which then tells what it was made from
                        await host.create({"model": order.name, "from": library_name}, tell)
                placed = (await hosts[0].models())[full(order.name)]
                sha256 = await _weights_digest(hosts[0], order.name) or placed.digest
            finally:
                for host in hosts:
                    await _tidy(host, library_name, order.name, before[host.url], host.url in proofs)
        proof = {"engine": "ollama", "template": "the library's", "hosts": proofs}
        return Placed(
            f"ollama:{order.name}", sha256, placed.size_bytes, "", proof | ({"away": away} if away else {})
        )

    @asynccontextmanager
    async def _there(self) -> AsyncIterator[tuple[Sequence[OllamaHost], Sequence[str]]]:
        """The hosts that answer, and the addresses of the others. Raises OllamaError where none does."""
        async with self._hosts.all() as hosts:
            answering: list[OllamaHost] = []
            away: list[str] = []
            reason: OllamaNotRunning | None = None
            for host in hosts:
                try:
                    await host.check_version()
                    answering.append(host)
                except OllamaNotRunning as error:
                    away.append(host.url)
                    reason = error
            if reason is not None and not answering:
                raise reason
            yield answering, away


def planned(order: DeployOrder, facts: ChatFacts) -> Plan:
    """Raises NoTemplate, TemplateNotPortable."""
    context = order.context_tokens or min(facts.context_tokens or 0, _MOST_CONTEXT_TOKENS)
    parameters: Document = {"stop": list(facts.stops)} if facts.stops else {}
    return Plan(
        name=order.name,
        staged=staged(order.name),
        facts=facts,
        template=template_for(facts, order.template, order.name),
        given=order.template is not None,
        parameters=parameters | ({"num_ctx": context} if context else {}),
    )


def template_for(facts: ChatFacts, given: str | None, what: str) -> Chosen:
    """Raises NoTemplate, TemplateNotPortable."""
    if given is not None:
        return Chosen(given, "given")
    if not facts.renders:
        raise NoTemplate(what)
    try:
        return chosen(facts.template, facts.rendered(), facts.probes)
    except NotSayable as error:
        raise TemplateNotPortable(str(error)) from error


async def _check_free(host: OllamaHost, plan: Plan, order: DeployOrder) -> None:
    """What has the name already may be what an earlier delivery made. Raises ModelNameTaken."""
    if order.replace:
        return
    shown = await host.show(plan.name)
    if shown is not None and shown.get("template") != plan.template.template:
        raise ModelNameTaken(plan.name, host.url)


async def _stage(host: OllamaHost, plan: Plan, load: Load, tell: OnStep) -> dict[str, Any]:
    """What was seen of it. Raises HubError."""
    await load.to(host, tell)
    if load.quantize:
        # A server that has loaded no model yet quantizes by tables that it has not made: the result says anything
        # (seen in 0.11.4). So it loads the model as it is, once.
        await host.create(plan.creation(replace(load, quantize=None)), tell, load.size_bytes)
        await host.generate({"model": plan.staged, "prompt": "?", "options": {"num_predict": 1}})
    await host.create(plan.creation(load), tell, load.size_bytes)
    await tell(Step(stage="prove", message=f"{host.url}: {plan.name}", done=0, total=load.size_bytes))
    told: dict[str, Any] = {"origin": plan.template.origin}
    compare = differences if plan.given else check_rendering
    if plan.facts.renders:
        told["conversations"] = await compare(host, plan.staged, plan.template.template, plan.facts)
    if plan.template.remarks:
        told["remarks"] = list(plan.template.remarks)
    return {"template": told, **await answered(host, plan.staged, plan.facts.thinks)}


async def answered(host: OllamaHost, name: str, thinks: bool) -> dict[str, Any]:
    """Raises DoesNotAnswer, OllamaError."""
    answers = []
    for question in QUESTIONS:
        body = {
            "model": name,
            "messages": [{"role": "user", "content": question}],
            "options": {"temperature": 0, "num_predict": most_tokens(thinks)},
            "think": False,
        }
        told = await host.chat(body)
        if (
            told.get("done") is not True
        ):  # it gives up on a model that says the same over and over, without counts
            told |= {"done_reason": "length", "prompt_eval_count": 0}
        answers.append(read_answer(host.url, told))
        if ended(answers[-1]):
            break
    return judged(answers, thinks)


def full(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def staged(name: str) -> str:
    """The same at every try, so that what a try left is not left for good."""
    return f"hone-unproven:{hashlib.sha256(full(name).encode()).hexdigest()[:16]}"


@asynccontextmanager
async def _staging(host: OllamaHost, name: str) -> AsyncIterator[None]:
    try:
        yield
    finally:
        try:
            await host.unload(name)
            await host.delete(name)
        except HubError as error:
            log.warning("what was staged could not be removed", model=name, error=str(error))


async def _publish(host: OllamaHost, staged_as: str, order: DeployOrder) -> None:
    """Equal manifests have equal digests: what is there already may be this very model. Raises ModelNameTaken."""
    models = await host.models()
    made, there = models.get(full(staged_as)), models.get(full(order.name))
    if made is None:
        raise OllamaNotRunning(host.url, "it lost what it has just created")
    if there is not None and there.digest == made.digest:
        return
    if there is not None and not order.replace:
        raise ModelNameTaken(order.name, host.url)
    if there is not None:
        await host.unload(order.name)
    await host.copy(staged_as, order.name)


async def _may_be_written(host: OllamaHost, library_name: str, order: DeployOrder) -> bool:
    """Whether what has the name already is the library's model, or was made from it by an earlier delivery."""
    if order.replace or full(library_name) == full(order.name):
        return True
    shown = await host.show(order.name) or {}
    return full(Shown.read(shown).parent) == full(library_name)


async def _thinks(host: OllamaHost, name: str) -> bool:
    shown = await host.show(name) or {}
    return "thinking" in (shown.get("capabilities") or ()) or "<think>" in str(shown.get("template", ""))


async def _weights_digest(host: OllamaHost, name: str) -> str | None:
    found = _FROM.search(str((await host.show(name) or {}).get("modelfile", "")))
    return found["digest"] if found is not None else None


async def _tidy(
    host: OllamaHost, library_name: str, name: str, before: Mapping[str, Listed], proven: bool
) -> None:
    """What failed goes, and a name that nobody asked for; what was there before stays."""
    if full(library_name) in before or (proven and full(library_name) == full(name)):
        return
    try:
        await host.unload(library_name)
        await host.delete(library_name)
    except HubError as error:
        log.warning("what was pulled could not be removed", model=library_name, error=str(error))

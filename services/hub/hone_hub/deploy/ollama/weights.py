"""Weights become a model of their own in Ollama: proven in llama.cpp, sent, and proven to be asked in their form."""

from typing import Any

from hone_chassis.logs import get_logger
from hone_contracts.training import TrainingCompleted
from hone_hub.deploy.errors import VersionTaken
from hone_hub.deploy.files import Record
from hone_hub.deploy.models.facts import facts_of
from hone_hub.deploy.models.ollama import template_for
from hone_hub.deploy.ollama.errors import PromptDiffers
from hone_hub.deploy.ollama.everywhere import Hosts, Place
from hone_hub.deploy.ollama.history import read_answer
from hone_hub.deploy.ollama.host import Document, OllamaHost
from hone_hub.deploy.ollama.names import base_name, ollama_name
from hone_hub.deploy.ollama.parity import check_prompts
from hone_hub.deploy.ollama.shown import Shown
from hone_hub.deploy.ollama.templates import UNKNOWN
from hone_hub.deploy.proven_files import ProvenFile, ProvenFiles
from hone_hub.deploy.questions import check_answers, most_answer_tokens, questions
from hone_hub.deploy.versions import version_name
from hone_hub.deploy.way import Deployed
from hone_hub.work import Step
from hone_hub.worker_process import OnStep

log = get_logger(__name__)


class OllamaWeights:
    def __init__(self, files: ProvenFiles, hosts: Hosts, limit_s: float) -> None:
        self._files, self._hosts, self._limit_s = files, hosts, limit_s

    async def deploy(self, order: TrainingCompleted, tell: OnStep) -> Deployed:
        planned, name = order.planned, ollama_name(order.planned)
        file = await self._files.get(order, tell)

        async def deploy(place: Place) -> dict[str, Any]:
            await _check_name(place.host, name, order)
            return await _deploy(place, file, order, self._limit_s, tell)

        proof = await self._hosts.deploy(base_name(planned), deploy)
        served = planned.base.model_copy(
            update={
                "version": planned.version,
                "served_by": f"ollama:{name}",
                "model_uri": None,
                "model_sha256": file.record.sha256,
                "prompt": None,
            }
        )
        proof = {"engine": "ollama", "file": file.record.proof} | proof
        return Deployed(served, file.record.sha256, file.path.as_uri(), file.record.size_bytes, proof)

    async def remove(self, order: TrainingCompleted) -> None:
        self._files.remove(order)
        await self._hosts.remove(lambda host: _remove_if_ours(host, ollama_name(order.planned), order))


async def _deploy(
    place: Place, file: ProvenFile, order: TrainingCompleted, limit_s: float, tell: OnStep
) -> dict[str, Any]:
    name, reading = ollama_name(order.planned), order.planned.reading
    record = file.record
    digest = f"sha256:{record.sha256}"
    await place.host.upload(file.path, digest, record.size_bytes, tell)
    wanted = {
        "model": name,
        "files": {file.path.name: digest},
        "parameters": _parameters(place.base, record),
    }
    seen = await _create(place, wanted, file, limit_s, tell)
    await tell(Step(stage="prove", message=f"{place.host.url}: {name}", done=0, total=record.size_bytes))
    answers = []
    for question in questions(reading):
        body = {
            "model": name,
            "messages": [{"role": "user", "content": question}],
            "options": {"temperature": 0, "num_predict": most_answer_tokens(reading)},
        }
        answers.append(read_answer(place.host.url, await place.host.chat(body)))
    check_answers(reading, tuple(answers))
    return {"template": seen, "answers": [answer.text[:500] for answer in answers]}


async def _create(place: Place, wanted: Document, file: ProvenFile, limit_s: float, tell: OnStep) -> str:
    """With its base's template, where that asks in the file's own form; else with one that says what the file's own
    does. Raises TemplateNotPortable, PromptDiffers, OllamaError, Refused."""

    async def proven(template: str) -> str:
        await place.host.create(wanted | {"template": template}, tell)
        return await check_prompts(place.host, wanted["model"], file.record.prompts, file.record.begin)

    if place.base.template not in ("", UNKNOWN):
        try:
            return f"the base's: {await proven(place.base.template)}"
        except PromptDiffers as differs:
            log.info("a base's template asks otherwise than its version's file", reason=differs.problem)
    facts = await facts_of(file.path, limit_s, tell)
    own = template_for(facts, None, file.path.name)
    return f"{own.origin}: {await proven(own.template)}"


def _parameters(base: Shown, record: Record) -> dict[str, Any]:
    """The base's; and it stops where its answers end, whatever Ollama makes of the file's own word for it."""
    stops = list(dict.fromkeys([*base.parameters.get("stop", []), *filter(None, [record.end])]))
    return {**base.parameters, **({"stop": stops} if stops else {})}


async def _check_name(host: OllamaHost, name: str, order: TrainingCompleted) -> None:
    """What an earlier delivery left is made anew. Raises VersionTaken."""
    there = await host.show(name)
    if there is not None and not _ours(Shown.read(there), order):
        raise VersionTaken(f"{name} at {host.url}", f"remove it with `ollama rm {name}`")


async def _remove_if_ours(host: OllamaHost, name: str, order: TrainingCompleted) -> None:
    there = await host.show(name)
    if there is not None and _ours(Shown.read(there), order):
        await host.unload(name)
        await host.delete(name)


def _ours(shown: Shown, order: TrainingCompleted) -> bool:
    """By what the file says of itself: its name Ollama does not tell, and later versions write it anew."""
    return shown.version == version_name(order.planned)

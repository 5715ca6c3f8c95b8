"""The generator, wired: the only place that knows broker, database, providers and handlers at once."""

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from hone_chassis import Running, Service
from hone_chassis.cancellations import Cancellations
from hone_chassis.routes_table import RoutesWatcher
from hone_contracts.card import ReleaseCard, RenewCard, RequestCard
from hone_contracts.chat import ListChatModels
from hone_contracts.evaluation import EvaluateVersions, EvaluationCompleted, EvaluationFailed
from hone_contracts.generation import ArtifactGenerated, GenerateArtifact, GenerationFailed
from hone_contracts.providers import ListProviders
from hone_contracts.teaching import CompareArtifacts, RenderExamples
from hone_contracts.validation import ValidateArtifact
from hone_generator.allowed_servers import AllowedServers
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.kind import Tools
from hone_generator.chat.models import ChatModelList
from hone_generator.chat.service import ChatService
from hone_generator.engine import metrics
from hone_generator.engine.chat import Chat
from hone_generator.engine.circuits import Circuits
from hone_generator.engine.engine import Engine
from hone_generator.evaluation.handler import EvaluationHandler
from hone_generator.handlers import GenerationHandler
from hone_generator.memory.cards import NvmlCards
from hone_generator.memory.lending import Lending
from hone_generator.memory.room import Room
from hone_generator.memory.settings import GpuSettings
from hone_generator.mermaid import MermaidParser
from hone_generator.provider_report import ProviderReport
from hone_generator.providers.base import Provider
from hone_generator.providers.configured import RemoteSettings, remote_providers
from hone_generator.providers.keys import Keys
from hone_generator.providers.llamacpp import LlamaCppProvider, LlamaCppSettings, ModelFile
from hone_generator.providers.ollama import OllamaProvider
from hone_generator.providers.ollama_hosts import parse_hosts
from hone_generator.providers.prices import read_prices
from hone_generator.routing import Router
from hone_generator.settings import GeneratorSettings
from hone_generator.teaching.desk import TeachingDesk
from hone_generator.validation import ValidationDesk


def create(
    settings: GeneratorSettings | None = None, providers: Mapping[str, Provider] | None = None
) -> Service:
    """``providers`` by the first word of a model reference; those that the settings name when not given."""
    settings, remote, gpu = settings or GeneratorSettings(), RemoteSettings(), GpuSettings()
    keys = Keys.from_environment(os.environ)
    service = Service("generator", settings, package="hone_generator", head="0001")
    cards = NvmlCards(gpu.card_names)
    room = Room(gpu, cards)
    files: dict[str, ModelFile] = {}
    known = dict(providers or {}) or _local_providers(settings, files, room) | remote_providers(remote, keys)
    price, tools = read_prices(remote.prices_file), Tools(MermaidParser())
    router = Router(RoutesWatcher.of(service), files, AllowedServers.parse(settings.allowed_model_servers))
    circuits = Circuits(time.monotonic, told=metrics.circuit)
    engine = Engine(known, tools, circuits, price)
    cancellations = Cancellations.of(service)
    handler = GenerationHandler(KINDS, router.resolve, engine, cancellations)
    evaluation = EvaluationHandler(
        KINDS, router.alone, engine, cancellations,
        settings.held_out_folders, settings.parallel_evaluation, settings.evaluation_limit_s,
    )  # fmt: skip
    chat = Chat(known, circuits, router.resolve_chat, price)
    chats = ChatService(chat, settings.parallel_chats, settings.graceful_timeout_s)

    @asynccontextmanager
    async def opened(running: Running) -> AsyncIterator[None]:
        router.start(running)
        yield
        for provider in known.values():
            await provider.aclose()
        await tools.mermaid.aclose()
        cards.close()

    service.resource(opened)
    service.works_on(GenerateArtifact, handler, parallel=settings.parallel_generations)
    service.works_on(EvaluateVersions, evaluation)
    service.resource(chats.listening)
    service.answers(ListChatModels, ChatModelList(known, router.routes, router.served))
    report = ProviderReport(known, cards, keys.secrets, routes=router.routes)
    service.answers(ValidateArtifact, ValidationDesk(KINDS, tools).check)
    service.answers(ListProviders, report.list_providers)
    _teach(service, TeachingDesk(KINDS))
    _lend_cards(service, Lending(room))
    service.announces(ArtifactGenerated, GenerationFailed, EvaluationCompleted, EvaluationFailed)
    return service


def _local_providers(
    settings: GeneratorSettings, files: dict[str, ModelFile], room: Room
) -> dict[str, Provider]:
    llamacpp = LlamaCppProvider(
        files,
        LlamaCppSettings(
            folders=settings.model_folders,
            threads=settings.llamacpp_threads,
            context_tokens=settings.llamacpp_context_tokens,
            idle_unload_s=settings.llamacpp_idle_unload_s,
        ),
    )
    return {"llamacpp": llamacpp, "ollama": OllamaProvider(parse_hosts(settings.ollama_host), room=room)}


def _teach(service: Service, desk: TeachingDesk) -> None:
    service.answers(RenderExamples, desk.render)
    service.answers(CompareArtifacts, desk.compare)


def _lend_cards(service: Service, lending: Lending) -> None:
    service.answers(RequestCard, lending.request)
    service.answers(RenewCard, lending.renew)
    service.answers(ReleaseCard, lending.release)
    service.background(lambda _running: lending.report())

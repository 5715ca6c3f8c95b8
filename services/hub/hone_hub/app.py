"""Wires the hub."""

from hone_chassis import Service, rpc
from hone_chassis.cancellations import Cancellations
from hone_contracts.deployment import DeploymentFailed, ModelDeployed
from hone_contracts.hub import (
    ConversionFailed,
    ConvertModel,
    FindWeights,
    InspectFile,
    ModelConverted,
    ReadPrompts,
    RequestCheckpoint,
    RequestConversion,
)
from hone_contracts.hub_models import (
    AdditionFailed,
    AddModel,
    ListAddedModels,
    ModelAdded,
    ModelReleased,
    ModelRemoved,
    ReleaseModel,
    RemovalFailed,
    RemoveModel,
)
from hone_contracts.huggingface import InspectRepository, MemoryPlace, SearchModels
from hone_contracts.training import TrainingCompleted
from hone_hub.adding.additions import Additions, Disk
from hone_hub.adding.budget import ollama_folder
from hone_hub.adding.files import ModelFiles
from hone_hub.adding.holding import Holding
from hone_hub.adding.listing import Listing
from hone_hub.adding.looking import Looking
from hone_hub.adding.removals import Removals
from hone_hub.adding.tidying import Sweep
from hone_hub.adding.used import Tidying
from hone_hub.deploy.deployments import Deployments
from hone_hub.deploy.embedded import EmbeddedWeights
from hone_hub.deploy.files import VersionFiles
from hone_hub.deploy.models.deployer import ModelDeployer
from hone_hub.deploy.ollama.base_weights import BaseWeights
from hone_hub.deploy.ollama.everywhere import Hosts
from hone_hub.deploy.ollama.examples import OllamaExamples
from hone_hub.deploy.ollama.weights import OllamaWeights
from hone_hub.deploy.prompts import PromptsPassThrough
from hone_hub.deploy.proven_files import ProvenFiles
from hone_hub.deploy.proving import Proving
from hone_hub.downloads.downloads import Downloads
from hone_hub.file_roots import FileRoots
from hone_hub.handlers import Conversions, Inspections
from hone_hub.huggingface.places import places
from hone_hub.huggingface.repository import Repositories
from hone_hub.settings import HubSettings
from hone_hub.training.checkpoints import Checkpoints, Shelf
from hone_hub.training.conversions import FolderConversions
from hone_hub.training.errands import Errands
from hone_hub.training.prompts import EnginePrompts

HEAD = "0002"


def create(settings: HubSettings | None = None) -> Service:
    settings = settings or HubSettings()
    service = Service("hub", settings, package="hone_hub", head=HEAD)
    roots, cancellations = FileRoots(settings.file_roots), Cancellations.of(service)
    conversions = Conversions(roots, cancellations)
    inspections = Inspections(roots, settings.inspect_limit_s)
    deployments = _deployments(settings, cancellations)
    service.works_on(ConvertModel, conversions.convert, parallel=settings.parallel_conversions)
    service.works_on(TrainingCompleted, deployments.deploy, parallel=settings.parallel_deployments)
    service.answers(InspectFile, inspections.inspect)
    service.answers(FindWeights, BaseWeights(Hosts(settings.ollama_host, settings.proof_limit_s)).find)
    service.announces(ModelConverted, ConversionFailed, ModelDeployed, DeploymentFailed)
    _models(service, settings, cancellations)
    _training(service, settings)
    return service


def _models(service: Service, settings: HubSettings, cancellations: Cancellations) -> None:
    """Models that people look for, add and remove."""

    async def where() -> tuple[MemoryPlace, ...]:
        return await places(service.running.client)

    async def release(question: ReleaseModel) -> ModelReleased:
        return await rpc.ask(service.running.client, ReleaseModel.subject, question, ModelReleased)

    repositories = Repositories(settings.hub_access, where, settings.hub_limit_s)
    service.answers(SearchModels, repositories.search)
    service.answers(InspectRepository, repositories.report)
    service.answers(ListAddedModels, Listing(service.database).models)

    disk = Disk(
        downloads=settings.data_dir / "hub" / "downloads",
        converted=settings.data_dir / "hub" / "converted",
        models=settings.data_dir / "models",
        ollama=ollama_folder(settings.ollama_host),
        spare_bytes=settings.spare_disk_bytes,
        keep_downloads=settings.keep_downloads,
    )
    downloads = Downloads(
        disk.downloads,
        settings.hub_access,
        parallel_files=settings.parallel_files,
        spare_bytes=settings.spare_disk_bytes,
    )
    holding = Holding()
    hosts = Hosts(settings.ollama_host, settings.proof_limit_s)
    deployer = ModelDeployer(disk.models, hosts, settings.proof_limit_s)
    tidying = Tidying(disk.converted, downloads, holding)
    sweep = Sweep(service.database, tidying)
    additions = Additions(
        database=service.database,
        roots=FileRoots((*settings.file_roots, settings.data_dir)),
        # A job can wait longer than a person who asks.
        looking=Looking(Repositories(settings.hub_access, where, 3 * settings.hub_limit_s), where),
        files=ModelFiles(disk.converted, downloads, holding),
        deployer=deployer,
        disk=disk,
        holding=holding,
        sweep=sweep,
        cancellations=cancellations,
        max_deliver=settings.max_deliver,
    )
    removals = Removals(
        database=service.database,
        release=release,
        deployer=deployer,
        tidying=tidying,
        holding=holding,
        cancellations=cancellations,
        max_deliver=settings.max_deliver,
    )
    service.works_on(AddModel, additions.add, parallel=settings.parallel_additions)
    service.works_on(RemoveModel, removals.remove)
    service.background(sweep.keep_sweeping)
    service.announces(ModelAdded, AdditionFailed, ModelRemoved, RemovalFailed)


def _training(service: Service, settings: HubSettings) -> None:
    """What the trainer needs: weights to begin with, files of what it made, the engine's view of a prompt."""

    async def nowhere() -> tuple[MemoryPlace, ...]:
        return ()  # what is trained is not what is served

    errands = Errands()
    roots = FileRoots((*settings.file_roots, *settings.model_folders, settings.data_dir))
    folder = settings.data_dir / "hub" / "checkpoints"
    downloads = Downloads(
        folder,
        settings.hub_access,
        parallel_files=settings.parallel_files,
        spare_bytes=settings.spare_disk_bytes,
    )
    checkpoints = Checkpoints(
        database=service.database,
        given=FileRoots(settings.file_roots),
        added=FileRoots((*settings.file_roots, settings.data_dir)),
        repositories=Repositories(settings.hub_access, nowhere, 3 * settings.hub_limit_s),
        shelf=Shelf(folder, downloads, settings.checkpoints_kept_days),
        errands=errands,
    )
    conversions = FolderConversions(roots, errands, settings.parallel_conversions)
    service.answers(RequestCheckpoint, checkpoints.find)
    service.answers(RequestConversion, conversions.convert)
    prompts = EnginePrompts(roots, errands, settings.proof_limit_s, settings.inspect_limit_s)
    service.answers(ReadPrompts, prompts.read)
    service.background(errands.keep)
    service.background(checkpoints.keep_sweeping)


def _deployments(settings: HubSettings, cancellations: Cancellations) -> Deployments:
    # What the trainer made, and the models that versions are of, lie among Hone's own data.
    roots = FileRoots((*settings.file_roots, *settings.model_folders, settings.data_dir))
    proving = Proving(roots, settings.proof_limit_s)
    files = ProvenFiles(VersionFiles(settings.data_dir / "models", roots), proving)
    hosts = Hosts(settings.ollama_host, settings.proof_limit_s)
    return Deployments(
        weights={
            "llamacpp": EmbeddedWeights(files),
            "ollama": OllamaWeights(files, hosts, settings.proof_limit_s),
        },
        prompts={"": PromptsPassThrough(), "ollama": OllamaExamples(hosts)},
        cancellations=cancellations,
        max_deliver=settings.max_deliver,
    )

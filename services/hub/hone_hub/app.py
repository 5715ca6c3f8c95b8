"""Wires the hub."""

from hone_chassis import Service
from hone_chassis.cancellations import Cancellations
from hone_contracts.deployment import DeploymentFailed, ModelDeployed
from hone_contracts.hub import ConversionFailed, ConvertModel, FindWeights, InspectFile, ModelConverted
from hone_contracts.training import TrainingCompleted
from hone_hub.deploy.deployments import Deployments
from hone_hub.deploy.embedded import EmbeddedWeights
from hone_hub.deploy.files import VersionFiles
from hone_hub.deploy.ollama.base_weights import BaseWeights
from hone_hub.deploy.ollama.everywhere import Hosts
from hone_hub.deploy.ollama.examples import OllamaExamples
from hone_hub.deploy.ollama.weights import OllamaWeights
from hone_hub.deploy.prompts import PromptsPassThrough
from hone_hub.deploy.proven_files import ProvenFiles
from hone_hub.deploy.proving import Proving
from hone_hub.file_roots import FileRoots
from hone_hub.handlers import Conversions, Inspections
from hone_hub.settings import HubSettings

HEAD = "0001"


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
    return service


def _deployments(settings: HubSettings, cancellations: Cancellations) -> Deployments:
    # What the trainer made, and the models that versions are of, lie among Hone's own data.
    roots = FileRoots((*settings.file_roots, *settings.model_folders, settings.data_dir))
    proving = Proving(roots, settings.proof_limit_s)
    files = ProvenFiles(VersionFiles(settings.data_dir / "models", roots), proving)
    hosts = Hosts(settings.ollama_host, settings.proof_limit_s)
    return Deployments(
        weights={"llamacpp": EmbeddedWeights(files), "ollama": OllamaWeights(files, hosts)},
        prompts={"": PromptsPassThrough(), "ollama": OllamaExamples(hosts)},
        cancellations=cancellations,
        max_deliver=settings.max_deliver,
    )

"""Works on ``AddModel``: the whole way from a name to a model that answers, as one job."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import Outcome, ProgressPublisher, Transient
from hone_chassis.cancellations import Cancellations, JobWasCancelled
from hone_chassis.database import Database, then
from hone_chassis.logs import get_logger
from hone_chassis.tables import utc_now
from hone_contracts.hub_models import (
    AddedModel,
    AdditionFailed,
    AddModel,
    Destination,
    ModelAdded,
    ModelSource,
)
from hone_contracts.models import ModelRef
from hone_hub.adding import budget, sources
from hone_hub.adding.errors import BadChoice, NameTaken, NoOllama
from hone_hub.adding.files import ModelFiles, Ready, used_by
from hone_hub.adding.holding import Holding
from hone_hub.adding.looking import Looked, Looking
from hone_hub.adding.sources import LibraryName, LocalFile, LocalFolder, Repository
from hone_hub.adding.tables import AddedModelRow
from hone_hub.adding.tidying import Sweep
from hone_hub.adding.used import Used
from hone_hub.converting import steps_to
from hone_hub.deploy.models.deployer import ModelDeployer
from hone_hub.deploy.models.order import DeployOrder, Placed
from hone_hub.error_bodies import body_of
from hone_hub.errors import HubError
from hone_hub.file_roots import FileRoots
from hone_hub.refusals import Refused
from hone_hub.work import Step
from hone_hub.worker_process import OnStep

log = get_logger(__name__)

_MOST_WARNINGS, _LONGEST_WARNING_CHARS = 50, 500  # they are a stranger's, and go over the bus


@dataclass(frozen=True)
class Disk:
    """Where what is added is written, and how much of it stays free. ``ollama``: where a server on this machine keeps
    its models."""

    downloads: Path
    converted: Path
    models: Path
    ollama: Path | None
    spare_bytes: int
    keep_downloads: bool


class Additions:
    def __init__(
        self,
        *,
        database: Database,
        roots: FileRoots,
        looking: Looking,
        files: ModelFiles,
        deployer: ModelDeployer,
        disk: Disk,
        holding: Holding,
        sweep: Sweep,
        cancellations: Cancellations,
        max_deliver: int,
    ) -> None:
        self._database, self._roots, self._looking, self._files = database, roots, looking, files
        self._deployer, self._disk, self._holding, self._sweep = deployer, disk, holding, sweep
        self._cancellations, self._max_deliver = cancellations, max_deliver

    async def add(self, order: AddModel, progress: ProgressPublisher) -> Outcome:
        try:
            async with self._cancellations.interruptible(order.correlation_id):
                return await self._added(order, steps_to(progress))
        except JobWasCancelled:
            return Outcome()
        except HubError as error:
            why = body_of(error)
        except Refused as refused:
            why = refused.body()
        if why.transient and progress.attempt < self._max_deliver:
            raise Transient(why.code, why.title, why.detail, why.status, why.fields)
        return Outcome([AdditionFailed.caused_by(order, error=why)])

    async def _added(self, order: AddModel, tell: OnStep) -> Outcome:
        await tell(Step(stage="look", message=order.source[:200], done=0, total=0))
        source = sources.read(order.source, self._roots)
        if isinstance(source, LibraryName):
            return await self._from_library(source, order, tell)
        looked = await self._look(source, order, tell)
        async with self._holding.alone(("name", order.tenant, looked.name)):
            with self._holding.used(*used_by(looked).keys):
                before = await self._before(looked.name, looked.source, order)
                destinations = await self._destinations(order, before)
                _check_importable(looked, destinations)
                self._check_disk(looked, destinations)
                ready = await self._files.ready(looked, tell)
                wanted = _deploy_order(order, looked.name, ready, before)
                placed = await self._place(wanted, destinations, before, tell)
            return self._outcome(order, *self._recorded(looked, ready, placed))

    async def _look(
        self, source: Repository | LocalFile | LocalFolder, order: AddModel, tell: OnStep
    ) -> Looked:
        if isinstance(source, Repository):
            return await self._looking.repository(source, order)
        if order.revision is not None:
            raise BadChoice("only a repository has revisions", "leave --revision away")
        if isinstance(source, LocalFile):
            return await self._looking.file(source, order, tell)
        return await self._looking.folder(source, order)

    async def _from_library(self, source: LibraryName, order: AddModel, tell: OnStep) -> Outcome:
        """Ollama fetches, checks and keeps it; what we know of it is what Ollama tells."""
        if order.destinations not in (None, ("ollama",)):
            raise BadChoice(
                f"{source.name} is Ollama's, and Ollama alone serves it",
                "leave --to away, or name a repository",
            )
        if order.quant != "auto" or order.revision is not None:
            raise BadChoice(
                "a name of Ollama's library tells its quantization", "name the tag, as in qwen3:8b-q8_0"
            )
        name = order.name or source.name
        told = ModelSource(kind="ollama", repository=source.name)
        async with self._holding.alone(("name", order.tenant, name)):
            before = await self._before(name, told, order)
            placed = await self._deployer.pull(source.name, _deploy_order(order, name, None, before), tell)
            model = AddedModel(
                name=name,
                references=(placed.reference,),
                source=told,
                sha256=placed.sha256,
                size_bytes=placed.size_bytes,
                proof={"ollama": placed.proof},
                added_at=utc_now(),
            )
            return self._outcome(order, model, Used())

    async def _before(self, name: str, source: ModelSource, order: AddModel) -> AddedModel | None:
        """The same model, perhaps at another revision, or what shall make way. Raises NameTaken."""
        async with self._database.read() as session:
            row = await session.get(AddedModelRow, (order.tenant, name))
        if row is None:
            return None
        was = row.told
        same = (was.source.kind, was.source.repository) == (source.kind, source.repository)
        if not same and not order.replace:
            raise NameTaken(name, was.source.repository)
        return was

    async def _destinations(self, order: AddModel, before: AddedModel | None) -> tuple[Destination, ...]:
        """Where the model shall be, and wherever one of its name is already: routes may name it."""
        wanted = order.destinations
        if wanted is None:
            wanted = await self._deployer.destinations()
        elif "ollama" in wanted and "ollama" not in await self._deployer.destinations():
            raise NoOllama  # before anything is downloaded for it
        there = {ModelRef.parse(each).provider for each in (before.references if before else ())}
        known: tuple[Destination, ...] = ("ollama", "llamacpp")
        return tuple(each for each in known if each in wanted or each in there)

    def _check_disk(self, looked: Looked, destinations: Sequence[Destination]) -> None:
        """Raises NotEnoughDisk."""
        disk = self._disk
        writings = [
            budget.Writing(disk.downloads, budget.missing_bytes(disk.downloads, looked.wanted)),
            budget.Writing(disk.converted, 0 if self._files.is_converted(looked) else looked.convert_bytes),
        ]
        if "ollama" in destinations and disk.ollama is not None:
            writings.append(budget.Writing(disk.ollama, looked.served_bytes))
        if "llamacpp" in destinations and looked.files:
            writings.append(
                budget.Writing(disk.models, looked.served_bytes)
            )  # a copy, unless it can be linked
        budget.check(writings, disk.spare_bytes)

    async def _place(
        self,
        wanted: DeployOrder,
        destinations: Sequence[Destination],
        before: AddedModel | None,
        tell: OnStep,
    ) -> list[Placed]:
        """At all destinations or, but for what was there before, at none."""
        placed: list[Placed] = []
        try:
            for destination in destinations:
                placed.append(await self._deployer.deploy(wanted, destination, tell))  # noqa: PERF401 (see below)
        except BaseException:
            for each in placed:
                if before is None or each.reference not in before.references:
                    await self._take_away(each.reference)
            raise
        return placed

    async def _take_away(self, reference: str) -> None:
        """Also while the job is being cancelled: that comes as one interruption, not as many."""
        try:
            await self._deployer.remove(reference)
        except HubError as error:
            log.warning("a model could not be taken away again", reference=reference, error=str(error))

    def _recorded(self, looked: Looked, ready: Ready, placed: Sequence[Placed]) -> tuple[AddedModel, Used]:
        found, file = ready.inspected, ready.file
        in_process = next((each.uri for each in placed if each.uri), "")
        used = ready.used
        if self._disk.keep_downloads or not placed:
            kept = {"keep_converted": bool(used.converted), "keep_download": not used.converted}
            used = used.model_copy(update=kept)
        stays = used.keep_download or used.keep_converted or bool(looked.files)
        model = AddedModel(
            name=looked.name,
            references=tuple(each.reference for each in placed),
            source=looked.source,
            licence=looked.licence,
            architecture=found.architecture,
            parameters=found.parameters,
            quant=looked.quant or found.quant,
            context_tokens=found.context_tokens,
            uri=in_process or (file.path.as_uri() if file and stays else ""),
            sha256=file.sha256 if file else next((each.sha256 for each in placed), ""),
            size_bytes=file.total_bytes if file else next((each.size_bytes for each in placed), 0),
            memory=looked.memory or found.memory,
            template_sha256=found.template_sha256,
            proof={ModelRef.parse(each.reference).provider: each.proof for each in placed},
            warnings=_bounded(*looked.warnings, *found.warnings),
            added_at=utc_now(),
        )
        return model, used

    def _outcome(self, order: AddModel, model: AddedModel, used: Used) -> Outcome:
        row = AddedModelRow(
            tenant=order.tenant,
            name=model.name,
            job_id=order.correlation_id,
            model=model.model_dump(mode="json"),
            used=used.model_dump(mode="json"),
            tidy=not used.keys,
            added_at=model.added_at,
        )

        async def write(session: AsyncSession) -> None:
            await session.merge(row)
            then(session, self._sweep.soon)

        return Outcome([ModelAdded.caused_by(order, model=model)], write)


def _bounded(*warnings: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each[:_LONGEST_WARNING_CHARS] for each in warnings))[:_MOST_WARNINGS]


def _check_importable(looked: Looked, destinations: Sequence[Destination]) -> None:
    """Raises BadChoice."""
    if looked.imported and "llamacpp" in destinations:
        raise BadChoice(
            f"{looked.name} is of an architecture that Ollama alone makes models of",
            "start Ollama and add it with --to ollama, or look for a GGUF of it",
        )


def _as_ollama_says(quant: str | None) -> str | None:
    """None for weights that stay as they are."""
    return None if quant in (None, "F16") else str(quant).lower()


def _deploy_order(order: AddModel, name: str, ready: Ready | None, before: AddedModel | None) -> DeployOrder:
    return DeployOrder(
        job=order.correlation_id,
        name=name,
        file=None if ready is None else ready.file,
        folder=None if ready is None else ready.folder,
        quant=None if ready is None or ready.folder is None else _as_ollama_says(ready.inspected.quant),
        context_tokens=order.context_tokens,
        template=order.template,
        replace=order.replace or before is not None,
    )

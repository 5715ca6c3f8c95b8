"""What the hub does with the messages it gets."""

from hone_chassis import Outcome, ProgressPublisher
from hone_chassis.cancellations import Cancellations, JobWasCancelled
from hone_contracts.hub import ConversionFailed, ConvertModel, FileReport, InspectFile, ModelConverted
from hone_hub import worker_process
from hone_hub.converting import converted, steps_to
from hone_hub.errors import HubError, TargetNotGGUF
from hone_hub.file_roots import FileRoots
from hone_hub.refusals import Refused
from hone_hub.work import ConvertWork, InspectWork


class Conversions:
    """Works on ``ConvertModel``."""

    def __init__(self, roots: FileRoots, cancellations: Cancellations) -> None:
        self._roots, self._cancellations = roots, cancellations

    async def convert(self, message: ConvertModel, progress: ProgressPublisher) -> Outcome:
        try:
            async with self._cancellations.interruptible(message.correlation_id):
                return Outcome([await self._convert(message, progress)])
        except JobWasCancelled:
            return Outcome()
        except Refused as refused:
            return Outcome([ConversionFailed.caused_by(message, error=refused.body())])

    async def _convert(self, message: ConvertModel, progress: ProgressPublisher) -> ModelConverted:
        work = self._work(message)
        report = await converted(work, steps_to(progress))
        return ModelConverted.caused_by(
            message,
            target_uri=work.target.as_uri(),
            sha256=report.pop("sha256"),
            size_bytes=report["size_bytes"],
            report=report,
        )

    def _work(self, message: ConvertModel) -> ConvertWork:
        """Raises Refused."""
        try:
            source, target = self._roots.path_of(message.source_uri), self._roots.path_of(message.target_uri)
            if target.suffix.lower() != ".gguf":
                raise TargetNotGGUF(target)
        except HubError as error:
            raise Refused.because(error) from error
        return ConvertWork(
            source=source, target=target, quantization=message.quantization, overwrite=message.overwrite
        )


class Inspections:
    """Answers ``InspectFile``."""

    def __init__(self, roots: FileRoots, limit_s: float) -> None:
        self._roots, self._limit_s = roots, limit_s

    async def inspect(self, question: InspectFile) -> FileReport:
        """Raises Refused. A file that can be read and makes no sense gets a report with its problems."""
        try:
            path = self._roots.path_of(question.uri)
        except HubError as error:
            raise Refused.because(error) from error
        return FileReport(report=await worker_process.run_within(self._limit_s, InspectWork(path=path)))

"""Wires the hub."""

from hone_chassis import Service
from hone_chassis.cancellations import Cancellations
from hone_contracts.hub import ConversionFailed, ConvertModel, InspectFile, ModelConverted
from hone_hub.file_roots import FileRoots
from hone_hub.handlers import Conversions, Inspections
from hone_hub.settings import HubSettings

HEAD = "0001"


def create(settings: HubSettings | None = None) -> Service:
    settings = settings or HubSettings()
    service = Service("hub", settings, package="hone_hub", head=HEAD)
    roots = FileRoots(settings.file_roots)
    conversions = Conversions(roots, Cancellations.of(service))
    inspections = Inspections(roots, settings.inspect_limit_s)
    service.works_on(ConvertModel, conversions.convert, parallel=settings.parallel_conversions)
    service.answers(InspectFile, inspections.inspect)
    service.announces(ModelConverted, ConversionFailed)
    return service

"""Wires the trainer's coordinator."""

from hone_chassis import Service, ServiceSettings
from hone_contracts.training import CheckTraining
from hone_trainer.training import TrainingDesk

HEAD = "0001"


def create(settings: ServiceSettings | None = None) -> Service:
    service = Service("trainer", settings or ServiceSettings(), package="hone_trainer", head=HEAD)
    service.answers(CheckTraining, TrainingDesk().check)
    return service

"""What everyone is told when something was decided about a version."""

from collections.abc import Mapping, Sequence
from typing import Any

from hone_contracts.evaluation import Verdict, VersionJudged
from hone_contracts.ids import new_id
from hone_contracts.messages import Message
from hone_registry.seats import Seats
from hone_registry.tables import VersionRow


def judged(
    seats: Seats,
    version: VersionRow,
    verdict: Verdict,
    reasons: Sequence[str],
    *,
    figures: Mapping[str, Any] | None = None,
    cause: Message | None = None,
) -> VersionJudged:
    """It belongs to the run that made the version; one that no run made gets a job of its own."""
    return VersionJudged.model_validate(
        {
            "correlation_id": version.run_id or new_id("job"),
            "causation_id": cause and cause.message_id,
            "tenant": seats.model.tenant,
            "artifact_type": seats.artifact_type,
            "model": seats.model.name,
            "version": version.version,
            "name": version.name,
            "verdict": verdict,
            "reasons": tuple(reasons),
            "figures": dict(figures or {}),
        }
    )

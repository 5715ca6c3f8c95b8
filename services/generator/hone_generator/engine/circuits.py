"""A circuit for each model of each provider: after repeated trouble it opens, and nobody waits for that model.

``closed`` → ``open`` after ``failures_to_open`` transport failures in a row, or at once where the provider says how
long it wants to be left alone. When that time is over, one request is let through as a probe (half-open): its success
closes the circuit, its failure opens it for twice as long. Pure: the clock comes from outside.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hone_generator.engine.budget import Now

_MOST_MODELS = 1000  # requests may name any model; those least recently used are forgotten


class State(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    times_opened: int = 0
    open_until: float | None = None
    probing: bool = False


class CircuitOpen(Exception):
    """The model is left alone for ``for_s`` more seconds; at 0, another request is probing it right now."""

    code = "circuit_open"

    def __init__(self, model: str, for_s: float) -> None:
        when = f"it is tried again in {for_s:.0f} s" if for_s > 0 else "another request is trying it"
        super().__init__(f"{model} failed repeatedly and is left alone; {when}")
        self.for_s = for_s


class Circuits:
    """All circuits of this process. ``told`` hears of each change of state."""

    def __init__(
        self,
        now: Now,
        *,
        failures_to_open: int = 3,
        open_s: float = 15.0,
        most_open_s: float = 300.0,
        told: Callable[[str, State], None] = lambda _model, _state: None,
    ) -> None:
        self._now, self._failures_to_open = now, failures_to_open
        self._open_s, self._most_open_s, self._told = open_s, most_open_s, told
        self._circuits: OrderedDict[str, _Circuit] = OrderedDict()

    def state(self, model: str) -> State:
        circuit = self._circuits.get(model)
        if circuit is None or circuit.open_until is None:
            return State.CLOSED
        return State.OPEN if circuit.open_until > self._now() and not circuit.probing else State.HALF_OPEN

    def admit(self, model: str) -> "Permit":
        """Who is let in says with the permit how it went: ``succeeded``, ``failed`` or ``released``.

        Raises CircuitOpen.
        """
        circuit = self._circuits.get(model)
        if circuit is None or circuit.open_until is None:
            return Permit(model)
        left_s = circuit.open_until - self._now()
        if left_s > 0 or circuit.probing:
            raise CircuitOpen(model, max(0.0, left_s))
        circuit.probing = True
        self._told(model, State.HALF_OPEN)
        return Permit(model, probe=True)

    def succeeded(self, permit: "Permit") -> None:
        """The model was reached."""
        circuit = self._circuits.pop(permit.model, None)
        if circuit is not None and circuit.open_until is not None:
            self._told(permit.model, State.CLOSED)

    def failed(self, permit: "Permit", retry_after_s: float | None = None) -> None:
        """It was not, or asks to be left alone for ``retry_after_s``."""
        circuit = self._circuits.setdefault(permit.model, _Circuit())
        self._circuits.move_to_end(permit.model)
        circuit.failures += 1
        if permit.probe:
            circuit.probing = False
        if retry_after_s is not None:
            self._open(permit.model, circuit, min(retry_after_s, self._most_open_s))
        elif permit.probe or (circuit.open_until is None and circuit.failures >= self._failures_to_open):
            # Requests that were under way when it opened fail too, and say nothing new.
            circuit.times_opened += 1
            longer = self._open_s * 2 ** min(circuit.times_opened - 1, 10)
            self._open(permit.model, circuit, min(longer, self._most_open_s))
        while len(self._circuits) > _MOST_MODELS:
            self._circuits.popitem(last=False)

    def released(self, permit: "Permit") -> None:
        """Neither: the request was cancelled, or ran out of its own time. Another may probe."""
        circuit = self._circuits.get(permit.model)
        if circuit is not None and permit.probe:
            circuit.probing = False

    def _open(self, model: str, circuit: _Circuit, for_s: float) -> None:
        circuit.open_until = max(circuit.open_until or 0.0, self._now() + for_s)
        self._told(model, State.OPEN)


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to ask a model. The holder of a ``probe`` decides for all."""

    model: str
    probe: bool = False

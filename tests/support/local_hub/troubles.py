"""What may go wrong at a hub."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class Trouble:
    """Of one file, or of all that is asked of a repository (``path`` None). ``times`` None is always.

    ``status``: this is answered instead (429 with ``retry_after_s``, 500 ...). ``bytes_per_s``: it is slow.
    ``cut_after``: the connection breaks after so many bytes of an answer. ``wrong_digest``: other bytes than the hub
    says, of the same length. ``wrong_length``: so many bytes more (or fewer) than it says. ``no_ranges``: ranges are
    answered with everything. ``hang_s``: nothing happens for so long. ``redirect``: it is sent there.
    ``endless``: it says no length, and sends until the client hangs up.
    """

    status: int | None = None
    retry_after_s: float | None = None
    error_code: str | None = None
    bytes_per_s: float | None = None
    cut_after: int | None = None
    wrong_digest: bool = False
    wrong_length: int = 0
    no_ranges: bool = False
    hang_s: float = 0.0
    redirect: str | None = None
    endless: bool = False
    times: int | None = None
    met: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def meet(self) -> bool:
        """Whether it happens now; counts."""
        with self._lock:
            if self.times is not None and self.met >= self.times:
                return False
            self.met += 1
            return True

"""What the hub's two small command lines share: one-line errors and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable

from .errors import HubError


def run(main: Callable[[], int]) -> int:
    """Calls `main` and turns what it raises into one line and an exit code: 1 failed, 3 not found."""
    try:
        return main()
    except HubError as error:
        line = " ".join(str(error).split())
        sys.stderr.write(f"error: {line}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted; nothing was left behind\n")
        return 1

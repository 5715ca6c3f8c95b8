"""Run a command that dies with its parent: ``python pdeathsig.py PARENT_PID COMMAND …``.

Linux keeps the setting across exec, so nothing has to run between the fork and the exec of a threaded process.
Elsewhere the command is run as it is, and ends when its stdin closes.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with(parent_pid: int) -> None:
    """SIGKILL this process when the parent ends, also when it already has."""
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415 (only here is it of use)

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 (that is what it is for)

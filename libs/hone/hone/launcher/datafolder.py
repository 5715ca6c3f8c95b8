"""The data folder: where things lie, who holds it, and what the last `hone up` wrote down about itself.

DATA/run/lock          flock held while anything of a `hone up` lives; its text is the supervisor's pid
DATA/run/hone.json     `RunState`
DATA/keys/admin.key    the first API key
DATA/nats, DATA/logs   NATS's store, one log a process
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hone.launcher.errors import AlreadyRunning, DataFolderUnusable


def default_data_folder() -> Path:
    if named := os.environ.get("HONE_DATA_DIR"):
        return Path(named).expanduser().absolute()
    import platformdirs  # noqa: PLC0415 - most commands never need it

    return platformdirs.user_data_path("hone", appauthor=False)


@dataclass(frozen=True)
class DataFolder:
    root: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def nats(self) -> Path:
        return self.root / "nats"

    @property
    def lock_file(self) -> Path:
        return self.run / "lock"

    @property
    def state_file(self) -> Path:
        return self.run / "hone.json"

    @property
    def admin_key_file(self) -> Path:
        return self.root / "keys" / "admin.key"

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def create(self) -> None:
        """Make the folders, readable by their owner alone: keys and databases lie in them."""
        try:
            for folder in (self.root, self.run, self.logs, self.nats, self.admin_key_file.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if not os.access(folder, os.W_OK | os.X_OK):
                    raise DataFolderUnusable(self.root, f"{folder} is not writable")
        except OSError as error:
            raise DataFolderUnusable(self.root, f"{error.strerror}: {error.filename}") from error

    def admin_key(self) -> str:
        """The admin's API key; made at the first call."""
        existing = self.read_admin_key()
        if existing:
            return existing
        key = f"hone_{secrets.token_urlsafe(32)}"
        write_private(self.admin_key_file, key + "\n")
        return key

    def read_admin_key(self) -> str | None:
        try:
            return self.admin_key_file.read_text("utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def lock(self) -> int:
        """Hold the folder; returns the descriptor that keeps it held.

        After a SIGKILL of the supervisor its guard empties the lock file and holds the lock until every process is
        gone; that is waited for, and so, briefly, is a `hone status` that looks at this very moment.
        """
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        started = time.monotonic()
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                patience_s = 0.3 if self.holder() else 5
                if time.monotonic() > started + patience_s:
                    os.close(descriptor)
                    raise AlreadyRunning(self.root, self.holder()) from None
                time.sleep(0.02)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return descriptor

    def is_held(self) -> bool:
        """Whether a `hone up` lives on this folder; pids lie, the lock does not."""
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def holder(self) -> int | None:
        """The pid in the lock file; meaningful only while the lock is held."""
        try:
            return int(self.lock_file.read_text("ascii"))
        except (OSError, ValueError):
            return None

    def write_state(self, state: RunState) -> None:
        write_private(self.state_file, json.dumps(asdict(state), indent=2) + "\n")

    def read_state(self) -> RunState | None:
        """What the last `hone up` wrote; it may be dead since."""
        try:
            return RunState(**json.loads(self.state_file.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def running_state(self) -> RunState | None:
        return self.read_state() if self.is_held() else None


@dataclass
class RunState:
    """DATA/run/hone.json. `nats` holds pid, port and url (with its password, hence mode 0600)."""

    pid: int
    version: str
    started_at: str
    url: str
    data: str
    key_file: str
    logs: str
    nats: dict[str, Any] = field(default_factory=dict)
    # name → {"pid", "port", "state": starting|ready|restarting|stopped, "restarts"}
    services: dict[str, dict[str, Any]] = field(default_factory=dict)


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, for its owner's eyes only."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)

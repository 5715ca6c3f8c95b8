"""`hone up` with stand-in services and a real nats-server, in processes of their own."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.errors import Error as NatsError

HERE = Path(__file__).parent
TWO = {"gateway": "ok", "generator": "ok"}


def until(condition: Callable[[], Any], within_s: float = 60) -> Any:
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return value


def stat_of(pid: int) -> list[str]:
    """/proc/PID/stat from the third field (state) on; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(pid: int) -> bool:
    return stat_of(pid)[:1] not in ([], ["Z"])


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def ask(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url + "/health/ready", timeout=60) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


@dataclass
class Machine:
    """A data folder, and `hone` commands on it."""

    data: Path
    services: dict[str, str] = field(default_factory=lambda: dict(TWO))
    plan: dict[str, Any] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        paths = [str(HERE), str(HERE.parent)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HONE_DATA_DIR": str(self.data)}
        for name in ("HONE_URL", "HONE_API_KEY"):
            environment.pop(name, None)
        plan = json.dumps({"services": self.services, **self.plan})
        process = subprocess.Popen(
            [sys.executable, str(HERE / "stand_in_up.py"), plan, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def hone(self, *arguments: str) -> tuple[int, str, str]:
        process = self.popen(*arguments)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def up(self, *arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        """In the foreground; returns when it is ready, with the document it prints."""
        process = self.popen("up", "--port", "0", "--json", *arguments)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            pytest.fail(f"did not start: {process.communicate()[1]}")
        return process, json.loads(line)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.data / "run" / "hone.json").read_text())
        return state

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.state()['services'][service]['port']}"

    def log(self, name: str = "hone") -> str:
        return (self.data / "logs" / f"{name}.log").read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "data folder")  # with a space, as on a Mac
    yield made
    for process in made.started:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    made.hone("down")


def tree_of(state: dict[str, Any]) -> list[int]:
    return [state["nats"]["pid"], *(service["pid"] for service in state["services"].values())]


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


async def test_a_killed_nats_comes_back_on_the_same_port_and_clients_reconnect(machine: Machine) -> None:
    _, ready = machine.up()
    client = await nats.connect(ready["nats"]["url"], max_reconnect_attempts=-1, reconnect_time_wait=0.05)
    os.kill(ready["nats"]["pid"], signal.SIGKILL)
    until(lambda: machine.state()["nats"]["pid"] not in (None, ready["nats"]["pid"]))
    assert machine.state()["nats"]["port"] == ready["nats"]["port"]
    received = await client.subscribe("greeting")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        await client.publish("greeting", b"hello")
        try:
            assert (await received.next_msg(timeout=0.2)).data == b"hello"
            break
        except TimeoutError:
            continue
    else:
        pytest.fail("the client did not reconnect")
    await client.close()


def test_sigkill_leaves_no_orphans_and_the_next_start_works(machine: Machine) -> None:
    machine.services["generator"] = "fertile"
    process, ready = machine.up()
    own_child = ask(machine.url("generator"))["child"]
    everything = [*tree_of(ready), own_child]
    assert all(alive(pid) for pid in everything)
    process.kill()
    process.wait()
    until(lambda: not any(alive(pid) for pid in everything))
    _, again = machine.up("--port", str(ready["services"]["gateway"]["port"]))
    assert again["url"] == ready["url"]


def test_a_killed_guard_is_replaced(machine: Machine) -> None:
    process, ready = machine.up()
    (guard,) = children_of(process.pid) - set(tree_of(ready))
    os.kill(guard, signal.SIGKILL)
    until(lambda: children_of(process.pid) - {guard, *tree_of(ready)})
    process.kill()
    process.wait()
    until(lambda: not any(alive(pid) for pid in tree_of(ready)))


def test_without_a_guard_the_kernel_ends_the_children(machine: Machine) -> None:
    process, ready = machine.up()
    (guard,) = children_of(process.pid) - set(tree_of(ready))
    process.send_signal(signal.SIGSTOP)  # so that it cannot replace the guard
    os.kill(guard, signal.SIGKILL)
    process.kill()
    process.wait()
    until(lambda: not any(alive(pid) for pid in tree_of(ready)))


def test_a_crashed_service_restarts_on_its_port(machine: Machine) -> None:
    _, ready = machine.up()
    url = machine.url("generator")
    first = ask(url)["pid"]
    os.kill(first, signal.SIGKILL)
    assert ask(url)["pid"] != first  # the connection waits in the queue meanwhile
    until(lambda: machine.state()["services"]["generator"]["state"] == "ready")
    assert machine.state()["services"]["generator"]["restarts"] == 1
    assert "generator was ended by SIGKILL; it starts again in" in machine.log()
    assert ask(ready["url"])["pid"] == ready["services"]["gateway"]["pid"]


def test_what_a_crashed_service_had_started_ends_with_it(machine: Machine) -> None:
    machine.services["generator"] = "fertile"
    machine.up()
    told = ask(machine.url("generator"))
    os.kill(told["pid"], signal.SIGKILL)
    until(lambda: not alive(told["child"]))


def test_a_service_that_keeps_crashing_is_given_up_and_the_others_keep_on(machine: Machine) -> None:
    _, ready = machine.up()
    url = machine.url("generator")
    for _ in range(3):  # the stand-in plan's limit
        pid = ask(url)["pid"]
        os.kill(pid, signal.SIGKILL)
        until(partial(_gone, pid))
    until(lambda: machine.state()["services"]["generator"]["state"] == "stopped")
    assert "generator was ended by SIGKILL, crash 3 in 60 s, and stays down" in machine.log()
    with pytest.raises(OSError, match="refused"):
        ask(url)
    assert ask(ready["url"])["pid"] == ready["services"]["gateway"]["pid"]
    code, out, _ = machine.hone("status", "--json")
    assert code == 1
    assert [service["ready"] for service in json.loads(out)["services"]] == [True, False]


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_gateway_first_and_everything_in_the_end(machine: Machine, number: int) -> None:
    process, ready = machine.up()
    process.send_signal(number)
    assert process.wait(60) == 0
    stopped = (machine.data / "stopped").read_text().split()
    assert stopped == [str(ready["services"][name]["pid"]) for name in ("gateway", "generator")]
    assert not any(alive(pid) for pid in tree_of(ready))
    assert not (machine.data / "run" / "hone.json").exists()
    assert "did not stop in time" not in machine.log()


def test_a_service_deaf_to_sigterm_is_killed_in_time(machine: Machine) -> None:
    machine.services["generator"] = "deaf"
    machine.plan["stop_timeout_s"] = 0.5
    process, ready = machine.up()
    process.terminate()
    assert process.wait(60) == 0
    assert "generator did not stop in time and was killed" in machine.log()
    assert not any(alive(pid) for pid in tree_of(ready))


def test_a_second_ctrl_c_does_not_wait(machine: Machine) -> None:
    machine.services["gateway"] = "deaf"
    machine.plan["stop_timeout_s"] = 600
    process, _ = machine.up()
    process.send_signal(signal.SIGINT)
    until(lambda: "stopping" in machine.log())
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def _gone(pid: int) -> bool:
    return not alive(pid)


def test_a_signal_while_starting_stops_what_was_started(machine: Machine) -> None:
    machine.services["generator"] = "ready-after:/nowhere"
    process = machine.popen("up", "--port", "0")
    until(lambda: (machine.data / "logs" / "hone.log").exists() and "gateway is ready" in machine.log())
    pids = tree_of(machine.state())
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert not any(pid and alive(pid) for pid in pids)


def test_detached_outlives_its_terminal_and_down_ends_it(machine: Machine) -> None:
    code, out, err = machine.hone("up", "--detach", "--port", "0", "--json")
    assert code == 0, err
    ready = json.loads(out)
    assert os.getsid(ready["pid"]) != os.getsid(0)
    assert stat_of(ready["pid"])[4] == "0"  # no terminal
    code, out, _ = machine.hone("status", "--json")
    assert code == 0
    report = json.loads(out)
    assert report["running"] is True
    assert [(s["name"], s["ready"]) for s in report["services"]] == [("gateway", True), ("generator", True)]
    code, _, err = machine.hone("down")
    assert code == 0
    assert f"process {ready['pid']}" in err
    assert not any(alive(pid) for pid in [ready["pid"], *tree_of(ready)])


def test_down_with_nothing_running_is_no_failure(machine: Machine) -> None:
    code, out, err = machine.hone("down")
    assert (code, out) == (0, "")
    assert "nothing runs on" in err
    assert json.loads(machine.hone("down", "--json")[1])["stopped"] is False


def test_status_with_nothing_running_is_unavailable(machine: Machine) -> None:
    code, out, err = machine.hone("status")
    assert (code, out) == (5, "")
    assert "start it with `hone up`" in err
    code, out, _ = machine.hone("status", "--json")
    assert code == 5
    assert json.loads(out)["running"] is False


def test_stale_state_of_a_killed_run_is_not_running(machine: Machine) -> None:
    process, ready = machine.up()
    process.kill()
    process.wait()
    until(lambda: not any(alive(pid) for pid in tree_of(ready)))
    assert machine.state()["pid"] == process.pid  # nobody was left to remove it
    until(lambda: machine.hone("status")[0] == 5)


def test_warnings_reach_the_terminal_in_the_foreground(machine: Machine) -> None:
    process, _ = machine.up()
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert any("[generator]" in line and "ok begins" in line for line in lines)


def test_a_left_behind_nats_is_ended_but_no_stranger(machine: Machine) -> None:
    _, ready = machine.up()
    arguments = Path(f"/proc/{ready['nats']['pid']}/cmdline").read_text().split("\0")[:-1]
    machine.hone("down")
    stranger = subprocess.Popen(["sleep", "600"])
    left_behind = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    try:
        for process, survives in ((left_behind, False), (stranger, True)):
            stale = {**ready, "nats": {**ready["nats"], "pid": process.pid}}
            (machine.data / "run" / "hone.json").write_text(json.dumps(stale))
            running, _ = machine.up()
            running.terminate()
            running.wait(60)
            assert (process.poll() is None) is survives
    finally:
        for process in (stranger, left_behind):
            process.kill()
            process.wait()


def test_garbage_in_the_state_file_hinders_nothing(machine: Machine) -> None:
    (machine.data / "run").mkdir(parents=True)
    for garbage in ("", "{", "[]", '{"pid": "x"}'):
        (machine.data / "run" / "hone.json").write_text(garbage)
        assert machine.hone("status")[0] == 5
    machine.up()


def test_the_lock_is_held_until_the_guard_has_cleaned_up(machine: Machine) -> None:
    process, ready = machine.up()
    with (machine.data / "run" / "lock").open() as lock:
        process.kill()
        fcntl.flock(lock, fcntl.LOCK_EX)  # waits for the guard
        assert not any(alive(pid) for pid in tree_of(ready))
    process.wait()


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

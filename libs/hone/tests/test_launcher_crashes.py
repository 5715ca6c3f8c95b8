"""What crashes comes back, what is killed leaves no orphans, and what keeps crashing is given up."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import nats
import pytest
from launched import Machine, alive, ask, children_of, tree_of, until

pytestmark = pytest.mark.slow


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


def _gone(pid: int) -> bool:
    return not alive(pid)


def test_stale_state_of_a_killed_run_is_not_running(machine: Machine) -> None:
    process, ready = machine.up()
    process.kill()
    process.wait()
    until(lambda: not any(alive(pid) for pid in tree_of(ready)))
    assert machine.state()["pid"] == process.pid  # nobody was left to remove it
    until(lambda: machine.hone("status")[0] == 5)


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

"""Signals, `hone down` and `hone status`: everything ends, in order and in time."""

from __future__ import annotations

import json
import os
import signal

import pytest
from launched import Machine, alive, stat_of, tree_of, until

pytestmark = pytest.mark.slow


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
    password = ready["nats"]["url"].rpartition("@")[0].rpartition(":")[2]
    assert report["nats"]["port"] == ready["nats"]["port"]
    assert len(password) > 20
    assert password not in out  # what people paste into reports
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

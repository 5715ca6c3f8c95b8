"""Machines that run Hone, for tests that cross services."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from machine import Machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What crosses services starts all of them."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    made: list[Machine] = []

    def make(**environment: str) -> Machine:
        made.append(Machine(tmp_path / f"data{len(made)}", **environment))
        return made[-1]

    yield make
    for each in made:
        each.down()


@pytest.fixture(scope="session")
def shared_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One that is up, for tests that hurt nothing."""
    up = Machine(tmp_path_factory.mktemp("hone") / "data")
    up.up()
    yield up
    up.down()

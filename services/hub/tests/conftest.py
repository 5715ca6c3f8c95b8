"""Models, an engine and hostile files, shared by the hub's tests."""

from __future__ import annotations

import pytest
from hub_parts.models import Library


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("models"))

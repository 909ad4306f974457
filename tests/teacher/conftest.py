from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_teacher import KEY, KEY_VARIABLE, FaultyServer, Place

from r1k.teacher.server import running


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running(FaultyServer()) as faulty:
        assert isinstance(faulty, FaultyServer)
        yield faulty


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)

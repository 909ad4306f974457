from pathlib import Path

import pytest
from faulty_teacher import KEY, KEY_VARIABLE, FaultyServer, Place

from r1k.config import Data, WorldSource
from r1k.data.s1k import get_s1k
from r1k.publish.export import export
from r1k.teacher.inversion import invert
from r1k.teacher.server import running


@pytest.fixture(scope="session")
def inverted(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """s1k of the world and its r1k by a teacher with recognizable answers."""
    place = Place(tmp_path_factory.mktemp("inverted"))
    get_s1k(data=Data(source=WorldSource(kind="world", problems=12, seed=3)), output=place.s1k)
    with pytest.MonkeyPatch.context() as patch, running(FaultyServer()) as server:
        patch.setenv(KEY_VARIABLE, KEY)
        patch.setenv("NO_PROXY", "127.0.0.1")
        invert(teacher=server.teacher(), **place.paths)
    return place


@pytest.fixture(scope="session")
def exported(inverted: Place) -> Path:
    """The exported folder of `inverted`."""
    folder = inverted.s1k.parent / "export"
    export(s1k=inverted.s1k, r1k=inverted.output, title="made", license="mit", output=folder)
    return folder

import pytest

from examples import read_config


@pytest.fixture
def demo() -> dict:
    """The demo with its remedies."""
    return read_config("demo", "demo-remedies")

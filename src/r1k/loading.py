"""Faster imports of heavy libraries."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Suspend garbage collection inside the block, and exempt the objects that exist at its end from later collections.

    Importing torch, transformers and TRL makes about a million objects, all of which stay. Searching them for garbage
    again and again takes a fifth of the imports' processor time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()

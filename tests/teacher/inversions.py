"""Inversions in a process of their own, and their output."""

import json
import subprocess
import sys

from faulty_teacher import FaultyServer, Place

from r1k.records import Example, read_jsonl

RUN = """
import json, sys
from pathlib import Path
from r1k.config import OpenAITeacher
from r1k.teacher.inversion import invert
teacher, client, *paths = json.loads(sys.argv[1])
invert(teacher=OpenAITeacher(**teacher, client=client), **dict(zip(("s1k", "output", "journal"), map(Path, paths))))
"""


def written(place: Place) -> list[Example]:
    return read_jsonl(place.output, Example)


def facts(place: Place):
    return json.loads(place.output.with_suffix(".manifest.json").read_text())["facts"]


def start(server: FaultyServer, place: Place, **changes) -> subprocess.Popen[str]:
    """Start an inversion in its own process."""
    teacher = server.teacher(**changes)
    job = json.dumps(
        [teacher.model_dump(), teacher.client.model_dump(), *map(str, (place.s1k, place.output, place.journal))]
    )
    return subprocess.Popen([sys.executable, "-c", RUN, job], stderr=subprocess.PIPE, text=True)

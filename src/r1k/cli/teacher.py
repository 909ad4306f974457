"""Commands of the teacher: inversion, paraphrases, the checks of inverses, and the servers on loopback."""

import argparse
from typing import Any

from pydantic import BaseModel

from r1k import config
from r1k.cli.options import add_command, asked, asking, paths, section, sections, value


def add(commands: Any) -> None:
    def invert(o: argparse.Namespace) -> None:
        from r1k.teacher.inversion import invert

        invert(teacher=_teacher(o.teacher, o.asking), s1k=o.s1k, output=o.output, journal=o.journal)

    command = add_command(commands, "invert", invert, "r1k from s1k: two calls to the teacher for each problem")
    sections(command, "teacher")
    asking(command, "teacher")
    paths(command, "s1k", "output", "journal")

    def paraphrase(o: argparse.Namespace) -> None:
        from r1k.probe.paraphrase import paraphrase

        paraphrase(
            teacher=_teacher(o.teacher, o.asking),
            config=section(config.Probe, o.probe),
            base=o.base,
            pairs=o.pairs,
            r1k=o.r1k,
            output=o.output,
            journal=o.journal,
        )

    command = add_command(commands, "paraphrase", paraphrase, "the probe's responses in the teacher's words")
    sections(command, "teacher", "probe")
    asking(command, "teacher")
    paths(command, "base", "pairs", "r1k", "output", "journal")

    def check_inverse(o: argparse.Namespace) -> None:
        from r1k.checks.check import check_inverse

        checks = section(config.Checks, o.checks)
        if checks.judge is not None:
            checks = checks.model_copy(update={"judge": asked(checks.judge, o.asking)})
        check_inverse(checks=checks, s1k=o.s1k, r1k=o.r1k, output=o.output, journal=o.journal)

    command = add_command(commands, "check-inverse", check_inverse, "six verdicts on each reverse example")
    sections(command, "checks")
    asking(command, "data.checks.judge")
    paths(command, "s1k", "r1k", "output", "journal")

    def serve(o: argparse.Namespace) -> None:
        from r1k.teacher.server import serve

        serve(_teacher(o.teacher), o.port)

    command = add_command(
        commands, "serve-teacher", serve, "the embedded or the replay teacher as a server on loopback"
    )
    sections(command, "teacher")
    command.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")


class _Teachers(BaseModel):
    teacher: config.Teacher


def _teacher(text: str, how: str | None = None) -> config.EmbeddedTeacher | config.ReplayTeacher | config.OpenAITeacher:
    """The section's teacher; one that is served elsewhere is asked as `how` says."""
    teacher = config.validate(_Teachers, {"teacher": value(text)}).teacher
    return asked(teacher, how) if isinstance(teacher, config.OpenAITeacher) else teacher

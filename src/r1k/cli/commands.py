"""The table of commands. To add a command, add a row here and write its function.

The function's signature and docstring describe its options: see `r1k.cli.options`.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Literal, NamedTuple

from r1k.loading import without_collection
from r1k.report.figures import figure_summaries

Group = Literal["people", "rules"]

HEADINGS: dict[Group, str] = {"people": "Commands that you call", "rules": "Commands that the workflow's rules call"}


class Command(NamedTuple):
    """One command: its name, who calls it, what it does, and the function that does it."""

    name: str
    group: Group
    summary: str
    function: str
    """`module:function`; the module is imported only when the command runs, or when its help is shown."""
    network: bool = False
    """The command may query the hub; all others run with the hub switched off."""
    usage: bool = False
    """The command accepts `--usage`, which records each attempt and its GPU-hours."""

    def load(self) -> Callable[..., Any]:
        """Import and return the function."""
        module, _, name = self.function.partition(":")
        with without_collection():
            loaded: Callable[..., Any] = getattr(import_module(module), name)
        return loaded


def _figures() -> Iterator[Command]:
    """Yield a row for each module of report/figures that is a figure; only `stages` belongs to no experiment."""
    for name, summary in figure_summaries().items():
        module = name.replace("-", "_")
        group: Group = "people" if name == "stages" else "rules"
        yield Command(f"draw-{name}", group, summary, f"r1k.report.figures.{module}:draw_{module}")


_ROWS = (
    Command(
        "check-config",
        "people",
        "Check an experiment's config and report each error",
        "r1k.config.experiment:check_config",
    ),
    Command("plan", "people", "Estimate GPU-hours, memory, disk and teacher cost", "r1k.plan.plan:plan"),
    Command("summary", "people", "Report attempts, failures, hours and GPU-hours of past jobs", "r1k.usage:summary"),
    Command("serve-teacher", "people", "Serve the embedded or the replay teacher locally", "r1k.teacher.server:serve"),
    Command("export", "people", "Write r1k as a dataset folder: Parquet and a card", "r1k.publish.export:export"),
    Command("push", "people", "Upload an exported folder to the hub", "r1k.publish.push:push", network=True),
    Command(
        "describe-config",
        "people",
        "Write config/README.md and the config's JSON schema",
        "r1k.configdoc:write_config_docs",
    ),
    Command("get-s1k", "rules", "Get the forward problems", "r1k.data.s1k:get_s1k", network=True),
    Command("get-benchmark", "rules", "Get a benchmark's questions", "r1k.data.benchmarks:get_benchmark", network=True),
    Command("invert", "rules", "Make r1k from s1k with the teacher", "r1k.teacher.inversion:invert"),
    Command("check-inverse", "rules", "Check each reverse example", "r1k.checks.check:check_inverse"),
    Command("make-variant", "rules", "Make a variant of s1k and r1k", "r1k.data.variants:make_variant"),
    Command("make-set", "rules", "Make one of the data sets drawn from s1k and r1k", "r1k.data.sets:make_set"),
    Command("audit", "rules", "Audit the data and its overlap with benchmarks", "r1k.data.audit.audit:audit"),
    Command("get-base", "rules", "Get a base model", "r1k.bases.get:get_base", network=True),
    Command("make-tokenizer", "rules", "Train the tokenizer of a scratch base", "r1k.bases.tokenizer:make_tokenizer"),
    Command("pretrain", "rules", "Pretrain a scratch base", "r1k.bases.scratch:pretrain", usage=True),
    Command("describe-run", "rules", "Write a run's run.json", "r1k.train.describe:describe_run"),
    Command("train", "rules", "Train an adapter with SFT or DPO", "r1k.train.train:train", usage=True),
    Command("merge", "rules", "Merge adapters into one", "r1k.train.merge:merge", usage=True),
    Command("paraphrase", "rules", "Paraphrase the probe's responses", "r1k.probe.paraphrase:paraphrase"),
    Command("probe", "rules", "Score responses at each checkpoint of a run", "r1k.probe.run_probe:probe", usage=True),
    Command("ntk", "rules", "Measure how a step on one example changes others", "r1k.probe.ntk:ntk", usage=True),
    Command("generate", "rules", "Generate answers to benchmarks", "r1k.evaluate.generate:generate", usage=True),
    Command("judge", "rules", "Get a judge model's verdicts on answers", "r1k.evaluate.judge:judge"),
    Command("grade", "rules", "Grade answers", "r1k.evaluate.grade:grade"),
    Command("score", "rules", "Compute a run's accuracy on a benchmark", "r1k.evaluate.score:score"),
    Command("route-samples", "rules", "Route answers between two runs by direction", "r1k.route:route_samples"),
    Command("route-probe", "rules", "Route measurements between two runs by direction", "r1k.route:route_probe"),
    Command(
        "make-table",
        "rules",
        "Make a table of accuracies",
        "r1k.report.tables.accuracy.make:make_table",
    ),
    Command(
        "make-dynamics-table",
        "rules",
        "Make a table of learning dynamics",
        "r1k.report.tables.dynamics:make_dynamics_table",
    ),
    Command(
        "make-checks-table",
        "rules",
        "Make the table of checks of the inverses",
        "r1k.report.tables.checks:make_checks_table",
    ),
    Command(
        "make-data-sets-table",
        "rules",
        "Make the table of the data and its variants",
        "r1k.report.tables.data_sets:make_data_sets_table",
    ),
    Command(
        "list-disagreements",
        "rules",
        "List answers on which rules and judge differ",
        "r1k.report.tables.disagreements:list_disagreements",
    ),
    Command(
        "make-paired-tests",
        "rules",
        "Compare runs with intervals and paired tests",
        "r1k.report.tables.paired_tests.make:make_paired_tests",
    ),
    Command(
        "against-paper",
        "rules",
        "Compare our values with the published ones",
        "r1k.report.tables.against_paper.make:compare_with_paper",
    ),
    Command(
        "make-claims",
        "rules",
        "Test the paper's claims about learning dynamics",
        "r1k.report.tables.claims:make_claims",
    ),
    Command(
        "write-samples-page",
        "rules",
        "Write the page of answers",
        "r1k.report.pages.samples.page:write_samples_page",
    ),
    Command("write-report", "rules", "Write the report page", "r1k.report.pages.report:write_report"),
    Command("write-audit-page", "rules", "Write the audit's page", "r1k.report.pages.audit:write_audit_page"),
    *_figures(),
)

COMMANDS = {command.name: command for command in _ROWS}


def _listed(group: Group) -> str:
    width = max(map(len, COMMANDS)) + 2
    rows = (f"  {row.name:<{width}}{row.summary}" for row in _ROWS if row.group == group)
    return "\n".join([f"{HEADINGS[group]}:", *rows])


OVERVIEW = f"""\
usage: r1k COMMAND [OPTION ...]
       r1k COMMAND --help
       r1k --help | --version

Run one stage of the study. The workflow calls these commands, and each can be called by hand.

{_listed("people")}

{_listed("rules")}

`r1k COMMAND --help` describes the options of a command. An option of type YAML is a section of the config:
give it as YAML or JSON text, or as @FILE."""
"""What `r1k --help` prints."""

"""Commands that show results: tables, figures, the page; and those about the config."""

import argparse
from pathlib import Path
from typing import Any

from r1k import config
from r1k.cli.options import add_command, optional_paths, path_lists, paths, quotable, section, sections, title


def add(commands: Any) -> None:
    def table(o: argparse.Namespace) -> None:
        from r1k.report.tables.accuracy.make import make_table

        spec = section(config.TableSpec, o.table)
        make_table(table=spec, scores=o.scores, markdown=o.markdown, csv=o.csv, latex=o.latex)

    command = add_command(commands, "make-table", table, "a table as Markdown, CSV and LaTeX")
    sections(command, "table")
    path_lists(command, "scores")
    paths(command, "markdown", "csv", "latex")

    def dynamics_table(o: argparse.Namespace) -> None:
        from r1k.report.tables.dynamics import make_dynamics_table

        spec = section(config.DynamicsTableSpec, o.table)
        make_dynamics_table(table=spec, tracked=o.tracked, markdown=o.markdown, csv=o.csv, latex=o.latex)

    command = add_command(
        commands, "make-dynamics-table", dynamics_table, "margin, displacement and the mass off both directions, by run"
    )
    sections(command, "table")
    path_lists(command, "tracked")
    paths(command, "markdown", "csv", "latex")

    def checks_table(o: argparse.Namespace) -> None:
        from r1k.report.tables.checks import make_checks_table

        make_checks_table(checks=o.checks, markdown=o.markdown, csv=o.csv)

    command = add_command(commands, "make-checks-table", checks_table, "the checks of the inverses, by kind of problem")
    paths(command, "checks", "markdown", "csv")

    def disagreements(o: argparse.Namespace) -> None:
        from r1k.report.tables.disagreements import list_disagreements

        list_disagreements(graded=o.graded, redistributable=o.quotable, markdown=o.markdown, csv=o.csv)

    command = add_command(
        commands,
        "list-disagreements",
        disagreements,
        "the answers on which rules and judge differ, or it gave no verdict",
    )
    path_lists(command, "graded")
    quotable(command)
    paths(command, "markdown", "csv")

    def compare(o: argparse.Namespace) -> None:
        from r1k.report.tables.paired_tests.make import make_paired_tests

        spec = section(config.TableSpec, o.table)
        make_paired_tests(
            table=spec, graded=o.graded, contaminated=o.contaminated, markdown=o.markdown, csv=o.csv, latex=o.latex
        )

    command = add_command(commands, "compare-runs", compare, "paired tests between a table's runs")
    sections(command, "table")
    path_lists(command, "graded")
    optional_paths(command, contaminated="the audit's contamination.jsonl: questions to score without too")
    paths(command, "markdown", "csv", "latex")

    def against(o: argparse.Namespace) -> None:
        from r1k.report.tables.against_paper.make import compare_with_paper

        tables = [section(config.TableSpec, text) for text in o.tables]
        compare_with_paper(tables=tables, scores=o.scores, markdown=o.markdown, csv=o.csv)

    command = add_command(commands, "against-paper", against, "published values and ours, with a verdict for each")
    command.add_argument(
        "--tables",
        nargs="+",
        required=True,
        metavar="YAML",
        help="resolved specifications of tables that are published",
    )
    path_lists(command, "scores")
    paths(command, "markdown", "csv")

    def figure1(o: argparse.Namespace) -> None:
        from r1k.report.figures.figure1 import make_figure1

        make_figure1(s1k=o.s1k, r1k=o.r1k, png=o.png, pdf=o.pdf)

    command = add_command(commands, "draw-figure1", figure1, "the pipeline, with a worked example of the data at hand")
    paths(command, "s1k", "r1k", "png", "pdf")

    def figure2(o: argparse.Namespace) -> None:
        from r1k.report.figures.figure2 import make_figure2

        spec = section(config.DynamicsSpec, o.dynamics)
        make_figure2(spec=spec, logprobs=o.logprobs, png=o.png, pdf=o.pdf, csv=o.csv)

    command = add_command(commands, "draw-figure2", figure2, "log-probabilities over the epochs of SFT and DPO")
    sections(command, "dynamics")
    path_lists(command, "logprobs")
    paths(command, "png", "pdf", "csv")

    def mass(o: argparse.Namespace) -> None:
        from r1k.report.figures.probability_shift import make_mass

        spec = section(config.DynamicsSpec, o.dynamics)
        make_mass(spec=spec, tracked=o.tracked, png=o.png, pdf=o.pdf, csv=o.csv)

    command = add_command(commands, "draw-mass", mass, "where the probability went over SFT and over DPO")
    sections(command, "dynamics")
    path_lists(command, "tracked")
    paths(command, "png", "pdf", "csv")

    def ntk(o: argparse.Namespace) -> None:
        from r1k.report.figures.ntk import make_ntk

        spec = section(config.DynamicsSpec, o.dynamics)
        make_ntk(spec=spec, influences=o.influences, png=o.png, pdf=o.pdf, csv=o.csv)

    command = add_command(commands, "draw-ntk", ntk, "what steps on examples do to responses, predicted and measured")
    sections(command, "dynamics")
    path_lists(command, "influences")
    paths(command, "png", "pdf", "csv")

    def claims(o: argparse.Namespace) -> None:
        from r1k.report.tables.claims import make_claims

        spec = section(config.DynamicsSpec, o.dynamics)
        make_claims(dynamics=spec, tracked=o.tracked, markdown=o.markdown, csv=o.csv)

    command = add_command(commands, "make-claims", claims, "the paper's claims about learning dynamics, with verdicts")
    sections(command, "dynamics")
    path_lists(command, "tracked")
    paths(command, "markdown", "csv")

    def report(o: argparse.Namespace) -> None:
        from r1k.report.pages.report import write_report

        write_report(
            title=o.title,
            description=o.description,
            tables=o.tables,
            figures=o.figures,
            samples=o.samples,
            output=o.output,
        )

    command = add_command(commands, "write-report", report, "one page with the tables and figures")
    title(command)
    command.add_argument("--description", required=True, help="a line about it")
    path_lists(command, "tables", "figures")
    optional_paths(command, samples="the page of answers, which the report links to")
    paths(command, "output")

    def samples_page(o: argparse.Namespace) -> None:
        from r1k.report.pages.samples.page import write_samples_page

        write_samples_page(
            title=o.title,
            questions=o.questions,
            samples=o.samples,
            graded=o.graded,
            quotable=o.quotable,
            output=o.output,
        )

    command = add_command(commands, "write-samples-page", samples_page, "a page to read answers on, also of two runs")
    title(command)
    path_lists(command, "questions", "samples", "graded")
    quotable(command)
    paths(command, "output")

    def audit_page(o: argparse.Namespace) -> None:
        from r1k.report.pages.audit import write_audit_page

        write_audit_page(
            title=o.title, summary=o.summary, contamination=o.contamination, examples=o.examples, output=o.output
        )

    command = add_command(commands, "write-audit-page", audit_page, "the audit's page, with plots")
    title(command)
    paths(command, "summary", "contamination", "examples", "output")

    def check(o: argparse.Namespace) -> None:
        experiment = config.load(o.file)
        print(f"{o.file}: experiment {experiment.experiment}, {len(experiment.trained_runs)} trainings a seed")

    command = add_command(commands, "check-config", check, "read an experiment's config and say what is wrong with it")
    command.add_argument("file", type=Path, help="the YAML file")

    def describe(o: argparse.Namespace) -> None:
        from r1k.configdoc import write_config_docs

        write_config_docs(readme=o.readme, schema=o.schema)

    command = add_command(commands, "describe-config", describe, "config/README.md and the JSON schema, from the code")
    paths(command, "readme", "schema")

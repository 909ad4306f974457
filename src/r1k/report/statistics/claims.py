"""The paper's claims about learning dynamics (abstract, 4.3), each with a verdict from the tracked responses."""

from collections.abc import Iterator

from r1k.config import Arm
from r1k.records import DISORDERED, ResponseKind, Split
from r1k.report.statistics.changes import Measured
from r1k.report.statistics.claim_tests import Claim, Evidence, mean

OTHERS: tuple[ResponseKind, ...] = ("other_problem_own", "other_problem_other")


def claims(measured: Measured, split: Split) -> list[Claim]:
    """The claims that the arms at hand can decide, in the paper's order."""
    evidence, arms = Evidence(measured, split), measured.spec.arms
    found: list[Claim] = []
    if {"forward", "reverse"} <= set(arms):
        found += _out_of_distribution(evidence)
    for arm in arms:
        found += evidence.claim(
            f"together-{arm}",
            "4.3, Figure 2(a)",
            f"SFT on {arm} data makes the responses of its own direction likelier, and those of the other one too",
            ("change of y+", ">", evidence.rise(arm, "sft", arm, "own")),
            ("change of y-", ">", evidence.rise(arm, "sft", arm, "other")),
        )
    if {"forward", "reverse", "mixed"} <= set(arms):
        found += _mixed(evidence)
    if "mixed" in arms:
        found += _dpo(evidence)
    for arm in arms:
        found += _destinations(evidence, arm)
    return found


def _out_of_distribution(e: Evidence) -> Iterator[Claim]:
    yield from e.claim(
        "generalises",
        "4.3, Figure 2(a)",
        "SFT on reverse data generalises better to the direction it has not seen than SFT on forward data",
        (
            "rise of y+, reverse on T_f less forward on T_r",
            ">",
            e.rise("reverse", "sft", "forward", "own") - e.rise("forward", "sft", "reverse", "own"),
        ),
    )
    yield from e.claim(
        "hallucinates-less",
        "4.3, Figure 2(b)",
        "SFT on reverse data raises responses of the wrong direction less there",
        (
            "rise of y-, reverse on T_f less forward on T_r",
            "<",
            e.rise("reverse", "sft", "forward", "other") - e.rise("forward", "sft", "reverse", "other"),
        ),
    )


def _mixed(e: Evidence) -> Iterator[Claim]:
    alone: tuple[Arm, Arm] = ("forward", "reverse")
    yield from e.claim(
        "mixed-hallucinates",
        "4.3, Figure 2(b)",
        "SFT on mixed data raises the other direction's responses more than SFT on one direction",
        (
            "rise of y-, mixed less the mean of both alone",
            ">",
            e.rise("mixed", "sft", "mixed", "other") - mean([e.rise(arm, "sft", arm, "other") for arm in alone]),
        ),
    )
    yield from e.claim(
        "mixed-falls-short",
        "4.3, Figure 2(a)",
        "After SFT on mixed data the preferred responses are less likely than after SFT on their direction alone",
        (
            "y+, mixed less the mean of both alone",
            "<",
            e.level("mixed", "mixed", "own") - mean([e.level(arm, arm, "own") for arm in alone]),
        ),
    )
    yield from e.claim(
        "narrow-margin",
        "4.3, Figure 2(c)",
        "SFT on mixed data leaves a narrower margin than SFT on one direction, each on its own prompts",
        (
            "margin, mixed less the mean of both alone",
            "<",
            e.margin("mixed", "mixed") - mean([e.margin(arm, arm) for arm in alone]),
        ),
    )
    yield from e.claim(
        "confusion",
        "4.3, Figure 2(c)",
        "That narrow margin is a loss of discrimination: it is narrower than theirs over prompts of both directions",
        (
            "margin on T_m, mixed less the mean of both alone",
            "<",
            e.margin("mixed", "mixed") - mean([e.margin(arm, "mixed") for arm in alone]),
        ),
    )


def _dpo(e: Evidence) -> Iterator[Claim]:
    y_plus, y_minus = e.rise("mixed", "dpo", "mixed", "own"), e.rise("mixed", "dpo", "mixed", "other")
    yield from e.claim(
        "dpo-separates",
        "abstract; 4.3, Figure 2(c)",
        "DPO partly recovers the distinction of the mixed model: its margin widens",
        ("change of the margin", ">", y_plus - y_minus),
    )
    yield from e.claim(
        "dpo-suppresses",
        "abstract; 4.3, Figure 2(b)",
        "DPO suppresses the less preferred responses of the mixed model",
        ("change of y-", "<", y_minus),
    )


def _destinations(e: Evidence, arm: Arm) -> Iterator[Claim]:
    """The conclusion about DPO, which y+ and y- alone cannot decide, by what could have gained."""
    falls = ("change of y-", "<", e.rise(arm, "dpo", "mixed", "other"))
    taken = f"What DPO of the {arm} model takes from the less preferred responses goes to"
    others, disordered = e.rise(arm, "dpo", "mixed", *OTHERS), e.rise(arm, "dpo", "mixed", *DISORDERED)
    paper, ours = "abstract; 4.3", "not the paper's"
    for key, where, what, quantity, gain in (
        ("problems", paper, "irrelevant outputs: responses to other problems", "responses to other problems", others),
        ("disorder", paper, "irrelevant outputs: disordered text", "disordered text", disordered),
        (
            "answers",
            ours,
            "what the model answered by itself before",
            "its own greedy answers",
            e.rise(arm, "dpo", "mixed", "greedy_start"),
        ),
        (
            "rewordings",
            ours,
            "what says the same in other words",
            "y-, reworded",
            e.rise(arm, "dpo", "mixed", "paraphrase_other"),
        ),
        (
            "argmax",
            ours,
            "the tokens that the model finds likeliest there already",
            "the argmax's probability where y- has another token",
            e.rise(arm, "dpo", "mixed", "other", measure="p_rival"),
        ),
    ):
        yield from e.claim(f"to-{key}-{arm}", where, f"{taken} {what}", falls, (f"change of {quantity}", ">", gain))

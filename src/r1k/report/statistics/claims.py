"""The paper's claims about learning dynamics (abstract, 4.3), each with a verdict from the tracked responses."""

from collections.abc import Iterator

from r1k.config import Arm
from r1k.records import SHUFFLED, ResponseKind, Split
from r1k.report.statistics.changes import Measured
from r1k.report.statistics.claim_tests import ClaimResult, Evidence, mean

OTHERS: tuple[ResponseKind, ...] = ("other_problem_chosen", "other_problem_rejected")


def claims(measured: Measured, split: Split) -> list[ClaimResult]:
    """Return the results of the claims that the measured arms can decide, in the paper's order."""
    evidence, arms = Evidence(measured, split), measured.spec.arms
    found: list[ClaimResult] = []
    if {"forward", "reverse"} <= set(arms):
        found += _out_of_distribution(evidence)
    for arm in arms:
        found += evidence.claim(
            f"together-{arm}",
            "4.3, Figure 2(a)",
            f"SFT on {arm} data raises the responses of its own direction, and those of the other direction too",
            ("change of y+", ">", evidence.rise(arm, "sft", arm, "chosen")),
            ("change of y-", ">", evidence.rise(arm, "sft", arm, "rejected")),
        )
    if {"forward", "reverse", "mixed"} <= set(arms):
        found += _mixed(evidence)
    if "mixed" in arms:
        found += _dpo(evidence)
    for arm in arms:
        found += _destinations(evidence, arm)
    return found


def _out_of_distribution(e: Evidence) -> Iterator[ClaimResult]:
    yield from e.claim(
        "generalises",
        "4.3, Figure 2(a)",
        "SFT on reverse data generalises better to the unseen direction than SFT on forward data",
        (
            "rise of y+, reverse on T_f minus forward on T_r",
            ">",
            e.rise("reverse", "sft", "forward", "chosen") - e.rise("forward", "sft", "reverse", "chosen"),
        ),
    )
    yield from e.claim(
        "hallucinates-less",
        "4.3, Figure 2(b)",
        "In the unseen direction, SFT on reverse data raises responses of the wrong direction less",
        (
            "rise of y-, reverse on T_f minus forward on T_r",
            "<",
            e.rise("reverse", "sft", "forward", "rejected") - e.rise("forward", "sft", "reverse", "rejected"),
        ),
    )


def _mixed(e: Evidence) -> Iterator[ClaimResult]:
    alone: tuple[Arm, Arm] = ("forward", "reverse")
    yield from e.claim(
        "mixed-hallucinates",
        "4.3, Figure 2(b)",
        "SFT on mixed data raises the other direction's responses more than SFT on one direction",
        (
            "rise of y-, mixed minus the mean of both alone",
            ">",
            e.rise("mixed", "sft", "mixed", "rejected") - mean([e.rise(arm, "sft", arm, "rejected") for arm in alone]),
        ),
    )
    yield from e.claim(
        "mixed-falls-short",
        "4.3, Figure 2(a)",
        "After SFT on mixed data the preferred responses are less likely than after SFT on their direction alone",
        (
            "y+, mixed minus the mean of both alone",
            "<",
            e.level("mixed", "mixed", "chosen") - mean([e.level(arm, arm, "chosen") for arm in alone]),
        ),
    )
    yield from e.claim(
        "narrow-margin",
        "4.3, Figure 2(c)",
        "SFT on mixed data leaves a narrower margin than SFT on one direction, each on its own prompts",
        (
            "margin, mixed minus the mean of both alone",
            "<",
            e.margin("mixed", "mixed") - mean([e.margin(arm, arm) for arm in alone]),
        ),
    )
    yield from e.claim(
        "confusion",
        "4.3, Figure 2(c)",
        "The narrow margin is a loss of discrimination: it is also narrower over prompts of both directions",
        (
            "margin on T_m, mixed minus the mean of both alone",
            "<",
            e.margin("mixed", "mixed") - mean([e.margin(arm, "mixed") for arm in alone]),
        ),
    )


def _dpo(e: Evidence) -> Iterator[ClaimResult]:
    y_plus, y_minus = e.rise("mixed", "dpo", "mixed", "chosen"), e.rise("mixed", "dpo", "mixed", "rejected")
    yield from e.claim(
        "dpo-separates",
        "abstract; 4.3, Figure 2(c)",
        "DPO partly recovers the mixed model's distinction of the directions: its margin widens",
        ("change of the margin", ">", y_plus - y_minus),
    )
    yield from e.claim(
        "dpo-suppresses",
        "abstract; 4.3, Figure 2(b)",
        "DPO suppresses the less preferred responses of the mixed model",
        ("change of y-", "<", y_minus),
    )


def _destinations(e: Evidence, arm: Arm) -> Iterator[ClaimResult]:
    """Test where DPO moves probability, which y+ and y- alone cannot show: one claim for each candidate."""
    falls = ("change of y-", "<", e.rise(arm, "dpo", "mixed", "rejected"))
    taken = f"The probability that DPO of the {arm} model takes from the less preferred responses goes to"
    others, disordered = e.rise(arm, "dpo", "mixed", *OTHERS), e.rise(arm, "dpo", "mixed", *SHUFFLED)
    paper, ours = "abstract; 4.3", "not the paper's"
    for key, where, what, quantity, gain in (
        ("problems", paper, "irrelevant outputs: responses to other problems", "responses to other problems", others),
        ("disorder", paper, "irrelevant outputs: disordered text", "disordered text", disordered),
        (
            "answers",
            ours,
            "the model's own earlier answers",
            "its own greedy answers",
            e.rise(arm, "dpo", "mixed", "greedy_start"),
        ),
        (
            "rewordings",
            ours,
            "paraphrases of y-",
            "paraphrases of y-",
            e.rise(arm, "dpo", "mixed", "paraphrase_rejected"),
        ),
        (
            "argmax",
            ours,
            "the model's top-1 token at each position",
            "the top-1 token's probability where y- has another token",
            e.rise(arm, "dpo", "mixed", "rejected", measure="p_rival"),
        ),
    ):
        yield from e.claim(f"to-{key}-{arm}", where, f"{taken} {what}", falls, (f"change of {quantity}", ">", gain))

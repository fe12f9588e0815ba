"""The advice: what blocks comes first, then the trial, then what else is worth knowing."""

from __future__ import annotations

from dataclasses import dataclass

from engine.base.project import Project
from engine.base.store import Store
from engine.plan.advice import facts, method, outcome, rules
from engine.plan.advice.facts import Facts
from engine.plan.advice.weigh import Decision, Verdict, weigh


@dataclass(frozen=True)
class Advice:
    """What to do, and why.

    Attributes:
        verdict: The advice.
        reasons: One sentence each, with its evidence.
        change: What would change the verdict.
        recipe: The recipe to tune with; empty where the advice is not to tune.
        expected: The gain that tuning should bring over the best prompt that needs no look-up.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    change: str
    recipe: str = ""
    expected: outcome.Expected | None = None


def advise(store: Store, project: Project, project_id: int, dataset_id: str) -> Advice:
    """Advise for or against fine-tuning, from the dataset and the trial if it was measured.

    Once a run on this dataset has a verdict, the last reason compares the advice with it.

    Raises:
        UsageError: The project has no such dataset.
    """
    known = facts.read(store, project, project_id, dataset_id)
    found = rules.apply(known)
    blocking = tuple(item.sentence for item in found if item.rule.weight == "blocks")
    others = tuple(item.sentence for item in found if item.rule.weight != "blocks")
    if blocking:
        return Advice(
            "collect data first",
            blocking,
            "More rows, or rows that agree; then run `tunesmith data build` again.",
        )
    decision = weigh(known) if known.trial or rules.of_knowledge(known) else _unmeasured(known)
    promised = outcome.expected(known, decision.verdict)
    happened = outcome.compared(store, known, dataset_id, decision.verdict, promised)
    return Advice(
        decision.verdict,
        (_about(known), *others, *decision.reasons, *filter(None, (happened,))),
        decision.change,
        decision.recipe,
        promised,
    )


def _about(known: Facts) -> str:
    rows = known.train
    enough = "enough for a solid effect" if rows >= rules.SOLID_ROWS else "enough to see an effect"
    if known.form == "text":
        return f"There are {known.tokens:,} tokens of raw text to train on."
    return f"There are {rows} training rows, {enough}, and {known.test} test rows to prove it."


def _unmeasured(known: Facts) -> Decision:
    chosen = method.choose(known)
    change = (
        "`tunesmith advise --trial` measures it; a prompt that is good enough needs no tuning."
        if known.form == "answer"
        else "Rows with one right answer each, on which a prompt can be measured."
    )
    return Decision("fine-tune", (chosen.why,), change, chosen.recipe)

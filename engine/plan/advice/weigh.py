"""The measured trial weighed: is a prompt enough, are passages, or is there something to learn?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from engine.base.project import Objective
from engine.plan.advice import method
from engine.plan.advice.facts import FOUND, GAIN, IF_FOUND, SUBJECTS, Facts, Score, describe
from engine.plan.advice.rules import of_knowledge

Verdict = Literal["stop: prompting is enough", "use retrieval", "fine-tune", "collect data first"]
_PLAIN = ("base", "few_shot", "similar")
_HALF = 0.5  # of the rows
_MISSING = "the documents hold few of them"
_BLIND = "this base does not read them off the passages well enough"
_BOTH = (
    "Retrieval and tuning add up (Balaguer et al. 2024, arXiv 2401.08406: 75 % correct, 81 % "
    "tuned, 86 % with both)"
)


class Decision(NamedTuple):
    """What the trial says.

    Attributes:
        verdict: The advice.
        reasons: Why, a sentence each.
        change: What would change it.
        recipe: The recipe, where the verdict is to tune.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    change: str
    recipe: str = ""


def weigh(facts: Facts) -> Decision:
    """Decide by the trial's figures.

    In this order: a plain prompt that surely meets the threshold ends it; so do passages, or
    passages that are surely above every plain prompt by the minimum effect where the answers are
    facts. Facts that the base cannot even read off the right passage it will not learn from rows
    either. Else there is something to learn.
    """
    metric = facts.objective.metric
    measured = {name: scores for name, scores in facts.trial.items() if metric in scores}
    told = tuple(describe(name, metric, scores[metric]) for name, scores in measured.items())
    told += _diagnosis(measured)
    plain = {name: scores for name, scores in measured.items() if name in _PLAIN}
    good = {name for name, scores in measured.items() if good_enough(facts.objective, scores)}
    if best := best_of({name: plain[name] for name in plain if name in good}, metric):
        return _enough(facts, told, best, plain[best])
    if "retrieval" in good:
        return _met(facts, told, measured["retrieval"])
    if _looked_up(facts, measured, best_of(plain, metric)):
        return _mended(facts, told, measured["retrieval"][metric])
    if of_knowledge(facts):
        looked_up = measured.get("retrieval")
        return _unread(told, looked_up.get(FOUND)) if looked_up else _by_rule(facts, told)
    return _tune(facts, told, measured)


def best_of(scores: Mapping[str, Mapping[str, Score]], metric: str) -> str:
    """Return the subject with the highest score; empty where there is none."""
    return max(scores, key=lambda name: scores[name][metric].value, default="")


def good_enough(objective: Objective, scores: Mapping[str, Score]) -> bool:
    """Say whether a way to prompt surely meets the threshold.

    The form of the answers is no reason to tune: a server can hold them to a schema.
    """
    score = scores[objective.metric]
    return (
        score.value >= objective.threshold
        and score.low > objective.threshold - objective.minimum_effect
    )


def _out_of_form(objective: Objective, scores: Mapping[str, Score]) -> str:
    """What to do about answers in the wrong form; empty where they keep the guardrail."""
    form = scores.get("valid_json")
    shaped = objective.output == "json" or bool(objective.schema)
    if not shaped or form is None or form.value >= objective.valid_json:
        return ""
    return (
        f" Of its answers {form.value:.0%} had the right form and your guardrail is "
        f"{objective.valid_json:.0%}: let the server hold them to the schema (constrained "
        "decoding; llama.cpp, Ollama and vLLM all can)."
    )


def _looked_up(facts: Facts, measured: Mapping[str, Mapping[str, Score]], best: str) -> bool:
    """Say whether passages are surely above the best plain prompt, and the answers are facts."""
    gain = measured.get("retrieval", {}).get(f"{GAIN}{best}")
    if gain is None or (facts.reach is not None and not of_knowledge(facts)):
        return False
    return gain.value >= facts.objective.minimum_effect and gain.low > 0


def _diagnosis(measured: Mapping[str, Mapping[str, Score]]) -> tuple[str, ...]:
    """Return what the passages do: whether they are found, and whether they mend the answer."""
    scores = measured.get("retrieval", {})
    found, right = scores.get(FOUND), scores.get(IF_FOUND)
    if found is None or right is None:
        return ()
    said = f"The passages hold the answer of {found.value:.0%} of {found.n} rows"
    if right.n:
        said += f", and where they do the score is {right.value:.2f} ({right.n} rows)"
    gains = tuple(
        f"Passages change the score of {name.replace('_', '-')} by {gain.value:+.2f} "
        f"({gain.low:+.2f} to {gain.high:+.2f}, paired)."
        for name in _PLAIN
        if (gain := scores.get(f"{GAIN}{name}"))
    )
    return (f"{said}.", *gains)


def _enough(
    facts: Facts, told: tuple[str, ...], name: str, scores: Mapping[str, Score]
) -> Decision:
    objective = facts.objective
    chosen = (
        " The examples must then be looked up for each question, as the trial did."
        if name == "similar"
        else ""
    )
    why = f"{SUBJECTS[name].rstrip(',')} meets your threshold of {objective.threshold:.2f}.{chosen}"
    return Decision(
        "stop: prompting is enough",
        (*told, why + _out_of_form(objective, scores)),
        f"A threshold above {scores[objective.metric].value:.2f}, or prompts that cost too much "
        "time in use; a tuned model needs no examples in its prompt.",
    )


def _met(facts: Facts, told: tuple[str, ...], scores: Mapping[str, Score]) -> Decision:
    objective = facts.objective
    why = f"{SUBJECTS['retrieval']} meets your threshold of {objective.threshold:.2f}."
    return Decision(
        "use retrieval",
        (*told, why + _out_of_form(objective, scores)),
        f"A threshold above {scores[objective.metric].value:.2f}, or documents that cannot be had "
        "in use.",
    )


def _mended(facts: Facts, told: tuple[str, ...], score: Score) -> Decision:
    why = (
        "Passages mend answers that are facts: a knowledge problem, for which retrieval is "
        "above tuning on old and new facts alike (Ovadia et al. 2024, arXiv 2312.05934). It is "
        f"{facts.objective.threshold - score.value:.2f} below your threshold. {_BOTH}: once "
        "retrieval stands, rows with passages in their prompts can be tuned on."
    )
    return Decision(
        "use retrieval",
        (*told, why),
        "Answers that stay wrong with the right passage in the prompt; better documents.",
    )


def _unread(told: tuple[str, ...], found: Score | None) -> Decision:
    missing = found is not None and found.value < _HALF
    why = (
        "The answers are facts that the rows cannot teach (Gekhman et al. 2024, arXiv 2405.05904), "
        f"and {_MISSING if missing else _BLIND}."
    )
    change = (
        "Documents that hold the answers, and another trial."
        if missing
        else "A trial with a larger base, which reads better (`tunesmith models`, `tunesmith fits "
        "MODEL`), or rows whose prompts hold their passages, which can be tuned on."
    )
    return Decision("use retrieval", (*told, why), change)


def _by_rule(facts: Facts, told: tuple[str, ...]) -> Decision:
    why = (
        "No prompt is known to be good enough, and the answers are facts that the rows cannot "
        "teach. Retrieval has not been measured."
    )
    name = (
        "Measure it:"
        if facts.project.data.documents
        else "Name the documents that hold the answers (`data: documents` in project.yaml) and "
        "measure:"
    )
    return Decision(
        "use retrieval",
        (*told, why),
        f"{name} `tunesmith advise --trial`. If passages do not help, tune.",
    )


def _tune(
    facts: Facts, told: tuple[str, ...], measured: Mapping[str, Mapping[str, Score]]
) -> Decision:
    objective, chosen = facts.objective, method.choose(facts)
    best = best_of(measured, objective.metric)
    gap = objective.threshold - (measured[best][objective.metric].value if best else 0.0)
    why = (
        f"The best prompt is {gap:.2f} below your threshold of {objective.threshold:.2f}."
        if gap > 0
        else "The best prompt reaches your threshold, but not surely enough or not in the right "
        "form."
    )
    both: tuple[str, ...] = ()
    if best == "retrieval":
        both = (f"{_BOTH}; keep the passages in the prompts that are tuned on.",)
    return Decision(
        "fine-tune",
        (*told, *both, f"{why} {chosen.why}"),
        f"A prompt that scores {objective.threshold:.2f} or more on the validation rows.",
        chosen.recipe,
    )

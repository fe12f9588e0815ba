"""The conditions under which tuning is too early or unwise: data, a condition and a figure each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.base.hardware import machine
from engine.base.objectives import metrics
from engine.plan.advice.facts import Facts
from engine.plan.words import amount

FEWEST_ROWS, SOLID_ROWS, FEWEST_TEST_ROWS = 50, 500, 50
FEWEST_PAIRS = 500
MUCH = 0.20
SHORT_ANSWER = 12  # words; a longer answer has words of its own for other reasons than facts
KNOWLEDGE = 0.30  # share of answers beyond reach, from which the task is one of knowledge
_Q8 = 1.0625  # bytes a weight in GGUF Q8_0: 32 weights of one byte share a scale of two

Weight = Literal["blocks", "against", "note"]


@dataclass(frozen=True)
class Rule:
    """One condition.

    Attributes:
        name: A short name.
        weight: `blocks`: first mend it; `against`: it speaks against tuning; `note`: know it.
        source: Who found it.
        holds: Returns the sentence with the measured figure, or nothing.
    """

    name: str
    weight: Weight
    source: str
    holds: Callable[[Facts], str]


@dataclass(frozen=True)
class Found:
    """A condition that holds: the sentence tells the figure and the source."""

    rule: Rule
    sentence: str


def apply(facts: Facts) -> list[Found]:
    """Return the conditions that hold."""
    found = [(rule, rule.holds(facts)) for rule in RULES]
    return [Found(rule, f"{said} ({rule.source})") for rule, said in found if said]


def of_knowledge(facts: Facts) -> bool:
    """Say whether the short answers are facts that stand neither in prompts nor in other rows."""
    reach = facts.reach
    return reach is not None and reach.words <= SHORT_ANSWER and reach.beyond >= KNOWLEDGE


def _few_rows(facts: Facts) -> str:
    if facts.train >= FEWEST_ROWS or facts.form == "text":
        return ""
    return (
        f"There are {facts.train} training rows; below {FEWEST_ROWS} tuning shows no effect, and "
        f"it is solid from {SOLID_ROWS}."
    )


def _few_held_out(facts: Facts) -> str:
    held_out = max(facts.test, facts.golden)
    if held_out >= FEWEST_TEST_ROWS or facts.form == "text":
        return ""
    return (
        f"The larger of test split and golden set has {held_out} rows; below {FEWEST_TEST_ROWS} no "
        "result can be told from luck."
    )


def _conflicts(facts: Facts) -> str:
    share = facts.conflicting / max(1, facts.read)
    if share <= MUCH:
        return ""
    return (
        f"{share:.0%} of the rows read contradict another one; what is right must be decided "
        "before anything can learn it."
    )


def _duplicates(facts: Facts) -> str:
    share = facts.repeated / max(1, facts.read)
    return f"{share:.0%} of the rows read repeat another one." if share > MUCH else ""


def _dropped(facts: Facts) -> str:
    share = 1 - facts.kept / max(1, facts.read)
    if share <= MUCH:
        return ""
    return (
        f"{share:.0%} of the rows read were dropped as duplicate, faulty or leaking; the source "
        "deserves a look."
    )


def _personal(facts: Facts) -> str:
    if not facts.personal:
        return ""
    places = "place" if facts.personal == 1 else "places"
    return (
        f"Personal data or keys were kept in {facts.personal} {places}; a tuned model can repeat "
        "what it read."
    )


def _licence(facts: Facts) -> str:
    model = facts.model
    if model is None or model.commercial == "yes":
        return ""
    if model.commercial == "no":
        return f"The base model's licence ({model.licence}) allows no commercial use."
    return f"The base model's licence ({model.licence}) has conditions: {model.licence_means}"


def _beyond_reach(facts: Facts) -> str:
    if not of_knowledge(facts) or facts.reach is None:
        return ""
    return (
        f"{facts.reach.beyond:.0%} of {facts.reach.rows} validation answers stand neither in their "
        "prompt nor in two training answers: they are facts, which tuning learns slowest and which "
        "teach a model to invent others; passages of documents in the prompt serve better."
    )


def _too_big(facts: Facts) -> str:
    if facts.model is None or facts.project.target not in {"llama.cpp", "ollama"}:
        return ""
    size = facts.model.dimensions.parameters * _Q8
    box = machine.read()
    room = box.memory + sum(gpu.total for gpu in box.gpus)
    if size <= room:
        return ""
    return (
        f"At 8 bits the base model is {amount(size)}, and this box has {amount(room)} of memory: "
        "it cannot be served here."
    )


def _no_template(facts: Facts) -> str:
    model = facts.model
    chats = facts.objective.task in {"chat", "tools"}
    if model is None or model.chat is None or model.chat.trained or not chats:
        return ""
    return (
        f"{model.name} is a base model that was never taught to chat; take its instruct version "
        "for a chat goal."
    )


def _not_measured(facts: Facts) -> str:
    if facts.trial or facts.form != "answer":
        return ""
    return "Whether prompting alone is enough has not been measured."


def _no_golden(facts: Facts) -> str:
    if facts.golden:
        return ""
    return "There is no golden set, so nothing guards the hard cases when the data changes."


def _too_weak(facts: Facts) -> str:
    if facts.sample is None or facts.test >= facts.sample.rows or facts.form == "text":
        return ""
    return (
        f"{facts.test} test rows may not show your minimum effect of "
        f"{facts.objective.minimum_effect:.2f} {metrics()[facts.objective.metric].title}: "
        f"{facts.sample.sentence}"
    )


def _few_pairs(facts: Facts) -> str:
    if facts.form not in {"preference", "feedback"} or facts.train >= FEWEST_PAIRS:
        return ""
    return (
        f"There are {facts.train} judged answers; preferences show from {FEWEST_PAIRS} to 1,000, "
        "best of answers that the tuned model gave itself."
    )


_GUIDES = "the guides surveyed in docs/advice.md"
RULES = (
    Rule("few rows", "blocks", _GUIDES, _few_rows),
    Rule("few held-out rows", "blocks", _GUIDES, _few_held_out),
    Rule("conflicts", "blocks", _GUIDES, _conflicts),
    Rule("duplicates", "against", _GUIDES, _duplicates),
    Rule("dropped", "against", "the data gate", _dropped),
    Rule("few pairs", "against", "trl's DPO guide", _few_pairs),
    Rule("personal data", "against", "Carlini et al. 2021, arXiv 2012.07805", _personal),
    Rule("licence", "against", "recipes/licences.yaml", _licence),
    Rule("facts", "against", "Gekhman et al. 2024, arXiv 2405.05904", _beyond_reach),
    Rule("too big", "against", "parameters times 8.5 bits", _too_big),
    Rule("no chat template", "against", "the catalogue of base models", _no_template),
    Rule("no golden set", "note", "docs/evaluation.md", _no_golden),
    Rule("weak test", "note", "power calculation, engine/plan/power.py", _too_weak),
    Rule("not measured", "note", "docs/advice.md", _not_measured),
)

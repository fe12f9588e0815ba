"""Which recipe: argued from what the rows teach, how many they are, the model and the box."""

from __future__ import annotations

from typing import NamedTuple

from engine.base.hardware import machine
from engine.plan import device
from engine.plan.advice.facts import Facts
from engine.plan.words import amount, count

_BF16, _NF4 = 2, 0.57  # bytes a weight; NF4 with its scales, and some layers left in 16 bits
_HEADROOM = 1.3  # adapter, optimizer and activations beside the weights, roughly; the plan counts
_MUCH_TEXT = 50_000_000  # tokens


class Method(NamedTuple):
    """A recipe of `recipes/`, and why."""

    recipe: str
    why: str


def choose(facts: Facts) -> Method:
    """Return the recipe for what the rows teach."""
    if facts.form == "preference":
        return _preference(facts)
    if facts.form == "feedback":
        return Method(
            "kto-lora",
            "The rows say of single answers whether they are good: recipe kto-lora learns from "
            "that without pairs (Ethayarajh et al. 2024, arXiv 2402.01306).",
        )
    if facts.form == "text":
        return _raw_text(facts)
    return _supervised(facts)


def _supervised(facts: Facts) -> Method:
    one = f"Each of the {facts.train} training rows has one right answer"
    if facts.model is None:
        return Method("sft-lora", f"{one}: supervised fine-tuning with LoRA (recipe sft-lora).")
    size = facts.model.dimensions.parameters
    box = device.choose(machine.read())
    if box.kind == "gpu" and size * _BF16 * _HEADROOM > box.total:
        return Method(
            "sft-qlora",
            f"{one}, and {count(size)} weights take {amount(size * _BF16)} in 16 bits, "
            f"{amount(size * _NF4)} in 4, beside {amount(box.total)} of GPU memory: recipe "
            "sft-qlora (Dettmers et al. 2023, arXiv 2305.14314).",
        )
    return Method(
        "sft-lora",
        f"{one}, and the model fits in 16 bits: LoRA fine-tuning (recipe sft-lora) teaches form "
        "and task, and forgets less than full tuning (Biderman et al. 2024, arXiv 2405.09673).",
    )


def _preference(facts: Facts) -> Method:
    chat = facts.model.chat if facts.model else None
    if chat is not None and not chat.trained:
        return Method(
            "orpo-lora",
            "The rows prefer one answer to another, and the base model was never taught to answer: "
            "recipe orpo-lora learns both at once (Hong et al. 2024, arXiv 2403.07691).",
        )
    return Method(
        "dpo-lora",
        "The rows prefer one answer to another, and the base model can answer: recipe dpo-lora, "
        "whose reference is the model without its adapter (Rafailov et al. 2023, arXiv 2305.18290)."
        " If the base cannot do the task yet, first tune it on the preferred answers (sft-lora).",
    )


def _raw_text(facts: Facts) -> Method:
    if facts.tokens >= _MUCH_TEXT:
        return Method(
            "cpt-full",
            f"The rows are raw text of {facts.tokens:,} tokens, where full tuning learns more than "
            "LoRA (Biderman et al. 2024, arXiv 2405.09673): recipe cpt-full.",
        )
    return Method(
        "cpt-lora",
        f"The rows are raw text of {facts.tokens:,} tokens; below {_MUCH_TEXT:,} only recipe "
        "cpt-lora is worth trying, and for facts retrieval serves better (Ovadia et al. 2024, "
        "arXiv 2312.05934).",
    )

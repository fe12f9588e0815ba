"""What will happen, in plain words: the part of a training plan that a newcomer reads first."""

from __future__ import annotations

from engine.plan import models
from engine.plan.memory import split
from engine.plan.plan import Plan
from engine.plan.settle import Dataset
from engine.plan.words import amount, count, duration

_SHOWN = {
    "sft": "{rows} questions with their right answers are shown to {model}",
    "dpo": "{rows} pairs of a better and a worse answer are shown to {model}",
    "orpo": "{rows} pairs of a better and a worse answer are shown to {model}",
    "kto": "{rows} answers, each with a word on whether it is good, are shown to {model}",
    "cpt": "{rows} texts are read by {model}",
}
_LEARNT = {
    "sft": "It learns to write the answers; the questions are only read.",
    "dpo": (
        "It learns to find the better answer likelier than the worse one, and is held near to what "
        "it was."
    ),
    "orpo": "It learns to write the better answers, and to find them likelier than the worse ones.",
    "kto": "It learns to write more like the good answers and less like the bad ones.",
    "cpt": "It learns to go on as the texts do: their words and their facts, not to answer.",
}
_JUDGED = (
    "At the end the tuned model answers rows that no training saw, beside the base model, and you "
    "are told whether it is better, worse, or whether one can't tell."
)


def story(plan: Plan, dataset: Dataset) -> tuple[str, ...]:
    """Return what a plan's training does, one sentence or two at a time, in order.

    Args:
        plan: The plan.
        dataset: Its row of the table `datasets`.
    """
    trainer, tuning = split(plan.method)
    shown = _SHOWN[trainer].format(rows=f"{dataset['train']:,}", model=plan.model)
    times = _times(float(plan["epochs"]))
    return (
        f"{shown} {times}, {_batch(plan)} at a time. {_LEARNT[trainer]}",
        _what_changes(plan, tuning),
        _takes(plan),
        _watched(plan, dataset),
        _saved(plan),
        _JUDGED,
    )


def _times(epochs: float) -> str:
    words = {1.0: "once", 2.0: "twice"}
    return words.get(epochs, f"{epochs:g} times")


def _batch(plan: Plan) -> str:
    effective = int(plan["micro_batch"]) * int(plan["accumulation"])
    return f"{effective} of them" if effective > 1 else "one"


def _what_changes(plan: Plan, tuning: str) -> str:
    dimensions = models.find(plan.model).dimensions
    if tuning == "full":
        return (
            f"All {count(dimensions.parameters)} weights of the model change: what comes out is a "
            "new model of the same size."
        )
    trained = dimensions.adapter_parameters(int(plan["lora_rank"]))
    kept = (
        "stays as it is, held in 4 bits to save memory"
        if plan.values.get("quantization") and plan["quantization"] != "none"
        else "stays as it is"
    )
    return (
        f"The model itself {kept}. Beside it an adapter of {count(trained)} numbers "
        f"({trained / dimensions.parameters:.1%} of the model) is trained, which can be taken off "
        "again or merged into it."
    )


def _takes(plan: Plan) -> str:
    return (
        f"That makes {plan['steps']:,} steps and takes about {duration(plan.seconds)} on "
        f"{plan.device}, with {amount(plan.peak_bytes)} of its memory at the peak."
    )


def _watched(plan: Plan, dataset: Dataset) -> str:
    if not dataset["validation"]:
        return "No rows are held out for watching: nobody will see when it learns by heart."
    return (
        f"Every {_steps(plan['validate_every'])} it is tried on {dataset['validation']:,} rows "
        "that it does not learn from; when that curve rises, it has begun to learn by heart."
    )


def _saved(plan: Plan) -> str:
    return (
        f"Every {_steps(plan['checkpoint_every'])} a checkpoint is written. Whatever happens (a "
        "crash, a power cut, a closed line), at most the steps since then are lost: about "
        f"{duration(_between(plan))}."
    )


def _steps(every: object) -> str:
    return "step" if every == 1 else f"{every} steps"


def _between(plan: Plan) -> float:
    return plan.seconds * float(plan["checkpoint_every"]) / max(1, int(plan["steps"]))

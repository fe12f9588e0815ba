"""What to be sure of before anything is spent: goal, base model and licence, hardware, target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.base import objectives
from engine.base.errors import TunesmithError
from engine.base.objectives import Confirm
from engine.base.project import Objective, Project
from engine.plan import models
from engine.plan.device import Device

GOALS: Mapping[str, str] = {
    "quality": "The most right answers.",
    "latency": "The quickest and cheapest answers that are good enough.",
    "domain": "Knowing the words and facts of a field.",
    "safety": "Never a harmful answer, even if some good ones are lost.",
}
TARGETS: Mapping[str, str] = {
    "llama.cpp": "One file (GGUF), on a CPU or any GPU.",
    "ollama": "llama.cpp in a convenient coat; the same GGUF file.",
    "vllm": "A server for many users at once, on a GPU.",
}
_PRODUCTS = {
    "yes": "A product may use it.",
    "conditions": "A product may use it on conditions: read them.",
    "no": "A product may not use it.",
}


@dataclass(frozen=True)
class Assumption:
    """One thing to confirm.

    Attributes:
        name: Goal, base model, hardware or target.
        answer: What the project says now, in plain words.
        ask: What to ask oneself about it, for this kind of task.
        concern: What speaks against it; empty for nothing.
    """

    name: str
    answer: str
    ask: str
    concern: str = ""


def assumptions(project: Project, device: Device) -> tuple[Assumption, ...]:
    """Return what the project rests on, for a person to confirm.

    A base model outside the catalogue costs one small download, of its config.json.

    Args:
        project: The project.
        device: What jobs take on this box.
    """
    ask = objectives.template(project.objective.task).confirm
    return (
        Assumption("goal", f"{project.goal}: {GOALS[project.goal]}", ask.goal),
        _model(project.base_model, ask),
        Assumption("hardware", _hardware(device), ask.hardware),
        _target(project, device, ask),
    )


def remarks(objective: Objective) -> list[str]:
    """Return where an objective differs from what its kind of task usually needs."""
    usual, metrics = objectives.template(objective.task), objectives.metrics()
    found = []
    if objective.metric != usual.metric:
        reason = usual.other_metrics.get(objective.metric)
        suits = f" It suits: {reason}" if reason else ""
        found.append(
            f"It is measured by {metrics[objective.metric].title}; usual for this task is "
            f"{metrics[usual.metric].title}. {usual.metric_why}{suits}"
        )
    if objective.output != usual.output:
        found.append(f"Its answers are {objective.output}; usual for this task is {usual.output}.")
    if usual.schema and not objective.schema and not objective.fields:
        found.append("It has no schema, so hardly any answer can be in a wrong form.")
    if objective.minimum_effect <= 0:
        found.append("It has no least gain, so no number of test rows can be enough.")
    return found


def _model(name: str, ask: Confirm) -> Assumption:
    try:
        model = models.find(name)
    except TunesmithError as error:
        return Assumption("base model", name, ask.base_model, str(error))
    gated = " The hub asks for your consent before the download." if model.gated else ""
    said = f"{model.name}: {model.about} Licence {model.licence}. {model.licence_means}{gated}"
    concern = "" if model.commercial == "yes" else _PRODUCTS.get(model.commercial, "")
    return Assumption("base model", " ".join(said.split()), ask.base_model, concern)


def _hardware(device: Device) -> str:
    kind = "a GPU" if device.kind == "gpu" else f"a CPU with {device.cores} cores"
    return f"{device.title} ({kind}), {device.free / 1e9:.1f} GB of memory free."


def _target(project: Project, device: Device, ask: Confirm) -> Assumption:
    concern = (
        "vLLM wants a GPU, and this box has none that jobs can take: plan for another box."
        if project.target == "vllm" and device.kind == "cpu"
        else ""
    )
    said = f"{project.target}: {TARGETS[project.target]}"
    return Assumption("target", said, ask.target, concern)

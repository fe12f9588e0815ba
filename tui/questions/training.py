"""What is tuned, how, and what comes out: the model, the recipe and the exports."""

from __future__ import annotations

from functools import cache

from engine.base import model
from engine.base.hardware import machine
from engine.plan import device, memory, models, recipe
from engine.plan.memory import Setup
from tui import checks
from tui.question import Context, Question, Step, fixed

_ROOMY = 0.8  # of the free memory
_USUAL = Setup(
    trainer="sft",
    tuning="lora",
    quantization="none",
    rank=16,
    micro_batch=1,
    length=2048,
    precision="bf16",
    gradient_checkpointing=True,
    dropout=0.0,
    optimizer="adamw_torch_fused",
    scored=0.5,
)


@cache
def _fitting() -> str:
    """The largest general model of the catalogue, free to use, that LoRA fits on this box's GPU.

    On a CPU it is the embedded model: a larger one would take hours.
    """
    box = device.choose(machine.read())
    if box.kind == "cpu":
        return model.EMBEDDED
    fit = [
        known.name
        for known in models.catalogue().values()
        if known.family == "qwen"
        and known.name.startswith("qwen3")
        and known.chat
        and known.chat.trained
        and known.chat.thinking != "always"
        and known.commercial == "yes"
        and not known.gated
        and memory.estimate(known.dimensions, box.kind, _USUAL).peak_bytes <= _ROOMY * box.free
    ]
    return fit[-1] if fit else model.EMBEDDED


def _recipe(context: Context) -> str:
    """The usual recipe for the form that the example rows have."""
    return next(iter(recipe.for_form(context.sample.form)), "sft-lora")


def _recipes() -> dict[str, str]:
    purposes = {name: recipe.load(name).purpose for name in recipe.names()}
    return {
        name: f"{purpose.partition('. ')[0].rstrip('.')}." for name, purpose in purposes.items()
    }


MODEL = Step(
    "model",
    "Model",
    "What is tuned, for what, and where it will run.",
    (
        Question(
            "base_model", "Base model",
            "A catalogue name (`tunesmith models` lists them), owner/name from the Hugging Face "
            "hub, or a folder with safetensors.",
            "text", lambda _: _fitting(), checks.base_model, checks.about_model,
        ),
        Question(
            "goal", "Goal", "What counts most when two answers are possible.", "choice",
            fixed("quality"),
            choices={
                "quality": "The most right answers.",
                "latency": "The quickest and cheapest answers that are good enough.",
                "domain": "Knowing the words and facts of a field.",
                "safety": "Never a harmful answer, even if some good ones are lost.",
            },
        ),
        Question(
            "target", "Will run on", "The program that will serve the model.", "choice",
            fixed("llama.cpp"),
            choices={
                "llama.cpp": "One file (GGUF), on a CPU or any GPU.",
                "ollama": "llama.cpp in a convenient coat; the same GGUF file.",
                "vllm": "A server for many users at once, on a GPU.",
            },
        ),
    ),
)  # fmt: skip

RECIPE = Step(
    "recipe",
    "Recipe",
    "How it is trained; it bends to data and machine.",
    (
        Question(
            "recipe", "Recipe", "The method and its settings (a file in recipes/).", "choice",
            _recipe, checks.recipe_name, choices=_recipes(),
        ),
        Question(
            "settings", "Overrides",
            "Settings of your own, as key=value by comma, such as epochs=2, lora_rank=32. Leave "
            "it empty: the plan shows every value with its reason before anything starts.",
            "text", fixed(""), checks.settings,
        ),
        Question(
            "seed", "Seed",
            "The number all chance is drawn from: the same seed gives the same split and order.",
            "number", fixed("42"), checks.whole,
        ),
    ),
)  # fmt: skip

EXPORTS = Step(
    "exports",
    "Exports",
    "Which files are made of the tuned model.",
    (
        Question(
            "exports", "GGUF types",
            "The GGUF types to make, by comma, best quality first. The smallest that passes the "
            "parity gate is recommended.",
            "text", fixed("F16, Q8_0, Q6_K"), checks.exports, checks.about_exports,
        ),
    ),
)  # fmt: skip

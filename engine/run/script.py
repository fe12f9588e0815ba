"""A plan as a folder that trains without Tunesmith: a TRL script, its rows, its order, its plan.

What the script is told is what the run is told (`engine.run.arguments`), so both reach the same
losses.
"""

from __future__ import annotations

import json
import math
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine.base import files, paths
from engine.base.model import EMBEDDED, locate
from engine.base.project import Project
from engine.base.store import Store
from engine.data import dataset
from engine.data.chat.template import ChatTemplate
from engine.plan import document, models, recipe
from engine.plan.memory import OWN_LOSS_LOGITS
from engine.plan.plan import Plan
from engine.run import arguments
from engine.run.examples import Examples, tokenise

_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
_BASES = {"sft": "SFT", "cpt": "SFT", "dpo": "DPO", "kto": "KTO", "orpo": "ORPO"}


def export(store: Store, project: Project, plan: Plan, folder: Path) -> list[Path]:
    """Write a plan as a script with all it needs; return the files, the script first.

    Args:
        store: Where the plan's dataset is.
        project: The plan's project.
        plan: A plan of any recipe.
        folder: Made when missing; its files are replaced one by one, each in one step.

    Raises:
        TunesmithError: The base model's tokenizer cannot be had, or the rows do not fit the recipe.
    """
    training, validation = _examples(store, project, plan)
    document.write(store, project, plan, folder)
    written = {
        "train.py": _script(project, plan, training, validates=bool(validation.rows)),
        "requirements.txt": _requirements(plan),
        "data/train.jsonl": _lines(training),
        "data/validation.jsonl": _lines(validation),
        "order.json": json.dumps(_order(plan, training)),
        **{f"{module}.py": _copied(module) for module in _modules(plan)},
    }
    for name, text in written.items():
        files.write_text(folder / name, text)
    documents = ("plan.yaml", "training-plan.md", "eval-plan.md")
    return [folder / name for name in (*written, *documents)]


def _examples(store: Store, project: Project, plan: Plan) -> tuple[Examples, Examples]:
    template = ChatTemplate.load(locate(plan.model))
    data = dataset.load(store, plan.dataset_id)
    instruction = project.objective.instruction
    made = [
        tokenise(template, instruction, data.rows(split), plan["max_length"], plan.trainer)
        for split in ("train", "validation")
    ]
    return made[0], made[1]


def _modules(plan: Plan) -> list[str]:
    """Our own modules that the script loads; they need nothing else of ours."""
    own = arguments.attention(plan, 0) == arguments.OWN_ATTENTION
    return ["attention"] * own + ["lora"] * arguments.fuses(plan)


def _copied(module: str) -> str:
    return Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")


def _script(project: Project, plan: Plan, training: Examples, *, validates: bool) -> str:
    from jinja2 import Environment, StrictUndefined

    cpu = plan.device == "cpu"
    own_loss = cpu and plan.trainer in ("sft", "cpt")
    kind = _BASES[plan.trainer]
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701 - Python, not HTML
    template = environment.from_string(
        (paths.recipes() / "scripts" / "train.py.jinja").read_text(encoding="utf-8")
    )
    told = {
        **arguments.shared(plan, validates=validates),
        **arguments.of_trainer(plan, training.rows),
    }
    return template.render(
        title=recipe.load(plan.recipe).title,
        project=json.dumps(project.name, ensure_ascii=True)[1:-1],
        model=plan.model,
        model_argument=shlex.quote(_model(plan)),
        trainer=plan.trainer,
        tuning=plan.tuning,
        nf4=plan.quantised,
        base=f"{kind}Trainer",
        config=f"{kind}Config",
        device="cpu" if cpu else "cuda:0",
        dtype="bfloat16" if plan["precision"] == "bf16" else "float32",
        attention=arguments.attention(plan, max(training.lengths)),
        own_loss=OWN_LOSS_LOGITS if own_loss else 0,
        own_attention="attention" in _modules(plan),
        fused=arguments.fuses(plan),
        prefix=arguments.prefix(plan, training),
        adapter=arguments.adapter(plan) if plan.tuning == "lora" else {},
        arguments=told,
        threads=plan["threads"],
    )


def _model(plan: Plan) -> str:
    """The name by which the script finds the base model; the embedded one is a folder here."""
    if plan.model == EMBEDDED:
        return str(locate(plan.model))
    return models.find(plan.model).hub or plan.model


def _requirements(plan: Plan) -> str:
    names = (*_LIBRARIES, "bitsandbytes") if plan.needs_bitsandbytes else _LIBRARIES
    return "".join(f"{name}=={version(name).partition('+')[0]}\n" for name in names)


def _lines(examples: Examples) -> str:
    return "".join(json.dumps(row) + "\n" for row in examples.rows)


def _order(plan: Plan, training: Examples) -> list[list[int]]:
    """The row numbers of every epoch that the plan goes through."""
    order: Any = arguments.order(plan, training.lengths)
    steps_an_epoch = math.ceil(
        math.ceil(len(training.lengths) / plan["micro_batch"]) / plan["accumulation"]
    )
    epochs = max(1, math.ceil(plan["steps"] / steps_an_epoch))
    orders = []
    for epoch in range(epochs):
        order.set_epoch(epoch)
        orders.append(list(order))
    return orders

"""A two-layer model with the embedded model's tokenizer, and trainings of it in this process."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.base.hardware.machine import Machine
from engine.base.project import DataSettings, Objective, Project
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Row, make
from engine.plan import plan as plans
from engine.plan import recipe
from engine.plan.plan import Plan
from engine.run.checkpoints import Totals
from engine.run.examples import Examples, tokenise

BOX = Machine("EPYC", 2, True, 24_000_000_000, 20_000_000_000, (), "no driver")
ASKED = [f"Where is order {number}?" for number in range(12)]
GOOD, BAD = '{"intent": "where_is_order"}', "I really do not know, so please ask someone else."
ROWS: dict[str, list[Row]] = {
    "answer": [make(asked, GOOD) for asked in ASKED],
    "preference": [make(asked, GOOD, form="preference", rejected=BAD) for asked in ASKED],
    "feedback": [
        make(asked, GOOD if place % 3 else BAD, form="feedback", label=bool(place % 3))
        for place, asked in enumerate(ASKED)
    ],
    "text": [make("", f"{asked} It is on its way. " * 5, form="text") for asked in ASKED],
}


def model(folder: Path, base: Path) -> Path:
    """Save a random model of two narrow layers; return its folder."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(base)
    config.update(
        {
            "num_hidden_layers": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "initializer_range": 0.2,
        }
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).to(torch.bfloat16).save_pretrained(folder)
    for file in base.glob("tokenizer*"):
        shutil.copyfile(file, folder / file.name)
    return folder


def planned(name: str, rows: list[Row], template: ChatTemplate, **settings: Any) -> Plan:
    """Resolve a recipe for some rows, for three short steps."""
    loaded = recipe.load(name)
    lengths = [len(template.example("", row).ids) for row in rows]
    dataset = {
        "id": "rows",
        "train": len(rows),
        "validation": 2,
        "tokens_train": sum(lengths),
        "tokens_answers": sum(lengths) // 2,
        "tokens_longest": max(lengths),
    }
    short: dict[str, Any] = {
        "max_steps": 3,
        "micro_batch": 3,
        "accumulation": 1,
        "checkpoint_every": 2,
        "validate_every": 3,
        "learning_rate": 1e-3,
        "precision": "fp32",
    }
    if loaded.tuning == "lora":
        short["lora_rank"] = 4
    if loaded.trainer == "cpt":
        short["max_length"] = 64
    project = Project("small", Objective("", "Answer."), DataSettings(("a",)), recipe=name)
    return plans.resolve(project, dataset, BOX, {**short, **settings})


@dataclass
class Training:
    """A trainer that is ready, with its plan, its rows and what is seen of it."""

    plan: Plan
    trainer: Any
    seen: Any
    rows: Examples

    @property
    def losses(self) -> list[float]:
        return [logs["loss"] for logs in self.seen.logs if "loss" in logs]


def training(name: str, folder: Path, small: Path, **settings: Any) -> Training:
    """Build the trainer of a recipe for rows of the form it learns from."""
    from engine.run.trainer import build

    template = ChatTemplate.load(small)
    loaded = recipe.load(name)
    rows = ROWS[loaded.form]
    plan = planned(name, rows, template, **settings)
    train, validation = (
        tokenise(template, "Be kind.", part, plan["max_length"], loaded.trainer)
        for part in (rows, rows[:2])
    )
    seen = _bystander(folder)
    return Training(plan, build(plan, small, folder, train, validation, seen), seen, train)


def _bystander(folder: Path) -> Any:
    from engine.run.forecast import Forecast
    from engine.run.views import Views
    from engine.run.watcher import Watcher

    class Bystander(Watcher):
        """A watcher without a job: it keeps what is logged."""

        def __init__(self) -> None:
            super().__init__(None, 0, folder, None, Totals(), Views(Forecast(())))  # type: ignore[arg-type]
            self.logs: list[dict[str, float]] = []

        def on_train_begin(self, *_: Any, **__: Any) -> None: ...

        def on_step_begin(self, *_: Any, **__: Any) -> None: ...

        def complete(self, step: int) -> None: ...

        def on_step_end(self, _args: Any, _state: Any, control: Any, **_: Any) -> Any:
            return control

        def on_log(self, *_: Any, logs: Any, **__: Any) -> None:
            self.logs.append(dict(logs))

        def on_evaluate(self, *_: Any, **__: Any) -> None: ...

        def on_save(self, *_: Any, **__: Any) -> None: ...

    return Bystander()

"""TRL's trainers, set up from a plan: our token ids, our order, and nothing left to chance.

Imported inside the training job only, because it needs `torch`, `peft` and `trl`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # TRL reports every trainer it makes otherwise
os.environ.setdefault("TQDM_DISABLE", "1")  # bars of libraries would fill the job's log

import torch
from datasets import Dataset
from transformers import AutoTokenizer
from transformers.utils import logging

from engine.plan.plan import Plan
from engine.run import arguments, base_model, lora
from engine.run.distributed import spread
from engine.run.examples import Examples
from engine.run.trainers import dpo, kto, orpo, sft
from engine.run.watcher import Watcher

_TRAINERS: dict[str, Any] = {
    "sft": sft.Trainer,
    "cpt": sft.Trainer,
    "dpo": dpo.Trainer,
    "kto": kto.Trainer,
    "orpo": orpo.Trainer,
}


def build(
    plan: Plan,
    model_dir: Path,
    folder: Path,
    train: Examples,
    validation: Examples,
    watcher: Watcher,
) -> Any:
    """Return a trainer that is ready to start.

    Args:
        plan: Every setting.
        model_dir: The base model.
        folder: Where checkpoints go.
        train: The rows to learn, tokenised for the plan's trainer.
        validation: The rows to watch; may be empty.
        watcher: Follows the training.
    """
    torch.set_num_threads(plan["threads"])
    logging.disable_progress_bar()
    kind = spread.over(_TRAINERS[plan.trainer], plan)
    lengths = train.lengths
    model = base_model.load(plan, model_dir, max(lengths))
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    told = {
        **arguments.shared(plan, validates=bool(validation.rows)),
        **arguments.of_trainer(plan, train.rows),
        **spread.arguments(plan),
    }
    prefix = arguments.prefix(plan, train)
    made = kind(
        order=arguments.order(plan, lengths),
        cut=arguments.cut(plan, prefix),
        **_laid(plan, prefix),
        watcher=watcher,
        model=model,
        args=kind.CONFIG(output_dir=str(folder), **told),
        train_dataset=Dataset.from_list(train.rows),
        eval_dataset=Dataset.from_list(validation.rows) if validation.rows else None,
        processing_class=tokenizer,
        peft_config=base_model.adapter(plan, model),
    )
    if arguments.fuses(plan):
        lora.fuse(made.model)
    return made


def _laid(plan: Plan, prefix: int) -> dict[str, Any]:
    """How the rows of a piece are laid out, where the plan's trainer can choose."""
    if "packing" not in plan.values:
        return {}
    return {"packing": arguments.packing(plan), "prefix": prefix}

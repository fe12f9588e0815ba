"""TRL's trainer, set up from a plan: LoRA, completion-only loss, and nothing left to chance.

Imported inside the training job only, because it needs `torch`, `peft` and `trl`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # TRL reports every trainer it makes otherwise

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from transformers.utils import logging
from trl import SFTConfig, SFTTrainer

from engine.plan.memory import OWN_LOSS_LOGITS, PLAIN_LENGTH
from engine.plan.plan import Plan
from engine.run import checkpoints
from engine.run.examples import IGNORED, Examples
from engine.run.order import Order
from engine.run.watcher import Watcher


class Trainer(SFTTrainer):  # type: ignore[misc]
    """TRL's trainer with a reproducible order of rows and a faster loss where there is no GPU.

    Args:
        order: The order of the training rows.
        watcher: Follows the training.
        options: TRL's own arguments.
    """

    def __init__(self, *, order: Order, watcher: Watcher, **options: Any) -> None:
        super().__init__(**options, callbacks=[watcher])
        self.remove_callback(PrinterCallback)
        self._order = order
        self._watcher = watcher

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:  # noqa: ARG002 - the base's
        return self._order

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the mean loss of the answers' tokens.

        Without Triton, TRL projects every position onto the vocabulary, prompt and all, and does
        so twice. Here only the positions that predict an answer's token are projected.
        """
        if model.training:
            self._watcher.tokens += int(inputs["attention_mask"].sum())
        labels = inputs["labels"]
        wanted = labels[:, 1:]
        counted = wanted != IGNORED
        answers = int(counted.sum())
        if (
            labels.device.type != "cpu"
            or answers * model.config.get_text_config().vocab_size > OWN_LOSS_LOGITS
        ):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        scores = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            logits_to_keep=torch.nn.functional.pad(counted, (0, 1)),
            use_cache=False,
        ).logits
        loss = torch.nn.functional.cross_entropy(
            scores.float().view(answers, -1), wanted[counted], reduction="sum"
        )
        loss = loss / (answers if num_items_in_batch is None else num_items_in_batch)
        return (loss, {}) if return_outputs else loss

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with checkpoints.saving(Path(self.args.output_dir), self.state.global_step):
            super()._save_checkpoint(model, trial)

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Do nothing: the run's report says what a card would."""


def build(
    plan: Plan,
    model_dir: Path,
    folder: Path,
    train: Examples,
    validation: Examples,
    watcher: Watcher,
) -> Trainer:
    """Return a trainer that is ready to start.

    Args:
        plan: Every setting.
        model_dir: The base model.
        folder: Where checkpoints go.
        train: The rows to learn.
        validation: The rows to watch; may be empty.
        watcher: Follows the training.
    """
    torch.set_num_threads(plan["threads"])
    logging.disable_progress_bar()
    lengths = train.lengths
    batch, seed = plan["micro_batch"], plan["seed"]
    return Trainer(
        order=Order(lengths, batch, seed, grouped=plan["group_by_length"]),
        watcher=watcher,
        model=_model(plan, model_dir, max(lengths)),
        args=_arguments(plan, folder, validates=bool(validation.rows)),
        train_dataset=Dataset.from_list(train.rows),
        eval_dataset=Dataset.from_list(validation.rows) if validation.rows else None,
        processing_class=AutoTokenizer.from_pretrained(model_dir),
        peft_config=LoraConfig(
            r=plan["lora_rank"],
            lora_alpha=plan["lora_alpha"],
            lora_dropout=plan["lora_dropout"],
            target_modules=_targets(plan["lora_targets"]),
            task_type="CAUSAL_LM",
        ),
    )


def _model(plan: Plan, folder: Path, longest: int) -> Any:
    """Load the weights; on a CPU plain attention is faster than the fused kernel for short rows."""
    plain = plan.device == "cpu" and longest <= PLAIN_LENGTH
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.bfloat16 if plan["precision"] == "bf16" else torch.float32,
        attn_implementation="eager" if plain else "sdpa",
    )
    return model if plan.device == "cpu" else model.to("cuda:0")


def _targets(text: str) -> str | list[str]:
    return text if text == "all-linear" else [name.strip() for name in text.split(",")]


def _arguments(plan: Plan, folder: Path, *, validates: bool) -> SFTConfig:
    cpu = plan.device == "cpu"
    return SFTConfig(
        output_dir=str(folder),
        max_steps=plan["max_steps"] or -1,
        num_train_epochs=plan["epochs"],
        per_device_train_batch_size=plan["micro_batch"],
        per_device_eval_batch_size=plan["micro_batch"],
        gradient_accumulation_steps=plan["accumulation"],
        gradient_checkpointing=plan["gradient_checkpointing"],
        learning_rate=plan["learning_rate"],
        lr_scheduler_type=plan["scheduler"],
        warmup_steps=plan["warmup"],
        weight_decay=plan["weight_decay"],
        max_grad_norm=plan["clip"],
        optim=plan["optimizer"],
        bf16=plan["precision"] == "bf16",
        use_cpu=cpu,
        seed=plan["seed"],
        data_seed=plan["seed"],
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        dataloader_pin_memory=not cpu,
        logging_steps=plan["log_every"],
        logging_nan_inf_filter=False,
        eval_strategy="steps" if validates else "no",
        eval_steps=plan["validate_every"],
        save_strategy="steps",
        save_steps=plan["checkpoint_every"],
        report_to="none",
        disable_tqdm=True,
    )

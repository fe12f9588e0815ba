"""What TRL is told of a plan, as plain values: the run is told it, and so is an exported script.

Loads no heavy library, so that a script can be written without one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

from engine.plan import models
from engine.plan.memory import PLAIN_LENGTH
from engine.plan.plan import Plan
from engine.run import pieces
from engine.run.examples import Examples
from engine.run.order import Order

OWN_ATTENTION = "tunesmith"  # engine.run.attention, which is not loaded here
_OWN_ATTENTION = frozenset({"llama", "qwen2", "qwen3"})  # held against the library's own by a test
_LEAST_PREFIX = 8  # tokens; a shorter one is not worth the laying out

_TABLES = ("embed_tokens", "lm_head")  # the names that nearly all architectures give them


def shared(plan: Plan, *, validates: bool) -> dict[str, Any]:
    """Return what all of TRL's trainers are told, the folder apart.

    Args:
        plan: Every setting.
        validates: Whether there are validation rows.
    """
    cpu = plan.device == "cpu"
    return {
        "max_steps": plan["max_steps"] or -1,
        "num_train_epochs": plan["epochs"],
        "per_device_train_batch_size": plan["micro_batch"],
        "per_device_eval_batch_size": plan["micro_batch"],
        "gradient_accumulation_steps": plan["accumulation"],
        "gradient_checkpointing": plan["gradient_checkpointing"],
        "learning_rate": plan["learning_rate"],
        "lr_scheduler_type": plan["scheduler"],
        "warmup_steps": plan["warmup"],
        "weight_decay": plan["weight_decay"],
        "max_grad_norm": plan["clip"],
        "optim": plan["optimizer"],
        "bf16": plan["precision"] != "fp32",
        "use_cpu": cpu,
        "seed": plan["seed"],
        "data_seed": plan["seed"],
        "dataloader_pin_memory": not cpu,
        "logging_steps": plan["log_every"],
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps" if validates else "no",
        "eval_steps": plan["validate_every"],
        "save_strategy": "steps",
        "save_steps": plan["checkpoint_every"],
        "report_to": "none",
        "disable_tqdm": True,
    }


def of_trainer(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the plan's own trainer is told beside that.

    Args:
        plan: Every setting.
        rows: The training rows as `engine.run.examples` makes them, ids ready and cut to length.
    """
    if plan.trainer in ("sft", "cpt"):
        return {"dataset_kwargs": {"skip_prepare_dataset": True}, "max_length": None}
    told = {"beta": plan["beta"], "disable_dropout": not plan["lora_dropout"]}
    if plan.trainer == "dpo":
        return {
            **told,
            "precompute_ref_log_probs": plan["precompute_reference"],
            "max_length": None,
        }
    if plan.trainer == "orpo":
        return {**told, "max_length": plan["max_length"], "remove_unused_columns": False}
    labels = [bool(row["label"]) for row in rows]
    asked = plan["desirable_weight"], plan["undesirable_weight"]
    desirable, undesirable = weights(*asked, sum(labels), labels.count(False))
    return {
        **told,
        "desirable_weight": desirable,
        "undesirable_weight": undesirable,
        "max_length": plan["max_length"],  # of an answer under another's prompt
        "train_sampling_strategy": "sequential",  # TRL insists; the order is ours all the same
    }


def weights(desirable: float, undesirable: float, good: int, bad: int) -> tuple[float, float]:
    """Return what good and bad answers count in KTO, so that both kinds together weigh the same.

    Equation 8 of the KTO paper (arXiv 2402.01306) asks for weight x number of the good ones to be 1
    to 4/3 times that of the bad ones; 1 is taken, and the commoner kind counts 1.

    Args:
        desirable: The weight of a good answer; 0 to balance it.
        undesirable: The weight of a bad answer; 0 to balance it.
        good: Good answers in the training rows.
        bad: Bad ones.
    """
    if desirable and undesirable:
        return desirable, undesirable
    if not good or not bad:
        return desirable or 1.0, undesirable or 1.0
    if desirable:
        return desirable, desirable * good / bad
    if undesirable:
        return undesirable * bad / good, undesirable
    return max(1.0, bad / good), max(1.0, good / bad)


def attention(plan: Plan, longest: int) -> str:
    """Return the attention to load: on a CPU our own where the architecture was tried with it.

    Elsewhere on a CPU the plain one is faster than the fused for short rows.

    Args:
        plan: Says where it runs, and whether rows are packed.
        longest: Tokens of the longest row.
    """
    if plan.device != "cpu":
        return "flash_attention_2" if packing(plan) and find_spec("flash_attn") else "sdpa"
    if packing(plan):
        return "sdpa"
    if models.find(plan.model).dimensions.kind in _OWN_ATTENTION:
        return OWN_ATTENTION
    return "eager" if longest <= PLAIN_LENGTH else "sdpa"


def prefix(plan: Plan, training: Examples) -> int:
    """Return the tokens at the beginning of all rows that a piece computes once; 0 for none.

    Args:
        plan: Says where it runs, what is trained, and whether rows are packed.
        training: The training rows.
    """
    shares = plan.trainer == "sft" and attention(plan, 0) == OWN_ATTENTION
    found = training.prefix if shares else 0
    return found if found >= _LEAST_PREFIX else 0


def adapter(
    plan: Plan, tables: Sequence[str] = _TABLES, *, tied: bool | None = None
) -> dict[str, Any]:
    """Return the adapter's description, as PEFT's `LoraConfig` takes it.

    Args:
        plan: A plan of a LoRA recipe.
        tables: The names of the input table and of the output head.
        tied: Whether those two are one; None to ask the catalogue.
    """
    told = {
        "r": plan["lora_rank"],
        "lora_alpha": plan["lora_alpha"],
        "lora_dropout": plan["lora_dropout"],
        "use_rslora": plan["rslora"],
        "target_modules": _targets(plan["lora_targets"]),
        "task_type": "CAUSAL_LM",
    }
    if "train_embeddings" not in plan.values or not plan["train_embeddings"]:
        return told
    one = models.find(plan.model).dimensions.tied if tied is None else tied
    whole = list(tables[:1] if one else tables)
    return {**told, "modules_to_save": whole, "ensure_weight_tying": one}


def order(plan: Plan, lengths: Sequence[int]) -> Order:
    """Return the order of the training rows.

    Args:
        plan: Its seed and micro-batch, and whether like lengths go together.
        lengths: Tokens of each row.
    """
    grouped = bool("group_by_length" in plan.values and plan["group_by_length"])
    return Order(lengths, plan["micro_batch"], plan["seed"], grouped=grouped)


def fuses(plan: Plan) -> bool:
    """Return whether adapted linear maps compute in one operation (`engine.run.lora`).

    On a GPU that was not measured yet; a base in four bits has maps of its own.
    """
    return plan.device == "cpu" and plan.tuning == "lora" and not plan.quantised


def cut(plan: Plan, prefix: int = 0) -> pieces.Cut:
    """Return the function that cuts a micro-batch into pieces, told the tokens of its rows.

    Args:
        plan: Every setting.
        prefix: Tokens that all rows begin with, which a piece computes once.
    """
    budget: int = plan["micro_tokens"] if "micro_tokens" in plan.values else 0
    if "sharding" in plan.values and plan["sharding"] == "fsdp2":
        budget = 0  # every process must go through the layers as often as the others
    return partial(
        pieces.cut, budget=budget, device=plan.device, packing=packing(plan), prefix=prefix
    )


def packing(plan: Plan) -> bool:
    """Return whether the rows of a piece lie end to end."""
    return "packing" in plan.values and bool(plan["packing"])


def _targets(text: str) -> str | list[str]:
    return text if text == "all-linear" else [name.strip() for name in text.split(",")]

"""The settings of a training: types, ranges, and which trainings have them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.plan import trackers

Scalar = str | int | float | bool
Trainer = Literal["sft", "dpo", "kto", "orpo", "cpt"]
Tuning = Literal["lora", "full"]

TRAINERS: Mapping[Trainer, str] = {
    "sft": "supervised fine-tuning (SFT)",
    "dpo": "direct preference optimization (DPO)",
    "kto": "Kahneman-Tversky optimization (KTO)",
    "orpo": "odds-ratio preference optimization (ORPO)",
    "cpt": "continued pretraining",
}
_PREFERENCE: tuple[Trainer, ...] = ("dpo", "kto", "orpo")
_TOKENWISE: tuple[Trainer, ...] = ("sft", "cpt")


@dataclass(frozen=True)
class Setting:
    """The type and the range of one setting, and the trainings that have it.

    Attributes:
        kind: int, float, bool or str.
        low: The least value; for a number only.
        high: The greatest value; for a number only.
        choices: The allowed texts; empty when any text will do.
        names: The names of which a text joins some with commas, or says `none`; empty otherwise.
        trainers: The trainers that have it.
        tuning: The only tuning that has it; empty for both.
        absent: Why the others lack it, as the end of a sentence.
    """

    kind: type[Scalar]
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    trainers: tuple[Trainer, ...] = tuple(TRAINERS)
    tuning: Tuning | Literal[""] = ""
    absent: str = ""

    def applies(self, trainer: Trainer, tuning: Tuning) -> bool:
        """Say whether a training has this setting."""
        return trainer in self.trainers and self.tuning in ("", tuning)


_SCHEDULERS = ("cosine", "linear", "constant", "constant_with_warmup")
_OPTIMIZERS = ("adamw_torch_fused", "adamw_torch", "adamw_8bit", "paged_adamw_8bit")
_NO_ADAPTER = "full tuning trains the model itself and has no adapter"
_NO_PREFERENCE = "it learns no preferences"
_NO_SHARE = "its loss compares rows that other processes would hold"
_NO_KTO = "only KTO weighs single good and bad answers"

# The order is that of every listing.
SETTINGS: Mapping[str, Setting] = {
    "quantization": Setting(str, choices=("none", "nf4"), tuning="lora", absent=_NO_ADAPTER),
    "lora_rank": Setting(int, 1, 1024, tuning="lora", absent=_NO_ADAPTER),
    "lora_alpha": Setting(int, 0, 4096, tuning="lora", absent=_NO_ADAPTER),
    "rslora": Setting(bool, tuning="lora", absent=_NO_ADAPTER),
    "lora_dropout": Setting(float, 0, 0.9, tuning="lora", absent=_NO_ADAPTER),
    "lora_targets": Setting(str, tuning="lora", absent=_NO_ADAPTER),
    "train_embeddings": Setting(
        bool, trainers=("cpt",), tuning="lora", absent="new words are a matter of raw text"
    ),
    "learning_rate": Setting(float, 1e-8, 1),
    "scheduler": Setting(str, choices=_SCHEDULERS),
    "warmup": Setting(float, 0, 0.9),
    "epochs": Setting(float, 0.01, 1000),
    "max_steps": Setting(int, 0, 10**9),
    "micro_batch": Setting(int, 1, 4096),
    "accumulation": Setting(int, 1, 4096),
    "micro_tokens": Setting(
        int,
        0,
        10**7,
        trainers=("sft", "cpt", "dpo"),
        absent="its loss compares rows with each other",
    ),
    "packing": Setting(
        bool, trainers=("sft",), absent="only rows with one right answer are laid end to end"
    ),
    "max_length": Setting(int, 16, 10**6),
    "beta": Setting(float, 1e-4, 100, trainers=_PREFERENCE, absent=_NO_PREFERENCE),
    "desirable_weight": Setting(float, 0, 1000, trainers=("kto",), absent=_NO_KTO),
    "undesirable_weight": Setting(float, 0, 1000, trainers=("kto",), absent=_NO_KTO),
    "precompute_reference": Setting(
        bool, trainers=("dpo",), absent="only DPO can look its reference's probabilities up"
    ),
    "weight_decay": Setting(float, 0, 1),
    "clip": Setting(float, 0, 1000),
    "optimizer": Setting(str, choices=_OPTIMIZERS),
    "precision": Setting(str, choices=("bf16", "mixed", "fp32")),
    "gradient_checkpointing": Setting(bool),
    "group_by_length": Setting(
        bool, trainers=("sft", *_PREFERENCE), absent="raw text is cut into blocks of one length"
    ),
    "processes": Setting(int, 1, 4096, trainers=_TOKENWISE, absent=_NO_SHARE),
    "sharding": Setting(str, choices=("ddp", "fsdp2"), trainers=_TOKENWISE, absent=_NO_SHARE),
    "log_every": Setting(int, 1, 10**6),
    "validate_every": Setting(float, 0.001, 10**9),
    "samples": Setting(
        int, 0, 100, trainers=("sft", *_PREFERENCE), absent="raw text has no questions to answer"
    ),
    "early_stopping": Setting(int, 0, 1000),
    "keep_best": Setting(bool),
    "checkpoint_every": Setting(float, 0.001, 10**9),
    "keep_checkpoints": Setting(int, 1, 1000),
    "trackers": Setting(str, names=trackers.NAMES),
    "threads": Setting(int, 0, 4096),
    "seed": Setting(int, 0, 2**32 - 1),
}


def of(trainer: Trainer, tuning: Tuning) -> list[str]:
    """Return the names of the settings that a training has, in the order of every listing."""
    return [name for name, setting in SETTINGS.items() if setting.applies(trainer, tuning)]


def misplaced(name: str, trainer: Trainer, tuning: Tuning) -> str:
    """Say why a training lacks a setting; empty where it has it."""
    setting = SETTINGS[name]
    if setting.applies(trainer, tuning):
        return ""
    absent = _NO_ADAPTER if setting.tuning not in ("", tuning) else setting.absent
    kind = f"{TRAINERS[trainer]} {'with an adapter' if tuning == 'lora' else 'of all weights'}"
    return f"{name} does not apply to {kind}: {absent}"


_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def typed(name: str, value: Any) -> Any:
    """Return the value in the setting's type where that is possible, else as it is."""
    kind = SETTINGS[name].kind
    if kind is bool:
        return _WORDS.get(value.lower(), value) if isinstance(value, str) else value
    try:
        if isinstance(value, str) and kind is not str:
            return kind(value)
    except ValueError:
        return value
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if kind is float and whole else value


def faults(name: str, value: Any) -> list[str]:
    """Return what is wrong with a value: its type, its range or its wording."""
    setting, value = SETTINGS[name], typed(name, value)
    if type(value) is not setting.kind:
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        return [f"{name} must be {words[setting.kind]}, not {value!r}"]
    if setting.choices and value not in setting.choices:
        return [f"{name} must be one of {', '.join(setting.choices)}, not {value!r}"]
    if setting.names and (unknown := _unknown(str(value), setting.names)):
        known = f"none, or names of {', '.join(setting.names)}, joined by commas"
        return [f"{name} must be {known}, not {unknown!r}"]
    if isinstance(value, int | float) and not setting.low <= value <= setting.high:
        return [f"{name} must lie between {setting.low:g} and {setting.high:g}, not {value!r}"]
    return []


def _unknown(text: str, names: tuple[str, ...]) -> str:
    """Return the first part of a list with commas that is no name; the text where it has none."""
    if text.strip() == trackers.NONE:
        return ""
    parts = [part.strip() for part in text.split(",")]
    return next((part or text or " " for part in parts if part not in names), "")

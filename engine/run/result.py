"""What a training leaves behind: an adapter, or after full tuning a whole model folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.base import files
from engine.plan.plan import Plan

ADAPTER, MODEL = "adapter", "model"

_ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json")
_MODEL_FILES = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "generation_config.json",
)
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "merges.txt",
)


def keep(plan: Plan, checkpoint: Path, base: Path, run_dir: Path) -> str:
    """Copy what was trained out of a checkpoint in one step.

    Of a whole model the tokenizer's files are the base model's, byte for byte: one that was saved
    anew can hash differently, and llama.cpp then no longer knows it.

    Args:
        plan: Says whether an adapter or all weights were trained.
        checkpoint: A valid checkpoint.
        base: The base model's folder.
        run_dir: The run's folder; `adapter` or `model` appears in it.

    Returns:
        The SHA-256 of the adapter's weights, or of the whole model folder.
    """
    if plan.tuning == "full":
        with files.atomic(run_dir / MODEL) as folder:
            folder.mkdir()
            _copy(checkpoint, _MODEL_FILES, folder)
            copy_tokenizer(base, folder)
        return files.sha256(run_dir / MODEL)
    with files.atomic(run_dir / ADAPTER) as folder:
        folder.mkdir()
        _copy(checkpoint, _ADAPTER_FILES, folder)
    return files.sha256(run_dir / ADAPTER / _ADAPTER_FILES[0])


def words(plan: Plan) -> str:
    """Return what a training makes, for people."""
    return "model" if plan.tuning == "full" else "adapter"


def path(run_dir: Path) -> Path | None:
    """Return the folder of what a run trained, `adapter` or `model`; None before its end."""
    found = (run_dir / name for name in (ADAPTER, MODEL))
    return next((folder for folder in found if folder.is_dir()), None)


def is_adapter(trained: Path) -> bool:
    """Say whether a folder holds an adapter, and not a whole model."""
    return (trained / _ADAPTER_FILES[1]).is_file()


def copy_tokenizer(base: Path, target: Path) -> None:
    """Copy the tokenizer's files of a model folder, and none that may hold code."""
    _copy(base, _TOKENIZER_FILES, target)


def _copy(source: Path, patterns: tuple[str, ...], target: Path) -> None:
    for pattern in patterns:
        for file in source.glob(pattern):
            shutil.copyfile(file, target / file.name)

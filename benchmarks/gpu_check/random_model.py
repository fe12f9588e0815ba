"""A base model of real dimensions with random weights, which never touch the disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.base import catalogue
from engine.base.model import EMBEDDED, locate

_BLOCK = 2**24  # random numbers that large tables repeat


def describe(name: str, change: Mapping[str, Any], place: Path) -> None:
    """Write a folder that has all of a base model but its weights.

    Args:
        name: A name of the catalogue, whose dimensions are taken.
        change: Dimensions that a rehearsal changes.
        place: The folder, made here. Its tokenizer is the embedded model's: every id of it is in
            the real vocabularies too.
    """
    entry = catalogue.find(name)
    assert entry is not None
    place.mkdir(parents=True)
    base = locate(EMBEDDED)
    for pattern in ("tokenizer*", "chat_template*"):
        for file in base.glob(pattern):
            shutil.copyfile(file, place / file.name)
    config = {**entry.content()["config"], **change, "bos_token_id": 1, "eos_token_id": 2}
    (place / "config.json").write_text(json.dumps({**config, "pad_token_id": 2}), encoding="utf-8")


def stand_in() -> None:
    """Let `engine.run.base_model` make weights wherever it would read them.

    Everything else of its loading stays as it is: number format, attention, four bits, device.
    """
    from engine.run import base_model

    class Made:
        from_pretrained = staticmethod(make)

    base_model.AutoModelForCausalLM = Made


def make(folder: Path, **options: Any) -> Any:
    """Return a model as `from_pretrained` would, with random weights.

    Args:
        folder: What `describe` wrote.
        options: Those of `from_pretrained`.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in empty.state_dict().items()}
    if config.tie_word_embeddings:
        shapes.pop("lm_head.weight", None)
    # its own class: the one that chooses it insists on a name
    model = type(empty).from_pretrained(None, config=config, state_dict=_weights(shapes), **options)
    model.name_or_path = model.config.name_or_path = str(folder)
    return model


def _weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Random weights for every name.

    On the way to a GPU they are views of one block in main memory, each of which is copied to the
    board; on a CPU each has memory of its own.
    """
    import torch

    torch.manual_seed(0)
    block = torch.empty(_BLOCK, dtype=torch.bfloat16).normal_(0.0, 0.02)
    most = max(torch.Size(shape).numel() for shape in shapes.values())
    whole = block.repeat(-(-most // _BLOCK)) if most > _BLOCK else block
    own = not torch.cuda.is_available()
    found = {}
    for name, shape in shapes.items():
        if len(shape) == 1:
            value = (
                0.0 if name.endswith("bias") else 1.0
            )  # a norm leaves its input as wide as it is
            found[name] = torch.full(shape, value, dtype=torch.bfloat16)
        else:
            view = whole[: torch.Size(shape).numel()].view(shape)
            found[name] = view.clone() if own else view
    return found

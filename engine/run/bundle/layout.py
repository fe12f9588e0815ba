"""What stands where in a bundle, and its label.

A bundle is a small workspace. `runs.db` holds one project, dataset, plan, run and job, and every
path in it is relative to the folder.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.base.errors import TunesmithError
from engine.base.files import write_text
from engine.base.settings import parse

LABEL, FORMAT = "bundle.json", 1
PROJECT, CODE, MODELS, RUNS, DATASETS = "project", "code", "models", "runs", "datasets"
JOB_ID = RUN_ID = 1  # a bundle's first and only ones
_LONGEST_LABEL = 10_000  # bytes


@dataclass(frozen=True)
class Label:
    """What a folder says of itself, before its store is opened.

    Attributes:
        id: 32 hex characters, drawn when the bundle was made.
        format: The version of this layout.
        tunesmith: The version that made it.
        model: What the base model is called at home; of a folder only its last part.
    """

    id: str
    format: int
    tunesmith: str
    model: str


def write_label(folder: Path, label: Label) -> None:
    """Write the label of a bundle."""
    write_text(folder / LABEL, json.dumps(asdict(label), indent=1) + "\n")


def read_label(folder: Path) -> Label:
    """Read the label of a folder that may be anything.

    Raises:
        TunesmithError: It is no bundle, or one of a newer Tunesmith.
    """
    path = folder / LABEL
    try:
        if path.is_symlink() or path.stat().st_size > _LONGEST_LABEL:
            raise ValueError
        label = parse(json.loads(path.read_text(encoding="utf-8")), Label, str(path))
        if len(label.id) != 32 or not set(label.id) <= set("0123456789abcdef"):
            raise ValueError
    except (OSError, ValueError, TypeError, AttributeError, TunesmithError) as error:
        raise TunesmithError(
            "This folder is no bundle of Tunesmith, or its label is damaged.",
            "Name the folder that `tunesmith launch` wrote, as it came back.",
            str(folder),
        ) from error
    if label.format > FORMAT:
        raise TunesmithError(
            f"This bundle was made by Tunesmith {label.tunesmith[:20]}, which is newer.",
            "Update Tunesmith and fetch again.",
            str(folder),
        )
    return label

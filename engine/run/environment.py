"""What a repetition to the byte needs to share with a run: recorded at its end, compared later.

Loads no torch: versions come from the packages' own metadata.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from engine.base import files, paths
from engine.base.hardware import machine
from engine.base.hardware.machine import Machine
from engine.base.model import is_local, locate
from engine.base.store import Store
from engine.data import dataset
from engine.plan.plan import Plan
from engine.run import arguments

Facts = dict[str, str | int]

_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets")
_CHOSEN = ("CUBLAS_WORKSPACE_CONFIG", "FLASH_ATTENTION_DETERMINISTIC")
_HARMLESS = ("system", "python")  # no number is computed by these
NEEDED = ("rows", "base_model")  # without these it is another training


def read(store: Store, plan: Plan, device: str | None = None) -> Facts:
    """Return the facts of this box, this program and the plan's data, as they are now.

    Args:
        store: The workspace's store.
        plan: What is trained, and on what.
        device: The device that the job holds; None for the plan's.
    """
    box = machine.read()
    return {
        "tunesmith": _program(),
        "python": platform.python_version(),
        **{name: _version(name) for name in _LIBRARIES},
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        **_device(box, device or plan.device),
        "threads": plan["threads"],
        "attention": arguments.attention(plan, plan["longest"]),
        "dataset": plan.dataset_id,
        "rows": _rows(store, plan.dataset_id),
        "base_model": _base_model(plan.model),
        "seed": plan["seed"],
    }


def differences(before: Mapping[str, str | int], now: Mapping[str, str | int]) -> list[str]:
    """Say what has changed, a sentence each, and last what to expect; empty when nothing has.

    Args:
        before: The facts that a run recorded; older versions recorded fewer.
        now: The facts of now.
    """
    changed = [key for key in before if key in now and before[key] != now[key]]
    found = [f"{_name(key)} was {before[key]}, is {now[key]}." for key in changed]
    unknown = [_name(key) for key in now if key not in before]
    if unknown:
        found.append(f"Not recorded then: {', '.join(unknown)}.")
    if not found:
        return []
    expected = "What changed should change no byte of the result."
    if not changed:
        expected = "All that was recorded is the same."
    elif not set(changed) <= set(_HARMLESS):
        expected = "Expect the losses to be equal only to within rounding, and other bytes."
    return [*found, expected]


def _name(key: str) -> str:
    return {"cpu": "the CPU", "rows": "the rows", "base_model": "the base model"}.get(
        key, key.replace("_", " ")
    )


def _device(box: Machine, device: str) -> Facts:
    gpu = next((gpu for gpu in box.gpus if gpu.device == device), None)
    if gpu is None:
        return {"device": box.cpu}
    return {
        "device": gpu.name,
        "cpu": box.cpu,
        "driver": box.driver,
        "cuda": ".".join(map(str, box.cuda or ())),
        **{name.lower(): os.environ.get(name, "not set") for name in _CHOSEN},
    }


def _program() -> str:
    """Return Tunesmith's version, and its commit where it runs from a checkout."""
    root = paths.recipes().parent
    found = _version("tunesmith")
    if not (root / ".git").exists():
        return found
    asked = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    with suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
        return f"{found} at commit {told.stdout.strip()}"
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _rows(store: Store, dataset_id: str) -> str:
    """Return the hash of the rows that a training reads."""
    folder = dataset.load(store, dataset_id).folder
    parts = [files.sha256(folder / f"{split}.jsonl") for split in ("train", "validation")]
    return sha256(" ".join(parts).encode()).hexdigest()[:12]


def _base_model(name: str) -> str:
    """Return a hash of the base model's small files and of its weights' names and sizes.

    The weights themselves are left out: to read 16 GB takes minutes.
    """
    if not is_local(name):
        return name
    told = [_told(file) for file in sorted(locate(name).iterdir()) if file.is_file()]
    return sha256(json.dumps(told).encode()).hexdigest()[:12]


def _told(file: Path) -> list[str | int]:
    size = file.stat().st_size
    return [file.name, size, "" if file.suffix == ".safetensors" else files.sha256(file)]

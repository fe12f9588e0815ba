"""Predicted against real memory, speed, resume and gauges on this box's GPU, in ten minutes.

    make gpu-check                                          on the GPU; writes docs/gpu.md
    python -P -m benchmarks.gpu_check --only "sft-lora 0.5B"
    python -P -m benchmarks.gpu_check --device cpu --tiny   a rehearsal of the same code

No hub and no data: models have the real dimensions and random weights, rows are random tokens. Each
part runs in a process of its own under a time limit, so that what fails ends nothing else. Parts
that the board cannot hold, that lack a package or that the time does not reach are told.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.gpu_check import measure, page, parts
from benchmarks.gpu_check.parts import Part
from engine.base.hardware import machine
from engine.base.hardware.machine import Machine
from engine.plan import device as devices
from engine.run import limits

_TOTAL_SECONDS = 480.0  # the test of a real job comes after
_LEAST_SECONDS = 20.0  # what a part needs to be worth starting
_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "triton")
_PAGE = Path(__file__).resolve().parents[2] / "docs" / "gpu.md"
_LAST_WORDS = 200
_PATH = re.compile(r"(?:/[\w.+-]+){2,}")  # what is of this box alone
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts, print what was found, and write it into docs/gpu.md; 1 when a part failed."""
    options = _options(arguments)
    box, seen = _box(options.device)
    if options.device == "gpu" and box.gpu is None:
        print(f"No GPU to check: {box.gpu_problem}. {box.gpu_fix}".strip())
        print("A rehearsal needs none: python -P -m benchmarks.gpu_check --device cpu --tiny")
        return 1
    chosen = [part for part in parts.PARTS if not options.only or part.name in options.only]
    began = time.monotonic()
    found = []
    for part in chosen:
        left = options.seconds - (time.monotonic() - began)
        result = _result(part, seen, left, tiny=options.tiny)
        print(f"{part.name:<16} {_brief(result)}", flush=True)
        found.append((part.name, result))
    text = page.page(_head(box, time.monotonic() - began), found)
    print(f"\n{text}", end="")
    if options.write:
        page.write(options.write, "rehearsed" if options.device == "cpu" else "measured", text)
    return int(any("failed" in result for _, result in found))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="gpu_check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [part.name for part in parts.PARTS]
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--tiny", action="store_true", help="two narrow layers, short rows")
    parser.add_argument("--only", nargs="+", choices=names, metavar="PART", help=", ".join(names))
    parser.add_argument("--seconds", type=float, default=_TOTAL_SECONDS, help="for all parts")
    parser.add_argument("--write", type=Path, help="a page with the marks; on a GPU docs/gpu.md")
    options = parser.parse_args(arguments)
    if options.write is None and options.device == "gpu" and not (options.only or options.tiny):
        options.write = _PAGE
    return options


def _box(device: str) -> tuple[Machine, dict[str, str]]:
    """Return this box, and the variables that let a part see the one device."""
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    box = machine.read()
    return box, machine.pin(box, box.device)


def _result(part: Part, seen: dict[str, str], left: float, *, tiny: bool) -> dict[str, Any]:
    missing = [name for name in part.needs if find_spec(name) is None]
    if missing:
        return {"skipped": f"{' and '.join(missing)} is not installed"}
    if left < _LEAST_SECONDS:
        return {"skipped": "the time was up"}
    shown, change = (parts.tiny(part), dict(parts.TINY)) if tiny else (part, {})
    return _run(shown, change, seen, min(part.limit, left))


def _run(part: Part, change: dict[str, Any], seen: dict[str, str], limit: float) -> dict[str, Any]:
    """Carry a part out in a process of its own; whatever becomes of it is its result."""
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as temporary:
        folder = Path(temporary)
        measure.request(part, change, folder / "request.json")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", measure.__name__, str(folder / "request.json")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **_ENVIRONMENT, **seen, "TMPDIR": temporary},
                start_new_session=True,
            )
            try:
                process.wait(limit)
            except subprocess.TimeoutExpired:
                return {"failed": f"it took longer than {limit:.0f} s"}
            finally:
                _end(process)
        if process.returncode == 0:
            result: dict[str, Any] = json.loads((folder / "result.json").read_text())
            return result
        words = (folder / "log").read_text(encoding="utf-8", errors="replace")
        return {"failed": _why(process.returncode, words)}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the part and whatever it started, so that the next one has the board to itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _why(code: int, words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    last = lines[-1].rstrip(".") if lines else f"exit code {code}"
    if limits.tells_of_memory(words) or code == -signal.SIGKILL:
        last = f"out of memory ({last})"
    return _PATH.sub("...", last)[:_LAST_WORDS]


def _brief(result: dict[str, Any]) -> str:
    for key in ("skipped", "failed"):
        if key in result:
            return f"{key}: {result[key]}"
    if "resumed" in result:
        return "resumed"
    speed, share = result["tokens_per_second"], result["utilisation"]
    return (
        f"{speed:,.0f} tokens/s, {share:.1%} of the peak, {result['measured_bytes'] / 1e9:.2f} GB"
    )


def _head(box: Machine, seconds: float) -> list[str]:
    device = devices.choose(box)
    name = f"{device.title}, {device.total / 1e9:.1f} GB, {device.free / 1e9:.1f} free"
    driver = f"driver {box.driver}, its CUDA {_dotted(box.cuda)}; " if box.driver else ""
    return [
        f"{name}; peak {device.flops / 1e12:.3g} TFLOPS",
        f"{driver}Python {platform.python_version()}; "
        + ", ".join(f"{library} {_version(library)}" for library in _LIBRARIES),
        f"{time.strftime('%Y-%m-%d')}, {seconds:.0f} s in all",
    ]


def _dotted(cuda: tuple[int, int] | None) -> str:
    return "unknown" if cuda is None else f"{cuda[0]}.{cuda[1]}"


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "missing"


if __name__ == "__main__":
    sys.exit(main())

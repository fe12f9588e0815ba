"""Boxes with GPUs of every kind: a library that stands for NVIDIA's, loaded by the real pynvml."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NVML = Path(__file__).parent / "base" / "hardware" / "nvml"


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory):
    """Compile the stub; return the folder of a `libnvidia-ml.so.1`, by driver's age."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler on this box: the NVML stub cannot be built")

    def compiled(*flags: str) -> Path:
        folder = tmp_path_factory.mktemp("nvml")
        target = folder / "libnvidia-ml.so.1"
        command = [compiler, "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", *flags]
        subprocess.run([*command, "-o", target, NVML / "stub.c"], check=True)
        return folder

    return {"new": compiled(), "old": compiled("-DOLD_DRIVER")}


@pytest.fixture
def on_box(nvml_library, tmp_path):
    """Return what Tunesmith finds on a box of `nvml/boxes`, as a function of the box's name."""

    def look(
        name: str | None,
        *,
        root: Path | None = None,
        torch: str = "none",
        driver: str = "new",
        visible: str | None = None,
        **places: int,
    ) -> dict:
        environment = {key: value for key, value in os.environ.items() if "CUDA" not in key}
        if name is None:
            folder = tmp_path / "no-driver"
            folder.mkdir(exist_ok=True)
            (folder / "libnvidia-ml.so.1").write_bytes(b"")  # hides one that the box may have
        else:
            folder = nvml_library[driver]
            text = (NVML / "boxes" / f"{name}.txt").read_text(encoding="utf-8")
            for place, number in places.items():
                text = text.replace(place.upper(), str(number))
            box = tmp_path / "box.txt"
            box.write_text(text.replace("PID", str(os.getpid())), encoding="utf-8")
            environment["NVML_BOX"] = str(box)
        environment["LD_LIBRARY_PATH"] = str(folder)
        if visible is not None:
            environment["CUDA_VISIBLE_DEVICES"] = visible
        done = subprocess.run(
            [sys.executable, "-P", NVML / "look.py", root or "/", torch],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return look

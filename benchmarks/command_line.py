"""Tunesmith's own command line, as the benchmarks call it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def call(folder: Path, *words: str) -> None:
    """Run a verb in a workspace that is also the project; end the benchmark where it fails."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tui.cli", "--workspace", str(folder), *words],
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])

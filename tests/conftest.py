"""Fixtures that many tests share: an empty workspace, the real base model, one real short journey."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.base import paths, project
from engine.base.store import Store

ROOT = Path(__file__).resolve().parents[1]
SHORT = ("--set", "max_steps=28", "--set", "checkpoint_every=14")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("TUNESMITH_WORKSPACE", raising=False)


@pytest.fixture
def workspace(tmp_path):
    """An empty store in a folder of its own."""
    store = Store(tmp_path / "workspace")
    yield store
    store.close()


@pytest.fixture(scope="session")
def model_dir() -> Path:
    """The real embedded SmolLM2-135M-Instruct."""
    from engine.base.model import EMBEDDED, locate

    return locate(EMBEDDED)


@dataclass(frozen=True)
class Journey:
    """One real journey on the demo's data, shorter in training only."""

    store: Store
    workspace: Path
    project_dir: Path
    run_id: int


@pytest.fixture(scope="session")
def journey(tmp_path_factory) -> Journey:
    """The demo through the command line: data, trial, training, evaluation, export."""
    folder = tmp_path_factory.mktemp("journey") / "demo"
    accept = ("--accept", "short training in the tests")
    tunesmith("demo", str(folder), *SHORT, *accept)
    store = Store(folder)
    return Journey(store, folder, folder, store.scalar("SELECT max(id) FROM runs"))


def tunesmith(*arguments: str, cwd: Path | None = None, code: int = 0, text: str = "") -> str:
    """Run the command line in a process of its own; return what it wrote to standard output."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tui.cli", *arguments],
        cwd=cwd,
        input=text,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def cli():
    """The command line, as a function of its arguments."""
    return tunesmith


@pytest.fixture
def demo_project(tmp_path) -> Path:
    """A fresh copy of the demo's project, with nothing done yet."""
    folder = tmp_path / "project"
    folder.mkdir()
    source = paths.recipes() / "demo"
    for file in (*source.glob("*.jsonl"), source / paths.PROJECT_NAME):
        (folder / file.name).write_bytes(file.read_bytes())
    project.load(folder)
    return folder

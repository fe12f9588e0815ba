"""Bundles of a small project, as `tunesmith launch` writes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.plan import plan as plans
from engine.run.bundle import export
from engine.run.bundle.machines import Machines, propose

SHORT = {"max_steps": 4, "micro_batch": 2, "accumulation": 1, "lora_rank": 4}
SHORT |= {"checkpoint_every": 2, "validate_every": 4, "keep_checkpoints": 2}


def _written(bench, folder: Path, machines: Machines, name: str, project, settings):
    chosen = project or replace(bench.project, base_model="qwen2.5-0.5b-instruct")
    made = propose(bench.store, chosen, bench.dataset_id, {**SHORT, **settings}, machines)
    saved = plans.save(bench.store, bench.project_id, made)
    target = folder / f"bundle-{machines.launcher}"
    return export.write(bench.store, chosen, saved, machines, target, name=name)


@pytest.fixture
def launch(bench, tmp_path):
    """Write a bundle, as a function of its machines and of the plan's settings.

    Its base model is one that the hub has, so that no weights are copied.
    """

    def written(machines=None, *, name="bench-1", project=None, **settings) -> export.Written:
        return _written(bench, tmp_path, machines or Machines("ray"), name, project, settings)

    return written


@pytest.fixture(scope="module")
def written(bench, tmp_path_factory) -> export.Written:
    """One bundle for Ray, to be looked at only."""
    return _written(bench, tmp_path_factory.mktemp("written"), Machines("ray"), "bench-1", None, {})


@pytest.fixture
def light_project(bench, model_dir, tmp_path):
    """The project on a model folder without weights, which nobody loads here."""
    folder = tmp_path / "light"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((model_dir / name).read_bytes())
    (folder / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    return replace(bench.project, base_model=str(folder))

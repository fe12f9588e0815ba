"""The setting `trackers`: names, and a package that is missing."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from engine.base.errors import UsageError
from engine.base.project import DataSettings, Objective, Project
from engine.plan import plan as plans
from engine.plan import recipe, setting, trackers

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("text", ["none", "tensorboard", "wandb, mlflow", "trackio,tensorboard"])
def test_names_joined_by_commas_are_understood(text):
    assert setting.faults("trackers", text) == []


@pytest.mark.parametrize("text", ["wandbb", "tensorboard,comet", "", "wandb,", "none,wandb"])
def test_other_texts_are_refused_with_the_names_there_are(text):
    (fault,) = setting.faults("trackers", text)
    assert "tensorboard, wandb, mlflow, trackio" in fault


def test_a_name_counts_once():
    assert trackers.chosen("none") == ()
    assert trackers.chosen("wandb, tensorboard,wandb") == ("wandb", "tensorboard")


def test_no_recipe_asks_for_a_tracker():
    assert {recipe.load(name).settings["trackers"].value for name in recipe.names()} == {"none"}


def test_a_missing_package_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setitem(sys.modules, "alembic", None)  # MLflow's store asks for it
    with pytest.raises(UsageError) as refused:
        trackers.require("wandb,mlflow")
    assert refused.value.what.count(".") == 1
    assert 'pip install "tunesmith[wandb,mlflow]"' in refused.value.fix


def test_a_folder_of_that_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "wandb").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(UsageError):
        trackers.require("wandb")


def test_a_plan_with_a_tracker_that_is_not_here_is_never_made(workspace, monkeypatch):
    monkeypatch.setitem(sys.modules, "trackio", None)
    project = Project("small", Objective("", "Answer."), DataSettings(("a",)))
    workspace.execute("PRAGMA foreign_keys = OFF")
    workspace.insert(
        "datasets",
        {
            **dict.fromkeys(("rows_read", "rows_kept", "train"), 40),
            **dict.fromkeys(("validation", "test", "golden"), 5),
            "id": "rows",
            "project_id": 1,
            "form": "answer",
            "path": "datasets/rows",
            "tokens_train": 4000,
            "tokens_longest": 160,
            "created": 0.0,
        },
    )
    with pytest.raises(UsageError, match="Trackio"):
        plans.propose(workspace, project, "rows", {"trackers": "trackio"})
    fine = replace(project, settings={"trackers": "none"})
    assert plans.propose(workspace, fine, "rows")["trackers"] == "none"


def test_every_tracker_has_an_extra_and_a_reason():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    for name in trackers.NAMES:
        assert name in extras
        assert f"| `{name}` |" in reasons
    assert yaml.safe_load((ROOT / "recipes" / "common.yaml").read_text())["trackers"]

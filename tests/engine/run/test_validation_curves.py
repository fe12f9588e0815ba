"""What a validation leaves in the curves: real TRL on a two-layer model, a real watcher and store."""

from __future__ import annotations

import json
import time

import pytest

from engine.base.work import Work
from engine.run import metrics
from engine.run.checkpoints import Totals
from engine.run.metrics import Recorder
from tests.engine.run import small

REWARDS = ("validation_reward_accuracy", "validation_reward_margin")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, model_dir):
    return small.model(tmp_path_factory.mktemp("tiny"), model_dir)


def watched(recipe, tiny, store, run_id, project):
    """Train three steps with a watcher on them; return the validation's metrics as TRL has them."""
    from engine.run.forecast import Forecast
    from engine.run.views import Views
    from engine.run.watcher import Watcher

    job = {"kind": "train", "args": json.dumps({"project": str(project)}), "created": time.time()}
    work = Work(store, store.insert("jobs", job))
    folder = store.workspace / "checkpoints"
    made = small.training(recipe, folder, tiny)
    made.trainer.add_callback(
        Watcher(work, run_id, folder, Recorder(store, run_id), Totals(), Views(Forecast(())))
    )
    made.trainer.train()
    return next(logs for logs in made.seen.logs if "eval_loss" in logs)


def test_held_out_pairs_get_curves(tiny, workspace, run_id, demo_project):
    found = watched("dpo-lora", tiny, workspace, run_id, demo_project)
    curves = [metrics.tail(workspace, run_id, name, 0) for name in REWARDS]
    assert found["eval_rewards/margins"] > 0
    assert curves == [
        [(3, found["eval_rewards/accuracies"])],
        [(3, found["eval_rewards/margins"])],
    ]


def test_rows_without_preferences_get_none(tiny, workspace, run_id, demo_project):
    watched("sft-lora", tiny, workspace, run_id, demo_project)
    assert not set(REWARDS) & set(metrics.series_names(workspace, run_id))
    assert metrics.tail(workspace, run_id, "validation_loss", 0)

"""MLflow: a SQLite file of its own in the workspace unless `MLFLOW_TRACKING_URI` is set."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.run.trackers.described import Described, Outcome

_BATCH = 1000  # metrics that MLflow takes at once
_STATES: Mapping[Outcome, str] = {"done": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


class Tracker:
    """An MLflow run, made by the client, which adds no user, host or source file of its own.

    Args:
        described: The run.
        known: The MLflow run's id from an earlier session; empty for a new one.
    """

    def __init__(self, described: Described, known: str) -> None:
        from mlflow import MlflowClient

        workspace = Path(described.workspace)
        local = f"sqlite:///{workspace / 'mlflow.db'}"
        uri = os.environ.get("MLFLOW_TRACKING_URI", local)
        self._client = MlflowClient(uri)
        self._waiting: list[Any] = []
        if known:
            self.id = known
            self._client.update_run(known, "RUNNING")
            return
        artifacts = (workspace / "mlflow-artifacts").as_uri() if uri == local else None
        self.id = self._begin(described, artifacts)

    def _begin(self, described: Described, artifacts: str | None) -> str:
        from mlflow.entities import Param

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", described.project)
        found = self._client.get_experiment_by_name(name)
        experiment = (
            found.experiment_id if found else self._client.create_experiment(name, artifacts)
        )
        made = self._client.create_run(experiment, run_name=described.name)
        params = [Param(key, str(value)) for key, value in described.values.items()]
        self._client.log_batch(made.info.run_id, params=params)
        return str(made.info.run_id)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of a step."""
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        self._waiting += [Metric(name, value, now, step) for name, value in values.items()]

    def flush(self) -> None:
        """Send them, a thousand at a time."""
        for start in range(0, len(self._waiting), _BATCH):
            self._client.log_batch(self.id, metrics=self._waiting[start : start + _BATCH])
        self._waiting.clear()

    def close(self, outcome: Outcome) -> None:
        """Send the rest, and end the run."""
        self.flush()
        self._client.set_terminated(self.id, _STATES[outcome])

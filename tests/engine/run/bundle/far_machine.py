"""What a worker leaves in a bundle, written through the worker's own functions, without training."""

from __future__ import annotations

import json
import time
from pathlib import Path

from engine.base import files
from engine.base.store import Store
from engine.run import checkpoints
from engine.run.checkpoints import Totals
from engine.run.metrics import Recorder


def trains(folder: Path, first: int, last: int, *, steps: int = 4) -> None:
    """Go from one step to another: curves, log, a checkpoint at the last step."""
    store = Store(folder)
    recorder = Recorder(store, 1)
    recorder.rewind(first - 1)
    for step in range(first, last + 1):
        recorder.add(step, {"loss": 4.0 / step, "learning_rate": 1e-4})
        store.insert(
            "job_log",
            {"job_id": 1, "at": time.time(), "level": "info", "text": f"step {step} of {steps}"},
        )
    recorder.flush()
    written = checkpoints.path(folder / "runs" / "1" / "checkpoints", last)
    written.mkdir(parents=True)
    (written / "adapter_model.safetensors").write_bytes(b"weights of %d" % last)
    (written / "adapter_config.json").write_text("{}")
    checkpoints.complete(store, 1, written.parent, last, Totals(100 * last, 1.5 * last, 10**9))
    store.update("runs", 1, {"step": last, "steps": steps, "tokens": 100 * last})
    store.update("jobs", 1, {"state": "running", "done": last, "total": steps, "device": "gpu3"})
    store.close()


def ends(folder: Path, step: int = 4) -> None:
    """Keep the last checkpoint's adapter, and say that the run is done."""
    store, run = Store(folder), folder / "runs" / "1"
    adapter = run / "adapter"
    adapter.mkdir()
    source = checkpoints.path(run / "checkpoints", step)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (adapter / name).write_bytes((source / name).read_bytes())
    for quantity, predicted, measured in (("peak_bytes", 2e9, 1e9), ("seconds", 9.0, 6.0)):
        row = {"run_id": 1, "quantity": quantity, "predicted": predicted, "measured": measured}
        store.insert("predictions", row)
    store.update(
        "runs",
        1,
        {
            "step": step,
            "steps": step,
            "seconds": 6.0,
            "tokens": 400,
            "peak_bytes": 10**9,
            "adapter_sha256": files.sha256(adapter / "adapter_model.safetensors"),
            "environment": json.dumps({"device": "A100"}),
            "ended": time.time(),
        },
    )
    store.update("jobs", 1, {"state": "done", "exit_code": 0, "ended": time.time()})
    store.close()

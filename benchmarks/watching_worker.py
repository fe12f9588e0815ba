"""One short training in this process, watched or not, for `watching.py`; prints its times as JSON.

    python benchmarks/watching_worker.py FOLDER watched|bare SETTING=VALUE...

The training is the stage's own, `engine.run.train`. Only the watcher is exchanged: for one that
takes the time of its own callbacks, or for one whose callbacks do nothing.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from engine.base import project
from engine.base.store import Store
from engine.base.work import Work, register
from engine.plan import plan as plans
from engine.run import metrics

KEPT = ("on_train_begin", "on_train_end", "on_save")  # without them no run can end
SPENT: dict[str, float] = defaultdict(float)
BEGUN: list[float] = []


def main() -> int:
    """Train, and print when each step began and what the callbacks took."""
    from engine.run import train, watcher

    folder, kind, *settings = sys.argv[1:]
    store = Store(Path(folder))
    work = _work(store, Path(folder), _values(settings))
    bare = kind == "bare"
    watcher.Watcher = _exchanged(watcher.Watcher, bare=bare)  # type: ignore[misc]
    for name in ("add", "flush"):
        timed = _timed(getattr(metrics.Recorder, name), f"recorder.{name}")
        setattr(metrics.Recorder, name, timed)
    train.train(work)
    print(json.dumps({"begun": BEGUN, "spent": SPENT}))
    return 0


def _work(store: Store, folder: Path, settings: dict[str, Any]) -> Work:
    """Record a run and its job without starting a process for it."""
    told = project.load(folder)
    project_id = register(store, folder, told)
    dataset = str(store.scalar("SELECT id FROM datasets"))
    plan = plans.save(store, project_id, plans.propose(store, told, dataset, settings))
    run_id = store.scalar("SELECT coalesce(max(id), 0) + 1 FROM runs")
    place = Path("runs") / str(run_id)
    run = {"id": run_id, "name": f"watching {run_id}", "project_id": project_id}
    run |= {"dataset_id": dataset, "plan_id": plan.id, "model": plan.model, "method": plan.method}
    store.insert("runs", {**run, "path": str(place), "created": time.time()})
    project.save(told, folder / place)
    arguments = json.dumps({"project": str(folder), "run_id": run_id, "device": plan.device})
    job = {"kind": "train", "args": arguments, "state": "running", "created": time.time()}
    job_id = store.insert("jobs", job)
    store.update("runs", run_id, {"job_id": job_id})
    return Work(store, job_id)


def _exchanged(known: type[Any], *, bare: bool) -> type[Any]:
    """Return a watcher that takes the time of its callbacks, or whose callbacks do nothing."""
    begin = _nothing if bare else _timed(known.on_step_begin, "on_step_begin")

    def on_step_begin(self: Any, *given: Any, **named: Any) -> Any:
        BEGUN.append(time.perf_counter())
        return begin(self, *given, **named)

    members: dict[str, Any] = {"on_step_begin": on_step_begin}
    for name in vars(known):
        if name.startswith("on_") and name != "on_step_begin":
            own = getattr(known, name)
            members[name] = _nothing if bare and name not in KEPT else _timed(own, name)
    return type("Exchanged", (known,), members)


def _nothing(_self: Any, _args: Any, state: Any, control: Any, **_: Any) -> Any:
    state.log_history.clear()
    return control


def _timed(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @wraps(function)
    def timed(*given: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*given, **named)
        finally:
            SPENT[name] += time.perf_counter() - began

    return timed


def _values(settings: list[str]) -> dict[str, Any]:
    pairs = (setting.split("=", 1) for setting in settings)
    return {name: json.loads(value) for name, value in pairs}


if __name__ == "__main__":
    sys.exit(main())

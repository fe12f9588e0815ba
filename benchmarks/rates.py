"""Is the range test's proposal any good? Three short trainings: at a third of it, at it, at thrice.

    python benchmarks/rates.py [--folder DIR] [--steps 60] [--once]

Takes the demo's rows and the embedded model. Makes the project in the folder, builds its data,
runs `tunesmith rates`, then trains with everything else equal and prints each validation loss. The
plan's own rate is trained too, because it was chosen by hand for this model. What the folder holds
already is not done again; `--once` does one missing piece and leaves, where a box is shared.
"""

from __future__ import annotations

import argparse
import math
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from engine.base import paths
from engine.base.store import Store
from engine.run import metrics
from engine.run.rates.records import show

FACTORS = {"a third": 1 / 3, "proposed": 1.0, "three times": 3.0}


def main() -> int:
    """Do what is missing and print what is known."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--steps", type=int, default=60)
    arguments.add_argument("--once", action="store_true")
    options = arguments.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="rates-")) / "demo"
    while command := _missing(folder, options.steps):
        print("$ tunesmith", *command, flush=True)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tui.cli", "--workspace", folder, *command],
            cwd=folder,
            check=False,
            stdout=subprocess.DEVNULL,
        )
        if done.returncode:
            return done.returncode
        if options.once:
            break
    _print(folder, options.steps)
    return 0


def _missing(folder: Path, steps: int) -> list[str]:
    """Return the next command, without the program's name; empty when all is done."""
    if not folder.is_dir():
        shutil.copytree(paths.recipes() / "demo", folder)
    store = Store(folder)
    if not store.scalar("SELECT count(*) FROM datasets"):
        return ["data", "build"]
    if not store.scalar("SELECT count(*) FROM rate_tests"):
        return ["rates"]
    for rate in _rates(store).values():
        if _losses(store, rate, steps) is None:
            given = {"learning_rate": f"{rate:.6g}", "max_steps": steps, "validate_every": 1 / 6}
            return [
                *("train", "--only", "--watch"),
                *(part for key, value in given.items() for part in ("--set", f"{key}={value}")),
            ]
    return []


def _rates(store: Store) -> dict[str, float]:
    test = show(store)
    if test["proposal"] is None:
        return {"the plan's own": test["own_rate"]}
    rates = {name: float(f"{test['proposal'] * by:.6g}") for name, by in FACTORS.items()}
    return {**rates, "the plan's own": test["own_rate"]}


def _losses(store: Store, rate: float, steps: int) -> list[float | None] | None:
    """Return the validation losses of the training at a rate; None before it has ended."""
    for row in store.rows(
        "SELECT r.id, v.value FROM runs r JOIN plan_values v ON v.plan_id = r.plan_id "
        "WHERE v.key = 'learning_rate' AND r.ended IS NOT NULL AND r.steps = ?",
        (steps,),
    ):
        if math.isclose(float(row["value"]), rate, rel_tol=1e-6):
            return [point.value for point in metrics.tail(store, row["id"], "validation_loss", 0)]
    return None


def _print(folder: Path, steps: int) -> None:
    store = Store(folder)
    if not store.scalar("SELECT count(*) FROM rate_tests"):
        return
    test: dict[str, Any] = show(store)
    print(f"{test['why']} Proposed: {test['proposal']} ({test['certainty']}).")
    print(f"{'rate':<16}{'':>10}  validation loss over {steps} steps")
    for name, rate in _rates(store).items():
        losses = _losses(store, rate, steps)
        told = "not trained yet" if losses is None else "  ".join(f"{x or 0:.4f}" for x in losses)
        print(f"{name:<16}{rate:>10.3g}  {told}")


if __name__ == "__main__":
    sys.exit(main())

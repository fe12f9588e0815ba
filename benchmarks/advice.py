"""Does the measured advice say the right thing? Three real tasks, with the embedded model.

    python benchmarks/advice.py language|codes|signatures [--tune] [--folder DIR]

It builds the task's project from packages at hand (`chatterbot-corpus`, `pycountry`, Python's own
library), measures the trial and prints the advice. With --tune it then does what may have been
advised against, trains with the recipe sft-lora, evaluates on the test rows, and prints what the
advice makes of that. No file is fetched.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from advice_tasks import TASKS, write

_SCORES = (
    "SELECT s.split, s.subject, m.value, m.low, m.high, m.n, s.seconds FROM scores s "
    "JOIN score_metrics m ON m.score_id = s.id WHERE m.metric = ? ORDER BY s.id"
)


def main() -> None:
    """Measure a task and print the advice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("--folder", type=Path, help="Where the project is; else a new folder.")
    parser.add_argument("--tune", action="store_true", help="Train and evaluate too.")
    parser.add_argument("--set", action="append", default=[], help="A setting of the training.")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="advice-"))
    task = TASKS[given.task]
    if not (folder / "project.yaml").is_file():
        write(task, folder)
        _tunesmith(folder, "data", "build")
    started = time.monotonic()
    advice = json.loads(_tunesmith(folder, "advise", "--trial", "--json"))
    _scores(folder, task.project.objective.metric)
    print(f"trial: {time.monotonic() - started:.0f} s")
    _advice(advice)
    print(f"right would be: {task.right}")
    if given.tune:
        settings = [part for item in given.set for part in ("--set", item)]
        started = time.monotonic()
        _tunesmith(folder, "train", "--watch", "--only", *settings)
        _tunesmith(folder, "eval", "1", "--accept", "to compare with the advice")
        print(f"training and evaluation: {time.monotonic() - started:.0f} s")
        _scores(folder, task.project.objective.metric)
        _advice(json.loads(_tunesmith(folder, "advise", "--json")))


def _tunesmith(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-P", "-m", "tui.cli", *arguments, "--project", str(folder)]
    if arguments[0] == "eval":
        command = command[:-2]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TUNESMITH_WORKSPACE": str(folder)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=folder
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def _scores(folder: Path, metric: str) -> None:
    from engine.base.store import Store

    store = Store(folder)
    for row in store.rows(_SCORES, (metric,)):
        interval = f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
        print(f"{row['split']:<11}{row['subject']:<10} {interval}, n={row['n']}, ", end="")
        print(f"{row['seconds']:.0f} s")
    store.close()


def _advice(advice: dict[str, Any]) -> None:
    print(f"advice: {advice['verdict']} {advice['recipe']}")
    for reason in advice["reasons"]:
        print(f"  - {reason}")
    print(f"  changes it: {advice['change']}")


if __name__ == "__main__":
    main()

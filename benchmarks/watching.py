"""What does watching a training cost, and is the time left that it shows right?

    python benchmarks/watching.py overhead [--pairs 3] [--steps 30] [--tiny] [--set threads=1]
    python benchmarks/watching.py train FOLDER [--rows 190] [--set threads=1]
    python benchmarks/watching.py left FOLDER...

`overhead` trains in turns, each time in a fresh process: with the watcher (a point each step, the
store on disk), and with one that records nothing. Both get the same rows in the same order, so
steps are compared one by one. Because a shared box is noisier than 1 %, the time within the
watcher's callbacks and the recorder is taken directly too. `--tiny` takes a random two-layer model,
whose steps are as short as steps can be.

Where others compute too, `--set threads=1` keeps two threads from waiting for each other.

`train` makes three trainings of mixed row lengths with validations and checkpoints. `left` takes
all ended runs of any workspaces: the series `seconds_left` at a tenth of the steps, against the
time until the last point of the last step. It reads the store alone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import speed_rows
from train_speed import PROJECT

from engine.base.store import Store
from engine.score.statistics import paired_difference

WARM = 2  # steps at the start that are left out
RUNS: tuple[dict[str, float], ...] = (
    {"seed": 1, "micro_batch": 4},
    {"seed": 2, "micro_batch": 2, "validate_every": 0.1, "checkpoint_every": 0.1},
    {"seed": 3, "micro_batch": 2},
)
_LEFT = """
SELECT r.id, r.steps, p.step, p.value, p.at,
  (SELECT max(q.at) FROM points q JOIN series t ON t.id = q.series_id
   WHERE t.run_id = r.id AND q.step = r.steps) AS ended
FROM runs r JOIN series s ON s.run_id = r.id AND s.name = 'seconds_left'
JOIN points p ON p.series_id = s.id
WHERE r.ended IS NOT NULL
  AND p.step = (SELECT min(step) FROM points WHERE series_id = s.id AND step >= r.steps / 10.0)
ORDER BY r.id
"""


def main() -> int:
    """Do what was asked."""
    arguments = argparse.ArgumentParser(description=__doc__)
    parts = arguments.add_subparsers(dest="part", required=True)
    overhead = parts.add_parser("overhead")
    overhead.add_argument("--pairs", type=int, default=3)
    overhead.add_argument("--steps", type=int, default=30)
    overhead.add_argument("--tiny", action="store_true")
    train = parts.add_parser("train")
    train.add_argument("folder", type=Path)
    train.add_argument("--rows", type=int, default=190)
    for part in (overhead, train):
        part.add_argument("--set", action="append", default=[], help="as `tunesmith train` has it")
    parts.add_parser("left").add_argument("folders", type=Path, nargs="+")
    options = arguments.parse_args()
    if options.part == "overhead":
        with tempfile.TemporaryDirectory(prefix="watching-") as folder:
            _overhead(Path(folder), options)
    elif options.part == "train":
        _project(options.folder, options.rows)
        for settings in RUNS:
            given = [f"{name}={value}" for name, value in settings.items()] + options.set
            chosen = [f"--set={setting}" for setting in given]
            _command(options.folder, "train", "--only", "--watch", "--set=epochs=1", *chosen)
    else:
        for folder in options.folders:
            _left(folder)
    print(f"load of the box: {os.getloadavg()[0]:.1f}")
    return 0


def _overhead(folder: Path, options: argparse.Namespace) -> None:
    _project(folder, 60, tiny=options.tiny)
    bare, watched = [], []
    spent: dict[str, float] = {}
    for pair in range(options.pairs):
        kinds = ("bare", "watched") if pair % 2 else ("watched", "bare")
        found = {kind: _worker(folder, kind, options) for kind in kinds}
        steps = {kind: _steps(found[kind]["begun"]) for kind in kinds}
        mean = {kind: statistics.fmean(steps[kind]) for kind in kinds}
        median = statistics.median(
            new / old - 1 for new, old in zip(steps["watched"], steps["bare"], strict=True)
        )
        print(
            f"pair {pair + 1}: {mean['watched']:.4f} s a step watched, {mean['bare']:.4f} bare; "
            f"mean {mean['watched'] / mean['bare'] - 1:+.1%}, median of the steps {median:+.1%}",
            flush=True,
        )
        bare += steps["bare"]
        watched += steps["watched"]
        for name, seconds in found["watched"]["spent"].items():
            spent[name] = spent.get(name, 0.0) + seconds
    logs = [[math.log(step) for step in steps] for steps in (bare, watched)]
    cost = [math.expm1(value) for value in paired_difference(*logs)]
    print(f"overhead: {cost[0]:+.2%} ({cost[1]:+.2%} to {cost[2]:+.2%}), {len(bare)} paired steps")
    step, number = statistics.fmean(watched), options.steps * options.pairs
    every = sum(spent.get(name, 0.0) for name in ("on_step_begin", "on_step_end", "on_log"))
    print(
        f"within the callbacks of a step: {every / number * 1000:.3f} ms of {step * 1000:.1f} ms, "
        f"{every / number / step:.2%} of the step"
    )
    for name, seconds in sorted(spent.items()):
        print(f"  {name}: {seconds / number * 1000:.3f} ms a step")


def _steps(begun: list[float]) -> list[float]:
    """Return the seconds of each step but the first ones; the last one ends with a save."""
    return [after - before for before, after in pairwise(begun)][WARM:]


def _worker(folder: Path, kind: str, options: argparse.Namespace) -> dict[str, Any]:
    steps = options.steps
    settings = {"max_steps": steps, "micro_batch": 2, "accumulation": 1, "log_every": 1}
    settings |= {"validate_every": steps, "checkpoint_every": steps}
    chosen = [*(f"{name}={value}" for name, value in settings.items()), *options.set]
    worker = Path(__file__).with_name("watching_worker.py")
    done = _run(folder, sys.executable, str(worker), str(folder), kind, *chosen)
    found: dict[str, Any] = json.loads(done.splitlines()[-1])
    return found


def _left(folder: Path) -> None:
    for row in Store(folder).rows(_LEFT):
        real = row["ended"] - row["at"]
        print(
            f"{folder.name}, run {row['id']}: at step {row['step']} of {row['steps']} "
            f"{row['value']:.0f} s left said, {real:.0f} s it was, {row['value'] / real - 1:+.0%}"
        )


def _project(folder: Path, rows: int, *, tiny: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = PROJECT
    if tiny:
        _shrink(folder / "tiny")
        text = text.replace("smollm2-135m-instruct", str(folder / "tiny"))
    (folder / "project.yaml").write_text(text, encoding="utf-8")
    lines = speed_rows.make(rows, long_share=0.1)
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    _command(folder, "data", "build")


def _shrink(folder: Path) -> None:
    """Make a random model of two narrow layers with the embedded model's tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from engine.base.model import EMBEDDED, locate

    base = locate(EMBEDDED)
    config = AutoConfig.from_pretrained(base)
    config.update({"num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 128})
    config.update({"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16})
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    for file in [*base.glob("tokenizer*"), *base.glob("chat_template*")]:
        shutil.copyfile(file, folder / file.name)


def _command(folder: Path, *words: str) -> None:
    _run(folder, sys.executable, "-P", "-m", "tui.cli", "--workspace", str(folder), *words)


def _run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())

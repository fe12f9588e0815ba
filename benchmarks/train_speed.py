"""Training speed and memory on this box: Tunesmith's default plan against TRL and LLaMA-Factory.

    python benchmarks/train_speed.py [--rows 160] [--only mixed|equal]
        [--llama-factory VENV/bin/llamafactory-cli]

Two sets of rows made here: addresses to be read out of messages, one message in ten a long letter
(mixed), and all of one length (equal). Tunesmith trains through its command line, with the plan it
proposes by itself. TRL runs as its documentation shows, a path, prompt-completion rows and a
`LoraConfig`, in a process of its own; all that decides what is learnt is the same for both (model,
rows, system prompt, adapter, rate, schedule, seed, epochs, effective batch), all that decides speed
and memory is TRL's default. LLaMA-Factory is told the same, in an environment of its own:

    python3 -m venv VENV && VENV/bin/pip install torch==2.13.0 llamafactory==0.9.5

Prints real tokens a second (padding not counted; start, validation and saving left out), the peak
of resident memory, and the loss of each adapter on the held-out rows, computed by one code for all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import command_line
import speed_rivals
import speed_rows

from engine.base.store import Store
from engine.plan import plan as plans

HERE = Path(__file__).parent
PROJECT = """name: addresses
base_model: smollm2-135m-instruct
objective:
  task: extraction
  instruction: Read the address out of the message. Answer with JSON only.
  prompt: Read the address out of the message. Answer with JSON only.
data:
  sources: [rows.jsonl]
"""


def main() -> int:
    """Measure every trainer on every kind of rows, and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=160)
    arguments.add_argument("--only", choices=("mixed", "equal"))
    arguments.add_argument("--llama-factory", type=Path, metavar="COMMAND")
    arguments.add_argument("--set", action="append", default=[], help="as `tunesmith train` has it")
    arguments.add_argument("--without-trl", action="store_true")
    options = arguments.parse_args()
    print("| rows | trainer | tokens | seconds | tokens/s | peak GB | held-out loss |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for kind in [options.only] if options.only else ["mixed", "equal"]:
        with tempfile.TemporaryDirectory(prefix="train-speed-") as folder:
            _compare(kind, Path(folder), options)
    return 0


def _compare(kind: str, folder: Path, options: argparse.Namespace) -> None:
    (folder / "project.yaml").write_text(PROJECT, encoding="utf-8")
    lines = speed_rows.make(options.rows, long_share=0.1 if kind == "mixed" else 0.0)
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ours = tunesmith(folder, options.set)
    task = _task(folder, ours.pop("run"))
    _show(kind, "Tunesmith", ours, task)
    rivals = {}
    if not options.without_trl:
        rivals["TRL, its defaults"] = speed_rivals.trl(task)
        _show(kind, "TRL, its defaults", rivals["TRL, its defaults"], task)
    if options.llama_factory and kind == "mixed":
        rivals["LLaMA-Factory"] = speed_rivals.llama_factory(task, options.llama_factory)
        _show(kind, "LLaMA-Factory", rivals["LLaMA-Factory"], task)
    for name, found in rivals.items():
        faster = (ours["tokens"] / ours["seconds"]) / (found["tokens"] / found["seconds"])
        peak, loss = ours["peak"] / found["peak"], ours["loss"] / found["loss"] - 1
        print(
            f"against {name} on {kind} rows: {faster:.2f} times the speed, {peak:.0%} of the peak, "
            f"loss {loss:+.1%}",
            flush=True,
        )


def _show(kind: str, name: str, found: dict[str, Any], task: speed_rivals.Task) -> None:
    """Compute the loss, and print a trainer's line."""
    found["loss"] = _loss(task, found["adapter"])
    print(
        f"| {kind} | {name} | {found['tokens']} | {found['seconds']:.0f} "
        f"| {found['tokens'] / found['seconds']:.0f} | {found['peak'] / 1e9:.2f} "
        f"| {found['loss']:.4f} |",
        flush=True,
    )


def tunesmith(folder: Path, settings: list[str]) -> dict[str, Any]:
    """Train through the command line; return what the store recorded."""
    chosen = [word for setting in ("epochs=1", *settings) for word in ("--set", setting)]
    command_line.call(folder, "data", "build")
    command_line.call(folder, "train", "--only", "--watch", *chosen)
    store = Store(folder)
    run = store.row("SELECT * FROM runs ORDER BY id DESC")
    assert run is not None
    validating = _validating(store, run["job_id"])
    return {
        "run": run["id"],
        "tokens": run["tokens"],
        "seconds": run["seconds"] - validating,
        "peak": run["peak_bytes"],
        "adapter": folder / "runs" / str(run["id"]) / "adapter",
    }


def _validating(store: Store, job: int) -> float:
    """Seconds of validation and saving: what the steps' own speeds leave of the loop's time."""
    rows = store.rows(
        "SELECT s.name, p.step, p.value FROM points p JOIN series s ON s.id = p.series_id "
        "JOIN runs r ON r.id = s.run_id WHERE r.job_id = ? AND s.name = 'tokens_per_second'",
        (job,),
    )
    run = store.row("SELECT seconds, tokens, steps FROM runs WHERE job_id = ?", (job,))
    assert run is not None
    mean = run["tokens"] / run["steps"]
    return max(0.0, run["seconds"] - sum(mean / row["value"] for row in rows))


def _task(folder: Path, run_id: int) -> speed_rivals.Task:
    store = Store(folder)
    run = store.row("SELECT * FROM runs WHERE id = ?", (run_id,))
    assert run is not None
    return speed_rivals.Task(folder, plans.load(store, run["plan_id"]))


def _loss(task: speed_rivals.Task, adapter: Path) -> float:
    """Return the mean loss of the held-out answers' tokens, in float32, one row at a time."""
    done = subprocess.run(
        [sys.executable, HERE / "speed_rivals.py", "loss", task.folder, str(task.plan.id), adapter],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    sys.exit(main())

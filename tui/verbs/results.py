"""`tunesmith runs`, `show` and `eval`: what was trained, and whether it helped."""

from __future__ import annotations

from typing import Any

import click

from engine.base import jobs
from engine.base.jobs import Turn
from engine.base.store import Store
from tui import output
from tui.verbs.jobs import watch
from tui.verbs.options import (
    accept,
    after_option,
    as_json,
    open_store,
    priority_option,
    turn_of,
)

SUBJECTS = {"base": "base, told how", "few_shot": "base, shown 12 examples", "tuned": "tuned"}


@click.command("runs", epilog="Example: tunesmith runs --json")
@as_json
def runs_verb(as_json: bool) -> None:
    """List runs, newest first."""
    from engine.ship.history import runs

    store = open_store()
    jobs.mark_lost(store)
    found = runs(store)
    if as_json:
        output.emit(found)
        return
    if not found:
        output.say("No runs yet. `tunesmith demo` makes the first, `tunesmith init` your own.")
        return
    output.table(
        ("run", "name", "status", "method", "model", "score", "form"),
        [
            (
                run["id"],
                run["name"],
                run["status"],
                run["method"],
                run["model"],
                output.percent(_score(run, run["metric"])),
                output.percent(_score(run, "valid_json")),
            )
            for run in found
        ],
    )


@click.command("show", epilog="Example: tunesmith show 1 --json")
@click.argument("run")
@click.option(
    "--answers", is_flag=True, help="What the model answered to a few rows as it trained."
)
@as_json
def show_verb(run: str, answers: bool, as_json: bool) -> None:
    """Show a run: plan, measurements, verdict, artifacts. RUN is an id or a name."""
    from engine.ship.history import resolve_run, show

    store = open_store()
    run_id = resolve_run(store, run)
    found = show(store, run_id)
    if as_json:
        output.emit(found)
        return
    from tui.verbs.watched import print_answers, print_training

    if answers:
        print_answers(run_id, found)
        return
    measured = found["measured"]
    output.say(f"  run {found['id']} {found['name']}: {found['status']}")
    output.say(
        f"  {found['method']} on {found['model']}, dataset {found['dataset']}; "
        f"{output.duration(measured['seconds'])}, {output.amount(measured['peak_bytes'] or 0)}"
    )
    print_training(run_id, found)
    if found["rerun"]:
        from engine.run.rerun import Comparison, sentence

        output.say(f"  {sentence(Comparison(**found['rerun']))}")
    print_results(store, run_id)
    print_artifacts(found["artifacts"])


@click.command("eval", epilog="Example: tunesmith eval 1")
@click.argument("run")
@priority_option
@after_option
@accept
@as_json
def eval_verb(run: str, priority: int, after: tuple[int, ...], accept: str, as_json: bool) -> None:
    """Evaluate a run against the base, told and shown how, on the held-out rows."""
    from engine.ship.history import resolve_run

    store = open_store()
    run_id = resolve_run(store, run)
    turn = turn_of(store, priority, after)
    submit_for_run(store, "eval", run_id, {"accept": accept}, turn, as_json=as_json)
    if not as_json:
        print_results(store, run_id)


def submit_for_run(
    store: Store, kind: str, run_id: int, args: dict[str, Any], turn: Turn, *, as_json: bool
) -> None:
    """Submit a job about a run and follow it to its end."""
    row = store.row(
        "SELECT p.id, p.path FROM runs r JOIN projects p ON p.id = r.project_id WHERE r.id = ?",
        (run_id,),
    )
    assert row is not None
    from pathlib import Path

    job = jobs.submit(
        store,
        kind,
        Path(row["path"]),
        {"run_id": run_id, **args},
        project_id=row["id"],
        turn=turn,
    )
    watch(store, job, as_json=as_json)


def print_results(store: Store, run_id: int) -> None:
    """Write the table of base, few-shot base and tuned, and the verdict."""
    from engine.score import records

    rows = records.table(store, run_id)
    if not rows:
        output.say("  Not evaluated yet: `tunesmith eval` does it.")
        return
    metric = rows[0]["metric"]
    output.table(
        ("split", "model", "n", metric.replace("_", " "), "95 % interval", "right form"),
        [
            (
                row["split"],
                SUBJECTS[row["subject"]],
                row["n"],
                output.percent(row["metrics"][metric]["value"]),
                _interval(row["metrics"][metric]),
                output.percent(row["metrics"]["valid_json"]["value"]),
            )
            for row in rows
        ],
    )
    output.say(f"  {records.sentence(store, run_id)}")


def print_artifacts(artifacts: list[dict[str, Any]]) -> None:
    """Write the table of artifacts with their parity."""
    if not artifacts:
        return
    marks = {"pass": "✓ pass", "warn": "! warn", "fail": "✗ fail"}
    output.table(
        (
            "artifact",
            "kind",
            "size",
            "parity",
            "token agreement",
            "divergence",
            "exact match",
            "path",
        ),
        [
            (
                f"a{item['id']}{' *' if item.get('recommended') else ''}",
                item["kind"],
                output.amount(item["bytes"]),
                marks[item["parity"]["result"]] if item["parity"] else "",
                output.percent(item["parity"]["token_agreement"], 1) if item["parity"] else "",
                f"{item['parity']['divergence']:.4f}" if item["parity"] else "",
                output.percent(item["parity"]["score"]) if item["parity"] else "",
                item["path"],
            )
            for item in artifacts
        ],
    )
    if any(item.get("recommended") for item in artifacts):
        output.say("  * the smallest that passed: what `tunesmith chat` uses")


def _score(run: dict[str, Any], metric: str | None) -> float | None:
    value: float | None = run["scores"].get(metric or "")
    return value


def _interval(metric: dict[str, float]) -> str:
    return f"{100 * metric['low']:.0f} to {100 * metric['high']:.0f} %"

"""The run report: the whole journey of one run on a page, built from the store alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.base import project
from engine.base.files import write_text
from engine.base.objectives import metrics as metrics_known
from engine.base.project import Objective
from engine.base.store import Row, Store
from engine.plan.advice import advise
from engine.run import launch, metrics
from engine.score import records as scores
from engine.ship.history import show

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH = 48  # characters of the training curve
_SUBJECTS = {"base": "base, told how", "few_shot": "base, shown examples", "tuned": "tuned"}
_QUANTITIES = {"peak_bytes": ("Peak memory", 1e9, "GB"), "seconds": ("Training time", 1, "s")}


def write(store: Store, run_id: int) -> Path:
    """Write a run's report into its folder; return its path.

    Raises:
        UsageError: There is no such run.
    """
    path = launch.folder(store, run_id) / "report.md"
    write_text(path, text(store, run_id))
    return path


def text(store: Store, run_id: int) -> str:
    """Return a run's report as Markdown."""
    row = launch.get(store, run_id)
    run = show(store, run_id)
    trained = project.load(launch.folder(store, run_id))
    parts = [
        _title(store, run),
        _objective(trained.objective),
        _data(store, row),
        _advice(store, row, trained),
        _plan(run),
        _training(store, run),
        _scores(store, run_id),
        _gates(store, row),
        _artifacts(run),
        _use(run, trained.objective),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(value: object) -> str:
    """Return text from data as one line that Markdown shows as it is: no markup, no control."""
    line = " ".join(str(value).split())
    seen = "".join("�" if unicodedata.category(char)[0] == "C" else char for char in line)
    inline = re.sub(r"([\\`*_{}\[\]<>#!|~$&]|:(?=//))", r"\\\1", seen)
    return re.sub(r"^(\d*)([-+=.)])(?=\s|[-=])", r"\1\\\2", inline)


def sparkline(values: Sequence[float]) -> str:
    """Return values as a line of blocks, the highest at full height."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((value - low) * scale)] for value in values)


def _title(store: Store, run: dict[str, Any]) -> str:
    made = datetime.fromtimestamp(run["created"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    verdict = scores.sentence(store, run["id"])
    return "\n\n".join(
        [
            f"# Run {run['id']}: {escape(run['name'])}",
            f"{escape(run['method'])} on {escape(run['model'])}, begun {made}: {run['status']}.",
            f"**{escape(verdict)}**" if verdict else "Not evaluated yet.",
        ]
    )


def _objective(objective: Objective) -> str:
    return _section(
        "Objective",
        f"- Task: {objective.task}; the answer is {objective.output}"
        + (f" with {', '.join(map(escape, objective.fields))}" if objective.fields else ""),
        f"- Judged by {escape(objective.metric)}: at least {objective.threshold:.0%}, and "
        f"{100 * objective.minimum_effect:.0f} points above the prompted base",
        f"- Guardrail: at least {objective.valid_json:.0%} of the answers in the right form",
        f"- Instruction: {escape(objective.instruction)}",
    )


def _data(store: Store, run: Row) -> str:
    data = store.row("SELECT * FROM datasets WHERE id = ?", (run["dataset_id"],))
    assert data is not None  # a foreign key
    sources = store.rows(
        "SELECT file, rows, sha256 FROM dataset_sources WHERE dataset_id = ? ORDER BY file",
        (data["id"],),
    )
    found = store.rows(
        "SELECT kind, action, count(*) AS count FROM dataset_findings WHERE dataset_id = ? "
        "GROUP BY kind, action ORDER BY kind, action",
        (data["id"],),
    )
    return _section(
        "Data",
        f"Dataset `{data['id']}`: {data['rows_kept']} of {data['rows_read']} rows kept; "
        f"{data['train']} to train, {data['validation']} to watch the training, {data['test']} "
        f"held out, {data['golden']} golden.",
        "",
        *(
            f"- from {escape(s['file'])}: {s['rows']} rows (sha256 {s['sha256'][:12]})"
            for s in sources
        ),
        *(f"- {escape(f['kind'])}: {f['count']} {escape(f['action'])}" for f in found),
    )


def _advice(store: Store, run: Row, trained: project.Project) -> str:
    advice = advise(store, trained, run["project_id"], run["dataset_id"])
    return _section(
        "Advice",
        f"{escape(advice.verdict)}.",
        "",
        *(f"- {escape(reason)}" for reason in advice.reasons),
    )


def _plan(run: dict[str, Any]) -> str:
    plan = run["plan"]
    return _section(
        "Plan",
        f"Recipe {escape(plan['recipe'])} on {escape(plan['device'])}.",
        "",
        *_table(
            ("value", "", "why"),
            [(key, value["value"], value["why"]) for key, value in plan["values"].items()],
        ),
    )


def _training(store: Store, run: dict[str, Any]) -> str:
    lines = []
    for name, title in (("loss", "Loss"), ("validation_loss", "Validation loss")):
        buckets = metrics.points(store, run["id"], name, _WIDTH)
        means = [bucket.mean for bucket in buckets if bucket.mean is not None]
        if means:
            lines.append(f"- {title} `{sparkline(means)}` {means[0]:.3f} to {means[-1]:.3f}")
    speed = run["measured"]["tokens_per_second"]
    if speed:
        lines.append(f"- {run['step']} of {run['steps']} steps, {speed:.0f} tokens a second")
    for row in store.rows(
        "SELECT * FROM prediction_errors WHERE run_id = ? ORDER BY quantity", (run["id"],)
    ):
        title, unit, name = _QUANTITIES.get(row["quantity"], (row["quantity"], 1, ""))
        lines.append(
            f"- {title}: {row['measured'] / unit:.3g} {name}, predicted "
            f"{row['predicted'] / unit:.3g} {name} ({row['error']:+.0%})"
        )
    return _section("Training", *lines) if lines else ""


def _scores(store: Store, run_id: int) -> str:
    rows = scores.table(store, run_id)
    if not rows:
        return ""
    comparisons = [
        f"- {item['split']}, {escape(item['metric'])} against {_SUBJECTS[item['baseline']]}: "
        f"{item['result']}, {_points(item)}, p {item['p_value']:.2g}"
        for item in scores.verdicts(store, run_id)
    ]
    return _section(
        "Scores",
        f"By {_metric(rows)}, on rows that no training saw, with 95 % intervals.",
        "",
        *_table(
            ("rows", "model", "n", "score", "right form"),
            [
                (
                    row["split"],
                    _SUBJECTS[row["subject"]],
                    row["n"],
                    _share(row["metrics"].get(row["metric"])),
                    _share(row["metrics"].get("valid_json")),
                )
                for row in rows
            ],
        ),
        "",
        *comparisons,
    )


def _gates(store: Store, run: Row) -> str:
    """List what each gate last said about the run, its plan and its dataset."""
    rows = store.rows(
        "SELECT * FROM gates WHERE id IN (SELECT max(id) FROM gates WHERE project_id = ? "
        "AND subject IN (?, ?, ?) GROUP BY gate) ORDER BY id",
        (
            run["project_id"],
            run["dataset_id"],
            f"plan {run['plan_id']}",
            f"run {run['id']}",
        ),
    )
    lines = []
    for row in rows:
        accepted = f"; accepted: {escape(row['accepted'])}" if row["accepted"] else ""
        lines.append(f"- **{row['gate']}: {row['result']}**{accepted}")
        lines += [f"    - {escape(reason)}" for reason in row["reasons"].splitlines()]
    return _section("Gates", *lines) if lines else ""


def _artifacts(run: dict[str, Any]) -> str:
    if not run["artifacts"]:
        return ""
    rows = [
        (
            f"a{item['id']}{' (use this)' if item['recommended'] else ''}",
            item["kind"],
            f"{item['bytes'] / 1e6:.1f} MB",
            *_parity(item["parity"]),
            item["sha256"][:12],
        )
        for item in run["artifacts"]
    ]
    return _section(
        "Artifacts",
        "Agreement: the share of next tokens that are the same as in the reference, on the tuned "
        "model's own answers. Divergence: how far the probabilities moved, in nats. F16 is "
        "compared with the adapter itself, the others with F16.",
        "",
        *_table(
            ("id", "kind", "size", "parity", "agreement", "divergence", "score", "sha256"),
            rows,
        ),
        "",
        *(
            f"- {escape(item['kind'])}: {escape(' '.join(item['parity']['reasons']))}"
            for item in run["artifacts"]
            if item["parity"] and item["parity"]["reasons"]
        ),
    )


def _parity(parity: dict[str, Any] | None) -> tuple[str, str, str, str]:
    if parity is None:
        return "", "", "", ""
    return (
        parity["result"],
        f"{parity['token_agreement']:.1%} of {parity['tokens']}",
        f"{parity['divergence']:.2g}",
        f"{parity['score']:.1%} ({_points(parity)})",
    )


def _use(run: dict[str, Any], objective: Objective) -> str:
    chosen = next((item for item in run["artifacts"] if item["recommended"]), None)
    if chosen is None:
        return ""
    return _section(
        "How to use it",
        "The system prompt must be the instruction of the training, word for word:",
        "",
        *(f"    {line}" for line in objective.instruction.splitlines()),
        "",
        f'    tunesmith chat {run["id"]} "..."',
        f"    llama-server --model '{chosen['path']}' --temp 0",
    )


def _section(title: str, *lines: str) -> str:
    return "\n".join([f"## {title}", "", *lines])


def _table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    return [
        f"| {' | '.join(headers)} |",
        f"|{'---|' * len(headers)}",
        *(f"| {' | '.join(map(escape, row))} |" for row in rows),
    ]


def _points(compared: dict[str, Any]) -> str:
    value, low, high = (100 * compared[key] for key in ("difference", "low", "high"))
    return f"{value:+.1f} points, {low:+.1f} to {high:+.1f}"


def _metric(rows: Sequence[dict[str, Any]]) -> str:
    return metrics_known()[rows[0]["metric"]].title


def _share(metric: dict[str, float] | None) -> str:
    if metric is None:
        return ""
    return f"{metric['value']:.1%} ({metric['low']:.1%} to {metric['high']:.1%})"

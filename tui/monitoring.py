"""The monitor's lines about a run: plain functions of one look at it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from engine.base import jobs
from tui.follow import Run
from tui.widgets.canvas import Line, Part, spread
from tui.widgets.gauges import bar
from tui.widgets.spark import spark
from tui.words import ago, duration, figure, left, literal, share, size, state, tone

ENDED = ("failed", "stopped", "paused", "lost")
AFTER = {"eval": "evaluation", "export": "export"}
_ASKED = {"stop": "Stops", "pause": "Pauses", "checkpoint": "Saves a checkpoint"}
# The names of lines of `now` that give way, the first one first, where the panel is too low.
_GIVE_WAY = ("epoch", "learning rate", "gradient", "  planned", "MFU", "  best", "GPU")


def header(run: Run, width: int) -> Line:
    """Return the first line: the run, its state, and what came after it."""
    row, job = run.run, run.job
    parts: list[Part] = [(state(run.state), tone(run.state))]
    if run.after is not None:
        name = AFTER.get(run.after["kind"], run.after["kind"])
        parts += [
            ("   ", ""),
            (f"{state(run.after['state'])} {name}", tone(run.after["state"])),
        ]
    if job is not None and job["state"] == "running" and job["started"]:
        parts += [(f"  {duration(time.time() - job['started'])}", "quiet")]
    elif job is not None and job["ended"] and run.after is None:
        parts += [(f"  {ago(job['ended'])}", "quiet")]
    return spread(
        [
            (" tunesmith", "accent"),
            (" › ", "faint"),
            (literal(row["name"]), "strong"),
            (f"  run {row['id']}", "quiet"),
        ],
        [*parts, (" ", "")],
        width,
    )


def about(run: Run, width: int) -> Line:
    """Return what is trained, on what, and the checkpoints that are kept."""
    row = run.run
    facts = [
        literal(row["model"]),
        literal(row["method"]),
        f"{row['train']:,} rows",
        literal((run.job and run.job["device"]) or row["device"]),
    ]
    saved, best = row["checkpoint"], row["best_step"]
    right = f"checkpoint {saved:,} " if saved is not None else "no checkpoint yet "
    if best is not None:
        right = f"★ best kept: {best:,} · {right}"
    return spread([(" " + " · ".join(facts), "quiet")], [(right, "quiet")], width)


def progress(run: Run, width: int) -> Line:
    """Return how far the run is, or what came after it, and the time it takes."""
    row, job = run.run, run.at_work
    if run.after is not None and job is not None and job["state"] in jobs.OPEN:
        part = share(job["done"], job["total"])
        return [
            (" ", ""),
            *bar(part, max(10, width - 46)),
            (f"  {literal(job['note']) or 'starting'}", ""),
        ]
    part = share(row["step"], row["steps"])
    colour = {"done": "good", "failed": "bad", "lost": "bad", "stopped": "warn", "paused": "warn"}
    text = f"  {row['step']:,} of {row['steps']:,} steps  {100 * part:3.0f} %"
    seconds = run.latest.get("seconds_left")
    if run.state == "running" and seconds is not None:
        text += f"   {left(seconds, run.latest.get('seconds_left_error'))}"
    elif run.state == "done" and row["seconds"]:
        text += f"   took {duration(row['seconds'])}"
    return [
        (" ", ""),
        *bar(
            part,
            max(10, min(width - 50, width - len(text) - 2)),
            colour.get(run.state or "", "active"),
        ),
        (text, ""),
    ]


def changed(run: Run, width: int) -> list[Line]:
    """Return the last setting that was changed on the way, on one line; nothing before."""
    if not run.changes:
        return []
    last, more = run.changes[-1], len(run.changes) - 1
    text = f"{last.key} {last.before} → {last.after} at step {last.step:,}: {last.why}"
    also = f"+{more}: tunesmith show {run.run['id']} " if more else ""
    return [spread([(" ! ", "warn"), (literal(text), "")], [(also, "quiet")], width)]


def banner(run: Run) -> list[Line]:
    """Say what went wrong, or what a job that has not begun waits for."""
    job = run.at_work
    if job is None:
        return [[(" This run was never submitted.", "warn")]]
    if job["state"] in ("failed", "lost"):
        what = " ".join(filter(None, (job["error_where"], job["error"])))
        return [
            [(f" {state(job['state'])[0]} ", "bad"), (literal(what), "bad")],
            [("   ", ""), (literal(job["fix"] or ""), "")],
        ]
    if job["state"] in ("stopped", "paused"):
        said = f" {state(job['state'])}; its work is saved. "
        return [[(said, "warn"), ("r", "key"), (" goes on.", "")]]
    if job["state"] == "waiting" and not job["request"]:
        return [[(f" ○ Waits for {literal(job['waits_for'] or job['device'])}.", "quiet")]]
    if job["request"]:
        return [[(f" ○ {_ASKED[job['request']]} at the next step.", "quiet")]]
    return []


def now(run: Run, width: int, height: int) -> list[Line]:
    """Return the last values, as many as there is room for.

    Args:
        run: The look.
        width: The panel's width in cells.
        height: Its height in lines; less important ones give way.
    """
    named = [
        *_losses(run, width),
        *_speed(run, width),
        *_energy(run, width),
        *_board(run, width),
        *_preferences(run, width),
    ]
    for name in _GIVE_WAY:
        if len(named) > height:
            named = [line for line in named if line[0][0].rstrip() != name]
    return list(named)


def _losses(run: Run, width: int) -> list[list[Part]]:
    checks = [band for band in run.series.get("validation_loss", ()) if math.isfinite(band.mean)]
    lowest = min(checks, key=lambda band: band.mean, default=None)
    best = "–"
    if lowest is not None:
        kept = " ★" if int(lowest.step) == run.run["best_step"] else ""
        best = f"{figure(lowest.mean)} at {lowest.step:,.0f}{kept}"
    return [
        _line(run, width, "loss", _known(run, "loss"), "loss"),
        _line(run, width, "validation", _known(run, "validation_loss"), "validation_loss"),
        _line(run, width, "  best", best),
        _line(run, width, "learning rate", _known(run, "learning_rate"), "learning_rate"),
        _line(run, width, "gradient", _known(run, "grad_norm"), "grad_norm"),
    ]


def _speed(run: Run, width: int) -> list[list[Part]]:
    memory = run.latest.get("memory_bytes")
    rate = _known(run, "tokens_per_second")
    return [
        _line(run, width, "tokens/s", rate, "tokens_per_second"),
        _line(run, width, "memory", "–" if memory is None else size(memory), "memory_bytes"),
        _line(run, width, "  planned", size(run.run["predicted_peak_bytes"])),
        _line(run, width, "epoch", _known(run, "epoch")),
    ]


def _board(run: Run, width: int) -> list[list[Part]]:
    """What the GPU shows; nothing on a CPU, or where the board does not tell."""
    latest, lines = run.latest, []
    for name, series in (("MFU", "mfu"), ("GPU busy", "gpu_utilisation")):
        if series in latest:
            lines.append(_line(run, width, name, f"{100 * latest[series]:.0f} %", series))
    told = [
        f"{latest[series]:.0f} {unit}"
        for series, unit in (("gpu_temperature", "°C"), ("gpu_watts", "W"))
        if series in latest
    ]
    return [*lines, *([_line(run, width, "GPU", " · ".join(told))] if told else [])]


def _energy(run: Run, width: int) -> list[list[Part]]:
    taken = run.run["joules"]
    if taken is None:
        return []
    unit, joules = ("kWh", 3.6e6) if taken >= 3.6e6 else ("Wh", 3600)
    both = f"{taken / joules:.1f} · plan {run.run['predicted_joules'] / joules:.1f}"
    return [_line(run, width, f"energy, {unit}", both)]


def _preferences(run: Run, width: int) -> list[list[Part]]:
    """What training by preferences shows; nothing for other trainers."""
    margins = _pair(run, "reward_margin", lambda value: f"{value:.3g}")
    right = _pair(run, "reward_accuracy", lambda value: f"{100 * value:.0f} %")
    return [
        _line(run, width, name, text)
        for name, text in (("margin", margins), ("pairs right", right))
        if text
    ]


def _pair(run: Run, series: str, said: Callable[[float], str]) -> str:
    """Return a value of the training rows and that of the validation rows."""
    values = ((run.latest.get(series), ""), (run.latest.get(f"validation_{series}"), "val "))
    return " · ".join(f"{word}{said(value)}" for value, word in values if value is not None)


def _known(run: Run, name: str) -> str:
    return figure(run.latest[name]) if name in run.latest else "–"


def _line(run: Run, width: int, name: str, value: str, series: str = "") -> list[Part]:
    room = max(0, width - 22)
    past = [band.mean for band in run.series.get(series, ())][-room * 2 :]
    return [
        (f"{name:<14}", "quiet"),
        (f"{value:<8}", ""),
        (spark(past, room) if past else "", "active"),
    ]

"""`tunesmith fits`: will it fit? For this box or a named GPU; no project, no data, no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from engine.base import paths
from engine.base.errors import TunesmithError
from engine.base.hardware import machine
from engine.base.store import Store
from engine.plan import cost, device, fits, models, recipe
from engine.plan.fits import Answer, Bench
from tui import output
from tui.verbs.options import as_json

_MARKS = {"fits": "✓", "tight": "!", "no": "✗"}
_WORDS = {"fits": "fits", "tight": "fits, but tightly", "no": "does not fit"}
_OPINION_SECONDS = 300
_SHOWN_PARTS = 50_000_000  # smaller parts are summed up


@click.command("fits", epilog="Example: tunesmith fits qwen2.5-7b-instruct --gpu 'RTX 4090'")
@click.argument("model")
@click.option(
    "--method", help="sft-lora, sft-qlora, sft-full, dpo-lora, ...; else a table of them."
)
@click.option("--seq", type=click.IntRange(1), help="Tokens of the longest row.")
@click.option("--batch", type=click.IntRange(1), help="Rows computed at the same time.")
@click.option("--gpu", metavar="NAME|BYTES", help="A GPU that need not be here; else this box.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any plan setting.")
@click.option("--price-per-hour", type=click.FloatRange(0), help="What a rented box costs an hour.")
@click.option("--second-opinion", is_flag=True, help="Also run PyTorch's dry run; half a minute.")
@as_json
@click.pass_context
def fits_verb(
    ctx: click.Context,
    model: str,
    method: str | None,
    seq: int | None,
    batch: int | None,
    gpu: str | None,
    settings: tuple[str, ...],
    price_per_hour: float | None,
    second_opinion: bool,
    as_json: bool,
) -> None:
    """Say whether MODEL can be trained: a catalogue name, a hub id, a folder or a config.json.

    Without --method, --seq and --batch it is a table of methods, rows and lengths.
    """
    bench = _bench(ctx, model, gpu, settings)
    chosen = fits.method_named(method) if method else None
    if chosen or seq or batch or second_opinion:
        one = bench.answer(chosen or "sft-lora", seq or fits.LENGTH, batch or fits.BATCH)
        opinion = _second_opinion(model, one) if second_opinion else None
        _one(bench, one, price_per_hour, opinion, as_json=as_json)
        return
    _table(bench, price_per_hour, as_json=as_json)


def _bench(ctx: click.Context, model: str, gpu: str | None, settings: Sequence[str]) -> Bench:
    """Gather what every answer needs; the box's record only where this box is meant."""
    found = models.find(model)
    given = recipe.assignments(settings)
    if gpu:
        return Bench(found, device.named(gpu), given)
    workspace = paths.workspace(ctx.find_root().obj)
    store = Store(workspace) if (workspace / paths.STORE_NAME).is_file() else None
    return Bench(found, device.choose(machine.read()), given, store)


def _one(
    bench: Bench,
    answer: Answer,
    price: float | None,
    opinion: dict[str, int] | None,
    *,
    as_json: bool,
) -> None:
    found = fits.record(bench, answer)
    if price is not None:
        found["money_per_million_tokens"] = _price(answer, price)
    if opinion is not None:
        found["second_opinion"] = {"peak_bytes": max(opinion.values()), "moments": opinion}
    if as_json:
        output.emit(found)
        return
    setup, free = answer.setup, bench.device.free
    recomputed = ", layers recomputed" if setup.gradient_checkpointing else ""
    output.say(
        f"{_MARKS[answer.verdict]} {_WORDS[answer.verdict]}: {found['model']}, {setup.method}, "
        f"{setup.micro_batch} x {setup.length} tokens{recomputed}"
    )
    output.say(
        f"  peak {output.amount(found['peak_bytes'])} of the {output.amount(free)} free on "
        f"{bench.device.title}, give or take {output.percent(found['expected_error'])}"
    )
    shown = {name: size for name, size in found["parts"].items() if abs(size) >= _SHOWN_PARTS}
    rest = found["peak_bytes"] - sum(shown.values())
    parts = [f"{name} {output.amount(size)}" for name, size in shown.items()]
    output.say(f"  {', '.join(parts + ([f'other {output.amount(rest)}'] if rest else []))}")
    if found["learnt"]:
        output.say(f"  learnt from {found['learnt']}")
    if opinion is not None:
        output.say(
            f"  second opinion: {output.amount(max(opinion.values()))} of tensors by PyTorch's dry "
            f"run; the formula says {output.amount(_tensors(answer))}"
        )
    output.say(f"  {_pace(bench, answer, price)}. {answer.speed.why}")
    output.say(
        f"  disk: a checkpoint {output.amount(found['checkpoint_bytes'])}; two of them, the result "
        f"and a Q8_0 GGUF {output.amount(found['disk_bytes'])}"
    )


def _table(bench: Bench, price: float | None, *, as_json: bool) -> None:
    answers = fits.table(bench)
    methods = list(dict.fromkeys(answer.setup.method for answer in answers))
    longest = {method: bench.longest(method) for method in methods}
    if as_json:
        output.emit(
            {
                "model": bench.model.name,
                "device": bench.device.title,
                "free_bytes": bench.device.free,
                "cells": [fits.record(bench, answer) for answer in answers],
                "longest": longest,
            }
        )
        return
    shape = bench.model.dimensions
    output.say(
        f"{bench.model.name}: {shape.parameters / 1e9:.2f} billion parameters, on "
        f"{bench.device.title} with {output.amount(bench.device.free)} free"
    )
    lengths = list(dict.fromkeys(answer.setup.length for answer in answers))
    rows: list[tuple[output.Cell, ...]] = []
    for method in methods:
        for batch in fits.BATCHES:
            cells = [
                _cell(answer)
                for answer in answers
                if (answer.setup.method, answer.setup.micro_batch) == (method, batch)
            ]
            rows.append((method if batch == fits.BATCHES[0] else "", batch, *cells))
    output.table(("method", "rows", *(f"{length} tokens" for length in lengths)), rows)
    output.say("✓ fits   ! within 95 % of the free memory   ✗ does not fit   r layers recomputed")
    output.say()
    for method in methods:
        output.say(f"  {method:<10} {_summary(bench, method, longest[method], answers, price)}")


def _cell(answer: Answer) -> str:
    recomputed = "r" if answer.setup.gradient_checkpointing else " "
    return f"{output.amount(answer.estimate.peak_bytes):>8} {_MARKS[answer.verdict]}{recomputed}"


def _summary(
    bench: Bench, method: str, longest: int, answers: Sequence[Answer], price: float | None
) -> str:
    """One line of a method: the longest row, the pace, the record."""
    if not longest:
        return "does not fit"
    context = " (all of its context)" if longest >= bench.model.dimensions.context // 8 * 8 else ""
    fitting = [
        answer for answer in answers if answer.setup.method == method and answer.verdict == "fits"
    ]
    text = f"rows up to {longest} tokens{context}"
    if fitting:
        fastest = max(fitting, key=lambda answer: answer.speed.tokens_per_second)
        text += f"; {_pace(bench, fastest, price)}"
    correction = bench.correction(method)
    error = f"; memory give or take {output.percent(bench.expected_error(method))}"
    return text + error + (f", learnt from {correction.why}" if correction else "")


def _pace(bench: Bench, answer: Answer, price: float | None) -> str:
    seconds = 1e6 / answer.speed.tokens_per_second
    energy = seconds * bench.device.watts / 3.6e6
    error = cost.RECORD_ERROR if answer.speed.measured else cost.PRIOR_ERROR
    text = (
        f"a million tokens in {output.duration(seconds)} (give or take {output.percent(error)}) "
        f"and {energy:.2g} kWh"
    )
    return text if price is None else f"{text}, {_price(answer, price):.2f} in money"


def _price(answer: Answer, price: float) -> float:
    return round(cost.money(1e6 / answer.speed.tokens_per_second, price), 4)


def _tensors(answer: Answer) -> int:
    beside = {"context", "reserve", "runtime", "waste"}
    return sum(size for name, size in answer.estimate.parts.items() if name not in beside)


def _second_opinion(model: str, answer: Answer) -> dict[str, int]:
    """Run PyTorch's dry run in a process of its own: the interface never loads torch."""
    known = Path(model).expanduser()
    request = {
        "model": str(known.resolve()) if known.exists() else model,
        "setup": asdict(answer.setup),
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "engine.run.dryrun"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=_OPINION_SECONDS,
            check=False,
            cwd=Path(__file__).parents[2],
        )
    except subprocess.TimeoutExpired as error:
        raise TunesmithError(
            f"The dry run took longer than {_OPINION_SECONDS} seconds.",
            "Leave --second-opinion out, or wait for a less busy moment.",
        ) from error
    if done.returncode:
        reason: Any = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise TunesmithError(
            f"The dry run failed ({output.one_line(reason, 120)}).",
            "Leave --second-opinion out; the formula needs no dry run.",
        )
    answered: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return answered

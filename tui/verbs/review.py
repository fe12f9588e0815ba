"""`tunesmith data review` and `data guidelines`: what people decide about suspicious rows."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.base.errors import UsageError
from tui import output
from tui.verbs.options import Place, as_json, project_option

if TYPE_CHECKING:
    from engine.data.curate.suspects import Item
    from tui.reviewing import Queue

_LISTED = 20
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run what begins so


@click.command("review", epilog="Example: tunesmith data review --decide tickets.jsonl:12=reject")
@project_option
@click.option("--as", "reviewer", default="", metavar="NAME", help="Who decides; else the user.")
@click.option(
    "--decide",
    "decided",
    multiple=True,
    metavar="ROW=accept|reject",
    help="Keep a row as it was read, or leave it out. ROW is its id or file:row.",
)
@click.option("--edit", metavar="ROW", help="Give a row the --prompt or the --completion.")
@click.option("--relabel", metavar="ROW", help="Give a row the --completion or the --scenario.")
@click.option("--prompt", help="The new message.")
@click.option("--completion", help="The new answer.")
@click.option("--scenario", help="The new kind of case.")
@click.option("--note", default="", help="Why; kept with the decision.")
@click.option("--settle", is_flag=True, help="Let the decision stand above those of all others.")
@click.option("--undo", is_flag=True, help="Take the reviewer's last decision back.")
@click.option("--kind", default="", help="Only rows of a kind, such as conflict or pii.")
@click.option("--export", type=click.Path(path_type=Path), help="Write the queue to a CSV file.")
@as_json
def review(
    project_dir: Path | None,
    reviewer: str,
    decided: tuple[str, ...],
    edit: str | None,
    relabel: str | None,
    prompt: str | None,
    completion: str | None,
    scenario: str | None,
    note: str,
    settle: bool,
    undo: bool,
    kind: str,
    export: Path | None,
    as_json: bool,
) -> None:
    """Decide about the rows that the last build suspects, or list them.

    On a terminal it opens the screen. A row is kept as it was read, edited, relabelled or left out
    by the next `data build`. Of each reviewer the newest decision counts; where more than half do
    not want the same, the row is left out until one more decides or --settle.
    """
    from tui import reviewing

    place = Place(project_dir)
    found = reviewing.look(place.store, place.project_id)
    texts = {"prompt": prompt, "completion": completion, "scenario": scenario}
    wanted = _wanted(found, decided, edit, relabel)
    _refuse_idle(bool(wanted), bool(edit or relabel), texts, bool(settle or note))
    name = reviewer or reviewing.os_user()
    if undo:
        _undo(place, name)
    for item, decision in wanted:
        _decide(place, item, name, decision, texts, note, settle=settle)
    changes = bool(wanted or undo)
    if changes:
        found = reviewing.look(place.store, place.project_id)
    rows = _of_kind(found, kind)
    if export:
        _export(found, rows, export)
    if as_json:
        output.emit(_to_json(found, rows))
    elif changes:
        output.say(f"  {found.decided:,} of {len(found.items):,} decided")
    elif not export and not kind and _on_terminal():
        _open(place, name)
    elif not export:
        _list(found, rows)


@click.command("guidelines", epilog="Example: tunesmith data guidelines --to guidelines.md")
@project_option
@click.option("--to", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@as_json
def guidelines(project_dir: Path | None, to: Path | None, as_json: bool) -> None:
    """Write labelling guidelines from the objective, the labels and the conflicts found."""
    from engine.base import files
    from engine.data import dataset
    from engine.data.curate import guidelines, suspects

    place = Place(project_dir)
    built = dataset.load(place.store, dataset.latest(place.store, place.project_id))
    rows = [row for split in ("train", "validation", "test") for row in built.rows(split)]
    objective = place.project.objective
    counts, examples = guidelines.labels(objective, rows)
    conflicts = guidelines.conflicts(suspects.load_queue(place.store, place.project_id))
    text = guidelines.write(objective, counts, examples, conflicts)
    if to:
        files.write_text(to, text)
    if as_json:
        found = {"labels": counts, "conflicts": len(conflicts), "dataset": built.id}
        output.emit({"version": guidelines.version_of(text), **found, "markdown": text})
    elif to:
        output.say(f"  guidelines {guidelines.version_of(text)} are in {to}")
    else:
        output.say(text.rstrip())


def _wanted(
    found: Queue, decided: Iterable[str], edit: str | None, relabel: str | None
) -> list[tuple[Item, Any]]:
    """Return the rows and what is decided about them; all must be known before one is saved."""
    wanted: list[tuple[Item, Any]] = []
    for text in decided:
        row, _, decision = text.rpartition("=")
        if decision not in ("accept", "reject") or not row:
            raise UsageError(
                "A decision is ROW=accept or ROW=reject.",
                "For another text use --edit ROW or --relabel ROW.",
                f"--decide {output.one_line(text, 60)}",
            )
        wanted.append((_item(found, row), decision))
    if edit and relabel:
        raise UsageError("One row at a time.", "Give --edit or --relabel.")
    wanted += [(_item(found, edit), "edit")] if edit else []
    return wanted + ([(_item(found, relabel), "relabel")] if relabel else [])


def _refuse_idle(
    decides: bool, amends: bool, texts: dict[str, str | None], qualified: bool
) -> None:
    """Refuse options that would do nothing, lest somebody believe they did."""
    if not amends and any(text is not None for text in texts.values()):
        raise UsageError("A text is given for no row.", "Name it: --edit ROW or --relabel ROW.")
    if not decides and qualified:
        raise UsageError("Nothing is decided.", "Add --decide, --edit or --relabel.")


def _item(found: Queue, row: str) -> Item:
    """Return the row of an id, the beginning of one, or a place."""
    if not found.items:
        raise UsageError("There is nothing to review yet.", "Build it: `tunesmith data build`.")
    exact = [item for item in found.items if row in (item.row_id, item.source)]
    items = exact or [item for item in found.items if len(row) >= 4 and item.row_id.startswith(row)]
    if len(items) != 1:
        what = "Several rows are" if items else "No row is"
        raise UsageError(
            f"{what} called {output.one_line(row, 60)} in the queue.",
            "`tunesmith data review --json` lists them.",
        )
    return items[0]


def _decide(
    place: Place,
    item: Item,
    reviewer: str,
    decision: Any,
    texts: dict[str, str | None],
    note: str,
    *,
    settle: bool,
) -> None:
    from engine.data.curate import review

    given = texts if decision in ("edit", "relabel") else {}
    review.decide(
        place.store, place.project_id, item, reviewer, decision, **given, note=note, settle=settle
    )
    output.note(f"  {item.source}: {decision} by {reviewer}")


def _undo(place: Place, reviewer: str) -> None:
    from engine.data.curate import review

    made = review.withdraw(place.store, place.project_id, reviewer)
    if made is None:
        raise UsageError(f"{reviewer} has decided nothing here.", "Name another: --as NAME.")
    output.note(f"  {made.source}: no longer {made.decision} by {reviewer}")


def _of_kind(found: Queue, kind: str) -> list[Item]:
    from engine.data.curate.suspects import KINDS

    if kind and kind not in KINDS:
        raise UsageError(
            f"There is no kind {output.one_line(kind, 40)}.", f"One of: {', '.join(KINDS)}."
        )
    return [item for item in found.items if not kind or kind in item.kinds]


def _on_terminal() -> bool:
    from tui import terminal

    return not terminal.refusal(sys.stdin, sys.stdout, os.environ)


def _open(place: Place, reviewer: str) -> None:
    """Open the review above home."""
    from tui.app import run

    code = run(place.store.workspace, f"review:{place.project_id}:{reviewer}")
    if code:
        raise click.exceptions.Exit(code)


def _list(found: Queue, rows: list[Item]) -> None:
    if not found.items:
        output.say("  Nothing to review. `tunesmith data build` leaves the suspicious rows here.")
        return
    disputed = f", {found.disputed:,} disputed" if found.disputed else ""
    output.say(f"  {found.decided:,} of {len(found.items):,} decided{disputed}")
    output.table(
        ("row", "place", "kind", "decision", "found"),
        [
            (item.row_id, item.source, item.kind, found.held(item) or "·", item.what)
            for item in rows[:_LISTED]
        ],
    )
    if len(rows) > _LISTED:
        output.say(f"  … and {len(rows) - _LISTED:,} more; --json lists them all")
    for what, agreement in _agreement(found).items():
        if agreement["rows"]:
            output.say(f"  agreement on the {what}: {_figures(agreement)}")


def _figures(found: dict[str, Any]) -> str:
    parts = [f"the same on {output.percent(found['same'])} of {found['rows']:,} rows"]
    if found["alpha"] is not None and found["interval"]:
        low, high = found["interval"]
        parts.append(f"alpha {found['alpha']:.2f} (95 % {low:.2f} to {high:.2f})")
    if found["kappa"] is not None:
        parts.append(f"kappa {found['kappa']:.2f}")
    return f"{', '.join(parts)}. {found['advice']}"


def _agreement(found: Queue) -> dict[str, dict[str, Any]]:
    from engine.data.curate.agreement import ADVICE, measure

    labels = {item.row_id: item.completion for item in found.items}
    measured = measure(found.reviews, labels)
    return {what: {**asdict(a), "advice": ADVICE[a.result]} for what, a in measured.items()}


def _to_json(found: Queue, rows: list[Item]) -> dict[str, Any]:
    from engine.data.curate.review import outcome
    from tui.reviewing import counts

    items = []
    for item in rows:
        held = outcome(found.of(item))
        made = [asdict(each) for each in found.of(item)]
        items.append({**asdict(item), "decision": held and asdict(held), "reviews": made})
    return {
        "total": len(found.items),
        "decided": found.decided,
        "disputed": found.disputed,
        "kinds": {kind: {"decided": d, "total": n} for kind, (d, n) in counts(found).items()},
        "agreement": _agreement(found),
        "items": items,
    }


def _export(found: Queue, rows: list[Item], path: Path) -> None:
    """Write rows with what holds for each as CSV; nothing in it is a formula to a spreadsheet."""
    from engine.base import files
    from engine.data.curate.review import outcome
    from engine.data.curate.suspects import Item

    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*Item.__dataclass_fields__, "decision", "reviewers"])
    for item in rows:
        held = outcome(found.of(item))
        cells = [*asdict(item).values(), held.decision if held else ""]
        cells.append(", ".join(held.reviewers) if held else "")
        writer.writerow([_inert(cell) for cell in cells])
    files.write_text(path, f"\ufeff{text.getvalue()}")  # the mark by which Excel knows UTF-8
    output.note(f"  {len(rows):,} rows are in {path}")


def _inert(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell

"""`tunesmith data`: check files, build the dataset, show what came of it."""

from __future__ import annotations

from pathlib import Path

import click

from engine.base import jobs
from engine.base.errors import GateError
from tui import output
from tui.verbs.jobs import watch
from tui.verbs.options import Place, accept, as_json, project_option


@click.group("data")
def data_verb() -> None:
    """Check files, build the dataset, show it."""


@data_verb.command(
    "check", epilog="Example: tunesmith data check tickets.jsonl --golden golden.jsonl --json"
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--golden", type=click.Path(path_type=Path), help="Golden rows no training may read.")
@as_json
def check(files: tuple[Path, ...], golden: Path | None, as_json: bool) -> None:
    """Check JSONL files; no project needed, nothing is changed."""
    from engine.data.check import check as check_files

    report = check_files(files, golden).to_json()
    if as_json:
        output.emit(report)
    else:
        _print_report(report)
    if report["gate"]["result"] == "fail":
        raise GateError("The data gate says no, for the reasons above.", "Mend the file.")


@data_verb.command("build", epilog="Example: tunesmith data build --json")
@project_option
@accept
@as_json
def build(project_dir: Path | None, accept: str, as_json: bool) -> None:
    """Clean the project's files and split them into an immutable dataset."""
    place = Place(project_dir)
    job = jobs.submit(
        place.store, "data", place.folder, {"accept": accept}, project_id=place.project_id
    )
    watch(place.store, job, as_json=as_json)
    if not as_json:
        print_dataset(place)


@data_verb.command("show", epilog="Example: tunesmith data show --json")
@project_option
@as_json
def show(project_dir: Path | None, as_json: bool) -> None:
    """Show the project's newest dataset: splits, what was removed, where its data spec is."""
    from engine.data.dataset import latest

    place = Place(project_dir)
    if not as_json:
        print_dataset(place)
        return
    dataset = latest(place.store, place.project_id)
    row = place.store.row("SELECT * FROM datasets WHERE id = ?", (dataset,))
    findings = place.store.rows(
        "SELECT kind, file, row, what, action FROM dataset_findings WHERE dataset_id = ?",
        (dataset,),
    )
    output.emit({**dict(row or {}), "findings": [dict(finding) for finding in findings]})


def _print_report(report: dict[str, object]) -> None:
    duplicates = report["duplicates"]
    output.say(f"  {report['rows']} rows")
    for name, value in (
        ("duplicates", duplicates),
        ("conflicting labels", report["conflicts"]),
        ("personal data", report["pii"]),
        ("secrets", report["secrets"]),
        ("rows of the golden set", report["leaks"]),
    ):
        output.say(f"  {name}: {_counts(value)}")
    problems = report["problems"]
    assert isinstance(problems, list)
    for problem in problems[:20]:
        output.say(f"  ✗ {problem['file']}:{problem['row']}  {problem['what']} {problem['fix']}")
    if len(problems) > 20:
        output.say(f"  … and {len(problems) - 20} more; --json lists them all")
    gate = report["gate"]
    assert isinstance(gate, dict)
    output.gate(gate["result"], "data", gate["reasons"])


def _counts(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items()) or "none"
    return str(value)


def print_dataset(place: Place) -> None:
    """Write what the newest dataset holds and what was found on the way."""
    from engine.data.dataset import latest

    dataset = latest(place.store, place.project_id)
    row = place.store.row("SELECT * FROM datasets WHERE id = ?", (dataset,))
    assert row is not None
    output.say(f"  dataset {dataset}: {row['rows_read']} rows read, {row['rows_kept']} kept")
    output.say(
        f"  train {row['train']} · validation {row['validation']} · test {row['test']} "
        f"· golden {row['golden']} · {row['tokens_train']} tokens to train on"
    )
    for kind in place.store.rows(
        "SELECT kind, count(*) AS n, file || ':' || min(row) AS first FROM dataset_findings "
        "WHERE dataset_id = ? GROUP BY kind ORDER BY n DESC",
        (dataset,),
    ):
        output.say(f"    {kind['n']:>4}  {kind['kind']}  (first: {kind['first']})")
    output.say(f"  data spec: {Path(row['path']) / 'data-spec.md'}")

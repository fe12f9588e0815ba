"""`tunesmith data`: check files, build the dataset, show what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from engine.base import jobs
from engine.base.errors import GateError, UsageError
from engine.base.project import DataSettings, Mapping
from tui import output
from tui.verbs.diff import diff
from tui.verbs.jobs import watch
from tui.verbs.mapping import chosen_mapping, mapping_options, to_policies
from tui.verbs.options import Place, accept, as_json, project_option
from tui.verbs.preview import preview
from tui.verbs.review import guidelines, review

_KINDS = 20  # of problems shown
_PLACES = 3  # of each


@click.group("data")
def data_verb() -> None:
    """Check files, build the dataset, show it."""


@data_verb.command(
    "check", epilog="Example: tunesmith data check tickets.jsonl --golden golden.jsonl --json"
)
@click.argument("files", nargs=-1, required=True)
@click.option("--golden", type=click.Path(path_type=Path), help="Golden rows no training may read.")
@mapping_options
@click.option(
    "--pii",
    "policies",
    multiple=True,
    metavar="[KIND=]POLICY",
    help="mask, pseudonymise, drop or keep; for one kind: email=drop.",
)
@click.option("--model", default="", help="Find rows longer than this base model can read.")
@click.option("--fix", is_flag=True, help="Mend what needs no question, into a new file.")
@click.option("--to", type=click.Path(path_type=Path), help="Where --fix writes.")
@as_json
def check(
    files: tuple[str, ...],
    golden: Path | None,
    format_name: str | None,
    columns: tuple[str, ...],
    policies: tuple[str, ...],
    model: str,
    fix: bool,
    to: Path | None,
    as_json: bool,
) -> None:
    """Check data files; no project needed, and no file is changed.

    FILES are JSONL, JSON, CSV, TSV, Parquet, YAML or text, packed or not, folders of them, a saved
    Hugging Face dataset, or hf:owner/name.
    """
    from engine.data.check import check as check_files

    mapping = dict.fromkeys(files, chosen_mapping(format_name, columns))
    if golden:
        mapping[str(golden)] = mapping[files[0]]
    settings = DataSettings(sources=files, mapping=mapping, fix=fix, **to_policies(policies))
    report = check_files(
        files, golden, settings, base_model=model, progress=lambda note: output.passing(f"  {note}")
    )
    output.passing("")
    written = _mended(files, mapping, to) if fix else None
    content = report.to_json() | ({"fixed": str(written)} if written else {})
    if as_json:
        output.emit(content)
    else:
        _print_report(content)
    if content["gate"]["result"] == "fail":
        raise GateError("The data gate says no, for the reasons above.", "Mend the file.")


def _mended(files: tuple[str, ...], mapping: dict[str, Mapping], to: Path | None) -> Path:
    from engine.data.load.hub import located
    from engine.data.load.write import mend

    first = Path(files[0])
    target = to or first.with_name(f"{first.name.partition('.')[0]}.fixed.jsonl")
    mend({name: located(name) for name in files}, mapping, target)
    return target


@data_verb.command("detect", epilog="Example: tunesmith data detect faq.csv")
@click.argument("files", nargs=-1, required=True)
@mapping_options
@as_json
def detect(
    files: tuple[str, ...], format_name: str | None, columns: tuple[str, ...], as_json: bool
) -> None:
    """Say how files would be read: format, columns, confidence, and what would be left out."""
    from engine.data.load.detect import detect as detect_format
    from engine.data.load.hub import located

    mapping = chosen_mapping(format_name, columns)
    found = [detect_format(located(name), name, mapping).to_json() for name in files]
    if as_json:
        output.emit(found)
        return
    for item in found:
        print_detected(item)


for _verb in (review, preview, diff, guidelines):
    data_verb.add_command(_verb)


@data_verb.command("build", epilog="Example: tunesmith data build --json")
@project_option
@click.option(
    "--scale",
    default=0,
    type=click.IntRange(0, 256),
    metavar="WORKERS",
    help="Look for near-duplicates with so many processes (the extra `scale`).",
)
@click.option("--fix", is_flag=True, help="Mend what needs no question, as `data: fix` does.")
@accept
@as_json
def build(project_dir: Path | None, scale: int, fix: bool, accept: str, as_json: bool) -> None:
    """Clean the project's files and split them into an immutable dataset."""
    place = Place(project_dir)
    args = {"accept": accept, "scale": scale, "fix": fix}
    job = jobs.submit(place.store, "data", place.folder, args, project_id=place.project_id)
    watch(place.store, job, as_json=as_json)
    if not as_json:
        print_dataset(place)


@data_verb.command("show", epilog="Example: tunesmith data show --json")
@click.option("--kind", default="", help="List the findings of a kind, such as pii or conflict.")
@project_option
@as_json
def show(kind: str, project_dir: Path | None, as_json: bool) -> None:
    """Show the project's newest dataset: splits, what was removed, where its data spec is."""
    from engine.data.dataset import latest

    place = Place(project_dir)
    if kind and not as_json:
        print_findings(place, kind)
        return
    if not as_json:
        print_dataset(place)
        return
    dataset = latest(place.store, place.project_id)
    row = place.store.row("SELECT * FROM datasets WHERE id = ?", (dataset,))
    findings = place.store.rows(
        "SELECT kind, file, row, what, action, fix, other FROM dataset_findings "
        "WHERE dataset_id = ? AND ? IN ('', kind)",
        (dataset, kind),
    )
    output.emit({**dict(row or {}), "findings": [dict(finding) for finding in findings]})


def _print_report(report: dict[str, Any]) -> None:
    output.say(f"  {report['rows']} rows, {report['kept']} kept")
    for name, value in (
        ("duplicates", _repeats(report["duplicates"])),
        ("conflicting labels", report["conflicts"]),
        ("too long for the model", report["too_long"]),
        ("personal data", report["pii"]),
        ("secrets", report["secrets"]),
        ("rows of the golden set", report["leaks"]),
        ("languages", report["languages"]),
        ("to look at", report["flags"]),
    ):
        output.say(f"  {name}: {_counts(value)}")
    for sentence in report["detectors"].values():
        output.say(f"    {sentence}")
    _print_problems(report["problems"])
    if "fixed" in report:
        output.say(f"  mended rows are in {report['fixed']}")
    output.gate(report["gate"]["result"], "data", report["gate"]["reasons"])


def _print_problems(problems: list[dict[str, Any]]) -> None:
    """Write the problems, those of one kind together."""
    kinds: dict[tuple[str, str, bool], list[str]] = {}
    for problem in problems:
        kind = (problem["what"], problem["fix"], problem["fixable"])
        kinds.setdefault(kind, []).append(f"{problem['file']}:{problem['row']}")
    for (what, fix, fixable), places in list(kinds.items())[:_KINDS]:
        more = f" and {len(places) - _PLACES:,} more" if len(places) > _PLACES else ""
        output.say(f"  {'+' if fixable else '✗'} {', '.join(places[:_PLACES])}{more}")
        output.say(f"      {what} {fix}")
    if len(kinds) > _KINDS:
        output.say(f"  … and {len(kinds) - _KINDS:,} more kinds of problems; --json has them all")
    if any(fixable for _, _, fixable in kinds):
        output.say("  + can be mended without asking: --fix")


def _repeats(found: dict[str, int]) -> str:
    return (
        f"{found['exact']} exact, {found['merged']} near; {found['related']} more are much alike "
        "and stay together in the split"
    )


def _counts(value: object) -> str:
    if isinstance(value, dict):
        shown = [f"{count} {name}" for name, count in list(value.items())[:12]]
        return ", ".join(shown) or "none"
    return str(value)


def print_detected(found: dict[str, Any]) -> None:
    """Write how a file would be read."""
    what = ", ".join(part for part in (found["container"], found["encoding"]) if part)
    output.say(f"  {found['name']}: {what}")
    output.say(f"    format {found['format'] or 'unknown'}, confidence {found['confidence']:.0%}")
    for key, value in found["mapping"].items():
        if value and key != "format":
            output.say(f"    {key} ← {value}")
    for hint in found["unused"]:
        output.say(f"    not used: {hint}")


def print_findings(place: Place, kind: str) -> None:
    """Write every finding of a kind of the newest dataset, with its place."""
    from engine.data.dataset import latest
    from engine.data.findings import KINDS

    if kind not in KINDS:
        raise UsageError(f"There is no kind {kind}.", f"One of: {', '.join(KINDS)}.", "--kind")
    found = place.store.rows(
        "SELECT file || ':' || row AS place, what, action, other FROM dataset_findings "
        "WHERE dataset_id = ? AND kind = ? ORDER BY id",
        (latest(place.store, place.project_id), kind),
    )
    output.say(f"  {KINDS[kind]}: {len(found)}")
    output.table(("place", "what", "action"), [tuple(row)[:3] for row in found])


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

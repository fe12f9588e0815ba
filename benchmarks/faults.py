"""Harm done to trainings, counted: kills, full disks, too little memory, damaged checkpoints.

    python benchmarks/faults.py all [FOLDER]
    python benchmarks/faults.py kills FOLDER --events 60 --seed 1 --minutes 4

Every run that was harmed is resumed as the program says and must end with the bytes, points and
tokens of the undisturbed run of the same plan. FOLDER keeps models, workspaces and events, so that
`--minutes` can end a slice after an event and the next call goes on; by default it is a temporary
folder. `--only` takes the kinds of training whose names begin so. The table and `results.json` are
written at the end of each call.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import faults_kinds as kinds
from faults_harm import Harm, Unharmed

EVENTS = {"kills": 60, "disk": 10, "memory": 5, "corrupt": 6}


def main() -> int:
    """Harm trainings until the events are counted or the time is up; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=(*EVENTS, "all", "table"))
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--events", type=int, help="of each part; by default those of the docs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no event after these")
    parser.add_argument("--only", default="", help="the beginning of a kind of training")
    options = parser.parse_args()
    folder = (options.folder or Path(tempfile.mkdtemp(prefix="faults-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    record = Record(folder)
    end = time.monotonic() + 60 * options.minutes
    chosen = EVENTS if options.part == "all" else [options.part] * (options.part != "table")
    for part in chosen:
        wanted = options.events or EVENTS[part]
        for harm in kinds.planned(part, folder, options.seed, wanted, options.only):
            one(record, harm, end)
    record.write()
    return 0 if record.sound else 1


def one(record: Record, harm: Harm, end: float) -> None:
    """Do what is missing of one kind of harm, run after run, each to its end and compared."""
    if harm.refused:
        record.add({"part": harm.part, "kind": harm.name, "skipped": harm.refused})
        return
    while time.monotonic() < end and record.missing(harm):
        with harm:
            run, job = harm.begin(record.open(harm))
            while time.monotonic() < end:
                number = record.count(harm)
                again = number < harm.wanted and record.count(harm, run) < harm.of_a_run
                try:
                    if not again:
                        raise Unharmed
                    event = harm.strike(run, job, number)
                except Unharmed:
                    ended = harm.finish(run, job)
                    record.add({"part": harm.part, "kind": harm.name, "run": run, "end": ended})
                    break
                record.add({"part": harm.part, "kind": harm.name, "run": run, **event})
                print(json.dumps(event), flush=True)
            else:
                harm.pause(job)
    if not record.missing(harm):
        harm.clear()


class Record:
    """The events so far, in `events.jsonl` of the benchmark's folder.

    Args:
        folder: The benchmark's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "events.jsonl"
        lines = self._file.read_text().splitlines() if self._file.is_file() else []
        self._rows: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def add(self, row: dict[str, Any]) -> None:
        """Keep one more line."""
        self._rows.append(row)
        with self._file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")

    def count(self, harm: Harm, run: int | None = None) -> int:
        """Return how many events of a kind there were, in all runs or in one."""
        return len([row for row in self._events(harm) if run in (None, row["run"])])

    def open(self, harm: Harm) -> int | None:
        """Return the run of a kind that was harmed and has not ended yet."""
        ended = {row["run"] for row in self._of(harm) if "end" in row}
        return next((row["run"] for row in self._events(harm) if row["run"] not in ended), None)

    def missing(self, harm: Harm) -> bool:
        """Say whether a kind still lacks events or the end of a run."""
        return self.count(harm) < harm.wanted or self.open(harm) is not None

    @property
    def sound(self) -> bool:
        """Whether every run ended equal and every message named the way out."""
        return not any(row.get("end") or row.get("faults") for row in self._rows)

    def write(self) -> None:
        """Print the table and write `results.json`."""
        print("| part | kind | events | where they struck | runs | equal | message, way out |")
        print("|---|---|---|---|---|---|---|")
        summary = []
        for part, kind in dict.fromkeys((row["part"], row["kind"]) for row in self._rows):
            rows = [row for row in self._rows if (row["part"], row["kind"]) == (part, kind)]
            events = [row for row in rows if "what" in row]
            harmed = {row["run"] for row in events}
            ends = [row["end"] for row in rows if "end" in row and row["run"] in harmed]
            where = Counter(row["what"] for row in events)
            told = sum(not row["faults"] for row in events)
            line = {
                "part": part,
                "kind": kind,
                "events": len(events),
                "where": dict(where),
                "runs": len(ends),
                "equal": sum(not end for end in ends),
                "told": told,
                "skipped": next((row["skipped"] for row in rows if "skipped" in row), ""),
            }
            summary.append(line)
            places = ", ".join(f"{count} {name}" for name, count in where.most_common())
            print(
                f"| {part} | {kind} | {len(events)} | {places or line['skipped']} | {len(ends)} "
                f"| {line['equal']} of {len(ends)} | {told} of {len(events)} |"
            )
        results = {"summary": summary, "events": self._rows}
        (self._folder / "results.json").write_text(json.dumps(results, indent=1))
        print(f"\nEvents: {self._folder / 'results.json'}")
        for row in self._rows:
            if row.get("end") or row.get("faults"):
                print("fault:", json.dumps(row), file=sys.stderr)

    def _of(self, harm: Harm) -> list[dict[str, Any]]:
        return [row for row in self._rows if (row["part"], row["kind"]) == (harm.part, harm.name)]

    def _events(self, harm: Harm) -> list[dict[str, Any]]:
        return [row for row in self._of(harm) if "what" in row]


if __name__ == "__main__":
    sys.exit(main())

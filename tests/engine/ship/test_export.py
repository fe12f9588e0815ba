import json
import os
import time

import pytest

from engine.base.errors import TunesmithError, UsageError
from engine.base.work import Work
from engine.ship import export as stage
from engine.ship import records
from engine.ship.export import export


@pytest.fixture
def work(journey):
    """Start an export job in this process; it has ended when the test has."""
    made = []

    def begin(**args):
        args = {"project": str(journey.project_dir), "run_id": journey.run_id, **args}
        row = {"kind": "export", "args": json.dumps(args), "state": "running"}
        made.append(
            journey.store.insert("jobs", {**row, "pid": os.getpid(), "created": time.time()})
        )
        return Work(journey.store, made[-1])

    yield begin
    for job in made:
        journey.store.update("jobs", job, {"state": "done", "ended": time.time()})


def _files(journey):
    folder = journey.workspace / "runs" / str(journey.run_id) / "export"
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("*.gguf")}


def test_an_export_that_is_complete_makes_nothing_twice(journey, work):
    before = _files(journey)
    began = time.monotonic()
    export(work(accept="again"))
    assert _files(journey) == before
    assert time.monotonic() - began < 10


def test_a_changed_file_is_made_and_proved_anew(journey, work):
    store = journey.store
    row = store.row(
        "SELECT * FROM artifacts WHERE run_id = ? AND kind = 'gguf:Q8_0'", (journey.run_id,)
    )
    path = journey.workspace / row["path"]
    with path.open("r+b") as stream:
        stream.seek(-64, os.SEEK_END)
        stream.write(bytes(64))
    export(work(types=["Q8_0"], accept="again"))
    assert records.intact(store, journey.run_id, "gguf:Q8_0", path) == row["id"]
    assert store.scalar("SELECT sha256 FROM artifacts WHERE id = ?", (row["id"],)) == row["sha256"]
    assert records.parity(store, row["id"]).token_agreement > 0.9


def test_a_full_disk_is_told_before_the_work(work, monkeypatch):
    monkeypatch.setattr(stage.machine, "disk_free", lambda folder: 1000)
    with pytest.raises(TunesmithError, match=r"needs about 0\.\d GB; 0\.0 GB are free"):
        export(work(types=["Q5_K_M"]))


def test_an_unknown_type_is_refused_before_the_work(work):
    with pytest.raises(UsageError, match="no GGUF type Q9"):
        export(work(types=["Q9"]))

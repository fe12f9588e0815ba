from __future__ import annotations

from pathlib import Path

import pytest

from engine.base.errors import TunesmithError
from engine.run import checkpoints
from engine.run.checkpoints import MANIFEST, Totals

RUN = 1


@pytest.fixture
def folder(workspace):
    """The folder of a run's checkpoints; the run's row itself does not matter here."""
    workspace.execute("PRAGMA foreign_keys = OFF")
    place = workspace.workspace / "runs" / "1" / "checkpoints"
    place.mkdir(parents=True)
    return place


def write(folder, step, text="weights"):
    """Write a checkpoint's files as the library does: plain, one after another."""
    place = checkpoints.path(folder, step)
    place.mkdir()
    for name in ("adapter_model.safetensors", "optimizer.pt", "rng_state.pth"):
        (place / name).write_text(f"{text} {name} {step}")
    return place


def save(store, folder, step, totals=None):
    write(folder, step)
    checkpoints.complete(store, RUN, folder, step, totals or Totals(step * 10, step / 2, 7))


def steps(store):
    return [row["step"] for row in store.rows("SELECT step FROM checkpoints ORDER BY step")]


def test_the_newest_checkpoint_is_found_with_what_the_run_had_used(workspace, folder):
    save(workspace, folder, 4)
    save(workspace, folder, 12)
    found = checkpoints.newest(workspace, RUN, folder)
    assert (found.step, found.path.name) == (12, "checkpoint-12")
    assert found.totals == Totals(120, 6.0, 7)
    assert steps(workspace) == [4, 12]


def test_a_save_that_was_cut_short_is_removed_and_the_one_before_it_taken(workspace, folder):
    save(workspace, folder, 4)
    partial = write(folder, 8)
    (partial / "rng_state.pth").unlink()
    assert checkpoints.newest(workspace, RUN, folder).step == 4
    assert not partial.exists()


@pytest.mark.parametrize("harm", ["changed", "shortened", "missing", "manifest"])
def test_a_damaged_checkpoint_is_not_trusted(workspace, folder, harm):
    save(workspace, folder, 4)
    save(workspace, folder, 8)
    file = folder / "checkpoint-8" / ("optimizer.pt" if harm != "manifest" else MANIFEST)
    match harm:
        case "changed":
            file.write_text(file.read_text().replace("weights", "Weights"))
        case "shortened" | "manifest":
            file.write_bytes(file.read_bytes()[:-3])
        case "missing":
            file.unlink()
    assert checkpoints.newest(workspace, RUN, folder).step == 4
    assert steps(workspace) == [4]


def test_what_was_wrong_is_said_and_that_the_run_starts_over(workspace, folder):
    save(workspace, folder, 4)
    save(workspace, folder, 8)
    write(folder, 12)
    (folder / "checkpoint-8" / "optimizer.pt").write_text("other")
    said = []
    assert checkpoints.newest(workspace, RUN, folder, said.append).step == 4
    assert said == [
        "The checkpoint of step 12 is not complete; it was removed.",
        "The checkpoint of step 8 is damaged (optimizer.pt has changed); it was removed.",
    ]
    (folder / "checkpoint-4" / MANIFEST).write_text("{")
    said.clear()
    assert checkpoints.newest(workspace, RUN, folder, said.append) is None
    assert said == [
        "The checkpoint of step 4 is damaged (manifest.json cannot be read); it was removed.",
        "No checkpoint is left: the run starts over.",
    ]


def test_without_a_valid_checkpoint_there_is_none(workspace, folder):
    write(folder, 4)
    assert checkpoints.newest(workspace, RUN, folder) is None
    assert list(folder.iterdir()) == []


def test_a_kill_between_manifest_and_record_costs_nothing(workspace, folder):
    save(workspace, folder, 4)
    workspace.execute("DELETE FROM checkpoints")
    assert checkpoints.newest(workspace, RUN, folder).step == 4
    assert steps(workspace) == [4]


def test_only_the_newest_are_kept(workspace, folder):
    for step in (2, 4, 10, 100):
        save(workspace, folder, step)
    checkpoints.prune(workspace, RUN, folder, keep=2)
    assert sorted(item.name for item in folder.iterdir()) == ["checkpoint-10", "checkpoint-100"]
    assert steps(workspace) == [10, 100]


def test_the_record_has_place_size_and_checksum(workspace, folder):
    save(workspace, folder, 4)
    row = workspace.row("SELECT * FROM checkpoints")
    place = workspace.workspace / row["path"]
    assert place == folder / "checkpoint-4"
    assert row["bytes"] == sum(file.stat().st_size for file in place.iterdir())
    assert len(row["sha256"]) == 64


def fill_with_bytes(place):
    with (place / "optimizer.pt").open("wb") as full:
        full.write(b"x" * 100_000)


def fill_with_torch(place):
    import torch

    torch.save({"weights": torch.zeros(100_000)}, place / "optimizer.pt")


def fill_with_safetensors(place):
    """The library renames over the file, so no device can stand in; this is what it says."""
    from safetensors import SafetensorError

    raise SafetensorError(
        "Error while serializing: I/O error: No space left on device (os error 28)"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("fill", [fill_with_bytes, fill_with_torch, fill_with_safetensors])
def test_a_full_disk_is_told_and_the_last_good_checkpoint_stays(workspace, folder, fill):
    save(workspace, folder, 4)
    place = checkpoints.path(folder, 8)
    place.mkdir()
    (place / "optimizer.pt").symlink_to("/dev/full")
    with (
        pytest.raises(TunesmithError, match=r"step 8 could not be written.*step 4 is kept") as told,
        checkpoints.saving(folder, 8),
    ):
        fill(place)
    assert "resume" in told.value.fix
    assert not place.exists()
    assert checkpoints.newest(workspace, RUN, folder).step == 4


def test_another_failure_is_not_taken_for_a_full_disk(folder):
    with pytest.raises(RuntimeError, match="shape"), checkpoints.saving(folder, 8):
        raise RuntimeError("shape mismatch")

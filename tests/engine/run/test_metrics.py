from __future__ import annotations

import time

import pytest

from engine.run import metrics
from engine.run.metrics import Bucket, Point, Recorder


def record(store, run_id, values, name="loss", first=1):
    recorder = Recorder(store, run_id)
    for step, value in enumerate(values, start=first):
        recorder.add(step, {name: value})
    recorder.flush()
    return recorder


def test_a_short_series_comes_back_point_by_point(workspace, run_id):
    record(workspace, run_id, [3.0, 2.0, 1.0])
    assert metrics.points(workspace, run_id, "loss", 100) == [
        Bucket(1, 3.0, 3.0, 3.0),
        Bucket(2, 2.0, 2.0, 2.0),
        Bucket(3, 1.0, 1.0, 1.0),
    ]
    assert metrics.latest(workspace, run_id) == {"loss": 1.0}
    assert metrics.series_names(workspace, run_id) == ["loss"]


def test_nothing_is_read_of_an_unknown_series_or_an_empty_one(workspace, run_id):
    assert metrics.points(workspace, run_id, "loss", 10) == []
    assert metrics.tail(workspace, run_id, "loss", 0) == []
    assert metrics.latest(workspace, run_id) == {}


@pytest.mark.parametrize("count", [1, 7, 10, 11, 99, 100, 101, 1000])
def test_buckets_sum_up_every_point_exactly_once(workspace, run_id, count):
    record(workspace, run_id, [float(step % 17) for step in range(count)])
    buckets = metrics.points(workspace, run_id, "loss", 10)
    assert len(buckets) <= 10
    assert buckets[-1].step == count
    width = buckets[0].step
    start = 0
    for bucket in buckets:
        values = [float(step % 17) for step in range(start, bucket.step)]
        assert len(values) <= width
        assert bucket.low == min(values)
        assert bucket.high == max(values)
        assert bucket.mean == pytest.approx(sum(values) / len(values))
        start = bucket.step
    assert start == count


def test_a_spike_survives_the_reduction(workspace, run_id):
    record(workspace, run_id, [1.0] * 500 + [9.0] + [1.0] * 500)
    assert max(bucket.high for bucket in metrics.points(workspace, run_id, "loss", 20)) == 9.0


def test_the_tail_continues_where_the_buckets_end(workspace, run_id):
    record(workspace, run_id, [1.0] * 50)
    known = metrics.points(workspace, run_id, "loss", 7)[-1].step
    record(workspace, run_id, [2.0, 3.0], first=51)
    assert metrics.tail(workspace, run_id, "loss", known) == [Point(51, 2.0), Point(52, 3.0)]


def test_what_is_no_number_is_kept_as_a_gap(workspace, run_id):
    record(workspace, run_id, [1.0, float("nan"), 3.0])
    gap = metrics.points(workspace, run_id, "loss", 10)[1]
    assert gap == Bucket(2, None, None, None)
    assert metrics.latest(workspace, run_id) == {"loss": 3.0}


def test_a_resumed_run_loses_and_doubles_no_point(workspace, run_id):
    record(workspace, run_id, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    Recorder(workspace, run_id).rewind(4)
    assert [point.step for point in metrics.tail(workspace, run_id, "loss", 0)] == [1, 2, 3, 4]
    record(workspace, run_id, [2.0, 2.0], first=5)
    values = [point.value for point in metrics.tail(workspace, run_id, "loss", 0)]
    assert values == [1.0, 1.0, 1.0, 1.0, 2.0, 2.0]


def test_a_rewind_leaves_other_runs_alone(workspace, run_id):
    other = dict(workspace.row("SELECT * FROM runs WHERE id = ?", (run_id,)))
    other_id = workspace.insert("runs", {**other, "id": None})
    record(workspace, run_id, [1.0, 1.0])
    record(workspace, other_id, [1.0, 1.0])
    Recorder(workspace, run_id).rewind(0)
    assert metrics.tail(workspace, run_id, "loss", 0) == []
    assert len(metrics.tail(workspace, other_id, "loss", 0)) == 2


def test_nothing_is_visible_before_a_flush_and_all_of_it_after(workspace, run_id):
    recorder = Recorder(workspace, run_id)
    recorder.add(1, {"loss": 1.0, "grad_norm": 2.0})
    assert metrics.tail(workspace, run_id, "loss", 0) == []
    assert recorder.due
    recorder.flush()
    assert not recorder.due
    assert metrics.latest(workspace, run_id) == {"loss": 1.0, "grad_norm": 2.0}


def test_recording_costs_little_beside_a_step(workspace, run_id):
    recorder = Recorder(workspace, run_id)
    values = dict.fromkeys(("loss", "learning_rate", "grad_norm", "epoch", "memory_bytes"), 1.0)
    began = time.process_time()
    for step in range(200):
        recorder.add(step, values)
        recorder.flush()
    assert (time.process_time() - began) / 200 < 0.003


def test_a_long_series_is_read_within_a_frame_of_the_screen(workspace, run_id):
    record(workspace, run_id, [0.0])
    series = workspace.scalar("SELECT id FROM series")
    workspace.insert_all(
        "points",
        ({"series_id": series, "step": s, "at": 0.0, "value": s % 97} for s in range(100_000)),
        replace=True,
    )
    began = time.process_time()
    buckets = metrics.points(workspace, run_id, "loss", 320)
    assert time.process_time() - began < 0.2
    assert 300 <= len(buckets) <= 320

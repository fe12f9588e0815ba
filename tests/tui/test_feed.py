"""The feed reads for the screen that is shown, in its own thread, and says what it read once."""

from __future__ import annotations

import threading
import time

import pytest
from textual.app import App

from tui.feed import Broken, Feed, Fresh
from tui.looks import HomeReader, home


class Listener(App[None]):
    """Collects what a feed posts."""

    def __init__(self, workspace, period=0.02):
        super().__init__()
        self.feed = Feed(workspace, period)
        self.values = []
        self.errors = []

    def on_mount(self):
        self.feed.start()

    def on_unmount(self):
        self.feed.stop()

    def on_fresh(self, message: Fresh):
        self.values.append(message.value)

    def on_broken(self, message: Broken):
        self.errors.append(message.error)


async def until(pilot, condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await pilot.pause(0.02)


async def test_it_reads_outside_the_interface_s_thread(workspace):
    app, threads = Listener(workspace.workspace), []
    async with app.run_test() as pilot:
        app.feed.watch(app, lambda store: threads.append(threading.current_thread()))
        await until(pilot, lambda: len(threads) > 2)
    assert {thread.name for thread in threads} == {"feed"}
    assert threading.main_thread() not in threads


async def test_a_hidden_screen_is_not_read_for(workspace):
    app, looks = Listener(workspace.workspace), []
    async with app.run_test() as pilot:
        app.feed.watch(app, lambda store: looks.append(1))
        await until(pilot, lambda: looks)
        app.feed.release(app)
        await pilot.pause(0.1)
        before = len(looks)
        await pilot.pause(0.3)
        assert len(looks) == before


async def test_nothing_new_posts_nothing(records):
    app = Listener(records.store.workspace)
    reader = HomeReader(records.store.workspace, home(records.store))
    reader._load = lambda: None
    async with app.run_test() as pilot:
        app.feed.watch(app, reader)
        await until(pilot, lambda: len(app.values) == 1)
        await pilot.pause(0.3)
        assert len(app.values) == 1
        records.run()
        await until(pilot, lambda: len(app.values) == 2)
        assert app.values[-1].total == 1


async def test_a_store_that_cannot_be_read_is_said_once_and_tried_again(workspace):
    app, looks = Listener(workspace.workspace), []

    def reader(store):
        looks.append(1)
        if len(looks) < 5:
            raise OSError("disk gone")
        return len(looks)

    async with app.run_test() as pilot:
        app.feed.watch(app, reader)
        await until(pilot, lambda: app.values)
    assert [str(error) for error in app.errors] == ["disk gone"]


async def test_a_job_whose_worker_died_is_marked_lost(records):
    run_id = records.run(state="running", alive=False)
    app = Listener(records.store.workspace)
    async with app.run_test() as pilot:
        app.feed.watch(app, lambda store: None)
        await until(
            pilot,
            lambda: (
                records.store.scalar("SELECT status FROM run_list WHERE id=?", (run_id,)) == "lost"
            ),
        )


def test_a_newer_look_replaces_an_older_one():
    assert Fresh(2).can_replace(Fresh(1))
    assert not Fresh(2).can_replace(Broken(OSError()))


def test_stopping_a_feed_ends_its_thread(workspace):
    feed = Feed(workspace.workspace, 0.01)
    feed.start()
    feed.stop()
    assert feed._thread is not None
    assert not feed._thread.is_alive()


@pytest.mark.parametrize(
    ("words", "found"), [("", 3), ("ALPHA", 1), ("failed", 1), ("lora", 3), ("%", 0), ("zzz", 0)]
)
def test_the_filter_looks_in_name_model_method_and_state(records, words, found):
    records.run("alpha")
    records.run("beta", "failed")
    records.run("gamma")
    shown = home(records.store, words)
    assert (shown.matching, shown.total, len(shown.runs)) == (found, 3, found)


def test_runs_are_read_by_window_newest_first(records):
    for number in range(30):
        records.run(f"run-{number}", score=0.5)
    shown = home(records.store, "", offset=10, limit=5)
    assert [row["name"] for row in shown.runs] == [f"run-{n}" for n in (19, 18, 17, 16, 15)]
    assert shown.runs[0]["score"] == 0.5
    assert shown.total == 30

"""The line of jobs from the command line and the home screen."""

import json
import os
import subprocess
import sys

import pytest

from engine.base import jobs, service
from tui.app import TunesmithApp
from tui.widgets.table import Table


@pytest.fixture
def run(workspace):
    def verb(*arguments, code=0, **environment):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tui.cli", "--workspace", workspace.workspace, *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return verb


def waiting(records, **columns):
    return records.job("fit", "waiting", device="cpu", waits_for="cpu to be free", **columns)


def test_jobs_shows_the_line_and_what_each_waits_for(run, records):
    first, second = waiting(records), waiting(records, priority=2)
    records.store.insert("job_needs", {"job_id": second, "needs_id": first})
    text = run("jobs")
    assert "waits for cpu to be free" in text
    found = {job["id"]: job for job in json.loads(run("jobs", "--json"))}
    assert (found[second]["position"], found[first]["position"]) == (1, 2)
    assert (found[second]["priority"], found[second]["needs"]) == (2, [first])
    assert found[first]["waits_for"] == "cpu to be free"


def test_move_says_where_the_job_stands_now(run, records):
    waiting(records)
    job = waiting(records)
    assert json.loads(run("move", str(job), "first", "--json")) == {
        "job": job, "position": 1, "of": 2, "priority": 0,
    }  # fmt: skip
    assert f"Job {job} is number 2 of 2 in line" in run("move", str(job), "down")
    assert "does not wait in line" in run("move", str(records.job("data")), "up", code=2)
    run("move", str(job), "sideways", code=2)


def test_pause_asks_the_job_and_resume_takes_one_job_or_all_that_were_lost(run, records):
    job = waiting(records)
    run("pause", str(job))
    assert jobs.get(records.store, job)["request"] == "pause"
    run("pause", str(records.job("data")), code=2)
    run("resume", code=2)
    run("resume", str(job), "--lost", code=2)
    run("resume", "--lost", "--watch", code=2)
    assert json.loads(run("resume", "--lost", "--json")) == {"jobs": []}
    assert "No job was lost." in run("resume", "--lost")


def test_train_refuses_a_job_that_is_not_there_and_hours_that_are_none(run, demo_project):
    at = ("train", "--project", str(demo_project))
    assert "There is no job 7." in run(*at, "--after", "7", code=2)
    assert "--hours 22:00-07:00" in run(*at, "--hours", "late", code=2)
    run(*at, "--priority", "high", code=2)


def test_service_shows_the_unit_and_the_way_without_systemd(run, tmp_path):
    at = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    shown = json.loads(run("service", "show", "--json", **at))
    assert not shown["installed"]
    assert shown["crontab"].startswith("@reboot ")
    assert "resume" in shown["text"]
    assert "loginctl enable-linger" in run("service", "show", **at)
    if service.available():
        assert "loginctl enable-linger" in run("service", "install", **at)
        assert "Removed." in run("service", "remove", **at)
    else:
        assert "@reboot" in run("service", "install", code=1, **at)
    assert "not installed" in run("service", "remove", **at)


async def test_keys_move_the_selected_runs_job_in_line(workspace, records, shows):
    for name in ("first", "second"):
        records.run(name, "waiting", device="cpu", waits_for="cpu to be free")
    app = TunesmithApp(workspace.workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await shows(pilot, "waits for cpu to be free")
        assert app.screen.query_one(Table).key == 2
        await pilot.press("K")
        await shows(pilot, "second: number 1 of 2 in line.")
        await pilot.press("J")
        await shows(pilot, "second: number 2 of 2 in line.")


async def test_a_run_that_does_not_wait_says_so(workspace, records, shows):
    records.run("over", "done")
    app = TunesmithApp(workspace.workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await shows(pilot, "over")
        await pilot.press("K")
        await shows(pilot, "does not wait in line")


async def test_the_monitor_pauses_and_says_that_it_did(workspace, records, shows):
    from tui.screens.run import RunScreen

    records.run("alpha", "running")
    app = TunesmithApp(workspace.workspace)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.push_screen(RunScreen(1))
        await shows(pilot, "Pause")
        await pilot.press("p")
        await shows(pilot, "Pauses at the next step.")
        records.store.execute("UPDATE jobs SET state = 'paused', request = NULL")
        await shows(pilot, "‖ paused; its work is saved.")

"""The full screen in a real terminal (tmux): keyboard only, and every kind of death of the UI."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid

import pytest

from engine.base import jobs
from engine.base.hardware import machine
from engine.base.store import Store

pytestmark = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")


class Terminal:
    """A tmux session with one Tunesmith in it."""

    def __init__(self, folder, workspace, size):
        self.name = f"tunesmith-{uuid.uuid4().hex[:8]}"
        command = f"{sys.executable} -P -m tui.cli --workspace {workspace}"
        self._tmux(
            "new-session",
            "-d",
            "-x",
            str(size[0]),
            "-y",
            str(size[1]),
            "-c",
            str(folder),
            "-s",
            self.name,
            f"{command}; echo left $?; sleep 600",
        )

    def _tmux(self, *arguments):
        done = subprocess.run(
            ["tmux", "-L", "tunesmith-tests", *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def screen(self):
        return self._tmux("capture-pane", "-p", "-t", self.name)

    def press(self, *keys):
        self._tmux("send-keys", "-t", self.name, *keys)
        if "Escape" in keys:  # at once followed by a key, it would be that key with Alt
            time.sleep(0.7)

    def wait_for(self, text, seconds=20):
        return until(lambda: text in self.screen(), seconds, self.screen)

    def pid(self):
        """The UI's process: the child of the pane's shell."""
        shell = self._tmux("display-message", "-p", "-t", self.name, "#{pane_pid}").strip()
        done = subprocess.run(["pgrep", "-P", shell], capture_output=True, text=True, check=True)
        return int(done.stdout.split()[0])

    def close(self):
        subprocess.run(
            ["tmux", "-L", "tunesmith-tests", "kill-session", "-t", self.name], check=False
        )


def until(condition, seconds, describe=lambda: ""):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.2)
    return True


@pytest.fixture
def terminal():
    opened = []

    def open_terminal(folder, workspace, size=(80, 24)):
        opened.append(Terminal(folder, workspace, size))
        return opened[-1]

    yield open_terminal
    for item in opened:
        item.close()


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
def test_home_opens_shows_the_journeys_run_and_leaves_the_terminal_clean(journey, terminal, size):
    window = terminal(journey.project_dir, journey.workspace, size)
    window.wait_for("support-desk-1")
    window.press("?")
    window.wait_for("Close the interface")
    window.press("Escape")
    window.press("Enter")
    window.wait_for("loss")
    window.press("Escape")
    window.press("q")
    window.wait_for("left 0")


@pytest.fixture
def busy_device():
    """Hold the device, so that a job that wants it waits, alive and without cost."""
    with machine.device_lock(machine.read().device).open("w") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("death", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_job_outlives_every_death_of_the_screen_that_started_it(
    terminal, demo_project, tmp_path, busy_device, death
):
    store = Store(tmp_path / "workspace")
    window = terminal(demo_project, store.workspace)
    window.wait_for("tunesmith")
    window.press("n")
    window.wait_for("Check")

    def waiting():
        window.press("Enter")
        time.sleep(0.3)
        return store.scalar("SELECT id FROM jobs WHERE kind = 'trial' AND state = 'waiting'")

    until(waiting, 60, window.screen)
    trial = waiting()
    os.kill(window.pid(), death)
    window.wait_for("left")
    time.sleep(1)
    assert jobs.get(store, trial)["state"] == "waiting"
    jobs.request(store, trial, "stop")
    until(lambda: jobs.get(store, trial)["state"] == "stopped", 20)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
def test_from_the_wizard_to_a_running_training_by_keyboard_only(
    demo_project, terminal, tmp_path, size
):
    (demo_project / "project.yaml").unlink()
    store = Store(tmp_path / "workspace")
    window = terminal(demo_project, store.workspace, size)
    window.wait_for("tunesmith")
    window.press("n")

    def training():
        window.press("Enter")
        time.sleep(0.3)
        return store.scalar(
            "SELECT count(*) FROM jobs WHERE kind = 'train' AND state = 'running' AND done > 0"
        )

    until(training, 240, window.screen)
    train = store.row("SELECT * FROM jobs WHERE kind = 'train'")
    os.kill(window.pid(), signal.SIGKILL)
    before = jobs.get(store, train["id"])["done"]
    until(lambda: jobs.get(store, train["id"])["done"] > before + 1, 60)
    again = terminal(demo_project, store.workspace, size)
    again.wait_for("running")
    again.press("Enter")
    again.wait_for("loss")
    steps = store.rows(
        "SELECT p.step FROM points p JOIN series s ON s.id = p.series_id "
        "WHERE s.name = 'loss' ORDER BY p.step"
    )
    assert [row["step"] for row in steps] == list(range(1, len(steps) + 1))
    again.press("s")
    again.press("y")
    until(lambda: jobs.get(store, train["id"])["state"] == "stopped", 60)

"""The interface stays light: what it imports, what it queries, and what it does to the terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tui import keys, terminal

TUI = Path(keys.__file__).parent
HEAVY = ("torch", "transformers", "datasets", "numpy", "pandas", "trl", "peft", "llama_cpp")

_IMPORT_EVERYTHING = """
import asyncio, importlib, pathlib, pkgutil, sys
import tui.screens, tui.widgets
for package in (tui.screens, tui.widgets):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
from tui.app import TunesmithApp

async def main():
    app = TunesmithApp(pathlib.Path(sys.argv[1]))
    async with app.run_test(size=(200, 60)) as pilot:
        await pilot.pause(1.5)

asyncio.run(main())
print(" ".join(name for name in sys.argv[2:] if name in sys.modules))
"""


def test_no_heavy_library_is_loaded_by_any_screen(tmp_path):
    done = subprocess.run(
        [sys.executable, "-P", "-c", _IMPORT_EVERYTHING, str(tmp_path / "w"), *HEAVY],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_the_first_frame_needs_neither_migrations_nor_gpu_reader(workspace):
    code = (
        "import pathlib, sys; from tui.app import TunesmithApp;"
        "TunesmithApp(pathlib.Path(sys.argv[1])).get_default_screen();"
        "print(' '.join(n for n in sys.argv[2:] if n in sys.modules))"
    )
    late = ("sqlite_utils", "pynvml", "psutil", "textual.widgets._data_table", "questionary")
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(workspace.workspace), *late],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == ""


class Terminal:
    """A process on a pseudo-terminal of 80x24."""

    def __init__(self, workspace, **environment):
        self.outer, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        kept = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tui.cli", "--workspace", str(workspace)],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            env={**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
        )
        os.close(inner)
        self.seen = b""

    def read_until(self, text, seconds=15.0):
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, self.seen[-2000:]
            self.read(0.1)
        return self.seen

    def read(self, seconds):
        if select.select([self.outer], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.outer, 65536)
            except OSError:
                return False
        return True

    def leave(self, number):
        self.process.send_signal(number)
        end = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        while self.read(0.05) and select.select([self.outer], [], [], 0.05)[0]:
            pass
        os.close(self.outer)
        return self.process.wait(1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal_and_tells_the_shell(workspace, number):
    shown = Terminal(workspace.workspace)
    shown.read_until(b"Nothing has been trained")
    assert shown.leave(number) == 128 + number
    assert b"\x1b[?1049l" in shown.seen
    assert b"\x1b[?1000l" in shown.seen


def test_no_color_draws_no_colour_of_its_own(workspace):
    shown = Terminal(workspace.workspace, NO_COLOR="1")
    shown.read_until(b"Nothing has been trained")
    shown.leave(signal.SIGTERM)
    styles = set(re.findall(rb"\x1b\[([0-9;]*)m", shown.seen))
    assert styles
    assert all(set(style.split(b";")) <= {b"0", b"1", b"39", b"49"} for style in styles), styles


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": ""}])
def test_a_terminal_that_cannot_draw_is_refused_in_one_sentence(workspace, environment):
    shown = Terminal(workspace.workspace, **environment)
    shown.read_until(b"use the commands instead")
    assert shown.process.wait(10) == 2
    assert b"\x1b" not in shown.seen


def test_without_a_terminal_it_is_refused_and_nothing_is_drawn(workspace):
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            "import pathlib, sys; from tui.app import run;sys.exit(run(pathlib.Path(sys.argv[1])))",
            str(workspace.workspace),
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_the_style_sheet_names_no_colour_of_its_own():
    rules = re.sub(r"/\*.*?\*/", "", (TUI / "app.tcss").read_text(), flags=re.DOTALL)
    assert not re.search(r"(?:^|[\s:])#[0-9a-fA-F]{3,8}\s*;|rgb\(|hsl\(", rules)


def test_no_two_actions_share_a_key_on_a_screen():
    for name, entries in keys.KEYS.items():
        used = [key for entry in entries for key in entry.keys.split(",")]
        assert len(used) == len(set(used)), name
        assert all(entry.help for entry in entries)


@pytest.mark.parametrize(
    ("environment", "theme"),
    [
        ({}, terminal.DARK),
        ({"NO_COLOR": "1", "TUNESMITH_THEME": "light"}, terminal.ANSI),
        ({"TUNESMITH_THEME": "light"}, terminal.LIGHT),
        ({"COLORFGBG": "0;15"}, terminal.LIGHT),
        ({"COLORFGBG": "15;0"}, terminal.DARK),
    ],
)
def test_the_theme_follows_the_terminal(environment, theme):
    assert terminal.theme(environment) == theme

"""The Textual app: the theme, the screens, and a terminal that is left as it was found."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from textual import events
from textual.app import App
from textual.screen import Screen
from textual.theme import Theme

from engine.base.errors import TunesmithError
from engine.base.store import Store
from tui import terminal
from tui.feed import Feed
from tui.keys import bindings
from tui.looks import HomeReader, home
from tui.screens.home import HomeScreen

_FIRST_ROWS = 64  # the first frame needs no more; the feed reads the rest
_THEMES = (
    Theme(
        name=terminal.DARK,
        primary="#7aa2d6",
        secondary="#5f7ea8",
        accent="#d9a862",
        success="#86c28b",
        warning="#e0b35c",
        error="#e5786d",
        foreground="#d5d9e0",
        background="#12151b",
        surface="#181c24",
        panel="#232935",
        variables={"quiet": "#8b94a5", "faint": "#3a4252", "band": "#5c6880", "cursor": "#27324a"},
    ),
    Theme(
        name=terminal.LIGHT,
        dark=False,
        primary="#2f62a8",
        secondary="#6b89b3",
        accent="#955f12",
        success="#2f7a3c",
        warning="#8f6200",
        error="#b23a30",
        foreground="#24292f",
        background="#fbfaf7",
        surface="#f3f2ee",
        panel="#e6e5df",
        variables={"quiet": "#626a76", "faint": "#c4c6c9", "band": "#a3abb8", "cursor": "#dbe6f5"},
    ),
)


class TunesmithApp(App[None]):
    """The interface to one workspace.

    Args:
        workspace: The folder of `runs.db`.
        screen: The screen to open above home: `new`, `run:ID`, `answers:ID`, `score:ID` or
            `ship:ID`.
    """

    CSS_PATH = "app.tcss"
    TITLE = "tunesmith"
    BINDINGS = bindings("app")
    HORIZONTAL_BREAKPOINTS = [(0, "-normal"), (120, "-wide")]  # noqa: RUF012 - Textual's form
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-middle"), (50, "-tall")]  # noqa: RUF012

    def __init__(self, workspace: Path, screen: str | None = None) -> None:
        theme = terminal.theme(os.environ)
        # Textual greys every colour for NO_COLOR; only with the terminal's own does it drop them.
        super().__init__(ansi_color=True if theme == terminal.ANSI else None)
        self.workspace = workspace
        self.store = Store(workspace)
        self.feed = Feed(workspace, terminal.refresh_seconds(os.environ))
        self.animation_level = "none"
        self._first = screen
        for known in _THEMES:
            self.register_theme(known)
        self.theme = theme

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return our own colours for themes that do not name them."""
        grey = "ansi_bright_black"
        return {"quiet": grey, "faint": grey, "band": grey, "cursor": "ansi_blue"}

    def get_default_screen(self) -> Screen[None]:
        """Return home, with its first frame's content already read."""
        shown = home(self.store, limit=_FIRST_ROWS)
        return HomeScreen(shown, HomeReader(self.workspace, shown))

    def on_mount(self) -> None:
        """Start the feed and take the signals that would leave the terminal in disorder."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, None, 128 + number)
        self.feed.start()
        if self._first:
            self.open(self._first)

    def on_unmount(self) -> None:
        """Stop reading; jobs go on."""
        self.feed.stop()
        self.store.close()

    def on_resize(self, event: events.Resize) -> None:
        """Cover everything with one line while the terminal is too small."""
        from tui.screens.small import SmallScreen

        small = event.size.width < terminal.SMALLEST[0] or event.size.height < terminal.SMALLEST[1]
        covered = isinstance(self.screen, SmallScreen)
        if small and not covered:
            self.push_screen(SmallScreen())
        elif covered and not small:
            self.pop_screen()

    def on_app_focus(self) -> None:
        """Look at the store as often as the eye can follow."""
        self.feed.focus(True)

    def on_app_blur(self) -> None:
        """Look once a second while nobody looks here."""
        self.feed.focus(False)

    def open(self, name: str) -> None:
        """Open a screen: `new`, `run:ID`, `score:ID` or `ship:ID`."""
        self.push_screen(_screen(name))

    def action_help(self) -> None:
        """Show the keys of the screen."""
        from tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(getattr(self.screen, "PLACE", "")))

    def copy_command(self, arguments: str) -> None:
        """Copy a command through the terminal (OSC 52), and show it where that does not work."""
        command = f"tunesmith {arguments}"
        self.copy_to_clipboard(command)
        self.notify(command, title="Copied", markup=False)

    def complain(self, error: Exception) -> None:
        """Show an error: what happened, and the way out."""
        fix = error.fix if isinstance(error, TunesmithError) else ""
        what = error.what if isinstance(error, TunesmithError) else str(error)
        self.notify(fix, title=what, severity="error", markup=False)


def run(workspace: Path, screen: str | None = None) -> int:
    """Open the interface; return the exit code.

    Args:
        workspace: The folder of `runs.db`; made when missing.
        screen: The screen to open above home; see `TunesmithApp`.
    """
    refusal = terminal.refusal(sys.stdin, sys.stdout, os.environ)
    if refusal:
        print(refusal, file=sys.stderr)
        return 2
    app = TunesmithApp(workspace, screen)
    app.run()
    return app.return_code or 0


def _screen(name: str) -> Screen[None]:
    """Return the screen called `new`, `run:ID`, `score:ID`, `ship:ID` or `review:PROJECT:NAME`."""
    kind, _, number = name.partition(":")
    if kind == "new":
        from tui.screens.wizard import WizardScreen

        return WizardScreen()
    if kind == "review":
        from tui.screens.review import ReviewScreen

        project, _, reviewer = number.partition(":")
        return ReviewScreen(int(project), reviewer)
    if kind == "answers":
        from tui.screens.answers import AnswersScreen

        return AnswersScreen(int(number))
    if kind == "score":
        from tui.screens.score import ScoreScreen

        return ScoreScreen(int(number))
    if kind == "ship":
        from tui.screens.ship import ShipScreen

        return ShipScreen(int(number))
    from tui.screens.run import RunScreen

    return RunScreen(int(number))

"""What the terminal can do: whether the interface may open, in which colours and how often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

DARK, LIGHT, ANSI = "tunesmith-dark", "tunesmith-light", "ansi-dark"
SMALLEST = (80, 24)
_LIGHT_BACKGROUNDS = frozenset({"7", "15"})


def refusal(stdin: TextIO, stdout: TextIO, environment: Mapping[str, str]) -> str:
    """Return in one sentence why the interface cannot open here; empty when it can."""
    if not (stdin.isatty() and stdout.isatty()):
        return "The interface needs a terminal; use the commands instead (`tunesmith --help`)."
    if environment.get("TERM", "") in ("", "dumb", "unknown"):
        return "This terminal cannot draw (TERM); use the commands instead (`tunesmith --help`)."
    return ""


def theme(environment: Mapping[str, str]) -> str:
    """Return the theme's name: `NO_COLOR`, then `TUNESMITH_THEME`, then the terminal's background.

    Some terminals say their background in `COLORFGBG`; where it is not known, dark it is.
    """
    if environment.get("NO_COLOR"):
        return ANSI
    named = {"dark": DARK, "light": LIGHT, "ansi": ANSI}
    if chosen := named.get(environment.get("TUNESMITH_THEME", "")):
        return chosen
    background = environment.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT if background in _LIGHT_BACKGROUNDS else DARK


def refresh_seconds(environment: Mapping[str, str]) -> float:
    """Return the time between two looks at the store: 4 a second, 2 over a slow line."""
    return 0.5 if environment.get("SSH_CONNECTION") else 0.25

"""What can go wrong, told so that the reader knows the way out.

    TunesmithError          exit 1: what happened, where, what to do
    ├── UsageError          exit 2: the request itself was wrong
    └── GateError           exit 3: a gate said no; `--accept "reason"` overrides it

A fault of the user's data, box or request is one of these and is shown as one sentence. Anything
else is a bug of ours: it goes, with its traceback, to the job's log, never to the terminal.
"""

from __future__ import annotations


class TunesmithError(Exception):
    """A fault that the user can mend.

    Args:
        what: What happened, as one sentence.
        fix: The way out, as an imperative sentence or a command.
        where: The place, as `file:row`, a path or a setting's name; empty when there is none.
    """

    exit_code = 1

    def __init__(self, what: str, fix: str, where: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.where = where

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what} {self.fix}".rstrip()


class UsageError(TunesmithError):
    """The request was wrong: an unknown name, a missing argument, a value out of range."""

    exit_code = 2


class GateError(TunesmithError):
    """A gate ended the journey; the reasons are in `what`."""

    exit_code = 3

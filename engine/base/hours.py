"""The hours in which a job may work, such as `22:00-07:00`: local time, past midnight or not."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from engine.base.errors import UsageError

_FORM = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class Hours:
    """A stretch of every day.

    Attributes:
        opens: The first minute of the day that belongs to it, from 0 to 1439.
        closes: The first minute that does not; before `opens` when it lasts past midnight.
    """

    opens: int
    closes: int

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Read `HH:MM-HH:MM`.

        Raises:
            UsageError: It is something else, or empty.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise UsageError(
                f"{text!r} are no hours.", "Write them as `--hours 22:00-07:00`.", "hours"
            )
        numbers = [int(part) for part in found.groups()]
        hours = cls(numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3])
        if hours.opens == hours.closes:
            raise UsageError(
                "These hours end when they begin.", "Leave them out to work at any hour.", "hours"
            )
        return hours

    def __str__(self) -> str:
        return f"{_clock(self.opens)}-{_clock(self.closes)}"

    @property
    def opening(self) -> str:
        """The time of day at which they begin, as in `22:00`."""
        return _clock(self.opens)

    def open(self, at: float) -> bool:
        """Say whether a moment, in seconds since the epoch, lies within them, by local time."""
        local = time.localtime(at)
        minute = local.tm_hour * 60 + local.tm_min
        if self.opens < self.closes:
            return self.opens <= minute < self.closes
        return minute >= self.opens or minute < self.closes


def allow(hours: str | None, at: float) -> bool:
    """Say whether a job with these hours, or none, may work at a moment."""
    return hours is None or Hours.parse(hours).open(at)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"

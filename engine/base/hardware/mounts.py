"""The mounted file systems, as the kernel lists them in `/proc/self/mountinfo` (proc(5))."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One mounted file system.

    Attributes:
        inner: The folder of the file system that is mounted.
        point: Where it is mounted.
        kind: The file system's type, such as ext4 or nfs4.
        options: The file system's own options, comma-separated.
    """

    inner: str
    point: str
    kind: str
    options: str


def read(root: Path = Path("/")) -> list[Mount]:
    """Return the mounts that this process sees; none where the kernel has no such list.

    Args:
        root: Where the box's `/proc` is found.
    """
    try:
        text = (root / "proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [mount for mount in map(_mount, text.splitlines()) if mount]


def _mount(line: str) -> Mount | None:
    """Parse one line: numbers, inner folder, point, options, a dash, type, source, options."""
    before, _, after = line.partition(" - ")
    place, kind = before.split(" "), after.split(" ")
    if len(place) < 5 or not kind[0]:
        return None
    return Mount(_plain(place[3]), _plain(place[4]), kind[0], kind[-1])


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)

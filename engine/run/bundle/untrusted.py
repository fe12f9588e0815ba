"""Reading a folder that came from elsewhere: nothing outside it is ever followed to."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from engine.base.errors import TunesmithError

_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._][A-Za-z0-9._-]{0,99}")


def damaged(what: str, where: Path) -> TunesmithError:
    """Return the refusal of a bundle, as one sentence."""
    return TunesmithError(
        f"The bundle is damaged or was changed: {what}.",
        "Copy it again from where it was trained.",
        str(where),
    )


def name(text: object, where: Path) -> str:
    """Return a text that names one file or folder; refuse one that could lead out of its place.

    Raises:
        TunesmithError: It has other characters than letters, digits, `.`, `_` and `-`.
    """
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise damaged("a name in it is no plain name", where)
    return text


def within(root: Path, relative: str) -> Path:
    """Return the path of something in a bundle, none of whose parts is a link.

    Args:
        root: The bundle.
        relative: Its path there, with `/` between the parts.

    Raises:
        TunesmithError: The path leads out of the bundle, or through a link.
    """
    path = root
    for part in PurePosixPath(relative).parts:
        path = path / name(part, root)
        if path.is_symlink():
            raise damaged(f"{relative} is a link", path)
    return path


def copy(root: Path, relative: str, target: Path, patterns: Sequence[str] = ("*",)) -> None:
    """Copy the files of a bundle's folder, its own folders included.

    Args:
        root: The bundle.
        relative: The folder's path in it.
        target: A folder that does not exist yet.
        patterns: The names of the files to take.

    Raises:
        TunesmithError: Something in it is neither a file nor a folder.
    """
    source = within(root, relative)
    target.mkdir(parents=True)
    for item in sorted(source.iterdir()):
        inner = within(root, f"{relative}/{item.name}")
        if inner.is_dir():
            copy(root, f"{relative}/{item.name}", target / item.name, patterns)
        elif not inner.is_file():
            raise damaged(f"{relative}/{item.name} is no file", inner)
        elif any(inner.match(pattern) for pattern in patterns):
            shutil.copyfile(inner, target / item.name, follow_symlinks=False)

"""Reading: from files of any kind to rows, one at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from engine.base.errors import UsageError
from engine.base.project import Mapping
from engine.data.rows import Problem, Row, Rows, make

# C0 controls but tab, line feed and carriage return; DEL; halves of a surrogate pair
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_CONTROL_TOKEN = re.compile(r"<\|[A-Za-z][A-Za-z0-9_]*\|>")
_SHAPE = 'Write it as one JSON object a line: {"prompt": "...", "completion": "..."}.'


def read_all(files: dict[str, Path], mapping: dict[str, Mapping] | None = None) -> Rows:
    """Read JSONL files, each under the name by which findings shall call it."""
    del mapping
    found = Rows()
    for name, path in files.items():
        found.lines[name] = 0
        for item in read(path, name):
            found.lines[name] += 1
            if isinstance(item, Row):
                found.rows.append(item)
            else:
                found.problems.append(item)
    return found


def read(path: Path, name: str = "") -> Iterator[Row | Problem]:
    """Stream a JSONL file: for each line that holds anything, its row or its problem.

    A byte order mark, Windows line ends and blank lines are accepted.

    Args:
        path: The file.
        name: What to call it in `source` and in problems; the path as given when empty.

    Raises:
        UsageError: There is no such file, or it may not be read.
    """
    name = name or str(path)
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                raw = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if number == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                    yield Problem(name, 1, "The file is UTF-16.", "Save it as UTF-8.")
                    return
                if raw.strip():
                    yield _parse(raw, name, number)
    except OSError as error:
        raise UsageError(
            f"The file cannot be read ({error.strerror}).", "Check its name and rights.", name
        ) from error


def _parse(raw: bytes, name: str, number: int) -> Row | Problem:
    try:
        return _row(json.loads(raw.decode(), parse_constant=_refuse), name, number)
    except UnicodeDecodeError:
        return Problem(name, number, "The line is not UTF-8.", "Save the file as UTF-8.")
    except json.JSONDecodeError as error:
        fault = error.msg.removesuffix(" at")
        what = f"The line is not JSON: {fault}, at character {error.colno}."
        return Problem(name, number, what, _SHAPE)
    except (ValueError, RecursionError):  # NaN, a number of 5,000 digits, 1,000 brackets
        return Problem(name, number, "The line is not JSON that can be read.", _SHAPE)


def _row(content: Any, name: str, number: int) -> Row | Problem:
    if not isinstance(content, dict):
        return Problem(name, number, "The line is JSON, but not an object.", _SHAPE)
    fault = _fault(content)
    if fault:
        return Problem(name, number, *fault)
    return make(
        content["prompt"],
        _text(content["completion"]),
        group=str(content.get("group") or ""),
        scenario=str(content.get("scenario") or ""),
        source=f"{name}:{number}",
    )


def _fault(content: dict[str, Any]) -> tuple[str, str] | None:
    """Return what is wrong with an object and how to mend it, or None."""
    for key, kinds in (("prompt", str), ("completion", str | dict | list)):
        value = content.get(key)
        if value is None:
            return f"There is no `{key}`; {_keys(content)}.", _SHAPE
        if not isinstance(value, kinds):
            return f"`{key}` is {_kind(value)}, not text.", f"Put the {key} in quotes."
        if isinstance(value, str) and not value.strip():
            return f"`{key}` is empty.", f"Write the {key}, or remove the line."
    for key in ("group", "scenario"):
        value = content.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            return f"`{key}` is {_kind(value)}, not text.", f"Put the {key} in quotes."
    return _forbidden(content)


def _forbidden(content: dict[str, Any]) -> tuple[str, str] | None:
    for key in ("prompt", "completion", "group", "scenario"):
        text = _text(content.get(key) or "")
        if _UNPRINTABLE.search(text):
            return f"`{key}` holds a control character.", "Remove it (often a NUL byte)."
        if _CONTROL_TOKEN.search(text):
            return (
                f"`{key}` holds a control token of a chat template (<|...|>).",
                "Remove it; the template adds its own.",
            )
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _keys(content: dict[str, Any]) -> str:
    names = [key[:30] for key in list(content)[:6]]
    return f"the line has {', '.join(names)}" if names else "the object is empty"


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "an object")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)

"""JSON texts: strictly read, and mended where only one reading is left."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from engine.data.load.shown import shown

FIX = 'Write it as one JSON object a line: {"prompt": "...", "completion": "..."}.'
_LITERAL = 1 << 18  # characters of a Python literal that are worth reading
# a text, to its end where it has none; or the place of a comma that is not there
_APART = re.compile(
    r"""('[^'\\]*(?:\\.[^'\\]*)*(?:'|\Z)|"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z))|\}\s+\{""", re.DOTALL
)
_DEEPEST = 50  # brackets within brackets of a Python literal


class NotJsonError(ValueError):
    """A text is no JSON, or none that is read the same everywhere.

    Args:
        what: What is wrong, as a sentence without the text's content.
        fix: How to mend it.
    """

    def __init__(self, what: str, fix: str = FIX) -> None:
        super().__init__(what)
        self.what, self.fix = what, fix


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        for number, (key, value) in enumerate(pairs):
            if any(key == other and value != also for other, also in pairs[:number]):
                raise NotJsonError(
                    f"The key `{shown(key)}` stands there twice, with different values.",
                    "Keep the one that is meant.",
                )
    return found


def _refuse(constant: str) -> NoReturn:
    raise NotJsonError(f"It is not JSON: {constant} is no value.", "Write null or a text.")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_refuse)
_LENIENT = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=lambda _: None, strict=False)
# takes a text and a place; raises as `parse` does, or StopIteration
scan: Callable[[str, int], tuple[Any, int]] = _DECODER.scan_once  # type: ignore[attr-defined]


def parse(text: str) -> Any:
    """Read one JSON value from a text without blanks around it.

    Raises:
        NotJsonError: The text is none, names a key twice, or cannot be held.
    """
    try:
        value, end = scan(text, 0)
    except (StopIteration, ValueError, RecursionError) as error:
        raise fault(error) from error
    if end != len(text):
        raise NotJsonError(f"The line is not JSON: Extra data, at character {end + 1}.")
    return value


def fault(error: BaseException) -> NotJsonError:
    """Return what a decoder's error says, without content."""
    if isinstance(error, NotJsonError):
        return error
    if isinstance(error, json.JSONDecodeError):
        told = error.msg.removesuffix(" at").removesuffix(" starting")
        return NotJsonError(f"The line is not JSON: {told}, at character {error.pos + 1}.")
    if isinstance(error, StopIteration):
        return NotJsonError("The line is not JSON: no value where one should be.")
    return NotJsonError("The line is not JSON that can be read: too deep or a number too long.")


def mended(text: str) -> Any:
    """Return the one value that a broken line can mean, or None.

    Mended are raw control characters, NaN, a comma after the value, a byte order mark before it,
    and what Python prints in place of JSON.
    """
    text = text.strip("\ufeff\0 \t\r\n").removesuffix(",")
    try:
        return _LENIENT.decode(text)
    except NotJsonError:  # a key that stands there twice
        return None
    except (ValueError, RecursionError):
        return literal(text)


def literal(text: str) -> Any:
    """Return the list or dict that Python printed as `text`, or None; runs nothing."""
    if len(text) > _LITERAL or not text.startswith(("[", "{")) or _depth(text) > _DEEPEST:
        return None
    # numpy prints no commas
    for written in (text, _APART.sub(lambda found: found[0] if found[1] else "}, {", text)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(written, mode="eval").body
                value = None if _repeats(tree) else ast.literal_eval(tree)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return value if isinstance(value, list | dict) else None
    return None


def _repeats(tree: ast.expr) -> bool:
    """Whether a dict names a key twice, of which Python would take the last."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            if len(keys) != len(set(keys)):
                return True
    return False


def _depth(text: str) -> int:
    depth = deepest = 0
    for sign in re.findall(r"[\[{(\]})]", text):
        depth += 1 if sign in "[{(" else -1
        deepest = max(deepest, depth)
    return deepest

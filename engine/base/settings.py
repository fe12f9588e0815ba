"""From YAML to frozen dataclasses and back, strictly: every fault of a file in one message."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import yaml

from engine.base.errors import TunesmithError, UsageError

T = TypeVar("T")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that must hold a mapping.

    Raises:
        TunesmithError: The file cannot be read or is not such YAML; names the line.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - safe
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "not readable"
        raise TunesmithError(f"This is not YAML: {problem}.", "Mend that line.", where) from error
    except (OSError, UnicodeDecodeError) as error:
        raise TunesmithError(
            f"The file cannot be read ({error}).", "Check its name and rights.", str(path)
        ) from error
    if not isinstance(content, dict):
        raise TunesmithError("The file must hold `key: value` lines.", "Mend it.", str(path))
    return content


def dump(content: Mapping[str, Any]) -> str:
    """Return YAML text with keys in the given order; tuples become lists."""
    return yaml.safe_dump(_plain(content), sort_keys=False, allow_unicode=True, width=96)


def parse(content: Mapping[str, Any], kind: type[T], where: str) -> T:
    """Build a dataclass from a mapping, checking every key and type.

    Raises:
        UsageError: Lists every unknown key (with the nearest known one), every missing key and
            every value of the wrong type.
    """
    problems: list[str] = []
    value = _build(content, kind, "", problems)
    if problems:
        raise UsageError("; ".join(problems) + ".", "Mend these and try again.", where)
    return value  # type: ignore[no-any-return]


def nearest_name(name: str, known: list[str]) -> str:
    """Return ` (did you mean X?)` for the known name most like `name`, or an empty text."""
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _build(content: Any, kind: Any, path: str, problems: list[str]) -> Any:
    if not isinstance(content, Mapping):
        problems.append(f"{path or 'the file'} must hold keys")
        return None
    hints = get_type_hints(kind)
    known = {item.name: item for item in fields(kind)}
    problems += [
        f"unknown key {path}{key}{nearest_name(str(key), list(known))}"
        for key in content
        if key not in known
    ]
    values = {}
    for name, item in known.items():
        if name in content:
            values[name] = _value(content[name], hints[name], f"{path}{name}", problems)
        elif _required(item):
            problems.append(f"{path}{name} is missing")
    return None if problems else kind(**values)


def _value(value: Any, hint: Any, path: str, problems: list[str]) -> Any:  # noqa: PLR0911 - one a type
    if is_dataclass(hint):
        return _build(value, hint, f"{path}.", problems)
    origin, choices = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value not in choices:
            problems.append(f"{path} must be one of {', '.join(map(str, choices))}, not {value!r}")
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_value(v, choices[0], f"{path}[{i}]", problems) for i, v in enumerate(value))
    if origin is dict and isinstance(value, Mapping):
        return {str(k): _value(v, choices[1], f"{path}.{k}", problems) for k, v in value.items()}
    if origin is UnionType and type(value) in choices:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Any or (hint in _NAMES and type(value) is hint):
        return value
    problems.append(f"{path} must be {_NAMES.get(hint, 'a list or keys')}, not {value!r}")
    return None


def _required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value

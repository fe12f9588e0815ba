"""The form of an answer as JSON Schema: whether a schema will do, and whether an answer has it.

The `jsonschema` library does the validation. Nothing is fetched: a schema may only refer to itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

from engine.base.errors import UsageError

_WHERE = "objective.schema"
_DEEPEST = 64  # levels; a schema that people write has a handful
_MOST_PARTS = 20_000


def check(schema: Mapping[str, Any], output: Literal["json", "text"]) -> None:
    """Refuse what is no JSON Schema, refers outside itself, or contradicts the output.

    Raises:
        UsageError: Says what is wrong with the schema, and how to mend it.
    """
    if output == "text" and _lists_labels(schema):
        return  # what the wizard writes; the library takes 40 ms to load
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    for number, (path, value) in enumerate(_walk(schema, "")):
        _check_part(path, value)
        if number > _MOST_PARTS:
            raise UsageError("The schema is too large.", "Make it smaller.", _WHERE)
    try:
        json.dumps(schema, allow_nan=False)
        Draft202012Validator.check_schema(dict(schema))
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"The schema cannot be written as JSON ({error}).",
            "Put dates and the like in quotes.",
            _WHERE,
        ) from error
    except SchemaError as error:
        place = ".".join(map(str, error.absolute_path)) or "its top"
        raise UsageError(
            f"The schema is no JSON Schema (at {place}: {error.message[:200]}).",
            "See json-schema.org, version 2020-12.",
            _WHERE,
        ) from error
    if output == "text":
        _check_text(schema)


def _lists_labels(schema: Mapping[str, Any]) -> bool:
    listed = schema.get("enum")
    return (
        set(schema) == {"type", "enum"}
        and schema["type"] == "string"
        and isinstance(listed, list)
        and bool(listed)
        and all(isinstance(label, str) for label in listed)
    )


def fields(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of the object that a schema describes, in order; empty for anything else."""
    properties = schema.get("properties")
    return tuple(map(str, properties)) if isinstance(properties, Mapping) else ()


def labels(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the labels that a schema of text allows; empty where it does not list them."""
    listed = schema.get("enum")
    return tuple(map(str, listed)) if isinstance(listed, list) else ()


def fits(schema: Mapping[str, Any], value: Any) -> bool:
    """Say whether a JSON value (for text: a string) has the form that a checked schema asks for.

    A reference within the schema that leads nowhere lets nothing pass.
    """
    from referencing.exceptions import Unresolvable

    try:
        return bool(_validator(json.dumps(schema)).is_valid(value))
    except (Unresolvable, RecursionError):
        return False


@lru_cache(maxsize=8)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    # a registry of its own: the library's default one would fetch what a schema refers to
    return Draft202012Validator(json.loads(schema), registry=Registry())


def _walk(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > _DEEPEST:
        raise UsageError("The schema is nested too deeply.", "Make it flatter.", _WHERE)
    yield path, value
    parts: Any = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    for key, item in parts:
        yield from _walk(item, f"{path}.{key}".lstrip("."), depth + 1)


def _check_part(path: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        return
    odd = [key for key in value if not isinstance(key, str)]
    if odd:
        raise UsageError(
            f"A key of the schema is no text ({odd[0]!r} at {path or 'its top'}).",
            "Put it in quotes: YAML reads yes, no, on and off as true and false.",
            _WHERE,
        )
    reference = value.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        raise UsageError(
            f"The schema refers to something outside itself ({reference[:80]}).",
            'Copy that part under "$defs" and refer to it as "#/$defs/NAME".',
            _WHERE,
        )


def _check_text(schema: Mapping[str, Any]) -> None:
    kind = schema.get("type", "string")
    if kind != "string":
        raise UsageError(
            f"The answers are text, but the schema asks for {kind}.",
            "Set `output: json`, or give the schema `type: string`.",
            _WHERE,
        )
    odd = [label for label in schema.get("enum", []) if not isinstance(label, str)]
    if odd:
        raise UsageError(
            f"A label of the schema is no text ({odd[0]!r}).",
            "Put it in quotes: YAML reads yes, no, on and off as true and false.",
            _WHERE,
        )

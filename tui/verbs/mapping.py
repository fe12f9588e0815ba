"""Options that say how records become rows, and what happens to personal data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click

from engine.base.project import DataSettings, Format, Mapping
from engine.base.settings import parse
from tui.columns import to_mapping

F = TypeVar("F", bound=Callable[..., Any])


def mapping_options(function: F) -> F:
    """Add --format and --map to a verb."""
    columns = click.option(
        "--map",
        "columns",
        multiple=True,
        metavar="PART=COLUMN",
        help="Which column is what, where the detection is wrong: prompt=question, "
        "completion=answer, scenario=category, role.bot=assistant.",
    )
    formats = click.option(
        "--format",
        "format_name",
        type=click.Choice([name for name in get_args(Format) if name]),
        help="The records' format, where the detection is wrong.",
    )
    return formats(columns(function))


def chosen_mapping(format_name: str | None, columns: tuple[str, ...]) -> Mapping:
    """Return the mapping that --format and --map describe."""
    named = (f"format={format_name}",) if format_name else ()
    return to_mapping([*named, *columns])


def to_policies(policies: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings `pii` and `entities` that the options describe.

    Raises:
        UsageError: A policy is unknown.
    """
    content: dict[str, Any] = {"sources": [], "entities": {}}
    for item in policies:
        kind, equals, policy = item.rpartition("=")
        if equals:
            content["entities"][kind] = policy
        else:
            content["pii"] = policy
    found = parse(content, DataSettings, "--pii")
    return {"pii": found.pii, "entities": found.entities}

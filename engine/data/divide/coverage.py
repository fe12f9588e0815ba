"""Coverage: how many rows there are of each kind of case, and of which there are too few.

A kind of case is a scenario, a length, a language and the edge cases. The lengths have fixed
bounds: thirds of the data would always be full, so they would hide that all rows are short.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.base.errors import UsageError
from engine.base.settings import nearest_name
from engine.data.divide.edges import EDGES, case_of, found, spoken
from engine.data.rows import Row
from engine.data.subject.language import UNKNOWN

# length -> the letters from which it begins; a Chinese character counts as two
BANDS = {"short": 0, "medium": 100, "long": 500}
_MEDIUM, _LONG = BANDS["medium"], BANDS["long"]
_READ = 400  # characters of a text that tell its language
_SCENARIOS = 40  # shown in a table
_COLUMNS = 8
_NAMED = 5  # in a sentence
_NAME = 40  # characters of a scenario's name that are shown
_NONE = "(none)"


@dataclass
class Cell:
    """The rows of one scenario, length and language.

    Attributes:
        rows: How many there are.
        edges: How many of them are of each edge case; a row may be of several.
    """

    rows: int = 0
    edges: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Coverage:
    """How many rows there are of each kind of case.

    Attributes:
        cells: The rows by scenario, length and language.
        wanted: The edge cases that the data must have rows of.
        least: The fewest rows that each scenario and each of `wanted` should have.
    """

    cells: dict[tuple[str, str, str], Cell]
    wanted: tuple[str, ...]
    least: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(cell.rows for cell in self.cells.values())

    @property
    def scenarios(self) -> Counter[str]:
        """The rows of each scenario; an empty name stands for rows without one."""
        return self._by(0)

    @property
    def bands(self) -> Counter[str]:
        """The rows of each length."""
        return self._by(1)

    @property
    def languages(self) -> Counter[str]:
        """The rows of each language."""
        return self._by(2)

    @property
    def edges(self) -> dict[str, int]:
        """The rows of each edge case, those without any included."""
        counts: Counter[str] = Counter()
        for cell in self.cells.values():
            counts.update(cell.edges)
        return {name: counts[name] for name in EDGES}

    @property
    def absent(self) -> list[str]:
        """The edge cases that no row is of."""
        return [name for name, count in self.edges.items() if not count]

    @property
    def missing(self) -> list[str]:
        """A sentence on the scenarios and on each wanted edge case with fewer than `least` rows."""
        few = sorted(
            (count, name) for name, count in self.scenarios.items() if name and count < self.least
        )
        sentences = [_few(few, self.least)] if few else []
        counts = self.edges
        sentences += [
            f"Edge case {name} ({EDGES[name][0]}): {counts[name]:,} of {self.least:,} rows; add "
            "some, or take it out of `data: edges`."
            for name in self.wanted
            if counts[name] < self.least
        ]
        return sentences

    def to_json(self) -> dict[str, Any]:
        """Return all counts for machines."""
        return {
            "rows": self.rows,
            "scenarios": dict(self.scenarios),
            "bands": dict(self.bands),
            "languages": dict(self.languages),
            "edges": self.edges,
            "cells": [
                {
                    "scenario": scenario,
                    "band": band,
                    "language": language,
                    "rows": cell.rows,
                    "edges": dict(cell.edges),
                }
                for (scenario, band, language), cell in self.cells.items()
            ],
            "missing": self.missing,
            "absent": self.absent,
        }

    def _by(self, part: int) -> Counter[str]:
        counts: Counter[str] = Counter()
        for key, cell in self.cells.items():
            counts[key[part]] += cell.rows
        return counts


def coverage(
    rows: Sequence[Row], *, edges: Sequence[str], least: int, languages: Callable[[str], str]
) -> Coverage:
    """Count the rows of each kind of case.

    Args:
        rows: The rows.
        edges: The names of the edge cases that the data must have rows of.
        least: The fewest rows that each scenario and each of `edges` should have.
        languages: Returns the language of a text as a code.

    Raises:
        UsageError: There is no such edge case; names the nearest.
    """
    wanted = known(edges)
    codes = [languages(spoken(row)[:_READ]) for row in rows]
    spread = Counter(codes)
    spread.pop(UNKNOWN, None)
    usual = min(spread, key=lambda code: (-spread[code], code), default=UNKNOWN)
    cells: dict[tuple[str, str, str], Cell] = {}
    for row, code in zip(rows, codes, strict=True):
        case = case_of(row, foreign=code not in (usual, UNKNOWN))
        key = (row.scenario, _band(case.letters), code)
        cell = cells.get(key)
        if cell is None:
            cell = cells[key] = Cell()
        cell.rows += 1
        for name in found(case):
            cell.edges[name] += 1
    return Coverage(dict(sorted(cells.items())), wanted, least)


def known(edges: Sequence[str]) -> tuple[str, ...]:
    """Return the names of edge cases, each once.

    Raises:
        UsageError: There is no such edge case; names the nearest.
    """
    for name in edges:
        if name not in EDGES:
            raise UsageError(
                f"There is no edge case {name}{nearest_name(name, list(EDGES))}.",
                f"Choose among {', '.join(EDGES)}.",
                "data: edges",
            )
    return tuple(dict.fromkeys(edges))


def to_markdown(covered: Coverage) -> str:
    """Return the counts as tables: edge cases, then scenarios by length and by edge case."""
    counts = covered.edges
    lines = ["| edge case | meaning | rows |", "|---|---|--:|"]
    for name, (meaning, _) in EDGES.items():
        mark = " (wanted)" if name in covered.wanted else ""
        lines.append(f"| {name}{mark} | {meaning} | {counts[name]:,} |")
    bounds = f"short: under {_MEDIUM} letters, long: {_LONG} or more; a Chinese character is two"
    shown = covered.scenarios.most_common(_SCENARIOS)
    columns = _columns(covered)
    head = ["scenario", "rows", *BANDS, "languages", *columns]
    parts = _by_scenario(covered)
    lines += ["", f"Lengths of the last message ({bounds}).", ""]
    lines += [f"| {' | '.join(head)} |", "|---|" + "--:|" * 4 + "---|" + "--:|" * len(columns)]
    for name, count in shown:
        bands, languages, edges = parts[name]
        cells = [
            _cell(name),
            f"{count:,}",
            *(f"{bands[band]:,}" for band in BANDS),
            ", ".join(f"{code} {some:,}" for code, some in languages.most_common(3)),
            *(f"{edges[edge]:,}" for edge in columns),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    more = len(covered.scenarios) - len(shown)
    if more:
        lines += ["", f"{more:,} more scenarios have {shown[-1][1]:,} rows or fewer each."]
    return "\n".join(lines)


def _columns(covered: Coverage) -> list[str]:
    """Return the edge cases shown by scenario: those wanted, else the most frequent ones."""
    counts = covered.edges
    seen = sorted((name for name in EDGES if counts[name]), key=lambda name: -counts[name])
    chosen = covered.wanted or seen[:_COLUMNS]
    return [name for name in EDGES if name in chosen]


def _by_scenario(
    covered: Coverage,
) -> dict[str, tuple[Counter[str], Counter[str], Counter[str]]]:
    """Return for each scenario its rows by length, by language and by edge case."""
    parts: dict[str, tuple[Counter[str], Counter[str], Counter[str]]] = {}
    for (scenario, band, language), cell in covered.cells.items():
        bands, languages, edges = parts.setdefault(scenario, (Counter(), Counter(), Counter()))
        bands[band] += cell.rows
        languages[language] += cell.rows
        edges.update(cell.edges)
    return parts


def _few(few: list[tuple[int, str]], least: int) -> str:
    names = ", ".join(f"{_cell(name)} ({count:,})" for count, name in few[:_NAMED])
    more = f" and {len(few) - _NAMED:,} more" if len(few) > _NAMED else ""
    what = "1 scenario has" if len(few) == 1 else f"{len(few):,} scenarios have"
    return (
        f"{what} fewer than {least:,} rows: {names}{more}; collect more, or give the rows the name "
        "of a scenario like it."
    )


def _band(size: int) -> str:
    return "short" if size < _MEDIUM else "medium" if size < _LONG else "long"


def _cell(name: str) -> str:
    flat = " ".join(name.split()).replace("|", "\\|")
    return (flat[: _NAME - 1] + "…" if len(flat) > _NAME else flat) or _NONE

"""What the suite found, as Markdown, and its place in docs/gpu.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.base import files

# A row of what was found: a part's name and its result.
Found = tuple[str, Mapping[str, Any]]


def page(head: Sequence[str], found: Sequence[Found]) -> str:
    """Return the whole: box and versions, the table, the resume, what was left out.

    Args:
        head: Lines on box, versions and time.
        found: Each part's result, in order.
    """
    measured = [item for item in found if "tokens_per_second" in item[1]]
    on_gpu = any("reserved_bytes" in result for _, result in measured)
    columns = _GPU if on_gpu else _CPU
    lines = [f"- {line}" for line in head]
    if measured:
        lines += ["", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [_row(name, result, on_gpu) for name, result in measured]
    lines += ["", *(_resume(result) for _, result in found if "resumed" in result)]
    lines += [
        f"- Left out: {name}: {result['skipped']}." for name, result in found if "skipped" in result
    ]
    lines += [
        f"- Failed: {name}: {result['failed']}." for name, result in found if "failed" in result
    ]
    return "\n".join(lines).strip() + "\n"


def write(file: Path, mark: str, text: str) -> None:
    """Replace what stands between two marks in a file, and nothing else.

    Args:
        file: A Markdown file.
        mark: The word of the two comments, `<!-- WORD -->` and `<!-- end of WORD -->`.
        text: What goes between them.

    Raises:
        ValueError: The file has no such marks.
    """
    opening, closing = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    content = file.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(opening)}.*?{re.escape(closing)}", re.DOTALL)
    if not pattern.search(content):
        raise ValueError(f"{file} has no marks {opening} and {closing}")
    files.write_text(file, pattern.sub(lambda _: f"{opening}\n{text}{closing}", content, count=1))


_COMMON = ("training", "rows x tokens", "recomputed", "tokens/s", "of the peak FLOPS")
_GPU = (
    *_COMMON,
    "board: predicted",
    "by NVML",
    "off",
    "tensors: predicted",
    "allocated",
    "off",
    "reserved",
    "busy",
    "watts",
    "°C",
)
_CPU = (*_COMMON, "predicted", "resident", "off")


def _row(name: str, result: Mapping[str, Any], on_gpu: bool) -> str:
    cells = [
        name,
        f"{result['batch']} x {result['length']}",
        "yes" if result["checkpointing"] else "no",
        f"{result['tokens_per_second']:,.0f}",
        f"{result['utilisation']:.1%}",
    ]
    predicted, measured = result["predicted_bytes"], result["measured_bytes"]
    if on_gpu:
        gauges = result["gauges"]
        board = gauges.get("nvml_bytes")
        cells += [_gb(predicted), _gb(board), _off(predicted, board)]
        predicted = result["predicted_tensors"]
        cells += [_gb(predicted), _gb(measured), _off(predicted, measured)]
        cells += [_gb(result["reserved_bytes"]), _said(gauges.get("busy"), " %")]
        cells += [_said(gauges.get("watts")), _said(gauges.get("degrees"))]
    else:
        cells += [_gb(predicted), _gb(measured), _off(predicted, measured)]
    return f"| {' | '.join(cells)} |"


def _resume(result: Mapping[str, Any]) -> str:
    resumed, again = result["resumed"], result["again"]
    return (
        f"- Resume: after {result['steps']} steps a training resumed from its middle has "
        f"{_same(resumed)} an undisturbed one; two undisturbed ones: {_same(again)} each other. "
        f"The largest number of the adapter is {resumed['largest']:.2g}."
    )


def _same(result: Mapping[str, Any]) -> str:
    if result["same_bytes"]:
        return "the same bytes as"
    return f"numbers up to {result['apart']:.2g} away from"


def _gb(size: float | None) -> str:
    return "-" if size is None else f"{size / 1e9:.2f} GB"


def _off(predicted: float, measured: float | None) -> str:
    return "-" if not measured else f"{predicted / measured - 1:+.0%}"


def _said(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:.0f}{unit}"

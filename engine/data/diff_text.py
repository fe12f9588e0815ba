"""The difference of two datasets as text for a terminal of 80 columns."""

from __future__ import annotations

import unicodedata
from collections import Counter

from engine.data.dataset import SPLITS
from engine.data.difference import Change, Difference, shift, totals

_LISTED = 10  # lines of each kind; the JSON has all
_WIDTH = 80  # columns
_PARTS = ("form", "system", "history", "prompt", "completion", "rejected", "label")


def to_text(found: Difference) -> str:
    """Return counts and places; of the rows themselves only the examples that were asked for.

    Control characters, and others that cannot be seen, are shown by their codes.
    """
    lines = [f"{found.old} -> {found.new}", "", *_sizes(found), *_warnings(found)]
    lines += [*_scenarios(found), *_labels(found), *_settings(found), *_places(found)]
    return "\n".join([*lines, *_examples(found)])


def _sizes(found: Difference) -> list[str]:
    added, removed, moved = Counter[str](), Counter[str](), Counter[str]()
    added.update(place.split for place in found.added)
    removed.update(place.split for place in found.removed)
    moved.update(change.after.split for change in found.moved)
    changed = Counter(change.after.split for change in found.changed)
    lines = ["split         before    after     kept    added  removed  changed  moved in"]
    for name in SPLITS:
        old, new = found.sizes[name]
        lines.append(
            f"{name:<11}{old:>9,}{new:>9,}{found.kept[name]:>9,}{added[name]:>9,}"
            f"{removed[name]:>9,}{changed[name]:>9,}{moved[name]:>10,}"
        )
    return lines


def _warnings(found: Difference) -> list[str]:
    lines = []
    if found.moved:
        lines.append(f"! {_rows(len(found.moved))} moved between splits; there should be none.")
    if found.crossed:
        lines.append(f"! {_rows(len(found.crossed))} held out before are trained on now.")
    golden = [place.split for place in (*found.added, *found.removed)].count("golden")
    golden += sum("golden" in (c.before.split, c.after.split) for c in found.changed)
    if golden or found.golden_file:
        lines.append(
            f"! The golden set changed ({_rows(golden)}): scores before and after do not compare."
            if golden
            else "! The golden file is another, its rows are the same."
        )
    if found.retagged:
        lines.append(f"{_rows(found.retagged)} kept have another group or scenario.")
    return ["", *lines] if lines else []


def _scenarios(found: Difference) -> list[str]:
    counts = totals(found.scenarios)
    differing = {name: pair for name, pair in counts.items() if pair[0] != pair[1]}
    if not differing:
        return []
    lines = ["", f"scenario{'before':>42}{'after':>9}{'change':>9}"]
    order = sorted(
        differing, key=lambda name: (-abs(differing[name][1] - differing[name][0]), name)
    )
    for name in order[:_LISTED]:
        old, new = differing[name]
        lines.append(f"{_cut(name or '(none)', 40, pad=True)}{old:>10,}{new:>9,}{new - old:>+9,}")
    distance = shift(counts)
    moved = "" if distance is None else f"Shift of the scenarios' shares: {distance:.1%}."
    return [*lines, *_more(len(order)), *([moved] if moved else [])]


def _labels(found: Difference) -> list[str]:
    lines = []
    for name, counts in found.labels.items():
        if distance := shift(counts):
            what = f", key {_cut(name, 40)}" if name else ""
            lines.append(f"Shift of the training answers{what}: {distance:.1%}.")
    return lines[:_LISTED] + _more(len(lines))


def _settings(found: Difference) -> list[str]:
    lines = [
        _cut(f"setting {name}: {old} -> {new}", _WIDTH)
        for name, (old, new) in found.settings.items()
    ]
    for name, (before, after) in found.sources.items():
        what = "new" if before is None else "no longer read" if after is None else "other content"
        lines.append(_cut(f"source {name}: {what}", _WIDTH))
    return ["", *lines] if lines else []


def _places(found: Difference) -> list[str]:
    lines: list[str] = []
    groups: tuple[tuple[str, list[str]], ...] = (
        ("moved", [_arrow(change) for change in found.moved]),
        ("changed", [f"{_arrow(c)} ({', '.join(c.parts)})" for c in found.changed]),
        ("removed", [f"{place.source} ({place.split})" for place in found.removed]),
        ("added", [f"{place.source} ({place.split})" for place in found.added]),
    )
    for title, places in groups:
        if places:
            lines += ["", f"{title}: {len(places):,}"]
            lines += [_cut(f"  {place}", _WIDTH) for place in places[:_LISTED]]
            lines += _more(len(places))
    return lines


def _arrow(change: Change) -> str:
    before, after = change.before, change.after
    there = f" -> {after.source}" if after.source != before.source else ""
    split = f"{before.split} -> {after.split}" if before.split != after.split else after.split
    return f"{before.source}{there} {split}"


def _examples(found: Difference) -> list[str]:
    """Return the rows that were asked for, control characters made visible."""
    lines: list[str] = []
    for before, after in found.examples:
        lines += ["", _cut(after.source, _WIDTH)]
        for name in _PARTS:
            one, other = getattr(before, name), getattr(after, name)
            if one != other:
                lines += [_cut(f"- {name}: {one}", _WIDTH), _cut(f"+ {name}: {other}", _WIDTH)]
    return lines


def _more(count: int) -> list[str]:
    return [f"  … and {count - _LISTED:,} more; --json has all"] if count > _LISTED else []


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _cut(text: str, width: int, *, pad: bool = False) -> str:
    """Return text on one line of at most `width` columns, its invisible characters shown."""
    line = "".join(
        char if char.isprintable() else f"\\x{ord(char):02x}"
        for char in text.replace("\n", " ").replace("\t", " ")
    )
    used, shown = 0, ""
    for char in line:
        wide = 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if used + wide > width:
            while used > width - 1:
                used -= 2 if unicodedata.east_asian_width(shown[-1]) in "WF" else 1
                shown = shown[:-1]
            return f"{shown}…" + " " * (width - used - 1 if pad else 0)
        used += wide
        shown += char
    return shown + " " * (width - used if pad else 0)

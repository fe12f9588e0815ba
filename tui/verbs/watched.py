"""What `tunesmith show` says of how a run trained: energy, board, changed settings, answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tui import output, words


def print_training(run_id: int, found: Mapping[str, Any]) -> None:
    """Write how a run used its device, what was kept, and what was changed on the way.

    Args:
        run_id: The run.
        found: As `engine.ship.history.show` gives it.
    """
    for text in (_energy(found), _board(found["board"]), _best(found), _margins(found)):
        if text:
            output.say(f"  {text}")
    for change in found["changes"]:
        output.say(
            f"  ! changed at step {change['step']:,}: {change['key']} {change['before']} → "
            f"{change['after']}, {change['why']}"
        )
    if found["answers"]:
        rows = len(found["answers"])
        output.say(
            f"  {rows} validation row{'s' if rows != 1 else ''} answered as it trained: "
            f"`tunesmith show {run_id} --answers`"
        )


def print_answers(run_id: int, found: Mapping[str, Any]) -> None:
    """Write the rows that a run asked its model, each with its answers, the newest first."""
    if not found["answers"]:
        output.say(
            "  This run asked its model no validation row as it trained. "
            f"`tunesmith eval {run_id}` asks the trained model."
        )
    for row in found["answers"]:
        output.say(f"  row {row['row_id']}")
        _text("asked", row["asked"])
        _text("expected", row["expected"])
        for answer in row["answers"]:
            first, last = answer["step"], answer["last"]
            _text(f"step {first:,}" if first == last else f"{first:,}–{last:,}", answer["text"])
        output.say()


def _text(name: str, text: str) -> None:
    first, *rest = text.split("\n")
    output.say(f"    {name:<14}{first}")
    for line in rest:
        output.say(f"    {'':<14}{line}")


def _energy(found: Mapping[str, Any]) -> str:
    taken, planned = found["measured"]["joules"], found["plan"]["predicted"]["joules"]
    if taken is None:
        return ""
    return f"energy {words.energy(taken)} measured, {words.energy(planned)} planned"


def _board(board: Mapping[str, float]) -> str:
    said = []
    if "mfu" in board:
        said.append(f"{output.percent(board['mfu'])} of the device's peak (MFU)")
    if "gpu_utilisation" in board:
        said.append(f"GPU busy {output.percent(board['gpu_utilisation'])}")
    if "gpu_watts" in board:
        said.append(f"{board['gpu_watts']:.0f} W")
    means = f"on average {', '.join(said)}" if said else ""
    hottest = board.get("gpu_temperature")
    highest = "" if hottest is None else f"{hottest:.0f} °C at most"
    return "; ".join(filter(None, (means, highest)))


def _best(found: Mapping[str, Any]) -> str:
    best = found["best_step"]
    return "" if best is None else f"kept as the best: the checkpoint of step {best:,}"


def _margins(found: Mapping[str, Any]) -> str:
    values = found["preferences"]
    parts = []
    for name, start in (("training pairs", ""), ("validation pairs", "validation_")):
        margin, right = (values.get(f"{start}reward_{key}") for key in ("margin", "accuracy"))
        said = [f"{output.percent(right)} in the right order"] if right is not None else []
        said += [f"margin {margin:.3g}"] if margin is not None else []
        if said:
            parts.append(f"{name}: {', '.join(said)}")
    return "; ".join(parts)

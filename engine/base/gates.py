"""Gates: the checks that end a stage. A failed gate stops the journey until it is accepted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from engine.base.errors import GateError
from engine.base.store import Store

Result = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class Gate:
    """What a gate said.

    Attributes:
        name: data, fit, verdict, safety, parity or drift.
        result: pass, warn or fail.
        reasons: One sentence each: what was found, and the way out.
    """

    name: str
    result: Result
    reasons: tuple[str, ...] = ()


def judge(name: str, *, failures: list[str], warnings: list[str]) -> Gate:
    """Return the gate that follows from its failures and warnings."""
    result: Result = "fail" if failures else "warn" if warnings else "pass"
    return Gate(name, result, (*failures, *warnings))


def record(  # the row that every later report prints
    store: Store,
    project_id: int,
    gate: Gate,
    *,
    subject: str,
    job_id: int | None,
    accepted: str = "",
) -> None:
    """Write a gate, and the reason with which a failure was accepted, to the store."""
    store.insert(
        "gates",
        {
            "project_id": project_id,
            "job_id": job_id,
            "gate": gate.name,
            "subject": subject,
            "result": gate.result,
            "reasons": "\n".join(gate.reasons),
            "accepted": accepted or None,
            "created": time.time(),
        },
    )


def enforce(gate: Gate, accepted: str = "") -> None:
    """Stop the journey when a gate failed and nobody accepted that.

    Raises:
        GateError: With the reasons.
    """
    if gate.result == "fail" and not accepted:
        raise GateError(
            f"The {gate.name} gate says no: {' '.join(gate.reasons)}",
            'Mend this, or go on with --accept "reason".',
        )

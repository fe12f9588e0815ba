"""What the fit gate asks of an attempt, and how the attempt tells where it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from engine.base import files
from engine.base.store import Store
from engine.plan import plan as plans
from engine.plan.plan import Plan
from engine.plan.recipe import Scalar, Value

_PATHS = ("workspace", "project", "folder")
LOADING = "loading the model"
OUT_OF_MEMORY = 86  # the exit code of an attempt that could still say what ended it


@dataclass(frozen=True)
class Request:
    """One attempt.

    Attributes:
        workspace: The workspace of the plan.
        project: The project's folder.
        plan_id: The plan that is probed.
        change: Settings that this attempt changes.
        device: The device that the job holds.
        seconds: How long the speed may be measured.
        available: Bytes that the device has for it.
        folder: Where the attempt may write.
    """

    workspace: Path
    project: Path
    plan_id: int
    change: Mapping[str, Scalar]
    device: str
    seconds: float
    available: int
    folder: Path

    @property
    def file(self) -> Path:
        """The request itself, as JSON."""
        return self.folder / "request.json"

    @property
    def result(self) -> Path:
        """What was measured, as JSON; there is none when the attempt failed."""
        return self.folder / "result.json"

    @property
    def errors(self) -> Path:
        """What the process wrote to standard output and error."""
        return self.folder / "errors.log"

    def write(self) -> None:
        """Write the request where its process reads it."""
        named = asdict(self)
        for name in _PATHS:
            named[name] = str(named[name])
        files.write_text(self.file, json.dumps(named))

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a request that `write` wrote."""
        fields: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        for name in _PATHS:
            fields[name] = Path(fields[name])
        return cls(**fields)

    def plan(self, store: Store) -> Plan:
        """Return the plan with this attempt's change."""
        return changed(plans.load(store, self.plan_id), self.change, {})

    def enter(self, phase: str) -> None:
        """Say what the attempt does now."""
        files.write_text(self.folder / "phase", phase)

    @property
    def phase(self) -> str:
        """What the attempt did last."""
        try:
            return (self.folder / "phase").read_text(encoding="utf-8")
        except OSError:
            return "starting"


def changed(plan: Plan, change: Mapping[str, Scalar], whys: Mapping[str, str]) -> Plan:
    """Return a plan with other values of some settings, each with its reason."""
    values = {
        **plan.values,
        **{name: Value(value, whys.get(name, "")) for name, value in change.items()},
    }
    made = replace(plan, values=values)
    return replace(made, method=made.setup.method)

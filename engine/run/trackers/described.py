"""What a tracker is told of a run before its first point, and what it remembers of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from engine.base.model import is_local
from engine.base.store import Row
from engine.plan.plan import Plan
from engine.plan.recipe import Scalar

Outcome = Literal["done", "stopped", "failed"]

_PROJECT = re.compile(r"[^A-Za-z0-9_.-]+")
_PROJECT_LENGTH = 100


@dataclass(frozen=True)
class Described:
    """A run, as trackers know it: names, numbers and the plan's values, and no text of the data.

    Attributes:
        project: The project's name, of letters, digits, `_`, `.` and `-`.
        name: The run's name with its number, which no other run of the workspace has.
        values: The plan's values.
        folder: The run's folder.
        workspace: The workspace.
    """

    project: str
    name: str
    values: Mapping[str, Scalar]
    folder: str
    workspace: str

    @classmethod
    def of(cls, plan: Plan, run: Row, project: str, folder: Path, workspace: Path) -> Self:
        """Describe a run.

        Args:
            plan: Its plan.
            run: Its row.
            project: The project's name.
            folder: The run's folder.
            workspace: The workspace.
        """
        model = Path(plan.model).name if is_local(plan.model) else plan.model
        about = {"recipe": plan.recipe, "method": plan.method, "model": model}
        return cls(
            _PROJECT.sub("-", project).strip("-.")[:_PROJECT_LENGTH] or "tunesmith",
            f"{run['name']} (run {run['id']})",
            {
                **about,
                "dataset": plan.dataset_id,
                "device": plan.device,
                **plan.settings,
                "predicted_peak_bytes": plan.peak_bytes,
                "predicted_seconds": plan.seconds,
            },
            str(folder),
            str(workspace),
        )

    def line(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, line: str) -> Self:
        """Read what `line` gave."""
        return cls(**json.loads(line))


@dataclass
class Memory:
    """What a tracker's process keeps in the run's folder, so that a resumed run goes on in it.

    Attributes:
        file: Where it is kept.
        id: The name by which the tracker finds the run again; empty before the first session.
        sent: The last step that each series has reached there.
        failed: Why the tracker is off; empty while it works.
    """

    file: Path
    id: str = ""
    sent: dict[str, int] = field(default_factory=dict)
    failed: str = ""

    @classmethod
    def of(cls, folder: Path, name: str) -> Self:
        """Read a tracker's memory, empty where it has none or none that can be read.

        Args:
            folder: The run's folder.
            name: The tracker's name.
        """
        file = folder / "trackers" / f"{name}.json"
        try:
            kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return cls(file, str(kept["id"]), dict(kept["sent"]), str(kept["failed"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls(file)

    def keep(self) -> None:
        """Write it in one step, without waiting for the disk."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.file.with_suffix(".new")
        kept = {"id": self.id, "sent": self.sent, "failed": self.failed}
        temporary.write_text(json.dumps(kept), encoding="utf-8")
        temporary.replace(self.file)

    def new(self, step: int, values: Mapping[str, float]) -> dict[str, float]:
        """Return the values that the tracker has not seen yet, and count them as seen.

        A run resumed from a checkpoint computes the steps after it again; what was told stays.

        Args:
            step: Their step.
            values: Values by series.
        """
        found = {name: value for name, value in values.items() if step > self.sent.get(name, -1)}
        self.sent |= dict.fromkeys(found, step)
        return found

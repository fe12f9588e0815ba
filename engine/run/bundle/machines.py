"""The machines that a training is sent to, and the plan that is resolved for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from engine.base.errors import UsageError
from engine.base.hardware import machine
from engine.base.project import Project
from engine.base.store import Store
from engine.plan import device, plan
from engine.plan.device import ANY_GPU, Device
from engine.plan.plan import Plan
from engine.plan.setting import Scalar

Launcher = Literal["slurm", "skypilot", "ray"]
LAUNCHERS: tuple[Launcher, ...] = ("slurm", "skypilot", "ray")
TITLES: Mapping[Launcher, str] = {"slurm": "Slurm", "skypilot": "SkyPilot", "ray": "Ray"}


@dataclass(frozen=True)
class Machines:
    """What a submission asks for.

    Attributes:
        launcher: Who starts it.
        nodes: Machines.
        gpus: GPUs, and so processes, of each.
        gpu: The GPU's name as the user says it; empty for this box's device.
        bucket: The address of a bucket that keeps checkpoints; empty for none.
    """

    launcher: Launcher
    nodes: int = 1
    gpus: int = 1
    gpu: str = ""
    bucket: str = ""

    @property
    def processes(self) -> int:
        """The processes of the training, one a GPU."""
        return self.nodes * self.gpus

    def device(self) -> Device:
        """Return the device that the plan is for.

        Raises:
            UsageError: No GPU was named and the machines are not like this box, or none is known
                by that name.
        """
        if self.gpu:
            return device.elsewhere(self.gpu)
        if self.launcher != "ray":
            raise UsageError(
                f"Which GPU do the machines of {TITLES[self.launcher]} have?",
                "Name it, such as --gpu 'A100 80GB', so that the plan fits it.",
                "--gpu",
            )
        here = device.choose(machine.read())
        return replace(here, name=ANY_GPU) if here.kind == "gpu" else here


def propose(
    store: Store,
    project: Project,
    dataset_id: str,
    overrides: Mapping[str, Scalar],
    machines: Machines,
) -> Plan:
    """Resolve a plan for other machines.

    Raises:
        UsageError: A wrong override, or no GPU was named.
    """
    several = {"processes": machines.processes} if machines.processes > 1 else {}
    given = {**overrides, **several}
    return plan.propose(store, project, dataset_id, given, device=machines.device())

"""Training over several processes, as a plan sees it: each one's share, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.base.errors import UsageError
from engine.base.project import Project
from engine.plan.device import Device
from engine.plan.setting import Scalar, faults, typed


def asked(project: Project, overrides: Mapping[str, Scalar]) -> int:
    """Return over how many processes the user wants to train; 1 where that makes no sense yet."""
    value = overrides.get("processes", project.settings.get("processes", 1))
    return 1 if faults("processes", value) else int(typed("processes", value))


def share(device: Device, count: int) -> Device:
    """Return what one of several processes has of a device: of a CPU a part, of GPUs one each."""
    if device.kind == "gpu" or count == 1:
        return device
    return replace(device, cores=max(1, device.cores // count), free=device.free // count)


def require(processes: int, sharding: str, micro_batch: int, accumulation: int, kind: str) -> None:
    """Refuse what cannot be divided, and sharding where there is nothing to shard over.

    Args:
        processes: How many train together.
        sharding: ddp or fsdp2.
        micro_batch: Rows computed at the same time.
        accumulation: Micro-batches of a step.
        kind: cpu or gpu.

    Raises:
        UsageError: The rows of a step cannot be divided evenly, or FSDP2 is asked for on a CPU.
    """
    if accumulation % processes and micro_batch % processes:
        raise UsageError(
            f"Neither {accumulation} micro-batches nor {micro_batch} rows can be divided over "
            f"{processes} processes.",
            f"Set accumulation or micro_batch to a multiple of {processes}.",
            "processes",
        )
    if sharding == "fsdp2" and kind == "cpu":
        raise UsageError(
            "FSDP2 shards the weights over GPUs; accelerate knows it on no CPU.",
            "Leave `sharding=ddp` here.",
            "sharding",
        )

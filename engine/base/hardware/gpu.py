"""What is known of one GPU, or of one MIG slice of it. Values only; `nvml` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# Compute capabilities: bfloat16 and FlashAttention 2 came with Ampere, FlashAttention 3 is made for
# Hopper alone (README of Dao-AILab/flash-attention).
_AMPERE, _HOPPER = (8, 0), (9, 0)


@dataclass(frozen=True)
class Program:
    """A program that has memory on a GPU.

    Attributes:
        pid: Its process.
        name: Its name; empty where this user or container cannot see it.
        memory: Bytes it holds, or None where the driver does not say (Windows, WSL).
    """

    pid: int
    name: str
    memory: int | None


@dataclass(frozen=True)
class Gpu:
    """One GPU that jobs can take: a whole board, or one MIG slice of a board.

    Attributes:
        index: NVML's index of the board.
        name: The board's name; of a slice, with its profile.
        total: Memory in bytes.
        free: Free memory in bytes: what the driver reserves and other programs hold is taken off.
        utilisation: Busy share of the last second, 0 to 100, or None where not supported.
        temperature: Degrees Celsius, or None where not supported.
        watts: Present power draw, or None where not supported.
        uuid: The name CUDA knows it by.
        slice: The slice's number on its board; None for a whole board.
        share: The part of the board's multiprocessors it has, above 0 and up to 1.
        capability: CUDA's compute capability, or None where unknown.
        power_limit: The enforced power limit in watts, or None where not supported.
        slowdown_at: Degrees Celsius at which the clocks are lowered, or None where not told.
        slowdown: What holds the clocks down now, in words.
        energy: Whether the board counts the energy it takes.
        shares_memory: Whether its memory is the box's main memory.
        programs: The programs with memory on it, or None where the driver does not tell.
    """

    index: int
    name: str
    total: int
    free: int
    utilisation: int | None
    temperature: int | None
    watts: float | None
    uuid: str = ""
    slice: int | None = None
    share: float = 1.0
    capability: tuple[int, int] | None = None
    power_limit: float | None = None
    slowdown_at: int | None = None
    slowdown: tuple[str, ...] = ()
    energy: bool = False
    shares_memory: bool = False
    programs: tuple[Program, ...] | None = None

    @property
    def device(self) -> str:
        """Its name as jobs lock it: `gpu0`, or `gpu0.1` for slice 1 of board 0."""
        return f"gpu{self.index}" if self.slice is None else f"gpu{self.index}.{self.slice}"

    @property
    def bf16(self) -> bool | None:
        """Whether it calculates in bfloat16 itself; None where its capability is unknown."""
        return None if self.capability is None else self.capability >= _AMPERE

    @property
    def flash_attention(self) -> Literal[0, 2, 3] | None:
        """The newest FlashAttention made for it, 0 for none; None where that is unknown."""
        if self.capability is None:
            return None
        if self.capability == _HOPPER:
            return 3
        return 2 if self.capability >= _AMPERE else 0


@dataclass(frozen=True)
class Unusable:
    """A GPU that is in the box and that jobs cannot take.

    Attributes:
        index: NVML's index.
        name: The board's name; empty where it does not even tell that.
        kind: hidden (by `CUDA_VISIBLE_DEVICES`), fault, mig (on, without a slice), or old (of a
            generation that torch does not drive).
        what: Why not, as a sentence.
        fix: The command or step that mends it.
    """

    index: int
    name: str
    kind: Literal["hidden", "fault", "mig", "old"]
    what: str
    fix: str


def best(gpus: Sequence[Gpu]) -> Gpu | None:
    """Return the GPU with the most free memory, of equals the first; None without any."""
    return max(gpus, key=lambda gpu: gpu.free, default=None)


def seen(gpus: Sequence[Gpu], visible: str | None) -> tuple[Gpu, ...]:
    """Return the GPUs that `CUDA_VISIBLE_DEVICES` lets programs see, in its order.

    As CUDA does, it takes numbers and beginnings of UUIDs, and reads no further than the first
    entry that names nothing. A number means NVML's order, which is CUDA's where the GPUs are alike
    or `CUDA_DEVICE_ORDER=PCI_BUS_ID`; of a board in slices it means the first slice.

    Args:
        gpus: All GPUs, in NVML's order.
        visible: The variable's text, or None where it is not set.
    """
    if visible is None:
        return tuple(gpus)
    found: list[Gpu] = []
    for entry in visible.split(","):
        text = entry.strip()
        named = [
            gpu
            for gpu in gpus
            if (text.isdecimal() and gpu.index == int(text))
            or (text[:4].upper() in {"GPU-", "MIG-"} and gpu.uuid.lower().startswith(text.lower()))
        ]
        if not named:
            break
        if named[0] not in found:
            found.append(named[0])
    return tuple(found)

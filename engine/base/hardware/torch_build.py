"""Which torch is installed, and whether it can use the GPUs; read from its files, never imported.

The rules are CUDA's minor-version compatibility (any driver of a major version runs all programs of
that version) and the support matrix of torch 2.13 (pytorch RELEASE.md): builds for CUDA 12.6 have
kernels for compute capabilities 5.0 to 9.0, those for 12.8 and newer from 7.5 on.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

_SETTING = re.compile(r"^(__version__|cuda|hip)\b[^=\n]*=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)
_LEGACY = (12, 6)  # the last build with kernels for Maxwell, Pascal and Volta
_MODERN = (12, 8)  # the first with kernels for Blackwell
_TURING, _BLACKWELL = (7, 5), (10, 0)
_DRIVERS = {11: "450", 12: "525", 13: "580"}  # the first Linux driver of each CUDA major version


@dataclass(frozen=True)
class TorchBuild:
    """The installed torch.

    Attributes:
        version: Its version, such as 2.13.0+cu130.
        cuda: The CUDA it was built for, or None.
        hip: Whether it was built for AMD.
    """

    version: str
    cuda: tuple[int, int] | None
    hip: bool = False


def installed() -> TorchBuild | None:
    """Return the installed torch, or None without one."""
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.origin:
        return None
    return read(Path(spec.origin).parent / "version.py")


def read(file: Path) -> TorchBuild | None:
    """Return what torch's `version.py` says, or None where it says no version."""
    try:
        found = dict(_SETTING.findall(file.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return None
    if "__version__" not in found:
        return None
    numbers = [int(part) for part in re.findall(r"\d+", found.get("cuda", ""))[:2]]
    cuda = (numbers[0], numbers[1]) if len(numbers) == 2 else None
    return TorchBuild(found["__version__"], cuda, "hip" in found)


def mismatch(
    build: TorchBuild, driver_cuda: tuple[int, int] | None, capability: tuple[int, int] | None
) -> tuple[str, str] | None:
    """Return why a build of torch cannot use a GPU, and what mends it; None where it can.

    Args:
        build: The installed torch.
        driver_cuda: The newest CUDA that the driver runs, or None where it does not tell.
        capability: The GPU's compute capability, or None where unknown.
    """
    if build.cuda is None:
        kind = "the build for AMD" if build.hip else "the CPU build"
        return f"torch {build.version} is {kind}: jobs cannot use the GPU", _install(
            build, _suited(driver_cuda, capability)
        )
    named = f"torch {build.version} for CUDA {_dotted(build.cuda)}"
    if driver_cuda and driver_cuda[0] < build.cuda[0]:
        other = f", or {_install(build, _LEGACY)}" if driver_cuda[0] == _LEGACY[0] else "."
        return (
            f"{named} is too new for the driver, which runs CUDA {_dotted(driver_cuda)} at most",
            f"Update the driver to {_DRIVERS.get(build.cuda[0], 'the newest')} or newer{other}",
        )
    if capability and capability < _TURING and build.cuda >= _MODERN:
        what = f"{named} has no kernels for compute capability {_dotted(capability)}, but from 7.5"
        return what, _install(build, _LEGACY)
    if capability and capability >= _BLACKWELL and build.cuda < _MODERN:
        what = f"{named} has no kernels for compute capability {_dotted(capability)}"
        return what, _install(build, (13, 0))
    return None


def _suited(
    driver_cuda: tuple[int, int] | None, capability: tuple[int, int] | None
) -> tuple[int, int]:
    old = capability is not None and capability < _TURING
    return _LEGACY if old or (driver_cuda is not None and driver_cuda < (13, 0)) else (13, 0)


def _install(build: TorchBuild, cuda: tuple[int, int]) -> str:
    version = build.version.partition("+")[0]
    return (
        f"`pip install --force-reinstall torch=={version} "
        f"--index-url https://download.pytorch.org/whl/cu{cuda[0]}{cuda[1]}`."
    )


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"

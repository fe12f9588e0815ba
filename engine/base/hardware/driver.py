"""Why NVML has no GPU to offer, in words, and the command that mends it."""

from __future__ import annotations

from pathlib import Path

# NVML's return codes, as NVIDIA's nvml.h numbers them.
NOT_SUPPORTED, NO_PERMISSION, INSUFFICIENT_POWER, DRIVER_NOT_LOADED = 3, 4, 8, 9
TIMEOUT, IRQ_ISSUE, LIBRARY_NOT_FOUND, FUNCTION_NOT_FOUND = 10, 11, 12, 13
CORRUPTED_INFOROM, GPU_IS_LOST, RESET_REQUIRED, OPERATING_SYSTEM = 14, 15, 16, 17
VERSION_MISMATCH, IN_USE, MEMORY, NOT_READY, GPU_NOT_FOUND, UNKNOWN = 18, 19, 20, 27, 28, 999
# Answers that mean the board is gone, not that one field is missing.
GONE = frozenset({INSUFFICIENT_POWER, IRQ_ISSUE, GPU_IS_LOST, RESET_REQUIRED, GPU_NOT_FOUND})

_NVIDIA, _AMD = "0x10de", "0x1002"
_DISPLAY = ("0x0300", "0x0302")  # PCI classes: VGA and 3D controller
_INSTALL = "Install the driver (Ubuntu: `sudo ubuntu-drivers install`), then restart the box."
_CONTAINER = (
    "Start the container with the GPUs: `docker run --gpus all ...` "
    "(the host needs the NVIDIA Container Toolkit)."
)
_LOGS = "`sudo dmesg | grep -E 'NVRM|Xid'` says what happened."

_BOARD = {
    GPU_IS_LOST: (
        "It is lost: it fell off the bus, by heat, power or a fault of the board or driver.",
        f"Restart the box; {_LOGS}",
    ),
    RESET_REQUIRED: (
        "It is stuck and needs a reset.",
        "End the programs that use it, then `sudo nvidia-smi --gpu-reset -i {index}`.",
    ),
    INSUFFICIENT_POWER: (
        "It gets too little power: a power cable of the board is not attached.",
        "Switch the box off and attach the board's power cables.",
    ),
    IRQ_ISSUE: (
        "The kernel could not set up its interrupt.",
        f"Restart the box; {_LOGS}",
    ),
    NO_PERMISSION: (
        "This user may not open it.",
        "Join its group: `sudo usermod -aG video,render $USER`, then log in again.",
    ),
    CORRUPTED_INFOROM: (
        "Its configuration memory is damaged.",
        "Ask the maker for a repair; the board may still work elsewhere.",
    ),
}


def fault(code: int, index: int) -> tuple[str, str]:
    """Return what an error of one board means, as a sentence, and what mends it.

    Args:
        code: NVML's return code.
        index: NVML's index of the board.
    """
    what, fix = _BOARD.get(
        code, (f"It does not answer (NVML error {code}).", f"Restart the box; {_LOGS}")
    )
    return what, fix.format(index=index)


def explain(code: int, root: Path = Path("/")) -> tuple[str, str]:
    """Return why NVML does not work, as words without a full stop, and what mends it.

    Args:
        code: NVML's return code.
        root: Where the box's `/proc` and `/sys` are found.
    """
    if code == LIBRARY_NOT_FOUND:
        return _no_library(root)
    contained = in_container(root)
    known = {
        DRIVER_NOT_LOADED: (
            "the NVIDIA driver is installed but not loaded into the kernel",
            _CONTAINER
            if contained
            else "`sudo modprobe nvidia`; where that fails (a new kernel, Secure Boot), reinstall "
            "the driver and restart the box.",
        ),
        VERSION_MISMATCH: (
            "the NVIDIA driver was updated while the old one runs: their versions differ",
            "Restart the container, or the host if that does not help."
            if contained
            else "`sudo reboot`.",
        ),
        NO_PERMISSION: (
            "this user may not use the GPU",
            _CONTAINER
            if contained
            else "`ls -l /dev/nvidia*` shows who may; join the group: `sudo usermod -aG "
            "video,render $USER`, then log in again.",
        ),
        FUNCTION_NOT_FOUND: ("the NVIDIA driver is too old", _INSTALL),
        MEMORY: ("the box has no memory left to ask the driver", "Close other programs."),
        GPU_IS_LOST: ("a GPU is lost: it fell off the bus", f"Restart the box; {_LOGS}"),
        UNKNOWN: (
            "the NVIDIA driver answers with an unknown error",
            "Restart the container: a container loses its GPUs when the host's systemd reloads."
            if contained
            else f"Restart the box; {_LOGS}",
        ),
    }
    return known.get(
        code, (f"the NVIDIA driver does not answer (NVML error {code})", f"Restart it; {_LOGS}")
    )


def none_found(root: Path = Path("/")) -> tuple[str, str]:
    """Return why a working driver shows no board, and what mends it."""
    if in_container(root):
        return "the NVIDIA driver works, but this container was given no GPU", _CONTAINER
    if _cards(root, _NVIDIA):
        return "the NVIDIA driver does not drive the GPU that is in this box", (
            f"Install the driver that fits the GPU (an old one may need an old driver); {_LOGS}"
        )
    return "the NVIDIA driver finds no GPU in this box", "Check that the board sits in its slot."


def in_wsl(root: Path = Path("/")) -> bool:
    """Return whether this Linux runs inside Windows."""
    return "microsoft" in _read(root / "proc/sys/kernel/osrelease").lower()


def in_container(root: Path = Path("/")) -> bool:
    """Return whether this is a container of Docker, Podman or Kubernetes."""
    if (root / ".dockerenv").exists() or (root / "run/.containerenv").exists():
        return True
    groups = _read(root / "proc/1/cgroup")
    return any(word in groups for word in ("docker", "kubepods", "containerd", "libpod", "lxc"))


def _no_library(root: Path) -> tuple[str, str]:
    nvidia = _cards(root, _NVIDIA)
    if in_container(root):
        if nvidia or (root / "proc/driver/nvidia/version").exists():
            return "the host has an NVIDIA GPU, but this container has no driver", _CONTAINER
        return "no NVIDIA driver in this container", (
            "Where the host has a GPU: `docker run --gpus all ...`."
        )
    if in_wsl(root):
        return _no_library_in_wsl(root)
    if nvidia:
        held = " (nouveau drives it)" if (root / "sys/module/nouveau").exists() else ""
        return f"no NVIDIA driver on this box, though it has an NVIDIA GPU{held}", _INSTALL
    amd = ", and Tunesmith does not train on AMD's GPUs" if _cards(root, _AMD) else ""
    return f"no NVIDIA driver on this box{amd}", ""


def _no_library_in_wsl(root: Path) -> tuple[str, str]:
    if (root / "usr/lib/wsl/lib/libnvidia-ml.so.1").exists():
        return "WSL has the driver's library, but not on the library path", (
            "`export LD_LIBRARY_PATH=/usr/lib/wsl/lib:$LD_LIBRARY_PATH`."
        )
    return "no NVIDIA driver on this box (WSL takes that of Windows)", (
        "Install NVIDIA's driver in Windows, none in Linux, then `wsl --shutdown`."
    )


def _cards(root: Path, vendor: str) -> bool:
    """Return whether the PCI bus has a display or 3D controller of a vendor."""
    return any(
        _read(folder / "vendor").strip() == vendor and _read(folder / "class").startswith(_DISPLAY)
        for folder in (root / "sys/bus/pci/devices").glob("*")
    )


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

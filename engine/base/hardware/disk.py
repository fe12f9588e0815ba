"""The disk under a folder: free space, file system, and how fast it really writes."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from engine.base.errors import TunesmithError
from engine.base.hardware import mounts

# Types of network file systems, as the kernel or FUSE names them; 9p is also WSL's view of Windows.
_NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "glusterfs", "gpfs", "lustre", "ncpfs"}
    | {"nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb3", "smbfs", "wekafs"}
    | {f"fuse.{kind}" for kind in ("ceph-fuse", "gcsfuse", "glusterfs", "juicefs", "rclone")}
    | {f"fuse.{kind}" for kind in ("s3fs", "sshfs")}
)
_MEMORY = frozenset({"ramfs", "tmpfs"})
_TEST_BYTES, _FIRST_BYTES = 64 << 20, 1 << 20
_TEST_SECONDS = 0.7


@dataclass(frozen=True)
class FileSystem:
    """The file system that holds a folder.

    Attributes:
        kind: Its type, such as ext4, nfs4 or tmpfs; empty where the system does not tell.
        point: Where it is mounted.
        network: Whether it lies on another box, or behind a network protocol.
        volatile: Whether it lies in main memory and is gone after a restart.
    """

    kind: str
    point: str
    network: bool
    volatile: bool


def free(folder: Path) -> int:
    """Return the free bytes of the disk that holds a folder, or will hold it."""
    return psutil.disk_usage(str(_existing(folder))).free


def file_system(folder: Path, root: Path = Path("/")) -> FileSystem:
    """Return the file system that holds a folder, or will hold it.

    Args:
        folder: Any folder; it need not exist.
        root: Where the box's `/proc` is found.
    """
    place = _existing(folder).resolve()
    holds = [mount for mount in mounts.read(root) if place.is_relative_to(mount.point)]
    # of two on one point the later one covers the earlier
    found = max(enumerate(holds), key=lambda item: (len(item[1].point), item[0]), default=None)
    if found is None:
        return FileSystem("", "", network=False, volatile=False)
    mount = found[1]
    return FileSystem(
        mount.kind, mount.point, network=mount.kind in _NETWORK, volatile=mount.kind in _MEMORY
    )


def write_speed(folder: Path) -> float:
    """Write up to 63 MiB, each piece forced onto the disk; return bytes a second.

    The pieces double, and the test ends before a piece that would take it past 0.7 seconds, so a
    slow disk is judged by less. The file has no name, so it is gone however this process ends.

    Args:
        folder: A folder on the disk; it need not exist.

    Raises:
        TunesmithError: The disk is full, read-only, or not this user's to write.
    """
    place = _existing(folder)
    piece = os.urandom(_FIRST_BYTES)  # no file system can shrink it
    try:
        with tempfile.TemporaryFile(dir=place, buffering=0) as file:
            begun, written, size = time.perf_counter(), 0, _FIRST_BYTES
            while True:
                for _ in range(size // _FIRST_BYTES):
                    if file.write(piece) != _FIRST_BYTES:
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
                written += size
                seconds = time.perf_counter() - begun
                size *= 2
                late = seconds * (1 + size / written) > _TEST_SECONDS
                if late or written + size > _TEST_BYTES:
                    return written / max(seconds, 1e-9)
    except OSError as error:
        raise TunesmithError(
            f"The disk cannot be written: {error.strerror or error}.",
            "Free some space, or choose another folder: `--workspace DIR`.",
            str(place),
        ) from error


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder

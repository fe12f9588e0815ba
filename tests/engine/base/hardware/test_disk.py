"""The disk under the workspace: its file system, its free space, its real speed."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from engine.base.errors import TunesmithError
from engine.base.hardware import disk

MOUNTS = (
    "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
    "2 1 0:40 / /home rw - nfs4 server:/export/home rw,vers=4.2\n"
    "3 1 0:41 / /home/ann/fast rw - xfs /dev/nvme0n1 rw\n"
    "4 1 0:42 / /mnt/c rw - 9p drvfs rw\n"
    "5 1 0:43 / /remote rw - fuse.sshfs host: rw\n"
    "6 1 0:44 / /dev/shm rw - tmpfs tmpfs rw\n"
    "7 1 0:45 / /with\\040space rw - lustre lustre rw\n"
    "8 1 0:46 / /home/ann/fast rw - btrfs /dev/nvme1n1 rw\n"
)


@pytest.mark.parametrize(
    ("folder", "kind", "network", "volatile"),
    [
        ("/home/ann/work", "nfs4", True, False),
        ("/home/ann/fast/x", "btrfs", False, False),  # mounted over the xfs
        ("/home/ann/faster", "nfs4", True, False),
        ("/mnt/c/Users", "9p", True, False),
        ("/remote/a", "fuse.sshfs", True, False),
        ("/dev/shm/a", "tmpfs", False, True),
        ("/with space/a", "lustre", True, False),
        ("/opt", "ext4", False, False),
    ],
)
def test_a_folder_s_file_system_is_that_of_its_deepest_mount(
    tmp_path, monkeypatch, folder, kind, network, volatile
):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(MOUNTS, encoding="utf-8")
    monkeypatch.setattr(disk, "_existing", lambda path: path)  # these folders are not on this box
    found = disk.file_system(disk.Path(folder), tmp_path)
    assert (found.kind, found.network, found.volatile) == (kind, network, volatile)


def test_a_folder_that_is_to_come_counts_with_its_parent(tmp_path):
    assert disk.free(tmp_path / "a" / "b") == pytest.approx(disk.free(tmp_path), rel=0.2)
    assert disk.file_system(tmp_path / "a" / "b") == disk.file_system(tmp_path)


def test_a_box_without_a_list_of_mounts_tells_no_type(tmp_path):
    assert disk.file_system(tmp_path, tmp_path).kind == ""


def test_the_speed_is_measured_within_a_second_and_leaves_nothing(tmp_path):
    begun = time.perf_counter()
    speed = disk.write_speed(tmp_path / "to" / "come")
    assert time.perf_counter() - begun < 5  # about 1 on an idle box
    assert 1e5 < speed < 1e12
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_left_clean(tmp_path):
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom engine.base.hardware import disk\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5_500_000, 5_500_000))\n"
        "try:\n    disk.write_speed(Path(sys.argv[1]))\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("TunesmithError")
    assert "cannot be written" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_this_user_may_not_write_is_told():
    place = disk.Path("/proc/self")
    with pytest.raises(TunesmithError, match="cannot be written"):
        disk.write_speed(place)
    assert os.access(place, os.R_OK)

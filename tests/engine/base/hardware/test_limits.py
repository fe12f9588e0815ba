"""What a container, a batch system or a shell lets this process take of the box's CPU and memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from engine.base.hardware import cgroup, machine, processor, ram

GIB = 1 << 30
KIB = 1024
MEMINFO = (
    "MemTotal: 67108864 kB\nMemFree: 1 kB\nMemAvailable: 52428800 kB\n"
    "SwapTotal: 8388608 kB\nSwapFree: 4194304 kB\n"
)
SECOND = "31 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
FIRST = (
    "30 23 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "31 23 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
)
STAT = f"anon 1\nfile 9\ninactive_file {2 * GIB}\nactive_file {1 * GIB}\n"


@pytest.fixture
def box(tmp_path):
    """A folder that stands for `/`, of a box with 64 GiB, as a function of its files."""

    def made(files: dict[str, str]):
        for name, text in {"proc/meminfo": MEMINFO, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return made


def test_without_limits_the_box_is_what_the_kernel_says(box):
    root = box({})
    found = ram.read(root)
    assert (found.total, found.free) == (64 * GIB, 50 * GIB)
    assert (found.swap, found.swap_free) == (8 * GIB, 4 * GIB)
    assert found.limited_by == ""
    assert cgroup.cores(root) is None
    assert cgroup.memory(root) is None


def test_a_container_of_cgroup_2_has_its_limit_and_its_cached_files_count_as_free(box):
    root = box(
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": SECOND,
            "sys/fs/cgroup/memory.max": f"{16 * GIB}\n",
            "sys/fs/cgroup/memory.high": "max\n",
            "sys/fs/cgroup/memory.current": f"{10 * GIB}\n",
            "sys/fs/cgroup/memory.stat": STAT,
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
        }
    )
    found = ram.read(root)
    assert (found.total, found.free, found.box) == (16 * GIB, 9 * GIB, 64 * GIB)
    assert "control group" in found.limited_by
    assert cgroup.cores(root) == 1.5
    read = machine.read(root)
    assert (read.memory, read.memory_free) == (16 * GIB, 9 * GIB)
    assert read.cores == min(2, len(os.sched_getaffinity(0)))  # 1.5 cores' time feeds two threads


def test_the_tightest_level_of_the_hierarchy_counts(box):
    inner = "sys/fs/cgroup/user.slice/job.scope"
    root = box(
        {
            "proc/self/cgroup": "0::/user.slice/job.scope\n",
            "proc/self/mountinfo": SECOND,
            f"{inner}/memory.max": "max\n",
            f"{inner}/memory.high": f"{32 * GIB}\n",
            f"{inner}/memory.current": f"{1 * GIB}\n",
            f"{inner}/cpu.max": "max 100000\n",
            "sys/fs/cgroup/user.slice/memory.max": f"{40 * GIB}\n",
            "sys/fs/cgroup/user.slice/memory.current": f"{38 * GIB}\n",
            "sys/fs/cgroup/user.slice/cpu.max": "50000 100000\n",
        }
    )
    room = cgroup.memory(root)
    assert room is not None
    assert room.limit == 32 * GIB  # memory.high holds a process still
    assert room.free == 2 * GIB  # its neighbours in the slice took the rest
    assert cgroup.cores(root) == 0.5
    assert processor.read(root).usable == 1


def test_cgroup_1_where_the_container_sees_its_own_group_as_the_root(box):
    root = box(
        {
            "proc/self/cgroup": "5:memory:/docker/4f\n4:cpu,cpuacct:/docker/4f\n0::/\n",
            "proc/self/mountinfo": FIRST.replace("0:25 / ", "0:25 /docker/4f ").replace(
                "0:26 / ", "0:26 /docker/4f "
            ),
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{8 * GIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{5 * GIB}\n",
            "sys/fs/cgroup/memory/memory.stat": (
                f"inactive_file 1\ntotal_inactive_file {GIB}\ntotal_active_file 0\n"
            ),
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "300000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        }
    )
    found = ram.read(root)
    assert (found.total, found.free) == (8 * GIB, 4 * GIB)
    assert cgroup.cores(root) == 3.0


@pytest.mark.parametrize("unlimited", ["9223372036854771712", "-1", "max", ""])
def test_no_limit_of_cgroup_1_is_no_limit(box, unlimited):
    root = box(
        {
            "proc/self/cgroup": "5:memory:/\n4:cpu,cpuacct:/\n",
            "proc/self/mountinfo": FIRST,
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{unlimited}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{60 * GIB}\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        }
    )
    found = ram.read(root)
    assert (found.total, found.free, found.limited_by) == (64 * GIB, 50 * GIB, "")
    assert cgroup.cores(root) is None


@pytest.mark.parametrize(
    "group", ["0::/../../other\n", "0::/gone/away\n", "garbage\n", "", "0::/\n1:\n:::\n"]
)
def test_strange_group_files_never_stop_the_reading(box, group):
    root = box(
        {
            "proc/self/cgroup": group,
            "proc/self/mountinfo": SECOND + "broken line\n - \n",
            "sys/fs/cgroup/memory.max": "many\n",
            "sys/fs/cgroup/cpu.max": "0 0\n",
        }
    )
    assert ram.read(root).total == 64 * GIB
    assert cgroup.cores(root) is None


def test_a_shell_s_limit_on_address_space_is_told_with_what_the_libraries_reserve():
    limit = ram._reserved() + 3 * 10**9
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))\n"
        "from engine.base.hardware import machine\nfrom engine.plan import device\nbox = machine.read()\n"
        "print(box.memory, box.memory_free, device.choose(box).free, box.ram.limited_by)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    total, free, chosen, by = done.stdout.split(maxsplit=3)
    assert int(total) == limit
    assert int(chosen) == int(free)
    assert 10**9 < int(free) <= 3 * 10**9  # less where the box itself has less
    assert "ulimit -v" in by


INTEL = """processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum 8480+
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu avx avx2 avx512f avx512_bf16 amx_bf16 amx_tile amx_int8

processor\t: 1
model name\t: Intel(R) Xeon(R) Platinum 8480+
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu avx avx2

processor\t: 2
physical id\t: 1
core id\t\t: 0
"""
GRAVITON = """processor\t: 0
BogoMIPS\t: 2100.00
Features\t: fp asimd sve i8mm bf16
CPU implementer\t: 0x41
CPU part\t: 0xd40
"""


def test_the_instruction_sets_and_cores_of_an_intel_box(box):
    found = processor.read(box({"proc/cpuinfo": INTEL}))
    assert found.name == "Intel(R) Xeon(R) Platinum 8480+"
    assert found.physical == 2  # two sockets; processors 0 and 1 share a core
    assert {"AVX2", "AVX512", "AVX512-BF16", "AMX", "AMX-BF16"} <= set(found.features)
    assert found.bf16


def test_an_arm_box_has_a_name_and_its_own_bfloat16(box):
    found = processor.read(box({"proc/cpuinfo": GRAVITON}))
    assert found.name == "Arm Neoverse V1"
    assert found.bf16
    assert "SVE" in found.features


def test_a_plain_cpu_has_no_bfloat16(box):
    found = processor.read(box({"proc/cpuinfo": "model name: Old\nflags: fpu sse2 avx2\n"}))
    assert not found.bf16
    assert found.features == ("AVX2",)


def test_the_affinity_of_this_process_counts():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from engine.base.hardware import machine\nprint(machine.read().cores)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"

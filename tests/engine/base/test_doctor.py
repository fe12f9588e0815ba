"""The doctor's lines about CPU, memory and disk, for boxes of every kind."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from engine.base.doctor import box as doctor
from engine.base.hardware import disk
from engine.base.hardware.gpu import Gpu
from engine.base.hardware.machine import Machine
from engine.base.hardware.processor import Processor
from engine.base.hardware.ram import Ram

GIB = 1 << 30
CPU = Processor("Xeon", "x86_64", 8, 16, 16, None, ("AVX2", "AVX512"))
RAM = Ram(64 * GIB, 50 * GIB, 8 * GIB, 8 * GIB, 64 * GIB, "")


def box(cpu: Processor = CPU, ram: Ram = RAM, **more) -> Machine:
    return Machine(
        cpu.name,
        cpu.usable,
        cpu.bf16,
        ram.total,
        ram.free,
        more.pop("gpus", ()),
        "",
        processor=cpu,
        ram=ram,
        **more,
    )


def test_a_plain_cpu_is_told_with_its_instruction_sets():
    line = doctor._cpu(box())
    assert line.result == "warn"
    assert "16 cores (8 physical), has no bfloat16" in line.what
    assert "AVX512" in line.what


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"usable": 2, "quota": 1.5}, "2 cores of 16 (its control group allows 1.5)"),
        ({"usable": 1}, "1 core of 16 (this process may use no more)"),
    ],
)
def test_fewer_cores_than_the_box_has_are_explained(change, words):
    assert words in doctor._cpu(box(replace(CPU, **change))).what


def test_memory_below_a_limit_is_told_with_the_limit():
    group = replace(RAM, total=8 * GIB, free=2 * GIB, limited_by="its control group")
    line = doctor._memory(box(ram=group))
    assert line.result == "warn"
    assert "2.0 of 8.0 GiB free, limited by its control group; the box has 64.0 GiB" in line.what
    assert "docker run --memory" in line.fix
    assert doctor._memory(box()).result == "pass"
    assert ".wslconfig" in doctor._memory(box(ram=replace(RAM, free=GIB), wsl=True)).fix


def test_an_address_limit_is_a_trouble_for_cuda():
    limited = replace(RAM, total=32 * GIB, limited_by="`ulimit -v` of this shell")
    gpu = Gpu(0, "A", GIB, GIB, None, None, None)
    assert "ulimit -v unlimited" in doctor._memory(box(ram=limited, gpus=(gpu,))).fix
    assert doctor._memory(box(ram=limited)).result == "pass"


@pytest.mark.parametrize(
    ("system", "words"),
    [
        (disk.FileSystem("nfs4", "/home", network=True, volatile=False), "a network file system"),
        (disk.FileSystem("tmpfs", "/tmp", network=False, volatile=True), "in main memory"),
    ],
)
def test_a_workspace_on_a_risky_file_system_is_warned_of(tmp_path, monkeypatch, system, words):
    monkeypatch.setattr(disk, "file_system", lambda _folder: system)
    monkeypatch.setattr(disk, "free", lambda _folder: 100 * GIB)
    (line,) = doctor._disk(tmp_path, speed=False)
    assert line.result == "warn"
    assert words in line.what
    assert "--workspace" in line.fix


def test_the_disk_is_measured_only_when_asked(tmp_path):
    plain = [check.name for check in doctor.checks(tmp_path)]
    asked = {check.name: check for check in doctor.checks(tmp_path, disk_speed=True)}
    assert "disk speed" not in plain
    assert "MB a second" in asked["disk speed"].what
    assert {"Python", "torch", "GPU", "CPU", "memory", "disk", "runs.db"} <= set(plain)


def test_the_doctor_is_fast(tmp_path):
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        doctor.checks(tmp_path)
        times.append(time.perf_counter() - begun)
    assert min(times) < 1

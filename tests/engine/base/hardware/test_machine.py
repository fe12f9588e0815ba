"""What Tunesmith reads of GPUs: a library of ours answers as NVIDIA's would, the real pynvml asks."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from engine.base.hardware import machine
from engine.base.hardware.gpu import Gpu, best, seen

MIB = 1 << 20


def folder(root, files: dict[str, str]):
    """A folder that stands for `/`, with some files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_an_idle_4090_tells_everything(on_box):
    found = on_box("rtx4090")
    (gpu,) = found["box"]["gpus"]
    assert gpu["name"] == "NVIDIA GeForce RTX 4090"
    assert gpu["capability"] == [8, 9]
    assert gpu["total"] == 24564 * MIB
    assert gpu["free"] == (24564 - 347) * MIB  # what the driver reserves is not free
    assert (gpu["utilisation"], gpu["temperature"], gpu["slowdown_at"]) == (0, 35, 90)
    assert (gpu["watts"], gpu["power_limit"]) == (21.5, 450.0)
    assert gpu["energy"] is True
    assert gpu["programs"] == []
    assert gpu["slowdown"] == []  # idling is none
    assert (found["box"]["driver"], found["box"]["cuda"]) == ("550.54.14", [12, 4])
    assert found["by_nvml"] == found["box"]["gpus"]
    assert found["device"] == found["chosen"]["name"] == "gpu0"
    assert found["chosen"]["free"] == gpu["free"]
    assert found["pin"]["CUDA_VISIBLE_DEVICES"] == gpu["uuid"]


def test_memory_that_other_programs_hold_is_not_free_and_they_are_named(on_box):
    found = on_box("rtx3060_in_use")
    (gpu,) = found["box"]["gpus"]
    assert gpu["free"] == (12288 - 246 - 7168) * MIB
    programs = {program["pid"]: program for program in gpu["programs"]}
    assert set(programs) == {os.getpid(), 4194000}
    assert programs[os.getpid()]["memory"] == 6144 * MIB  # drawing and computing: one program
    assert "py" in programs[os.getpid()]["name"]
    assert programs[4194000]["name"] == ""
    assert gpu["slowdown"] == ["its power limit"]
    line = found["checks"][1]
    assert line["result"] == "warn"
    assert "6.0 GiB" in line["what"]
    assert "nvidia-smi" in line["fix"]


def test_of_two_unlike_gpus_jobs_take_the_one_with_more_free_memory(on_box):
    found = on_box("two_unlike")
    assert [gpu["name"] for gpu in found["box"]["gpus"]] == [
        "NVIDIA GeForce GTX 1080",
        "NVIDIA GeForce RTX 3090",
    ]
    assert found["device"] == found["chosen"]["name"] == "gpu1"
    assert found["chosen"]["watts"] == pytest.approx(0.9 * 280)  # its limit, not the catalogue's
    old, new = found["checks"][1:]
    assert (old["name"], old["result"]) == ("gpu0", "warn")
    assert "no bfloat16" in old["what"]
    assert (new["name"], new["result"]) == ("gpu1", "pass")


def test_each_mig_slice_is_a_device_of_its_own(on_box):
    found = on_box("a100_mig")
    big, small = found["box"]["gpus"]
    assert (big["slice"], small["slice"]) == (0, 2)
    assert big["name"].endswith("MIG 3g.20gb")
    assert (big["total"], small["total"]) == (19968 * MIB, 9856 * MIB)
    assert (big["share"], small["share"]) == (pytest.approx(3 / 7), pytest.approx(2 / 7))
    assert [program["pid"] for program in big["programs"]] == [os.getpid()]
    assert small["programs"] == []
    assert found["device"] == "gpu0.2"  # the smaller one has more memory free
    assert found["pin"]["CUDA_VISIBLE_DEVICES"] == small["uuid"]
    assert found["chosen"]["flops"] == pytest.approx(312e12 * 2 / 7)
    assert found["chosen"]["free"] == small["free"]


def test_a_board_in_mig_mode_without_slices_is_not_usable(on_box):
    found = on_box("a100_unsliced")
    assert [gpu["name"] for gpu in found["box"]["gpus"]] == ["NVIDIA L4"]
    assert found["device"] == "gpu1"
    (board,) = found["box"]["unusable"]
    assert (board["index"], board["kind"]) == (0, "mig")
    assert "-mig 0" in board["fix"]


def test_under_wsl_programs_have_no_memory_and_the_driver_is_that_of_windows(on_box, tmp_path):
    kernel = "5.15.153.1-microsoft-standard-WSL2"
    root = folder(tmp_path / "root", {"proc/sys/kernel/osrelease": kernel})
    found = on_box("wsl", root=root)
    assert found["box"]["wsl"] is True
    assert {program["memory"] for program in found["box"]["gpus"][0]["programs"]} == {None}
    assert found["box"]["gpus"][0]["power_limit"] is None
    assert "of Windows" in found["checks"][0]["what"]
    assert on_box("wsl")["box"]["wsl"] is False


# What stands for `/`: a plain box, so that this box's being a container plays no part.
PLAIN = {"proc/1/cgroup": "0::/init.scope\n"}


@pytest.mark.parametrize(
    ("box", "words", "fix"),
    [
        (None, "no NVIDIA driver", ""),
        ("not_loaded", "not loaded into the kernel", "sudo modprobe nvidia"),
        ("mismatch", "versions differ", "sudo reboot"),
        ("no_permission", "may not use", "usermod -aG"),
        ("none", "no GPU in this box", "slot"),
    ],
)
def test_without_a_usable_driver_the_reason_and_the_way_out_are_told(
    on_box, tmp_path, box, words, fix
):
    found = on_box(box, root=folder(tmp_path / "root", PLAIN))
    assert found["box"]["gpus"] == []
    assert words in found["box"]["gpu_problem"]
    assert fix in found["box"]["gpu_fix"]
    assert found["device"] == found["chosen"]["name"] == "cpu"
    assert found["pin"] == {"CUDA_VISIBLE_DEVICES": ""}
    (line,) = found["checks"]
    assert (line["name"], line["result"]) == ("GPU", "warn")
    assert words in line["what"]
    assert line["fix"]


@pytest.mark.parametrize("calls", [0, 1, 2, 3, 5, 8, 11])
def test_a_gpu_lost_at_any_call_hides_no_other(on_box, calls):
    found = on_box("lost_midway", lost=calls)
    assert [gpu["index"] for gpu in found["box"]["gpus"]] == [1]
    (lost,) = found["box"]["unusable"]
    assert (lost["index"], lost["kind"]) == (0, "fault")
    assert "lost" in lost["what"]
    assert found["device"] == "gpu1"
    line = next(check for check in found["checks"] if check["name"] == "gpu0")
    assert line["result"] == "fail"
    assert "Xid" in line["fix"]


def test_a_gpu_that_this_user_may_not_open_hides_no_other(on_box):
    found = on_box("one_shut")
    assert [gpu["name"] for gpu in found["box"]["gpus"]] == ["NVIDIA L4"]
    assert "may not open" in found["box"]["unusable"][0]["what"]


def test_a_hot_t4_has_no_bfloat16_and_is_slowed_down(on_box):
    found = on_box("t4")
    assert found["chosen"]["bf16"] is False
    assert found["chosen"]["flash_attention"] is False
    assert found["box"]["gpus"][0]["slowdown"] == ["heat"]
    line = found["checks"][1]
    assert line["result"] == "warn"
    assert "slowed down now by heat" in line["what"]
    assert "no bfloat16" in line["what"]


@pytest.mark.parametrize("driver", ["new", "old"])
def test_fields_that_are_not_supported_are_none(on_box, driver):
    found = on_box("bare", driver=driver)
    (gpu,) = found["box"]["gpus"]
    for field in ("utilisation", "temperature", "watts", "power_limit", "capability", "programs"):
        assert gpu[field] is None, field
    assert gpu["energy"] is False
    assert gpu["slowdown"] == []
    assert found["pin"]["CUDA_VISIBLE_DEVICES"] == "0"
    assert "does not tell who uses it" in found["checks"][1]["what"]


def test_an_old_driver_is_asked_by_the_older_names(on_box):
    assert on_box("t4", driver="old")["box"]["gpus"][0]["slowdown"] == ["heat"]
    (gpu,) = on_box("rtx3060_in_use", driver="old")["box"]["gpus"]
    assert {program["pid"] for program in gpu["programs"]} == {os.getpid(), 4194000}


def test_a_gpu_that_shares_the_main_memory_has_what_of_it_is_free(on_box, tmp_path):
    meminfo = "MemTotal: 125000000 kB\nMemAvailable: 100000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB"
    found = on_box("shared_memory", root=folder(tmp_path / "root", {"proc/meminfo": meminfo}))
    (gpu,) = found["box"]["gpus"]
    assert gpu["shares_memory"] is True
    assert (gpu["total"], gpu["free"]) == (125_000_000 * 1024, 100_000_000 * 1024)


def test_a_gpu_that_torch_has_no_kernels_for_is_not_taken(on_box):
    found = on_box("ancient")
    assert found["box"]["gpus"] == []
    assert "too old" in found["box"]["gpu_problem"]
    assert found["device"] == "cpu"


def test_a_driver_too_old_for_torch_fails_the_doctor(on_box):
    summary = on_box("rtx4090", torch="13.0")["checks"][0]
    assert summary["result"] == "fail"
    assert "too new for the driver" in summary["what"]
    assert "580" in summary["fix"]
    assert "cu126" in summary["fix"]
    assert on_box("two_unlike", torch="13.0")["checks"][0]["result"] == "pass"


@pytest.mark.parametrize(
    ("visible", "device", "hidden"),
    [
        ("0", "gpu0", [1]),
        ("1", "gpu1", [0]),
        ("GPU-30900", "gpu1", [0]),
        ("1,0", "gpu1", []),
        ("", "cpu", [0, 1]),
        ("-1", "cpu", [0, 1]),
        ("0,7,1", "gpu0", [1]),
    ],
)
def test_cuda_visible_devices_is_respected_and_told(on_box, visible, device, hidden):
    found = on_box("two_unlike", visible=visible)
    assert found["device"] == device
    assert [other["index"] for other in found["box"]["unusable"]] == hidden
    assert all("CUDA_VISIBLE_DEVICES" in other["what"] for other in found["box"]["unusable"])
    if device == "cpu":
        assert "CUDA_VISIBLE_DEVICES" in found["box"]["gpu_problem"]


def test_a_slice_is_seen_by_its_uuid(on_box):
    found = on_box("a100_mig", visible="MIG-a1000000-aaaa-0000-0000-000000000001")
    assert found["device"] == "gpu0.0"
    assert on_box("a100_mig", visible="0")["device"] == "gpu0.0"  # CUDA's number 0: the first slice


def test_the_best_of_equals_is_the_first():
    gpus = [Gpu(place, "A", 10, free, None, None, None) for place, free in enumerate((5, 9, 9))]
    found = best(gpus)
    assert found is not None
    assert found.index == 1
    assert best([]) is None
    assert seen(gpus, "2,2,0") == (gpus[2], gpus[0])


def test_reading_the_box_is_fast():
    machine.read()
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        machine.read()
        times.append(time.perf_counter() - begun)
    if not machine.read().gpus:
        assert min(times) < 0.03


def test_reading_the_box_loads_nothing_heavy():
    code = (
        "import sys\nfrom engine.base.doctor import box\n"
        "from engine.base.hardware import machine\nmachine.read()\n"
        "print(sorted({'torch', 'numpy', 'transformers', 'yaml.cyaml'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert "torch" not in done.stdout
    assert "numpy" not in done.stdout

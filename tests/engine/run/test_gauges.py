"""What a board shows while a run trains: the real pynvml asks a library of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from engine.run.heat import Heat, cause

BOARD = """driver 550.54.14
cuda 12040
gpu
name NVIDIA GeForce RTX 4090
{told}
"""
TOLD = (
    *("utilisation 97", "temperature 71", "power 300000"),
    *("slowdown_at 90", "reasons 4", "energy 5000"),
)
# Reads, lets the box become what `after.txt` says, and reads again.
LOOK = """
import json, os, shutil, sys, time
from engine.run.gauges import Gauges
gauges = Gauges(sys.argv[1], period=float(sys.argv[2]))
first = gauges.read()
said = {"read": first, "reasons": gauges.reasons, "slowdown_at": gauges.slowdown_at}
if os.path.exists("after.txt"):
    shutil.copy("after.txt", os.environ["NVML_BOX"])
    import pynvml
    pynvml.nvmlInit()
time.sleep(0.2)
print(json.dumps({**said, "again": gauges.read(), "joules": gauges.joules()}))
"""


@pytest.fixture
def gauges(nvml_library, tmp_path):
    def look(before=TOLD, after=None, *, device="gpu0", driver="new", box=BOARD, period=0.0):
        (tmp_path / "box.txt").write_text(box.format(told="\n".join(before)), encoding="utf-8")
        if after is not None:
            (tmp_path / "after.txt").write_text(box.format(told="\n".join(after)), encoding="utf-8")
        places = {
            "NVML_BOX": str(tmp_path / "box.txt"),
            "LD_LIBRARY_PATH": str(nvml_library[driver]),
        }
        done = subprocess.run(
            [sys.executable, "-P", "-c", LOOK, device, str(period)],
            env={**os.environ, **places},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return look


@pytest.mark.parametrize("driver", ["new", "old"])
def test_a_board_tells_our_series_and_counts_its_energy(gauges, driver):
    after = (*TOLD[1:5], "utilisation 50", "energy 12500")
    found = gauges(after=after, driver=driver)
    told = {"gpu_utilisation": 0.97, "gpu_temperature": 71.0, "gpu_watts": 300.0}
    assert found["read"] == told
    assert found["again"] == {**told, "gpu_utilisation": 0.5}
    assert (found["reasons"], found["slowdown_at"]) == (4, 90)
    assert found["joules"] == 7.5


def test_a_young_reading_is_not_asked_for_again(gauges):
    found = gauges(period=60.0)
    assert found["read"]["gpu_watts"] == 300.0
    assert found["again"] == {}


def test_without_a_counter_the_power_is_summed_up(gauges):
    found = gauges(before=TOLD[:5])
    assert 300 * 0.2 <= found["joules"] < 300 * 2.0


def test_what_a_board_does_not_tell_is_left_out(gauges):
    found = gauges(before=("temperature 50", "error nvmlDeviceGetPowerUsage 4"))
    assert found["read"] == {"gpu_temperature": 50.0}
    assert (found["joules"], found["slowdown_at"], found["reasons"]) == (None, None, 0)


def test_a_board_that_falls_off_the_bus_tells_nothing_and_raises_nothing(gauges):
    found = gauges(after=(*TOLD, "lost_after 0"))
    assert found["read"]["gpu_watts"] == 300.0
    assert found["again"] == {}
    assert found["joules"] is None


def test_a_slice_has_its_boards_temperature_but_no_power_of_its_own(gauges):
    found = gauges(before=(*TOLD, "mig 1 7", "slice 0", "name MIG 3g.20gb"), device="gpu0.0")
    assert found["read"] == {"gpu_temperature": 71.0}
    assert found["joules"] is None


@pytest.mark.parametrize(
    ("device", "box"),
    [("cpu", BOARD), ("gpu3", BOARD), ("gpu0", "error nvmlInitWithFlags 9\n")],
)
def test_without_a_board_there_is_nothing_to_read(gauges, device, box):
    found = gauges(device=device, box=box)
    assert found["read"] == found["again"] == {}
    assert found["joules"] is None


def test_a_hot_board_is_said_once_and_only_when_it_stays_hot():
    heat = Heat(90)
    said = [heat.seen(celsius, 0) for celsius in (88, 88, 88, 88, 86, 88, 88, 88, 88)]
    assert not any(said)
    (text,) = heat.seen(87, 0)
    assert text.startswith("The board is hot: 87 °C, and it slows itself down at 90 °C.")
    assert "nvidia-smi -pl" in text
    assert not any(heat.seen(89, 0) for _ in range(20))


@pytest.mark.parametrize(
    ("bits", "word"), [(0x20, "heat"), (0x40, "heat"), (0x80, "supply"), (0x08, "hardware")]
)
def test_a_board_that_is_slowed_down_is_said_once(bits, word):
    heat = Heat(None)
    said = [text for _ in range(20) for text in heat.seen(60, bits | 0x04)]
    assert len(said) == 1
    assert said[0].startswith("The board is slowed down ")
    assert word in said[0]


@pytest.mark.parametrize("bits", [0, 0x01, 0x02, 0x04, 0x10, 0x100])
def test_a_power_cap_idling_and_chosen_clocks_are_normal(bits):
    assert cause(bits) == ""
    heat = Heat(90)
    assert not any(heat.seen(60, bits) for _ in range(20))


def test_a_board_that_does_not_tell_its_limit_is_never_called_hot():
    heat = Heat(None)
    assert not any(heat.seen(120, 0) for _ in range(20))
    assert not any(Heat(90).seen(None, 0) for _ in range(20))


def test_a_resumed_run_does_not_repeat_what_was_said():
    said = [text for heat in [Heat(90)] for _ in range(5) for text in heat.seen(89, 0x40)]
    assert len(said) == 2
    again = Heat(90, said)
    assert not any(again.seen(89, 0x40) for _ in range(20))

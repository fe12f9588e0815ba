"""The GPU suite rehearsed on a CPU: the same code with two narrow layers."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.gpu_check import __main__ as suite
from benchmarks.gpu_check import gauges, measure, page, parts, random_model
from engine.base.hardware.gpu import Gpu

ROOT = Path(__file__).resolve().parents[2]
MARKED = "# GPU\n\nBefore.\n<!-- rehearsed -->\nold\n<!-- end of rehearsed -->\nAfter.\n"


@pytest.fixture
def rehearse(tmp_path, monkeypatch):
    """Carry a part out in this process, with tiny dimensions."""
    from engine.run import base_model

    monkeypatch.setattr(base_model, "AutoModelForCausalLM", base_model.AutoModelForCausalLM)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def carry_out(name):
        (part,) = (part for part in parts.PARTS if part.name == name)
        part = parts.tiny(part)
        random_model.describe(part.model, parts.TINY, tmp_path / "model")
        return measure._KINDS[part.kind](part, tmp_path)

    return carry_out


def test_the_whole_way_from_the_command_to_the_page(tmp_path):
    file = tmp_path / "gpu.md"
    file.write_text(MARKED)
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-m",
            "benchmarks.gpu_check",
            "--device",
            "cpu",
            "--tiny",
            "--only",
            "sft-qlora 8B",
            "--write",
            str(file),
        ],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = file.read_text()
    assert text.startswith("# GPU\n\nBefore.\n<!-- rehearsed -->\n- ")
    assert text.endswith("<!-- end of rehearsed -->\nAfter.\n")
    assert "| sft-qlora 8B | 2 x 64 | no |" in text
    assert "old" not in text
    assert not list(tmp_path.glob("gpu-check-*"))  # nothing is left on the disk


@pytest.mark.parametrize(
    "name",
    ["sft-full 0.5B", "TRL alone 0.5B", pytest.param("dpo-lora 3B", marks=pytest.mark.slow)],
)
def test_a_training_is_measured(rehearse, name):
    result = rehearse(name)
    assert result["batch"] == 2
    assert result["tokens_per_second"] > 0
    assert 0 < result["utilisation"] < 1
    assert result["loss"] == pytest.approx(math.log(2 if name.startswith("dpo") else 2048), abs=0.3)
    assert result["predicted_bytes"] > 0
    assert result["checkpointing"] == name.startswith("TRL")  # TRL's default


def test_a_resumed_training_has_the_bytes_of_an_undisturbed_one(rehearse, monkeypatch):
    monkeypatch.setattr(measure, "_RESUME_STEPS", 4)
    monkeypatch.setattr(measure, "_RESUME_AT", 2)
    result = rehearse("resume 0.5B")
    for other in ("resumed", "again"):
        assert result[other]["same_bytes"]
        assert result[other]["apart"] == 0.0
    assert result["resumed"]["largest"] > 0


def test_a_part_too_big_is_made_smaller_and_then_left_out(tmp_path, monkeypatch):
    part = replace(parts.tiny(parts.PARTS[0]), batch=4)
    random_model.describe(part.model, parts.TINY, tmp_path / "model")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    whole = measure._plan(part, tmp_path, 4, {}).peak_bytes
    half = measure._plan(part, tmp_path, 2, {}).peak_bytes
    machine = measure.devices.choose(measure.machine.read())
    free = (whole + half) / 2 / measure._FREE_SHARE
    monkeypatch.setattr(measure.devices, "choose", lambda _: replace(machine, free=int(free)))
    assert measure._fitting(part, tmp_path)["micro_batch"] == 2
    monkeypatch.setattr(measure.devices, "choose", lambda _: replace(machine, free=10**8))
    with pytest.raises(measure.Unfit, match="GB are free"):
        measure._fitting(part, tmp_path)


def test_a_part_that_fails_or_takes_too_long_ends_nothing_else(tmp_path):
    broken = replace(parts.tiny(parts.PARTS[0]), recipe="sft-nothing")
    result = suite._run(broken, dict(parts.TINY), {"CUDA_VISIBLE_DEVICES": ""}, 60)
    assert "There is no recipe sft-nothing" in result["failed"]
    result = suite._run(parts.PARTS[0], {}, {"CUDA_VISIBLE_DEVICES": ""}, 0.05)
    assert result == {"failed": "it took longer than 0 s"}


def test_a_missing_package_and_a_spent_time_are_told(monkeypatch):
    (part,) = (part for part in parts.PARTS if part.name == "sft-qlora 8B")
    assert suite._result(part, {}, 5.0, tiny=True) == {"skipped": "the time was up"}
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    told = suite._result(part, {}, 500.0, tiny=True)
    assert told == {"skipped": "bitsandbytes is not installed"}


def test_the_table_has_predicted_beside_measured_and_says_what_was_left_out():
    trained = {
        "batch": 4,
        "length": 1024,
        "checkpointing": False,
        "tokens_per_second": 12345.6,
        "utilisation": 0.412,
        "predicted_bytes": 22e9,
        "measured_bytes": 19e9,
        "predicted_tensors": 20e9,
        "reserved_bytes": 21e9,
        "gauges": {"nvml_bytes": 20e9, "busy": 99, "watts": 287.4, "degrees": None},
    }
    resumed = {"same_bytes": False, "apart": 1.5e-4, "largest": 0.05}
    found = [
        ("sft-lora 3B", trained),
        ("resume 0.5B", {"resumed": resumed, "again": {**resumed, "same_bytes": True}, "steps": 8}),
        ("sft-lora 8B", {"skipped": "needs 20.0 GB, and 10.0 GB are free"}),
        ("TRL alone 3B", {"failed": "out of memory"}),
    ]
    text = page.page(["a box"], found)
    assert (
        "| sft-lora 3B | 4 x 1024 | no | 12,346 | 41.2% | 22.00 GB | 20.00 GB | +10% | 20.00 GB "
        "| 19.00 GB | +5% | 21.00 GB | 99 % | 287 | - |" in text
    )
    assert "numbers up to 0.00015 away from an undisturbed one" in text
    assert "- Left out: sft-lora 8B: needs 20.0 GB, and 10.0 GB are free." in text
    assert "- Failed: TRL alone 3B: out of memory." in text
    head, rule, row = (line for line in text.splitlines() if line.startswith("|"))
    assert head.count("|") == rule.count("|") == row.count("|")


def test_gauges_say_the_most_and_the_usual():
    before = Gpu(0, "A100", 80 * 10**9, 79 * 10**9, 0, 30, 60.0)
    seen = [
        replace(before, free=60 * 10**9, utilisation=90, temperature=50, watts=250.0),
        replace(before, free=50 * 10**9, utilisation=100, temperature=61, watts=None),
        replace(before, free=55 * 10**9, utilisation=None, temperature=60, watts=290.0),
    ]
    told = gauges.summary(before, seen)
    assert told["nvml_bytes"] == 29 * 10**9
    assert (told["busy"], told["watts"], told["degrees"]) == (100, 270.0, 61)
    assert gauges.summary(None, seen) == gauges.summary(before, []) == {}


def test_the_page_in_the_docs_has_its_marks(tmp_path):
    copy = tmp_path / "gpu.md"
    for mark in ("measured", "rehearsed"):
        copy.write_text((ROOT / "docs" / "gpu.md").read_text())
        page.write(copy, mark, "- new\n")
        assert f"<!-- {mark} -->\n- new\n<!-- end of {mark} -->" in copy.read_text()


def test_no_gpu_is_told_in_words(monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert suite.main([]) == 1
    assert "No GPU to check" in capsys.readouterr().out
    assert json.dumps(parts.TINY)

"""The page of launches shows what the program writes."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from engine.plan import plan as plans
from engine.run.bundle import submission
from engine.run.bundle.machines import Machines

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "launch.md").read_text()
SLURM = Machines("slurm", nodes=2, gpus=4, gpu="A100 80GB")
SHOWN = {
    "bash": ("job.sbatch", SLURM),
    "yaml": (
        "task.yaml",
        replace(SLURM, launcher="skypilot", nodes=1, gpus=1, bucket="s3://my-bucket"),
    ),
    "python": ("submit_ray.py", replace(SLURM, launcher="ray", nodes=1)),
}


@pytest.mark.parametrize("language", SHOWN)
def test_every_shown_line_is_written_in_this_order(written, bench, tmp_path, language):
    file, machines = SHOWN[language]
    submission.write(tmp_path, written.label, plans.load(bench.store, 1), machines, "desk")
    lines = iter((tmp_path / file).read_text().splitlines())
    [block] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    for shown in block.splitlines():
        assert shown in lines, shown


def test_every_file_of_a_bundle_is_explained(written):
    for path in written.folder.iterdir():
        name = path.name + ("/" if path.is_dir() else "")
        assert f"`{name}`" in PAGE or path.name in ("submit_ray.py", "runs"), name

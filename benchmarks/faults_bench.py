"""What `faults.py` harms: a workspace, short real trainings in it, and how two of them compare.

Everything goes through the ordinary command line; the store is only read.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.base import jobs, project
from engine.base.model import EMBEDDED, locate
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Row, Store
from engine.plan.setting import SETTINGS
from engine.run import checkpoints, launch, metrics
from engine.run.checkpoints import MANIFEST

PROGRAM = str(Path(sys.executable).with_name("tunesmith"))
WORDS = (
    "order",
    "late",
    "parcel",
    "refund",
    "invoice",
    "the",
    "a",
    "is",
    "was",
    "broken",
    "where",
    "my",
    "card",
    "door",
    "sent",
    "today",
)
# no two trainings agree on these
CLOCKED = {"tokens_per_second", "memory_bytes", "seconds_left", "seconds_left_error"}
NARROW = "narrow"
SHORT = {
    "max_steps": 40,
    "micro_batch": 4,
    "accumulation": 2,
    "lora_rank": 8,
    "lora_dropout": 0.05,
    "checkpoint_every": 4,
    "validate_every": 16,
    "keep_checkpoints": 3,
    "max_length": 256,
}
FEW = {**SHORT, "max_steps": 16, "micro_batch": 2, "accumulation": 1, "checkpoint_every": 3}
PAIRS = {**FEW, "max_steps": 24, "max_length": 96}


@dataclass(frozen=True)
class Case:
    """A kind of training: its recipe, base model and settings, and its share of the kills."""

    name: str
    recipe: str
    settings: dict[str, Any]
    share: float
    model: str = NARROW


def cases() -> list[Case]:
    """Return the kinds of training, packed ones among them where this version can pack."""
    nf4 = {**SHORT, "quantization": "nf4"}
    found = [
        Case("LoRA", "sft-lora", SHORT, 3),
        Case("QLoRA", "sft-lora", nf4, 2),
        Case("DPO", "dpo-lora", PAIRS, 2),
        Case("LoRA, SmolLM2-135M", "sft-lora", FEW, 1, EMBEDDED),
    ]
    if "packing" in SETTINGS:
        found += [
            Case("LoRA, packed", "sft-lora", {**SHORT, "packing": True}, 2),
            Case("QLoRA, packed", "sft-lora", {**nf4, "packing": True}, 2),
        ]
    return found


class Bench:
    """A workspace with a project for each kind of rows and model.

    Args:
        folder: Where projects and models are.
        workspace: The folder of `runs.db`; by default in `folder`.
    """

    def __init__(self, folder: Path, workspace: Path | None = None) -> None:
        self.folder = folder
        self.workspace = workspace or folder / "workspace"
        self.workspace.mkdir(parents=True, exist_ok=True)
        self.store = Store(self.workspace)

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the program as a user does."""
        return subprocess.run(
            [PROGRAM, "--workspace", str(self.workspace), *words],
            capture_output=True,
            text=True,
            check=False,
        )

    def told(self, *words: str) -> Any:
        """Return what the program answers in JSON; end the benchmark where it fails."""
        done = self.call(*words, "--json")
        if done.returncode:
            sys.exit(f"tunesmith {' '.join(words)}: {done.stderr or done.stdout}")
        return json.loads(done.stdout)

    def reference(self, case: Case) -> Row:
        """Return the run of a case that nobody disturbed; train it where there is none yet."""
        place = self._project(case)
        name = f"undisturbed {case.name}"
        found = self.store.row(
            "SELECT id FROM runs WHERE name = ? AND ended IS NOT NULL ORDER BY id", (name,)
        )
        if found is None:
            values = [word for key, value in case.settings.items() for word in _set(key, value)]
            began = self.told(
                "train", "--project", str(place), "--only", "--name", name,
                "--recipe", case.recipe, *values, "--accept", "a benchmark",
            )  # fmt: skip
            job = self.wait(began["job"])
            if job["state"] != "done":
                sys.exit(f"The undisturbed training failed: {job['error']} {job['fix']}")
            found = {"id": began["run"]}
        return launch.get(self.store, found["id"])

    def train(self, case: Case, name: str) -> tuple[int, int]:
        """Start another training of a case's plan; return the run's and the job's id."""
        plan = self.reference(case)["plan_id"]
        began = self.told(
            "train", "--project", str(self._project(case)), "--only", "--name", name,
            "--plan", str(plan), "--accept", "a benchmark",
        )  # fmt: skip
        return began["run"], began["job"]

    def resume(self, job: int) -> None:
        """Go on with a job, as the message said."""
        self.told("resume", str(job))

    def wait(self, job: int, seconds: float = 400) -> Row:
        """Wait until a job has ended; return its row."""
        end = time.monotonic() + seconds
        while (row := jobs.get(self.store, job))["state"] in jobs.OPEN:
            if time.monotonic() > end:
                sys.exit(f"Job {job} did not end in {seconds:.0f} s: {row['note']}")
            time.sleep(0.05)
        return row

    def poll(self, job: int, seconds: float = 400, pause: float = 0.02) -> Iterator[None]:
        """Go round while a job is at work."""
        end = time.monotonic() + seconds
        asked = 0.0
        while time.monotonic() < end:
            if time.monotonic() - asked > 0.3:
                if jobs.get(self.store, job)["state"] not in jobs.OPEN:
                    return
                asked = time.monotonic()
            yield
            time.sleep(pause)

    def seen(self, job: int) -> dict[str, Any]:
        """Return a job as `tunesmith jobs` shows it, with what its table says to people."""
        listed = next(row for row in self.told("jobs", "--all") if row["id"] == job)
        return {**listed, "table": self.call("jobs", "--all").stdout}

    def step(self, run: int) -> int:
        """Return the last step of a run that has a point."""
        found = self.store.scalar(
            "SELECT max(step) FROM points JOIN series ON series.id = series_id WHERE run_id = ?",
            (run,),
        )
        return found or 0

    def saves(self, run: int) -> Path:
        """Return the folder of a run's checkpoints."""
        return launch.folder(self.store, run) / "checkpoints"

    def log(self, job: int, after: int = 0) -> list[str]:
        """Return the lines of a job's log after one."""
        rows = self.store.rows(
            "SELECT text FROM job_log WHERE job_id = ? AND id > ? ORDER BY id", (job, after)
        )
        return [row["text"] for row in rows]

    def logged(self, job: int) -> int:
        """Return the number of a job's last line."""
        return self.store.scalar("SELECT max(id) FROM job_log WHERE job_id = ?", (job,)) or 0

    def differences(self, run: int, reference: int) -> list[str]:
        """Say in what a run differs from another of the same plan; empty when it is equal.

        One whose pieces got smaller on the way adds numbers in another order: its losses are
        compared within a hundredth, its bytes not.
        """
        one, other = launch.get(self.store, run), launch.get(self.store, reference)
        if self.store.scalar("SELECT count(*) FROM run_changes WHERE run_id = ?", (run,)):
            return self._nearly(run, reference)
        found = [
            f"{key} {one[key]}, not {other[key]}"
            for key in ("adapter_sha256", "tokens", "step", "steps")
            if one[key] != other[key] or one[key] is None
        ]
        names = metrics.series_names(self.store, run)
        if names != metrics.series_names(self.store, reference):
            return [*found, "other series"]
        for name in names:
            pair = [metrics.tail(self.store, number, name, 0) for number in (run, reference)]
            if name in CLOCKED:
                pair = [[point.step for point in points] for points in pair]
            if pair[0] != pair[1]:
                found.append(f"points of {name}")
        files = [_names(launch.folder(self.store, number)) for number in (run, reference)]
        if files[0] != files[1]:
            found.append(f"files {sorted(files[0] ^ files[1])[:4]}")
        return found

    def _nearly(self, run: int, reference: int) -> list[str]:
        pair = [metrics.tail(self.store, number, "loss", 0) for number in (run, reference)]
        if [point.step for point in pair[0]] != [point.step for point in pair[1]]:
            return ["other steps"]
        apart = max(
            abs(one.value - other.value) / max(abs(other.value), 0.1)
            for one, other in zip(*pair, strict=True)
        )
        return [f"losses {apart:.1%} apart"] if apart > 0.01 else []

    def _project(self, case: Case) -> Path:
        form = "pairs" if case.recipe.startswith("dpo") else "answers"
        place = self.folder / f"{form}-{case.model.rpartition('/')[2]}"
        if not (place / "project.yaml").is_file():
            place.mkdir(parents=True, exist_ok=True)
            _write_rows(place / "rows.jsonl", form)
            described = Project(
                name=place.name,
                base_model=case.model if case.model != NARROW else str(narrow(self.folder)),
                recipe=case.recipe,
                objective=Objective(
                    instruction="Answer.", prompt="Answer.", output="text", fields=()
                ),
                data=DataSettings(sources=("rows.jsonl",)),
            )
            project.save(described, place)
        if not self.store.scalar("SELECT 1 FROM projects WHERE path = ?", (str(place),)):
            done = self.call("data", "build", "--project", str(place), "--accept", "a benchmark")
            if done.returncode:
                sys.exit(f"The rows were not taken: {done.stderr or done.stdout}")
        return place


def narrow(folder: Path) -> Path:
    """Return a random Llama of three narrow layers with the embedded model's tokenizer."""
    target = (folder / "models" / NARROW).resolve()
    if target.is_dir():
        return target
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    source = locate(EMBEDDED)
    tokenizer = AutoTokenizer.from_pretrained(source)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=128,
        intermediate_size=320,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        initializer_range=0.1,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    target.mkdir(parents=True)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(target)
    for file in source.glob("tokenizer*"):
        shutil.copyfile(file, target / file.name)
    return target


def unfinished(folder: Path) -> dict[int, list[str]]:
    """Return the checkpoints that have no manifest yet, by step, each with its files."""
    found = {}
    for place in folder.glob("checkpoint-*"):
        try:
            names = sorted(file.name for file in place.iterdir())
        except OSError:  # it was being pruned
            continue
        if MANIFEST not in names:
            found[int(place.name[11:])] = names
    return found


def valid(folder: Path) -> list[int]:
    """Return the steps whose checkpoints are complete, oldest first."""
    complete = (place.parent for place in folder.glob(f"checkpoint-*/{MANIFEST}"))
    return sorted(int(place.name[11:]) for place in complete)


def size(folder: Path, step: int) -> int:
    """Return the bytes of a checkpoint."""
    return sum(file.stat().st_size for file in checkpoints.path(folder, step).iterdir())


def _names(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*")}


def _set(key: str, value: Any) -> tuple[str, str]:
    return "--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}"


def _write_rows(path: Path, form: str) -> None:
    """Write rows of mixed lengths, no two alike."""
    chance = random.Random(f"rows {form}")
    with path.open("w", encoding="utf-8") as out:
        for number in range(240):
            length = min(160, max(8, round(chance.lognormvariate(3.4, 0.7))))
            text = [f"{chance.choice(WORDS)}{chance.randint(0, 99)}" for _ in range(length)]
            cut = max(3, length // 3)
            asked, said = " ".join([f"Case {number}:", *text[cut:]]), " ".join(text[:cut])
            row = {"prompt": asked, "completion": said}
            if form == "pairs":
                row = {"prompt": asked, "chosen": said, "rejected": " ".join(text[:cut][::-1])}
            out.write(json.dumps(row) + "\n")

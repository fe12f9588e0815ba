"""The measuring fit gate against real trainings: memory under a limit, and predicted wall time.

    python benchmarks/fit_gate.py memory FOLDER --limit 2.5 [--from 0 --to 20] [--kind data]
    python benchmarks/fit_gate.py time FOLDER [--from 0 --to 5]
    python benchmarks/fit_gate.py table FOLDER

`memory`: random configurations (model, method, rows' length, batch, rank, dropout, recomputing)
under a limit of this process that its jobs inherit: `data` is `ulimit -d`, `space` is `ulimit -v`.
Each is measured by the fit gate, which may change it, and what passed is trained for a while under
the same limit. It must never run out of memory. `time`: the gate's predicted wall time against that
of the whole run. Models have random weights of the sizes below and the embedded model's tokenizer;
rows are made up. FOLDER keeps the results, so a long list can be done in slices.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.base import files, jobs, project
from engine.base.model import EMBEDDED, locate
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Store
from engine.base.work import register
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Row, make, to_json
from engine.plan import plan as plans
from engine.plan.plan import Plan
from engine.plan.recipe import FORMS, Value
from engine.run import launch
from engine.run.examples import IGNORED, tokenise
from engine.run.fit import measured

KINDS = {"data": resource.RLIMIT_DATA, "space": resource.RLIMIT_AS}
MODELS = {  # hidden, layers, heads: 27, 51 and 111 million weights with the vocabulary of 49,152
    "small": (384, 6, 6),
    "middle": (576, 8, 9),
    "large": (768, 12, 12),
}
SHORT = ("sft-lora", "sft-full", "cpt-lora", "dpo-lora", "kto-lora", "orpo-lora")
WORDS = ["order", "late", "parcel", "refund", "invoice", "the", "a", "is", "was", "broken"]


def main() -> int:
    """Do one slice, or print the table of all that is done."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("what", choices=("memory", "time", "table"))
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--from", dest="first", type=int, default=0)
    arguments.add_argument("--to", dest="last", type=int, default=20)
    arguments.add_argument("--limit", type=float, default=2.5, help="GB")
    arguments.add_argument("--kind", choices=KINDS, default="data")
    arguments.add_argument("--steps", type=int, default=12, help="of a training in `memory`")
    arguments.add_argument("--model", default="", help="train this one in all of `time`")
    options = arguments.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.what == "table":
        return table(options.folder)
    if options.what == "memory":
        limit = int(options.limit * 1e9)
        resource.setrlimit(KINDS[options.kind], (limit, limit))
    for number in range(options.first, options.last):
        config = drawn(number, options.steps) if options.what == "memory" else timed(number)
        if options.model:
            config["model"] = options.model
        result = one(options.folder, f"{options.what}-{number}", config)
        with (options.folder / f"{options.what}.jsonl").open("a") as out:
            out.write(json.dumps({"number": number, "limit": options.limit, **result}) + "\n")
        print(json.dumps(result), flush=True)
    return 0


def drawn(number: int, steps: int) -> dict[str, Any]:
    """Return a random configuration for `memory`."""
    chance = random.Random(f"memory {number}")
    recipe = chance.choice(SHORT)
    full = recipe.endswith("full")
    length = chance.choice((64, 128, 256, 384, 512, 768))
    return {
        "model": chance.choice(("small", "middle") if full else tuple(MODELS)),
        "recipe": recipe,
        "length": length,
        "rows": chance.randint(60, 120),
        "settings": {
            "micro_batch": chance.choice((2, 4, 8, 16)),
            "accumulation": chance.choice((1, 2)),
            "gradient_checkpointing": chance.random() < 0.25,
            "max_steps": steps,
            "max_length": length + 64,
            "validate_every": max(1, steps // 2),
            "checkpoint_every": max(1, steps // 2),
            **(
                {}
                if full
                else {
                    "lora_rank": chance.choice((4, 8, 16, 32, 64)),
                    "lora_dropout": chance.choice((0.0, 0.05)),
                }
            ),
        },
    }


def timed(number: int) -> dict[str, Any]:
    """Return a configuration for `time`: unlike ones, long enough to be worth predicting."""
    chance = random.Random(f"time {number}")
    recipe, model, length, batch, rows = (
        ("sft-lora", "middle", 256, 8, 500),
        ("sft-lora", "large", 128, 4, 400),
        ("sft-full", "small", 192, 8, 480),
        ("dpo-lora", "small", 160, 4, 240),
        ("sft-lora", "small", 512, 4, 300),
    )[number % 5]
    return {
        "model": model,
        "recipe": recipe,
        "length": length,
        "rows": rows + chance.randint(0, 20),
        "settings": {
            "micro_batch": batch,
            "accumulation": 1 + number % 2,
            "epochs": 1,
            "max_length": 1024,
        },
    }


def one(folder: Path, name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Measure a configuration with the fit gate, train what it found, and compare."""
    place = Place(folder / name, config)
    try:
        return place.result()
    finally:
        place.store.close()


class Place:
    """A workspace with one project, one dataset and a plan.

    Args:
        folder: Where; the configuration's own.
        config: What to measure.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.config = config
        self.folder = folder / f"{time.time_ns()}"
        self.folder.mkdir(parents=True)
        described = Project(
            name="bench",
            base_model=_model(folder.parent, config["model"]),
            recipe=config["recipe"],
            objective=Objective(instruction="Answer.", prompt="Answer.", output="text", fields=()),
            data=DataSettings(sources=("rows.jsonl",)),
        )
        project.save(described, self.folder)
        self.project = described
        self.store = Store(self.folder)
        self.project_id = register(self.store, self.folder, described)
        _dataset(self.store, self.project_id, described, config)

    def result(self) -> dict[str, Any]:
        """Return what the gate found and what the run took."""
        asked = self.asked()
        began = time.monotonic()
        job = self.wait(jobs.submit(self.store, "fit", self.folder, {"plan_id": asked.id}))
        found = {"config": self.config, "gate_seconds": round(time.monotonic() - began, 1)}
        if job["state"] != "done":
            return {**found, "gate": "error", "error": job["error"], "fix": job["fix"]}
        outcome = measured.outcome(self.store, job["id"])
        found |= {
            "gate": outcome.plan.gate.result,
            "reasons": outcome.plan.gate.reasons,
            "attempts": [
                (row["change"], row["result"], row["predicted_peak_bytes"], row["peak_bytes"])
                for row in outcome.attempts
            ],
        }
        if not outcome.fits:
            return found
        return {**found, **self.trained(outcome.plan)}

    def asked(self) -> Plan:
        """Return the saved plan; its settings are free for the gate to change."""
        plan = plans.propose(self.store, self.project, "bench", self.config["settings"])
        free = {key: Value(value.value, "Drawn.") for key, value in plan.values.items()}
        for key, value in self.config["settings"].items():
            if key in ("micro_batch", "accumulation", "gradient_checkpointing"):
                free[key] = Value(value, "Drawn.")  # where the plan was bent already
        return plans.save(self.store, self.project_id, replace(plan, values=free))

    def trained(self, plan: Plan) -> dict[str, Any]:
        """Train a plan; return how it ended and what it took."""
        run, job_id = launch.submit(
            self.store, self.folder, self.project_id, self.project, plan, then=()
        )
        job = self.wait(job_id)
        row = launch.get(self.store, run)
        took = self.store.scalar(
            "SELECT measured FROM predictions WHERE run_id = ? AND quantity = 'seconds'", (run,)
        )
        return {
            "run": job["state"],
            "error": job["error"],
            "predicted": {"peak_bytes": plan.peak_bytes, "seconds": plan.seconds},
            "real": {
                "peak_bytes": row["peak_bytes"],
                "seconds": took,
                "job": (job["ended"] or 0) - (job["started"] or 0),
                "steps": row["step"],
                "tokens_per_second": row["tokens"] / row["seconds"] if row["seconds"] else None,
            },
            "speed": plan["tokens_per_second"],
            "probe": dict(
                self.store.row("SELECT * FROM probes WHERE plan_id = ?", (plan.id,)) or {}
            ),
        }

    def wait(self, job_id: int) -> Any:
        """Wait until a job has ended; return its row."""
        while (job := jobs.get(self.store, job_id))["state"] in jobs.OPEN:
            time.sleep(0.1)
        return job


def table(folder: Path) -> int:
    """Print what was found so far."""
    for name in ("memory", "time"):
        file = folder / f"{name}.jsonl"
        if not file.is_file():
            continue
        results = {row["number"]: row for row in map(json.loads, file.read_text().splitlines())}
        print(f"\n{name}\n")
        (_memory if name == "memory" else _time)([results[key] for key in sorted(results)])
    return 0


def _memory(results: list[dict[str, Any]]) -> None:
    print(
        "|  | method | model | length | micro x acc | gate | changed | peak probe | run | ended |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in results:
        config, settings = row["config"], row["config"]["settings"]
        change = row.get("attempts", [("", "", 0, 0)])[-1][0] or "-"
        peak, real = row.get("predicted", {}), row.get("real", {})
        print(
            f"| {row['number']} | {config['recipe']} | {config['model']} | {config['length']} "
            f"| {settings['micro_batch']} x {settings['accumulation']} | {row['gate']} "
            f"| {change if 'run' in row else '-'} | {peak.get('peak_bytes', 0) / 1e9:.2f} "
            f"| {real.get('peak_bytes', 0) / 1e9:.2f} | {row.get('run', '-')} |"
        )
    passed = [row for row in results if "run" in row]
    ended = sum(row["run"] == "done" for row in passed)
    print(
        f"\n{len(results)} configurations, {len(passed)} passed, {ended} of these ran to the end."
    )


def _time(results: list[dict[str, Any]]) -> None:
    print("| method | model | rows | predicted s | real s | error | gate took |")
    print("|---|---|---|---|---|---|---|")
    for row in (row for row in results if "real" in row):
        config, predicted, real = row["config"], row["predicted"], row["real"]
        error = predicted["seconds"] / real["seconds"] - 1
        print(
            f"| {config['recipe']} | {config['model']} | {config['rows']} "
            f"| {predicted['seconds']:.1f} | {real['seconds']:.1f} | {error:+.1%} "
            f"| {row['gate_seconds']:.0f} s |"
        )


def _model(folder: Path, name: str) -> str:
    """Return the name of a base model; make one with random weights where it is not there yet."""
    if name not in MODELS:
        return name
    target = (folder / "models" / name).resolve()
    if target.is_dir():
        return str(target)
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    hidden, layers, heads = MODELS[name]
    source = locate(EMBEDDED)
    tokenizer = AutoTokenizer.from_pretrained(source)
    torch.manual_seed(1)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=49152,
            hidden_size=hidden,
            intermediate_size=hidden * 8 // 3,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads // 3,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    ).to(torch.bfloat16)
    with files.atomic(target) as temporary:
        model.save_pretrained(temporary)
        for file in source.glob("tokenizer*"):
            (temporary / file.name).write_bytes(file.read_bytes())
    return str(target)


def _dataset(store: Store, project_id: int, described: Project, config: dict[str, Any]) -> None:
    trainer = config["recipe"].split("-")[0]
    rows = [_row(number, config, FORMS[trainer]) for number in range(config["rows"])]
    held = max(4, len(rows) // 8)
    splits = {"train": rows[held:], "validation": rows[:held], "test": [], "golden": []}
    folder = store.workspace / "datasets" / "bench"
    folder.mkdir(parents=True)
    for name, part in splits.items():
        (folder / f"{name}.jsonl").write_text("".join(to_json(row) + "\n" for row in part))
    (folder / "manifest.json").write_text("{}")
    template = ChatTemplate.load(locate(described.base_model))
    found = tokenise(template, described.objective.instruction, splits["train"], 4096, trainer)
    labels = (label for row in found.rows for label in row.get("labels", ()))
    store.insert(
        "datasets",
        {
            "id": "bench",
            "project_id": project_id,
            "path": "datasets/bench",
            "rows_read": len(rows),
            "rows_kept": len(rows),
            **{name: len(part) for name, part in splits.items()},
            "tokens_train": sum(found.lengths),
            "tokens_longest": max(found.lengths),
            "tokens_answers": sum(label != IGNORED for label in labels),
            "form": FORMS[trainer],
            "created": time.time(),
        },
    )


def _row(number: int, config: dict[str, Any], form: str) -> Row:
    """A made-up row: mostly short ones, some long, as real data has them."""
    chance = random.Random(f"row {number} {config['length']}")
    length = max(
        12, min(config["length"], round(config["length"] * chance.lognormvariate(-1.1, 0.5)))
    )
    text = [chance.choice(WORDS) for _ in range(length)]
    answer = max(4, round(length * chance.uniform(0.1, 0.5)))
    asked, said = " ".join(text[answer:]), " ".join(text[:answer])
    if form == "text":
        return make("", f"{said} {asked}", source=f"rows.jsonl:{number}", form="text")
    rejected = " ".join(reversed(said.split())) if form == "preference" else ""
    label = number % 3 > 0 if form == "feedback" else True
    return make(
        asked, said, source=f"rows.jsonl:{number}", form=form, rejected=rejected, label=label
    )


if __name__ == "__main__":
    sys.exit(main())

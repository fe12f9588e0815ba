"""Predicted against measured peak memory of real trainings on this box.

    python benchmarks/memory.py [--only NAME ...] [--write docs/memory-cpu.json] [--list]

Every combination is a project of its own with rows of the wanted length, planned and trained by
Tunesmith in a fresh process: two steps, a validation pass and a checkpoint. What is measured is
what a run records: on a CPU the process's highest resident memory, on a GPU the allocator's. Models
other than the embedded one have the real dimensions and random weights. The constants of
`engine/plan/memory/cpu.py` were chosen on the combinations marked `fitted`; the rest is held out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.base import jobs
from engine.base import project as projects
from engine.base.model import EMBEDDED, locate
from engine.base.project import DataSettings, Objective, Project
from engine.base.store import Store
from engine.base.work import register
from engine.data.rows import make, to_json
from engine.plan import memory, models, plan
from engine.plan.memory import Setup
from engine.run import launch

STEPS = 2
PROMPT_SHARE = 0.6
_TEMPLATE_TOKENS = 30
TINY = "tiny"
_SHAPES: dict[str, dict[str, int]] = {
    TINY: {"layers": 6, "hidden": 256, "ffn": 704, "heads": 8, "kv_heads": 4},
}


@dataclass(frozen=True)
class Combination:
    """One training to predict and to measure.

    Attributes:
        model: A catalogue name, or `tiny`.
        recipe: A recipe's name.
        length: Tokens of every row.
        batch: Rows of a micro-batch.
        settings: Further settings.
        fitted: Whether the constants were chosen with it.
    """

    model: str
    recipe: str
    length: int
    batch: int
    settings: dict[str, Any] = field(default_factory=dict)
    fitted: bool = False

    @property
    def name(self) -> str:
        """A short name for the command line."""
        more = "".join(f"-{key}={value}" for key, value in self.settings.items())
        return f"{self.model}-{self.recipe}-{self.length}x{self.batch}{more}"


SMALL, MIDDLE, LARGE = EMBEDDED, "smollm2-360m-instruct", "qwen2.5-0.5b-instruct"
_RECOMPUTED = {"gradient_checkpointing": True}
COMBINATIONS = (
    Combination(SMALL, "sft-lora", 96, 8, fitted=True),
    Combination(SMALL, "sft-lora", 256, 4, fitted=True),
    Combination(SMALL, "sft-lora", 512, 4, fitted=True),
    Combination(SMALL, "sft-lora", 1024, 1),
    Combination(SMALL, "sft-lora", 512, 4, _RECOMPUTED, fitted=True),
    Combination(SMALL, "sft-lora", 384, 4, {"precision": "fp32"}, fitted=True),
    Combination(SMALL, "sft-full", 256, 4, fitted=True),
    Combination(SMALL, "sft-full", 512, 2),
    Combination(SMALL, "sft-qlora", 256, 4, fitted=True),
    Combination(SMALL, "sft-qlora", 512, 2),
    Combination(SMALL, "dpo-lora", 256, 2, fitted=True),
    Combination(SMALL, "cpt-lora", 512, 2),
    Combination(SMALL, "kto-lora", 256, 4),
    Combination(SMALL, "orpo-lora", 192, 2),
    Combination(MIDDLE, "sft-lora", 256, 4, fitted=True),
    Combination(MIDDLE, "sft-lora", 512, 2),
    Combination(MIDDLE, "sft-qlora", 384, 2),
    Combination(MIDDLE, "sft-full", 256, 2),
    Combination(MIDDLE, "dpo-lora", 192, 2),
    Combination(LARGE, "sft-lora", 256, 2),
    Combination(LARGE, "sft-lora", 512, 2, _RECOMPUTED),
    Combination(LARGE, "sft-qlora", 256, 2),
    Combination(LARGE, "sft-full", 128, 2),
    Combination(TINY, "sft-lora", 512, 8, fitted=True),
    Combination(TINY, "sft-full", 1024, 4),
    Combination(TINY, "dpo-lora", 384, 4),
)


def main() -> int:
    """Measure the combinations and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--only", nargs="*", help="names, or beginnings of names")
    arguments.add_argument("--list", action="store_true")
    arguments.add_argument("--write", type=Path, help="keep the figures as JSON lines, added")
    arguments.add_argument("--random", nargs=2, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.random:
        _random_weights(options.random[0], Path(options.random[1]))
        return 0
    chosen = [
        each
        for each in COMBINATIONS
        if not options.only or any(each.name.startswith(name) for name in options.only)
    ]
    if options.list:
        print("\n".join(each.name for each in chosen))
        return 0
    errors = []
    for each in chosen:
        try:
            predicted, measured, seconds = measure(each)
        except RuntimeError as error:
            print(error, flush=True)
            continue
        errors.append(abs(predicted / measured - 1))
        print(
            f"{each.name:<66} {'fitted' if each.fitted else 'held out':<8} "
            f"{measured / 1e6:7.0f} MB  {predicted / 1e6:7.0f} MB  {predicted / measured - 1:+6.1%}"
            f"  {seconds:4.0f} s",
            flush=True,
        )
        if options.write:
            record = {**asdict(each), "predicted": predicted, "measured": measured}
            with options.write.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(record) + "\n")
    if errors:
        print(f"median error {statistics.median(errors):.1%} of {len(errors)}")
    return 0


def measure(each: Combination) -> tuple[int, int, float]:
    """Return the predicted and the measured peak in bytes, and the seconds that took.

    Raises:
        RuntimeError: The training failed.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        project = Project(
            name="memory",
            objective=Objective("Answer.", "Answer."),
            data=DataSettings(("rows.jsonl",)),
            base_model=_model(each.model, folder),
            recipe=each.recipe,
        )
        projects.save(project, folder)
        store = Store(folder / "workspace")
        project_id = register(store, folder, project)
        dataset_id = _dataset(store, project_id, each)
        settings = {
            "max_steps": STEPS,
            "micro_batch": each.batch,
            "accumulation": 1,
            "max_length": each.length,
            "gradient_checkpointing": False,
            **each.settings,
        }
        made = plan.save(store, project_id, plan.propose(store, project, dataset_id, settings))
        run_id, job_id = launch.submit(store, folder, project_id, project, made)
        while jobs.get(store, job_id)["state"] in jobs.OPEN:
            time.sleep(0.2)
        job = jobs.get(store, job_id)
        if job["state"] != "done":
            raise RuntimeError(f"{each.name}: {job['error']}")
        measured = int(launch.get(store, run_id)["peak_bytes"])
        store.close()
        return made.peak_bytes, measured, time.monotonic() - began


def predict(each: Combination) -> int:
    """Return the prediction alone, for a model of the catalogue."""
    trainer, _, tuning = each.recipe.partition("-")
    setup = Setup(
        trainer=trainer,
        tuning="full" if tuning == "full" else "lora",
        quantization="nf4" if tuning == "qlora" else "none",
        micro_batch=each.batch,
        length=each.length,
        scored=1 - PROMPT_SHARE,
        **each.settings,
    )
    return memory.estimate(models.find(each.model).dimensions, "cpu", setup).peak_bytes


def _dataset(store: Store, project_id: int, each: Combination) -> str:
    """Write rows that all are as long as wanted or longer, and note them in the store."""
    trainer = each.recipe.split("-")[0]
    form = {"dpo": "preference", "orpo": "preference", "kto": "feedback", "cpt": "text"}.get(
        trainer, "answer"
    )
    count = each.batch * 4
    prompt = max(1, round(PROMPT_SHARE * each.length) - _TEMPLATE_TOKENS)
    rows = [
        make(
            "" if form == "text" else f"{number} " + "word " * prompt,
            "answer " * each.length,
            form=form,  # type: ignore[arg-type]
            rejected="other " * each.length if form == "preference" else "",
            label=number % 2 == 0,
        )
        for number in range(count)
    ]
    folder = store.workspace / "datasets" / "rows"
    folder.mkdir(parents=True)
    split = {"train": rows[: 3 * each.batch], "validation": rows[3 * each.batch :]}
    for name in ("train", "validation", "test", "golden"):
        lines = "".join(to_json(row) + "\n" for row in split.get(name, []))
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    tokens = len(split["train"]) * each.length
    store.insert(
        "datasets",
        {
            "id": "rows",
            "project_id": project_id,
            "path": "datasets/rows",
            "form": form,
            "rows_read": count,
            "rows_kept": count,
            "train": len(split["train"]),
            "validation": len(split["validation"]),
            "test": 0,
            "golden": 0,
            "tokens_train": tokens,
            "tokens_answers": round(tokens * (1 if form == "text" else 1 - PROMPT_SHARE)),
            "tokens_longest": each.length,
            "created": time.time(),
        },
    )
    return "rows"


def _model(name: str, folder: Path) -> str:
    """Return the embedded model's name, or a folder with random weights of a model's dimensions."""
    if name == EMBEDDED:
        return name
    place = folder / "model"
    # in a process of its own: what it allocates must not count
    subprocess.run([sys.executable, __file__, "--random", name, str(place)], check=True)
    return str(place)


def _random_weights(name: str, place: Path) -> None:
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(locate(EMBEDDED))
    if name in _SHAPES:
        shape: dict[str, Any] = {**_SHAPES[name], "vocab": len(tokenizer), "tied": True}
    else:
        found = models.find(name).dimensions
        keys = ("layers", "hidden", "ffn", "heads", "kv_heads", "vocab", "tied")
        shape = {key: getattr(found, key) for key in keys}
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            num_hidden_layers=shape["layers"],
            hidden_size=shape["hidden"],
            intermediate_size=shape["ffn"],
            num_attention_heads=shape["heads"],
            num_key_value_heads=shape["kv_heads"],
            vocab_size=shape["vocab"],
            tie_word_embeddings=shape["tied"],
            max_position_embeddings=4096,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    ).to(torch.bfloat16)
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)


if __name__ == "__main__":
    sys.exit(main())

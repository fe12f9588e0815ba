"""One part of the suite, in a process of its own: `python -m benchmarks.gpu_check.measure FILE`.

The file is the request as JSON; the result is written beside it, as `result.json`.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.gpu_check import random_model
from benchmarks.gpu_check.gauges import Gauges
from benchmarks.gpu_check.parts import Part
from engine.base.hardware import machine
from engine.base.project import DataSettings, Objective, Project
from engine.plan import device as devices
from engine.plan import memory, models
from engine.plan import plan as plans
from engine.plan.memory import Setup, gpu
from engine.plan.plan import Plan
from engine.run.examples import IGNORED, Examples
from engine.run.utilisation import flops_per_token, utilisation

_FREE_SHARE = 0.9  # of the free memory that a prediction may take
_ROWS = 8
_RESUME_STEPS, _RESUME_AT = 8, 4
_HIGHEST_ID = 49_000
_ENDLESS = 10_000  # steps of the plan: whoever measures ends it, and no checkpoint is written


class Unfit(Exception):  # noqa: N818 - no error: the board is too small
    """The board cannot hold this part."""


def main() -> int:
    """Carry out the part that the file on the command line asks for."""
    file = Path(sys.argv[1])
    asked = json.loads(file.read_text(encoding="utf-8"))
    part = Part(**asked["part"])
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        random_model.describe(part.model, asked["change"], place / "model")
        try:
            result = _KINDS[part.kind](part, place)
        except Unfit as unfit:
            result = {"skipped": str(unfit)}
    (file.parent / "result.json").write_text(json.dumps(result), encoding="utf-8")
    return 0


def train(part: Part, place: Path) -> dict[str, Any]:
    """Measure Tunesmith's trainer: memory against the prediction, speed, gauges."""
    plan = _fitting(part, place)
    with Gauges() as gauges:
        meter = _trained(plan, place, place / "run")
        speed = meter.tokens_per_second
    return _report(plan, place, speed, gauges) | {"loss": meter.losses[-1]}


def trl(part: Part, place: Path) -> dict[str, Any]:
    """Measure TRL's trainer with its defaults: fp32 weights, autocast, layers recomputed."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    from benchmarks.gpu_check.meter import Meter

    plan = _fitting(
        replace(part, settings={"precision": "mixed", "gradient_checkpointing": True}), place
    )
    rows = _examples(plan)
    clock = Meter(place, each=plan["micro_batch"] * part.length)
    cpu = plan.device == "cpu"
    with Gauges() as gauges:
        model = random_model.make(
            place / "model", dtype=torch.float32, device_map={"": "cpu" if cpu else "cuda:0"}
        )
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=str(place / "trl"),
                per_device_train_batch_size=plan["micro_batch"],
                max_steps=_ENDLESS,
                max_length=None,
                dataset_kwargs={"skip_prepare_dataset": True},
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                use_cpu=cpu,
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(rows.rows),
            processing_class=AutoTokenizer.from_pretrained(place / "model"),
            peft_config=LoraConfig(
                r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"
            ),
            callbacks=[clock],
        )
        trainer.train()
    return _report(plan, place, clock.tokens_per_second, gauges) | {"loss": clock.losses[-1]}


def resume(part: Part, place: Path) -> dict[str, Any]:
    """Compare a training that was resumed with one that was not, and two that were not."""
    from safetensors.torch import load_file

    settings = {"max_steps": _RESUME_STEPS, "checkpoint_every": _RESUME_AT, "lora_dropout": 0.05}
    plan = _fitting(replace(part, settings=settings), place)
    found = {}
    for name, start in (("whole", None), ("again", None), ("resumed", f"checkpoint-{_RESUME_AT}")):
        from_step = str(place / "whole" / start) if start else None
        _trained(plan, place, place / name, resume_from_checkpoint=from_step)
        found[name] = place / name / f"checkpoint-{_RESUME_STEPS}" / "adapter_model.safetensors"
    whole = load_file(found["whole"])
    largest = max(float(tensor.abs().max()) for tensor in whole.values())

    def against(name: str) -> dict[str, Any]:
        other = load_file(found[name])
        apart = max(float((whole[key] - other[key]).abs().max()) for key in whole)
        same = found[name].read_bytes() == found["whole"].read_bytes()
        return {"same_bytes": same, "apart": apart, "largest": largest}

    return {"resumed": against("resumed"), "again": against("again"), "steps": _RESUME_STEPS}


_KINDS: dict[str, Callable[[Part, Path], dict[str, Any]]] = {
    "train": train,
    "trl": trl,
    "resume": resume,
}


def _fitting(part: Part, place: Path) -> Plan:
    """Return the plan with as many rows at a time as fit, layers recomputed if need be.

    Raises:
        Unfit: Not even one row fits.
    """
    box = machine.read()
    free = devices.choose(box).free
    batch, settings = part.batch, dict(part.settings)
    while True:
        plan = _plan(part, place, batch, settings)
        if plan.peak_bytes <= _FREE_SHARE * free:
            return plan
        if batch > 1:
            batch //= 2
        elif not settings.get("gradient_checkpointing"):
            settings["gradient_checkpointing"] = True
        else:
            raise Unfit(f"needs {plan.peak_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free")


def _plan(part: Part, place: Path, batch: int, settings: dict[str, Any]) -> Plan:
    tokens = _ROWS * batch * part.length
    dataset = {
        "id": "random",
        "train": _ROWS * batch,
        "validation": 0,
        "tokens_train": tokens,
        "tokens_answers": tokens // 2,
        "tokens_longest": part.length,
    }
    project = Project(
        "gpu-check",
        Objective("", "Answer."),
        DataSettings(("rows",)),
        base_model=str(place / "model"),
        recipe=part.recipe,
    )
    given = {
        "max_steps": _ENDLESS,
        "micro_batch": batch,
        "accumulation": 1,
        "max_length": part.length,
        "gradient_checkpointing": False,
        "checkpoint_every": 10**9,
        "validate_every": 10**9,
        **settings,
    }
    if part.recipe.endswith("-lora"):
        given["quantization"] = "none"
    return plans.resolve(project, dataset, machine.read(), given)


def _trained(plan: Plan, place: Path, folder: Path, **options: Any) -> Any:
    """Train as a run does; return what was seen."""
    random_model.stand_in()
    from benchmarks.gpu_check.meter import Meter
    from engine.run.trainer import build

    meter = Meter(folder, ends=plan["max_steps"] == _ENDLESS)
    trainer = build(plan, place / "model", folder, _examples(plan), Examples([], 0, 0), meter)
    trainer.train(**options)
    return meter


def _examples(plan: Plan) -> Examples:
    """Rows of random ids, all as long as the plan's longest, the second half of each an answer."""
    chance = random.Random(plan["seed"])
    length, rows = plan["max_length"], []
    end = min(_HIGHEST_ID, models.find(plan.model).dimensions.vocab)
    for _ in range(_ROWS * plan["micro_batch"]):
        ids = [chance.randrange(100, end) for _ in range(length)]
        half = length // 2
        if plan.trainer == "dpo":
            other = [chance.randrange(100, end) for _ in range(length - half)]
            rows.append({"prompt_ids": ids[:half], "chosen_ids": ids[half:], "rejected_ids": other})
        else:
            rows.append({"input_ids": ids, "labels": [IGNORED] * half + ids[half:]})
    return Examples(rows, 0, 0)


def _report(plan: Plan, place: Path, speed: float, gauges: Gauges) -> dict[str, Any]:
    """Return predicted and measured memory, the speed and what share of the peak it is."""
    import torch

    from engine.run import memory as used

    settings = {name: value.value for name, value in plan.values.items()}
    setup = Setup.of(settings, plan.trainer, plan.tuning)
    dimensions = models.find(str(place / "model")).dimensions
    kind: memory.Kind = "cpu" if plan.device == "cpu" else "gpu"
    predicted = memory.estimate(dimensions, kind, setup).peak_bytes
    flops = flops_per_token(
        dimensions,
        tuning=plan.tuning,
        checkpointing=setup.gradient_checkpointing,
        length=setup.length,
        trainer=plan.trainer,
    )
    device = devices.choose(machine.read())
    result: dict[str, Any] = {
        "batch": setup.micro_batch,
        "length": setup.length,
        "checkpointing": setup.gradient_checkpointing,
        "precision": setup.precision,
        "predicted_bytes": predicted,
        "measured_bytes": used.peak(plan.device),
        "tokens_per_second": speed,
        "flops_per_token": flops,
        "utilisation": utilisation(speed, flops, device.flops),
    }
    if kind == "gpu":
        result["predicted_tensors"] = round(gpu.tensors(predicted))
        result["reserved_bytes"] = int(torch.cuda.max_memory_reserved())
    return result | {"gauges": gauges.summary()}


def request(part: Part, change: dict[str, Any], file: Path) -> None:
    """Write what `main` reads."""
    file.write_text(json.dumps({"part": asdict(part), "change": change}), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

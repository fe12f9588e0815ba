"""The trainers that `train_speed.py` compares with, each in a process of its own.

python benchmarks/speed_rivals.py trl|loss FOLDER PLAN [ADAPTER]
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.base import project
from engine.base.model import locate
from engine.base.store import Store
from engine.data import dataset
from engine.data.chat.template import ChatTemplate
from engine.plan import plan as plans
from engine.plan.plan import Plan
from engine.run.examples import IGNORED, tokenise


@dataclass(frozen=True)
class Task:
    """What all trainers are given.

    Attributes:
        folder: The workspace, with the rows as Tunesmith built them.
        plan: What Tunesmith chose.
    """

    folder: Path
    plan: Plan

    @property
    def instruction(self) -> str:
        """The system prompt."""
        return project.load(self.folder).objective.instruction

    def rows(self, split: str) -> list[Any]:
        """Return the rows of a split."""
        return list(dataset.load(Store(self.folder), self.plan.dataset_id).rows(split))

    @property
    def tokens(self) -> int:
        """Real tokens of one epoch."""
        template = ChatTemplate.load(locate(self.plan.model))
        return sum(tokenise(template, self.instruction, self.rows("train"), 10**6).lengths)


def trl(task: Task) -> dict[str, Any]:
    """Train with TRL's defaults; return what it took."""
    done = subprocess.run(
        [sys.executable, __file__, "trl", task.folder, str(task.plan.id)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return _read(task, done.stdout)


def llama_factory(task: Task, command: Path) -> dict[str, Any]:
    """Train with LLaMA-Factory; return what it took."""
    place = task.folder / "llama-factory"
    place.mkdir()
    rows = [
        {"instruction": row.prompt, "output": row.completion, "system": task.instruction}
        for row in task.rows("train")
    ]
    (place / "rows.json").write_text(json.dumps(rows))
    columns = {"prompt": "instruction", "response": "output", "system": "system"}
    known = {"rows": {"file_name": "rows.json", "columns": columns}}
    (place / "dataset_info.json").write_text(json.dumps(known))
    plan = task.plan
    told = {
        "model_name_or_path": str(locate(plan.model)),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": plan["lora_rank"],
        "lora_alpha": plan["lora_alpha"],
        "lora_target": "all",
        "dataset_dir": str(place),
        "dataset": "rows",
        "template": "smollm2",
        "output_dir": str(place / "output"),
        "per_device_train_batch_size": plan["micro_batch"],
        "gradient_accumulation_steps": plan["accumulation"],
        "learning_rate": plan["learning_rate"],
        "lr_scheduler_type": plan["scheduler"],
        "warmup_ratio": plan["warmup"],
        "num_train_epochs": plan["epochs"],
        "seed": plan["seed"],
        "save_strategy": "no",
        "report_to": "none",
        "logging_steps": 1,
    }
    (place / "told.yaml").write_text(json.dumps(told))  # JSON is YAML; its JSON reader fails
    log = place / "log.txt"
    with log.open("w") as sink:
        process = subprocess.Popen(
            [command, "train", place / "told.yaml"],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "USE_MODELSCOPE_HUB": "0"},
        )
        _, status, used = os.wait4(process.pid, 0)
    text = log.read_text()
    found = re.search(r"train_runtime\D+([\d.:]+)", text)
    if status or not found:
        sys.exit(text[-3000:])
    *hours, minutes, seconds = (
        (float(part) for part in found[1].split(":")) if ":" in found[1] else (0.0, float(found[1]))
    )
    return {
        "tokens": round(task.tokens * plan["epochs"]),
        "seconds": 60 * minutes + seconds + 3600 * sum(hours),
        "peak": used.ru_maxrss * 1024,
        "adapter": place / "output",
    }


def _read(task: Task, text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return {
        **found,
        "tokens": round(task.tokens * task.plan["epochs"]),
        "adapter": Path(found["adapter"]),
    }


def _train_with_trl(task: Task) -> dict[str, Any]:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    plan = task.plan
    torch.set_num_threads(plan["threads"])
    rows = [
        {
            "prompt": [
                {"role": "system", "content": task.instruction},
                {"role": "user", "content": row.prompt},
            ],
            "completion": [{"role": "assistant", "content": row.completion}],
        }
        for row in task.rows("train")
    ]
    place = task.folder / "trl"
    trainer = SFTTrainer(
        model=str(locate(plan.model)),
        args=SFTConfig(
            output_dir=str(place),
            num_train_epochs=plan["epochs"],
            gradient_accumulation_steps=plan["accumulation"],
            per_device_train_batch_size=plan["micro_batch"],
            learning_rate=plan["learning_rate"],
            lr_scheduler_type=plan["scheduler"],
            warmup_steps=plan["warmup"],
            seed=plan["seed"],
            use_cpu=plan.device == "cpu",
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(
            r=plan["lora_rank"], lora_alpha=plan["lora_alpha"], target_modules="all-linear"
        ),
    )
    began = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - began
    trainer.save_model(str(place))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "peak": peak, "adapter": str(place)}


def _loss(task: Task, adapter: Path) -> float:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(locate(task.plan.model), dtype=torch.float32)
    model = PeftModel.from_pretrained(base, adapter).eval()
    template = ChatTemplate.load(locate(task.plan.model))
    rows = [*task.rows("validation"), *task.rows("test")]
    total = count = 0.0
    for row in tokenise(template, task.instruction, rows, 10**6).rows:
        labels = torch.tensor(row["labels"][1:])
        with torch.no_grad():
            scores = model(input_ids=torch.tensor([row["input_ids"]])).logits[0, :-1]
        total += torch.nn.functional.cross_entropy(scores, labels, reduction="sum").item()
        count += int((labels != IGNORED).sum())
    return total / count


def main() -> int:
    """Carry out one part and print what it found."""
    part, folder, plan, *rest = sys.argv[1:]
    task = Task(Path(folder), plans.load(Store(Path(folder)), int(plan)))
    print(json.dumps(_train_with_trl(task)) if part == "trl" else _loss(task, Path(rest[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main())

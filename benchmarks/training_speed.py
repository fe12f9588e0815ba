"""Training speed on this box: Tunesmith's trainer against TRL's own, on the demo's rows.

    python benchmarks/training_speed.py [--steps 12] [--rounds 2]

Both train the embedded model with LoRA rank 16 in bfloat16: same rows, batch size, learning
rate and threads. TRL gets what its documentation shows: a path, prompt-completion rows and a
`LoraConfig`. Without a GPU its default precision is float32, so it is also given bfloat16 weights,
and gradient checkpointing is off: both in its favour. The two take turns, each in a process of its
own. Prints training tokens a second, padding not counted, and the ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.base import paths, project
from engine.base.model import locate
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Row, read
from engine.plan import plan as plans
from engine.plan.recipe import Value
from engine.run.examples import Examples, tokenise

WARM = 2  # steps that are not counted
BATCH = 8


def main() -> int:
    """Measure both in turns and print the ratio."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--steps", type=int, default=12)
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--only", choices=sorted(TRAINERS), help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.only:
        print(json.dumps(TRAINERS[options.only](options.steps)))
        return 0
    speeds: dict[str, list[float]] = {name: [] for name in TRAINERS}
    for _ in range(options.rounds):
        for name, found in speeds.items():
            found.append(_elsewhere(name, options.steps))
            print(f"{name:<10} {found[-1]:6.0f} tokens/s", flush=True)
    ours, theirs = (statistics.median(speeds[name]) for name in ("tunesmith", "trl"))
    print(f"ratio      {ours / theirs:6.2f}")
    return 0


def tunesmith(steps: int) -> float:
    """Return the speed of Tunesmith's trainer."""
    from engine.base.hardware.machine import read as read_machine
    from engine.run.trainer import build

    template, instruction, rows = _task()
    examples = tokenise(template, instruction, rows, 2048)
    described = project.load(paths.recipes() / "demo")
    dataset = {
        "id": "benchmark",
        "train": len(rows),
        "validation": 0,
        "tokens_train": sum(examples.lengths),
        "tokens_answers": 0,
        "tokens_longest": max(examples.lengths),
    }
    plan = plans.resolve(described, dataset, read_machine(), {"max_steps": steps})
    never = {name: Value(10**9, "") for name in ("checkpoint_every", "validate_every")}
    clock = _clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = build(
            replace(plan, values={**plan.values, **never}),
            locate(plan.model),
            Path(folder),
            examples,
            Examples([], 0, 0),
            clock,
        )
        trainer.train()
    return float(clock.speed)


def trl(steps: int) -> float:
    """Return the speed of TRL's trainer."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    _, instruction, rows = _task()
    messages = [
        {
            "prompt": [
                {"role": "system", "content": instruction},
                {"role": "user", "content": row.prompt},
            ],
            "completion": [{"role": "assistant", "content": row.completion}],
        }
        for row in rows
    ]
    clock = _clock()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=str(locate("smollm2-135m-instruct")),
            args=SFTConfig(
                output_dir=folder,
                max_steps=steps,
                per_device_train_batch_size=BATCH,
                learning_rate=1e-3,
                gradient_checkpointing=False,
                model_init_kwargs={"dtype": "bfloat16"},
                use_cpu=True,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(messages),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"),
            callbacks=[clock],
        )
        loss = trainer.compute_loss

        def counted(model: Any, inputs: Any, *others: Any, **named: Any) -> Any:
            clock.tokens += int(inputs["attention_mask"].sum())
            return loss(model, inputs, *others, **named)

        trainer.compute_loss = counted
        trainer.train()
    return float(clock.speed)


def _task() -> tuple[ChatTemplate, str, list[Row]]:
    instruction = project.load(paths.recipes() / "demo").objective.instruction
    rows = [
        row for row in read(paths.recipes() / "demo" / "messages.jsonl") if isinstance(row, Row)
    ]
    return ChatTemplate.load(locate("smollm2-135m-instruct")), instruction, rows


def _clock() -> Any:
    """Return a callback that counts tokens and seconds after the first steps."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        tokens = 0

        def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            if state.global_step == WARM:
                self.began, self.before = time.monotonic(), self.tokens
            self.ended = time.monotonic()

        @property
        def speed(self) -> float:
            return (self.tokens - self.before) / (self.ended - self.began)

    return Clock()


def _elsewhere(name: str, steps: int) -> float:
    done = subprocess.run(
        [sys.executable, __file__, "--only", name, "--steps", str(steps)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return float(done.stdout.strip().splitlines()[-1])


TRAINERS = {"tunesmith": tunesmith, "trl": trl}

if __name__ == "__main__":
    sys.exit(main())

"""A trainer over several processes: its share of every step, and one will at the end of each.

Imported inside the training job only, because it needs `torch` and `transformers`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import prepare_data_loader
from torch.utils.data import DataLoader, Dataset
from transformers import TrainerCallback

from engine.base import ranks
from engine.plan.plan import Plan
from engine.run import checkpoints
from engine.run.distributed import group
from engine.run.distributed.share import NOTHING, Division, Shares
from engine.run.examples import IGNORED


def over(kind: Any, plan: Plan) -> Any:
    """Return a kind of trainer that trains over the processes there are."""
    if ranks.world() == 1:
        return kind
    os.environ["OMP_NUM_THREADS"] = str(plan["threads"])  # accelerate would choose for itself
    division = Division(ranks.world(), plan["micro_batch"], plan["accumulation"])
    return type("Spread", (Spread, kind), {"DIVISION": division, "CONFIG": kind.CONFIG})


def arguments(plan: Plan) -> dict[str, Any]:
    """Return what the trainer is told otherwise than one that trains alone."""
    if ranks.world() == 1:
        return {}
    division = Division(ranks.world(), plan["micro_batch"], plan["accumulation"])
    told: dict[str, Any] = {
        "per_device_train_batch_size": division.rows,
        "gradient_accumulation_steps": division.turns,
        "ddp_find_unused_parameters": False,
    }
    if plan["sharding"] == "fsdp2":
        told |= {"fsdp": True, "fsdp_config": {"version": 2, "state_dict_type": "FULL_STATE_DICT"}}
    return told


class Spread:
    """A mixin that stands before one of our trainers.

    Attributes:
        DIVISION: How a step is divided.
    """

    DIVISION: Division

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_callback(_Together(self._watcher))  # type: ignore[attr-defined]

    def get_train_dataloader(self) -> Any:
        """Return the loader of this process's share of every step."""
        data = self.train_dataset  # type: ignore[attr-defined]
        order = self._get_train_sampler(data)  # type: ignore[attr-defined]
        return self._loader(data, order, self.DIVISION, "training")

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """Return the loader of this process's share of the validation rows: whole micro-batches."""
        data = self.eval_dataset if eval_dataset is None else eval_dataset  # type: ignore[attr-defined]
        size = self.args.per_device_eval_batch_size  # type: ignore[attr-defined]
        division = Division(self.DIVISION.processes, size, self.DIVISION.processes)
        return self._loader(data, range(len(data)), division, "evaluation")

    def _loader(self, data: Any, order: Any, division: Division, what: str) -> Any:
        rows = self._remove_unused_columns(data, description=what)  # type: ignore[attr-defined]
        loader = DataLoader(
            _Rows(rows),
            batch_sampler=Shares(order, len(rows), division, ranks.rank()),
            collate_fn=self.data_collator,  # type: ignore[attr-defined]
            pin_memory=self.args.dataloader_pin_memory,  # type: ignore[attr-defined]
        )
        device = self.accelerator.device  # type: ignore[attr-defined]
        # One process of one: the rows are this process's already.
        return prepare_data_loader(
            loader, device, num_processes=1, process_index=0, put_on_device=True
        )

    def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **named: Any) -> Any:
        """Return the library's loss; what it would gather for its own statistics stays here."""
        with _alone(self.accelerator):  # type: ignore[attr-defined]
            return super().compute_loss(model, inputs, *arguments, **named)  # type: ignore[misc]

    def count(self, model: Any, inputs: Any) -> None:
        """Count a batch's tokens, unless nothing is learnt from it."""
        if (inputs["labels"] != IGNORED).any():
            super().count(model, inputs)  # type: ignore[misc]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)  # type: ignore[misc]
        group.wait()

    def _save_rng_state(self, output_dir: str) -> None:
        """Let process 0 write what all processes' random numbers go on from."""
        with tempfile.TemporaryDirectory() as scratch:
            super()._save_rng_state(scratch)  # type: ignore[misc]
            content = Path(scratch, _random(ranks.rank())).read_bytes()
        folder = Path(output_dir)
        with checkpoints.saving(folder.parent, self.state.global_step):  # type: ignore[attr-defined]
            for rank, state in enumerate(group.collected(content)):
                (folder / _random(rank)).write_bytes(state)


class _Rows(Dataset):  # type: ignore[misc]
    """Rows, and one that nothing is learnt from."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        tokens = list(rows[0]["input_ids"][:2])
        self._nothing = {"input_ids": tokens, "labels": [IGNORED] * len(tokens)}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitems__(self, places: Sequence[int]) -> list[Any]:
        return [self._nothing if place == NOTHING else self._rows[place] for place in places]

    def __getitem__(self, place: int) -> Any:
        return self.__getitems__([place])[0]


class _Together(TrainerCallback):  # type: ignore[misc]
    """After each step all processes count together, and do what process 0 was asked for."""

    def __init__(self, watcher: Any) -> None:
        self._watcher = watcher
        self._counted = 0

    def on_train_begin(self, args: Any, *_: Any, **__: Any) -> None:
        """Give every process random numbers of its own: dropout is drawn differently in each."""
        if ranks.rank():
            torch.manual_seed(args.seed + ranks.rank())

    def on_step_end(self, _args: Any, _state: Any, control: Any, **_: Any) -> Any:
        """Add the tokens up; save and stop as process 0 does."""
        first = ranks.rank() == 0
        own = self._watcher.tokens - self._counted
        asked = [first and control.should_save, first and control.should_training_stop]
        tokens, save, stop = group.added([own, *map(int, asked)])
        self._watcher.tokens += tokens - own
        self._counted = self._watcher.tokens
        control.should_save, control.should_training_stop = bool(save), bool(stop)
        return control

    def on_evaluate(self, _args: Any, _state: Any, control: Any, **_: Any) -> Any:
        """Save and stop as process 0 does, which judges the validation."""
        first = ranks.rank() == 0
        asked = [first and control.should_save, first and control.should_training_stop]
        save, stop = group.added([*map(int, asked)])
        control.should_save, control.should_training_stop = bool(save), bool(stop)
        return control


@contextmanager
def _alone(accelerator: Any) -> Iterator[None]:
    """Keep the processes from waiting for each other inside a loss."""
    accelerator.gather_for_metrics = lambda data, *_, **__: data
    try:
        yield
    finally:
        del accelerator.gather_for_metrics


def _random(rank: int) -> str:
    return f"rng_state_{rank}.pth"

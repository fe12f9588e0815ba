"""`tunesmith fits`: what of a model can be trained on a device, without a project or any data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from engine.base.errors import UsageError
from engine.base.settings import nearest_name
from engine.base.store import Store
from engine.plan import cost, memory, recipe, setting
from engine.plan.cost import Speed
from engine.plan.device import Device
from engine.plan.fit import FULL, ROOMY
from engine.plan.memory import Correction, Estimate, Setup, split
from engine.plan.models import Model
from engine.plan.setting import Scalar
from engine.plan.when import Situation

Verdict = Literal["fits", "tight", "no"]

METHODS = tuple(
    f"{trainer}-{tuning}" for trainer in setting.TRAINERS for tuning in ("lora", "qlora", "full")
)
SHOWN = ("sft-qlora", "sft-lora", "sft-full", "dpo-qlora", "dpo-lora")
LENGTHS = (512, 1024, 2048, 4096, 8192)
BATCHES = (1, 4, 16)
LENGTH, BATCH, RANK = 1024, 1, 16
_ROWS = 1000  # of training data, where a recipe asks
_EXPORTS = ("Q8_0",)


@dataclass(frozen=True)
class Answer:
    """Whether one training fits, and what it would take.

    Attributes:
        setup: The training; its checkpointing is the question's, or what the plan would choose.
        estimate: The peak memory and its parts.
        verdict: fits (within 80 % of the free memory), tight (within 95 %) or no.
        speed: Tokens a second, and what that rests on.
    """

    setup: Setup
    estimate: Estimate
    verdict: Verdict
    speed: Speed


@dataclass(frozen=True)
class Bench:
    """What every question about a model on a device needs.

    Attributes:
        model: The base model.
        device: Where it would be trained.
        settings: Settings that the user chose, such as lora_rank.
        store: The box's record, or None where there is none or another device is meant.
    """

    model: Model
    device: Device
    settings: Mapping[str, Scalar]
    store: Store | None = None

    def setup(self, method: str, length: int, batch: int) -> Setup:
        """Return the training that a method means, with the user's settings on top."""
        trainer, tuning = split(method)
        usual: dict[str, Scalar] = {
            "lora_rank": RANK,
            "gradient_checkpointing": False,
            "quantization": "nf4" if method.endswith("qlora") else "none",
        }
        values = {
            **usual,
            **self._formats[tuning],
            **self.settings,
            "max_length": length,
            "micro_batch": batch,
        }
        return Setup.of(values, trainer, tuning)

    @cached_property
    def _formats(self) -> dict[str, dict[str, Scalar]]:
        """The formats of weights and moments that the recipes choose on this device, by tuning."""
        situation = Situation(
            _ROWS,
            self.model.dimensions.parameters,
            self.device.kind,
            bf16=self.device.bf16,
            memory=self.device.free,
        )
        return {
            tuning: {
                name: value.value
                for name, value in recipe.resolve(recipe.load(f"sft-{tuning}"), situation).items()
                if name in ("precision", "optimizer")
            }
            for tuning in ("lora", "full")
        }

    def correction(self, method: str) -> Correction | None:
        """Return what this box's runs of the method have taught, or None."""
        return memory.learned(self.store, method, self.device.name) if self.store else None

    def answer(self, method: str, length: int, batch: int) -> Answer:
        """Say whether a training fits; layers are recomputed only where that is needed."""
        setup = self.setup(method, length, batch)
        found = self._estimate(setup)
        free = "gradient_checkpointing" not in self.settings
        if free and found.peak_bytes > ROOMY * self.device.free:
            setup = replace(setup, gradient_checkpointing=True)
            found = self._estimate(setup)
        return Answer(setup, found, self._verdict(found), self.speed(setup))

    def speed(self, setup: Setup) -> Speed:
        """Return this box's own speed with the model and method, or a guess."""
        if self.store is not None:
            device = self.device.name
            known = cost.recorded(
                self.store, model=self.model.name, method=setup.method, device=device
            )
            if known is not None:
                return known
        return cost.assumed(self.model.dimensions, self.device, setup, setup.length)

    def longest(self, method: str) -> int:
        """Return the longest row, in steps of 8 tokens, that fits with one row at a time.

        Layers are recomputed. It is 0 where not even 8 tokens fit, and the model's context at most.
        """
        low, high = 0, self.model.dimensions.context // 8
        while low < high:
            middle = (low + high + 1) // 2
            setup = replace(self.setup(method, 8 * middle, 1), gradient_checkpointing=True)
            if self._verdict(self._estimate(setup)) == "fits":
                low = middle
            else:
                high = middle - 1
        return 8 * low

    def expected_error(self, method: str) -> float:
        """Return by what share a prediction is likely off at most."""
        correction, general = self.correction(method), memory.EXPECTED_ERROR[self.device.kind]
        return general if correction is None else correction.expected(general)

    def _estimate(self, setup: Setup) -> Estimate:
        found = memory.estimate(self.model.dimensions, self.device.kind, setup)
        return found.corrected(self.correction(setup.method))

    def _verdict(self, estimate: Estimate) -> Verdict:
        share = estimate.peak_bytes / max(1, self.device.free)
        return "fits" if share <= ROOMY else "tight" if share <= FULL else "no"


def method_named(text: str) -> str:
    """Return a method by its name; `lora`, `qlora` and `full` alone mean supervised fine-tuning.

    Raises:
        UsageError: There is no such method.
    """
    name = text if "-" in text else f"sft-{text}"
    if name not in METHODS:
        raise UsageError(
            f"There is no method {text}{nearest_name(name, list(METHODS))}.",
            f"Choose one of: {', '.join(METHODS)}.",
            "--method",
        )
    return name


def record(bench: Bench, answer: Answer) -> dict[str, Any]:
    """Return an answer as plain data, with the keys of `tunesmith fits --json`."""
    setup, device, dimensions = answer.setup, bench.device, bench.model.dimensions
    correction = answer.estimate.correction
    return {
        "model": bench.model.name,
        "method": setup.method,
        "seq": setup.length,
        "batch": setup.micro_batch,
        "gradient_checkpointing": setup.gradient_checkpointing,
        "device": device.title,
        "free_bytes": device.free,
        "peak_bytes": answer.estimate.peak_bytes,
        "parts": dict(answer.estimate.parts),
        "moment": answer.estimate.moment,
        "fits": answer.verdict != "no",
        "verdict": answer.verdict,
        "expected_error": round(bench.expected_error(setup.method), 4),
        "learnt": None if correction is None else correction.why,
        "tokens_per_second": round(answer.speed.tokens_per_second, 1),
        "seconds_per_million_tokens": round(1e6 / answer.speed.tokens_per_second),
        "speed_why": answer.speed.why,
        "joules_per_million_tokens": round(1e6 / answer.speed.tokens_per_second * device.watts),
        "checkpoint_bytes": cost.checkpoint_bytes(dimensions, setup),
        "disk_bytes": cost.disk(dimensions, setup, checkpoints=2, exports=_EXPORTS),
    }


def table(
    bench: Bench,
    methods: Sequence[str] = SHOWN,
    lengths: Sequence[int] = LENGTHS,
    batches: Sequence[int] = BATCHES,
) -> list[Answer]:
    """Return the answers for every method, batch and length, in that order.

    Lengths beyond the model's context are left out.
    """
    context = bench.model.dimensions.context
    return [
        bench.answer(method, length, batch)
        for method in methods
        for batch in batches
        for length in lengths
        if length <= context
    ]

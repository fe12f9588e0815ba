"""How much of a device's peak a training uses: model FLOPs utilisation, from the speed it shows.

Pure arithmetic on figures that the plan and the watcher have; loads no heavy library.
"""

from __future__ import annotations

from engine.plan import cost
from engine.plan.dimensions import Dimensions
from engine.plan.memory import Setup
from engine.plan.setting import Trainer, Tuning


def flops_per_token(
    dimensions: Dimensions,
    *,
    tuning: Tuning,
    checkpointing: bool,
    length: int,
    trainer: Trainer = "sft",
) -> float:
    """Return the floating-point operations that training takes for one token.

    With P parameters that a token uses: 6 P where all are trained (2 forward, 2 for the gradient of
    the inputs, 2 for that of the weights), 4 P with an adapter, whose base gets no gradient. Each
    adds 2 P where layers are computed a second time, and 2 P where a reference model is asked.
    Attention adds 4 x layers x width x length to every 2 P. The adapter's own operations, under a
    hundredth, are left out.

    Args:
        dimensions: The base model's shape.
        tuning: Whether an adapter is trained or all weights.
        checkpointing: Whether layers are recomputed. False gives what the model itself needs (MFU),
            True what the device does (hardware FLOPs utilisation).
        length: Tokens of a usual row.
        trainer: DPO and KTO ask a reference model too.
    """
    setup = Setup(trainer=trainer, tuning=tuning, gradient_checkpointing=checkpointing)
    return cost.operations(dimensions, setup, length)


def utilisation(tokens_per_second: float, flops: float, peak_flops: float) -> float:
    """Return the share of the peak that is used, 0 to 1; 0 where the peak is not known.

    Args:
        tokens_per_second: Tokens without padding, so that padding counts as waste.
        flops: Operations of one token, of `flops_per_token`.
        peak_flops: The device's dense peak in operations a second, in the format that training
            uses: `engine.plan.device.choose(machine).flops`.
    """
    return tokens_per_second * flops / peak_flops if peak_flops > 0 else 0.0

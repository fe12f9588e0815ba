"""A linear map and its adapter as one differentiable operation: the same sum in fewer passes.

PEFT computes the map, the adapter's two halves, the scaling and the sum one after the other, each
with a copy of the input in the adapter's format, and autograd keeps them all until the backward
pass. Here the adapter's part is added where the map's result lies, and only the input and the
narrow middle are kept. The gradients follow from y = x W' + s (x A') B' (Hu et al., arXiv
2106.09685, section 4.1), with ' for transposed. Needs nothing of Tunesmith: an exported script
holds a copy.
"""

from types import MethodType
from typing import Any

import torch
from peft.tuners.lora import Linear


def fuse(model: Any) -> int:
    """Let the adapted linear maps of a model compute in one operation; return how many there are.

    A map stays PEFT's own where its adapter does more: dropout, biases, DoRA and other variants, a
    quantised base.

    Args:
        model: With PEFT's adapters, `peft.PeftModel`.
    """
    found = [module for module in model.modules() if _is_plain(module)]
    for module in found:
        module.forward = MethodType(_forward, module)
    return len(found)


def _is_plain(module: Any) -> bool:
    return (
        type(module) is Linear
        and type(module.base_layer) is torch.nn.Linear
        and len(module.lora_A) == 1
        and not module.lora_variant
        and all(type(dropout) is torch.nn.Identity for dropout in module.lora_dropout.values())
        and all(up.bias is None for up in module.lora_B.values())
    )


def _forward(module: Any, states: torch.Tensor, *arguments: Any, **named: Any) -> torch.Tensor:
    base = module.base_layer
    usual = module.disable_adapters or module.merged or arguments or named
    if usual or states.dtype != base.weight.dtype or base.weight.dtype == torch.float32:
        return Linear.forward(module, states, *arguments, **named)
    (name,) = module.lora_A
    down, up = module.lora_A[name].weight, module.lora_B[name].weight
    return _Fused.apply(states, base.weight, base.bias, down, up, module.scaling[name])


class _Fused(torch.autograd.Function):  # type: ignore[misc]
    """x of (..., in), W of (out, in), A of (rank, in), B of (out, rank); the base is frozen."""

    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        rows = states.reshape(-1, states.shape[-1])
        narrow = rows @ down.to(rows.dtype).t()
        found = rows @ weight.t() if bias is None else torch.addmm(bias, rows, weight.t())
        found.addmm_(narrow, up.to(rows.dtype).t(), alpha=scaling)
        ctx.save_for_backward(rows, narrow, weight, down, up)
        ctx.scaling, ctx.shape = scaling, states.shape
        return found.view(*states.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        rows, narrow, weight, down, up = ctx.saved_tensors
        above = gradient.reshape(-1, gradient.shape[-1])
        middle = (above @ up.to(above.dtype)).mul_(ctx.scaling)
        below = None
        if ctx.needs_input_grad[0]:
            below = above @ weight
            below = below.addmm_(middle, down.to(above.dtype)).view(ctx.shape)
        for_down = (middle.t() @ rows).to(down.dtype)
        for_up = (above.t() @ narrow).to(up.dtype).mul_(ctx.scaling)
        return below, None, None, for_down, for_up, None

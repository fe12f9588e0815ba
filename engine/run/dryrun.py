"""A second opinion on memory: the training's own graph, run on tensors without any content.

PyTorch's FakeTensorMode computes shapes only, and its MemTracker adds up what would be held, so a
70B model can be tried on a laptop. It needs torch and seconds to minutes, and so runs in a process
of its own: `python -m engine.run.dryrun` with a request on standard input.

A layer is that of Llama in Transformers, with PEFT's adapters; the loss is TRL's in tiles, whose
kernels have no fake version, so its buffers are made by hand. A base in four bits has none either:
it runs in 16 bits, and the weights are taken from the formula. Two and four layers are run and the
rest is extrapolated, each moment of a step for itself: each grows linearly with the layers.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from transformers import LlamaConfig, LlamaForCausalLM

from engine.plan import models
from engine.plan.dimensions import Dimensions
from engine.plan.memory import Setup
from engine.plan.memory.gpu import TILE_TOKENS, TILE_VOCAB
from engine.plan.memory.state import state

_FEW, _MORE = 2, 4  # layers
_STEPS = 2  # the optimizer's moments exist from the second on
_MOMENTS = ("loss", "backward", "optimizer")


def peak(dimensions: Dimensions, setup: Setup) -> dict[str, int]:
    """Return the highest allocation at each moment of a step on a GPU, in bytes.

    What is missing against a whole device: CUDA's context and the allocator's reserve.

    Args:
        dimensions: The base model's shape; experts count as one block as wide as those in use.
        setup: What is trained, and how.
    """
    few, more = (_run(dimensions, setup, layers) for layers in (_FEW, _MORE))
    steps = (dimensions.layers - _FEW) / (_MORE - _FEW)
    found = {name: few[name] + steps * (more[name] - few[name]) for name in _MOMENTS}
    # what was run had the weights of a dense model in `weight_bytes`
    held = state(dimensions, setup)
    ran = _weights(dimensions, dimensions.layers) * setup.weight_bytes
    other = held.weights + held.reference - ran
    if not setup.lora:
        # gradients and moments of parameters that were not run, such as idle experts
        other += held.gradients + held.optimizer - round(3 * ran)
    return {name: round(size + other) for name, size in found.items()}


def _weights(dimensions: Dimensions, layers: int) -> int:
    """Parameters of the Llama that is run: linear maps, norms, tables."""
    hidden = dimensions.hidden
    queries = dimensions.heads * dimensions.head_width
    keys = dimensions.kv_heads * dimensions.head_width
    layer = 2 * hidden * (queries + keys) + 3 * hidden * dimensions.ffn + 2 * hidden
    return layers * layer + dimensions.embedding_parameters + hidden


def _run(dimensions: Dimensions, setup: Setup, layers: int) -> dict[str, int]:
    """Run two steps of a model with so few layers; return the peak of each moment of the last."""
    with torch.device("meta"):
        model = _model(dimensions, setup, layers)
    with FakeTensorMode(allow_non_fake_inputs=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _materialise(model, setup)
        body = model.base_model.model if setup.lora else model
        optimizer = _optimizer(model, setup)
        tracker = MemTracker()
        tracker.track_external(model, optimizer)
        with _frozen_allowed(), tracker:
            for _ in range(_STEPS):
                found = _step(body, optimizer, tracker, dimensions, setup)
    return found


def _model(dimensions: Dimensions, setup: Setup, layers: int) -> Any:
    config = LlamaConfig(
        num_hidden_layers=layers,
        hidden_size=dimensions.hidden,
        intermediate_size=dimensions.ffn,
        num_attention_heads=dimensions.heads,
        num_key_value_heads=dimensions.kv_heads,
        head_dim=dimensions.head_width,
        vocab_size=dimensions.vocab,
        tie_word_embeddings=dimensions.tied,
        attn_implementation="sdpa",
    )
    model = LlamaForCausalLM(config).to(_dtype(setup))
    if setup.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if not setup.lora:
        return model
    from peft import LoraConfig, get_peft_model

    named = setup.targets == "all-linear"
    targets = setup.targets if named else [name.strip() for name in setup.targets.split(",")]
    adapted = get_peft_model(
        model,
        LoraConfig(
            r=setup.rank,
            target_modules=targets,
            lora_dropout=setup.dropout,
            task_type="CAUSAL_LM",
        ),
    )
    if setup.gradient_checkpointing:
        adapted.enable_input_require_grads()
    return adapted


def _dtype(setup: Setup) -> torch.dtype:
    return torch.bfloat16 if setup.weight_bytes == 2 else torch.float32


def _materialise(model: Any, setup: Setup) -> None:
    """Give every parameter and buffer a tensor without content; a tied head stays tied."""
    made: dict[int, torch.nn.Parameter] = {}
    for module in model.modules():
        for name, old in list(module.named_parameters(recurse=False)):
            dtype = torch.float32 if setup.lora and old.requires_grad else _dtype(setup)
            if id(old) not in made:
                empty = torch.empty(old.shape, dtype=dtype, device="cpu")
                made[id(old)] = torch.nn.Parameter(empty, requires_grad=old.requires_grad)
            module.register_parameter(name, made[id(old)])
        for name, buffer in list(module.named_buffers(recurse=False)):
            empty = torch.empty(buffer.shape, dtype=buffer.dtype, device="cpu")
            module.register_buffer(name, empty)
    model.train()


def _optimizer(model: Any, setup: Setup) -> torch.optim.Optimizer:
    """AdamW as Transformers makes it; an 8-bit one has no fake version and runs in full."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    foreach = setup.optimizer == "adamw_torch"
    return torch.optim.AdamW(trained, foreach=foreach, fused=None if foreach else False)


def _step(
    body: Any, optimizer: Any, tracker: MemTracker, dimensions: Dimensions, setup: Setup
) -> dict[str, int]:
    """Run one step; return the peak of each of its moments."""
    found: dict[str, int] = {}
    rows = setup.micro_batch * setup.answers
    tracker.reset_mod_stats()
    _forget(tracker)
    ids = torch.zeros((rows, setup.length), dtype=torch.long)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=setup.precision != "fp32"):
        hidden = body.model(input_ids=ids, use_cache=False).last_hidden_state
        loss = _Tiles.apply(hidden, body.lm_head.weight, setup, dimensions.vocab)
    del hidden
    # the loss's own buffers come first in the backward pass, so its peak is noted inside it
    _Tiles.after = lambda: found.__setitem__("loss", _forget(tracker))
    loss.backward()
    del loss
    found["backward"] = _forget(tracker)
    optimizer.step()
    found["optimizer"] = _forget(tracker)
    optimizer.zero_grad(set_to_none=setup.accumulation == 1)
    return found


class _Tiles(torch.autograd.Function):  # type: ignore[misc]
    """TRL's chunked loss as a GPU runs it: its buffers, with no numbers in them."""

    after: Callable[[], None] = staticmethod(lambda: None)

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, setup: Setup, vocab: int) -> Any:
        scored = math.ceil(setup.tokens * setup.scored)
        flat = hidden.reshape(-1, hidden.shape[-1])[:scored].clone()
        tile = torch.empty((min(scored, TILE_TOKENS), min(vocab, TILE_VOCAB)), dtype=hidden.dtype)
        ctx.save_for_backward(flat, weight)
        ctx.shape, ctx.tile = hidden.shape, tile.shape
        del tile
        return flat.float().sum()

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        flat, weight = ctx.saved_tensors
        tile = torch.empty(ctx.tile, dtype=flat.dtype)
        gradient = torch.zeros(flat.shape, dtype=torch.float32)
        head = torch.zeros(weight.shape, dtype=torch.float32) if weight.requires_grad else None
        del tile
        whole = torch.zeros(ctx.shape, dtype=flat.dtype)
        whole.view(-1, ctx.shape[-1])[: flat.shape[0]] = gradient.to(flat.dtype)
        del gradient
        down = None if head is None else head.to(weight.dtype)
        del head
        _Tiles.after()
        return whole, down, None, None


def _forget(tracker: MemTracker) -> int:
    """Return the peak since the last call, over all devices, and start anew."""
    snapshot = tracker.get_tracker_snapshot("peak")
    total = sum(sizes["Total"] for sizes in snapshot.values())
    tracker._peak_mem.clear()  # noqa: SLF001 - the tracker has no public way to start anew
    tracker._peak_mem_snap.clear()  # noqa: SLF001
    return int(total)


@contextmanager
def _frozen_allowed() -> Iterator[None]:
    """Let MemTracker hang its hooks on frozen parameters, where torch refuses them."""
    names = ("register_hook", "register_post_accumulate_grad_hook")
    originals = {name: getattr(torch.Tensor, name) for name in names}

    def guarded(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda tensor, hook: original(tensor, hook) if tensor.requires_grad else _NoHook()

    for name, original in originals.items():
        setattr(torch.Tensor, name, guarded(original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(torch.Tensor, name, original)


class _NoHook:
    """The handle of a hook that was not set."""

    def remove(self) -> None:
        """Do nothing."""


def main() -> None:
    """Answer the request on standard input: `{"model": NAME, "setup": {...}}`, as JSON."""
    request = json.load(sys.stdin)
    found = peak(models.find(request["model"]).dimensions, Setup(**request["setup"]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()

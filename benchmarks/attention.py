"""Attention's time on a CPU, forward and backward: the fused kernel against ours.

    PYTHONPATH=. python benchmarks/attention.py

The heads are SmolLM2-135M's (9 of width 64, 3 for keys and values), in bfloat16. Prints
milliseconds a layer for padded rows of several widths, and the ratio; both in one run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from engine.run import attention

HEADS, KEYS, WIDTH = 9, 3, 64
SHAPES = ((6, 85), (2, 256), (1, 512), (1, 700), (1, 1024), (1, 2048))
REPEATS, ROUNDS = 5, 3


def main() -> int:
    """Measure every shape with both, in turns, and print the better round of each."""
    torch.set_num_threads(2)
    layer = SimpleNamespace(num_key_value_groups=HEADS // KEYS, is_causal=True)
    print("| rows x tokens | fused kernel, ms | ours, ms | ratio |\n|---|---|---|---|")
    for rows, tokens in SHAPES:
        rounds = [
            [
                _milliseconds(function, layer, rows, tokens)
                for function in (sdpa_attention_forward, attention.attend)
            ]
            for _ in range(ROUNDS)
        ]
        fused, ours = (min(times) for times in zip(*rounds, strict=True))
        print(f"| {rows} x {tokens} | {fused:.1f} | {ours:.1f} | {fused / ours:.1f} |", flush=True)
    return 0


def _milliseconds(function: Callable[..., Any], layer: Any, rows: int, tokens: int) -> float:
    query, key, value = (
        torch.randn(rows, heads, tokens, WIDTH, dtype=torch.bfloat16, requires_grad=True)
        for heads in (HEADS, KEYS, KEYS)
    )

    def once() -> None:
        found = function(layer, query, key, value, None, scaling=WIDTH**-0.5)[0]
        found.backward(torch.ones_like(found))

    once()
    began = time.perf_counter()
    for _ in range(REPEATS):
        once()
    return (time.perf_counter() - began) / REPEATS * 1000


if __name__ == "__main__":
    sys.exit(main())

"""A base in 4 bits is the same after a validation as before it, so that a resumed run is equal."""

from __future__ import annotations

import pytest

from tests.engine.run import small


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, model_dir):
    return small.model(tmp_path_factory.mktemp("tiny"), model_dir)


def test_a_validation_leaves_the_base_as_it_was_loaded(tiny, tmp_path):
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    made = small.training("sft-qlora", tmp_path, tiny, precision="bf16", quantization="nf4")
    maps = [item for item in made.trainer.model.modules() if isinstance(item, Linear4bit)]
    states = [item.weight.quant_state for item in maps]
    before = [dequantize_4bit(item.weight, state) for item, state in zip(maps, states, strict=True)]
    made.trainer.evaluate()
    for item, weights in zip(maps, before, strict=True):
        assert not getattr(item.weight.quant_state, "packing_format_for_cpu", False)
        assert torch.equal(dequantize_4bit(item.weight, item.weight.quant_state), weights)

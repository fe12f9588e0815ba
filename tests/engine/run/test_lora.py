"""A linear map and its adapter in one operation, held against PEFT's own."""

from __future__ import annotations

import copy

import pytest


def adapted(**settings):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=200,
        attention_bias=True,
    )
    torch.manual_seed(0)
    base = LlamaForCausalLM(config).to(torch.bfloat16)
    for name, value in base.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(value, std=0.1)
    told = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    model = get_peft_model(base, LoraConfig(**{**told, **settings}))
    for name, value in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.05)
    return model.train()


def learnt(model, ids):
    """The loss and the adapter's gradients; the embedding's output gets one too."""
    import torch

    model.zero_grad()
    model.enable_input_require_grads()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    found = {name: value.grad for name, value in model.named_parameters() if value.requires_grad}
    return loss.item(), {name: value.clone() for name, value in found.items()}


@pytest.fixture
def ids():
    import torch

    torch.manual_seed(1)
    return torch.randint(0, 200, (3, 30))


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"r": 16, "lora_alpha": 16}])
def test_a_fused_adapter_has_pefts_loss_and_gradients(ids, settings):
    """The better of the two is not asked for: both are as far from float32 as bfloat16 is."""
    import torch

    from engine.run import lora

    model = adapted(**settings)
    exact = copy.deepcopy(model).float()
    total, wanted = learnt(model, ids)
    assert lora.fuse(model) == 14
    found, gradients = learnt(model, ids)
    with torch.autocast("cpu", enabled=False):
        exact.zero_grad()
        exact.enable_input_require_grads()
        exact(input_ids=ids, labels=ids).loss.backward()
    true = {name: value.grad for name, value in exact.named_parameters() if value.requires_grad}
    assert found == pytest.approx(total, rel=2e-3)

    def apart(some):
        return sum(float((some[name] - true[name]).norm() / true[name].norm()) for name in true)

    assert gradients.keys() == wanted.keys() == true.keys()
    assert apart(gradients) <= 1.1 * apart(wanted)
    assert all(value.dtype == torch.float32 for value in gradients.values())


def test_switched_off_it_is_the_base_and_without_gradients_it_is_the_same(ids):
    import torch

    from engine.run import lora

    model = adapted().eval()
    with torch.no_grad():
        before = model(input_ids=ids).logits
        with model.disable_adapter():
            base = model(input_ids=ids).logits
        lora.fuse(model)
        assert torch.allclose(model(input_ids=ids).logits, before, atol=0.05)
        with model.disable_adapter():
            assert torch.equal(model(input_ids=ids).logits, base)


@pytest.mark.parametrize(
    "settings", [{"lora_dropout": 0.1}, {"use_dora": True}, {"lora_bias": True}]
)
def test_an_adapter_that_does_more_stays_pefts(settings):
    from engine.run import lora

    assert lora.fuse(adapted(**settings)) == 0


def test_in_float32_the_fused_map_is_pefts_to_the_last_bit(ids):
    from engine.run import lora

    model = adapted().float()
    before = learnt(model, ids)[0]
    lora.fuse(model)
    assert learnt(model, ids)[0] == before


def test_recomputed_layers_give_the_same_gradients(ids):
    import torch

    from engine.run import lora

    model = adapted()
    lora.fuse(model)
    loss, wanted = learnt(model, ids)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    again, found = learnt(model, ids)
    assert again == loss
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)

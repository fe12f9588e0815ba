"""Our attention on a CPU, held against the library's own."""

from __future__ import annotations

import pytest

from engine.run import arguments, pieces
from engine.run.examples import IGNORED, Examples
from tests.engine.run import small

PREFIX = 9
LENGTHS = [40, 300, 11, 620]
KINDS = sorted(arguments._OWN_ATTENTION)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, model_dir):
    return small.model(tmp_path_factory.mktemp("tiny"), model_dir)


def model(kind, attention):
    """A random model of an architecture; always the same weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        kind,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        vocab_size=200,
        initializer_range=0.2,
    )
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, attn_implementation=attention).float()


def rows():
    """Token ids and labels of rows that share their beginning, padded on the right."""
    import torch

    torch.manual_seed(1)
    ids = torch.randint(0, 200, (len(LENGTHS), max(LENGTHS)))
    ids[:, :PREFIX] = ids[0, :PREFIX]
    labels = ids.clone()
    for row, length in enumerate(LENGTHS):
        labels[row, length:] = IGNORED
        labels[row, : PREFIX + 1] = IGNORED
    return ids, labels


def backward(scores, labels):
    import torch

    loss = torch.nn.functional.cross_entropy(scores, labels, reduction="sum")
    loss.backward()
    return loss.item()


def gradients(model):
    return {name: value.grad for name, value in model.named_parameters()}


def close(first, second):
    for name, value in first.items():
        assert (value - second[name]).norm() <= 1e-5 * value.norm(), name


def alone(kind):
    """The loss and the gradients of rows that the library computes one by one."""
    plain, (ids, labels) = model(kind, "eager"), rows()
    total = 0.0
    for row, length in enumerate(LENGTHS):
        scores = plain(input_ids=ids[row : row + 1, :length]).logits[0, :-1]
        total += backward(scores, labels[row, 1:length])
    return total, gradients(plain)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_under_a_shared_prefix_has_the_loss_and_gradients_it_has_alone(kind):
    from engine.run import attention

    attention.register()
    total, wanted = alone(kind)
    shared, (ids, labels) = model(kind, attention.NAME), rows()
    assert attention.can_share(shared)
    assert attention.alike(ids, labels, LENGTHS, PREFIX)
    laid = attention.lay(ids, labels, LENGTHS, PREFIX)
    assert laid["input_ids"].shape == (1, PREFIX + 4 * (620 - PREFIX))
    wanted_labels = laid.pop("labels")[0, 1:]
    found = backward(shared(**laid, use_cache=False).logits[0, :-1], wanted_labels)
    assert found == pytest.approx(total, rel=1e-5)
    close(wanted, gradients(shared))


@pytest.mark.parametrize("kind", KINDS)
def test_padded_rows_have_the_loss_and_gradients_they_have_alone(kind):
    from engine.run import attention

    attention.register()
    total, wanted = alone(kind)
    padded, (ids, labels) = model(kind, attention.NAME), rows()
    scores = padded(input_ids=ids, use_cache=False).logits[:, :-1]
    found = backward(scores.flatten(0, 1), labels[:, 1:].flatten())
    assert found == pytest.approx(total, rel=1e-5)
    close(wanted, gradients(padded))


@pytest.mark.parametrize("kind", KINDS)
def test_padding_on_the_left_is_masked_with_and_without_gradients(kind):
    import torch

    from engine.run import attention

    attention.register()
    ours, plain, (ids, _) = model(kind, attention.NAME), model(kind, "eager"), rows()
    mask = torch.ones(2, 40, dtype=torch.long)
    mask[0, :15] = 0
    told = {"input_ids": ids[:2, :40], "attention_mask": mask}
    wanted = plain(**told).logits[mask.bool()]
    assert torch.allclose(ours(**told).logits[mask.bool()], wanted, atol=1e-4)
    with torch.no_grad():
        assert torch.allclose(ours(**told).logits[mask.bool()], wanted, atol=1e-4)
    greedy = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    assert torch.equal(ours.generate(**told, **greedy), plain.generate(**told, **greedy))


def test_what_is_learnt_or_unlike_is_not_shared():
    from engine.run import attention

    ids, labels = rows()
    assert not attention.alike(ids, labels, LENGTHS, PREFIX + 1)  # the token behind is learnt
    assert not attention.alike(ids, labels, [40, 300, PREFIX, 620], PREFIX)
    assert not attention.alike(ids[:1], labels[:1], LENGTHS[:1], PREFIX)
    ids[2, 3] += 1
    assert not attention.alike(ids, labels, LENGTHS, PREFIX)


def test_a_model_with_a_sliding_window_shares_nothing():
    from engine.run import attention

    attention.register()
    sliding = model("qwen2", attention.NAME)
    sliding.config.layer_types = ["full_attention", "sliding_attention", "full_attention"]
    assert not attention.can_share(sliding)
    assert not attention.can_share(model("llama", "sdpa"))


@pytest.mark.parametrize(
    ("first", "others", "prefix"),
    [
        ([1, 2, 3, 4, 5], [[1, 2, 3, 9, 9]], 3),
        ([1, 2, 3, 4, 5], [[1, 2, 3, 4, 5]], 3),  # the fifth is learnt, the fourth predicts it
        ([1, 2, 3, 4, 5], [[1, 2, 3, 9, 9], [1, 7, 3, 9, 9]], 1),
        ([1, 2, 3, 4, 5], [[2, 2, 3, 4, 5]], 0),
    ],
)
def test_the_prefix_of_examples_is_what_all_share_and_nobody_learns(first, others, prefix):
    made = [{"input_ids": ids, "labels": [IGNORED] * 4 + ids[4:]} for ids in ([*first], *others)]
    assert Examples(made, 0, 0).prefix == prefix
    assert Examples([], 0, 0).prefix == 0


def test_a_run_computes_the_prefix_once_and_counts_it_for_every_row(tiny, tmp_path):
    """The pieces' losses and gradients are those of the rows one by one; so is the count."""
    import torch

    made = small.training("sft-lora", tmp_path, tiny, micro_batch=8, micro_tokens=80)
    prefix = arguments.prefix(made.plan, made.rows)
    assert prefix >= arguments._LEAST_PREFIX
    trainer, model = made.trainer, made.trainer.model.train()
    batch = trainer.data_collator([trainer.train_dataset[row] for row in range(8)])
    items = (batch["labels"][:, 1:] != IGNORED).sum()
    parts = trainer.pieces(batch)
    assert len(parts) > 1
    assert any(part.get("prefix") == prefix for part in parts)
    computed = sum(part["input_ids"].numel() for part in parts)
    cut = arguments.cut(made.plan, prefix)(made.rows.lengths[:8])
    assert computed == sum(
        pieces.width(made.rows.lengths, rows, packing=False, prefix=prefix) for rows in cut
    )
    before = made.seen.tokens
    loss = trainer.training_step(model, dict(batch), items)
    assert made.seen.tokens - before == sum(made.rows.lengths[:8])
    found = [value.grad.clone() for value in model.parameters() if value.grad is not None]
    model.zero_grad()
    total = 0.0
    for row in made.rows.rows[:8]:
        scores = model(input_ids=torch.tensor([row["input_ids"]])).logits[0, :-1]
        each = torch.nn.functional.cross_entropy(
            scores.float(), torch.tensor(row["labels"][1:]), reduction="sum"
        )
        (each / items).backward()
        total += each.item() / int(items)
    assert loss.item() == pytest.approx(total, rel=1e-4)
    wanted = [value.grad for value in model.parameters() if value.grad is not None]
    for one, other in zip(found, wanted, strict=True):
        assert (one - other).norm() <= 1e-3 * other.norm() + 1e-9


def test_what_the_command_line_names_without_torch_is_the_attentions_name():
    from engine.run import attention

    assert arguments.OWN_ATTENTION == attention.NAME
    assert attention.IGNORED == IGNORED

"""A micro-batch in pieces: cut well, and worth exactly what the whole is worth."""

from __future__ import annotations

import itertools
import random

import pytest

from engine.run import pieces
from tests.engine.run import small


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, model_dir):
    return small.model(tmp_path_factory.mktemp("tiny"), model_dir)


def lengths_of(seed):
    chance = random.Random(seed)
    return [chance.choice([3, 40, 60, 300]) + chance.randrange(40) for _ in range(7)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("device", ["cpu", "gpu0"])
@pytest.mark.parametrize("prefix", [0, 2])
def test_the_padded_cut_is_the_cheapest_of_all(seed, device, prefix):
    lengths, budget = lengths_of(seed), 400
    found = pieces.padded(lengths, budget, device, prefix)
    assert sorted(itertools.chain(*found)) == list(range(len(lengths)))

    def width(part):
        return pieces.width(lengths, part, packing=False, prefix=prefix)

    assert all(width(piece) <= budget for piece in found)
    overhead = pieces.PASS_TOKENS["cpu" if device == "cpu" else "gpu"]

    def cost(parts):
        return sum(overhead + width(part) for part in parts)

    by_length = sorted(range(len(lengths)), key=lengths.__getitem__)
    every = []
    for marks in itertools.product([0, 1], repeat=len(lengths) - 1):
        parts = [[by_length[0]]]
        for row, new in zip(by_length[1:], marks, strict=True):
            parts.append([row]) if new else parts[-1].append(row)
        if all(width(part) <= budget for part in parts):
            every.append(cost(parts))
    assert cost(found) == min(every)


@pytest.mark.parametrize("packing", [False, True])
def test_a_row_longer_than_the_budget_goes_alone(packing):
    found = pieces.cut([500, 20, 30], 100, "cpu", packing=packing)
    assert [0] in found
    assert sorted(itertools.chain(*found)) == [0, 1, 2]
    assert pieces.cut([500, 20], 0, "cpu", packing=packing) == [[0, 1]]


def test_packing_fills_its_pieces():
    lengths = [90, 10, 50, 50, 60, 40]
    found = pieces.packed(lengths, 100)
    assert len(found) == 3
    assert all(sum(lengths[row] for row in piece) <= 100 for piece in found)


def gradients(made, batch, items):
    model = made.trainer.model
    model.zero_grad()
    loss = made.trainer.training_step(model, dict(batch), items)
    return loss.item(), {
        name: value.grad.clone()
        for name, value in model.named_parameters()
        if value.grad is not None
    }


def apart(first, second):
    """Return by what share of its length the one gradient differs from the other."""
    assert first.keys() == second.keys()
    difference = sum(float((first[name] - second[name]).norm()) ** 2 for name in first)
    return (difference / sum(float(value.norm()) ** 2 for value in first.values())) ** 0.5


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("sft-lora", {"micro_tokens": 60}),
        ("sft-lora", {"micro_tokens": 120, "packing": True}),
        ("sft-full", {"micro_tokens": 0, "packing": True}),
        ("dpo-lora", {"micro_tokens": 60}),
    ],
)
def test_pieces_give_the_loss_and_the_gradients_of_the_whole(name, other, tiny, tmp_path):
    settings = {"micro_batch": 8, "learning_rate": 0.05}
    if name == "sft-full":
        settings["precision"] = "fp32"
    found = []
    for place, changed in enumerate(({"micro_tokens": 0}, other)):
        made = small.training(name, tmp_path / str(place), tiny, **settings, **changed)
        made.trainer.train()  # an adapter's first matrix has no gradient at its start
        batch = made.trainer.data_collator([made.trainer.train_dataset[row] for row in range(8)])
        items = (batch["labels"][:, 1:] != -100).sum() if "labels" in batch else None
        count = len(made.trainer.pieces(batch))
        assert (count > 1) == bool(changed["micro_tokens"])
        found.append((*gradients(made, batch, items), made.losses))
    (whole, first, before), (parts, second, after) = found
    assert parts == pytest.approx(whole, rel=1e-4)
    assert apart(first, second) < 1e-3
    assert after == pytest.approx(before, rel=1e-3)


def test_a_packed_rows_loss_is_the_one_it_has_alone(tiny, tmp_path):
    import torch

    made = small.training("sft-lora", tmp_path, tiny, micro_tokens=0, packing=True)
    model = made.trainer.model.eval()
    rows = [made.trainer.train_dataset[row] for row in range(6)]
    batch = made.trainer.data_collator(rows)
    (piece,) = made.trainer.pieces(batch)
    assert piece["input_ids"].shape == (1, sum(len(row["input_ids"]) for row in rows))
    total = 0.0
    with torch.no_grad():
        for row in rows:
            labels = torch.tensor([row["labels"]])
            scores = model(input_ids=torch.tensor([row["input_ids"]])).logits[:, :-1]
            total += torch.nn.functional.cross_entropy(
                scores.float().flatten(0, 1), labels[:, 1:].flatten(), reduction="sum"
            ).item()
        answers = sum(label != -100 for row in rows for label in row["labels"][1:])
        loss = made.trainer.compute_loss(model, piece, num_items_in_batch=answers)
        validated = made.trainer.prediction_step(model, batch, True)[0]
    assert loss.item() == pytest.approx(total / answers, rel=1e-4)
    assert validated.item() == pytest.approx(total / answers, rel=1e-4)

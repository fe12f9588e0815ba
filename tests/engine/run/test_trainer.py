"""The trainer as it is built, on the real embedded model, without training it."""

from __future__ import annotations

import pytest

from engine.base.errors import TunesmithError
from engine.data.chat.template import ChatTemplate
from engine.plan import plan as plans
from engine.run.checkpoints import Totals
from engine.run.examples import IGNORED, Examples, tokenise


@pytest.fixture(scope="module")
def trainer(bench, examples, model_dir):
    from engine.run.forecast import Forecast
    from engine.run.trainer import build
    from engine.run.views import Views
    from engine.run.watcher import Watcher

    plan = plans.propose(bench.store, bench.project, bench.dataset_id, {"precision": "fp32"})
    template = ChatTemplate.load(model_dir)
    instruction = bench.project.objective.instruction
    rows = tokenise(template, instruction, examples[:4], plan["max_length"])
    watcher = Watcher(None, 0, bench.folder, None, Totals(), Views(Forecast(())))
    return build(plan, model_dir, bench.folder / "out", rows, Examples([], 0, 0), watcher)


@pytest.fixture(scope="module")
def batch(trainer):
    return trainer.data_collator([trainer.train_dataset[index] for index in range(4)])


def test_the_loss_is_that_of_the_answers_alone(trainer, batch):
    import torch

    logits = trainer.model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
    ).logits[:, :-1]
    wanted = batch["labels"][:, 1:]
    counted = wanted != IGNORED
    expected = torch.nn.functional.cross_entropy(logits[counted].float(), wanted[counted])
    assert counted.sum() < 0.6 * batch["attention_mask"].sum()
    assert trainer.compute_loss(trainer.model, dict(batch)).item() == pytest.approx(
        expected.item(), rel=1e-4
    )


def test_the_short_cut_gives_the_librarys_loss(trainer, batch):
    from trl import SFTTrainer

    own = trainer.compute_loss(trainer.model, dict(batch))
    library = SFTTrainer.compute_loss(trainer, trainer.model, dict(batch))
    assert own.item() == pytest.approx(library.item(), rel=1e-4)


def test_tokens_are_counted_without_padding(trainer, batch):
    before = trainer._watcher.tokens
    trainer.model.train()
    trainer.compute_loss(trainer.model, dict(batch))
    assert trainer._watcher.tokens - before == sum(
        len(row["input_ids"]) for row in trainer.train_dataset
    )


def test_the_plans_choices_reach_the_library(trainer):
    assert not trainer.args.gradient_checkpointing
    assert not trainer.model.is_gradient_checkpointing
    assert trainer.args.report_to == []
    assert not trainer.args.push_to_hub
    trained = {
        name.split(".")[-4] for name, p in trainer.model.named_parameters() if p.requires_grad
    }
    assert trained == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"
    }  # fmt: skip


@pytest.mark.parametrize("broken", [{"loss": float("nan")}, {"grad_norm": float("inf")}])
def test_a_diverged_training_ends_with_advice(broken):
    from engine.run.watcher import _check

    with pytest.raises(TunesmithError, match="diverged") as told:
        _check({"loss": 1.0, "grad_norm": 1.0, "learning_rate": 3e-3, **broken}, 5)
    assert "--set learning_rate=1e-03" in told.value.fix

"""Every shipped recipe really trains: a two-layer model, real steps, real TRL, on the CPU."""

from __future__ import annotations

import math
import shutil
from functools import cache

import pytest

from engine.plan import recipe
from engine.run import arguments, result
from tests.engine.run import small


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, model_dir):
    return small.model(tmp_path_factory.mktemp("tiny"), model_dir)


def checkpoint(folder, step):
    return folder / f"checkpoint-{step}"


STEPS = 3
SETTINGS = {"sft-qlora": {"precision": "bf16"}, "dpo-lora": {"lora_dropout": 0.05}}


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """Recipe name -> its training, done, the weights before it, and its folder; each made once."""

    @cache
    def make(name):
        folder = tmp_path_factory.mktemp(name)
        made = small.training(name, folder / "out", tiny, **SETTINGS.get(name, {}))
        before = {key: value.clone() for key, value in made.trainer.model.named_parameters()}
        made.trainer.train()
        return made, before, folder

    return make


@pytest.mark.parametrize("name", recipe.names())
def test_every_recipe_trains(name, trained):
    made, before, _ = trained(name)
    assert len(made.losses) == STEPS
    assert all(map(math.isfinite, made.losses))
    assert len(set(made.losses)) > 1
    evaluated = next(logs["eval_loss"] for logs in made.seen.logs if "eval_loss" in logs)
    assert math.isfinite(evaluated)
    assert made.seen.tokens > 0
    moved = changed(made, before)
    assert moved
    if made.plan.tuning == "lora":
        assert all("lora" in key or "modules_to_save" in key for key in moved)


def changed(made, before):
    after = made.trainer.model.named_parameters()
    return {key for key, value in after if (value != before[key]).any()}


@pytest.mark.parametrize("name", ["sft-full", "sft-qlora", "kto-lora"])
def test_what_was_trained_is_kept_and_loads(name, trained, tiny):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made, before, folder = trained(name)
    assert result.path(folder) is None
    digest = result.keep(made.plan, checkpoint(folder / "out", STEPS), tiny, folder)
    kept = result.path(folder)
    assert len(digest) == 64
    assert kept == folder / ("model" if made.plan.tuning == "full" else "adapter")
    if made.plan.tuning == "full":
        again = AutoModelForCausalLM.from_pretrained(kept)
        assert AutoTokenizer.from_pretrained(kept).chat_template
        assert (kept / "tokenizer.json").read_bytes() == (tiny / "tokenizer.json").read_bytes()
    else:
        assert {file.name for file in kept.iterdir()} == {
            "adapter_config.json",
            "adapter_model.safetensors",
        }
        again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny), kept)
    values = dict(again.named_parameters())
    current = dict(made.trainer.model.named_parameters())
    for key in changed(made, before):
        assert (values[key].float() == current[key].float()).all(), key


@pytest.mark.parametrize("name", ["sft-qlora", "dpo-lora", "kto-lora", "orpo-lora", "cpt-full"])
def test_a_resumed_training_ends_with_the_same_bytes(name, trained, tiny):
    whole, _, folder = trained(name)
    shutil.copytree(checkpoint(folder / "out", 2), checkpoint(folder / "again", 2))
    resumed = small.training(name, folder / "again", tiny, **SETTINGS.get(name, {}))
    resumed.trainer.train(resume_from_checkpoint=str(checkpoint(folder / "again", 2)))
    ends = [checkpoint(folder / place, STEPS) for place in ("out", "again")]
    first, second = (next(end.glob("*.safetensors")).read_bytes() for end in ends)
    assert first == second
    assert resumed.losses == whole.losses[2:]


def shaken(made):
    """Move the adapter off its start, so that model and reference differ."""
    import torch

    torch.manual_seed(1)
    for key, value in made.trainer.model.named_parameters():
        if "lora_B" in key:
            value.data.normal_(0, 0.3)
    made.trainer.model.eval()
    return made


def log_likelihoods(model, rows, answer, *, prompts=None, average=False):
    """Return the log-likelihood of each row's answer, one row at a time, without padding."""
    import torch

    found = []
    for place, row in enumerate(rows):
        prompt = (prompts or rows)[place]["prompt_ids"]
        ids = torch.tensor([[*prompt, *row[answer]]])
        with torch.no_grad():
            scores = model(input_ids=ids).logits[0, :-1].float().log_softmax(-1)
        each = scores.gather(1, ids[0, 1:, None])[len(prompt) - 1 :, 0]
        found.append(each.mean() if average else each.sum())
    return torch.stack(found)


def batch_of(made, count):
    examples = [made.trainer.train_dataset[place] for place in range(count)]
    return examples, made.trainer.data_collator(examples)


@pytest.mark.parametrize("ahead", [False, True])
def test_dpo_is_the_papers_formula_with_the_adapter_off_as_reference(ahead, tiny, tmp_path):
    import torch

    made = shaken(small.training("dpo-lora", tmp_path, tiny, beta=0.3, precompute_reference=ahead))
    rows, batch = batch_of(made, 5)
    model = made.trainer.model
    chosen, rejected = (log_likelihoods(model, rows, f"{s}_ids") for s in ("chosen", "rejected"))
    with model.disable_adapter():
        chosen = chosen - log_likelihoods(model, rows, "chosen_ids")
        rejected = rejected - log_likelihoods(model, rows, "rejected_ids")
    expected = -torch.nn.functional.logsigmoid(0.3 * (chosen - rejected)).mean()
    assert abs((chosen - rejected).mean()) > 0.01
    with torch.no_grad():
        loss = made.trainer.compute_loss(model, batch)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-4)
    assert ("ref_chosen_logps" in batch) == ahead


def test_kto_is_the_papers_formula_with_balanced_weights(tiny, tmp_path):
    import torch

    made = shaken(small.training("kto-lora", tmp_path, tiny, beta=0.3))
    rows, batch = batch_of(made, 6)
    model = made.trainer.model
    moved = [rows[-1], *rows[:-1]]
    gain = log_likelihoods(model, rows, "completion_ids")
    distance = log_likelihoods(model, moved, "completion_ids", prompts=rows)
    with model.disable_adapter():
        gain = gain - log_likelihoods(model, rows, "completion_ids")
        distance = distance - log_likelihoods(model, moved, "completion_ids", prompts=rows)
    point = distance.mean().clamp(min=0)
    good = torch.tensor([row["label"] for row in rows])
    desirable, undesirable = 1.0, 2.0  # 8 good and 4 bad training rows
    each = torch.where(
        good,
        desirable * (1 - torch.sigmoid(0.3 * (gain - point))),
        undesirable * (1 - torch.sigmoid(0.3 * (point - gain))),
    )
    with torch.no_grad():
        loss = made.trainer.compute_loss(model, batch)
    assert loss.item() == pytest.approx(each.mean().item(), abs=1e-4)


def test_orpo_is_the_papers_formula(tiny, tmp_path):
    import torch

    made = shaken(small.training("orpo-lora", tmp_path, tiny, beta=0.3))
    rows, batch = batch_of(made, 5)
    model = made.trainer.model
    chosen, rejected = (
        log_likelihoods(model, rows, f"{side}_ids", average=True).double()
        for side in ("chosen", "rejected")
    )

    def odds(mean):
        return mean - torch.log1p(-torch.exp(mean))

    ratio = torch.nn.functional.logsigmoid(odds(chosen) - odds(rejected))
    whole = [{"prompt_ids": row["prompt_ids"][:1], "ids": row["prompt_ids"][1:] + row["chosen_ids"]} for row in rows]  # fmt: skip
    sums, tokens = log_likelihoods(model, whole, "ids"), sum(len(row["ids"]) for row in whole)
    expected = -sums.sum().double() / tokens - 0.3 * ratio.mean()
    with torch.no_grad():
        loss = made.trainer.compute_loss(model, batch)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-4)


def test_raw_text_is_learnt_token_by_token_once(tiny, tmp_path):
    import torch

    made = small.training("cpt-lora", tmp_path, tiny, max_length=50)
    model = made.trainer.model.eval()
    stream = [
        token for place, row in enumerate(made.rows.rows) for token in row["input_ids"][place > 0 :]
    ]
    batch = made.trainer.data_collator(list(made.trainer.train_dataset))
    total = 0.0
    for row in made.rows.rows:
        ids = torch.tensor([row["input_ids"]])
        with torch.no_grad():
            scores = model(input_ids=ids).logits[0, :-1].float().log_softmax(-1)
        total -= scores.gather(1, ids[0, 1:, None]).sum().item()
    with torch.no_grad():
        loss = made.trainer.compute_loss(model, batch)
    assert loss.item() == pytest.approx(total / (len(stream) - 1), abs=1e-4)


def test_qlora_keeps_the_base_in_four_bits_and_trains_the_adapter_in_fp32(tiny, tmp_path):
    import torch
    from bitsandbytes.nn import Linear4bit

    for name in ("sft-qlora", "dpo-lora", "orpo-lora"):
        settings = {"quantization": "nf4", "precision": "bf16", "gradient_checkpointing": True}
        made = small.training(name, tmp_path / name, tiny, **settings)
        model = made.trainer.model
        maps = [module for module in model.modules() if isinstance(module, Linear4bit)]
        assert len(maps) == 2 * 7
        state = maps[0].weight.quant_state
        assert (state.quant_type, state.nested) == ("nf4", True)
        assert maps[0].compute_dtype == torch.bfloat16
        kinds = {p.dtype for p in model.parameters() if p.requires_grad}
        assert kinds == {torch.float32}
        tables = [p for key, p in model.named_parameters() if "embed_tokens" in key]
        assert {p.dtype for p in tables} == {torch.bfloat16}
        batch = batch_of(made, 2)[1]
        with made.trainer.compute_loss_context_manager():
            made.trainer.compute_loss(model.train(), batch).backward()
        assert any(p.grad is not None and p.grad.any() for p in model.parameters())


def test_the_plans_choices_reach_the_trainer(tiny, tmp_path):
    made = small.training(
        "sft-rslora", tmp_path / "a", tiny, lora_rank=16, lora_alpha=8, lora_targets="q_proj,v_proj"
    )
    layers = [m for m in made.trainer.model.modules() if hasattr(m, "lora_A")]
    assert {layer.scaling["default"] for layer in layers} == {8 / 4}
    assert len(layers) == 2 * 2
    kto = small.training("kto-lora", tmp_path / "b", tiny, desirable_weight=3.0, beta=0.2).trainer
    assert (kto.beta, kto.desirable_weight, kto.undesirable_weight) == (0.2, 3.0, 6.0)
    dropped = small.training("dpo-lora", tmp_path / "c", tiny, lora_dropout=0.1).trainer.model
    assert {m.p for m in dropped.modules() if type(m).__name__ == "Dropout"} == {0.1}
    full = small.training("sft-full", tmp_path / "d", tiny, precision="mixed").trainer
    assert {str(p.dtype) for p in full.model.parameters()} == {"torch.float32"}
    assert full.args.bf16


def test_the_tables_are_trained_beside_the_adapter_when_asked(tiny, tmp_path):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    with_tables, without = (
        small.training("cpt-lora", tmp_path / str(asked), tiny, train_embeddings=asked)
        for asked in (True, False)
    )
    trained = [
        {key for key, p in made.trainer.model.named_parameters() if p.requires_grad}
        for made in (with_tables, without)
    ]
    assert any("embed_tokens" in key for key in trained[0])
    assert not any("embed_tokens" in key for key in trained[1])
    model = with_tables.trainer.model
    before = model.get_input_embeddings().weight.clone()
    with_tables.trainer.train()
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert (table != before).any()
    assert table.data_ptr() == head.data_ptr()  # tied before, tied after

    ids = torch.tensor([with_tables.rows.rows[0]["input_ids"]])
    base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    again = PeftModel.from_pretrained(base, checkpoint(tmp_path / "True", STEPS)).eval()
    with torch.no_grad():
        expected = model.eval()(input_ids=ids).logits
        assert torch.allclose(again(input_ids=ids).logits, expected, atol=1e-4)
        merged = again.merge_and_unload()
        assert torch.allclose(merged(input_ids=ids).logits, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("given", "counts", "expected"),
    [
        ((0, 0), (8, 4), (1, 2)),
        ((0, 0), (3, 6), (2, 1)),
        ((0, 0), (5, 0), (1, 1)),
        ((2, 0), (8, 4), (2, 4)),
        ((0, 2), (8, 4), (1, 2)),
        ((1.5, 0.5), (8, 4), (1.5, 0.5)),
    ],
)
def test_kto_weighs_both_kinds_alike_unless_told(given, counts, expected):
    assert arguments.weights(*given, *counts) == expected

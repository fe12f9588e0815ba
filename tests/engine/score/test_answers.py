"""Answers of the real model: the shared start changes the speed, not what is said."""

import json

import pytest
import torch

from engine.base.hardware import machine
from engine.base.model import EMBEDDED
from engine.data.rows import make
from engine.score import answers, shared
from engine.score.answers import Generator

SYSTEM = "Sort the message. Answer with JSON and nothing else: intent, order."
SHOTS = [
    make("Where is order 10233?", '{"intent": "where_is_order", "order": "10233"}'),
    make("I want my money back for 5521.", '{"intent": "refund", "order": "5521"}'),
    make("My login does not work", '{"intent": "login_problem", "order": null}'),
]
MESSAGES = [
    "Where is my order 77121?",
    "I cannot sign in",
    "Refund order 9031 please, the grinder came broken and your parcel service lost the box twice",
    "hi",
    "The app says my password is wrong although I changed it yesterday. What shall I do now?",
    "Order 4410: still nothing here, should have come on Monday!",
]


@pytest.fixture(scope="module")
def generator():
    return Generator(EMBEDDED)


@pytest.fixture(scope="module")
def exact():
    """The same in float32, where rounding decides no near tie."""
    found = Generator(EMBEDDED)
    found._model.float()
    return found


@pytest.fixture(scope="module")
def prompts(generator):
    return [generator.template.prompt_ids(SYSTEM, SHOTS, message) for message in MESSAGES]


def by_generate(generator, prompt, limit):
    """What transformers' own `generate` says to one prompt."""
    with torch.inference_mode():
        ids = generator._model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=limit,
            do_sample=False,
        )[0, len(prompt) :].tolist()
    text = generator.template.tokenizer.decode(ids, skip_special_tokens=False)
    return text.split("<|im_end|>")[0]


def test_a_batch_says_what_each_prompt_alone_is_answered(exact, prompts):
    together = exact.answer(prompts, 30)
    assert [answer.text for answer in together] == [by_generate(exact, p, 30) for p in prompts]


def test_the_examples_are_understood_and_answers_end_by_themselves(generator, prompts):
    found = generator.answer(prompts, 40)
    assert set(json.loads(found[0].text)) == {"intent", "order"}
    assert 0 < found[0].tokens < 40


def test_the_order_of_prompts_and_the_size_of_batches_do_not_matter(exact, prompts, monkeypatch):
    whole = exact.answer(prompts, 20)
    monkeypatch.setattr(answers, "_MOST_ROWS", 2)
    assert exact.answer(prompts[::-1], 20)[::-1] == whole


def test_answers_are_cut_at_the_limit(generator, prompts):
    assert [answer.tokens for answer in generator.answer(prompts[:2], 3)] == [3, 3]


def test_an_answer_that_is_lost_is_given_up_after_its_start(generator, prompts):
    whole = generator.answer(prompts[:2], 24)
    assert whole[0].tokens > 16
    cut = generator.answer(prompts[:2], 24, lost=whole[0].text.startswith)
    assert cut[0].tokens == 16
    assert whole[0].text.startswith(cut[0].text.removesuffix(" …"))


def test_a_model_that_cannot_share_is_asked_one_by_one_with_the_same_result(
    exact, prompts, monkeypatch
):
    whole = exact.answer(prompts[:3], 20)
    monkeypatch.setattr(shared, "Branches", None)  # whoever used it now would fail
    monkeypatch.setattr(shared, "shareable", lambda *_: False)
    assert exact.answer(prompts[:3], 20) == whole


def test_a_sliding_window_is_seen_and_not_shared(exact, prompts):
    from transformers import MistralConfig, MistralForCausalLM

    size = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2}
    config = MistralConfig(
        **size, vocab_size=49152, num_attention_heads=4, num_key_value_heads=2, sliding_window=4
    )
    model = MistralForCausalLM(config).eval()
    with torch.inference_mode():
        assert not shared.shareable(model, shared.read(model, prompts[0][:20]), prompts[0])
        own = exact._model
        assert shared.shareable(own, shared.read(own, prompts[0][:20]), prompts[0])


def test_an_attention_that_shares_wrongly_is_found_out(exact, prompts, monkeypatch):
    fused = shared._fused

    def forgetful(query, key, value, mask, scale):
        return fused(query, key, value if mask is not None else value * 0, mask, scale)

    monkeypatch.setattr(shared, "_fused", forgetful)
    with torch.inference_mode():
        trunk = shared.read(exact._model, prompts[0][:20])
        assert not shared.shareable(exact._model, trunk, prompts[0])


def test_prompts_without_a_common_start_one_prompt_and_none(exact):
    alone = [[1, 2683, 198], [4093, 198, 57]]
    assert len(exact.answer(alone, 4)) == 2
    assert exact.answer([alone[0]], 4) == exact.answer(alone, 4)[:1]
    assert exact.answer([], 4) == []


def test_a_stop_between_batches_leaves_the_model_as_it_was(exact, prompts, monkeypatch):
    monkeypatch.setattr(answers, "_MOST_ROWS", 2)

    def stop(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exact.answer(prompts, 3, stop)
    assert exact._model.config._attn_implementation == "sdpa"
    assert len(exact.answer(prompts, 3)) == len(prompts)


def test_an_adapter_changes_what_is_said(exact, prompts, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from engine.base.model import locate

    base = AutoModelForCausalLM.from_pretrained(locate(EMBEDDED))
    wrapped = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    torch.manual_seed(1)
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    wrapped.save_pretrained(tmp_path)
    tuned = Generator(EMBEDDED, tmp_path)
    tuned._model.float()
    found = tuned.answer(prompts[:3], 8)
    assert found != exact.answer(prompts[:3], 8)
    assert [answer.text for answer in found] == [by_generate(tuned, p, 8) for p in prompts[:3]]


def test_it_runs_in_bfloat16_where_the_cpu_has_it(generator):
    wanted = torch.bfloat16 if machine.read().bf16 or machine.read().gpus else torch.float32
    assert generator._model.dtype == wanted

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.base.errors import TunesmithError
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Turn, make

SYSTEM = "Read the message. Answer with JSON."
ROWS = [
    make("where is my parcel 12345?", '{"intent": "late", "order": "12345"}'),
    make("  你好，包裹呢  ", "好的\n"),
    make("literal {{ braces }} and {% tags %}", " leading blank"),
]
GEMMA = (
    "{{ bos_token }}{% for m in messages %}<start>{{ 'model' if m.role == 'assistant' else m.role }}"
    "\n{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start>model\n{% endif %}"
)


def text(template: ChatTemplate, ids: list[int]) -> str:
    return str(template.tokenizer.decode(ids, skip_special_tokens=False))


def test_an_example_is_its_prompt_then_the_answer_then_the_end_of_turn(tiny_model: Path) -> None:
    template = ChatTemplate.load(tiny_model)
    for row in ROWS:
        example = template.example(SYSTEM, row)
        ids, prompt = example.ids, example.prompt
        assert ids[:prompt] == template.prompt_ids(SYSTEM, (), row.prompt)
        assert text(template, ids[prompt:]) == row.completion + "<|im_end|>"
        assert ids.count(template.eos_id) == 3


def test_shots_stand_between_system_and_message_as_turns(tiny_model: Path) -> None:
    template = ChatTemplate.load(tiny_model)
    got = text(template, template.prompt_ids(SYSTEM, ROWS[:1], "hello"))
    assert got == (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n"
        f"<|im_start|>user\n{ROWS[0].prompt}<|im_end|>\n"
        f"<|im_start|>assistant\n{ROWS[0].completion}<|im_end|>\n"
        "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    )


def test_without_a_system_text_the_template_puts_its_own(tiny_model: Path) -> None:
    template = ChatTemplate.load(tiny_model)
    assert "You are a small test model." in text(template, template.prompt_ids("", (), "hello"))


def test_a_turn_may_end_with_a_token_that_is_not_the_end_of_sequence(
    model_with: Callable[..., Path],
) -> None:
    folder = model_with(GEMMA, eos="<|endoftext|>", stops=["<|endoftext|>", "<end_of_turn>"])
    template = ChatTemplate.load(folder)
    example = template.example("", ROWS[0])
    ids, prompt = example.ids, example.prompt
    assert text(template, ids[prompt:]) == ROWS[0].completion + "<end_of_turn>"
    assert ids[-1] == template.eos_id


def test_an_end_that_the_template_forgets_is_added(model_with: Callable[..., Path]) -> None:
    plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    template = ChatTemplate.load(model_with(plain))
    example = template.example("", ROWS[0])
    ids, prompt = example.ids, example.prompt
    assert ids[-1] == template.eos_id
    assert text(template, ids[prompt:]).startswith(ROWS[0].completion)


def test_a_template_that_rewrites_the_answer_turn_still_gives_an_exact_prefix(
    model_with: Callable[..., Path],
) -> None:
    thinking = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n<think></think>{% endif %}"
    )
    template = ChatTemplate.load(model_with(thinking))
    example = template.example(SYSTEM, ROWS[0])
    ids, prompt = example.ids, example.prompt
    assert ids[:prompt] == template.prompt_ids(SYSTEM, (), ROWS[0].prompt)
    assert text(template, ids[prompt:]) == ROWS[0].completion + "<|im_end|>"


def test_a_rows_own_turns_and_system_text_are_asked_and_shots_keep_theirs(tiny_model: Path) -> None:
    template = ChatTemplate.load(tiny_model)
    earlier = (Turn("user", "hi"), Turn("assistant", "yes?"))
    shot = make("why?", "because", history=earlier, system="left out")
    row = make("where?", "there", history=earlier, system="Be brief.")
    got = text(template, template.prompt_ids(SYSTEM, [shot], row))
    turns = "".join(
        f"<|im_start|>{role}\n{content}<|im_end|>\n"
        for role, content in [
            ("system", "Be brief."),
            *earlier,
            ("user", "why?"),
            ("assistant", "because"),
            *earlier,
            ("user", "where?"),
        ]
    )
    assert got == f"{turns}<|im_start|>assistant\n"


def test_a_raw_text_is_learnt_whole_and_ends(tiny_model: Path) -> None:
    template = ChatTemplate.load(tiny_model)
    example = template.example(SYSTEM, make("", "Es war einmal. 从前", form="text"))
    assert text(template, example.ids) == "Es war einmal. 从前<|im_end|>"
    assert all(example.trained)


def test_a_preference_has_two_answers_to_one_prompt(tiny_model: Path) -> None:
    template = ChatTemplate.load(tiny_model)
    row = make("well?", "Good.", form="preference", rejected="Bad!")
    chosen, rejected = template.example(SYSTEM, row), template.rejected(SYSTEM, row)
    assert chosen.ids[: chosen.prompt] == rejected.ids[: rejected.prompt]
    assert text(template, chosen.ids[chosen.prompt :]) == "Good.<|im_end|>"
    assert text(template, rejected.ids[rejected.prompt :]) == "Bad!<|im_end|>"


def test_the_day_does_not_change_while_a_template_is_in_use(
    model_with: Callable[..., Path],
) -> None:
    source = "{{ strftime_now('%H:%M:%S.%f') }}{% for m in messages %}{{ m.content }}{% endfor %}"
    template = ChatTemplate.load(model_with(source))
    assert len({template.prompt("", (), "x") for _ in range(20)}) == 1


def test_what_templates_may_use_is_there(model_with: Callable[..., Path]) -> None:
    source = (
        "{{ bos_token }}{{ strftime_now('%Y') | length }}{{ {'é': 1} | tojson }}"
        "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}"
        "{% if loop.index > 9 %}{% break %}{% endif %}"
        "{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    )
    template = ChatTemplate.load(model_with(source))
    rendered = template.render([{"role": "user", "content": "hi"}], generation=False)
    assert rendered == '<|im_start|>4{"é": 1}hi'
    with pytest.raises(TunesmithError, match="no tools"):
        template.render([{"role": "tool", "content": "x"}], generation=False)


def test_a_template_cannot_reach_python(model_with: Callable[..., Path]) -> None:
    source = "{{ messages.__class__.__mro__ }}{% for m in messages %}{{ m.content }}{% endfor %}"
    with pytest.raises(TunesmithError, match="refuses"):
        ChatTemplate.load(model_with(source))


def test_a_model_without_a_template_is_refused_with_the_way_out(
    model_with: Callable[..., Path],
) -> None:
    template = ChatTemplate.load(model_with(None))
    with pytest.raises(TunesmithError, match="Instruct"):
        template.example("", make("hello", "hi"))


def test_a_model_without_a_template_learns_raw_text_as_it_is(
    model_with: Callable[..., Path],
) -> None:
    template = ChatTemplate.load(model_with(None))
    row = make("", "a text", form="text")
    assert template.example("", row).ids == [*template.encode("a text"), template.eos_id]


def test_it_is_what_transformers_makes_of_the_real_model(model_dir: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    template = ChatTemplate.load(model_dir)
    assert template.eos_id == tokenizer.eos_token_id
    assert template.context == 2048 or template.context == 8192
    for system in (SYSTEM, ""):
        for row in ROWS:
            messages = [{"role": "system", "content": system}] if system else []
            messages.append({"role": "user", "content": row.prompt})
            expected = tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True, return_dict=False
            )
            assert template.prompt_ids(system, (), row.prompt) == expected
            whole = tokenizer.apply_chat_template(
                [*messages, {"role": "assistant", "content": row.completion}], tokenize=False
            )
            example = template.example(system, row)
            ids, prompt = example.ids, example.prompt
            assert tokenizer.decode(ids) == whole.rstrip("\n")
            assert ids[:prompt] == expected


def test_a_tokenizer_that_can_only_encode_is_enough_to_ask(tiny_model: Path) -> None:
    """As llama.cpp's is, when an exported file is talked to."""
    whole = ChatTemplate.load(tiny_model)

    class Encoder:
        def encode(self, text: str, *, add_special_tokens: bool) -> SimpleNamespace:
            return SimpleNamespace(ids=whole.encode(text))

    template = ChatTemplate(Encoder(), whole.source, whole.special, whole.stops)
    assert template.eos_id == whole.eos_id
    assert template.prompt_ids(SYSTEM, (), "hi") == whole.prompt_ids(SYSTEM, (), make("hi", ""))

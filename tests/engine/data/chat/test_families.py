"""Chat templates of many families, with their quirks: what is learnt, and that it is counted so."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.base.errors import TunesmithError
from engine.data.chat.chat_jinja import reactions
from engine.data.chat.measure import measure
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Turn, make

SYSTEM = "Answer in one word."
CORPUS = [
    "Where is my order? It should be here by now. Yes, it is.",
    "system user assistant model end start of turn header id think im_start",
    "你好，我的包裹在哪里？ 请问什么时候到。 Grüße aus Köln: schön!",
    "\n\n  The order 12 is late;\n\tplease cancel it, thank you.\n",
]


@dataclass(frozen=True)
class Family:
    """A template, the special tokens it writes, and where an answer ends."""

    template: str
    special: tuple[str, ...]
    ends: tuple[str, ...]  # the stops; the first is eos_token
    tail: str  # what a learnt answer ends with
    learns_all: bool = True
    folds: bool = False
    spaced: bool = False  # an answer begins with a blank
    opening: str = ""  # what is learnt before the answer's own text


LOOP = "{% for m in messages %}"
CHECKED = (
    "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
)
FAMILIES = {
    "chatml": Family(
        LOOP + "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        ("<|im_start|>", "<|im_end|>"),
        ("<|im_end|>",),
        "<|im_end|>",
    ),
    "llama3": Family(
        "{% if tools is not none %}{{ raise_exception('no tools here') }}{% endif %}" + LOOP + "{% if loop.first %}{{ bos_token }}{% endif %}"
        "<|head|>{{ m.role }}<|/head|>\n\n{{ m.content | trim }}<|eot|>{% endfor %}"
        "{% if add_generation_prompt %}<|head|>assistant<|/head|>\n\n{% endif %}",
        ("<|begin|>", "<|head|>", "<|/head|>", "<|eot|>", "<|text_end|>"),
        ("<|text_end|>", "<|eot|>"),
        "<|eot|>",
    ),
    "mistral": Family(
        "{% if messages[0].role == 'system' %}{% set s = messages[0].content %}"
        "{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{{ bos_token }}"
        "{% for m in rest %}{% if m.role == 'user' %}[INST] {% if loop.last and s is defined %}"
        "{{ s + '\n\n' }}{% endif %}{{ m.content }}[/INST]{% else %} {{ m.content | trim }}"
        "{{ eos_token }}{% endif %}{% endfor %}",
        ("<s>", "</s>"),
        ("</s>",),
        "</s>",
        learns_all=False,
        spaced=True,
    ),
    "llama2": Family(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
        "{% elif m.role == 'user' %}{{ bos_token }}[INST] {{ m.content.strip() }} [/INST]"
        "{% else %} {{ m.content.strip() }} {{ eos_token }}{% endif %}{% endfor %}",
        ("<s>", "</s>"),
        ("</s>",),
        " </s>",
        folds=True,
        spaced=True,
    ),
    "gemma": Family(
        CHECKED.replace("{% for", "{% if messages[0].role == 'system' %}{{ raise_exception("
        "'System role not supported') }}{% endif %}{% for", 1)
        + "<turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end>\n"
        "{% endfor %}{% if add_generation_prompt %}<turn>model\n{% endif %}",
        ("<bos>", "<eos>", "<turn>", "<end>"),
        ("<eos>", "<end>"),
        "<end>",
        folds=True,
    ),
    "phi": Family(
        LOOP + "{% if m.role == 'user' %}<|user|>\n{{ m.content }}<|end|>\n{% elif m.role == "
        "'assistant' %}<|assistant|>\n{{ m.content }}<|end|>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}",
        ("<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>"),
        ("<|endoftext|>", "<|end|>"),
        "<|end|>\n<|endoftext|>",
        folds=True,
    ),
    "zephyr": Family(
        LOOP + "{% if m['role'] in ['user', 'system', 'tool'] %}{{ '<|' + m.role + '|>\n' + m.content + "
        "eos_token + '\n' }}{% else %}{{ '<|assistant|>\n' + m.content + eos_token + '\n' }}"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
        ("<s>", "</s>"),
        ("</s>",),
        "</s>",
    ),
    "deepseek": Family(
        "{{ bos_token }}" + LOOP + "{% if m.role == 'system' %}{{ m.content }}{% elif m.role == "
        "'user' %}<|User|>{{ m.content }}{% else %}{% set c = m.content %}{% if '</think>' in c %}"
        "{% set c = c.split('</think>')[-1] %}{% endif %}<|Assistant|>{{ c }}{{ eos_token }}"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}<|Assistant|><think>\n{% endif %}",
        ("<bos>", "<eos>", "<|User|>", "<|Assistant|>"),
        ("<eos>",),
        "<eos>",
        learns_all=False,
    ),
    "qwen3": Family(
        "{% set ns = namespace(last=0) %}{% for m in messages %}{% if m.role == 'user' %}"
        "{% set ns.last = loop.index0 %}{% endif %}{% endfor %}{% for m in messages %}<|im_start|>"
        "{{ m.role }}\n{% if m.role == 'assistant' %}{% set c = m.content %}{% set r = '' %}"
        "{% if '</think>' in c %}{% set r = c.split('</think>')[0].split('<think>')[-1].strip('\n') %}"
        "{% set c = c.split('</think>')[-1].lstrip('\n') %}{% endif %}{% if loop.index0 > ns.last %}"
        "{{ '<think>\n' + r + '\n</think>\n\n' }}{% endif %}{{ c }}{% else %}{{ m.content }}"
        "{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        ("<|im_start|>", "<|im_end|>", "<|endoftext|>"),
        ("<|im_end|>", "<|endoftext|>"),
        "<|im_end|>",
        learns_all=False,
        opening="<think>\n\n</think>\n\n",
    ),
    "plain": Family(
        LOOP + "### {{ m.role | upper }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}### ASSISTANT: {% endif %}",
        ("</s>",),
        ("</s>",),
        "\n</s>",
        learns_all=False,
    ),
}  # fmt: skip


def byte_level(special: tuple[str, ...]):
    """A tokenizer whose words and line ends stand apart, as Llama 3's and Qwen's do."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    words = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        CORPUS * 3,
        trainers.BpeTrainer(
            vocab_size=480,
            initial_alphabet=alphabet,
            special_tokens=list(special),
            show_progress=False,
        ),
    )
    return tokenizer


def sentence_piece(special: tuple[str, ...]):
    """A tokenizer that puts a blank before every stretch, as Llama 2's and Mistral's do."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer.train_from_iterator(
        CORPUS * 3,
        trainers.BpeTrainer(
            vocab_size=700, special_tokens=["<unk>", *fallback, *special], show_progress=False
        ),
    )
    return tokenizer


KINDS = {"byte level": byte_level, "sentence piece": sentence_piece}
TEMPLATES: dict[tuple[str, str], ChatTemplate] = {}


def load(name: str, kind: str = "byte level") -> ChatTemplate:
    if (name, kind) not in TEMPLATES:
        family = FAMILIES[name]
        tokenizer = KINDS[kind](family.special)
        special = {"bos_token": family.special[0], "eos_token": family.ends[0]}
        stops = [tokenizer.token_to_id(token) for token in family.ends]
        TEMPLATES[name, kind] = ChatTemplate(tokenizer, family.template, special, stops, 4096)
    return TEMPLATES[name, kind]


def text(template: ChatTemplate, ids: list[int]) -> str:
    return str(template.tokenizer.decode(ids, skip_special_tokens=False))


def learnt(template: ChatTemplate, example) -> list[str]:
    return [text(template, example.ids[start:end]) for start, end in example.spans]


ALL = pytest.mark.parametrize("name", FAMILIES)
BOTH = pytest.mark.parametrize("kind", KINDS)
TALK = make(
    "and now?",
    "Later.",
    history=(
        Turn("user", "Where is my order?"),
        Turn("assistant", "It is late;\nplease wait."),
        Turn("user", "你好，包裹呢？"),
        Turn("assistant", "请等。 Thank you!"),
    ),
)


@ALL
def test_one_answer_is_learnt_with_its_end_and_nothing_else(name):
    template, family = load(name), FAMILIES[name]
    assert template.folds == family.folds
    row = make("Where is my order 12?", "It is late.")
    example = template.example(SYSTEM, row)
    start = family.opening + (" " if family.spaced else "")
    assert learnt(template, example) == [start + "It is late." + family.tail]
    masked = text(template, example.ids[: example.prompt])
    assert SYSTEM in masked
    assert "Where is my order 12?" in masked
    assert example.ids[: example.prompt] == template.prompt_ids(SYSTEM, (), row)
    assert example.ids[-1] == template.eos_id


@BOTH
@ALL
def test_all_answers_are_learnt_unless_the_template_rewrites_past_ones(name, kind):
    template, family = load(name, kind), FAMILIES[name]
    example = template.example(SYSTEM, TALK)
    found = [part.strip().replace("> \n", ">\n") for part in learnt(template, example)]
    assert example.last_only == (not family.learns_all)
    last = (family.opening + "Later." + family.tail).strip()
    if not family.learns_all:
        assert found == [last]
        return
    ends = [token for token in family.ends if f"please wait.{family.tail}".find(token) > 0]
    end = next(token for token in family.ends[::-1] if token in ends)
    blank = " " if name == "llama2" else ""
    assert found == [
        f"It is late;\nplease wait.{blank}{end}",
        f"请等。 Thank you!{blank}{end}",
        last,
    ]


@BOTH
@pytest.mark.parametrize("name", [n for n in FAMILIES if n not in ("deepseek", "plain")])
def test_the_ids_are_the_whole_conversation_as_transformers_writes_it(name, kind):
    from transformers import PreTrainedTokenizerFast

    template, family = load(name, kind), FAMILIES[name]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=template.tokenizer,
        chat_template=family.template,
        bos_token=family.special[0],
        eos_token=family.ends[0],
    )
    bare = family.folds or name == "mistral"  # which forgets the system text once answered
    system = [] if bare else [{"role": "system", "content": SYSTEM}]
    for row in (TALK, make("Where is my order?", "It is here by now.")):
        turns = [{"role": turn.role, "content": turn.content} for turn in row.history]
        turns += [{"role": "user", "content": row.prompt}]
        asked = tokenizer.apply_chat_template(
            system + turns, add_generation_prompt=True, return_dict=False
        )
        whole = tokenizer.apply_chat_template(
            [*system, *turns, {"role": "assistant", "content": row.completion}], return_dict=False
        )
        own = "" if bare else SYSTEM
        example = template.example(own, row)
        assert template.prompt_ids(own, (), row) == asked
        assert whole[: len(example.ids)] == example.ids
        assert text(template, whole[len(example.ids) :]).strip() == ""


@BOTH
@pytest.mark.parametrize("name", ["chatml", "llama3", "gemma", "zephyr"])
def test_the_mask_is_that_of_a_generation_block(name, kind):
    from transformers import PreTrainedTokenizerFast

    marked = {
        "chatml": "{% if m.role == 'assistant' %}<|im_start|>assistant\n{% generation %}{{ m.content }}"
        "<|im_end|>{% endgeneration %}\n{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        "llama3": "{% if loop.first %}{{ bos_token }}{% endif %}<|head|>{{ m.role }}<|/head|>\n\n"
        "{% if m.role == 'assistant' %}{% generation %}{{ m.content | trim }}<|eot|>{% endgeneration %}"
        "{% else %}{{ m.content | trim }}<|eot|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|head|>assistant<|/head|>\n\n{% endif %}",
        "gemma": "{% if m.role == 'assistant' %}<turn>model\n{% generation %}{{ m.content | trim }}<end>"
        "{% endgeneration %}\n{% else %}<turn>{{ m.role }}\n{{ m.content }}<end>\n{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}<turn>model\n{% endif %}",
        "zephyr": "{% if m.role == 'assistant' %}<|assistant|>\n{% generation %}{{ m.content + eos_token }}"
        "{% endgeneration %}\n{% else %}{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
    }
    family, plain = FAMILIES[name], load(name, kind)
    source = LOOP + marked[name]
    template = ChatTemplate(plain.tokenizer, source, plain.special, plain.stops)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain.tokenizer,
        chat_template=source,
        bos_token=family.special[0],
        eos_token=family.ends[0],
    )
    for row in (TALK, make("Where is my order?", "It is here.")):
        messages = [{"role": turn.role, "content": turn.content} for turn in row.history]
        messages += [
            {"role": "user", "content": row.prompt},
            {"role": "assistant", "content": row.completion},
        ]
        theirs = tokenizer.apply_chat_template(
            messages, return_dict=True, return_assistant_tokens_mask=True
        )
        ours = template.example("", row)
        size = len(ours.ids)
        assert theirs["input_ids"][:size] == ours.ids
        assert [bool(bit) for bit in theirs["assistant_masks"][:size]] == ours.trained
        assert not any(theirs["assistant_masks"][size:])


def test_a_token_over_the_start_of_a_past_answer_is_learnt():
    """The template ends a prompt with a blank, which the tokenizer joins to the answer's start."""
    source = (
        LOOP
        + "{{ m.role }}: {{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    )
    plain = load("chatml")
    template = ChatTemplate(plain.tokenizer, source, plain.special, plain.stops)
    row = make(
        "and?", "please", history=(Turn("user", "my order?"), Turn("assistant", "the order"))
    )
    example = template.example("", row)
    assert learnt(template, example) == [" the order<|im_end|>", "please<|im_end|>"]
    prompt = template.prompt_ids("", (), row)
    assert example.ids[: len(prompt)] == prompt
    assert text(template, example.ids) == (
        "user: my order?<|im_end|>assistant: the order<|im_end|>user: and?<|im_end|>"
        "assistant: please<|im_end|>"
    )


def test_where_the_tokenizer_joins_prompt_and_answer_they_are_kept_apart():
    """GPT-2's tokenizer cuts two line ends differently before a word and at a text's end."""
    from tokenizers import pre_tokenizers

    plain = load("llama3")
    tokenizer = byte_level(FAMILIES["llama3"].special)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    template = ChatTemplate(tokenizer, plain.source, plain.special, plain.stops)
    for row in (TALK, make("Where?", "Here.")):
        asked = template.prompt_ids("", (), row)
        example = template.example("", row)
        assert template.encode("".join(template.texts("", row)))[: len(asked)] != asked
        assert example.ids[: len(asked)] == asked
        assert learnt(template, example)[-1] == f"{row.completion}<|eot|>"
        assert all(part.endswith("<|eot|>") for part in learnt(template, example))


def test_a_thought_that_the_prompt_opens_is_not_opened_twice():
    template = load("deepseek")
    example = template.example("", make("and?", "<think>\nIt is late.\n</think>\nLater."))
    assert example.bare
    assert text(template, example.ids).count("<think>") == 1
    assert learnt(template, example) == ["It is late.\n</think>\nLater.<eos>"]


def test_a_system_text_that_is_refused_or_left_out_stands_before_the_first_message():
    for name in ("gemma", "phi", "llama2"):
        asked = load(name).prompt(SYSTEM, [make("one?", "One.")], make("two?", ""))
        assert f"{SYSTEM}\n\none?" in asked
        assert asked.count(SYSTEM) == 1


def test_a_rows_own_system_text_takes_the_projects_place():
    asked = load("chatml").prompt(SYSTEM, [], make("two?", "", system="Speak German."))
    assert "Speak German." in asked
    assert SYSTEM not in asked


def test_a_conversation_that_the_template_refuses_is_told_with_its_place():
    row = make("so?", "Yes.", source="talk.jsonl:4", history=(Turn("user", "a"), Turn("user", "b")))
    with pytest.raises(TunesmithError, match=r"talk\.jsonl:4.*alternate"):
        load("gemma").example("", row)
    with pytest.raises(TunesmithError, match=r"talk\.jsonl:4.*alternate"):
        measure([row], load("gemma"), "")


@pytest.mark.parametrize("name", ["chatml", "zephyr"])
def test_what_a_tool_says_is_read_and_not_learnt(name):
    history = (
        Turn("user", "Where?"),
        Turn("assistant", "call: order"),
        Turn("tool", "late by now"),
    )
    example = load(name).example(SYSTEM, make("", "It is late.", history=history))
    end = FAMILIES[name].ends[0]
    assert learnt(load(name), example) == [f"call: order{end}", f"It is late.{end}"]
    assert "late by now" in text(load(name), example.ids)


@pytest.mark.parametrize(
    "name", ["chatml", "llama3", "gemma", "phi", "zephyr", "deepseek", "qwen3"]
)
def test_most_families_are_counted_without_rendering_each_row(name, monkeypatch):
    template = load(name)
    rows = [
        make(f"Where is my order {i}?", "It is late.", history=TALK.history) for i in range(300)
    ]
    expected = exactly(template, rows, SYSTEM, 0)
    rendered = []
    render = ChatTemplate.render
    monkeypatch.setattr(
        ChatTemplate, "render", lambda *a, **k: rendered.append(1) or render(*a, **k)
    )
    counted = measure(rows, template, SYSTEM, 0)
    assert (counted.whole, counted.trained, counted.cut) == expected
    assert len(rendered) < 100


def test_what_a_template_reacts_to_is_read_from_its_code():
    found = reactions(FAMILIES["qwen3"].template)
    assert found.within == {"</think>", "<think>"}
    assert found.strips
    assert not reactions(FAMILIES["chatml"].template).strips
    zephyr = reactions(FAMILIES["zephyr"].template)
    assert (zephyr.within, zephyr.ends) == (frozenset(), frozenset())
    odd = reactions("{% if m.content[:4] == 'call' or m['content'].startswith('{') %}x{% endif %}")
    assert odd == ({"{"}, {"call"}, False)


def exactly(template, rows, system, limit):
    examples = [template.example(system, row) for row in rows]
    return (
        [len(example.ids) for example in examples],
        [example.learnt for example in examples],
        [example.cut(limit) if limit else 0 for example in examples],
    )


PUBLISHED = sorted((Path(find_spec("trl").origin).parent / "chat_templates").glob("*.jinja"))
TOKEN = re.compile(r"<[|｜]?[A-Za-z_▁｜|]+[|｜]?>|\[/?[A-Z_]+\]")
ENDS = re.compile(
    "im_end|eot|end_of_turn|<.end.>|return|</s>|end▁of|turn.>|END_OF|user.>", re.IGNORECASE
)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_templates_of_published_models_are_learnt_from_and_counted(path):
    source = path.read_text(encoding="utf-8")
    special = dict.fromkeys([*TOKEN.findall(source), "<bos>", "</s>"])
    tokens = [token for token in special if "think" not in token and "tool" not in token.lower()]
    tokenizer = byte_level(tuple(tokens))
    ends = sorted(
        (token for token in tokens if ENDS.search(token)), key=lambda t: "user" in t.lower()
    )
    named = {"bos_token": "<bos>", "eos_token": ends[0]}
    stops = [tokenizer.token_to_id(token) for token in ends]
    try:
        template = ChatTemplate(tokenizer, source, named, stops, 4096)
    except TunesmithError as error:  # models of pictures, which want messages in parts
        assert path.stem.startswith(("idefics", "llava", "smolvlm")), error  # noqa: PT017
        return
    rows = [
        make(f"Where is it {i}?", "It is late.", history=TALK.history * (i % 2)) for i in range(30)
    ]
    for row in (*rows[:2], TALK):
        example = template.example(SYSTEM, row)
        asked = template.prompt_ids(SYSTEM, (), row)
        assert example.ids[: len(asked)] == asked
        assert SYSTEM in text(template, asked)
        assert row.completion in learnt(template, example)[-1]
        assert row.prompt not in "".join(learnt(template, example))
        assert len(example.spans) == (1 if example.last_only else 1 + len(row.history) // 2)
    counted = measure(rows, template, SYSTEM, 40)
    assert (counted.whole, counted.trained, counted.cut) == exactly(template, rows, SYSTEM, 40)


ODD = [
    "", " ", "\n", " a ", "\nb", "order\n", "user", "</think>", "a</think>\n\nb", "<think>", "<|im_end|>",
    "</s>", "<end>", "zq0qz", "  two  blanks", "你好", "é\u0301☕", "[INST]", "<|assistant|>\n",
]  # fmt: skip
assert PUBLISHED, "trl has moved its templates"
TEXTS = st.one_of(st.sampled_from(ODD), st.text(max_size=12), st.sampled_from(CORPUS))


@BOTH
@ALL
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_counting_many_is_counting_each(name, kind, data):
    template = load(name, kind)
    rows = []
    for _ in range(data.draw(st.integers(1, 6))):
        turns = data.draw(st.integers(0, 2))
        history = tuple(
            Turn(role, data.draw(TEXTS)) for _ in range(turns) for role in ("user", "assistant")
        )
        rows.append(make(data.draw(TEXTS), data.draw(TEXTS), history=history))
    rows.append(make("", data.draw(TEXTS), form="text"))
    limit = data.draw(st.sampled_from([0, 20, 60]))
    counted = measure(rows, template, SYSTEM, limit)
    assert (counted.whole, counted.trained, counted.cut) == exactly(template, rows, SYSTEM, limit)


def test_counting_the_real_model_is_exact(model_dir):
    template = ChatTemplate.load(model_dir)
    draw = random.Random(5)
    words = [
        "order",
        "refund",
        "late",
        "12",
        "你好",
        "box,",
        "the",
        "\n",
        "where?",
        "{json: 1}",
        "\t",
        "",
    ]
    rows = [
        make(
            " ".join(draw.choices(words, k=draw.randint(1, 30))),
            " ".join(draw.choices(words, k=draw.randint(1, 9))),
            history=(Turn("user", "hello"), Turn("assistant", "good day")) * draw.randint(0, 2),
            system=draw.choice(["", "", "Be brief."]),
        )
        for _ in range(400)
    ]
    counted = measure(rows, template, SYSTEM, 70)
    assert (counted.whole, counted.trained, counted.cut) == exactly(template, rows, SYSTEM, 70)
    assert sum(counted.cut) > 0

"""Faults planted one by one in a sound setup: each is found, and the way out is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from engine.plan import models
from engine.plan.compatibility import RowFacts, local
from engine.plan.models import Chat

from .conftest import CHATML, ROWS, SETTINGS, Folder

ALTERNATE = (
    "{% for m in messages %}{% if m.role != 'system' and (m.role == 'user') != "
    "((loop.index0 - (1 if messages[0].role == 'system' else 0)) % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}{% endfor %}" + CHATML
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHATML
)
NO_TOOL = (
    "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}"
    "{% endif %}{% endfor %}" + CHATML
)
DROPS_TOOL = CHATML.replace(
    "{% for m in messages %}", "{% for m in messages if m.role != 'tool' %}"
)
DATED = (
    "{% set d = strftime_now('%d %b %Y') %}<|im_start|>system\nToday: {{ d }}<|im_end|>\n" + CHATML
)
RANDOM = "{{ ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] | random }}" + CHATML
DROPS_THOUGHT = CHATML.replace(
    "{{ m.content }}",
    "{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1] }}"
    "{% else %}{{ m.content }}{% endif %}",
)
STRIPS_OPENING = CHATML.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")
TOOLS = RowFacts(
    shapes=(("user", "assistant", "tool", "assistant"),), tools=True, turns=True, longest=300
)
TURNS = RowFacts(
    shapes=(("user", "assistant", "user", "assistant"),), turns=True, thinking=True, longest=300
)
TWO_USERS = RowFacts(shapes=(("user", "user", "assistant"),), turns=True)
MOE = {
    "model_type": "qwen3_moe",
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 256,
    "architectures": ["Qwen3MoeForCausalLM"],
}


class Fault(NamedTuple):
    """How a sound setup is broken, and what must be said of it."""

    what: str
    fix: str
    fatal: bool = True
    break_: Callable[[Folder], None] = lambda folder: None
    changed: Mapping[str, Any] = MappingProxyType({})


def _config(**keys: Any) -> Callable[[Folder], None]:
    return lambda folder: folder.json("config.json", **keys)


def _names(**keys: Any) -> Callable[[Folder], None]:
    return lambda folder: folder.json("tokenizer_config.json", **keys)


def _template(text: str) -> Callable[[Folder], None]:
    return lambda folder: folder.template(text)


def _added(number: int, text: str) -> Callable[[Folder], None]:
    item = {
        "id": number,
        "content": text,
        "special": True,
        "normalized": False,
        "lstrip": False,
        "rstrip": False,
        "single_word": False,
    }
    return lambda folder: folder.tokenizer(lambda content: content["added_tokens"].append(item))


def _other_stop(folder: Folder) -> None:
    other = folder.id("<|endoftext|>")
    folder.json("tokenizer_config.json", eos_token="<|endoftext|>")
    folder.json("generation_config.json", eos_token_id=other)
    folder.json("config.json", eos_token_id=other)


def _no_stop(folder: Folder) -> None:
    folder.json("tokenizer_config.json", eos_token=None)
    folder.json("generation_config.json", eos_token_id=None)


def _set(**keys: Any) -> dict[str, Any]:
    return {"settings": {**SETTINGS, **keys}}


def _quant(method: str, **more: Any) -> Callable[[Folder], None]:
    return _config(quantization_config={"quant_method": method, **more})


FULL = {"tuning": "full", "settings": {"precision": "bf16", "max_length": 512}}
FAULTS: dict[str, Fault] = {
    # tokenizer
    "id beyond the embeddings": Fault("largest id is 512", "resize", break_=_added(512, "<|new|>")),
    "many ids beyond": Fault("largest id is 9,999", "came with", break_=_added(9999, "<|new|>")),
    "no fast tokenizer": Fault(
        "no fast tokenizer",
        "save_pretrained",
        break_=lambda folder: (folder.path / "tokenizer.json").unlink(),
    ),
    "damaged tokenizer": Fault(
        "cannot be read",
        "save_pretrained",
        break_=lambda folder: (folder.path / "tokenizer.json").write_text("{}"),
    ),
    "one token, two ids": Fault("has two ids", "publisher", break_=_added(400, "<|im_end|>")),
    "one id, two tokens": Fault("has two tokens", "publisher", break_=_added(2, "<|new|>")),
    "an added token on a word's id": Fault("the id 100 is", "publisher", break_=_added(100, "<x>")),
    "config and tokenizer number otherwise": Fault(
        "in tokenizer_config.json and",
        "publisher",
        break_=_names(added_tokens_decoder={"77": {"content": "<|im_end|>"}}),
    ),
    "eos not in the tokenizer": Fault(
        "eos_token '</s>' is not", "Name", break_=_names(eos_token="</s>")
    ),
    "pad not in the tokenizer": Fault(
        "pad_token '[P]' is not", "Name", break_=_names(pad_token="[P]")
    ),
    "bos not in the tokenizer": Fault(
        "bos_token '<s>' is not", "Name", fatal=False, break_=_names(bos_token="<s>")
    ),
    "no eos": Fault("which token ends", "Set `eos_token`", break_=_no_stop),
    "eos id beyond the embeddings": Fault(
        "eos_token_id is 600", "Set it", break_=_config(eos_token_id=600)
    ),
    "pad id beyond the embeddings": Fault(
        "pad_token_id is 512", "Set it", break_=_config(pad_token_id=ROWS)
    ),
    "files disagree on the end": Fault(
        "may run on", "eos_token_id", fatal=False, break_=_names(eos_token="<|endoftext|>")
    ),
    # template
    "runs on and on": Fault("runs on and on", "<|im_end|>", fatal=False, break_=_other_stop),
    "no template": Fault("no chat template", "Use ", break_=_names(chat_template=None)),
    "broken template": Fault("not valid", "Use ", break_=_template("{% for %}")),
    "system refused": Fault(
        "takes no system text", "Do so", fatal=False, break_=_template(NO_SYSTEM)
    ),
    "tool refused": Fault(
        "no tools", "Or use ", break_=_template(NO_TOOL), changed={"rows": TOOLS}
    ),
    "tool left out": Fault(
        "role 'tool'", "Use ", break_=_template(DROPS_TOOL), changed={"rows": TOOLS}
    ),
    "roles must alternate": Fault(
        "user, user, assistant", "join", break_=_template(ALTERNATE), changed={"rows": TWO_USERS}
    ),
    "today's date": Fault("today's date", "fixed date", fatal=False, break_=_template(DATED)),
    "random template": Fault("something else each time", "randomness", break_=_template(RANDOM)),
    "thoughts dropped": Fault(
        "drops the thoughts",
        "row of its own",
        fatal=False,
        break_=_template(DROPS_THOUGHT),
        changed={"rows": TURNS},
    ),
    "earlier answers not learnt": Fault(
        "only the last answer",
        "row of its own",
        fatal=False,
        break_=_template(STRIPS_OPENING),
        changed={"rows": TURNS},
    ),
    # weights
    "rows and config disagree": Fault(
        "table of embeddings has 384", "vocab_size", break_=lambda folder: folder.weights(384)
    ),
    "no such targets": Fault(
        "no weights called c_attn",
        "q_proj",
        break_=lambda folder: folder.weights(),
        changed=_set(lora_targets="c_attn,c_proj"),
    ),
    # architecture
    "encoder-decoder": Fault("encoder and a decoder", "Use ", break_=_config(model_type="t5")),
    "encoder": Fault("both directions", "Use ", break_=_config(model_type="bert")),
    "vision model": Fault(
        "sees or hears (vision)",
        "Use ",
        break_=_config(model_type="qwen2_5_vl", vision_config={"depth": 2}),
    ),
    "audio model": Fault("encoder and a decoder", "Use ", break_=_config(model_type="whisper")),
    "remote code": Fault(
        "code of its maker's",
        "Use ",
        break_=_config(model_type="chatglm9", auto_map={"AutoModel": "modeling.X"}),
    ),
    "no model type": Fault("names no model_type", "Use ", break_=_config(model_type=None)),
    "classifier": Fault(
        "output head", "Use ", break_=_config(architectures=["LlamaForSequenceClassification"])
    ),
    "embedding model": Fault(
        "no output head",
        "Use ",
        break_=_config(architectures=["LlamaModel"], tie_word_embeddings=False),
    ),
    # method
    "GPTQ, full": Fault("already quantised (gptq)", "LoRA", break_=_quant("gptq"), changed=FULL),
    "AWQ, GGUF": Fault("no GGUF", "original", break_=_quant("awq")),
    "AWQ, vLLM": Fault(
        "this very model", "original", fatal=False, break_=_quant("awq"), changed={"target": "vllm"}
    ),
    "GPTQ and NF4": Fault(
        "a second time",
        "quantization=none",
        break_=_quant("gptq"),
        changed=_set(quantization="nf4"),
    ),
    "FP8": Fault("cannot train an adapter", "dequantize", break_=_quant("fp8")),
    "MXFP4": Fault("cannot train an adapter", "dequantize", break_=_quant("mxfp4")),
    "bnb without a name": Fault(
        "(bitsandbytes)", "original", break_=_config(quantization_config={"load_in_4bit": True})
    ),
    "experts and NF4": Fault(
        "leaves the experts",
        "Use ",
        fatal=False,
        break_=_config(**MOE),
        changed=_set(quantization="nf4"),
    ),
    "Falcon and NF4": Fault(
        "saves nothing",
        "Use ",
        fatal=False,
        break_=_config(model_type="falcon"),
        changed=_set(quantization="nf4"),
    ),
    "little to reach": Fault("reaches 1", "Use ", fatal=False, break_=_config(**MOE)),
    "Mamba, all-linear": Fault(
        "out_proj", "in_proj,x_proj,dt_proj", break_=_config(model_type="falcon_mamba")
    ),
    "DPO on a base model": Fault(
        "not taught to answer",
        "Use ",
        fatal=False,
        changed={"trainer": "dpo", "rows": RowFacts("preference"), "chat": Chat(trained=False)},
    ),
    "raw text, low rank": Fault(
        "rank 16 learns much less",
        "cpt-full",
        fatal=False,
        changed={"trainer": "cpt", "rows": RowFacts("text")},
    ),
    "raw text, some targets": Fault(
        "some of the linear maps",
        "all-linear",
        fatal=False,
        changed={
            "trainer": "cpt",
            "rows": RowFacts("text"),
            **_set(lora_rank=256, lora_targets="q_proj"),
        },
    ),
    "no bfloat16": Fault("bfloat16", "fp32", fatal=False, changed={"bf16": False}),
    "rows too long": Fault(
        "longest row has 9,000", "Use ", changed={"rows": RowFacts(longest=9000)}
    ),
    "max_length too long": Fault("max_length is 4,096", "2048", changed=_set(max_length=4096)),
    "licence": Fault(
        "forbids", "Use ", changed={"product": True, "commercial": "no", "licence": "CC-BY-NC"}
    ),
    # target
    "no GGUF": Fault(
        "no way from FlexOlmoForCausalLM", "vllm", break_=_config(model_type="flex_olmo")
    ),
    "not in vLLM": Fault(
        "does not name HeliumForCausalLM",
        "Try the untuned",
        fatal=False,
        break_=_config(model_type="helium"),
        changed={"target": "vllm"},
    ),
    "rank above vLLM's default": Fault(
        "until it is told",
        "--max-lora-rank 64",
        fatal=False,
        changed={"target": "vllm", **_set(lora_rank=40)},
    ),
    "rank above vLLM's limit": Fault(
        "up to rank 512",
        "lora_rank=512",
        fatal=False,
        changed={"target": "vllm", **_set(lora_rank=1024)},
    ),
    "embeddings in vLLM": Fault(
        "own embeddings",
        "merged",
        fatal=False,
        changed={
            "target": "vllm",
            "trainer": "cpt",
            "rows": RowFacts("text"),
            **_set(train_embeddings=True),
        },
    ),
    "rsLoRA as GGUF adapter": Fault(
        "factor of 8.0",
        "merged GGUF",
        fatal=False,
        changed={"exports": ("adapter",), **_set(rslora=True, lora_rank=64)},
    ),
    "embeddings as GGUF adapter": Fault(
        "own embeddings",
        "merged GGUF",
        changed={"exports": ("adapter", "F16"), **_set(train_embeddings=True)},
    ),
    "no K-quant": Fault(
        "Q4_K_M becomes Q5_0",
        "Q8_0 or Q6_K",
        fatal=False,
        break_=_config(hidden_size=320, head_dim=64, num_attention_heads=5, num_key_value_heads=5),
        changed={"exports": ("Q4_K_M", "Q8_0")},
    ),
}


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_planted_fault_is_found(folder, chats, name):
    fault = FAULTS[name]
    fault.break_(folder)
    found = folder.found(**{"rows": chats, **fault.changed})
    told = [clash for clash in found if fault.what in clash.what]
    assert told, f"not found; found is {found}"
    assert len(told) == 1
    assert fault.fix in told[0].fix
    assert told[0].fatal is fault.fatal
    assert told[0].where


def test_a_mended_file_is_looked_at_again(folder):
    folder.template(NO_TOOL)
    assert folder.found(rows=TOOLS)
    folder.template(CHATML)
    assert folder.found(rows=TOOLS) == ()


def test_what_works_instead_is_of_like_size(folder):
    big = models.find("qwen2.5-7b-instruct").dimensions
    small = models.find("qwen2.5-0.5b-instruct").dimensions
    for shape in (big, small):
        folder.json("config.json", model_type="t5")
        (clash,) = folder.found(dimensions=shape)
        other = clash.fix.removeprefix("Use ").partition(",")[0]
        assert 0.5 < models.find(other).dimensions.parameters / shape.parameters < 2


def test_the_original_of_a_quantised_model_is_named(folder):
    shape = models.find("qwen2.5-7b-instruct").dimensions
    folder.json("config.json", quantization_config={"quant_method": "awq"})
    found = folder.found(dimensions=shape, name="owner/Qwen2.5-7B-Instruct-AWQ")
    assert any("(qwen2.5-7b" in clash.fix for clash in found)


def test_without_a_folder_it_says_so_and_the_catalogue_speaks(folder):
    unseen, *told = folder.found(folder=None, chat=Chat(trained=False))
    assert "not looked at" in unseen.what
    assert "not taught to chat" in told[0].what
    _, *told = folder.found(folder=None, chat=Chat(tools=False), rows=TOOLS)
    assert "no place" in told[0].what
    _, *told = folder.found(folder=None, chat=Chat(tools=True), rows=TOOLS)
    assert told == []


def test_a_token_without_a_row_that_no_text_uses_is_no_refusal(folder):
    """As Gemma 3's small text models have one for images."""
    _added(ROWS, "<image>")(folder)
    (folder.path / "tokenizer.model").write_bytes(b"")
    (clash,) = folder.found()
    assert not clash.fatal
    folder.template(CHATML.replace("<|im_start|>", "<image><|im_start|>"))
    assert folder.found()[0].fatal
    folder.template(CHATML)
    folder.json("tokenizer_config.json", pad_token="<image>")
    assert folder.found()[0].fatal
    folder.json("tokenizer_config.json", pad_token="<pad>")
    (folder.path / "tokenizer.model").unlink()
    assert folder.found()[0].fatal
    assert not folder.found(target="vllm")[0].fatal


def test_a_model_in_the_hub_s_cache_is_looked_at(folder, monkeypatch, tmp_path):
    kept = tmp_path / "hub" / "models--owner--name"
    snapshot = kept / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    folder.path.rename(snapshot)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("abc")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert local.folder("owner/name") is None, "it is only half there"
    Folder(snapshot).weights()
    assert local.folder("owner/name") == snapshot
    assert local.folder("owner/other") is None
    assert local.folder(str(snapshot)) == snapshot

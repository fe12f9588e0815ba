"""Setups in which nothing is wrong: the check must be silent."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.base import project
from engine.base.paths import recipes
from engine.plan import models, recipe
from engine.plan.compatibility import RowFacts, Subject, check, clashes
from engine.plan.compatibility.lists import lists

from .conftest import CHATML, SETTINGS

TOOL_ROWS = RowFacts(
    shapes=(("user", "assistant", "tool", "assistant"),), tools=True, turns=True, longest=300
)
TWO_STOPS = CHATML.replace("<|im_end|>", "{{ '<|im_end|>' }}")
STRICT = (
    "{% for m in messages %}{% if m.role not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('role') }}{% endif %}{% endfor %}" + CHATML
)


def test_the_embedded_model_has_nothing_against_it(model_dir):
    del model_dir  # it is only made sure that the model is here
    demo = project.load(recipes() / "demo")
    found = models.find(demo.base_model)
    rows = RowFacts(system=True, turns=True, longest=500)
    for exports in (demo.exports, ("F16", "Q8_0", "Q6_K", "Q5_0", "Q4_0")):
        wanted = replace(demo, exports=exports)
        assert clashes(wanted, found, "sft", "lora", SETTINGS, rows) == ()
    assert clashes(demo, found, "sft", "full", {"max_length": 512}, rows) == ()


def test_it_takes_under_50_ms_once_the_files_are_known(model_dir):
    del model_dir
    demo = project.load(recipes() / "demo")
    found = models.find(demo.base_model)
    clashes(demo, found, "sft", "lora", SETTINGS, RowFacts())
    start = time.perf_counter()
    clashes(demo, found, "sft", "lora", SETTINGS, RowFacts())
    assert time.perf_counter() - start < 0.05


def test_it_loads_nothing_heavy():
    code = (
        "import sys\nfrom engine.plan.compatibility import Subject, check\n"
        "check(Subject('x', {'model_type': 'llama'}))\n"
        "print([name for name in ('torch', 'transformers', 'numpy', 'huggingface_hub')"
        " if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"target": "ollama"},
        {"target": "vllm"},
        {"tuning": "full", "settings": {"precision": "bf16", "max_length": 2048}},
        {"settings": {**SETTINGS, "quantization": "nf4"}},
        {"settings": {**SETTINGS, "rslora": True, "lora_rank": 64}},
        {"trainer": "dpo", "rows": RowFacts("preference")},
        {"trainer": "kto", "rows": RowFacts("feedback")},
        {"trainer": "orpo", "rows": RowFacts("preference", longest=2048)},
        {
            "trainer": "cpt",
            "rows": RowFacts("text", longest=10**6),
            "settings": {**SETTINGS, "lora_rank": 256, "train_embeddings": True},
        },
        {"rows": TOOL_ROWS},
        {"exports": ("Q6_K", "Q5_K_M", "IQ4_XS")},
        {"bf16": False, "settings": {**SETTINGS, "precision": "fp32"}},
        {"product": True, "commercial": "yes"},
    ],
    ids=str,
)
def test_a_sound_setup_is_silent(folder, chats, changed):
    assert folder.found(**{"rows": chats, **changed}) == ()


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "tie_word_embeddings": False},
        {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "head_dim": 64},
        {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"]},
        {"architectures": None},
        {"quantization_config": {}},
        {"model_type": "llama", "auto_map": {"AutoModel": "modeling.X"}},
    ],
    ids=str,
)
def test_a_sound_architecture_is_silent(folder, chats, config):
    folder.json("config.json", **config)
    assert folder.found(rows=chats) == ()


def test_sound_files_of_other_makes_are_silent(folder, chats):
    folder.template(TWO_STOPS)
    assert folder.found(rows=chats) == ()
    folder.template(STRICT)
    assert folder.found(rows=chats) == ()
    # Llama 3 and Gemma: more stops than the tokenizer's own, the template's end among them
    end, text = folder.id("<|im_end|>"), folder.id("<|endoftext|>")
    folder.json("tokenizer_config.json", eos_token="<|endoftext|>")
    folder.json("generation_config.json", eos_token_id=[text, end])
    folder.json("config.json", eos_token_id=text)
    assert folder.found(rows=chats) == ()
    # no pad token, or the end token as pad: labels are masked by place, so both are well
    folder.json("tokenizer_config.json", pad_token=None)
    assert folder.found(rows=chats) == ()
    folder.json("tokenizer_config.json", pad_token="<|endoftext|>")
    assert folder.found(rows=chats) == ()
    # the template in a file of its own, and more rows than tokens
    (folder.path / "chat_template.jinja").write_text(CHATML)
    folder.json("tokenizer_config.json", chat_template=None)
    folder.weights()
    assert folder.found(rows=chats) == ()


@pytest.mark.parametrize("name", list(models.catalogue()))
def test_the_catalogue_can_be_tuned_and_shipped(name):
    """No model of the catalogue is refused by its facts: an architecture nobody takes, say."""
    model = models.find(name)
    for target in ("llama.cpp", "vllm"):
        subject = Subject(
            name,
            {"model_type": model.dimensions.kind},
            model.dimensions,
            chat=model.chat,
            settings=SETTINGS,
            target=target,
            exports=("F16", "Q8_0"),
        )
        found = [clash for clash in check(subject) if clash.fatal]
        taken = lists().causal[model.dimensions.kind] in lists().gguf
        if target == "llama.cpp" and not taken:
            assert found, "it is in the catalogue, and llama.cpp has no way for it"
        else:
            assert found == []


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(sorted(lists().known)) | st.text("abz_0-", max_size=8),
    trainer=st.sampled_from(list(recipe.FORMS)),
    tuning=st.sampled_from(["lora", "full"]),
    target=st.sampled_from(["llama.cpp", "ollama", "vllm", ""]),
    rank=st.integers(1, 1024),
    nf4=st.booleans(),
    method=st.sampled_from(["", "awq", "gptq", "fp8", "mxfp4", "bitsandbytes", "new"]),
)
def test_any_setup_is_judged_and_every_refusal_names_a_way(
    kind, trainer, tuning, target, rank, nf4, method
):
    config = {
        "model_type": kind,
        **({"quantization_config": {"quant_method": method}} if method else {}),
    }
    subject = Subject(
        "some/model",
        config,
        trainer=trainer,
        tuning=tuning,
        target=target,
        rows=RowFacts(recipe.FORMS[trainer]),
        settings={**SETTINGS, "lora_rank": rank, "quantization": "nf4" if nf4 else "none"},
        exports=("Q4_K_M",),
    )
    found = check(subject)
    assert found == check(subject)
    for clash in found:
        assert clash.what.endswith(".")
        assert clash.fix.endswith(".")
        assert clash.where
        named = [name for name in models.catalogue() if f"Use {name}," in clash.fix]
        for name in named:  # what is named would really be taken
            other = models.find(name)
            again = replace(
                subject,
                name=name,
                config={"model_type": other.dimensions.kind},
                dimensions=other.dimensions,
                chat=other.chat,
            )
            assert not any(clash.fatal for clash in check(again))


def test_broken_json_is_a_fault_with_a_place(folder):
    (folder.path / "generation_config.json").write_text("{")
    (clash,) = folder.found()
    assert clash.fatal
    assert "generation_config.json" in clash.where

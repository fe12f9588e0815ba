import json

import numpy as np
import pytest

from engine.base.errors import TunesmithError
from engine.data.chat.template import ChatTemplate
from engine.ship import merge, reading
from engine.ship.reading import Question, agreement, divergence
from engine.ship.runtime import Runtime

TEXTS = (
    "Where is my parcel? Order 48213",
    "Grüße aus Köln – 12,50 € 😀 你好 ☕\n\n\ttabs  and   blanks",
    "café e\u0301 \u200b 'quotes' \"more\" {}[] 00123 3.14",
    "x",
)


@pytest.fixture(scope="module")
def runtime(exported):
    with Runtime(exported.f16, context=512) as opened:
        yield opened


@pytest.fixture(scope="module")
def template(model_dir):
    return ChatTemplate.load(model_dir)


def _rendered(template, text):
    turns = [{"role": "system", "content": "Help."}, {"role": "user", "content": text}]
    return template.render(turns, generation=True)


@pytest.mark.parametrize("text", TEXTS)
def test_the_file_makes_the_same_tokens_as_the_tokenizer(runtime, template, text):
    rendered = _rendered(template, text)
    assert runtime.encode(rendered) == template.encode(rendered)
    assert runtime.decode(template.encode(text)) == text


def test_template_and_end_token_are_in_the_file(runtime, template):
    assert runtime.template == template.source
    assert runtime.eos_id == template.eos_id


def test_what_is_kept_of_the_last_request_changes_nothing(runtime, template):
    one, two = (template.encode(_rendered(template, text)) for text in TEXTS[:2])
    fresh = runtime.logits(two, len(two) - 3)
    runtime.logits(one, 0)
    again = runtime.logits(two, len(two) - 3)
    assert np.abs(fresh - again).max() < 0.05
    assert (fresh.argmax(-1) == again.argmax(-1)).all()


def test_a_file_that_is_no_model_is_refused(tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(TunesmithError, match="cannot load this file"):
        Runtime(broken)


def test_f16_says_what_the_unmerged_adapter_says(runtime, template, exported):
    asked = []
    for text in TEXTS[:3]:
        prompt = template.encode(_rendered(template, text))
        answer = [*runtime.continued(prompt, 24), template.eos_id]
        asked.append(Question(text, "", prompt, answer, "", 1.0, text))
    model = merge.load(exported.base, exported.adapter)
    reference = reading.of_trained(model, asked, lambda: None)
    own = reading.of_file(runtime, asked, 40, lambda: None)
    share, tokens = agreement(own, reference)
    assert tokens == sum(len(question.answer) for question in asked)
    assert share >= 0.97
    assert divergence(own, reference) < 1e-3


def test_the_merged_folder_has_the_base_tokenizer_byte_for_byte(exported, template):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (exported.merged / name).read_bytes() == (exported.base / name).read_bytes()
    generation = json.loads((exported.merged / "generation_config.json").read_text())
    assert generation["eos_token_id"] == template.eos_id


def test_an_adapter_of_another_model_is_refused(exported, tmp_path):
    for file in exported.adapter.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps({**config, "r": config["r"] * 2}))
    with pytest.raises(TunesmithError, match="does not fit the base model"):
        merge.load(exported.base, tmp_path)

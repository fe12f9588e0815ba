from __future__ import annotations

import json

import pytest
import yaml

from engine.base import paths
from engine.base.errors import TunesmithError
from engine.plan import models


def _entries():
    return yaml.safe_load((paths.recipes() / "models.yaml").read_text())


@pytest.mark.parametrize("name", _entries())
def test_the_counted_parameters_are_the_published_ones(name):
    assert models.find(name).dimensions.parameters == _entries()[name]["parameters"]


def test_a_hub_id_of_the_catalogue_needs_no_network():
    assert models.find("Qwen/Qwen2.5-7B-Instruct").licence == "Apache-2.0"


def test_the_catalogue_is_ordered_by_size():
    sizes = [model.dimensions.parameters for model in models.catalogue().values()]
    assert sizes == sorted(sizes)


def test_a_folder_with_a_config_is_a_model(tmp_path):
    config = _entries()["qwen2.5-0.5b-instruct"]["config"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert models.find(str(tmp_path)).dimensions.parameters == 494_032_768
    assert models.find(str(tmp_path / "config.json")).dimensions.exact


def test_an_unknown_model_names_the_nearest_without_asking_the_hub():
    with pytest.raises(TunesmithError, match="did you mean smollm2-135m-instruct"):
        models.find("smolm2-135m-instruct")


@pytest.mark.parametrize("text", ["{}", "[1]", "no json", '{"hidden_size": "wide"}'])
def test_an_unusable_config_is_a_message_not_a_traceback(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(TunesmithError, match=r"config\.json"):
        models.find(str(tmp_path))


@pytest.mark.parametrize(
    "kind", ["llama", "mistral", "qwen2", "qwen3", "smollm3"], ids=lambda kind: kind
)
def test_counts_equal_those_of_transformers(kind):
    torch = pytest.importorskip("torch")
    from transformers import AutoConfig, AutoModelForCausalLM

    shape = {
        "hidden_size": 64,
        "num_hidden_layers": 3,
        "intermediate_size": 96,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "vocab_size": 512,
        "pad_token_id": 0,
    }
    for extra in ({"tie_word_embeddings": True}, {"tie_word_embeddings": False}):
        config = AutoConfig.for_model(kind, **shape, **extra)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        counted = models.dimensions(config.to_dict(), kind)
        assert counted.parameters == model.num_parameters(), extra
        assert counted.exact


def test_the_embedded_model_and_its_adapter_count_as_transformers_and_peft_do():
    torch = pytest.importorskip("torch")
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(**_entries()["smollm2-135m-instruct"]["config"])
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
        dimensions = models.find("smollm2-135m-instruct").dimensions
        assert dimensions.parameters == model.num_parameters()
        lora = LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM")
        trainable, _ = get_peft_model(model, lora).get_nb_trainable_parameters()
    assert dimensions.adapter_parameters(16) == trainable

"""`tunesmith recipes`: the same words that the plan gives as reasons, for every setting."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from engine.base.errors import UsageError
from engine.plan import recipe
from tui.verbs.recipes import recipes_verb


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(recipes_verb, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_the_list_names_every_recipe_with_its_purpose():
    text = shown()
    for name in recipe.names():
        loaded = recipe.load(name)
        assert f"{name}: {loaded.title}" in text
        assert loaded.purpose in text


@pytest.mark.parametrize("name", recipe.names())
def test_a_recipe_shows_every_setting_with_what_value_why_source_and_cases(name):
    text, record = shown(name), json.loads(shown(name, "--json"))
    loaded = recipe.load(name)
    assert list(record["settings"]) == list(loaded.settings)
    for key, knob in loaded.settings.items():
        assert f"\n{key} = " in text
        for said in (knob.what, knob.why, knob.source, *(case.why for case in knob.cases)):
            assert said in text
        assert record["settings"][key]["why"] == knob.why
        assert [case["when"] for case in record["settings"][key]["cases"]] == [
            case.when.words() for case in knob.cases
        ]


def test_an_unknown_recipe_is_a_message_with_the_nearest_name():
    with pytest.raises(UsageError, match="did you mean dpo-lora"):
        shown("dpo-lra")

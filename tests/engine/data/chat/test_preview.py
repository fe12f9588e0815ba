from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.chat.preview import preview, summary
from engine.data.chat.preview_text import LEARNT, READ, drawn
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Turn, make

SYSTEM = "Answer with JSON."
ROW = make("where is my parcel?", '{"intent": "late"}', source="a.jsonl:3")
REFUSES = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ENDLESS = (
    "{{ strftime_now('%d %b %Y') }}\n{% for m in messages %}{{ m.role }}: {{ m.content }}\n"
    "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


@pytest.fixture(scope="module")
def template(tiny_model: Path) -> ChatTemplate:
    return ChatTemplate.load(tiny_model)


def results(shown) -> dict[str, str]:
    return {check.name: check.result for check in shown.checks}


def test_the_pieces_are_the_whole_example_and_the_learnt_ones_the_answers(template):
    history = (Turn("user", "hi"), Turn("assistant", "好的 yes?"))
    row = make("where?", "there ☕", history=history)
    shown = preview(template, SYSTEM, row)
    example = template.example(SYSTEM, row)
    whole = template.tokenizer.decode(example.ids, skip_special_tokens=False)
    assert "".join(piece.text for piece in shown.pieces) == whole
    assert [piece.text for piece in shown.pieces if piece.trained] == [
        "好的 yes?<|im_end|>",
        "there ☕<|im_end|>",
    ]
    assert shown.tokens == len(example.ids)
    assert shown.trained == sum(example.trained)
    assert set(results(shown).values()) == {"pass"}


def test_without_colour_a_bar_tells_what_is_learnt(template):
    lines = preview(template, SYSTEM, ROW).to_text().splitlines()
    assert f"{READ} where is my parcel?<|im_end|>↵" in lines
    assert [line for line in lines if line.startswith(f"{LEARNT} ")] == [
        f'{LEARNT} {{"intent": "late"}}<|im_end|>',
        f"{LEARNT} learnt   {READ} only read   ↵ the end of a line in the data",
    ]
    assert lines[0] == "a.jsonl:3  (answer)"
    assert any("tokens are learnt" in line for line in lines)


def columns(text: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.text(), st.booleans()), max_size=4), st.integers(4, 90))
def test_no_text_of_the_data_can_pass_for_another_part(pieces, width):
    lines = drawn(pieces, width)
    for line in lines:
        assert line[:2] in {f"{READ} ", f"{LEARNT} "}
        assert columns(line) <= width
        assert not any(unicodedata.category(char) in {"Cc", "Cf"} for char in line)
    drawn_bars = [line[0] for line in lines]
    wanted = [LEARNT if learnt else READ for text, learnt in pieces if text]
    assert [
        bar for bar, before in zip(drawn_bars, [None, *drawn_bars], strict=False) if bar != before
    ] == [bar for bar, before in zip(wanted, [None, *wanted], strict=False) if bar != before]


def test_control_characters_and_directions_are_written_as_codes():
    assert drawn([("a\x1b[31m\u202eb\tc\r\n", False)], 80) == [
        f"{READ} a\\x1b[31m\\x202eb\\x09c\\x0d↵"
    ]


def test_an_endless_text_is_shortened_in_its_middle():
    lines = drawn([("x\n" * 5000, True)], 80)
    assert len(lines) < 300
    assert f"{LEARNT} … 4,800 lines left out …" in lines


def test_a_row_that_teaches_nothing_fails(template):
    shown = preview(template, SYSTEM, make("where?", " "))
    assert results(shown)["learnt"] == "fail"
    assert shown.result == "fail"


def test_what_is_cut_is_counted_and_a_row_that_loses_all_fails(template):
    shown = preview(template, SYSTEM, ROW, 10_000)
    assert (shown.cut, results(shown)["length"]) == (0, "pass")
    shown = preview(template, SYSTEM, ROW, shown.tokens - 5)
    assert (shown.cut, results(shown)["length"]) == (5, "warn")
    shown = preview(template, SYSTEM, ROW, 20)
    assert (shown.cut, results(shown)["length"]) == (shown.trained, "fail")
    assert "length" not in results(preview(template, SYSTEM, ROW, 0))


def test_a_system_text_that_was_folded_is_told(model_with: Callable[..., Path]):
    template = ChatTemplate.load(model_with(REFUSES))
    shown = preview(template, SYSTEM, ROW)
    assert results(shown)["system text"] == "warn"
    assert f"user\n{SYSTEM}\n\nwhere" in shown.pieces[0].text
    assert results(preview(template, "", ROW))["system text"] == "pass"


def test_a_template_without_an_end_and_with_a_date_is_told(model_with: Callable[..., Path]):
    shown = preview(ChatTemplate.load(model_with(ENDLESS)), SYSTEM, ROW)
    assert results(shown)["end of turn"] == "warn"
    assert results(shown)["date"] == "warn"
    assert shown.pieces[-1].text.endswith("<|im_end|>")


def test_past_answers_that_are_not_learnt_are_told(model_with: Callable[..., Path]):
    template = ChatTemplate.load(model_with(ENDLESS))
    row = make("so?", "yes", history=(Turn("user", "hi"), Turn("assistant", "yes?")))
    shown = preview(template, "", row)
    assert results(shown)["turns"] == "warn"
    assert [piece.text.startswith("yes\n") for piece in shown.pieces if piece.trained] == [True]


def test_a_control_token_in_the_text_of_a_row_is_told(template):
    shown = preview(template, SYSTEM, make("a<|im_end|>b", "c"))
    assert results(shown)["control tokens"] == "warn"


@pytest.mark.parametrize("pad", [None, "<|im_end|>", "<|endoftext|>"])
def test_padding_is_told_apart_by_its_place(tiny_model: Path, pad: str | None, tmp_path: Path):
    for file in tiny_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config |= {"pad_token": pad} if pad else {}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    shown = preview(ChatTemplate.load(tmp_path), SYSTEM, ROW)
    check = next(check for check in shown.checks if check.name == "padding")
    assert check.result == "pass"
    assert ("by its place" in check.what) == (pad != "<|endoftext|>")


def test_a_preference_shows_both_answers_and_a_text_all_of_itself(template):
    pair = preview(template, SYSTEM, make("a", "good", form="preference", rejected="bad"))
    assert pair.pieces[-1].text == "good<|im_end|>"
    assert pair.rejected[-1] == ("bad<|im_end|>", True)
    assert "not wanted" in pair.to_text()
    raw = preview(template, SYSTEM, make("", "Once.", form="text"))
    assert raw.pieces == (("Once.<|im_end|>", True),)
    assert raw.share == 1


def test_the_json_holds_the_text_as_it_is(template):
    content = preview(template, SYSTEM, ROW).to_json()
    assert json.loads(json.dumps(content)) == content
    assert content["pieces"][1] == {"text": '{"intent": "late"}<|im_end|>', "trained": True}
    assert content["result"] == "pass"


def test_the_summary_adds_the_rows_up(template):
    rows = [ROW, make("a" * 60, "b" * 70), make("c" * 300, "d")]
    shown = [preview(template, SYSTEM, row, 150) for row in rows]
    found = summary(template, SYSTEM, rows, 150)
    assert found.tokens == sum(item.tokens for item in shown)
    assert found.trained == sum(item.trained for item in shown)
    assert found.tokens_cut == sum(item.cut for item in shown)
    assert (found.rows_cut, found.untaught) == (2, 1)
    assert "1 of them lose all" in found.to_text()
    assert summary(template, SYSTEM, [], 150).to_json()["share"] == 0

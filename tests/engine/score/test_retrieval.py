"""Finding examples and passages, and what must not be found."""

from __future__ import annotations

import pytest

from engine.base.errors import UsageError
from engine.data.rows import make
from engine.data.subject import encoder
from engine.score import similar
from engine.score.documents import TOKENS, cut, passages
from engine.score.retrieval import Examples, Library, crosses, holds, with_passages
from engine.score.similar import Index, terms

TOWNS = {
    "Lisbon": "Lisbon lies on the Tagus and has 545,796 inhabitants.",
    "Porto": "Porto lies on the Douro and has 231,800 inhabitants.",
    "Braga": "Braga, the city of bishops, has 193,324 inhabitants.",
}


def count(text):
    return len(text.split())


@pytest.fixture
def by_words(monkeypatch):
    """As on a box without the `semantic` extra."""
    monkeypatch.setattr(encoder, "available", tuple)


def test_terms_are_words_and_character_pairs_where_no_blanks_part_words():
    assert terms("Order A-77: Wo ist's?") == ["order", "a", "77", "wo", "ist", "s"]
    assert terms("我的订单 ok") == ["我的", "的订", "订单", "ok"]
    assert terms("水 สวัส") == ["水", "สว", "วั", "ัส"]


def test_rare_words_decide_and_nothing_alike_finds_nothing(by_words):
    index = Index(list(TOWNS.values()))
    assert index.search(["How many inhabitants has Porto?"])[0][0] == 1
    assert index.search(["qwerty"]) == [[]]
    assert not index.by_meaning


def test_chinese_is_found_without_blanks(by_words):
    index = Index(["退货需要十四天。", "发票会用电子邮件发送。", "密码可以在设置里更改。"])
    assert [found[0] for found in index.search(["怎么更改密码?", "我的发票在哪里"])] == [2, 1]


def test_an_index_of_nothing_and_an_empty_query(by_words):
    assert Index([]).search(["a"]) == [[]]
    assert Index(["", "?!"]).search(["a", ""]) == [[], []]


def test_a_text_high_in_both_rankings_comes_before_one_high_in_one():
    assert similar._fuse([1, 2], [2, 3]) == [2, 1, 3]


def test_examples_are_the_likest_last_and_never_the_row_or_its_group(by_words):
    train = [
        make("Where is my parcel 771?", "parcel", group="a"),
        make("Where is the parcel?", "parcel"),
        make("I forgot my password", "login"),
        make("parcel is late and where is it", "parcel"),
    ]
    asked = make("Where is my parcel 772?", "parcel", group="a")
    found = Examples(train, lambda _: None).for_rows([asked], 2)[0]
    assert [row.prompt for row in found] == [
        "parcel is late and where is it",
        "Where is the parcel?",
    ]


def test_a_near_copy_of_a_held_out_question_is_left_out_and_counted(by_words):
    prompt = "The grinder came broken, and nobody answers the telephone number on your page."
    train = [
        make(prompt.replace(".", "!"), "damaged"),
        make("The grinder came broken, what now?", "damaged"),
    ]
    examples = Examples(train, lambda _: None)
    assert examples.for_rows([make(prompt, "damaged")], 4)[0] == [train[1]]
    assert examples.left_out == 1


def test_a_passage_with_the_question_in_it_crosses_and_one_with_the_answer_does_not():
    row = make("How many inhabitants has the city of Porto today?", "231,800")
    assert crosses(row, "Q: How many inhabitants has the city of Porto today? A: 231,800.")
    assert not crosses(row, TOWNS["Porto"])
    short = make("Porto inhabitants?", "231,800")
    assert crosses(short, "porto: inhabitants")
    assert not crosses(short, TOWNS["Porto"])


def test_paragraphs_stay_whole_and_the_last_short_one_is_repeated():
    text = "\n\n".join(f"Paragraph {number} has some words in it." for number in range(6))
    pieces = list(cut(text, count, 16))
    assert pieces[0] == "Paragraph 0 has some words in it.\n\nParagraph 1 has some words in it."
    assert pieces[1].startswith("Paragraph 1 has")
    assert all(count(piece) <= 16 for piece in pieces)
    assert pieces[-1].endswith("Paragraph 5 has some words in it.")


def test_a_long_paragraph_is_cut_between_sentences_and_a_line_without_any_by_length():
    sentences = " ".join(f"Sentence {number} ends here." for number in range(30))
    assert all(piece.endswith(".") for piece in cut(sentences, count, 20))
    pieces = list(cut("x" * 1000, len, 300))
    assert "".join(pieces) == "x" * 1000
    assert max(map(len, pieces)) <= 300


def test_documents_are_read_whatever_their_kind(tmp_path, by_words):
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.md").write_text("# Lisbon\n\nLisbon lies on the Tagus.\n")
    (folder / "b.html").write_text(
        "<html><head><title>t</title><style>p{}</style></head><body><p>Porto &amp; Douro"
        "</p><script>var hidden</script><ul><li>wine</li></ul></body></html>"
    )
    (folder / "faq.jsonl").write_text('{"prompt": "Fee?", "completion": "12 euros"}\n')
    (folder / ".hidden").write_text("not this")
    found = passages(tmp_path, ("documents",), count)
    told = "\n".join(passage.text for passage in found)
    assert "Lisbon lies on the Tagus." in told
    assert "Porto & Douro" in told
    assert "12 euros" in told
    assert "hidden" not in told
    assert "not this" not in told
    assert {passage.source for passage in found} == {
        "documents/a.md",
        "documents/b.html",
        "documents/faq.jsonl",
    }


@pytest.mark.parametrize(("name", "fix"), [("a.pdf", "pdftotext"), ("none.txt", "documents")])
def test_a_document_that_cannot_be_read_is_named_with_a_way_out(tmp_path, name, fix):
    if name == "a.pdf":
        (tmp_path / name).write_bytes(b"%PDF-1.7")
    with pytest.raises(UsageError) as caught:
        passages(tmp_path, (name,), count)
    assert fix in caught.value.fix
    assert name in caught.value.where


def test_the_right_passage_comes_first_and_stands_before_the_question(tmp_path, by_words):
    (tmp_path / "towns.txt").write_text(
        "\n\n".join(text + " x" * TOKENS for text in TOWNS.values())
    )
    library = Library(tmp_path, ("towns.txt",), count, lambda _: None)
    row = make("How many people live in Braga?", "193,324")
    found = library.for_rows([row], 2)[0]
    assert found[0].text.startswith("Braga")
    told = with_passages(row, found)
    assert told.prompt.index("193,324") < told.prompt.index("How many people")
    assert told.completion == row.completion


def test_passages_hold_an_answer_when_each_of_its_words_is_there(tmp_path):
    (tmp_path / "towns.txt").write_text("\n\n".join(TOWNS.values()))
    found = passages(tmp_path, ("towns.txt",), count)
    assert holds(found, "231,800 inhabitants")
    assert not holds(found, "231,801 inhabitants")
    assert not holds(found, "?")


@pytest.mark.skipif(not encoder.available(), reason="the semantic extra is not installed")
def test_what_is_said_in_other_words_is_found_by_meaning():
    index = Index(
        [
            "You can send goods back within two weeks and get your money returned.",
            "The office is open on weekdays from nine to five.",
            "Invoices are sent by electronic mail on the first of the month.",
        ]
    )
    assert index.by_meaning == "MiniLM"
    assert index.search(["refund policy"])[0][0] == 0

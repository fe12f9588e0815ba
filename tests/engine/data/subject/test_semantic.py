from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from engine.base.errors import TunesmithError
from engine.data.findings import Cleaned
from engine.data.rows import Row, make
from engine.data.subject import encoder, semantic
from engine.data.subject.encoder import MINILM, MULTILINGUAL, Encoder, Kind
from engine.data.subject.semantic import MEASURED_RECALL, Space

TRIPLES = yaml.safe_load(Path(__file__).with_name("rephrasings.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    return loaded(MINILM)


@pytest.fixture(scope="module")
def multilingual() -> Encoder:
    return loaded(MULTILINGUAL)


def loaded(kind: Kind) -> Encoder:
    if kind not in encoder.available():
        pytest.skip(f"the package with the weights of {kind.name} is not installed")
    return Encoder(kind)


def rows(*prompts: str, file: str = "a.jsonl") -> list[Row]:
    return [make(text, "x", source=f"{file}:{n}") for n, text in enumerate(prompts, 1)]


def space(model: Encoder, held: list[Row]) -> Space:
    return Space(model.kind, held, model.encode([row.prompt for row in held]))


@pytest.mark.parametrize(("model", "code"), [("minilm", "en"), ("multilingual", "zh")])
def test_the_stated_recall_is_what_is_measured(
    model: str, code: str, request: pytest.FixtureRequest
) -> None:
    used: Encoder = request.getfixturevalue(model)
    parts = zip(*TRIPLES[code], strict=True)
    one, two, three = np.split(used.encode([text for part in parts for text in part]), 3)
    for threshold, stated in MEASURED_RECALL[used.kind.name, code].items():
        found = float(((one * two).sum(1) >= threshold).mean())
        wrong = float(((one * three).sum(1) >= threshold).mean())
        assert (found, wrong) == pytest.approx(stated, abs=0.02), threshold
    # each rephrasing is closest to its own prompt: the order is better than the threshold
    assert ((two @ one.T).argmax(1) == np.arange(len(one))).mean() > 0.98


def test_a_rephrased_golden_row_is_found_and_named(minilm: Encoder) -> None:
    golden = rows("How do I bake bread without yeast?", "What is a black hole?", file="g.jsonl")
    held = rows(
        "Which wine goes with grilled salmon?", "HOW CAN I BAKE BREAD IF I HAVE NO YEAST AT HOME?"
    )
    (match,) = space(minilm, held).rephrasings(space(minilm, golden))
    assert (match.row, match.other) == (held[1], golden[0])
    assert MINILM.leak <= match.cosine <= 1


def test_texts_whose_numbers_all_differ_are_cases_of_one_form(minilm: Encoder) -> None:
    held = rows(
        "Please refund order 1182", "Please refund order 7745", "Kindly refund order 1182, please"
    )
    found = space(minilm, held).near_matches()
    assert [(match.row, match.other) for match in found] == [(held[2], held[0])]


def test_vectors_are_the_same_in_any_order_and_case(minilm: Encoder) -> None:
    texts = [
        "What is a black hole?",
        "Tell me a joke",
        "A much longer text " * 30,
        "tell me a JOKE",
    ]
    vectors = minilm.encode(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-3)
    assert np.array_equal(vectors[1], vectors[3])
    assert (vectors * minilm.encode(texts[::-1])[::-1]).sum(1) == pytest.approx(
        np.ones(4), abs=1e-3
    )
    assert len(minilm.encode([])) == 0


def test_a_request_to_stop_ends_the_work(minilm: Encoder) -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minilm.encode(["a text"], stop)


def vectors_of(angles: list[float]) -> np.ndarray:
    return np.array([[np.cos(angle), np.sin(angle)] for angle in angles], dtype=np.float32)


def test_blocks_find_what_one_comparison_of_all_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    angles = list(rng.uniform(0, np.pi, 60))
    held = rows(*(f"row {chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(60)))
    whole = Space(MINILM, held, vectors_of(angles)).near_matches(0.999)
    monkeypatch.setattr(semantic, "_BLOCK", 7)
    parts = Space(MINILM, held, vectors_of(angles)).near_matches(0.999)
    assert {match[:2] for match in parts} == {match[:2] for match in whole}
    cosines = np.cos(np.subtract.outer(angles, angles))
    expected = {n for n in range(60) if (cosines[n, :n] >= 0.999).any()}
    assert {held.index(match.row) for match in whole} == expected


def test_at_most_three_rows_are_suggested_for_a_golden_row_the_closest_first() -> None:
    held = rows("one", "two", "three", "four", "five")
    golden = Space(MINILM, rows("golden", file="g"), vectors_of([0.0]))
    found = Space(MINILM, held, vectors_of([0.5, 0.1, 0.3, 0.2, 1.4])).rephrasings(golden, 0.5)
    assert [match.row.prompt for match in found] == ["two", "four", "three"]
    assert Space(MINILM, [], vectors_of([0.0])[:0]).rephrasings(golden) == []
    empty = Space(MINILM, [], vectors_of([0.0])[:0])
    assert Space(MINILM, held, vectors_of([0.5] * 5)).rephrasings(empty) == []


def test_an_inspection_flags_and_says_what_it_could_not_read(
    minilm: Encoder, multilingual: Encoder
) -> None:
    cleaned = Cleaned(
        rows=rows(
            "In which way can I bake bread when there is no yeast in the house?",
            "没有酵母的话，有什么做面包的方法？",
            "Hur lång tid tar det att få bygglov i Helsingborg?",
            "What is the time in Tokyo when it is noon in London?",
            "Tell me the time in Tokyo when it is noon in London.",
        ),
        golden=rows("How do I bake bread without yeast?", "不用酵母怎么做面包？", file="g.jsonl"),
    )
    notes: list[str] = []
    semantic.inspect(cleaned, notes.append)
    leaks = {(finding.place, finding.other) for finding in cleaned.found("semantic leak")}
    assert leaks == {("a.jsonl:1", "g.jsonl:1"), ("a.jsonl:2", "g.jsonl:2")}
    (match,) = cleaned.found("semantic match")
    assert (match.place, match.other, match.action) == ("a.jsonl:5", "a.jsonl:4", "flagged")
    assert len(cleaned.rows) == 5
    assert "finds 64% of our own rephrasings in en" in cleaned.detectors["semantic"]
    assert "75% of our own rephrasings in zh" in cleaned.detectors["semantic"]
    assert "sv 1 rows" in cleaned.detectors["semantic"]
    assert notes


def test_pairs_already_known_as_related_are_not_suggested_again(minilm: Encoder) -> None:
    held = rows("Where is the parcel that I ordered?", "Where is that parcel which I ordered?")
    cleaned = Cleaned(rows=held, related=[(held[0].id, held[1].id)])
    semantic.inspect(cleaned, lambda _: None)
    assert cleaned.findings == []


def test_without_a_model_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "_weights", lambda _: None)
    with pytest.raises(TunesmithError, match=r"tunesmith\[semantic\]"):
        semantic.inspect(Cleaned(), lambda _: None)
    with pytest.raises(TunesmithError, match=r"tunesmith\[semantic\]"):
        Encoder(MINILM)
    assert encoder.available() == ()

"""Finding texts for a question: BM25 and sentence embeddings, fused by their ranks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from engine.data.subject import encoder
from engine.data.subject.language import languages

_FUSION = 60  # the constant of reciprocal rank fusion (Cormack, Clarke and Buettcher 2009)
_MOST_ENCODED = 4_000  # texts; on two CPU cores reading so many short ones takes about 30 s
_SAMPLED = 50  # texts whose languages decide the encoder
_DEPTH = 50  # ranks of each list that are fused
# scripts written without blanks between words, and Hangul, which glues particles to its words
_DENSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Burmese, Khmer
    "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"  # kana, Han, Hangul
)
_PIECE = re.compile(rf"[{_DENSE}]+|[^\W{_DENSE}]+")
_IS_DENSE = re.compile(rf"[{_DENSE}]")


def terms(text: str) -> list[str]:
    """Return what a text is found by: its words, and character pairs where no blanks part words."""
    found: list[str] = []
    for piece in _PIECE.findall(text.casefold()):
        if len(piece) > 1 and _IS_DENSE.match(piece):
            found += [piece[place : place + 2] for place in range(len(piece) - 1)]
        else:
            found.append(piece)
    return found


class Index:
    """Texts that can be found by what they say.

    BM25 (Lucene's variant, `bm25s`) finds rare words; sentence embeddings, where the `semantic`
    extra is installed and knows the texts' language, find what is said in other words. Each gives a
    ranking, and a text's score is the sum of 1 / (60 + rank) over both.

    Args:
        texts: What is searched.
        note: Told how far the embeddings are; what it raises ends the work.
    """

    def __init__(self, texts: Sequence[str], note: Callable[[str], None] = lambda _: None) -> None:
        self._note = note
        corpus = [terms(text) for text in texts]
        self._words = _bm25(corpus) if any(corpus) else None
        self._encoder = _encoder(texts)
        self._vectors = self._encoder.encode(texts, note) if self._encoder else None

    @property
    def by_meaning(self) -> str:
        """The name of the embedding model that helps; empty where only words count."""
        return self._encoder.kind.name if self._encoder else ""

    def search(self, queries: Sequence[str]) -> list[list[int]]:
        """Return, for each query, the places of up to 50 texts, best first."""
        meant: list[list[int]] = [[] for _ in queries]
        if self._encoder is not None and self._vectors is not None and queries:
            cosines = self._encoder.encode(queries, self._note) @ self._vectors.T
            meant = [_best(row) for row in cosines]
        return [
            _fuse(self._by_words(query), others)
            for query, others in zip(queries, meant, strict=True)
        ]

    def _by_words(self, query: str) -> list[int]:
        asked = list(dict.fromkeys(terms(query)))
        if self._words is None or not asked:
            return []
        scores = self._words.get_scores(asked)
        return [place for place in _best(scores) if scores[place] > 0]


def _bm25(corpus: list[list[str]]) -> Any:
    import bm25s  # type: ignore[import-untyped]

    index = bm25s.BM25()
    index.index(corpus, show_progress=False)
    return index


def _encoder(texts: Sequence[str]) -> encoder.Encoder | None:
    """Return the embedding model for most of the texts, where there is one and they are few."""
    kinds = encoder.available()
    if not kinds or not texts or len(texts) > _MOST_ENCODED:
        return None
    step = max(1, len(texts) // _SAMPLED)
    spoken = Counter(code for code in languages(texts[::step]) if code)
    if not spoken:
        return None
    kind = encoder.of_language(spoken.most_common(1)[0][0], kinds)
    return encoder.Encoder(kind) if kind else None


def _best(scores: Any) -> list[int]:
    """Return the places of the highest scores, the earlier one first among equals."""
    import numpy as np

    ordered: list[int] = np.argsort(-np.asarray(scores), kind="stable")[:_DEPTH].tolist()
    return ordered


def _fuse(*rankings: Sequence[int]) -> list[int]:
    score: dict[int, float] = {}
    for ranking in rankings:
        for rank, place in enumerate(ranking, start=1):
            score[place] = score.get(place, 0.0) + 1 / (_FUSION + rank)
    return sorted(score, key=lambda place: (-score[place], place))[:_DEPTH]

"""How long rows are as training examples, counted fast enough for a million of them.

`ChatTemplate.example` says exactly what a row becomes, but renders and tokenises it several times.
Most templates only put fixed text around the contents, and a special token is a wall to the
tokenizer: what stands before it does not change what comes after. So for each shape of
conversation one specimen is made exactly, and of each row only the stretches between walls that
hold its contents are tokenised, many rows at once. What does not fit this goes the exact way: rows
with a content to which the template reacts, templates that are no fixed frame, and whole shapes
whose rows turn out otherwise on a sample.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.base.errors import TunesmithError
from engine.data.chat import chat_jinja
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Row, Turn, make

_BATCH = 4096  # rows tokenised at once
_CHECKED = 3  # rows of each shape whose counts are compared with the exact way
_MARK = "zq{}qz"
_MARKS = re.compile(r"zq(\d+)qz")

Shape = tuple[bool, tuple[str, ...]]
Count = tuple[int, int, int]


@dataclass(frozen=True)
class Measured:
    """Token counts in the order of the rows.

    Attributes:
        whole: Of the whole training example.
        trained: Of what is learnt in it: the answers with their end-of-turn tokens.
        cut: Of what is learnt, how many lie behind the limit.
    """

    whole: list[int]
    trained: list[int]
    cut: list[int]


def measure(
    rows: Sequence[Row], template: ChatTemplate, system: str, limit: int | None = None
) -> Measured:
    """Count the tokens of rows as the model is trained on them.

    Args:
        rows: The rows; of a preference the pair with the chosen answer counts.
        template: The base model's chat template.
        system: The system text of the rows that have none of their own.
        limit: The most tokens of an example; without one, what the model can read. 0 for none.

    Raises:
        TunesmithError: The template refuses a row.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    most = template.context if limit is None else limit
    shapes: dict[Shape | None, list[int]] = defaultdict(list)
    plain = _Plain(template)
    for place, row in enumerate(rows):
        shapes[_shape(row, system) if plain.suits(row, system) else None].append(place)
    counts: list[Count] = [(0, 0, 0)] * len(rows)
    for shape, places in shapes.items():
        found = [rows[place] for place in places]
        for place, count in zip(
            places, _counted(shape, found, template, system, most), strict=True
        ):
            counts[place] = count
    return Measured(*([count[part] for count in counts] for part in range(3)))


def _counted(
    shape: Shape | None, rows: list[Row], template: ChatTemplate, system: str, limit: int
) -> list[Count]:
    """Count rows of one shape, by its frame if it has one."""
    frame = _frame(shape, template) if shape else None
    if frame is None:
        return [_exact(template, system, row, limit) for row in rows]
    steps = range(0, len(rows), max(1, len(rows) // _CHECKED))
    sample = [rows[place] for place in steps]
    counts = frame.count(sample, system, limit)
    if counts != [_exact(template, system, row, limit) for row in sample]:
        return [_exact(template, system, row, limit) for row in rows]
    starts = range(0, len(rows), _BATCH)
    batches = (frame.count(rows[start : start + _BATCH], system, limit) for start in starts)
    return [count for batch in batches for count in batch]


def _exact(template: ChatTemplate, system: str, row: Row, limit: int) -> Count:
    example = template.example(system, row)
    return len(example.ids), example.learnt, example.cut(limit) if limit else 0


def _shape(row: Row, system: str) -> Shape:
    if row.form == "text":
        return False, ("text",)
    return bool(row.system or system), tuple(turn.role for turn in row.history)


def _contents(row: Row, system: str) -> list[str]:
    """Return the texts that stand in a rendered row, in the order of its messages."""
    if row.form == "text":
        return [row.completion]
    first = row.system or system
    turns = (turn.content for turn in row.history)
    return [*([first] if first else []), *turns, row.prompt, row.completion]


class _Plain:
    """Tells the rows whose contents a template puts down as they are."""

    def __init__(self, template: ChatTemplate) -> None:
        reactions = chat_jinja.reactions(template.source)
        walls = [token.content for token in _walls(template.tokenizer)]
        within = sorted({*reactions.within, *walls})
        self._within = re.compile("|".join(map(re.escape, within)))
        self._ends = tuple(reactions.ends)
        self._strips = reactions.strips
        self._seen: dict[str, bool] = {}

    def suits(self, row: Row, system: str) -> bool:
        """Say whether the frame of a row's shape gives its counts."""
        if row.form == "text":
            return True
        first = row.system or system
        if first not in self._seen:
            self._seen[first] = not first or self._plain(first)
        texts = (row.prompt, row.completion, *(turn.content for turn in row.history))
        return self._seen[first] and all(map(self._plain, texts))

    def _plain(self, text: str) -> bool:
        if not text or self._within.search(text):
            return False
        if self._ends and (text.startswith(self._ends) or text.endswith(self._ends)):
            return False
        return not self._strips or not (text[0].isspace() or text[-1].isspace())


@dataclass(frozen=True)
class _Chunk:
    """A stretch between two walls that holds contents.

    Attributes:
        parts: Fixed texts (walls included) and numbers of contents.
        tokens: Of the specimen's stretch.
        head: The tokens before a learnt content; None where nothing is learnt.
    """

    parts: tuple[str | int, ...]
    tokens: int
    head: list[int] | None


@dataclass(frozen=True)
class _Frame:
    """What all rows of one shape have in common."""

    template: ChatTemplate
    chunks: tuple[_Chunk, ...]
    whole: int
    trained: int

    def count(self, rows: Sequence[Row], system: str, limit: int) -> list[Count]:
        """Count rows of this shape; those that turn out not to fit, the exact way."""
        places: dict[str, int] = {}
        wanted: list[list[int]] = []
        for row in rows:
            contents = _contents(row, system)
            texts = [
                "".join([contents[part] if isinstance(part, int) else part for part in chunk.parts])
                for chunk in self.chunks
            ]
            wanted.append([places.setdefault(text, len(places)) for text in texts])
        found = _encode_batch(self.template.tokenizer, list(places))
        lengths = list(map(len, found))
        return [
            self._one(row, system, limit, [lengths[p] for p in own], [found[p] for p in own])
            for row, own in zip(rows, wanted, strict=True)
        ]

    def _one(
        self, row: Row, system: str, limit: int, lengths: list[int], encodings: list[Any]
    ) -> Count:
        whole, trained = self.whole, self.trained
        for chunk, length, encoding in zip(self.chunks, lengths, encodings, strict=True):
            whole += length - chunk.tokens
            if chunk.head is not None:
                trained += length - chunk.tokens
                if chunk.head and encoding.ids[: len(chunk.head)] != chunk.head:
                    return _exact(self.template, system, row, limit)
        over = limit and whole > limit
        if over and row.history:
            return _exact(self.template, system, row, limit)
        return whole, trained, min(trained, whole - limit) if over else 0


def _frame(shape: Shape, template: ChatTemplate) -> _Frame | None:
    """Return the frame of a shape; None where the template is none for it."""
    row, learnt = _specimen(shape)
    try:
        example = template.example("", row)
    except TunesmithError:
        return None
    parts: list[list[str | int]] = [["", 0, ""]]
    trained = [True]
    if row.form != "text":
        if example.last_only:
            learnt = {max(learnt)}
        parts = _stretches("".join(template.texts("", row)), template)
        trained = [any(number in learnt for number in part[1::2]) for part in parts]
        numbers = sorted(int(number) for part in parts for number in part[1::2])
        alone = all(len(part) == 3 for part, own in zip(parts, trained, strict=True) if own)
        if not alone or numbers != list(range(len(_contents(row, "")))):
            return None
    contents = _contents(row, "")
    specimens = [
        "".join([contents[part] if isinstance(part, int) else part for part in stretch])
        for stretch in parts
    ]
    lengths = map(len, _encode_batch(template.tokenizer, specimens))
    return _Frame(
        template,
        tuple(
            _Chunk(tuple(stretch), length, template.encode(str(stretch[0])) if own else None)
            for stretch, length, own in zip(parts, lengths, trained, strict=True)
        ),
        len(example.ids),
        example.learnt,
    )


def _specimen(shape: Shape) -> tuple[Row, set[int]]:
    """Return a row of a shape with marks for contents, and which of them are answers."""
    first, roles = shape
    if roles == ("text",):
        return make("", _MARK.format(0), form="text"), {0}
    start = int(first)
    turns = tuple(Turn(role, _MARK.format(start + i)) for i, role in enumerate(roles))
    after = start + len(turns)
    row = make(
        _MARK.format(after),
        _MARK.format(after + 1),
        system=_MARK.format(0) if first else "",
        history=turns,
    )
    answers = {start + place for place, role in enumerate(roles) if role == "assistant"}
    return row, {*answers, after + 1}


def _stretches(text: str, template: ChatTemplate) -> list[list[str | int]]:
    """Cut a rendered specimen at its walls; return the stretches that hold marks.

    Each is fixed text, mark, fixed text, and so on, the walls on both sides included.
    """
    pattern = "|".join(
        sorted((re.escape(t.content) for t in _walls(template.tokenizer)), key=len, reverse=True)
    )
    found = list(re.finditer(pattern, text)) if pattern else []
    starts = [0, *(wall.start() for wall in found)]
    ends = [*(wall.end() for wall in found), len(text)]
    stretches: list[list[str | int]] = []
    for start, end in zip(starts, ends, strict=True):
        parts: list[str | int] = list(_MARKS.split(text[start:end]))
        parts[1::2] = [int(number) for number in parts[1::2]]
        if len(parts) > 1:
            stretches.append(parts)
    return stretches


def _walls(tokenizer: Any) -> list[Any]:
    return [token for token in tokenizer.get_added_tokens_decoder().values() if token.special]


def _encode_batch(tokenizer: Any, texts: list[str]) -> list[Any]:
    found: list[Any] = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return found

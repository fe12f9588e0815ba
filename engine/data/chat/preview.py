"""The preview of what is learnt: a row as the model sees it, learnt and masked text told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from engine.base.gates import Result
from engine.data.chat.example import Example
from engine.data.chat.measure import measure
from engine.data.chat.preview_text import LEARNT, READ, drawn, visible, wrapped
from engine.data.chat.template import ChatTemplate
from engine.data.rows import Row

_MARKS = {"pass": "✓", "warn": "!", "fail": "✗"}


class Piece(NamedTuple):
    """A stretch of what the model reads, and whether it is learnt."""

    text: str
    trained: bool


class Check(NamedTuple):
    """One thing that was looked at: its name, pass, warn or fail, and what was found."""

    name: str
    result: Result
    what: str


@dataclass(frozen=True)
class Preview:
    """A row as the model is trained on it.

    Attributes:
        source: Where the row came from, as `file:row`.
        form: What is learnt from it.
        pieces: All that the model reads, in order.
        rejected: Of a preference the same with the answer that is not wanted; else empty.
        tokens: Of the whole example.
        trained: Tokens that are learnt.
        cut: Learnt tokens behind the limit.
        limit: The most tokens of an example; 0 for no limit.
        checks: What was looked at.
    """

    source: str
    form: str
    pieces: tuple[Piece, ...]
    rejected: tuple[Piece, ...]
    tokens: int
    trained: int
    cut: int
    limit: int
    checks: tuple[Check, ...]

    @property
    def share(self) -> float:
        """The share of the tokens that is learnt, 0 to 1."""
        return self.trained / max(self.tokens, 1)

    @property
    def result(self) -> Result:
        """The worst result of the checks."""
        found = {check.result for check in self.checks}
        return "fail" if "fail" in found else "warn" if "warn" in found else "pass"

    def to_json(self) -> dict[str, Any]:
        """Return the preview for machines; its texts are as they are in the data."""
        pieces = {
            name: [piece._asdict() for piece in getattr(self, name)]
            for name in ("pieces", "rejected")
        }
        return {
            **{name: getattr(self, name) for name in ("source", "form")},
            **pieces,
            **{name: getattr(self, name) for name in ("tokens", "trained", "cut", "limit")},
            "share": round(self.share, 4),
            "checks": [check._asdict() for check in self.checks],
            "result": self.result,
        }

    def to_text(self, width: int = 80) -> str:
        """Return the preview for people, in lines of at most `width` columns.

        Every line begins with a bar that says whether it is learnt, so that no text of the data
        can pass for another part; what cannot be seen is written as its code.
        """
        lines = [f"{visible(self.source) or 'row'}  ({self.form})", ""]
        lines += drawn(self.pieces, width)
        if self.rejected:
            lines += ["", "The answer that is not wanted:", "", *drawn(self.rejected, width)]
        lines += ["", f"{LEARNT} learnt   {READ} only read   ↵ the end of a line in the data", ""]
        lines.append(f"{self.trained:,} of {self.tokens:,} tokens are learnt ({self.share:.0%})")
        for check in self.checks:
            lines += wrapped(f"{_MARKS[check.result]} ", f"{check.name}: {check.what}", width)
        return "\n".join(lines)


@dataclass(frozen=True)
class Summary:
    """What many rows come to.

    Attributes:
        rows: How many.
        tokens: Of all of them.
        trained: Tokens that are learnt.
        longest: Tokens of the longest row.
        limit: The most tokens of an example; 0 for no limit.
        rows_cut: Rows that lose learnt tokens to the limit.
        tokens_cut: Those tokens.
        untaught: Rows of which nothing is learnt within the limit.
    """

    rows: int
    tokens: int
    trained: int
    longest: int
    limit: int
    rows_cut: int
    tokens_cut: int
    untaught: int

    @property
    def share(self) -> float:
        """The share of the tokens that is learnt, 0 to 1."""
        return self.trained / max(self.tokens, 1)

    def to_json(self) -> dict[str, float]:
        """Return the summary for machines."""
        return asdict(self) | {"share": round(self.share, 4)}

    def to_text(self) -> str:
        """Return the summary for people, one or two lines."""
        first = (
            f"{self.rows:,} rows, {self.tokens:,} tokens, {self.trained:,} of them learnt "
            f"({self.share:.0%}); the longest row has {self.longest:,}"
        )
        if not self.rows_cut:
            return first
        return (
            f"{first}\n{self.rows_cut:,} rows lose {self.tokens_cut:,} learnt tokens behind token "
            f"{self.limit:,}; {self.untaught:,} of them lose all"
        )


def preview(template: ChatTemplate, system: str, row: Row, limit: int | None = None) -> Preview:
    """Return a row as the model is trained on it.

    Args:
        template: The base model's chat template.
        system: The system text of rows without one of their own.
        row: The row.
        limit: The most tokens of an example; without one, what the model can read. 0 for none.

    Raises:
        TunesmithError: The template refuses the row.
    """
    most = template.context if limit is None else limit
    example = template.example(system, row)
    other = template.rejected(system, row) if row.form == "preference" else None
    return Preview(
        source=row.source,
        form=row.form,
        pieces=_pieces(template, example),
        rejected=_pieces(template, other) if other else (),
        tokens=len(example.ids),
        trained=example.learnt,
        cut=example.cut(most) if most else 0,
        limit=most,
        checks=tuple(_checks(template, system, row, example, most)),
    )


def summary(
    template: ChatTemplate, system: str, rows: Sequence[Row], limit: int | None = None
) -> Summary:
    """Return what many rows come to; the arguments are those of `preview`."""
    most = template.context if limit is None else limit
    counted = measure(rows, template, system, most)
    gone = zip(counted.trained, counted.cut, strict=True)
    return Summary(
        rows=len(rows),
        tokens=sum(counted.whole),
        trained=sum(counted.trained),
        longest=max(counted.whole, default=0),
        limit=most,
        rows_cut=sum(map(bool, counted.cut)),
        tokens_cut=sum(counted.cut),
        untaught=sum(trained == cut for trained, cut in gone),
    )


def _pieces(template: ChatTemplate, example: Example) -> tuple[Piece, ...]:
    """Cut the text at the spans; it is decoded from the start, as some tokenizers need it."""
    cuts = [0, *(place for span in example.spans for place in span), len(example.ids)]
    pieces, before = [], ""
    for number, end in enumerate(cuts[1:]):
        text = template.tokenizer.decode(example.ids[:end], skip_special_tokens=False)
        start = len(before) if text.startswith(before) else len(text)
        if text[start:]:
            pieces.append(Piece(text[start:], number % 2 == 1))
        before = text
    return tuple(pieces)


def _checks(
    template: ChatTemplate, system: str, row: Row, example: Example, limit: int
) -> list[Check]:
    found = [_learnt(template, row, example), _end(template, row), _padding(template)]
    if limit:
        found.append(_length(example, limit))
    found.append(_system(template, system, row))
    if example.last_only:
        what = (
            "The template writes past answers otherwise than they are given, or does not mark "
            "their end: of this conversation only the last answer is learnt."
        )
        found.append(Check("turns", "warn", what))
    if example.bare:
        what = (
            "The template starts an answer to come otherwise than a past one: the answer is "
            "learnt just as the row has it, behind the prompt that will ask for it."
        )
        found.append(Check("answer", "warn", what))
    if "strftime_now" in template.source:
        what = "The template writes the day's date into the prompt: it differs in use."
        found.append(Check("date", "warn", what))
    written = _control(template, row)
    if written:
        what = f"The row's own text holds {written}, which the model reads as a control token."
        found.append(Check("control tokens", "warn", what))
    return found


def _learnt(template: ChatTemplate, row: Row, example: Example) -> Check:
    ends = sum(example.ids[end - 1] in template.stops for _, end in example.spans)
    if example.learnt <= ends or not row.completion.strip():
        return Check("learnt", "fail", "No word of an answer is learnt. Mend or remove the row.")
    if row.form == "text":
        return Check("learnt", "pass", "The whole text.")
    answers = len(example.spans)
    what = "One answer" if answers == 1 else f"{answers} answers"
    return Check("learnt", "pass", f"{what} with the end of turn, nothing else.")


def _end(template: ChatTemplate, row: Row) -> Check:
    token = template.tokenizer.id_to_token(template.eos_id)
    if template.marks_end or row.form == "text":
        ended = "the text" if row.form == "text" else "every answer"
        what = f"{token} ends {ended}, is learnt, and stops the model in use."
        return Check("end of turn", "pass", what)
    what = (
        f"The template puts no token at which the model stops after an answer; {token} is added "
        "and learnt. See that the program which serves the model stops there."
    )
    return Check("end of turn", "warn", what)


def _padding(template: ChatTemplate) -> Check:
    """Say how padding is told from text; the trainer does it by place, never by token."""
    pad = template.special.get("pad_token")
    end = template.tokenizer.id_to_token(template.eos_id)
    if pad is None:
        what = (
            "The tokenizer has no padding token; padding is masked by its place, so none is needed."
        )
    elif pad == end:
        what = (
            f"{pad} is padding and end of turn; padding is masked by its place, the end is learnt."
        )
    else:
        what = f"{pad} is another token than {end}."
    return Check("padding", "pass", what)


def _length(example: Example, limit: int) -> Check:
    size, cut = len(example.ids), example.cut(limit)
    if size <= limit:
        return Check("length", "pass", f"{size:,} tokens, {limit:,} at most.")
    what = f"{size:,} tokens, {limit:,} at most: {cut:,} of {example.learnt:,} learnt ones are cut."
    return Check("length", "fail" if cut == example.learnt else "warn", what)


def _system(template: ChatTemplate, system: str, row: Row) -> Check:
    if row.form == "text":
        return Check("system text", "pass", "Raw text has none, and no template.")
    if not (row.system or system):
        return Check("system text", "pass", "None is given; the template may write its own.")
    whose = "the row's own" if row.system else "the project's instruction"
    if template.folds:
        what = f"The template takes none; {whose} stands before the first user message."
        return Check("system text", "warn", what)
    return Check("system text", "pass", f"It is {whose}.")


def _control(template: ChatTemplate, row: Row) -> str:
    """Return the control tokens that stand in a row's own text, by comma; of many the first 3."""
    texts = (
        row.system,
        row.prompt,
        row.completion,
        row.rejected,
        *(t.content for t in row.history),
    )
    tokens = template.tokenizer.get_added_tokens_decoder().values()
    special = [token.content for token in tokens if token.special]
    return ", ".join([token for token in special if any(token in text for text in texts)][:3])

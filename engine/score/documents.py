"""The user's documents, cut into passages that fit a prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from engine.base.errors import TunesmithError, UsageError
from engine.data.load import read
from engine.data.rows import Problem

_HTML = (".html", ".htm", ".xhtml")
_UNREAD = {".pdf": "pdftotext -layout", ".docx": "pandoc -t plain", ".odt": "pandoc -t plain"}
_SILENT = {"script", "style", "head", "template", "noscript"}
_BLOCKS = {
    *("p", "div", "section", "article", "li", "ul", "ol", "dl", "dt", "dd", "table", "tr", "pre"),
    *("br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "main", "header", "footer"),
}
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n")
TOKENS = 160  # of a passage: some 110 English words, so that three fit a prompt of a small model
_OVERLAP = 32  # tokens of the end of a passage that the next one begins with


@dataclass(frozen=True)
class Passage:
    """A piece of a document.

    Attributes:
        text: What it says.
        source: The document it is from, as the project names it.
    """

    text: str
    source: str


def passages(folder: Path, names: tuple[str, ...], count: Callable[[str], int]) -> list[Passage]:
    """Read documents and cut them by paragraphs.

    Text, Markdown and HTML are read, and all that the data stage reads: a record with an answer is
    a passage of its question and its answer.

    Args:
        folder: What the names are relative to.
        names: Files and folders.
        count: Returns how many tokens a text has.

    Raises:
        UsageError: A document is missing, or of a kind that is not read; it names the way out.
    """
    found: dict[str, Passage] = {}
    for name in names:
        for path in files(folder, name):
            label = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
            for text in _texts(path, label):
                for piece in cut(text, count):
                    found.setdefault(piece, Passage(piece, label))
    return list(found.values())


def files(folder: Path, name: str) -> list[Path]:
    """Return the documents that a name stands for: itself, or all files of a folder.

    Raises:
        UsageError: There is none.
    """
    path = (folder / name).expanduser()
    if not path.exists():
        raise UsageError(
            "There is no such document.", "Correct `data: documents` in project.yaml.", str(path)
        )
    if path.is_file():
        return [path]
    inside = sorted(item for item in path.rglob("*") if item.is_file())
    return [item for item in inside if not item.name.startswith(".")]


def cut(text: str, count: Callable[[str], int], most: int = TOKENS) -> Iterator[str]:
    """Yield pieces of at most about `most` tokens, each of whole paragraphs where they are short.

    A longer paragraph is cut between sentences. A piece begins with the last unit of the one
    before, where that is short: what refers to it is then understood.

    Args:
        text: The text.
        count: Returns how many tokens a text has.
        most: The tokens of a piece.
    """
    held: list[tuple[str, int]] = []
    new = False
    for unit in _units(text, count, most):
        size = count(unit)
        if new and sum(tokens for _, tokens in held) + size > most:
            yield "\n\n".join(part for part, _ in held)
            held, new = [item for item in held[-1:] if item[1] <= min(_OVERLAP, most - size)], False
        held.append((unit, size))
        new = True
    if new:
        yield "\n\n".join(part for part, _ in held)


def _units(text: str, count: Callable[[str], int], most: int) -> Iterator[str]:
    for paragraph in _PARAGRAPH.split(text):
        whole = paragraph.strip()
        if not whole:
            continue
        if count(whole) <= most:
            yield whole
            continue
        for sentence in filter(None, map(str.strip, _SENTENCE.split(whole))):
            yield from _short(sentence, count(sentence), most)


def _short(sentence: str, size: int, most: int) -> Iterator[str]:
    """Cut what no sentence ends in, such as a table in one line, by its length."""
    if size <= most:
        yield sentence
        return
    width = max(1, len(sentence) * most // size)
    yield from (sentence[start : start + width] for start in range(0, len(sentence), width))


def _texts(path: Path, label: str) -> Iterator[str]:
    suffix = path.suffix.lower()
    if suffix in _UNREAD:
        raise UsageError(
            f"{suffix} documents are not read.",
            f"Turn it into text first (`{_UNREAD[suffix]} FILE`) and name that file.",
            label,
        )
    if suffix in _HTML:
        yield _from_html(path, label)
        return
    try:
        for item in read.read(path, label):
            if not isinstance(item, Problem):
                yield "\n".join(filter(None, (item.prompt, item.completion)))
    except TunesmithError as error:
        raise UsageError(error.what, error.fix, error.where or label) from error


def _from_html(path: Path, label: str) -> str:
    parser = _Text()
    try:
        parser.feed(path.read_text("utf-8", errors="replace"))
    except OSError as error:
        raise UsageError(
            "The document cannot be read.", "Check its name and rights.", label
        ) from error
    parser.close()
    return "".join(parser.parts)


class _Text(HTMLParser):
    """The text of a page, with blank lines where its blocks end."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the parser's
        self._silent += tag in _SILENT
        if tag in _BLOCKS:
            self.parts.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        if tag in _BLOCKS:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(re.sub(r"\s+", " ", data))

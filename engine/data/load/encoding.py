"""Encodings: any text file becomes text, a piece at a time, and says how it was encoded."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator

from engine.base.errors import UsageError
from engine.data.load.packed import Reader
from engine.data.load.shown import shown

_PIECE = 1 << 20  # bytes read at a time
_SEARCHED = 64 << 20  # bytes searched for the first that is not ASCII
_SAMPLE = 1 << 16  # bytes from there on by which the encoding is told
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# characters that make up half of any running text
_CHINESE = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里"
    "用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实"
    "请怎问答什吗呢吧能否款退单号"
    "這個們來為國說時會對發過後種經麼學現當沒動還進開實請問嗎與樣裡從應該"
)
_CYRILLIC = frozenset("оеаинтсрвлкмдпуяыьгзбчйхжшю")


def sniff(stream: Reader) -> str:
    """Return the encoding of a stream, by its mark, its NULs and its first non-ASCII bytes."""
    head = stream.read(_PIECE)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if wide := _by_nuls(head[:_SAMPLE]):
        return wide
    searched = 0
    while head and head.isascii() and searched < _SEARCHED:
        searched += len(head)
        head = stream.read(_PIECE)
    found = re.search(rb"[\x80-\xff]", head)
    if found is None:
        return "utf-8"
    begin = max(head.rfind(b"\n", 0, found.start()) + 1, found.start() - 1024)
    sample = head[begin : begin + _SAMPLE]
    if len(sample) < _SAMPLE:
        sample += stream.read(_SAMPLE - len(sample))
    return _eight_bit(sample)


def known(name: str) -> str:
    """Return Python's name of an encoding.

    Raises:
        UsageError: There is none of this name.
    """
    try:
        "".encode(name)  # what turns bytes into bytes is refused here
        return codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        what = f"There is no encoding called {shown(name)}."
        raise UsageError(what, "Name one such as cp1250, iso-8859-7 or gb18030.") from error


def decoded(stream: Reader, encoding: str) -> Iterator[str]:
    """Yield the text of a stream; bytes that are none become halves of surrogate pairs.

    Those halves are what `surrogateescape` makes; the checks of a row find them.
    """
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    while data := stream.read(_PIECE):
        yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


def _by_nuls(head: bytes) -> str:
    """Return UTF-16 or UTF-32 where the NULs of Latin letters stand in their places."""
    if len(head) < 4 or b"\0" not in head:
        return ""
    quarter = len(head) // 4
    nuls = [head[place::4][:quarter].count(0) / quarter for place in range(4)]
    if sum(nuls) > 3.6:  # nothing but NULs
        return ""
    if nuls[3] > 0.95 and nuls[2] > 0.8:
        return "utf-32-le"
    if nuls[0] > 0.95 and nuls[1] > 0.8:
        return "utf-32-be"
    if sum(nuls) < 0.3 and (sum(nuls) < 0.05 or _is_utf8(head)):  # a NUL here and there
        return ""
    return max(("utf-16-le", "utf-16-be"), key=lambda name: _marks(head, name))


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _marks(head: bytes, encoding: str) -> int:
    """Return how many characters are the blanks and signs that every language has."""
    return sum(char in '\n\r\t ",:-{}' for char in head.decode(encoding, "replace"))


def _eight_bit(sample: bytes) -> str:
    """Return UTF-8 unless most lines with letters beyond ASCII are no such text."""
    lines = [line for line in re.split(rb"[\r\n]", sample) if not line.isascii()]
    bad = 0
    for number, line in enumerate(lines):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            cut = number == len(lines) - 1 and error.end >= len(line) - 3 and len(lines) > 1
            bad += not cut and not _mostly_utf8(line)
    if bad * 2 < len(lines) or not lines:
        return "utf-8"
    return max(_CANDIDATES, key=lambda name: _CANDIDATES[name](sample, name))


def _mostly_utf8(line: bytes) -> bool:
    """Whether a line is UTF-8 but for a byte here and there: ten good characters for a bad byte."""
    bad = line.decode(errors="surrogateescape")
    escaped = len(re.findall("[\udc80-\udcff]", bad))
    return escaped * 10 <= sum(char > "\x7f" for char in bad)


def _text(sample: bytes, encoding: str) -> str:
    """Return the sample's letters beyond ASCII; empty where it is no such text."""
    for cut in range(4):  # the sample may end within a character
        try:
            text = sample[: len(sample) - cut].decode(encoding)
        except UnicodeDecodeError:
            continue
        return "".join(char for char in text if char > "\x7f")
    return ""


def _share(letters: str, wanted: frozenset[str]) -> float:
    return sum(char.lower() in wanted for char in letters) / len(letters) if letters else 0.0


def _chinese(sample: bytes, encoding: str) -> float:
    letters = [char for char in _text(sample, encoding) if "\u4e00" <= char <= "\u9fff"]
    total = len(_text(sample, encoding)) or 1
    # of running Chinese a third or more are such characters; of a wrong reading 3 %
    return _share("".join(letters), _CHINESE) * 3 * len(letters) / total


def _ranged(sample: bytes, encoding: str, low: str, high: str) -> float:
    letters = _text(sample, encoding)
    return sum(low <= char <= high for char in letters) / len(letters) if letters else 0.0


def _cyrillic(sample: bytes, encoding: str) -> float:
    letters = "" if _western(sample) else _text(sample, encoding)
    lower = sum("а" <= char <= "я" for char in letters) / (len(letters) or 1)
    return _share(letters, _CYRILLIC) * lower


def _eastern(sample: bytes, encoding: str, letters: str, least: float) -> float:
    """Return how likely letters within words are those of a kin of Western encodings."""
    if not _western(sample):
        return 0.0
    text = sample.decode(encoding, "replace")
    within = re.findall(r"(?<=[a-zA-Z])[^\x00-\x7f]", text)
    share = sum(char in letters for char in within) / len(within) if within else 0.0
    return 0.9 if share >= least else 0.0


_CANDIDATES: dict[str, Callable[[bytes, str], float]] = {
    "cp1252": lambda sample, _: 0.8 if _western(sample) else 0.2,
    "gb18030": _chinese,
    "big5hkscs": _chinese,
    "shift_jis": lambda sample, name: _ranged(sample, name, "\u3041", "\u30ff") * 1.5,
    "euc_jp": lambda sample, name: _ranged(sample, name, "\u3041", "\u30ff") * 1.5,
    "euc_kr": lambda sample, name: _ranged(sample, name, "\uac00", "\ud7a3"),
    "cp1251": _cyrillic,
    "cp1250": lambda sample, name: _eastern(sample, name, "łąśżźšžť", 0.15),
    "cp1254": lambda sample, name: _eastern(sample, name, "ğışİŞĞ", 0.45),
}


def _western(sample: bytes) -> bool:
    """Whether single letters beyond ASCII stand among ASCII ones, as in European languages."""
    runs = re.findall(rb"[\x80-\xff]+", sample)
    return bool(runs) and sum(len(run) <= 2 for run in runs) >= 0.8 * len(runs)

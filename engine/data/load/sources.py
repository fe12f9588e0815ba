"""From what the user names to single streams: files, folders, archives, packed or not."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import NoReturn

from engine.base.errors import TunesmithError, UsageError
from engine.data.load import packed
from engine.data.load.shown import place

_DATA = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".yml", ".yaml")
_TEXT = (".txt", ".md", ".text")
_PACKED = (*packed.ENDINGS.values(), ".zip")
_NO_ROWS = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
_HEAD = 1 << 16  # bytes by which a stream's kind is told
_MOST = 100_000  # files of one folder, members of one archive


@dataclass(frozen=True)
class Source:
    """One stream of records.

    Attributes:
        name: As problems call it.
        suffix: The ending of its name in lower case, without that of a packing.
        enter: Opens it from the start, on a stack that closes it.
        path: The file on disk, where the stream is this file as it is.
        packing: How it is packed; empty when it is not.
    """

    name: str
    suffix: str
    enter: Callable[[ExitStack], packed.Reader]
    path: Path | None = None
    packing: str = ""

    def head(self, size: int = _HEAD) -> bytes:
        """Return the first bytes; fewer where the packed stream is damaged."""
        parts: list[bytes] = []
        try:
            with ExitStack() as stack:
                stream = self.enter(stack)
                while (missing := size - sum(map(len, parts))) > 0 and (
                    part := stream.read(missing)
                ):
                    parts.append(part)
        except packed.DamagedError:
            pass
        return b"".join(parts)


def sources(path: Path, name: str) -> Iterator[Source]:
    """Yield the streams of a file, a folder or an archive, in order of their names.

    Raises:
        UsageError: There is no such file, or it may not be read.
        TunesmithError: It holds nothing that can be read.
    """
    try:
        if path.is_dir():
            yield from _folder(path, name)
        elif path.is_file():
            yield from _file(path, place(name))
        else:
            why = "not a file or folder" if path.exists() else "No such file or directory"
            raise UsageError(f"The file cannot be read ({why}).", "Check its name.", place(name))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name is not one"
        raise UsageError(
            f"The file cannot be read ({why}).", "Check its name and rights.", place(name)
        ) from error


def is_saved_dataset(path: Path) -> bool:
    """Say whether a folder is what `datasets.save_to_disk` writes, or holds such folders."""
    return (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()


def _folder(path: Path, name: str) -> Iterator[Source]:
    found = list(_files(path))
    data = [file for file in found if _ending(file) in _DATA or file.suffix.lower() == ".zip"]
    if is_saved_dataset(path):
        data = [file for file in data if file.suffix == ".arrow"]
    chosen = data or [file for file in found if _ending(file) in _TEXT]
    if not chosen:
        raise TunesmithError(
            "The folder holds no data files.",
            "Put .jsonl, .json, .csv, .parquet, .arrow, .yaml or .txt files into it.",
            place(name),
        )
    for file in chosen:
        label = f"{name.rstrip('/')}/{file.relative_to(path).as_posix()}"
        yield from _file(file, place(label))


def _files(path: Path) -> Iterator[Path]:
    """Yield the ordinary files below a folder, sorted; links are not followed out of it."""
    root = path.resolve()
    count = 0
    for folder, folders, files in os.walk(path, onerror=_raise):
        folders[:] = sorted(item for item in folders if not item.startswith((".", "__")))
        for item in sorted(files):
            file = Path(folder) / item
            if item.startswith(".") or item in _NO_ROWS or not file.is_file():
                continue
            if file.is_symlink() and not file.resolve().is_relative_to(root):
                continue
            count += 1
            if count > _MOST:
                raise TunesmithError(
                    f"The folder holds more than {_MOST:,} files.", "Join them.", place(str(path))
                )
            yield file


def _raise(error: OSError) -> NoReturn:
    raise error


def _ending(file: Path | PurePosixPath) -> str:
    """Return the ending that says what a file holds, without that of its packing."""
    suffixes = [item.lower() for item in file.suffixes]
    while suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _file(path: Path, name: str) -> Iterator[Source]:
    def enter(stack: ExitStack) -> packed.Reader:
        return stack.enter_context(path.open("rb"))

    plain = Source(name, _ending(path), enter, path)
    if plain.head(4).startswith((b"PK\x03\x04", b"PK\x05\x06")):
        yield from _members(path, name)
    else:
        yield _unpacked(plain, enter)


def _unpacked(source: Source, enter: Callable[[ExitStack], packed.Reader]) -> Source:
    kind = packed.packing(source.head(6))
    if not kind:
        return source
    return replace(
        source, enter=lambda stack: packed.Unpacked(enter(stack), kind), path=None, packing=kind
    )


def _members(path: Path, name: str) -> Iterator[Source]:
    """Yield the files in a zip archive; folders, hidden files and other archives are not read."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = sorted(item.filename for item in archive.infolist() if not item.is_dir())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise TunesmithError("The zip archive is damaged.", "Pack it again.", name) from error
    if "[Content_Types].xml" in found:
        raise TunesmithError("This is an Office document.", "Save the table as CSV (UTF-8).", name)
    seen = {item: PurePosixPath(item) for item in found[:_MOST] if _visible(PurePosixPath(item))}
    data = [item for item in seen if _ending(seen[item]) in _DATA]
    chosen = data or [item for item in seen if _ending(seen[item]) in _TEXT]
    if not chosen:
        raise TunesmithError("The archive holds no data files.", "Add some.", name)
    for item in chosen:
        label = name if len(chosen) == 1 else place(f"{name}/{item}")
        enter = _Member(path, item, label)
        yield _unpacked(Source(label, _ending(seen[item]), enter, packing="zip"), enter)


def _visible(path: PurePosixPath) -> bool:
    hidden = any(part.startswith((".", "__")) for part in path.parts)
    return not hidden and path.name not in _NO_ROWS


@dataclass(frozen=True)
class _Member:
    path: Path
    member: str
    label: str

    def __call__(self, stack: ExitStack) -> packed.Reader:
        try:
            archive = stack.enter_context(zipfile.ZipFile(self.path))
            stream = stack.enter_context(archive.open(self.member))
        except (zipfile.BadZipFile, KeyError, RuntimeError, ValueError, zlib.error) as error:
            raise TunesmithError(
                "The archive is damaged or locked with a password.",
                "Pack it again without one.",
                self.label,
            ) from error
        return _Guarded(stream)


class _Guarded:
    """A member's bytes; damage found on the way has one name."""

    def __init__(self, stream: packed.Reader) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size)
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as error:
            raise packed.DamagedError("zip") from error

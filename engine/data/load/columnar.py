"""Parquet and Arrow files, and the folders that `datasets.save_to_disk` writes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from engine.base.errors import TunesmithError
from engine.data.load.packed import DamagedError
from engine.data.load.records import Broken, Record, Records
from engine.data.load.sources import Source

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 32  # of a batch; it bounds the memory
_PACKED = 64 << 20  # unpacked bytes of a packed Parquet file, which must be held whole
PARQUET, ARROW = b"PAR1", b"ARROW1"
_DAMAGED = "The file is damaged or ends early; the rest of it is not read."
_FIX = "Export it again."


def is_stream(head: bytes) -> bool:
    """Say whether a file begins as an Arrow stream does, with the length of its schema."""
    return head.startswith(b"\xff\xff\xff\xff") and len(head) > 8 and head[7] == 0


def records(source: Source, kind: str) -> Records:
    """Yield the rows of a Parquet or Arrow file, numbered from 1.

    Args:
        source: The file.
        kind: parquet or arrow.

    Raises:
        TunesmithError: It is packed and too long to be read so.
    """
    import pyarrow as pa

    number = 0
    try:
        with ExitStack() as stack:
            for batch in _batches(source, kind, stack):
                batch.validate(full=True)
                names = _label_names(batch.schema)
                for content in _rows(batch):
                    number += 1
                    if content is None:
                        yield Broken(source.name, number, "The row is not UTF-8 text.", _FIX)
                        continue
                    for column, words in names.items():
                        value = content.get(column)
                        if isinstance(value, int) and 0 <= value < len(words):
                            content[column] = words[value]
                    size = batch.nbytes // max(batch.num_rows, 1)
                    yield Record(source.name, number, content, True, size)
    except (pa.ArrowException, OSError, MemoryError, ValueError, KeyError, DamagedError):
        yield Broken(source.name, number + 1, _DAMAGED, _FIX)


def _batches(source: Source, kind: str, stack: ExitStack) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if source.path is None:
        stream = source.enter(stack)
        held = io.BytesIO()
        while part := stream.read(1 << 20):
            held.write(part)
            if held.tell() > _PACKED:
                raise TunesmithError(
                    f"A packed {kind} file of more than {_PACKED >> 20} MiB cannot be read.",
                    "Unpack it.",
                    source.name,
                )
        file = pa.BufferReader(held.getvalue())
    else:
        file = pa.OSFile(str(source.path))
    stack.callback(file.close)
    if kind == "parquet":
        yield from pq.ParquetFile(file).iter_batches(batch_size=_ROWS, use_threads=False)
        return
    whole = file.read(len(ARROW)) == ARROW
    file.seek(0)
    if whole:
        reader = pa.ipc.open_file(file)
        for place in range(reader.num_record_batches):
            yield from _cut(reader.get_batch(place))
    else:
        for batch in pa.ipc.open_stream(file):
            yield from _cut(batch)


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, _ROWS):
        yield batch.slice(start, _ROWS)


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | None]:
    """Yield the rows of a batch; None for one that cannot be read."""
    try:
        yield from batch.to_pylist()
    except (UnicodeDecodeError, OverflowError, ValueError):
        for place in range(batch.num_rows):
            try:
                yield from batch.slice(place, 1).to_pylist()
            except (UnicodeDecodeError, OverflowError, ValueError):
                yield None


def _label_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Return the words of each column of numbered labels, as `datasets` writes them down."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = told["info"]["features"]
        return {
            name: [str(word) for word in feature["names"]]
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}

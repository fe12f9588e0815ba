"""TensorBoard: event files in the run's folder, written without TensorFlow and without torch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.run.trackers.described import Described, Outcome

FOLDER = "tensorboard"


class Tracker:
    """One more event file of a run.

    Args:
        described: The run.
        known: Whether an earlier session has told the plan's values.
    """

    def __init__(self, described: Described, known: str) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.id = described.name
        folder = Path(described.folder) / FOLDER
        self._writer = EventFileWriter(str(folder), max_queue_size=1000, flush_secs=10)
        if not known:
            self._write(0, [_table(described.values)])

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of a step."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(
            step, [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        )

    def flush(self) -> None:
        """Write them to the file."""
        self._writer.flush()

    def close(self, _outcome: Outcome) -> None:
        """Close the file; TensorBoard knows no end of a run."""
        self._writer.close()

    def _write(self, step: int, values: list[Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=values)
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))


def _table(values: Mapping[str, Any]) -> Any:
    """The plan's values as a table that TensorBoard's text page shows."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

    lines = ["| setting | value |", "|---|---|", *(f"| {k} | {v} |" for k, v in values.items())]
    content = TextPluginData(version=0).SerializeToString()
    return Summary.Value(
        tag="plan/text_summary",
        metadata=SummaryMetadata(
            plugin_data=SummaryMetadata.PluginData(plugin_name="text", content=content)
        ),
        tensor=TensorProto(
            dtype=DT_STRING,
            string_val=["\n".join(lines).encode()],
            tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
        ),
    )

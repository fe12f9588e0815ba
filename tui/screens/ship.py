"""A run's files: what each is, whether it equals what was trained, and where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from engine.base import jobs
from engine.base.errors import TunesmithError
from engine.base.store import Row, Store
from tui.keys import bindings
from tui.screens.ask import ask_why
from tui.screens.followed import FollowedScreen
from tui.screens.stage import (
    NEVERTHELESS,
    gate_lines,
    gate_rows,
    job_lines,
    newest_job,
    refused,
    run_header,
    run_row,
    submit,
)
from tui.widgets.canvas import Line, Lines, Part
from tui.widgets.keybar import KeyBar
from tui.widgets.page import Page, keyed, verdict, wrapped
from tui.widgets.table import Column, Entry, Table
from tui.words import literal, size

_COLUMNS = (
    Column("", 1),
    Column("file", 10, grow=True),
    Column("size", 8, right=True),
    Column("parity", 7),
    Column("agree", 7, right=True),
    Column("diverge", 7, right=True),
    Column("score", 7, right=True),
    Column("sha256", 12, room=90),
)
_PARITY = {"pass": ("✓ pass", "good"), "warn": ("! warn", "warn"), "fail": ("✗ fail", "bad")}
_REFERENCES = {"adapter": "the trained model", "F16": "the F16 file"}
_ABOUT = (
    "The tuned model is merged into one, converted to GGUF (the format of llama.cpp and Ollama) "
    "and made smaller by quantisation. Each file then answers the same rows as what was trained: "
    "only a file that answers alike passes the parity gate."
)


@dataclass(frozen=True)
class Look:
    """One look at a run's files.

    Attributes:
        run: The run.
        job: The newest export; None before the first.
        files: The artifacts, as `engine.ship.history` gives them.
        gates: What the parity gate last said.
    """

    run: Row
    job: Row | None
    files: tuple[Mapping[str, Any], ...]
    gates: tuple[Row, ...]


class Reader:
    """Reads a run's artifacts when something about them changed."""

    def __init__(self, run_id: int) -> None:
        self.run_id = run_id
        self._last: Look | None = None

    def __call__(self, store: Store) -> Look | None:
        """Return a look, or None when nothing changed."""
        from engine.ship.history import artifacts

        run = run_row(store, self.run_id)
        if run is None:
            return None
        job = newest_job(store, "export", self.run_id)
        files = tuple(artifacts(store, self.run_id))
        look = Look(run, job, files, gate_rows(store, self.run_id, "parity"))
        if look == self._last:
            return None
        self._last = look
        return look


class ShipScreen(FollowedScreen[Look]):
    """The artifacts of one run.

    Args:
        run_id: The run.
    """

    PLACE = "ship"
    BINDINGS = bindings("ship")
    CSS = """
    ShipScreen #files { max-height: 50%; max-width: 112; margin: 1 1 0 1; }
    ShipScreen #about-scroll {
        height: 1fr; padding: 0 2; margin-top: 1;
        border-top: solid $faint; border-title-color: $quiet; scrollbar-size-vertical: 1;
        scrollbar-background: $background; scrollbar-color: $faint;
    }
    ShipScreen #about-scroll:focus { border-top: solid $secondary; }
    ShipScreen.-empty #files { display: none; }
    ShipScreen.-empty #about-scroll { border-top: none; padding: 1 3; }
    """

    def __init__(self, run_id: int) -> None:
        super().__init__(run_id, Reader(run_id))

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Lines(id="header")
        yield Table(_COLUMNS, id="files")
        with VerticalScroll(id="about-scroll"):
            yield Page(id="file-about")
        yield KeyBar()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only the keys that do something now."""
        del parameters
        if action == "export":
            job = self.look.job if self.look else None
            return self.look is not None and not (job and job["state"] in jobs.OPEN)
        if action == "accept":
            return self.look is not None and refused(self.look.job)
        if action == "copy_path":
            return self.file is not None
        return True

    @property
    def file(self) -> Mapping[str, Any] | None:
        """The artifact under the cursor."""
        at = self.query_one(Table).key
        return next((f for f in self.look.files if f["id"] == at), None) if self.look else None

    def action_copy_path(self) -> None:
        """Copy where the file lies."""
        if self.file is not None:
            path = self.file["path"]
            self.app.copy_to_clipboard(path)
            self.app.notify(literal(path), title="Copied", markup=False)

    def action_copy_command(self) -> None:
        """Copy the command that asks this file something, or that makes the files."""
        chosen = self.file
        self.app.copy_command(_chat(chosen, self.run_id) if chosen else f"export {self.run_id}")

    def action_export(self) -> None:
        """Make the files."""
        self._export()

    def action_accept(self) -> None:
        """Ask why to go on although the parity gate says no."""

        def take(reason: str | None) -> None:
            if reason:
                self._export(reason)

        self.app.push_screen(ask_why(), take)

    @work(thread=True, group="submit")
    def _export(self, accept: str = "") -> None:
        try:
            submit(self.app.store, "export", self.run_id, accept=accept)
        except (TunesmithError, OSError) as error:
            self.app.call_from_thread(self.app.complain, error)
        self.app.feed.look()

    def _show(self) -> None:
        look = self.look
        if look is None:
            return
        width = self.app.size.width
        self.query_one("#header", Lines).show(run_header(look.run, "files", look.job, width))
        self.set_class(not look.files, "-empty")
        table = self.query_one(Table)
        table.styles.height = len(look.files) + 1
        table.show([Entry(f["id"], _cells(f)) for f in look.files])
        self._show_row()

    def _show_row(self) -> None:
        look, chosen = self.look, self.file
        if look is None:
            return
        self.query_one("#about-scroll").border_title = literal(chosen["kind"]) if chosen else ""

        def draw(width: int) -> list[Line]:
            return [
                *_job(look, self.run_id, width),
                *(_about(chosen, self.run_id, width) if chosen else []),
            ]

        self.query_one("#file-about", Page).show(draw)


def _job(look: Look, run_id: int, width: int) -> list[Line]:
    """Return what becomes of the export, or how to begin it."""
    if refused(look.job):
        return [*gate_lines(look.gates, width, NEVERTHELESS), ()]
    if look.job is not None and (look.job["state"] != "done" or not look.files):
        again: Line = [("x", "key"), (" does it again.", "")]
        return [*job_lines(look.job, width, again), ()]
    if look.files:
        return []
    return [
        [("No files yet", "strong")],
        (),
        *wrapped(_ABOUT, width),
        (),
        [("x", "key"), (" makes them", "")],
        (),
        [("$ ", "faint"), (f"tunesmith export {run_id}", "quiet")],
    ]


def _cells(file: Mapping[str, Any]) -> list[Part]:
    parity = file.get("parity")
    return [
        ("★", "accent") if file.get("recommended") else (" ", ""),
        (literal(file["kind"]), "strong"),
        (size(file["bytes"]), ""),
        _PARITY.get(parity["result"], ("–", "quiet")) if parity else ("–", "quiet"),
        (f"{100 * parity['token_agreement']:.1f} %" if parity else "–", "" if parity else "quiet"),
        (f"{parity['divergence']:.4f}" if parity else "–", "" if parity else "quiet"),
        (f"{100 * parity['score']:.1f} %" if parity else "–", "" if parity else "quiet"),
        (file["sha256"][:12], "quiet"),
    ]


def _about(file: Mapping[str, Any], run_id: int, width: int) -> list[Line]:
    lines = keyed("path", literal(file["path"]), width)
    lines += keyed("sha256", file["sha256"], width, tone="quiet")
    parity = file.get("parity")
    if parity:
        reasons = [literal(reason) for reason in parity["reasons"]]
        reference = _REFERENCES.get(parity["reference"], literal(parity["reference"]))
        agreement = (
            f"{100 * parity['token_agreement']:.1f} % of the tokens are those of {reference}"
        )
        divergence = f"{parity['divergence']:.4f}, its distance from it (KL, in nats)"
        lines += [(), *verdict(parity["result"], "Parity gate", reasons, width)]
        lines += keyed("agreement", agreement, width)
        lines += keyed("divergence", divergence, width)
    else:
        lines += keyed("parity", "not measured for this kind of file", width, tone="quiet")
    if file.get("recommended"):
        lines += [(), [("★ recommended", "accent"), (": the smallest file that passed", "")]]
    shell = wrapped(f"tunesmith {_chat(file, run_id)}", width, "quiet", first=[("$ ", "faint")])
    return [*lines, (), *shell]


def _chat(file: Mapping[str, Any], run_id: int) -> str:
    """Return the command that asks a file; what is no GGUF stands for its run's best one."""
    is_gguf = str(file["kind"]).startswith("gguf")
    target = f"a{file['id']}" if is_gguf else run_id
    return f'chat {target} "your message"'

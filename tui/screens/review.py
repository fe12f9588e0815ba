"""The review: the suspicious rows of a project, and what a person decides about each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.screen import Screen

from engine.data.curate import review
from engine.data.curate.review import CANNOT_TELL, Choice, Review, newest
from engine.data.curate.suspects import Item
from engine.data.rows import Row
from tui.deciding import AS_IT_IS, Amended, Decider, Failed, Found, Saved, Withdrawn
from tui.feed import Broken, Fresh
from tui.keys import bindings
from tui.reviewing import ALL, OPEN, Queue, Reader, command, filters, os_user, selected
from tui.widgets.canvas import Lines
from tui.widgets.changes import agreement, detail, header, kinds, nothing, parts, state
from tui.widgets.keybar import KeyBar
from tui.widgets.page import Page
from tui.widgets.table import Column, Entry, Table

if TYPE_CHECKING:
    from tui.app import TunesmithApp

_COLUMNS = (
    Column("decision", 11),
    Column("kind", 16),
    Column("place", 20),
    Column("found", 14, grow=True, room=75),
)
_OTHER_SECONDS = 0.15  # the cursor rests this long before the other row is looked for


class ReviewScreen(Screen[None]):
    """The queue of one project.

    Args:
        project_id: The project; None for the one that was built last.
        reviewer: Who decides; empty for the user of this computer.
    """

    app: TunesmithApp
    PLACE = "review"
    BINDINGS = bindings("review")
    CSS = """
    ReviewScreen VerticalScroll {
        scrollbar-size-vertical: 1; scrollbar-background: $background; scrollbar-color: $faint;
    }
    ReviewScreen #kinds { padding: 0 1; }
    ReviewScreen #body { height: 1fr; }
    ReviewScreen #items { height: 9; }
    ReviewScreen #row { height: 1fr; padding: 0 1; border-top: solid $faint; }
    ReviewScreen #row:focus { border-top: solid $secondary; }
    ReviewScreen.-middle #items { height: 40%; }
    ReviewScreen.-wide #body { layout: horizontal; }
    ReviewScreen.-wide #items { width: 50%; height: 1fr; }
    ReviewScreen.-wide #row { border-top: none; border-left: solid $faint; }
    ReviewScreen.-wide #row:focus { border-left: solid $secondary; }
    ReviewScreen #empty { display: none; height: 1fr; padding: 2 3; }
    ReviewScreen.-empty #empty { display: block; }
    ReviewScreen.-empty #body, ReviewScreen.-empty #kinds { display: none; }
    """

    def __init__(self, project_id: int | None = None, reviewer: str = "") -> None:
        super().__init__()
        self.reviewer = reviewer or os_user()
        self.queue: Queue | None = None
        self._reader = Reader(project_id)
        self._filter = ALL
        self._shown: Sequence[Item] = ()
        self._others: dict[str, Row | None] = {}
        self._decider: Decider

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Lines(id="header")
        yield Lines(id="kinds")
        with Container(id="body"):
            yield Table(_COLUMNS, empty="No row is of this kind; f shows others.", id="items")
            with VerticalScroll(id="row"):
                yield Page(id="row-text")
        with Container(id="empty"):
            yield Page(id="empty-text")
        yield KeyBar()

    def on_mount(self) -> None:
        """Give the rows the keys."""
        self._decider = Decider(self, self.app.store, self.reviewer)
        self.query_one(Table).focus()

    def on_screen_resume(self) -> None:
        """Follow the queue while the screen is shown."""
        self.app.feed.watch(self, self._reader)

    def on_screen_suspend(self) -> None:
        """Rest while another screen lies above."""
        self.app.feed.release(self)

    async def on_unmount(self) -> None:
        """Wait for the decisions that are being saved."""
        await self._decider.finish()

    def on_resize(self) -> None:
        """Draw the lines for the new width."""
        self._show()

    @on(Fresh)
    def take(self, message: Fresh) -> None:
        """Show what the feed read."""
        if isinstance(message.value, Queue):
            anew = self.queue is None or message.value.items != self.queue.items
            self.queue = message.value
            self._show()
            if anew:
                self._others.clear()
                self._go(next((row.row_id for row in self._shown if not self._mine(row)), ""))

    @on(Broken)
    def complain(self, message: Broken) -> None:
        """Say that the store could not be read."""
        self.app.complain(message.error)

    @on(Saved)
    def saved(self, message: Saved) -> None:
        """Show a decision as made."""
        made = message.made
        self._decider.pending.discard(made.row_id)
        if self.queue is not None:
            self.queue = self.queue.plus(made)
            self._show()

    @on(Withdrawn)
    def withdrawn(self, message: Withdrawn) -> None:
        """Show a decision as taken back, and go to its row."""
        if message.made is None:
            self.app.notify("You have decided nothing here yet.", markup=False)
        elif self.queue is not None:
            self.queue = self.queue.minus(message.made)
            self._show()
            self._go(message.made.row_id)

    @on(Failed)
    def failed(self, message: Failed) -> None:
        """Say why a decision was not saved, and go back to its row."""
        self._decider.pending.discard(message.row_id)
        self.app.complain(message.error)
        self._show()
        self._go(message.row_id)

    @on(Found)
    def found(self, message: Found) -> None:
        """Show the other row."""
        self._others[message.place] = message.row
        self._show_row()

    @on(Table.Moved)
    def moved(self) -> None:
        """Show the row under the cursor from its beginning."""
        self.query_one("#row", VerticalScroll).scroll_home(animate=False)
        self._show_row()
        self.refresh_bindings()
        self.set_timer(_OTHER_SECONDS, self._seek_other)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show only the keys that do something now."""
        del parameters
        if action in ("decide", "cannot_tell", "edit", "relabel", "filter", "read"):
            return self.queue is not None and bool(self.queue.items)
        if action == "undo":
            return self.queue is not None and self.reviewer in self.queue.reviewers
        if action == "settle":
            item = self._item()
            return item is not None and self._settling(item) is not None
        return True

    def action_decide(self, decision: Choice) -> None:
        """Decide about the row under the cursor and go on."""
        if (item := self._item()) is not None:
            self._decide(item, decision)

    def action_cannot_tell(self) -> None:
        """Reject the row under the cursor, with the note that the guidelines ask for."""
        if (item := self._item()) is not None:
            self._decide(item, "reject", note=CANNOT_TELL)

    def action_edit(self) -> None:
        """Change the message or the answer."""
        self._amend("edit")

    def action_relabel(self) -> None:
        """Give another answer or scenario."""
        self._amend("relabel")

    def action_settle(self) -> None:
        """End the dispute about the row under the cursor."""
        item = self._item()
        mine = self._settling(item) if item else None
        if item is not None and mine is not None:
            texts = Amended(mine.prompt, mine.completion, mine.scenario)
            self._decide(item, mine.decision, texts, note=mine.note, settle=True)

    def action_undo(self) -> None:
        """Take the last decision back."""
        if self.queue is not None:
            self._decider.undo(self.queue.project_id)

    def action_filter(self) -> None:
        """Show the next kind of rows."""
        if self.queue is not None:
            known = [name for name, _ in filters(self.queue, self.reviewer)]
            at = known.index(self._filter) if self._filter in known else 0
            self._filter = known[(at + 1) % len(known)]
            self._show()

    def action_move(self, rows: int) -> None:
        """Move the cursor."""
        self.query_one(Table).move(rows)

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        table = self.query_one(Table)
        table.move(pages * table.page)

    def action_first(self) -> None:
        """Move the cursor to the first row."""
        table = self.query_one(Table)
        table.move(-table.total)

    def action_read(self) -> None:
        """Read on in the row; from its end, anew."""
        pane = self.query_one("#row", VerticalScroll)
        if pane.scroll_offset.y >= pane.max_scroll_y:
            pane.scroll_home(animate=False)
        else:
            pane.scroll_page_down(animate=False)

    def action_back(self) -> None:
        """Go back; what was decided is saved."""
        self.app.pop_screen()

    def action_copy_command(self) -> None:
        """Copy the command that decides the same, or that opens this."""
        item = self._item()
        mine = newest(self.queue.of(item)).get(self.reviewer) if self.queue and item else None
        self.app.copy_command(command(self.queue.folder if self.queue else "", mine))

    def _item(self) -> Item | None:
        key = self.query_one(Table).key
        return next((item for item in self._shown if item.row_id == key), None)

    def _settling(self, item: Item) -> Review | None:
        """Return the own decision that may end the dispute about a row; None without either."""
        made = self.queue.of(item) if self.queue else ()
        held = review.outcome(made)
        if held is None or held.decision != "disputed":
            return None
        return newest(made).get(self.reviewer)

    def _decide(
        self,
        item: Item,
        decision: Choice,
        texts: Amended = AS_IT_IS,
        *,
        note: str = "",
        settle: bool = False,
    ) -> None:
        if self.queue is not None:
            project_id = self.queue.project_id
            self._decider.decide(project_id, item, decision, texts, note=note, settle=settle)
            self._advance(item)

    def _amend(self, decision: Choice) -> None:
        item = self._item()
        if item is None or self.queue is None:
            return
        from tui.widgets.amend import Amend, Text

        mine = newest(self.queue.of(item)).get(self.reviewer)
        answer = mine.completion if mine and mine.completion is not None else item.completion
        hint = ""
        if decision == "edit":
            prompt = mine.prompt if mine and mine.prompt is not None else item.prompt
            texts = [Text("prompt", "Message", prompt), Text("completion", "Answer", answer)]
        else:
            scenario = mine.scenario if mine and mine.scenario is not None else item.scenario
            known = dict.fromkeys(other.scenario for other in self.queue.items if other.scenario)
            hint = f"Scenarios: {', '.join(known)}" if known else ""
            texts = [
                Text("completion", "Answer", answer),
                Text("scenario", "Scenario", scenario, lines=1),
            ]

        def take(given: dict[str, str] | None) -> None:
            if given is not None:
                self._decide(item, decision, Amended(**given))

        verb = "Edit" if decision == "edit" else "Relabel"
        self.app.push_screen(Amend(f"{verb} {item.source}", hint, texts), take)

    def _advance(self, item: Item) -> None:
        """Go to the next row that waits for this reviewer's decision, else to the next one."""
        at = next((at for at, other in enumerate(self._shown) if other.row_id == item.row_id), 0)
        for other in self._shown[at + 1 :]:
            if other.row_id not in self._decider.pending and not self._mine(other):
                self._go(other.row_id)
                return
        self.query_one(Table).move(1)

    def _mine(self, item: Item) -> bool:
        return self.queue is not None and self.queue.has(item, self.reviewer)

    def _go(self, row_id: str) -> None:
        table = self.query_one(Table)
        for at, item in enumerate(self._shown):
            if item.row_id == row_id:
                table.move(at - table.cursor)

    def _show(self) -> None:
        queue = self.queue
        if queue is None:
            return
        width = self.app.size.width
        self.query_one("#header", Lines).show(header(queue, self.reviewer, width))
        self.set_class(not queue.items, "-empty")
        self.query_one("#empty-text", Page).show(lambda room: nothing(queue, room))
        known = filters(queue, self.reviewer)
        if self._filter not in dict(known):
            self._filter = OPEN if self._filter != ALL else ALL
        above = self.query_one("#kinds", Lines)
        lines = [kinds(known, self._filter, width - 2), *agreement(queue, width - 2)]
        above.show(*lines)
        if above.styles.height is None or above.styles.height.value != len(lines):
            above.styles.height = len(lines)
        self._shown = selected(queue, self._filter, self.reviewer)
        self.query_one(Table).show(
            [
                Entry(item.row_id, [state(queue.of(item), self.reviewer), *parts(item)])
                for item in self._shown
            ]
        )
        self._show_row()
        self.refresh_bindings()

    def _show_row(self) -> None:
        item, queue = self._item(), self.queue
        page = self.query_one("#row-text", Page)
        if item is None or queue is None:
            page.show(lambda _: ())
            return
        other = queue.at(item.other) or self._others.get(item.other)
        made, reviewer = queue.of(item), self.reviewer
        page.show(lambda width: detail(item, other, made, reviewer, width))

    def _seek_other(self) -> None:
        """Read the other row from the dataset in a thread, where the queue does not hold it."""
        item, queue = self._item(), self.queue
        if item is None or queue is None or not item.other or item.other in self._others:
            return
        if queue.at(item.other) is not None:
            return
        self._others[item.other] = None
        self._decider.seek(queue.project_id, item.other)

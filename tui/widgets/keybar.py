"""The last line of every screen: the keys that work here, clickable."""

from __future__ import annotations

from textual import events
from textual.screen import Screen

from tui.widgets.canvas import Canvas, Line, Part, cells


class KeyBar(Canvas):
    """The keys of the screen that is shown; one widget where Textual's footer has one a key."""

    def on_mount(self) -> None:
        """Follow the bindings of the screen."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def on_click(self, event: events.Click) -> None:
        """Press the key under the mouse."""
        at = 0
        for key, label in self._keys():
            at += cells(label)
            if event.x < at:
                self.app.simulate_key(key)
                return

    def paint(self, y: int) -> Line:
        """Return the keys and their words, as many as there is room for."""
        del y
        parts: list[Part] = []
        room = self.size.width
        for _, label in self._keys():
            room -= cells(label)
            if room < 0:
                break
            parts += label
        return parts

    def _keys(self) -> list[tuple[str, list[Part]]]:
        shown: dict[str, tuple[str, list[Part]]] = {}
        for key, active in self.screen.active_bindings.items():
            binding = active.binding
            if binding.show and active.enabled and binding.action not in shown:
                name = self.app.get_key_display(binding)
                shown[binding.action] = (
                    key,
                    [(f" {name}", "key"), (f" {binding.description} ", "quiet")],
                )
        return list(shown.values())

    def _changed(self, screen: Screen[object]) -> None:
        if screen is self.screen:
            self.refresh()

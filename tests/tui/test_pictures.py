"""The pictures of the README, drawn by the app itself from the journey of the tests."""

import os
from pathlib import Path

import pytest

from tui.app import TunesmithApp

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
SCREENS = {
    "home": (None, "support-desk-1"),
    "monitor": ("run:1", "loss"),
    "results": ("score:1", "tuned"),
    "review": ("review:1:anna", "decided"),
}


@pytest.mark.parametrize("name", SCREENS)
async def test_the_picture_shows_the_real_screen(journey, name):
    screen, text = SCREENS[name]
    app = TunesmithApp(journey.workspace, screen)
    async with app.run_test(size=(110, 32)) as pilot:
        picture = ""
        for _ in range(50):
            await pilot.pause(0.1)
            picture = app.export_screenshot(title="tunesmith")
            if text in picture:
                break
        await pilot.pause(0.6)
        picture = app.export_screenshot(title="tunesmith")
    assert text in picture
    if os.environ.get("UPDATE_DOCS"):
        PICTURES.mkdir(parents=True, exist_ok=True)
        (PICTURES / f"{name}.svg").write_text(picture.replace(str(journey.workspace), "~/demo"))
    assert (PICTURES / f"{name}.svg").is_file()

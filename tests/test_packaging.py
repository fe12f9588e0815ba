"""The wheel holds what it must, the folders import one another in the right order only."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return zipfile.ZipFile(next(folder.glob("*.whl"))).namelist()


def test_the_wheel_holds_exactly_our_three_folders(wheel):
    tops = {name.split("/")[0] for name in wheel if ".dist-info/" not in name}
    assert tops == {"tui", "engine", "recipes"}


def test_the_wheel_holds_every_recipe_style_and_demo_file(wheel):
    for pattern in ("recipes/**/*.yaml", "recipes/**/*.jsonl", "tui/**/*.tcss", "**/py.typed"):
        for file in ROOT.glob(pattern):
            name = str(file.relative_to(ROOT))
            if not name.startswith("."):
                assert name in wheel


def test_no_database_and_no_test_is_shipped(wheel):
    assert not [name for name in wheel if name.endswith(".db") or "test" in name]


def test_recipes_is_data_not_a_package():
    assert not (ROOT / "recipes" / "__init__.py").exists()


def test_no_file_is_a_drawer_or_too_long():
    for file in [*ROOT.glob("engine/**/*.py"), *ROOT.glob("tui/**/*.py")]:
        assert file.stem not in {"utils", "common", "helpers", "misc"}
        assert len(file.read_text().splitlines()) <= 400, file


def test_every_version_is_pinned():
    pins = (ROOT / "constraints.txt").read_text().split()
    assert "torch==2.13.0" in pins
    assert all("==" in pin for pin in pins)

"""Screen, prompts and answers file lead to the same plan, byte for byte, in ten scenarios."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from textual.widgets import Input

from engine.base import paths, project
from engine.base.hardware import machine
from engine.base.store import Store
from engine.base.work import Work, register
from engine.data import build
from engine.data.dataset import latest
from engine.plan import plan as plans
from engine.run import script
from tui import prompts
from tui.app import TunesmithApp
from tui.question import Context
from tui.screens.wizard import WizardScreen
from tui.steps import STEPS, complete
from tui.widgets.form import Form
from tui.widgets.inputs import Choice, Paragraph

TOPICS = ("rent", "boiler", "keys", "parking", "noise", "garden", "lift", "post", "roof", "drain")
ASKED = [
    f"{opening} {topic}{number}?"
    for number, opening in enumerate(
        ("What do I do about the", "Who looks after the", "When was the last check of the",
         "Whom do I call for the", "How much is the", "Where do I read about the")
    )
    for topic in TOPICS
]  # fmt: skip


def lines(folder: Path, name: str, rows: list[dict]) -> None:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def demo(folder: Path) -> None:
    for file in (paths.recipes() / "demo").glob("*.jsonl"):
        shutil.copyfile(file, folder / file.name)


def table(folder: Path) -> None:
    with (folder / "letters.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        labels = ("money", "repair", "other") * len(ASKED)
        writer.writerows(zip(ASKED, labels, strict=False))


def questions(folder: Path) -> None:
    rows = [{"question": a, "answer": f"See page {i}."} for i, a in enumerate(ASKED)]
    lines(folder, "faq.jsonl", rows)
    (folder / "handbook.md").write_text("# Handbook\n\nThe rent is due on the first day.\n")


def chats(folder: Path) -> None:
    said = [(a, f"Gladly: I look after it, number {i}.") for i, a in enumerate(ASKED)]
    lines(
        folder,
        "chats.jsonl",
        [
            {
                "messages": [
                    {"role": "user", "content": asked},
                    {"role": "assistant", "content": told},
                ]
            }
            for asked, told in said
        ],
    )


def preferences(folder: Path) -> None:
    lines(
        folder,
        "pairs.jsonl",
        [
            {
                "prompt": a,
                "chosen": f"I will see to it, {i}.",
                "rejected": "No idea, ask elsewhere.",
            }
            for i, a in enumerate(ASKED)
        ],
    )


def feedback(folder: Path) -> None:
    lines(
        folder,
        "thumbs.jsonl",
        [
            {"prompt": a, "completion": f"I will see to it, {i}.", "label": i % 3 > 0}
            for i, a in enumerate(ASKED)
        ],
    )


def prose(folder: Path) -> None:
    rows = [{"text": f"{a} The house rules, part {i}, say how."} for i, a in enumerate(ASKED)]
    lines(folder, "texts.jsonl", rows)


def german(folder: Path) -> None:
    rows = [
        {"Frage": f"Wie ist es mit {t}, Haus {h}?", "Antwort": f"Haus {h}: {t} macht Frau Lenz."}
        for t in ("Miete", "Heizung", "Garten", "Müll", "Keller", "Post")
        for h in range(10)
    ]
    lines(folder, "fragen.jsonl", rows)


@dataclass(frozen=True)
class Scenario:
    """Files, and what someone answers to questions whose proposals they do not take."""

    files: Callable[[Path], None]
    answers: Mapping[str, str] = field(default_factory=dict)


SCENARIOS = {
    "the demo, Enter alone": Scenario(demo),
    "the demo, asked more of": Scenario(
        demo, {"name": "tickets", "threshold": "0.9", "pii": "drop", "goal": "latency"}
    ),
    "a table of letters": Scenario(table),
    "questions with a handbook": Scenario(questions, {"documents": "handbook.md", "target": "ollama"}),
    "chats, all weights": Scenario(chats, {"recipe": "sft-full", "seed": "7"}),
    "preferences": Scenario(preferences),
    "preferences by odds ratio": Scenario(preferences, {"recipe": "orpo-lora", "exports": "Q8_0"}),
    "thumbs": Scenario(feedback),
    "house rules as text": Scenario(prose, {"settings": "epochs=2"}),
    "German questions, four bits": Scenario(
        german, {"recipe": "sft-qlora", "settings": "lora_rank=8, epochs=2", "test": "0.2"}
    ),
}  # fmt: skip
QUICK = ("the demo, Enter alone", "preferences by odds ratio")


def by_file(scenario: Scenario, folder: Path) -> None:
    answers = folder.parent / f"{folder.name}.yaml"
    answers.write_text(yaml.safe_dump(dict(scenario.answers)), encoding="utf-8")
    prompts.init(folder, answers)


def by_prompts(scenario: Scenario, folder: Path) -> None:
    down, wipe, enter = "\x1b[B", "\x15", "\r"
    given: dict[str, str] = {}
    typed = ""
    for question in (question for step in STEPS for question in step.questions):
        context = Context(folder, complete(given, folder))
        if not question.applies(context):
            continue
        wanted = scenario.answers.get(question.key)
        if wanted is not None and question.choices:
            known = list(question.choices)
            turns = (known.index(wanted) - known.index(context[question.key])) % len(known)
            typed += down * turns
        elif wanted is not None:
            typed += wipe + wanted
        if wanted is not None:
            given[question.key] = wanted
        typed += enter
    with create_pipe_input() as keyboard, create_app_session(keyboard, DummyOutput()):
        keyboard.send_text(typed + enter)
        prompts.init(folder, None, folder.parent / f"{folder.name}-drafts")


async def by_screen(scenario: Scenario, folder: Path) -> None:
    app = TunesmithApp(folder.parent / f"{folder.name}-app")
    async with app.run_test(size=(80, 24)) as pilot:
        wizard = WizardScreen(folder)
        app.push_screen(wizard)
        await until(pilot, lambda: bool(wizard.query(Form)) and bool(wizard.asker.last.turn))
        for step in STEPS:
            if not step.questions:
                break
            await until(pilot, lambda name=step.name: wizard.step == name and wizard.asker.settled)
            for question in step.questions:
                if question.key in scenario.answers:
                    await answer(pilot, wizard, question.key, scenario.answers[question.key])
            await pilot.press("ctrl+n")
        await until(pilot, lambda: wizard.step == "review" and wizard.asker.settled)
        await pilot.press("enter")
        path = folder / paths.PROJECT_NAME
        await until(pilot, lambda: path.is_file() and wizard.step == "check")


async def answer(pilot, wizard: WizardScreen, key: str, wanted: str) -> None:
    """Give an answer as a person does: with the cursor in its field."""
    control = wizard.query_one(f"#field-{key}").control
    control.focus()
    await pilot.pause()
    if isinstance(control, Choice):
        while control.value != wanted:
            await pilot.press("right")
    elif isinstance(control, Paragraph):
        control.load_text(wanted)
    else:
        assert isinstance(control, Input)
        control.value = wanted
    await pilot.press("tab")
    await until(pilot, lambda: wizard.asker.settled)


async def until(pilot, true: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        await pilot.pause(0.02)


def planned(folder: Path, workspace: Path) -> dict[str, bytes]:
    """Build the dataset and write the plan's documents; return their bytes by name."""
    store = Store(workspace)
    described = project.load(folder)
    project_id = register(store, folder, described)
    args = json.dumps({"project": str(folder), "accept": "small on purpose"})
    job = store.insert(
        "jobs", {"kind": "data", "project_id": project_id, "args": args, "created": time.time()}
    )
    build.build(Work(store, job))
    made = plans.propose(store, described, latest(store, project_id))
    plan = plans.save(store, project_id, made)
    script.export(store, described, plan, workspace / "plan")
    store.close()
    files = (path for path in (workspace / "plan").rglob("*") if path.is_file())
    return {path.name: path.read_bytes() for path in files}


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SCENARIOS],
)
def test_all_ways_to_describe_a_project_lead_to_one_plan(name, tmp_path, monkeypatch):
    box = machine.read()  # free memory changes by the second: every way sees the same
    monkeypatch.setattr(machine, "read", lambda *_: box)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    scenario, written = SCENARIOS[name], {}
    for way in ("file", "prompts", "screen"):
        folder = tmp_path / way / "desk"
        folder.mkdir(parents=True)
        scenario.files(folder)
        if way == "file":
            by_file(scenario, folder)
        elif way == "prompts":
            by_prompts(scenario, folder)
        else:
            asyncio.run(by_screen(scenario, folder))
        described = (folder / paths.PROJECT_NAME).read_bytes()
        written[way] = {"project.yaml": described, **planned(folder, tmp_path / way / "store")}
    assert written["prompts"] == written["file"]
    assert written["screen"] == written["file"]
    values = yaml.safe_load(written["file"]["plan.yaml"])
    assert values["gate"]["result"] in ("pass", "warn")

import pytest

from engine.base.project import DataSettings, Objective, Project
from engine.plan.assumptions import GOALS, TARGETS, assumptions, remarks
from engine.plan.device import Device

CPU = Device("cpu", "cpu", "EPYC", 2, 24_000_000_000, True, 1e11, 20.0, "10 W a core")
GPU = Device("gpu0", "gpu", "RTX 4090", 8, 23_000_000_000, True, 1e14, 400.0, "")
DESK = Project("desk", Objective("i", "p", fields=("a",)), DataSettings(("a.jsonl",)))


def test_the_four_are_told_with_what_the_project_says():
    goal, model, hardware, target = assumptions(DESK, CPU)
    assert goal.answer == f"quality: {GOALS['quality']}"
    assert "Apache-2.0" in model.answer
    assert "EPYC (a CPU with 2 cores), 24.0 GB" in hardware.answer
    assert target.answer.startswith("llama.cpp")
    assert all(item.ask for item in (goal, model, hardware, target))
    assert not any(item.concern for item in (goal, model, hardware, target))


def test_every_goal_and_target_of_a_project_has_words():
    for goal in GOALS:
        for target in TARGETS:
            made = Project("d", DESK.objective, DESK.data, goal=goal, target=target)
            assert len(assumptions(made, GPU)) == 4
    from typing import get_args, get_type_hints

    from engine.base.project import Target

    assert set(GOALS) == set(get_args(get_type_hints(Project)["goal"]))
    assert set(TARGETS) == set(get_args(Target))


def test_a_server_that_wants_a_gpu_is_a_concern_on_a_cpu():
    served = Project("d", DESK.objective, DESK.data, target="vllm")
    assert "none that jobs can take" in assumptions(served, CPU)[3].concern
    assert assumptions(served, GPU)[3].concern == ""


def test_a_base_model_that_cannot_be_read_is_a_concern_and_no_fault(tmp_path):
    unknown = Project("d", DESK.objective, DESK.data, base_model=str(tmp_path / "none"))
    found = assumptions(unknown, CPU)[1]
    assert found.answer == str(tmp_path / "none")
    assert found.concern


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        (Objective("i", "p", task="chat", output="text"), "usual for this task is chrF"),
        (Objective("i", "p", metric="field_f1", fields=("a",)), "It suits: Many fields"),
        (Objective("i", "p", output="text"), "usual for this task is json"),
        (Objective("i", "p"), "has no schema"),
        (Objective("i", "p", fields=("a",), minimum_effect=0), "no least gain"),
    ],
)
def test_what_is_not_as_usual_is_remarked(objective, said):
    assert any(said in remark for remark in remarks(objective))


def test_what_is_usual_is_not_remarked():
    assert remarks(DESK.objective) == []

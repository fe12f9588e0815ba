import math

import numpy as np
import pytest

from engine.ship import reading
from engine.ship.reading import Reading


def _reading(*rows):
    made = Reading()
    for row in rows:
        made.add(np.array(row, dtype=np.float32))
    return made


def test_agreement_counts_positions_and_not_rows():
    one = _reading([[1, 0], [1, 0], [1, 0]], [[0, 1]])
    other = _reading([[1, 0], [0, 1], [1, 0]], [[0, 1]])
    assert reading.agreement(one, other) == (0.75, 4)


def test_a_shorter_reference_counts_only_what_it_has():
    assert reading.agreement(_reading([[1, 0]], [[1, 0]]), _reading([[1, 0]])) == (1.0, 1)


def test_divergence_is_the_mean_relative_entropy_in_nats():
    half = _reading([[0.0, 0.0]])
    quarter = _reading([[math.log(1), math.log(3)]])
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert reading.divergence(quarter, half) == pytest.approx(expected, abs=1e-6)
    assert reading.divergence(half, half) == 0.0


def test_log_probabilities_survive_huge_logits():
    rows = reading.log_softmax(np.array([[1000.0, 0.0], [-1000.0, -1000.0]], dtype=np.float32))
    assert np.exp(rows).sum(-1) == pytest.approx([1.0, 1.0])


def test_memory_is_bounded_but_choices_are_kept(monkeypatch):
    monkeypatch.setattr(reading, "_CHANCES_BYTES", 20)
    made = _reading([[1, 0], [0, 1]], [[1, 0]], [[0, 1]])
    assert len(made.choices) == 3
    assert len(made.chances) == 1

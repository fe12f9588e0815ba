"""A project on the small random model, whose trainings take seconds."""

from __future__ import annotations

import pytest

from tests.engine.run import small


@pytest.fixture(scope="module")
def small_bench(bench, tmp_path_factory, model_dir):
    """The bench with a two-layer model as its base."""
    from dataclasses import replace

    folder = small.model(tmp_path_factory.mktemp("small"), model_dir)
    return replace(bench, project=replace(bench.project, base_model=str(folder)))

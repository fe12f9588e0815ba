from engine.ship import records
from engine.ship.parity import Parity


def _parity(result):
    return Parity("F16", result, ("because.",), 75, 1700, 0.99, 0.01, 0.9, -0.01, -0.04, 0.0)


def _path(store, artifact):
    return store.workspace / store.scalar("SELECT path FROM artifacts WHERE id = ?", (artifact,))


def test_an_artifact_is_intact_until_its_content_changes(workspace, run, add_file):
    artifact = add_file(run, "gguf:Q8_0", 10)
    path = _path(workspace, artifact)
    assert records.intact(workspace, run, "gguf:Q8_0", path) == artifact
    path.write_bytes(b"other")
    assert records.intact(workspace, run, "gguf:Q8_0", path) is None
    path.unlink()
    assert records.intact(workspace, run, "gguf:Q8_0", path) is None


def test_an_artifact_made_anew_keeps_its_id_and_loses_its_parity(workspace, run, add_file):
    artifact = add_file(run, "gguf:Q8_0", 10)
    records.add_parity(workspace, artifact, _parity("pass"))
    assert records.parity(workspace, artifact) == _parity("pass")
    assert add_file(run, "gguf:Q8_0", 12) == artifact
    assert records.parity(workspace, artifact) is None


def test_the_smallest_that_passed_is_recommended_and_nothing_else(workspace, run, add_file):
    sizes = {"gguf:F16": (30, "pass"), "gguf:Q8_0": (20, "pass"), "gguf:Q4_0": (10, "warn")}
    made = {kind: add_file(run, kind, size) for kind, (size, _) in sizes.items()}
    for kind, (_, result) in sizes.items():
        records.add_parity(workspace, made[kind], _parity(result))
    assert records.recommend(workspace, run) == made["gguf:Q8_0"]
    marked = workspace.rows("SELECT id FROM artifacts WHERE recommended")
    assert [row["id"] for row in marked] == [made["gguf:Q8_0"]]


def test_nothing_is_recommended_when_nothing_passed(workspace, run, add_file):
    records.add_parity(workspace, add_file(run, "gguf:F16", 10), _parity("fail"))
    assert records.recommend(workspace, run) is None
    assert not workspace.rows("SELECT id FROM artifacts WHERE recommended")

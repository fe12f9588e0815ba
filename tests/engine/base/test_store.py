import sqlite3
import subprocess
import sys

import pytest

from engine.base.errors import TunesmithError
from engine.base.store import SCHEMA_VERSION, Store


def test_a_blank_folder_becomes_a_store_of_the_newest_schema(tmp_path):
    store = Store(tmp_path / "new")
    assert store.scalar("PRAGMA user_version") == SCHEMA_VERSION
    assert store.scalar("PRAGMA journal_mode") == "wal"
    assert store.scalar("SELECT count(*) FROM runs") == 0


@pytest.mark.parametrize("version", range(SCHEMA_VERSION))
def test_every_older_schema_migrates_and_keeps_its_rows(tmp_path, version):
    from sqlite_utils import Database

    from engine.base.schema import migrations

    connection = sqlite3.connect(tmp_path / "runs.db")
    names = [migration.name for migration in migrations.pending(Database(connection))]
    migrations.apply(Database(connection), stop_before=names[version])
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("CREATE TABLE kept (word TEXT)")
    connection.execute("INSERT INTO kept VALUES ('still here')")
    connection.commit()
    connection.close()

    store = Store(tmp_path)
    assert store.scalar("PRAGMA user_version") == SCHEMA_VERSION
    assert store.scalar("SELECT word FROM kept") == "still here"
    assert store.scalar("SELECT count(*) FROM runs") == 0


def test_a_store_of_a_newer_version_is_refused_with_the_way_out(tmp_path):
    connection = sqlite3.connect(tmp_path / "runs.db")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(TunesmithError, match="Update Tunesmith"):
        Store(tmp_path)


def test_a_file_that_is_no_database_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "runs.db").write_text("this is not a database, " * 100)
    with pytest.raises(TunesmithError, match="cannot be opened"):
        Store(tmp_path)


def test_a_failed_transaction_leaves_nothing(workspace):
    with pytest.raises(RuntimeError), workspace.transaction():
        workspace.insert("projects", _project("a"))
        raise RuntimeError
    assert workspace.scalar("SELECT count(*) FROM projects") == 0


def test_insert_update_and_foreign_keys(workspace):
    project = workspace.insert("projects", _project("a"))
    assert workspace.update("projects", project, {"name": "b"}) == 1
    assert workspace.row("SELECT name FROM projects")["name"] == "b"
    with pytest.raises(sqlite3.IntegrityError):
        workspace.insert("job_log", {"job_id": 99, "at": 0.0, "level": "info", "text": "x"})


def test_two_stores_write_to_one_file(workspace):
    other = Store(workspace.workspace)
    for index in range(50):
        (workspace if index % 2 else other).insert("projects", _project(str(index)))
    assert other.scalar("SELECT count(*) FROM projects") == 50


def test_opening_a_store_loads_neither_numpy_nor_pandas(tmp_path):
    code = (
        "import sys; from pathlib import Path; from engine.base.store import Store;"
        f"Store(Path({str(tmp_path)!r})); print({{'numpy', 'pandas'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def _project(name):
    return {"name": name, "path": name, "task": "free", "base_model": "m", "created": 0.0}


def test_widening_the_scores_keeps_them_and_what_belongs_to_them(tmp_path):
    from sqlite_utils import Database

    from engine.base.schema import migrations

    connection = sqlite3.connect(tmp_path / "runs.db")
    migrations.apply(Database(connection), stop_before="m004_advice_and_fit")
    connection.execute("PRAGMA user_version = 3")
    connection.execute(
        "INSERT INTO projects (id, name, path, task, base_model, created) VALUES (1, 'a', '/a', 'free', 'm', 0)"
    )
    connection.execute(
        "INSERT INTO scores (id, project_id, dataset_id, subject, split, model, rows, seconds, "
        "created) VALUES (7, 1, 'd', 'base', 'test', 'm', 1, 1.0, 0)"
    )
    connection.execute("INSERT INTO score_metrics VALUES (7, 'exact_match', 1.0, 0.2, 1.0, 1)")
    connection.execute(
        "INSERT INTO answers (score_id, row_id, expected, answer, exact, valid, tokens) "
        "VALUES (7, 'r', 'x', 'x', 1, 1, 2)"
    )
    connection.commit()
    connection.close()

    store = Store(tmp_path)
    found = store.row(
        "SELECT s.subject, m.value, a.score FROM scores s JOIN score_metrics m ON m.score_id = s.id "
        "JOIN answers a ON a.score_id = s.id"
    )
    assert tuple(found) == ("base", 1.0, 1.0)
    assert "scores_wider" not in str(
        [row[0] for row in store.rows("SELECT sql FROM sqlite_master")]
    )


def test_the_queue_keeps_the_jobs_and_what_refers_to_them(tmp_path):
    from sqlite_utils import Database

    from engine.base.schema import migrations

    connection = sqlite3.connect(tmp_path / "runs.db")
    migrations.apply(Database(connection), stop_before="m005_queue")
    connection.execute("PRAGMA user_version = 4")
    connection.execute(
        "INSERT INTO jobs (id, kind, state, request, note, created) "
        "VALUES (5, 'train', 'running', 'stop', 'training', 1.5)"
    )
    connection.execute("INSERT INTO job_log VALUES (1, 5, 2.0, 'info', 'step 1')")
    connection.commit()
    connection.close()

    store = Store(tmp_path)
    job = store.row("SELECT * FROM jobs")
    assert [job[name] for name in ("id", "state", "request", "note", "created")] == [
        5, "running", "stop", "training", 1.5,
    ]  # fmt: skip
    assert [job[name] for name in ("priority", "place", "hours", "waits_for")] == [0, 0, None, None]
    assert store.scalar("SELECT count(*) FROM run_list") == 0
    store.update("jobs", 5, {"state": "paused", "request": "pause"})
    with pytest.raises(sqlite3.IntegrityError):
        store.update("jobs", 5, {"state": "asleep"})
    store.execute("DELETE FROM jobs")
    assert store.scalar("SELECT count(*) FROM job_log") == 0
    assert store.rows("PRAGMA foreign_key_check") == []

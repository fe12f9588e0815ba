"""The schema of `runs.db`, as a list of migrations that is only ever added to.

Every table's row holds the id of the row it came from, so lineage is a join:
projects -> datasets -> plans -> runs -> scores -> artifacts. `jobs` records the work itself.
"""

from __future__ import annotations

import sqlite3
import sys
from typing import Any
from unittest.mock import patch

# sqlite-utils imports pandas and numpy when it finds them (0.3 s); nothing here needs either.
with patch.dict(sys.modules, {"pandas": None, "numpy": None}):
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

migrations = Migrations("tunesmith")


@migrations()  # type: ignore[untyped-decorator]
def m001_journey(db: Any) -> None:
    """The tables of the first journey, from project to artifact."""
    for statement in _JOURNEY.split(";\n\n"):
        db.execute(statement)


@migrations()  # type: ignore[untyped-decorator]
def m002_answer_tokens(db: Any) -> None:
    """How many of a dataset's training tokens are answers; 0 where nobody counted."""
    db.execute("ALTER TABLE datasets ADD COLUMN tokens_answers INTEGER NOT NULL DEFAULT 0")


@migrations()  # type: ignore[untyped-decorator]
def m003_data_stage(db: Any) -> None:
    """What the data stage remembers: a dataset's form and parent, splits, golden sets, reviews."""
    for statement in _DATA_STAGE.split(";\n\n"):
        db.execute(statement)


def migrate(connection: sqlite3.Connection) -> int:
    """Bring a store to the newest schema; each migration is one transaction. Return its version."""
    database = Database(connection)
    migrations.apply(database)
    version = len(migrations.applied(database))
    connection.execute(f"PRAGMA user_version = {version:d}")
    connection.commit()
    return version


_JOURNEY = """
CREATE TABLE projects (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  path TEXT NOT NULL UNIQUE,
  task TEXT NOT NULL,
  base_model TEXT NOT NULL,
  created REAL NOT NULL
);

CREATE TABLE jobs (
  id INTEGER PRIMARY KEY,
  project_id INTEGER REFERENCES projects(id),
  kind TEXT NOT NULL,
  args TEXT NOT NULL DEFAULT '{}',
  state TEXT NOT NULL DEFAULT 'queued'
    CHECK (state IN ('queued', 'waiting', 'running', 'done', 'failed', 'stopped', 'lost')),
  device TEXT,
  request TEXT CHECK (request IN ('stop', 'checkpoint')),
  pid INTEGER,
  pid_started REAL,
  heartbeat REAL,
  done INTEGER NOT NULL DEFAULT 0,
  total INTEGER NOT NULL DEFAULT 0,
  note TEXT NOT NULL DEFAULT '',
  error TEXT,
  error_where TEXT,
  fix TEXT,
  exit_code INTEGER,
  created REAL NOT NULL,
  started REAL,
  ended REAL
);

CREATE INDEX jobs_state ON jobs(state);

CREATE TABLE job_log (
  id INTEGER PRIMARY KEY,
  job_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
  at REAL NOT NULL,
  level TEXT NOT NULL CHECK (level IN ('info', 'warning', 'error', 'trace')),
  text TEXT NOT NULL
);

CREATE INDEX job_log_job ON job_log(job_id, id);

CREATE TABLE gates (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects(id),
  job_id INTEGER REFERENCES jobs(id),
  gate TEXT NOT NULL CHECK (gate IN ('data', 'fit', 'verdict', 'safety', 'parity', 'drift')),
  subject TEXT NOT NULL,
  result TEXT NOT NULL CHECK (result IN ('pass', 'warn', 'fail')),
  reasons TEXT NOT NULL,
  accepted TEXT,
  created REAL NOT NULL
);

CREATE TABLE datasets (
  id TEXT PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects(id),
  job_id INTEGER REFERENCES jobs(id),
  path TEXT NOT NULL,
  rows_read INTEGER NOT NULL,
  rows_kept INTEGER NOT NULL,
  train INTEGER NOT NULL,
  validation INTEGER NOT NULL,
  test INTEGER NOT NULL,
  golden INTEGER NOT NULL,
  golden_sha256 TEXT,
  tokens_train INTEGER NOT NULL,
  tokens_longest INTEGER NOT NULL,
  created REAL NOT NULL
);

CREATE TABLE dataset_sources (
  dataset_id TEXT NOT NULL REFERENCES datasets(id),
  file TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  rows INTEGER NOT NULL,
  PRIMARY KEY (dataset_id, file)
);

CREATE TABLE dataset_findings (
  id INTEGER PRIMARY KEY,
  dataset_id TEXT NOT NULL REFERENCES datasets(id),
  kind TEXT NOT NULL,
  file TEXT NOT NULL,
  row INTEGER NOT NULL,
  what TEXT NOT NULL,
  action TEXT NOT NULL
);

CREATE INDEX dataset_findings_dataset ON dataset_findings(dataset_id, kind);

CREATE TABLE plans (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects(id),
  dataset_id TEXT NOT NULL REFERENCES datasets(id),
  recipe TEXT NOT NULL,
  method TEXT NOT NULL,
  model TEXT NOT NULL,
  device TEXT NOT NULL,
  predicted_peak_bytes INTEGER NOT NULL,
  predicted_seconds REAL NOT NULL,
  predicted_joules REAL NOT NULL,
  predicted_disk_bytes INTEGER NOT NULL,
  path TEXT,
  created REAL NOT NULL
);

CREATE TABLE plan_values (
  plan_id INTEGER NOT NULL REFERENCES plans(id),
  position INTEGER NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  why TEXT NOT NULL,
  PRIMARY KEY (plan_id, key)
);

CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  project_id INTEGER NOT NULL REFERENCES projects(id),
  dataset_id TEXT NOT NULL REFERENCES datasets(id),
  plan_id INTEGER NOT NULL REFERENCES plans(id),
  job_id INTEGER REFERENCES jobs(id),
  model TEXT NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  step INTEGER NOT NULL DEFAULT 0,
  steps INTEGER NOT NULL DEFAULT 0,
  peak_bytes INTEGER,
  seconds REAL,
  tokens INTEGER,
  adapter_sha256 TEXT,
  environment TEXT NOT NULL DEFAULT '{}',
  created REAL NOT NULL,
  ended REAL
);

CREATE INDEX runs_created ON runs(created);

CREATE INDEX runs_job ON runs(job_id);

CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  UNIQUE (run_id, name)
);

CREATE TABLE points (
  series_id INTEGER NOT NULL REFERENCES series(id) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  at REAL NOT NULL,
  value REAL,
  PRIMARY KEY (series_id, step)
) WITHOUT ROWID;

CREATE TABLE checkpoints (
  run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  path TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  created REAL NOT NULL,
  PRIMARY KEY (run_id, step)
);

CREATE TABLE scores (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects(id),
  dataset_id TEXT NOT NULL REFERENCES datasets(id),
  run_id INTEGER REFERENCES runs(id),
  artifact_id INTEGER REFERENCES artifacts(id),
  job_id INTEGER REFERENCES jobs(id),
  subject TEXT NOT NULL CHECK (subject IN ('base', 'few_shot', 'tuned', 'artifact')),
  split TEXT NOT NULL CHECK (split IN ('validation', 'test', 'golden')),
  model TEXT NOT NULL,
  rows INTEGER NOT NULL,
  seconds REAL NOT NULL,
  created REAL NOT NULL
);

CREATE INDEX scores_run ON scores(run_id);

CREATE INDEX scores_dataset ON scores(dataset_id);

CREATE TABLE score_metrics (
  score_id INTEGER NOT NULL REFERENCES scores(id),
  metric TEXT NOT NULL,
  value REAL NOT NULL,
  low REAL NOT NULL,
  high REAL NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (score_id, metric)
);

CREATE TABLE answers (
  score_id INTEGER NOT NULL REFERENCES scores(id),
  row_id TEXT NOT NULL,
  expected TEXT NOT NULL,
  answer TEXT NOT NULL,
  exact INTEGER NOT NULL,
  valid INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  PRIMARY KEY (score_id, row_id)
) WITHOUT ROWID;

CREATE TABLE verdicts (
  id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES runs(id),
  job_id INTEGER REFERENCES jobs(id),
  baseline TEXT NOT NULL,
  baseline_score_id INTEGER NOT NULL REFERENCES scores(id),
  tuned_score_id INTEGER NOT NULL REFERENCES scores(id),
  metric TEXT NOT NULL,
  split TEXT NOT NULL,
  difference REAL NOT NULL,
  low REAL NOT NULL,
  high REAL NOT NULL,
  p_value REAL NOT NULL,
  n INTEGER NOT NULL,
  result TEXT NOT NULL CHECK (result IN ('better', 'worse', 'can''t tell')),
  created REAL NOT NULL
);

CREATE TABLE artifacts (
  id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES runs(id),
  job_id INTEGER REFERENCES jobs(id),
  kind TEXT NOT NULL,
  path TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  recommended INTEGER NOT NULL DEFAULT 0,
  created REAL NOT NULL
);

CREATE TABLE parity (
  artifact_id INTEGER PRIMARY KEY REFERENCES artifacts(id),
  reference TEXT NOT NULL,
  result TEXT NOT NULL CHECK (result IN ('pass', 'warn', 'fail')),
  reasons TEXT NOT NULL,
  rows INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  token_agreement REAL NOT NULL,
  divergence REAL NOT NULL,
  exact_match REAL NOT NULL,
  difference REAL NOT NULL,
  low REAL NOT NULL,
  high REAL NOT NULL
);

CREATE TABLE predictions (
  id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES runs(id),
  quantity TEXT NOT NULL,
  predicted REAL NOT NULL,
  measured REAL NOT NULL,
  UNIQUE (run_id, quantity)
);

CREATE VIEW prediction_errors AS
  SELECT run_id, quantity, predicted, measured, (predicted - measured) / measured AS error
  FROM predictions WHERE measured <> 0;

CREATE VIEW run_list AS
  SELECT r.id, r.name, j.state AS status, r.method, r.model, r.dataset_id AS dataset, r.created,
         r.ended, r.step, r.steps, r.project_id, r.job_id, r.peak_bytes, r.seconds, r.tokens
  FROM runs r LEFT JOIN jobs j ON j.id = r.job_id
""".strip()

_DATA_STAGE = """
ALTER TABLE datasets ADD COLUMN form TEXT NOT NULL DEFAULT 'answer'
  CHECK (form IN ('answer', 'preference', 'feedback', 'text'));

ALTER TABLE datasets ADD COLUMN parent_id TEXT REFERENCES datasets(id);

ALTER TABLE projects ADD COLUMN split_rule TEXT NOT NULL DEFAULT '';

CREATE TABLE split_memory (
  project_id INTEGER NOT NULL REFERENCES projects(id),
  row_id TEXT NOT NULL,
  split TEXT NOT NULL CHECK (split IN ('train', 'validation', 'test')),
  PRIMARY KEY (project_id, row_id)
) WITHOUT ROWID;

ALTER TABLE dataset_findings ADD COLUMN fix TEXT NOT NULL DEFAULT '';

ALTER TABLE dataset_findings ADD COLUMN row_id TEXT NOT NULL DEFAULT '';

ALTER TABLE dataset_findings ADD COLUMN other TEXT NOT NULL DEFAULT '';

CREATE TABLE golden_sets (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects(id),
  sha256 TEXT NOT NULL,
  path TEXT NOT NULL,
  rows INTEGER NOT NULL,
  frozen REAL NOT NULL,
  UNIQUE (project_id, sha256)
);

CREATE TABLE review_items (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects(id),
  job_id INTEGER REFERENCES jobs(id),
  rank INTEGER NOT NULL,
  row_id TEXT NOT NULL,
  source TEXT NOT NULL,
  kind TEXT NOT NULL,
  what TEXT NOT NULL,
  action TEXT NOT NULL,
  other TEXT NOT NULL DEFAULT '',
  scenario TEXT NOT NULL DEFAULT '',
  prompt TEXT NOT NULL,
  completion TEXT NOT NULL,
  prompt_after TEXT,
  completion_after TEXT
);

CREATE INDEX review_items_project ON review_items(project_id, rank);

CREATE TABLE reviews (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects(id),
  row_id TEXT NOT NULL,
  source TEXT NOT NULL,
  reviewer TEXT NOT NULL,
  decision TEXT NOT NULL CHECK (decision IN ('accept', 'edit', 'reject', 'relabel')),
  prompt TEXT,
  completion TEXT,
  scenario TEXT,
  note TEXT NOT NULL DEFAULT '',
  created REAL NOT NULL
);

CREATE INDEX reviews_row ON reviews(project_id, row_id)
"""

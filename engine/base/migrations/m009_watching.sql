CREATE TABLE samples (
  run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  row_id TEXT NOT NULL,
  asked TEXT NOT NULL,
  expected TEXT NOT NULL,
  answer TEXT NOT NULL,
  at REAL NOT NULL,
  PRIMARY KEY (run_id, row_id, step)
) WITHOUT ROWID;

CREATE TABLE run_changes (
  id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  key TEXT NOT NULL,
  before TEXT NOT NULL,
  after TEXT NOT NULL,
  why TEXT NOT NULL,
  at REAL NOT NULL
);

CREATE INDEX run_changes_run ON run_changes(run_id, id);

ALTER TABLE runs ADD COLUMN best_step INTEGER;

ALTER TABLE runs ADD COLUMN joules REAL

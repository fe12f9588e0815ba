CREATE TABLE fetched_runs (
  bundle TEXT NOT NULL,
  far_run_id INTEGER NOT NULL,
  run_id INTEGER NOT NULL UNIQUE REFERENCES runs(id) ON DELETE CASCADE,
  fetched REAL NOT NULL,
  PRIMARY KEY (bundle, far_run_id)
)

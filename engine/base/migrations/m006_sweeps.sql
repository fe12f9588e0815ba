CREATE TABLE sweeps (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects(id),
  dataset_id TEXT NOT NULL REFERENCES datasets(id),
  job_id INTEGER REFERENCES jobs(id),
  recipe TEXT NOT NULL,
  axes TEXT NOT NULL,
  settings TEXT NOT NULL,
  sampler TEXT NOT NULL CHECK (sampler IN ('grid', 'tpe')),
  trials INTEGER NOT NULL,
  seed INTEGER NOT NULL,
  accepted TEXT NOT NULL DEFAULT '',
  predicted_seconds REAL NOT NULL,
  created REAL NOT NULL,
  ended REAL
);

CREATE TABLE sweep_trials (
  id INTEGER PRIMARY KEY,
  sweep_id INTEGER NOT NULL REFERENCES sweeps(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  plan_id INTEGER REFERENCES plans(id),
  run_id INTEGER REFERENCES runs(id),
  state TEXT NOT NULL DEFAULT 'running'
    CHECK (state IN ('running', 'done', 'pruned', 'stopped', 'failed')),
  seconds REAL NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',
  created REAL NOT NULL,
  UNIQUE (sweep_id, number)
);

CREATE TABLE trial_values (
  trial_id INTEGER NOT NULL REFERENCES sweep_trials(id) ON DELETE CASCADE,
  setting TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (trial_id, setting)
) WITHOUT ROWID;

CREATE TABLE rate_tests (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects(id),
  plan_id INTEGER NOT NULL REFERENCES plans(id),
  job_id INTEGER REFERENCES jobs(id),
  steps INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  train_rows INTEGER NOT NULL,
  own_rate REAL NOT NULL,
  proposal REAL,
  steepest REAL,
  blow_up REAL,
  certainty TEXT NOT NULL CHECK (certainty IN ('clear', 'rough', 'can''t tell')),
  why TEXT NOT NULL,
  seconds REAL NOT NULL,
  created REAL NOT NULL
);

CREATE TABLE rate_points (
  test_id INTEGER NOT NULL REFERENCES rate_tests(id) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  rate REAL NOT NULL,
  loss REAL,
  smoothed REAL,
  PRIMARY KEY (test_id, step)
) WITHOUT ROWID

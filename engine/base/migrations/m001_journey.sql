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

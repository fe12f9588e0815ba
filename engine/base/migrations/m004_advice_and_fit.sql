CREATE TABLE scores_wider (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects(id),
  dataset_id TEXT NOT NULL REFERENCES datasets(id),
  run_id INTEGER REFERENCES runs(id),
  artifact_id INTEGER REFERENCES artifacts(id),
  job_id INTEGER REFERENCES jobs(id),
  subject TEXT NOT NULL
    CHECK (subject IN ('base', 'few_shot', 'similar', 'retrieval', 'tuned', 'artifact')),
  split TEXT NOT NULL CHECK (split IN ('validation', 'test', 'golden')),
  metric TEXT NOT NULL DEFAULT 'exact_match',
  model TEXT NOT NULL,
  rows INTEGER NOT NULL,
  seconds REAL NOT NULL,
  created REAL NOT NULL
);

INSERT INTO scores_wider (id, project_id, dataset_id, run_id, artifact_id, job_id, subject,
  split, model, rows, seconds, created)
  SELECT id, project_id, dataset_id, run_id, artifact_id, job_id, subject,
  split, model, rows, seconds, created FROM scores;

DROP TABLE scores;

ALTER TABLE scores_wider RENAME TO scores;

CREATE INDEX scores_run ON scores(run_id);

CREATE INDEX scores_dataset ON scores(dataset_id);

ALTER TABLE answers ADD COLUMN score REAL;

UPDATE answers SET score = exact;

ALTER TABLE parity RENAME COLUMN exact_match TO score;

CREATE TABLE probes (
  id INTEGER PRIMARY KEY,
  plan_id INTEGER NOT NULL REFERENCES plans(id),
  job_id INTEGER REFERENCES jobs(id),
  position INTEGER NOT NULL,
  change TEXT NOT NULL,
  result TEXT NOT NULL CHECK (result IN ('fits', 'out of memory')),
  predicted_peak_bytes INTEGER NOT NULL,
  peak_bytes INTEGER,
  limit_bytes INTEGER,
  startup_seconds REAL,
  tokens_per_second REAL,
  validation_seconds REAL,
  checkpoint_seconds REAL,
  created REAL NOT NULL,
  UNIQUE (plan_id, position)
)

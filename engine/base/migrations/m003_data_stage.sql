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

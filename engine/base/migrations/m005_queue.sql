DROP VIEW run_list;

CREATE TABLE jobs_wider (
  id INTEGER PRIMARY KEY,
  project_id INTEGER REFERENCES projects(id),
  kind TEXT NOT NULL,
  args TEXT NOT NULL DEFAULT '{}',
  state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN
    ('queued', 'waiting', 'running', 'paused', 'done', 'failed', 'stopped', 'lost')),
  device TEXT,
  priority INTEGER NOT NULL DEFAULT 0,
  place INTEGER NOT NULL DEFAULT 0,
  hours TEXT,
  waits_for TEXT,
  request TEXT CHECK (request IN ('stop', 'checkpoint', 'pause')),
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

INSERT INTO jobs_wider (id, project_id, kind, args, state, device, request, pid, pid_started,
  heartbeat, done, total, note, error, error_where, fix, exit_code, created, started, ended)
  SELECT id, project_id, kind, args, state, device, request, pid, pid_started,
  heartbeat, done, total, note, error, error_where, fix, exit_code, created, started, ended FROM jobs;

DROP TABLE jobs;

ALTER TABLE jobs_wider RENAME TO jobs;

CREATE INDEX jobs_state ON jobs(state);

CREATE TABLE job_needs (
  job_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
  needs_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
  PRIMARY KEY (job_id, needs_id)
) WITHOUT ROWID;

CREATE INDEX job_needs_needs ON job_needs(needs_id);

CREATE VIEW run_list AS
  SELECT r.id, r.name, j.state AS status, r.method, r.model, r.dataset_id AS dataset, r.created,
         r.ended, r.step, r.steps, r.project_id, r.job_id, r.peak_bytes, r.seconds, r.tokens
  FROM runs r LEFT JOIN jobs j ON j.id = r.job_id

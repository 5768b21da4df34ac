PRAGMA application_id = 1095192148;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE async_jobs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL UNIQUE,
        plan_id TEXT NOT NULL,
        phase TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('cancelled', 'failed', 'queued', 'running', 'succeeded')),
        payload_json TEXT NOT NULL,
        schema_version INTEGER NOT NULL CHECK (schema_version >= 1),
        created_at TEXT NOT NULL,
        claimed_at TEXT,
        started_at TEXT,
        finished_at TEXT,
        worker_id TEXT,
        last_heartbeat TEXT,
        reason TEXT,
        attempt INTEGER NOT NULL DEFAULT 1 CHECK (attempt >= 1),
        retry_of TEXT,
        priority INTEGER NOT NULL DEFAULT 0,
        timeout REAL CHECK (timeout > 0),
        pid INTEGER,
        pid_start INTEGER,
        cancel_requested_at TEXT,
        cancel_requested_by TEXT,
        cancel_reason TEXT,
        cancel_signal TEXT,
        result TEXT,
        error TEXT,
        exit_code INTEGER,
        signal TEXT,
        user_s REAL,
        system_s REAL,
        max_rss_bytes INTEGER,
        progress TEXT,
        CONSTRAINT queued_has_no_worker CHECK (
            status <> 'queued' OR (worker_id IS NULL AND claimed_at IS NULL AND started_at IS NULL)),
        CONSTRAINT running_has_worker CHECK (
            status <> 'running' OR (worker_id IS NOT NULL AND claimed_at IS NOT NULL)),
        CONSTRAINT terminal_has_end CHECK ((status IN ('cancelled', 'failed', 'succeeded')) = (finished_at IS NOT NULL)),
        CONSTRAINT terminal_has_reason CHECK ((status IN ('cancelled', 'failed', 'succeeded')) = (reason IS NOT NULL)),
        CONSTRAINT reason_fits_status CHECK (reason IS NULL OR (status = 'succeeded' AND reason IN ('completed')) OR (status = 'cancelled' AND reason IN ('cancelled', 'cancelled_before_start', 'dependency_failed')) OR (status = 'failed' AND reason IN ('bad_payload', 'conflict', 'exited', 'handler_error', 'interrupted', 'out_of_memory', 'output_limit', 'signalled', 'spawn_failed', 'step_failed', 'stuck', 'timeout', 'worker_lost')))
    ) STRICT;
INSERT INTO "async_jobs" VALUES(1,'01M86FZF36WF81MZ4BB4N99TVP','01M86FZF36WF81MZ4BB4N99TVP','noop','queued','{"schema_version":1,"phase":"noop","data":{"n":0}}',1,'2026-11-24T10:00:16.205830Z',NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "async_jobs" VALUES(2,'01M86FZF372GB67YVA1FJP80WQ','01M86FZF372GB67YVA1FJP80WQ','noop','succeeded','{"schema_version":1,"phase":"noop","data":{"n":1}}',1,'2026-11-24T10:00:16.231755Z','2026-11-24T10:00:16.234489Z','2026-11-24T10:00:16.234489Z','2026-11-24T10:00:16.236775Z','01J00000000000000000000WRK','2026-11-24T10:00:16.234489Z','completed',1,NULL,1,NULL,4,5,NULL,NULL,NULL,NULL,'1',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "async_jobs" VALUES(3,'01M86FZF388XNHHYDHQ808AMQY','01M86FZF388XNHHYDHQ808AMQY','noop','queued','{"schema_version":1,"phase":"noop","data":{"n":2}}',1,'2026-11-24T10:00:16.232751Z',NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "async_jobs" VALUES(4,'01M86FZF39HTZTGJ905VW6M3RC','01M86FZF39HTZTGJ905VW6M3RC','noop','running','{"schema_version":1,"phase":"noop","data":{"n":3}}',1,'2026-11-24T10:00:16.233691Z','2026-11-24T10:00:16.234489Z',NULL,NULL,'01J00000000000000000000WRK','2026-11-24T10:00:16.234489Z',NULL,1,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "async_jobs" VALUES(5,'01M86FZF3EBKA7Y3RX7FZH34S7','01J0000000000000000000PLAN','execute','queued','{"schema_version":1,"phase":"execute","data":{"plan_id":"01J0000000000000000000PLAN"}}',1,'2026-11-24T10:00:16.237884Z',NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE job_events (
        event_id INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL REFERENCES async_jobs (job_id) ON DELETE CASCADE,
        at TEXT NOT NULL,
        from_status TEXT,
        to_status TEXT,
        reason TEXT,
        actor TEXT NOT NULL,
        pid INTEGER NOT NULL,
        worker_id TEXT,
        detail TEXT NOT NULL DEFAULT '{}'
    ) STRICT;
INSERT INTO "job_events" VALUES(1,'01M86FZF36WF81MZ4BB4N99TVP','2026-11-24T10:00:16.205830Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(2,'01M86FZF372GB67YVA1FJP80WQ','2026-11-24T10:00:16.231755Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(3,'01M86FZF388XNHHYDHQ808AMQY','2026-11-24T10:00:16.232751Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(4,'01M86FZF39HTZTGJ905VW6M3RC','2026-11-24T10:00:16.233691Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(5,'01M86FZF372GB67YVA1FJP80WQ','2026-11-24T10:00:16.234489Z','queued','running',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(6,'01M86FZF39HTZTGJ905VW6M3RC','2026-11-24T10:00:16.234489Z','queued','running',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(7,'01M86FZF372GB67YVA1FJP80WQ','2026-11-24T10:00:16.236775Z','running','succeeded','completed','somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(8,'01M86FZF3EBKA7Y3RX7FZH34S7','2026-11-24T10:00:16.237884Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{}');
CREATE TABLE plans (
        plan_id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        description TEXT,
        project TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('applied', 'applying', 'cancelled', 'discarded', 'draft', 'executing', 'failed', 'ready')),
        frozen_json TEXT NOT NULL,
        source_path TEXT NOT NULL,
        source_sha256 TEXT NOT NULL,
        branch TEXT,
        head TEXT,
        sandbox TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) STRICT;
INSERT INTO "plans" VALUES('01J0000000000000000000PLAN','demo',NULL,'/somewhere','executing','{"timeout": 7}','plan.yaml','0','main','0','worktree','2026-11-24T10:00:16.205155Z','2026-11-24T10:00:16.237884Z');
CREATE TABLE "schema_migration" ("id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, "applied" DATETIME NOT NULL);
INSERT INTO "schema_migration" VALUES(1,'0001_initial','2026-11-24 10:00:16.202452');
CREATE TABLE workers (
        worker_id TEXT PRIMARY KEY NOT NULL,
        host TEXT NOT NULL,
        boot_id TEXT NOT NULL,
        pid_namespace TEXT NOT NULL,
        pid INTEGER NOT NULL,
        pid_start INTEGER NOT NULL,
        uid INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('running', 'draining', 'stopped', 'lost')),
        max_workers INTEGER NOT NULL CHECK (max_workers >= 1),
        ttl REAL NOT NULL CHECK (ttl > 0),
        beat INTEGER NOT NULL DEFAULT 0,
        started_at TEXT NOT NULL,
        last_heartbeat TEXT NOT NULL,
        jobs_processed INTEGER NOT NULL DEFAULT 0,
        running INTEGER NOT NULL DEFAULT 0,
        socket_path TEXT,
        spawner_pid INTEGER,
        version TEXT NOT NULL,
        ended_at TEXT,
        end_reason TEXT,
        CONSTRAINT ended_says_so CHECK ((state IN ('stopped', 'lost')) = (ended_at IS NOT NULL))
    ) STRICT;
INSERT INTO "workers" VALUES('01J00000000000000000000WRK','elsewhere','b','n',7,8,0,'running',4,120.0,0,'2026-11-24T10:00:16.234521Z','2026-11-24T10:00:16.234532Z',0,0,NULL,9,'0.1.0',NULL,NULL);
CREATE UNIQUE INDEX "schema_migration_name" ON "schema_migration" ("name");
CREATE INDEX jobs_queued ON async_jobs (priority DESC, seq) WHERE status = 'queued';
CREATE INDEX jobs_running ON async_jobs (worker_id) WHERE status = 'running';
CREATE INDEX jobs_finished ON async_jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_status ON async_jobs (status, seq);
CREATE INDEX jobs_plan ON async_jobs (plan_id, seq);
CREATE INDEX jobs_retry_of ON async_jobs (retry_of) WHERE retry_of IS NOT NULL;
CREATE UNIQUE INDEX one_active_job_per_plan ON async_jobs (plan_id)
    WHERE status IN ('queued', 'running') AND phase IN ('apply', 'execute');
CREATE INDEX events_job ON job_events (job_id, event_id);
CREATE TRIGGER jobs_begin_queued BEFORE INSERT ON async_jobs WHEN NEW.status <> 'queued'
    BEGIN SELECT RAISE(ABORT, 'a job is inserted as queued only'); END;
CREATE TRIGGER jobs_legal_moves BEFORE UPDATE ON async_jobs WHEN NOT ((OLD.status = 'queued' AND NEW.status IN ('cancelled', 'queued', 'running')) OR (OLD.status = 'running' AND NEW.status IN ('cancelled', 'failed', 'running', 'succeeded')))
    BEGIN SELECT RAISE(ABORT, 'no such move in the state machine of jobs'); END;
CREATE TRIGGER jobs_keep_identity BEFORE UPDATE ON async_jobs WHEN
        NEW.job_id <> OLD.job_id OR NEW.plan_id <> OLD.plan_id OR NEW.phase <> OLD.phase
        OR NEW.payload_json <> OLD.payload_json OR NEW.attempt <> OLD.attempt
        OR NEW.created_at <> OLD.created_at OR NEW.retry_of IS NOT OLD.retry_of
        OR (OLD.worker_id IS NOT NULL AND NEW.worker_id IS NOT OLD.worker_id)
    BEGIN SELECT RAISE(ABORT, 'what a job is, and who owns it, never changes'); END;
CREATE TRIGGER jobs_delete_finished BEFORE DELETE ON async_jobs WHEN OLD.status NOT IN ('cancelled', 'failed', 'succeeded')
    BEGIN SELECT RAISE(ABORT, 'a job is deleted only when it has ended'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('async_jobs',5);
INSERT INTO "sqlite_sequence" VALUES('job_events',8);
COMMIT;

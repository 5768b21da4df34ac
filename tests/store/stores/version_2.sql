PRAGMA application_id = 1095192148;
PRAGMA user_version = 2;
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
        progress TEXT, held_at TEXT CONSTRAINT held_waits CHECK (held_at IS NULL OR status IN ('queued', 'cancelled')), held_by TEXT CONSTRAINT held_by_somebody CHECK ((held_by IS NULL) = (held_at IS NULL)), waits_for TEXT CONSTRAINT waiting_is_queued CHECK (waits_for IS NULL OR status IN ('queued', 'cancelled')), key TEXT,
        CONSTRAINT queued_has_no_worker CHECK (
            status <> 'queued' OR (worker_id IS NULL AND claimed_at IS NULL AND started_at IS NULL)),
        CONSTRAINT running_has_worker CHECK (
            status <> 'running' OR (worker_id IS NOT NULL AND claimed_at IS NOT NULL)),
        CONSTRAINT terminal_has_end CHECK ((status IN ('cancelled', 'failed', 'succeeded')) = (finished_at IS NOT NULL)),
        CONSTRAINT terminal_has_reason CHECK ((status IN ('cancelled', 'failed', 'succeeded')) = (reason IS NOT NULL)),
        CONSTRAINT reason_fits_status CHECK (reason IS NULL OR (status = 'succeeded' AND reason IN ('completed')) OR (status = 'cancelled' AND reason IN ('cancelled', 'cancelled_before_start', 'dependency_failed')) OR (status = 'failed' AND reason IN ('bad_payload', 'conflict', 'exited', 'handler_error', 'interrupted', 'out_of_memory', 'output_limit', 'signalled', 'spawn_failed', 'step_failed', 'stuck', 'timeout', 'worker_lost')))
    ) STRICT;
INSERT INTO "async_jobs" VALUES(1,'01M86TFWWX4S4HJEWB7Y31C439','01M86TFWWX4S4HJEWB7Y31C439','noop','succeeded','{"schema_version":1,"phase":"noop","data":{"n":0}}',1,'2026-11-24T13:04:00.383032Z','2026-11-24T13:04:00.445163Z','2026-11-24T13:04:00.449183Z','2026-11-24T13:04:00.520958Z','01J00000000000000000000WRK','2026-11-24T13:04:00.445163Z','completed',1,NULL,9,NULL,4,5,NULL,NULL,NULL,NULL,'1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "async_jobs" VALUES(2,'01M86TFWWZRK9MKBFNXY32H34X','01M86TFWWZRK9MKBFNXY32H34X','raise','failed','{"schema_version":1,"phase":"raise","data":{"n":1}}',1,'2026-11-24T13:04:00.415435Z','2026-11-24T13:04:00.445163Z','2026-11-24T13:04:00.449183Z','2026-11-24T13:04:00.520958Z','01J00000000000000000000WRK','2026-11-24T13:04:00.445163Z','handler_error',1,NULL,8,NULL,4,5,NULL,NULL,NULL,NULL,NULL,'E: x',1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "async_jobs" VALUES(3,'01M86TFWX062D8NVER4A4G38RZ','01M86TFWX062D8NVER4A4G38RZ','sleep','cancelled','{"schema_version":1,"phase":"sleep","data":{"n":2}}',1,'2026-11-24T13:04:00.416746Z','2026-11-24T13:04:00.445163Z','2026-11-24T13:04:00.449183Z','2026-11-24T13:04:00.520958Z','01J00000000000000000000WRK','2026-11-24T13:04:00.445163Z','cancelled',1,NULL,7,NULL,4,5,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "async_jobs" VALUES(4,'01M86TFWX5SG8GZD16P0GK4DF9','01M86TFWX5SG8GZD16P0GK4DF9','sleep','running','{"schema_version":1,"phase":"sleep","data":{"n":3}}',1,'2026-11-24T13:04:00.421195Z','2026-11-24T13:04:00.445163Z','2026-11-24T13:04:00.449183Z',NULL,'01J00000000000000000000WRK','2026-11-24T13:04:00.445163Z',NULL,1,NULL,6,NULL,4,5,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "async_jobs" VALUES(5,'01M86TFWX9584T6MH1HHNSZHAM','01M86TFWX9584T6MH1HHNSZHAM','noop','cancelled','{"schema_version":1,"phase":"noop","data":{"n":4}}',1,'2026-11-24T13:04:00.425197Z',NULL,NULL,'2026-11-24T13:04:00.445163Z',NULL,NULL,'cancelled_before_start',1,NULL,0,NULL,NULL,NULL,'2026-11-24T13:04:00.445163Z','somebody@somewhere','no need',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "async_jobs" VALUES(6,'01M86TFWXEHTFBA49G9M06EJ58','01M86TFWXEHTFBA49G9M06EJ58','noop','queued','{"schema_version":1,"phase":"noop","data":{"n":5}}',1,'2026-11-24T13:04:00.430610Z',NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'nightly');
INSERT INTO "async_jobs" VALUES(7,'01M86TFWXHF8AWBC07FQY1RMKN','01M86TFWXHF8AWBC07FQY1RMKN','noop','queued','{"schema_version":1,"phase":"noop","data":{"n":6}}',1,'2026-11-24T13:04:00.433238Z',NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-24T13:04:00.433238Z','somebody@somewhere',NULL,NULL);
INSERT INTO "async_jobs" VALUES(8,'01M86TFWXN1RSWR3J9272TB6D3','01M86TFWXN1RSWR3J9272TB6D3','noop','queued','{"schema_version":1,"phase":"noop","data":{"n":7}}',1,'2026-11-24T13:04:00.437198Z',NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'01M86TFWX5SG8GZD16P0GK4DF9',NULL);
INSERT INTO "async_jobs" VALUES(9,'01M86TFWXSF38W7JBR23ZPWKKV','01J0000000000000000000PLAN','execute','queued','{"schema_version":1,"phase":"execute","data":{"plan_id":"01J0000000000000000000PLAN"}}',1,'2026-11-24T13:04:00.441168Z',NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "job_events" VALUES(1,'01M86TFWWX4S4HJEWB7Y31C439','2026-11-24T13:04:00.383032Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(2,'01M86TFWWZRK9MKBFNXY32H34X','2026-11-24T13:04:00.415435Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(3,'01M86TFWX062D8NVER4A4G38RZ','2026-11-24T13:04:00.416746Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(4,'01M86TFWX5SG8GZD16P0GK4DF9','2026-11-24T13:04:00.421195Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(5,'01M86TFWX9584T6MH1HHNSZHAM','2026-11-24T13:04:00.425197Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(6,'01M86TFWXEHTFBA49G9M06EJ58','2026-11-24T13:04:00.430610Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(7,'01M86TFWXHF8AWBC07FQY1RMKN','2026-11-24T13:04:00.433238Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{"held":true}');
INSERT INTO "job_events" VALUES(8,'01M86TFWXN1RSWR3J9272TB6D3','2026-11-24T13:04:00.437198Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{"after":"01M86TFWX5SG8GZD16P0GK4DF9"}');
INSERT INTO "job_events" VALUES(9,'01M86TFWXSF38W7JBR23ZPWKKV','2026-11-24T13:04:00.441168Z',NULL,'queued',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(10,'01M86TFWX9584T6MH1HHNSZHAM','2026-11-24T13:04:00.445163Z','queued','cancelled','cancelled_before_start','somebody@somewhere',20668,NULL,'{"cancelled_by":"somebody@somewhere","why":"no need"}');
INSERT INTO "job_events" VALUES(11,'01M86TFWWX4S4HJEWB7Y31C439','2026-11-24T13:04:00.445163Z','queued','running',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(12,'01M86TFWWZRK9MKBFNXY32H34X','2026-11-24T13:04:00.445163Z','queued','running',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(13,'01M86TFWX062D8NVER4A4G38RZ','2026-11-24T13:04:00.445163Z','queued','running',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(14,'01M86TFWX5SG8GZD16P0GK4DF9','2026-11-24T13:04:00.445163Z','queued','running',NULL,'somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(15,'01M86TFWWX4S4HJEWB7Y31C439','2026-11-24T13:04:00.520958Z','running','succeeded','completed','somebody@somewhere',20668,NULL,'{}');
INSERT INTO "job_events" VALUES(16,'01M86TFWWZRK9MKBFNXY32H34X','2026-11-24T13:04:00.520958Z','running','failed','handler_error','somebody@somewhere',20668,NULL,'{"exit_code":1,"error":"E: x"}');
INSERT INTO "job_events" VALUES(17,'01M86TFWX062D8NVER4A4G38RZ','2026-11-24T13:04:00.520958Z','running','cancelled','cancelled','somebody@somewhere',20668,NULL,'{}');
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
INSERT INTO "plans" VALUES('01J0000000000000000000PLAN','demo',NULL,'/somewhere','executing','{"timeout": 7}','plan.yaml','0','main','0','worktree','2026-11-24T13:04:00.382059Z','2026-11-24T13:04:00.441168Z');
CREATE TABLE "schema_migration" ("id" INTEGER NOT NULL PRIMARY KEY, "name" VARCHAR(255) NOT NULL, "applied" DATETIME NOT NULL);
INSERT INTO "schema_migration" VALUES(1,'0001_initial','2026-11-24 13:04:00.373428');
INSERT INTO "schema_migration" VALUES(2,'0002_steering','2026-11-24 13:04:00.374980');
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
INSERT INTO "workers" VALUES('01J00000000000000000000WRK','elsewhere','b','n',7,8,0,'running',4,120.0,0,'2026-11-24T13:04:00.382059Z','2026-11-24T13:04:00.382059Z',0,0,NULL,9,'0.1.0',NULL,NULL);
CREATE UNIQUE INDEX "schema_migration_name" ON "schema_migration" ("name");
CREATE INDEX jobs_queued ON async_jobs (priority DESC, seq) WHERE status = 'queued' AND held_at IS NULL AND waits_for IS NULL;
CREATE INDEX jobs_running ON async_jobs (worker_id) WHERE status = 'running';
CREATE INDEX jobs_finished ON async_jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_status ON async_jobs (status, seq);
CREATE INDEX jobs_plan ON async_jobs (plan_id, seq);
CREATE INDEX jobs_retry_of ON async_jobs (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX jobs_waiting ON async_jobs (waits_for) WHERE waits_for IS NOT NULL;
CREATE UNIQUE INDEX one_active_job_per_key ON async_jobs (key) WHERE key IS NOT NULL AND status IN ('queued', 'running');
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
        OR NEW.created_at <> OLD.created_at OR NEW.retry_of IS NOT OLD.retry_of OR NEW.key IS NOT OLD.key
        OR (OLD.worker_id IS NOT NULL AND NEW.worker_id IS NOT OLD.worker_id)
    BEGIN SELECT RAISE(ABORT, 'what a job is, and who owns it, never changes'); END;
CREATE TRIGGER jobs_delete_finished BEFORE DELETE ON async_jobs WHEN OLD.status NOT IN ('cancelled', 'failed', 'succeeded')
    BEGIN SELECT RAISE(ABORT, 'a job is deleted only when it has ended'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('async_jobs',9);
INSERT INTO "sqlite_sequence" VALUES('job_events',17);
COMMIT;

-- One broadcast to a segment of a million members, a thousand at a time, each batch
-- committed; the floor: one INSERT ... SELECT of the same rows into a table of the
-- very same shape; and the runs worked off, a message each, while the rest of the
-- million waits and no table was analyzed since they were made. The members are made without calls, because only the runs are measured.
\set ON_ERROR_STOP on

CREATE TABLE bench.wide (program_id int);
INSERT INTO bench.wide SELECT loyalty.program_create('wide', 'CNY', 'Asia/Shanghai', 'empty');
INSERT INTO loyalty.segment (program_id, name) SELECT program_id, 'everybody' FROM bench.wide;
INSERT INTO loyalty.member (member_id, joined_at, program_id)
SELECT (1::bigint << 51) + n, now() - interval '1 year', program_id FROM bench.wide, generate_series(1, 1000000) n;
INSERT INTO loyalty.account (member_id, salt, program_id, settled_on, due_on, wallet)
SELECT member_id, 0, program_id, current_date + 1, 'infinity', '{}' FROM loyalty.member JOIN bench.wide USING (program_id);
INSERT INTO loyalty.member_segment (member_id, segment, program_id, entered_at)
SELECT member_id, 'everybody', program_id, now() FROM loyalty.member JOIN bench.wide USING (program_id);
INSERT INTO loyalty.automation (program_id, name, trigger_kind)
SELECT program_id, 'news', 'announcement' FROM bench.wide;
INSERT INTO loyalty.message_channel (program_id, name) SELECT program_id, 'plain' FROM bench.wide;
INSERT INTO loyalty.automation_step (automation_id, position, program_id, kind, channel, template)
SELECT automation_id, 10, program_id, 'message', 'plain', 'news' FROM loyalty.automation JOIN bench.wide USING (program_id);
UPDATE loyalty.automation SET status = 'live' WHERE name = 'news';
CREATE TABLE bench.run_floor (LIKE loyalty.automation_run INCLUDING ALL);
VACUUM (ANALYZE) loyalty.member, loyalty.account, loyalty.member_segment;

-- Seconds of the processor that this backend has used.
CREATE FUNCTION bench.cpu() RETURNS numeric LANGUAGE sql AS $$
	SELECT (f[14]::numeric + f[15]::numeric) / 100
	FROM regexp_split_to_array(regexp_replace(pg_read_file('/proc/self/stat'), '\([^)]*\)', 'x'), ' ') f
$$;
CREATE TABLE bench.sent (what text, seconds numeric, cpu numeric, members int);
CREATE PROCEDURE bench.broadcast() LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
	used numeric := bench.cpu();
	turn record;
	n int := 0;
BEGIN
	PERFORM loyalty.automation_broadcast('wide', 'news', 'all', segment => 'everybody', params => '{"price": 99}');
	LOOP
		SELECT * INTO turn FROM loyalty.automation_broadcast_run(1000);
		COMMIT;
		n := n + turn.done;
		EXIT WHEN NOT turn.left_over;
	END LOOP;
	INSERT INTO bench.sent VALUES ('broadcast', extract(epoch FROM clock_timestamp() - began), bench.cpu() - used, n);
END
$$;
CREATE PROCEDURE bench.broadcast_floor() LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
	used numeric := bench.cpu();
BEGIN
	INSERT INTO bench.run_floor (member_id, run_id, program_id, automation_id, occurrence, status, triggered_at, due_at, trigger)
	SELECT s.member_id, s.member_id, s.program_id, 1, '1', 'waiting', now(), now(), '{"price": 99, "broadcast": "all", "broadcast_id": "1"}'
	FROM loyalty.member_segment s WHERE s.segment = 'everybody' ORDER BY s.member_id;
	COMMIT;
	INSERT INTO bench.sent VALUES ('floor', extract(epoch FROM clock_timestamp() - began), bench.cpu() - used, 1000000);
END
$$;
CREATE PROCEDURE bench.broadcast_message() LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
	used numeric := bench.cpu();
	turn record;
	n int := 0;
BEGIN
	LOOP
		SELECT * INTO turn FROM loyalty.automation_run_due(500);
		COMMIT;
		n := n + turn.done;
		EXIT WHEN n >= 200000 OR NOT turn.left_over;
	END LOOP;
	INSERT INTO bench.sent VALUES ('message', extract(epoch FROM clock_timestamp() - began), bench.cpu() - used, n);
END
$$;
CALL bench.broadcast();
CALL bench.broadcast_floor();
CALL bench.broadcast_message();
DO $$
BEGIN
	IF (SELECT count(*) FROM loyalty.automation_run) <> 1000000 THEN
		RAISE EXCEPTION 'runs: %', (SELECT count(*) FROM loyalty.automation_run);
	END IF;
	IF (SELECT count(*) FROM loyalty.message WHERE template = 'news') <> 200000 THEN
		RAISE EXCEPTION 'messages: %', (SELECT count(*) FROM loyalty.message WHERE template = 'news');
	END IF;
END
$$;

INSERT INTO bench.measure (title, value, target, met)
SELECT r.title, r.value, r.target, r.met
FROM (SELECT b.members / b.cpu AS rate, f.cpu / b.cpu AS ratio, m.members / m.cpu AS runs
	FROM bench.sent b JOIN bench.sent f ON b.what = 'broadcast' AND f.what = 'floor' JOIN bench.sent m ON m.what = 'message') x,
LATERAL (VALUES
	(1, 'members a second of the processor to whom a broadcast to 1,000,000 is started', round(x.rate)::text, NULL, NULL),
	(2, 'the same against one `INSERT ... SELECT`', round(x.ratio, 2) || ' x', '>= 0.35', x.ratio >= 0.35),
	(3, 'of these, runs a second of the processor that are worked off, each with one message', round(x.runs)::text, '>= 5000', x.runs >= 5000)) r (place, title, value, target, met)
ORDER BY r.place;

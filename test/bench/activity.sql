-- Activities: 100,000 in one call of track_batch(), against one INSERT ... SELECT of
-- the same rows into a table of the same shape. In turn, five rounds. Half of the
-- rows are of visitors, who are known from the second round on; then the same with
-- keys, and with a condition that counts activities.
\set ON_ERROR_STOP on

INSERT INTO loyalty.activity_kind (program_id, kind, retain_days)
SELECT program_id, kind, 365 FROM loyalty.program, unnest('{search,view,cart,login}'::text[]) kind WHERE name = 'bench';
CREATE TABLE bench.activity (LIKE loyalty.activity INCLUDING ALL);
CREATE SEQUENCE bench.activity_id_seq CACHE 1;
CREATE TABLE bench.visitor (LIKE loyalty.visitor INCLUDING ALL);
INSERT INTO bench.visitor SELECT 1, 'visitor-' || n, -n, now() FROM generate_series(0, 9999) n;
CREATE TABLE bench.tracked (round int, variant text, seconds numeric);

CREATE TABLE bench.behaviour AS
SELECT i AS n, CASE WHEN i % 2 = 0 THEN m.member_id END AS member_id, CASE WHEN i % 2 = 1 THEN 'visitor-' || i % 10000 END AS visitor,
	('{search,view,cart,login}'::text[])[1 + i % 4] AS kind, 'sku' AS target_kind, 'A-' || i % 5000 AS target, 'session-' || i % 30000 AS session,
	i % 300 AS dwell_seconds, 'web' AS channel, CASE WHEN i % 5 = 0 THEN jsonb_build_object('from', 'search', 'place', i % 10) END AS data,
	now() - i * interval '1 second' AS at
FROM generate_series(1, 100000) i
JOIN bench.member m ON m.n = i % (SELECT members FROM bench.setting);
VACUUM (ANALYZE) bench.behaviour, bench.visitor, bench.activity;

CREATE PROCEDURE bench.track(round int, variant text) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz = clock_timestamp();
	kept bigint;
BEGIN
	IF variant = 'floor' THEN
		INSERT INTO bench.activity (member_id, activity_id, at, program_id, dwell_seconds, kind, target_kind, target, session, channel, data)
		SELECT coalesce(b.member_id, v.member_id), nextval('bench.activity_id_seq'), b.at, 1, b.dwell_seconds, b.kind, b.target_kind, b.target,
			b.session, b.channel, b.data
		FROM bench.behaviour b LEFT JOIN bench.visitor v ON v.visitor = b.visitor AND v.program_id = 1
		ORDER BY b.n;
	ELSE
		SELECT t.accepted INTO kept
		FROM loyalty.track_batch('bench', (
			SELECT array_agg((b.member_id, b.visitor, b.kind, b.target_kind, b.target, b.session, b.dwell_seconds, b.channel, b.data, b.at,
				CASE WHEN variant = 'keys' THEN round || '-' || b.n END)::loyalty.activity_row ORDER BY b.n)
			FROM bench.behaviour b)) t;
		IF kept <> 100000 THEN
			RAISE EXCEPTION 'not every activity was kept';
		END IF;
	END IF;
	COMMIT;
	INSERT INTO bench.tracked VALUES (round, variant, extract(epoch FROM clock_timestamp() - began));
END;
$$;

CREATE PROCEDURE bench.track_rounds() LANGUAGE plpgsql AS $$
DECLARE
	variants text[] = '{loyalty,floor,keys}';
BEGIN
	FOR round IN 1 .. 5 LOOP
		FOR i IN 0 .. 2 LOOP
			CALL bench.track(round, variants[1 + (i + round) % 3]);
		END LOOP;
	END LOOP;
	INSERT INTO loyalty.segment (program_id, name, condition)
	SELECT program_id, 'lookers', '$.activities.view.days_30.times >= 3' FROM loyalty.program WHERE name = 'bench';
	COMMIT;
	FOR round IN 1 .. 5 LOOP
		CALL bench.track(round, 'counted');
	END LOOP;
	UPDATE loyalty.segment SET status = 'inactive' WHERE name = 'lookers';
END;
$$;
CALL bench.track_rounds();

INSERT INTO bench.measure (title, value, target, met)
SELECT r.title, r.value, r.target, r.met
FROM (
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY 100000 / l.seconds) AS rate,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY f.seconds / l.seconds) AS floor,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY 100000 / k.seconds) AS keys,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY 100000 / c.seconds) AS counted
	FROM bench.tracked l
	JOIN bench.tracked f ON f.round = l.round AND f.variant = 'floor'
	JOIN bench.tracked k ON k.round = l.round AND k.variant = 'keys'
	JOIN bench.tracked c ON c.round = l.round AND c.variant = 'counted'
	WHERE l.variant = 'loyalty') x,
LATERAL (VALUES
	(1, 'activities a second, 100,000 in one `track_batch`', round(x.rate::numeric)::text, '>= 20000', x.rate >= 20000),
	(2, 'the same against one INSERT of the same rows', round(x.floor::numeric, 2) || ' x', NULL, NULL),
	(3, 'the same, each with a key', round(x.keys::numeric)::text, NULL, NULL),
	(4, 'the same, counted for a condition', round(x.counted::numeric)::text, NULL, NULL)) r (place, title, value, target, met)
ORDER BY r.place;

-- Batch ingestion: the same orders loaded by ingest(), by set-based statements that
-- write the same rows in batches of the same size, and, a part of them, one by one
-- by the PL/pgSQL program. In turn, a part at a time.
-- Variables: orders, members (more than those with a history are made)
\set ON_ERROR_STOP on
\set parts 4

-- members of a year's standing, as those with a history are
SELECT count(loyalty.enroll('bench', jsonb_build_object('card', 'C' || n), at => now() - interval '1 year'))
FROM bench.setting s, generate_series(s.members, :members - 1) n \g /dev/null
INSERT INTO floor.account
SELECT (jsonb_populate_record(NULL::floor.account,
	to_jsonb(a) - 'wallet' || jsonb_build_object('wallet', '\x' || repeat('00', 200)))).*
FROM loyalty.account a
WHERE NOT EXISTS (SELECT FROM floor.account f WHERE f.member_id = a.member_id);
INSERT INTO plpgsql.member (member_id, program_id, points, tier_id, tier_since)
SELECT a.member_id, 1, 0, 1, current_date
FROM loyalty.account a
WHERE NOT EXISTS (SELECT FROM plpgsql.member m WHERE m.member_id = a.member_id);

\ir floor_batch.sql
CREATE TABLE bench.orders AS
SELECT m.member_id, o.amount, o.ref, o.key, o.at, o.part
FROM (
	SELECT (random() * (SELECT max(n) FROM bench.batch_member))::bigint AS m,
		(1000 + (29000 * random())::int) / 100.0 AS amount, 'batch-' || n AS ref, 'load-' || n AS key,
		now() - n % 1000 * interval '1 second' AS at, n % :parts AS part
	FROM generate_series(1, :orders) n) o
JOIN bench.batch_member m ON m.n = o.m
ORDER BY random();
VACUUM (ANALYZE);
CREATE TABLE bench.ingested (part int, variant text, orders bigint, seconds numeric);

CREATE PROCEDURE bench.split(parts int) LANGUAGE plpgsql AS $$
BEGIN
	FOR part IN 0 .. parts - 1 LOOP
		EXECUTE format('CREATE TABLE bench.orders_%s AS SELECT * FROM bench.orders WHERE part = %s', part, part);
	END LOOP;
END;
$$;
CALL bench.split(:parts);

CREATE PROCEDURE bench.floor_load(source regclass, batch int) LANGUAGE plpgsql AS $$
DECLARE
	last tid := '(0,0)';
BEGIN
	CALL bench.floor_batch();
	LOOP
		TRUNCATE batch;
		EXECUTE format('INSERT INTO batch
			SELECT member_id, nextval(''floor.id_seq''), (amount * 100)::bigint, ref, key, at, ctid
			FROM %s WHERE ctid > $1 LIMIT $2', source) USING last, batch;
		SELECT max(place) INTO last FROM batch;
		EXIT WHEN last IS NULL;
		CALL bench.floor_write();
		COMMIT;
	END LOOP;
END;
$$;

-- As fast as it can: in one session, many to a transaction.
CREATE PROCEDURE bench.plpgsql_load(source regclass, batch int, orders int) LANGUAGE plpgsql AS $$
DECLARE
	o record;
	n int := 0;
BEGIN
	FOR o IN EXECUTE format('SELECT member_id, amount, ref, key FROM %s LIMIT $1', source) USING orders LOOP
		PERFORM plpgsql.purchase(o.member_id, o.amount, o.ref, o.key);
		n := n + 1;
		IF n % batch = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END;
$$;

CREATE PROCEDURE bench.note(part int, variant text, orders bigint, began timestamptz) LANGUAGE sql AS $$
	INSERT INTO bench.ingested VALUES ($1, $2, $3, extract(epoch FROM clock_timestamp() - $4))
$$;

-- Twice in either order.
SELECT clock_timestamp() AS began \gset
CALL loyalty.ingest('bench', 'bench.orders_0');
CALL bench.note(0, 'loyalty', :orders / :parts, :'began');
SELECT clock_timestamp() AS began \gset
CALL bench.floor_load('bench.orders_0', 1000);
CALL bench.note(0, 'floor', :orders / :parts, :'began');
SELECT clock_timestamp() AS began \gset
CALL bench.plpgsql_load('bench.orders_0', 1000, :orders / :parts / 5);
CALL bench.note(0, 'plpgsql', :orders / :parts / 5, :'began');
SELECT clock_timestamp() AS began \gset
CALL bench.floor_load('bench.orders_1', 1000);
CALL bench.note(1, 'floor', :orders / :parts, :'began');
SELECT clock_timestamp() AS began \gset
CALL loyalty.ingest('bench', 'bench.orders_1');
CALL bench.note(1, 'loyalty', :orders / :parts, :'began');
SELECT clock_timestamp() AS began \gset
CALL bench.plpgsql_load('bench.orders_1', 1000, :orders / :parts / 5);
CALL bench.note(1, 'plpgsql', :orders / :parts / 5, :'began');
SELECT clock_timestamp() AS began \gset
CALL loyalty.ingest('bench', 'bench.orders_2');
CALL bench.note(2, 'loyalty', :orders / :parts, :'began');
SELECT clock_timestamp() AS began \gset
CALL bench.floor_load('bench.orders_2', 1000);
CALL bench.note(2, 'floor', :orders / :parts, :'began');
SELECT clock_timestamp() AS began \gset
CALL bench.plpgsql_load('bench.orders_2', 1000, :orders / :parts / 5);
CALL bench.note(2, 'plpgsql', :orders / :parts / 5, :'began');
SELECT clock_timestamp() AS began \gset
CALL bench.floor_load('bench.orders_3', 1000);
CALL bench.note(3, 'floor', :orders / :parts, :'began');
SELECT clock_timestamp() AS began \gset
CALL loyalty.ingest('bench', 'bench.orders_3');
CALL bench.note(3, 'loyalty', :orders / :parts, :'began');
SELECT clock_timestamp() AS began \gset
CALL bench.plpgsql_load('bench.orders_3', 1000, :orders / :parts / 5);
CALL bench.note(3, 'plpgsql', :orders / :parts / 5, :'began');

-- the same number of rows, or the comparison is worth nothing
DO $$
BEGIN
	IF EXISTS (SELECT FROM loyalty.ingest_run WHERE rejected > 0 OR status <> 'done')
		OR (SELECT count(*) FROM loyalty.journal WHERE ref ~ '^batch-') <> (SELECT count(*) FROM floor.journal WHERE ref ~ '^batch-')
	THEN
		RAISE EXCEPTION 'not every order was ingested';
	END IF;
END;
$$;

INSERT INTO bench.measure (title, value, target, met)
SELECT title, round(ratio, 2) || ' x', '>= ' || target || ' x', ratio >= target
FROM (
	SELECT 1 AS place, format('batch ingestion of %s orders (%s a second) against set-based INSERT and UPDATE',
			sum(orders) FILTER (WHERE variant = 'loyalty'),
			round(sum(orders) FILTER (WHERE variant = 'loyalty') / sum(seconds) FILTER (WHERE variant = 'loyalty'))) AS title,
		sum(seconds) FILTER (WHERE variant = 'floor') / sum(seconds) FILTER (WHERE variant = 'loyalty') AS ratio, 0.70 AS target
	FROM bench.ingested
	UNION ALL
	SELECT 2, 'the same against PL/pgSQL',
		sum(orders) FILTER (WHERE variant = 'loyalty') / sum(seconds) FILTER (WHERE variant = 'loyalty')
		/ (sum(orders) FILTER (WHERE variant = 'plpgsql') / sum(seconds) FILTER (WHERE variant = 'plpgsql')), 4
	FROM bench.ingested) r
ORDER BY place;

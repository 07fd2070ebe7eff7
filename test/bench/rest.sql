-- What is not a rate: bytes on disk, the share of HOT updates, and whether a
-- long history costs anything.
\set ON_ERROR_STOP on

-- Bytes on disk, in indexes that a year of random members has left as they are

CREATE FUNCTION bench.ledger_size() RETURNS bigint LANGUAGE sql
RETURN pg_total_relation_size('loyalty.journal') + pg_total_relation_size('loyalty.entry');

CREATE FUNCTION bench.purchases(n int) RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT count(loyalty.purchase(s.first + s.stride * floor(s.members * random())::bigint,
		(10 + 290 * random())::numeric(9, 2), (1e15 * random())::bigint::text,
		key => (1e15 * random())::bigint::text))
	FROM bench.setting s, generate_series(1, n)
$$;

SELECT bench.ledger_size() AS size \gset
SELECT bench.purchases(30000) \g /dev/null
INSERT INTO bench.measure (title, value)
SELECT 'bytes on disk of a purchase that 5 rules award, indexes included', (bench.ledger_size() - :size) / 30000;

-- the three rules of the template alone
UPDATE loyalty.rule SET status = 'inactive'
WHERE rule_id IN (SELECT rule_id FROM loyalty.rule ORDER BY rule_id DESC LIMIT 2);
SELECT bench.ledger_size() AS size \gset
SELECT bench.purchases(30000) \g /dev/null
INSERT INTO bench.measure (title, value, target, met)
SELECT 'bytes on disk of a purchase that 3 rules award, indexes included', bytes, '<= 700', bytes <= 700
FROM (SELECT (bench.ledger_size() - :size) / 30000 AS bytes) AS size;
UPDATE loyalty.rule SET status = 'active' WHERE status = 'inactive';

INSERT INTO bench.measure (title, value, target, met)
SELECT 'bytes of an account row', bytes, '< 1000', bytes < 1000
FROM (SELECT avg(pg_column_size(account.*))::int AS bytes FROM loyalty.account) AS size;

INSERT INTO bench.measure (title, value, target, met)
SELECT 'updates of `account` that are HOT', format('%s %%', percent), '> 95 %', percent > 95
FROM (SELECT round(100.0 * sum(CASE phase WHEN 'after' THEN hot ELSE -hot END)
                   / sum(CASE phase WHEN 'after' THEN updated ELSE -updated END), 1) AS percent
      FROM bench.written
      WHERE variant = 'loyalty' AND relname = 'account') AS updates;

-- Length of history: members with two orders against members with 20,000, each
-- order with five entries; alternately a short run of calls for one of each

SELECT (loyalty.enroll('bench', '{"card": "LONG1"}')).member_id AS long1 \gset
SELECT (loyalty.enroll('bench', '{"card": "LONG2"}')).member_id AS long2 \gset
CALL bench.grow(:long1, 20000);
CALL bench.grow(:long2, 20000);

CREATE TABLE bench.short AS
SELECT n, (loyalty.enroll('bench', jsonb_build_object('card', 'SHORT' || n))).member_id
FROM generate_series(1, 40) AS n;

DO $$
DECLARE
	member bigint;
BEGIN
	FOR member IN SELECT member_id FROM bench.short LOOP
		COMMIT;
		CALL bench.grow(member, 2);
	END LOOP;
END;
$$;
VACUUM (ANALYZE) loyalty.account, loyalty.journal, loyalty.entry;
CHECKPOINT;

CREATE TABLE bench.history (round int, long boolean, seconds float8);

CREATE PROCEDURE bench.compare_history(long1 bigint, long2 bigint)
LANGUAGE plpgsql AS $$
DECLARE
	short  bigint;
	member bigint;
	start  timestamptz;
BEGIN
	FOR round IN 1 .. 40 LOOP
		SELECT member_id INTO short FROM bench.short WHERE n = round;
		FOREACH member IN ARRAY ARRAY[short, CASE WHEN round % 2 = 0 THEN long1 ELSE long2 END] LOOP
			start := clock_timestamp();
			CALL bench.grow(member, 100);
			INSERT INTO bench.history VALUES (round, member <> short, extract(epoch FROM clock_timestamp() - start));
			COMMIT;
		END LOOP;
	END LOOP;
END;
$$;
CALL bench.compare_history(:long1, :long2);

INSERT INTO bench.measure (title, value, target, met)
SELECT 'time of a purchase after 100,000 entries against after 10', format('%s x', round(ratio::numeric, 2)),
	'<= 1.10 x', ratio <= 1.1
FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY l.seconds / s.seconds) AS ratio
      FROM bench.history l JOIN bench.history s USING (round)
      WHERE l.long AND NOT s.long) AS history;

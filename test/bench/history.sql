-- Whether a long history costs anything: members with two orders against members
-- with 20,000, each order with five entries; alternately a short run of calls for
-- one of each. And what was counted along the way.
\set ON_ERROR_STOP on

INSERT INTO bench.measure (title, value, target, met)
SELECT 'updates of `account` that are HOT', format('%s %%', percent), '> 95 %', percent > 95
FROM (SELECT round(100.0 * sum(CASE phase WHEN 'after' THEN hot ELSE -hot END)
                   / sum(CASE phase WHEN 'after' THEN updated ELSE -updated END), 1) AS percent
      FROM bench.written
      WHERE variant = 'loyalty' AND relname = 'account') AS updates;

-- Order numbers increase, as they do in a shop; random ones would compare how
-- many index pages fit into the processor's cache.
CREATE SEQUENCE bench.order_no MINVALUE 100000000000000;

CREATE PROCEDURE bench.grow(member_id bigint, purchases int)
LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. purchases LOOP
		PERFORM loyalty.purchase(member_id, 100, nextval('bench.order_no')::text,
			key => currval('bench.order_no')::text);
		COMMIT;
	END LOOP;
END;
$$;

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

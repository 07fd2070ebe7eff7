-- Maintenance: members of whom something falls due in one night: a lot of each
-- lapses, and the tier of every tenth comes up for review. They have joined and
-- bought by the extension's own verbs, up to the day before.
-- Variables: members
\set ON_ERROR_STOP on

SELECT loyalty.program_create('night', 'EUR', 'Europe/Paris') AS program,
	(now() AT TIME ZONE 'Europe/Paris')::date AS today \gset
UPDATE loyalty.unit SET expiry = 'days', expiry_count = 185 WHERE program_id = :program AND code = 'points';
INSERT INTO loyalty.tier (program_id, code, rank)
SELECT :program, code, rank FROM (VALUES ('member', 0), ('silver', 1), ('gold', 2)) AS t (code, rank);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, months)
SELECT :program, tier_id, unit_id, threshold, 12
FROM loyalty.tier JOIN (VALUES ('silver', 1000), ('gold', 10000)) AS t (code, threshold) USING (code), loyalty.unit
WHERE tier.program_id = :program AND unit.program_id = :program AND unit.code = 'spend';

SELECT set_config('loyalty.now', (date :'today' - 1 || ' 12:00 Europe/Paris')::timestamptz::text, false) \g /dev/null
CREATE TABLE bench.sleeper AS
SELECT n, (loyalty.enroll('night', jsonb_build_object('card', 'N' || n))).member_id FROM generate_series(0, :members - 1) n;
ANALYZE loyalty.identity, loyalty.member, loyalty.account, loyalty.journal, loyalty.entry, bench.sleeper;

-- an order a month; the points of the first are good until yesterday
CREATE PROCEDURE bench.half_year(today date) LANGUAGE plpgsql AS $$
BEGIN
	FOR months_ago IN REVERSE 5 .. 0 LOOP
		PERFORM loyalty.ingest_batch('night', array_agg((n::text, member_id, NULL, NULL, 90 + n % 17, 'order-' || months_ago, NULL, NULL,
			(today - 36 - 30 * months_ago || ' 10:00 Europe/Paris')::timestamptz, NULL, NULL)::loyalty.ingest_row), 'bench')
		FROM bench.sleeper GROUP BY n / 1000;
		COMMIT;
	END LOOP;
END;
$$;
CALL bench.half_year(:'today');
SELECT count(r.status) FROM bench.sleeper s,
	loyalty.tier_grant(s.member_id, 'silver', 'bench', until => date :'today' - 1) r WHERE s.n % 10 = 0 \g /dev/null
RESET loyalty.now;

CREATE TABLE bench.night AS
SELECT program_id, count(*) AS due FROM loyalty.account WHERE program_id = :program AND due_on <= date :'today' GROUP BY program_id;
CREATE TABLE bench.watch (pid int, done int, cpu numeric, wall numeric);
CREATE TABLE bench.locked (pid int, n bigint);
CREATE TABLE bench.beside (tps numeric, maintained boolean);

-- what this session has had of the processor, in hundredths of a second
CREATE FUNCTION bench.ticks() RETURNS numeric LANGUAGE sql VOLATILE AS $$
	SELECT sum(field::numeric) FROM regexp_split_to_table(regexp_replace(pg_read_file('/proc/self/stat', 0, 1000), '^.*\) ', ''), ' ')
		WITH ORDINALITY f (field, place) WHERE place IN (12, 13)
$$;
-- rows that a session of maintenance has locked or changed and not committed
CREATE FUNCTION bench.look() RETURNS void LANGUAGE sql VOLATILE AS $$
	INSERT INTO bench.locked
	SELECT l.pid, count(*) FROM loyalty.account a
	JOIN pg_locks l ON l.locktype = 'transactionid' AND l.granted AND l.transactionid = a.xmax
	JOIN pg_stat_activity s ON s.pid = l.pid AND s.application_name = 'maintenance'
	GROUP BY l.pid
$$;
-- The job that works them off, batch by batch, each committed, as maintain() calls it. Not all jobs: one
-- of them folds the journal for as long as somebody buys.
CREATE PROCEDURE bench.night(batch int, INOUT done int DEFAULT 0) LANGUAGE plpgsql AS $$
DECLARE
	turn record;
BEGIN
	LOOP
		SELECT * INTO turn FROM loyalty.maintain_batch('account', batch);
		COMMIT;
		done := done + turn.done;
		EXIT WHEN NOT turn.left_over;
	END LOOP;
END;
$$;

-- Members to buy by number, and what a hand-written loader would send for each batch,
-- with constants where the extension has to think; for ingest.sql and attach.sql.
SET client_min_messages = warning;
CREATE TABLE IF NOT EXISTS bench.batch_member AS
SELECT row_number() OVER (ORDER BY member_id) - 1 AS n, member_id FROM loyalty.account;
RESET client_min_messages;

CREATE OR REPLACE PROCEDURE bench.floor_batch() LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL client_min_messages = warning;
	DROP TABLE IF EXISTS pg_temp.batch;
	CREATE TEMP TABLE batch (member_id bigint, id bigint, cents bigint, ref text, key text, at timestamptz, place tid);
END;
$$;
CREATE OR REPLACE PROCEDURE bench.floor_write() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO floor.journal (member_id, journal_id, effective_at, recorded_at, amount, program_id,
		tier_before, tier_after, kind, event, key, ref, actor, request_hash, awarded_plainly)
	SELECT member_id, id, at, clock_timestamp(), cents, 1, 3, 3, 'event', 'purchase', key, ref, 'postgres',
		'\x00112233445566778899aabbccddeeff', true
	FROM batch;
	INSERT INTO floor.entry (member_id, journal_id, amount, balance_after, program_id, unit_id,
		vests_on, expires_on, rule_id, line, origin)
	SELECT b.member_id, b.id, e.*
	FROM batch b, LATERAL (VALUES
		(155::bigint, 20000::bigint, 1, 1, NULL::date, '2030-01-31'::date, 1, 1::smallint, 'e'::"char"),
		(b.cents, 2000000, 1, 2, '2029-01-01', NULL, 2, 2, 'e'),
		(1, 14, 1, 3, '2029-01-01', NULL, 3, 3, 'e'),
		(10, 20010, 1, 1, NULL, '2030-01-31', 4, 4, 'e'),
		(15, 20025, 1, 1, NULL, '2030-01-31', 5, 5, 'e')) e;
	-- the first lot of a member changes due_on, which has an index
	UPDATE floor.account a
	SET wallet = set_byte(set_byte(a.wallet, 40, 1), 140, 2), last_event_at = b.at, last_purchase_at = b.at,
		purchases = a.purchases + b.n, due_on = least(a.due_on, '2030-02-01')
	FROM (SELECT member_id, max(at) AS at, count(*) AS n FROM batch GROUP BY member_id) b
	WHERE a.member_id = b.member_id;
END;
$$;

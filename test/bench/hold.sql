-- Holds for capture() to capture, one for each call that will be measured.
-- pgbench computes their ids too: in steps of a prime, because the floor takes random
-- ones and neighbours share pages.
-- Variables: holds
\set ON_ERROR_STOP on
SET synchronous_commit = off;

CREATE TABLE bench.hold AS
SELECT n, (h.receipt).hold_id
FROM generate_series(0, :holds - 1) AS n, bench.setting s,
	LATERAL (SELECT loyalty.hold(s.first + s.stride * (n % s.members), 100, ttl => '1 day',
	                             key => (1e15 * random())::bigint::text) AS receipt OFFSET 0) AS h;

ALTER TABLE bench.setting ADD holds bigint, ADD hold_first bigint, ADD hold_stride bigint;
UPDATE bench.setting
SET (holds, hold_first, hold_stride) =
	(SELECT count(*), min(hold_id), (max(hold_id) - min(hold_id)) / (count(*) - 1) FROM bench.hold);

DO $$
BEGIN
	IF EXISTS (SELECT FROM bench.hold h, bench.setting s
	           WHERE h.hold_id <> s.hold_first + s.hold_stride * h.n)
	THEN
		RAISE EXCEPTION 'hold ids are not evenly spaced';
	END IF;
	IF (SELECT holds % 7919 = 0 FROM bench.setting) THEN
		RAISE EXCEPTION 'the number of holds is a multiple of the step in which they are taken';
	END IF;
END;
$$;

INSERT INTO floor.hold (member_id, hold_id, journal_id, amount, captured, expires_at, program_id,
	unit_id, status, ref, lots)
SELECT member_id, hold_id, journal_id, amount, captured, expires_at, program_id,
	unit_id, status, ref, loyalty.wallet_send(lots)
FROM loyalty.hold JOIN bench.hold USING (hold_id);

-- the ids of this program begin at the first hold that is captured
TRUNCATE plpgsql.hold, plpgsql.hold_lot;
ALTER SEQUENCE plpgsql.hold_id_seq RESTART;
SELECT count(plpgsql.hold(s.first + s.stride * (n % s.members), 100, '1 day', (1e15 * random())::bigint::text))
FROM generate_series(0, :holds - 1) AS n, bench.setting s \g /dev/null

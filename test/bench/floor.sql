-- The floor: tables of the very same shape with the same rows in them, and
-- functions that write what the extension writes, with constants where the
-- extension has to think. Nothing is read, checked or locked first. The pgbench
-- scripts op/*.floor_pipeline.sql send the same statements without a function.
\set ON_ERROR_STOP on

CREATE SCHEMA floor;
CREATE SEQUENCE floor.id_seq;

CREATE TABLE floor.account (LIKE loyalty.account INCLUDING ALL);
CREATE TABLE floor.journal (LIKE loyalty.journal INCLUDING ALL);
CREATE TABLE floor.entry (LIKE loyalty.entry INCLUDING ALL);
CREATE TABLE floor.hold (LIKE loyalty.hold INCLUDING ALL);

-- LIKE does not take the fill factor along
DO $$
DECLARE
	relation record;
BEGIN
	FOR relation IN
		SELECT relname, unnest(reloptions) AS option
		FROM pg_class
		WHERE relnamespace = 'loyalty'::regnamespace
		AND relname IN ('account', 'journal', 'entry', 'hold')
	LOOP
		EXECUTE format('ALTER TABLE floor.%I SET (%s)', relation.relname, relation.option);
	END LOOP;
END;
$$;

INSERT INTO floor.account SELECT * FROM loyalty.account;
INSERT INTO floor.journal SELECT * FROM loyalty.journal ORDER BY journal_id;
INSERT INTO floor.entry SELECT * FROM loyalty.entry ORDER BY journal_id, line;
-- far from the ids of the extension, whose holds are copied later
SELECT setval('floor.id_seq', 1000000000000) \g /dev/null

-- as many bytes as the wallet; the floor changes one of them, a purchase two that
-- lie apart, because it changes lots of several units
ALTER TABLE floor.account ALTER wallet TYPE bytea USING loyalty.wallet_send(wallet);
ALTER TABLE floor.hold ALTER lots TYPE bytea USING loyalty.wallet_send(lots);

CREATE FUNCTION floor.purchase(m bigint, cents bigint, new_ref text, new_key text, byte int)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	id bigint := nextval('floor.id_seq');
BEGIN
	UPDATE floor.account
	SET wallet = set_byte(set_byte(wallet, 40, byte), 140, byte), last_event_at = now(), last_purchase_at = now()
	WHERE member_id = m;
	INSERT INTO floor.journal (member_id, journal_id, effective_at, recorded_at, amount, program_id,
		tier_before, tier_after, kind, event, key, ref, actor, request_hash, awarded_plainly)
	VALUES (m, id, now(), clock_timestamp(), cents, 1, 3, 3, 'event', 'purchase', new_key, new_ref, 'postgres',
		'\x00112233445566778899aabbccddeeff', true);
	INSERT INTO floor.entry (member_id, journal_id, amount, balance_after, program_id, unit_id,
		vests_on, expires_on, rule_id, line, origin)
	VALUES (m, id, 155, 20000, 1, 1, NULL, '2030-01-31', 1, 1, 'e'),
		(m, id, cents, 2000000, 1, 2, '2029-01-01', NULL, 2, 2, 'e'),
		(m, id, 1, 14, 1, 3, '2029-01-01', NULL, 3, 3, 'e'),
		(m, id, 10, 20010, 1, 1, NULL, '2030-01-31', 4, 4, 'e'),
		(m, id, 15, 20025, 1, 1, NULL, '2030-01-31', 5, 5, 'e');
	RETURN id;
END;
$$;

CREATE FUNCTION floor.redeem(m bigint, new_ref text, new_key text, byte int)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	id bigint := nextval('floor.id_seq');
BEGIN
	UPDATE floor.account
	SET wallet = set_byte(wallet, 40, byte), last_event_at = now()
	WHERE member_id = m;
	INSERT INTO floor.journal (member_id, journal_id, effective_at, recorded_at, amount, program_id,
		unit_id, tier_before, tier_after, kind, key, ref, actor, request_hash)
	VALUES (m, id, now(), clock_timestamp(), 100, 1, 1, 3, 3, 'redeem', new_key, new_ref, 'postgres',
		'\x00112233445566778899aabbccddeeff');
	INSERT INTO floor.entry (member_id, journal_id, amount, balance_after, program_id, unit_id,
		vests_on, expires_on, rule_id, line, origin)
	VALUES (m, id, -100, 20000, 1, 1, NULL, '2030-01-31', NULL, 1, 'e');
	RETURN id;
END;
$$;

CREATE FUNCTION floor.hold(m bigint, new_key text, byte int)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	id bigint := nextval('floor.id_seq');
	new_hold bigint := nextval('floor.id_seq');
BEGIN
	UPDATE floor.account
	SET wallet = set_byte(wallet, 40, byte), last_event_at = now(), hold_until = now() + '1 day'
	WHERE member_id = m;
	INSERT INTO floor.journal (member_id, journal_id, effective_at, recorded_at, amount, hold_id,
		program_id, unit_id, tier_before, tier_after, kind, key, actor, request_hash)
	VALUES (m, id, now(), clock_timestamp(), 100, new_hold, 1, 1, 3, 3, 'hold', new_key, 'postgres',
		'\x00112233445566778899aabbccddeeff');
	INSERT INTO floor.entry (member_id, journal_id, amount, balance_after, program_id, unit_id,
		vests_on, expires_on, rule_id, line, origin)
	VALUES (m, id, -100, 20000, 1, 1, NULL, '2030-01-31', NULL, 1, 'e');
	INSERT INTO floor.hold (member_id, hold_id, journal_id, amount, expires_at, program_id, unit_id, lots)
	VALUES (m, new_hold, id, 100, now() + '1 day', 1, 1, '\x0011223344556677');
	RETURN new_hold;
END;
$$;

CREATE FUNCTION floor.capture(m bigint, held bigint, new_key text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	id bigint := nextval('floor.id_seq');
BEGIN
	UPDATE floor.account
	SET last_event_at = now(), hold_until = now() + '1 day'
	WHERE member_id = m;
	INSERT INTO floor.journal (member_id, journal_id, effective_at, recorded_at, amount, hold_id,
		program_id, unit_id, tier_before, tier_after, kind, key, actor, request_hash)
	VALUES (m, id, now(), clock_timestamp(), 100, held, 1, 1, 3, 3, 'capture', new_key, 'postgres',
		'\x00112233445566778899aabbccddeeff');
	UPDATE floor.hold SET status = 'captured', captured = 100
	WHERE member_id = m AND hold_id = held;
	RETURN id;
END;
$$;

-- The row of the account through the same kind of function as balance(): owned
-- by another, under a fixed path, seven columns.

CREATE FUNCTION floor.balance(m bigint,
	OUT member_id bigint, OUT status text, OUT tier_id int, OUT settled_on date, OUT due_on date,
	OUT last_event_at timestamptz, OUT hold_until timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	SELECT a.member_id, a.status, a.tier_id, a.settled_on, a.due_on, a.last_event_at, a.hold_until
	INTO member_id, status, tier_id, settled_on, due_on, last_event_at, hold_until
	FROM floor.account a WHERE a.member_id = m;
END;
$$;

CREATE FUNCTION floor.balance_sql(m bigint)
RETURNS TABLE (member_id bigint, status text, tier_id int, settled_on date, due_on date,
	last_event_at timestamptz, hold_until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT a.member_id, a.status, a.tier_id, a.settled_on, a.due_on, a.last_event_at, a.hold_until
	FROM floor.account a WHERE a.member_id = m;
END;

-- The same for has_benefit(), which returns one value.

CREATE FUNCTION floor.has_benefit(m bigint)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT a.tier_id > 0 FROM floor.account a WHERE a.member_id = m);
END;
$$;

CREATE FUNCTION floor.has_benefit_sql(m bigint)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
RETURN (SELECT a.tier_id > 0 FROM floor.account a WHERE a.member_id = m);

-- The first lines of every file in test/sql, read from the top directory:
--     \set ECHO none
--     \i test/prelude.sql
-- One transaction, a fixed clock, and a few words to speak about members with.
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = 'postgres';
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION loyalty;
SET loyalty.now = '2026-03-15 12:00+00';

-- Names and defaults of the arguments, and what comes back.
CREATE FUNCTION pg_temp.signature(name text) RETURNS text
LANGUAGE sql AS $$
	SELECT format('(%s) -> %s', pg_get_function_arguments(f), pg_get_function_result(f))
	FROM (SELECT ('loyalty.' || name)::regproc::oid AS f) f
$$;

CREATE PROCEDURE pg_temp.enroll(program text, VARIADIC names text[])
LANGUAGE plpgsql AS $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY names LOOP
		PERFORM loyalty.enroll(program, jsonb_build_object('customer_no', name));
	END LOOP;
END
$$;

-- The member with this identity, in whichever programme.
CREATE FUNCTION pg_temp.id(name text) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT member_id FROM loyalty.identity WHERE value = name $$;

-- '70 available, 30 held': what is not zero of a member's balance in a unit.
CREATE FUNCTION pg_temp.balance(name text, unit text DEFAULT 'points', as_of date DEFAULT NULL)
RETURNS text LANGUAGE sql STABLE AS $$
	SELECT coalesce(nullif(concat_ws(', ',
		trim_scale(nullif(available, 0)) || ' available',
		trim_scale(nullif(pending, 0)) || ' pending',
		trim_scale(nullif(held, 0)) || ' held',
		trim_scale(nullif(debt, 0)) || ' debt'), ''), 'nothing')
	FROM loyalty.balance(pg_temp.id($1), $2, $3)
$$;

-- '30 e until 2027-01-31, 70 e from 2026-04-01': the lots of a unit, folded from
-- the ledger and not from the wallet.
CREATE FUNCTION pg_temp.lots(name text, unit text DEFAULT 'points') RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', trim_scale(amount), origin,
		'from ' || to_char(vests_on, 'YYYY-MM-DD'), 'until ' || to_char(expires_on, 'YYYY-MM-DD')),
		', ' ORDER BY expires_on, strpos('ebatpd', origin), vests_on NULLS FIRST), 'none')
	FROM (SELECT e.vests_on, e.expires_on, e.origin::text, sum(e.amount) / 10.0 ^ u.scale AS amount
		FROM loyalty.entry e JOIN loyalty.unit u USING (unit_id)
		WHERE e.member_id = pg_temp.id($1) AND u.code = $2
		GROUP BY e.vests_on, e.expires_on, e.origin, u.scale
		HAVING sum(e.amount) <> 0) lot
$$;

-- '-33 points, -33.33 spend': what a call moved in all, by unit.
CREATE FUNCTION pg_temp.moved(r loyalty.receipt) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(string_agg(trim_scale(amount) || ' ' || unit, ', ' ORDER BY unit), 'nothing')
	FROM (SELECT unit, sum(amount) AS amount FROM unnest((r).postings) GROUP BY unit) posting
$$;

-- 'event purchase o1, redeem': the journal of a member, in order.
CREATE FUNCTION pg_temp.journal(name text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', kind, event, ref), ', ' ORDER BY journal_id), 'empty')
	FROM loyalty.journal WHERE member_id = pg_temp.id(name)
$$;

-- What a replay must repeat.
CREATE FUNCTION pg_temp.told(r loyalty.receipt) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$ SELECT to_jsonb(r) - 'replayed' $$;

-- 'LY120 available=120 requested=150': code and detail of the error that it raises.
CREATE FUNCTION pg_temp.raised(statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	code text;
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL;
	RETURN rtrim(code || ' ' || detail);
END
$$;

-- A digest of every row of every table; equal when nothing was written.
CREATE FUNCTION pg_temp.state() RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	name regclass;
	digest text;
	digests text = '';
BEGIN
	FOR name IN
		SELECT oid FROM pg_class
		WHERE relnamespace = 'loyalty'::regnamespace AND relkind = 'r' ORDER BY relname
	LOOP
		EXECUTE format('SELECT md5(coalesce(string_agg(t::text, E''\n'' ORDER BY t::text), '''')) FROM %s t', name)
		INTO digest;
		digests := digests || digest;
	END LOOP;
	RETURN md5(digests);
END
$$;

-- A rule of the newest programme, or of the one named: '{"kind": "fixed", "award": 5, ...}', columns
-- and their values. Event purchase, unit points and kind fixed, if nothing else is said.
CREATE FUNCTION pg_temp.rule(settings jsonb) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
	program int := coalesce((SELECT program_id FROM loyalty.program p WHERE p.name = settings ->> 'program'),
		(SELECT max(program_id) FROM loyalty.program));
	rule jsonb := '{"event": "purchase", "kind": "fixed"}' || settings - '{program,unit}'::text[]
		|| jsonb_build_object('program_id', program, 'unit_id',
			(SELECT unit_id FROM loyalty.unit u WHERE u.program_id = program AND u.code = coalesce(settings ->> 'unit', 'points')));
	id int;
BEGIN
	EXECUTE (SELECT format('INSERT INTO loyalty.rule (%s) VALUES (%s) RETURNING rule_id',
			string_agg(format('%I', key), ', '), string_agg(format('%L', value), ', '))
		FROM jsonb_each_text(rule))
	INTO id;
	RETURN id;
END
$$;

-- A coupon of the newest programme, or of the one named: '{"kind": "amount", "amount": 5, ...}', columns and
-- their values; "price_unit" and "unit" by their codes. An offer with "automatic": true.
CREATE FUNCTION pg_temp.coupon(settings jsonb) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
	program int := coalesce((SELECT program_id FROM loyalty.program p WHERE p.name = settings ->> 'program'),
		(SELECT max(program_id) FROM loyalty.program));
	coupon jsonb := settings - '{program,unit,price_unit}'::text[] || jsonb_build_object('program_id', program)
		|| coalesce((SELECT jsonb_object_agg(k.key || '_id', u.unit_id)
			FROM (VALUES ('unit'), ('price_unit')) k (key)
			JOIN loyalty.unit u ON u.program_id = program AND u.code = settings ->> k.key), '{}');
	id int;
BEGIN
	EXECUTE (SELECT format('INSERT INTO loyalty.coupon (%s) VALUES (%s) RETURNING coupon_id',
			string_agg(format('%I', key), ', '), string_agg(format('%L', value), ', '))
		FROM jsonb_each_text(coupon))
	INTO id;
	RETURN id;
END
$$;

-- What rules came to, in their order: as it was recorded, or as the entries say it.
CREATE TEMP VIEW award_record AS
WITH plain AS MATERIALIZED (
	SELECT e.* FROM loyalty.journal j JOIN loyalty.entry e USING (member_id, journal_id) WHERE j.awarded_plainly
)
SELECT d.member_id, d.journal_id, x.n, x.a
FROM loyalty.event_data d CROSS JOIN jsonb_array_elements(d.data -> 'awards') WITH ORDINALITY x (a, n)
UNION ALL
SELECT e.member_id, e.journal_id, e.line, jsonb_build_object('rule', e.rule_id, 'granted', e.amount)
FROM plain e;

-- 'base 100, double 50 of 100, gift tier_mismatch': the same of one event.
CREATE FUNCTION pg_temp.awards(name text, ref text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT string_agg(concat_ws(' ', r.name, coalesce(a ->> 'reason', concat_ws(' of ', a ->> 'granted', nullif(a -> 'desired', a -> 'granted')))),
		', ' ORDER BY n)
	FROM loyalty.journal j
	JOIN pg_temp.award_record USING (member_id, journal_id)
	LEFT JOIN loyalty.rule r ON r.rule_id = (a -> 'rule')::int
	WHERE j.member_id = pg_temp.id($1) AND j.ref = $2 AND j.kind = 'event'
$$;

-- 'gold until 2027-03-14 warned': the tier of a member, as of now.
CREATE FUNCTION pg_temp.tier(name text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT concat_ws(' ', coalesce(tier, 'none'), 'until ' || to_char(tier_until, 'YYYY-MM-DD'),
		nullif(tier_state, 'normal'))
	FROM loyalty.tier_current(pg_temp.id(name))
$$;

-- 'ordinary -> gold': what a call did to the tier.
CREATE FUNCTION pg_temp.step(r loyalty.receipt) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce((r).tier_before, 'none') || ' -> ' || coalesce((r).tier_after, 'none') $$;

-- 'joined ordinary, promoted gold 1200/1000 growth': what became of a member's tier.
CREATE FUNCTION pg_temp.tiers(name text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', h.action, coalesce(t.code, 'none'),
		trim_scale(h.reached / 10.0 ^ u.scale) || '/' || trim_scale(h.threshold / 10.0 ^ u.scale) || ' ' || u.code),
		', ' ORDER BY h.journal_id, h.line), 'nothing')
	FROM loyalty.tier_history h
	LEFT JOIN loyalty.tier t ON t.tier_id = h.tier_after
	LEFT JOIN loyalty.unit u ON u.unit_id = h.unit_id
	WHERE h.member_id = pg_temp.id(name)
$$;

-- A benefit of the newest programme, or of the one named, for these holders:
-- '{"name": "lounge", "kind": "quota", "unit": "visits", "quantity": 2}', 'tier gold', 'everyone'.
CREATE FUNCTION pg_temp.offer(settings jsonb, VARIADIC holders text[] DEFAULT '{}') RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
	program int := coalesce((SELECT program_id FROM loyalty.program p WHERE p.name = settings ->> 'program'),
		(SELECT max(program_id) FROM loyalty.program));
	benefit jsonb := settings - '{program,unit}'::text[] || jsonb_strip_nulls(jsonb_build_object('program_id', program,
		'unit_id', (SELECT unit_id FROM loyalty.unit u WHERE u.program_id = program AND u.code = settings ->> 'unit')));
	id int;
BEGIN
	EXECUTE (SELECT format('INSERT INTO loyalty.benefit (%s) VALUES (%s) RETURNING benefit_id',
			string_agg(format('%I', key), ', '), string_agg(format('%L', value), ', '))
		FROM jsonb_each_text(benefit))
	INTO id;
	INSERT INTO loyalty.benefit_holder (program_id, benefit_id, source, name)
	SELECT program, id, split_part(holder, ' ', 1), split_part(holder, ' ', 2) FROM unnest(holders) holder;
	RETURN id;
END
$$;

-- 'quota_used 1, left 3, until 2026-03-31': what a receipt tells of benefits; of a refusal its detail.
CREATE FUNCTION pg_temp.news(r loyalty.receipt) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(string_agg(concat_ws(', ', concat_ws(' ', value ->> 'code', value ->> 'quantity'),
		'left ' || (value ->> 'left'), 'until ' || (value ->> 'until'), value ->> 'detail'), '; ' ORDER BY place), 'nothing')
	FROM jsonb_array_elements((r).messages) WITH ORDINALITY m (value, place)
$$;

-- 'used o1 until 2026-04-13, issued': the vouchers of a member, in the order in which they were issued.
CREATE FUNCTION pg_temp.vouchers(name text, benefit text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(concat_ws(' ', v.status, v.ref, 'until ' || to_char(v.valid_until, 'YYYY-MM-DD')), ', '
		ORDER BY v.voucher_id), 'none')
	FROM loyalty.voucher v JOIN loyalty.benefit b USING (benefit_id)
	WHERE v.member_id = pg_temp.id($1) AND b.name = $2
$$;

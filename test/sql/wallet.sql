\set ECHO none
\set QUIET 1
\pset format unaligned
\pset tuples_only true

BEGIN;
-- also where pg_regress has chosen another
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
CREATE EXTENSION loyalty;
SET LOCAL search_path = loyalty, public;

SELECT plan(195);

-- What a statement raises: "SQLSTATE detail", or the message without a detail
CREATE FUNCTION pg_temp.fault(statement text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
	state text;
	message text;
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE,
		message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN state || ' ' || COALESCE(NULLIF(detail, ''), message);
END
$$;

-- Bytes as they could stand in a table whose page is damaged
CREATE CAST (bytea AS loyalty.wallet) WITHOUT FUNCTION;

--
-- Text form
--

SELECT is(literal::wallet::text, canonical,
		  'text: ' || translate(literal, E'\t\n\r\f\x0b', ''))
FROM (VALUES
	('{}', '{}'),
	(E' \t\n{ \r\f\x0b} ', '{}'),
	('{1 - - e 1}', '{1 - - e 1}'),
	('{2 - - d -40,1 2026-04-01 2027-03-31 e 120}',
	 '{1 2026-04-01 2027-03-31 e 120, 2 - - d -40}'),
	(E'{\n1\t-   - e\n120 ,\n2 - - d -40\n}',
	 '{1 - - e 120, 2 - - d -40}'),
	('{0001 - - e 000000000000000000000000000120}', '{1 - - e 120}'),
	-- in order of unit, then expiry, then origin, then vesting
	('{7 - - p 1, 7 - - e 2, 7 2026-01-05 2026-12-31 e 3,'
	 ' 7 - 2026-12-31 e 4, 7 - 2026-12-31 b 5, 7 - 2026-06-30 t 6,'
	 ' 3 - - a 7}',
	 '{3 - - a 7, 7 - 2026-06-30 t 6, 7 - 2026-12-31 e 4,'
	 ' 7 2026-01-05 2026-12-31 e 3, 7 - 2026-12-31 b 5, 7 - - e 2,'
	 ' 7 - - p 1}'),
	('{1 - - d -6, 1 - - p 5, 1 - - t 4, 1 - - a 3, 1 - - b 2, 1 - - e 1}',
	 '{1 - - e 1, 1 - - b 2, 1 - - a 3, 1 - - t 4, 1 - - p 5, 1 - - d -6}'),
	-- the ends of every range
	('{2147483647 0001-01-01 9999-12-31 e 9223372036854775807}',
	 '{2147483647 0001-01-01 9999-12-31 e 9223372036854775807}'),
	('{1 9999-12-31 0001-01-01 e -9223372036854775808}',
	 '{1 9999-12-31 0001-01-01 e -9223372036854775808}'),
	('{1 2024-02-29 2000-02-29 e 1}', '{1 2024-02-29 2000-02-29 e 1}'),
	-- any lot may be of either sign: the rule on signs is wallet_post's
	('{1 - 2026-01-31 e -5, 1 2026-01-01 - d 5}',
	 '{1 - 2026-01-31 e -5, 1 2026-01-01 - d 5}')
) AS v (literal, canonical);

SELECT is(pg_temp.fault(format('SELECT %L::loyalty.wallet', literal)),
		  fault, 'refused text: ' || left(literal, 40))
FROM (VALUES
	('', '22P02 A wallet starts with "{".'),
	('1 - - e 1', '22P02 A wallet starts with "{".'),
	('NULL', '22P02 A wallet starts with "{".'),
	('{', '22P02 Lot 1: The unit must be an integer above zero.'),
	('{,}', '22P02 Lot 1: The unit must be an integer above zero.'),
	('{1 - - e 1,}', '22P02 Lot 2: The unit must be an integer above zero.'),
	('{} x', '22P02 There is text behind the last "}".'),
	('{}{}', '22P02 There is text behind the last "}".'),
	('{1 - - e 1', '22P02 Lot 1: The amount must be a bigint.'),
	('{1 - - e 1 ', '22P02 Lot 1: After a lot comes "," or "}".'),
	('{1 - - e 1 2}', '22P02 Lot 1: After a lot comes "," or "}".'),
	('{1 - - e}', '22P02 Lot 1: The amount must be a bigint.'),
	('{1 - - e 1.5}', '22P02 Lot 1: The amount must be a bigint.'),
	('{1 - - e +1}', '22P02 Lot 1: The amount must be a bigint.'),
	('{1 - - e 1e3}', '22P02 Lot 1: The amount must be a bigint.'),
	('{1 - - e --1}', '22P02 Lot 1: The amount must be a bigint.'),
	('{1 - - e -}', '22P02 Lot 1: The amount must be a bigint.'),
	('{1 - - e 0}', '22P02 Lot 1: The amount must not be zero.'),
	('{1 - - e -0}', '22P02 Lot 1: The amount must not be zero.'),
	('{1 - - e 9223372036854775808}',
	 '22003 Lot 1: The amount must be a bigint.'),
	('{1 - - e -9223372036854775809}',
	 '22003 Lot 1: The amount must be a bigint.'),
	('{1 - - e 99999999999999999999999999999999999999999999}',
	 '22003 Lot 1: The amount must be a bigint.'),
	('{0 - - e 1}', '22003 Lot 1: The unit must be an integer above zero.'),
	('{-1 - - e 1}', '22003 Lot 1: The unit must be an integer above zero.'),
	('{2147483648 - - e 1}',
	 '22003 Lot 1: The unit must be an integer above zero.'),
	('{x - - e 1}', '22P02 Lot 1: The unit must be an integer above zero.'),
	('{1 - - x 1}', '22P02 Lot 1: The origin must be one of e, b, a, t, p and d.'),
	('{1 - - E 1}', '22P02 Lot 1: The origin must be one of e, b, a, t, p and d.'),
	('{1 - - ? 1}', '22P02 Lot 1: The origin must be one of e, b, a, t, p and d.'),
	('{1 - - ee 1}', '22P02 Lot 1: The origin must be one of e, b, a, t, p and d.'),
	('{1 - - ', '22P02 Lot 1: The origin must be one of e, b, a, t, p and d.'),
	('{1 - -}', '22P02 Lot 1: The origin must be one of e, b, a, t, p and d.'),
	('{1 - e 1}', '22P02 Lot 1: A date is YYYY-MM-DD or a hyphen.'),
	('{1 -- e 1}', '22P02 Lot 1: A date is YYYY-MM-DD or a hyphen.'),
	('{1 - infinity e 1}', '22P02 Lot 1: A date is YYYY-MM-DD or a hyphen.'),
	('{1 -infinity - e 1}', '22P02 Lot 1: A date is YYYY-MM-DD or a hyphen.'),
	('{1 - 44-03-15 e 1}', '22P02 Lot 1: A date is YYYY-MM-DD or a hyphen.'),
	('{1 - 0044-03-15 BC e 1}',
	 '22P02 Lot 1: The origin must be one of e, b, a, t, p and d.'),
	('{1 - 10000-01-01 e 1}', '22P02 Lot 1: A date is YYYY-MM-DD or a hyphen.'),
	('{1 - 2026-1-01 e 1}', '22P02 Lot 1: A date is YYYY-MM-DD or a hyphen.'),
	('{1 - 2026-01-011 e 1}', '22P02 Lot 1: A date is YYYY-MM-DD or a hyphen.'),
	('{1 - 2026-01-', '22P02 Lot 1: A date is YYYY-MM-DD or a hyphen.'),
	('{1 - 0000-01-01 e 1}', '22P02 Lot 1: There is no such date.'),
	('{1 - 2026-00-01 e 1}', '22P02 Lot 1: There is no such date.'),
	('{1 - 2026-13-01 e 1}', '22P02 Lot 1: There is no such date.'),
	('{1 - 2026-01-00 e 1}', '22P02 Lot 1: There is no such date.'),
	('{1 - 2026-04-31 e 1}', '22P02 Lot 1: There is no such date.'),
	('{1 - 2026-02-29 e 1}', '22P02 Lot 1: There is no such date.'),
	('{1 - 1900-02-29 e 1}', '22P02 Lot 1: There is no such date.'),
	('{1 - - e 1, 2 - - e 1, 1 - - e 2}',
	 '22P02 Lot 3: It is in the wallet already.')
) AS v (literal, fault);

--
-- Binary form
--

-- 1: e | new expiry | new vesting | unit = 01 + 10 + 40 + 80 = d1; unit 1 less 1;
-- expiry 365 + 89 = 454 days from 2026-01-01, x 2 = 908 = 7 x 128 + 12;
-- vesting 90 days, x 2 = 180 = 128 + 52; 120 x 2 = 240 = 128 + 112.
-- 2: d | unit = 86; 2 - 1 less 1; -40: 2 x 40 - 1 = 79
SELECT is(wallet_send('{1 2026-04-01 2027-03-31 e 120, 2 - - d -40}'),
		  '\x01 d1 00 8c07 b401 f001 86 00 4f'::bytea, 'binary form by hand');
SELECT is(wallet_send('{}'), '\x01'::bytea, 'binary form of the empty wallet');

SELECT is(bytes::wallet::text, literal, format('bytes: %s', bytes))
FROM (VALUES
	('\x01810002'::bytea, '{1 - - e 1}'),
	('\x018100020202', '{1 - - e 1, 1 - - b 1}'),
	-- the first dates are counted from 2026-01-01, which is "the same again"
	('\x01890002', '{1 - 2026-01-01 e 1}'),
	('\x01a10002', '{1 2026-01-01 - e 1}'),
	-- the last date there is: 2912442 days on, x 2 = 5824884
	('\x019100f4c2e30202', '{1 - 9999-12-31 e 1}'),
	('\x0181feffffff0702', '{2147483647 - - e 1}'),
	('\x018100ffffffffffffffffff01', '{1 - - e -9223372036854775808}')
) AS v (bytes, literal);

SELECT is(pg_temp.fault(format('SELECT %L::bytea::loyalty.wallet::text',
							   bytes)),
		  'XX001 ' || fault, 'refused bytes: ' || why)
FROM (VALUES
	('\x'::bytea, 'none', 'The format version is not known.'),
	('\x00', 'version 0', 'The format version is not known.'),
	('\x02', 'version 2', 'The format version is not known.'),
	('\x0181', 'only a head',
	 'A number or a date is malformed or out of range.'),
	('\x018100', 'no amount',
	 'A number or a date is malformed or out of range.'),
	('\x01810082', 'amount cut short',
	 'A number or a date is malformed or out of range.'),
	('\x0181000201', 'a byte more',
	 'A number or a date is malformed or out of range.'),
	('\x0181008200', 'amount longer than need be',
	 'A number or a date is malformed or out of range.'),
	('\x01818000 02', 'unit longer than need be',
	 'A number or a date is malformed or out of range.'),
	('\x018100ffffffffffffffffff02', 'amount over 64 bits',
	 'A number or a date is malformed or out of range.'),
	('\x018100ffffffffffffffffffff01', 'amount of 11 bytes',
	 'A number or a date is malformed or out of range.'),
	('\x0181ffffffff0702', 'unit 2147483648',
	 'A number or a date is malformed or out of range.'),
	('\x0181feffffff0702810002', 'unit 2147483648 as second',
	 'A number or a date is malformed or out of range.'),
	('\x01990002', 'expiry code 3',
	 'A number or a date is malformed or out of range.'),
	('\x01e10002', 'vesting code 3',
	 'A number or a date is malformed or out of range.'),
	('\x0191000002', 'the same date as a new one',
	 'A number or a date is malformed or out of range.'),
	('\x019100f6c2e30202', '10000-01-01',
	 'A number or a date is malformed or out of range.'),
	('\x019100ffffffffffffffffff0102', 'a date of 64 bits',
	 'A number or a date is malformed or out of range.'),
	('\x010102', 'no unit',
	 'A lot has no unit, no known origin or no amount.'),
	('\x01800002', 'origin 0',
	 'A lot has no unit, no known origin or no amount.'),
	('\x01870002', 'origin 7',
	 'A lot has no unit, no known origin or no amount.'),
	('\x01810000', 'amount 0',
	 'A lot has no unit, no known origin or no amount.'),
	('\x018100020102', 'a lot twice', 'The lots are not in order.'),
	('\x018200020102', 'origins in wrong order',
	 'The lots are not in order.')
) AS v (bytes, why, fault);

-- Thirteen monthly lots of points, and 24 months of two metrics
CREATE TEMP TABLE sample AS
SELECT ('{' || string_agg(lot, ',') || '}')::wallet AS wallet
FROM (
	SELECT format('1 - %s e %s',
				  (date '2026-02-01' + make_interval(months => i))::date - 1,
				  500 + 37 * i)
	FROM generate_series(0, 12) AS i
	UNION ALL
	SELECT format('%s %s - e %s', unit_id,
				  (date '2024-05-01' + make_interval(months => i))::date,
				  CASE unit_id WHEN 2 THEN 12990 + 1777 * i ELSE 3 END)
	FROM generate_series(0, 23) AS i, generate_series(2, 3) AS unit_id
) AS l (lot);

SELECT is((SELECT count(*) FROM sample, wallet_lots(wallet)), 61::bigint,
		  'sample has 61 lots');
SELECT cmp_ok(length(wallet_send(wallet)), '<=', 61 * 7,
			  'at most 7 bytes for a monthly lot')
FROM sample;

-- Whatever the bytes: refused as damaged, or the packed form of some wallet
CREATE FUNCTION pg_temp.judge(bytes bytea) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
	literal text;
BEGIN
	literal := bytes::loyalty.wallet::text;
	IF loyalty.wallet_send(literal::loyalty.wallet) = bytes THEN
		RETURN 'accepted';
	END IF;
	RETURN 'not canonical';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;

SELECT setseed(0.2026) IS NULL AS void \gset
CREATE TEMP TABLE judged AS
SELECT pg_temp.judge(
	CASE i % 4
	WHEN 0 THEN substr(b, 1, (random() * length(b))::int)
	WHEN 1 THEN set_bit(b, (random() * (length(b) * 8 - 1))::int,
						(random() * 1)::int)
	WHEN 2 THEN set_byte(b, (random() * (length(b) - 1))::int,
						 (random() * 255)::int)
	ELSE overlay(b PLACING decode(md5(random()::text), 'hex')
				 FROM (1 + random() * length(b))::int
				 FOR (random() * 9)::int)
	END) AS verdict
FROM generate_series(1, 8000) AS i,
	(SELECT wallet_send(wallet) AS b FROM sample) AS s;

SELECT is((SELECT count(*) FROM judged
		   WHERE verdict NOT IN ('accepted', 'XX001')), 0::bigint,
		  'random damage is refused or makes another wallet');
SELECT cmp_ok((SELECT count(*) FROM judged WHERE verdict = 'accepted'), '>',
			  100::bigint, 'some random damage makes another wallet');
SELECT cmp_ok((SELECT count(*) FROM judged WHERE verdict = 'XX001'), '>',
			  1000::bigint, 'most random damage is refused');

-- In tables: inline and short, compressed, out of line
CREATE TEMP TABLE stored (plain wallet, extern wallet);
ALTER TABLE stored ALTER extern SET STORAGE EXTERNAL;
CREATE TEMP TABLE large AS
SELECT ('{' || string_agg(format('%s 2026-01-01 - e %s', i, i * 7919), ',')
		|| '}')::wallet AS wallet
FROM generate_series(1, 1000) AS i;
INSERT INTO stored SELECT wallet, wallet FROM large;
INSERT INTO stored VALUES ('{1 - - e 1}', '{1 - - e 1}');
SELECT ok(bool_and(plain = extern AND plain::text = extern::text),
		  'wallets come back from tables') FROM stored;
SELECT is((SELECT wallet_total(extern, 1000) FROM stored, large
		   WHERE extern = wallet), 7919000::bigint,
		  'a lot of a wallet that is stored out of line');

--
-- At most 1,000 lots
--

SELECT is(pg_temp.fault('SELECT loyalty.wallet_post(wallet, 1001, NULL, NULL,
						 ''e'', 1) FROM large'),
		  '54000 wallet cannot hold more than 1000 lots', 'lot 1001 by post');
SELECT is((SELECT wallet_total(wallet_post(wallet, 500, '2026-01-01', NULL,
										   'e', 1), 500) FROM large),
		  3959501::bigint, 'a full wallet takes posts to its lots');
SELECT is(pg_temp.fault($$SELECT replace(wallet::text, '}',
						  ', 1001 - - e 1}')::loyalty.wallet FROM large$$),
		  '54000 wallet cannot hold more than 1000 lots', 'lot 1001 by text');
SELECT is(pg_temp.fault('SELECT (loyalty.wallet_send(wallet)
						 || ''\x810002'')::loyalty.wallet::text FROM large'),
		  'XX001 There are more lots than a wallet can hold.',
		  'lot 1001 by bytes');
SELECT is(pg_temp.fault('SELECT loyalty.wallet_fold(i, NULL, NULL, ''e'', 1)
						 FROM generate_series(1, 1001) AS i'),
		  '54000 wallet cannot hold more than 1000 lots', 'lot 1001 by fold');

--
-- Posting
--

SELECT is(wallet_post('{}', 1, '2026-04-01', '2027-03-31', 'e', 120)::text,
		  '{1 2026-04-01 2027-03-31 e 120}', 'post makes a lot');
SELECT is(wallet_post('{1 - - e 120}', 1, NULL, NULL, 'e', -20)::text,
		  '{1 - - e 100}', 'post adds to a lot');
SELECT is(wallet_post('{1 - - e 120, 1 - - b 1}', 1, NULL, NULL, 'e',
					  -120)::text,
		  '{1 - - b 1}', 'post drops a lot at zero');
SELECT is(wallet_post('{2 - - e 1}', 1, NULL, NULL, 'e', 0)::text,
		  '{2 - - e 1}', 'post of zero makes no lot');
SELECT is(wallet_post('{1 - - d -40}', 1, NULL, NULL, 'd', 15)::text,
		  '{1 - - d -25}', 'post repays debt');
SELECT is(wallet_post('{}', 1, '-infinity', 'infinity', 'e', 1)::text,
		  '{1 - - e 1}', 'infinity says what NULL says');
SELECT is(wallet_post('{1 - - e -50}', 1, NULL, NULL, 'e', 60)::text,
		  '{1 - - e 10}', 'post can mend a lot below zero');

SELECT is(pg_temp.fault('SELECT loyalty.wallet_post(' || arguments || ')'),
		  fault, 'refused post: ' || arguments)
FROM (VALUES
	($$'{1 - - e 120}', 1, NULL, NULL, 'e', -121$$,
	 '23514 unit=1 origin=e held=120 posted=-121'),
	($$'{1 - - e 120}', 1, NULL, NULL, 'b', -1$$,
	 '23514 unit=1 origin=b held=0 posted=-1'),
	($$'{1 - - d -40}', 1, NULL, NULL, 'd', 41$$,
	 '23514 unit=1 origin=d held=-40 posted=41'),
	($$'{}', 1, '2026-01-01', NULL, 'd', -1$$,
	 '22023 Debt has neither a vesting nor an expiry date.'),
	($$'{}', 1, NULL, '2026-01-01', 'd', -1$$,
	 '22023 Debt has neither a vesting nor an expiry date.'),
	($$'{}', 0, NULL, NULL, 'e', 1$$, '22023 The unit must be above zero.'),
	($$'{}', 1, NULL, NULL, 'x', 1$$,
	 '22023 The origin must be one of e, b, a, t, p and d.'),
	($$'{}', 1, NULL, NULL, '', 1$$,
	 '22023 The origin must be one of e, b, a, t, p and d.'),
	($$'{}', 1, 'infinity', NULL, 'e', 1$$,
	 '22023 The vesting must be between 0001-01-01 and 9999-12-31.'),
	($$'{}', 1, '0001-12-31 BC', NULL, 'e', 1$$,
	 '22023 The vesting must be between 0001-01-01 and 9999-12-31.'),
	($$'{}', 1, NULL, '-infinity', 'e', 1$$,
	 '22023 The expiry must be between 0001-01-01 and 9999-12-31.'),
	($$'{}', 1, NULL, '10000-01-01', 'e', 1$$,
	 '22023 The expiry must be between 0001-01-01 and 9999-12-31.'),
	($$'{1 - - e 9223372036854775807}', 1, NULL, NULL, 'e', 1$$,
	 '22003 wallet amount out of range'),
	($$'{1 - - d -9223372036854775808}', 1, NULL, NULL, 'd', -1$$,
	 '22003 wallet amount out of range'),
	($$NULL, 1, NULL, NULL, 'e', 1$$, '22004 wallet must not be null'),
	($$'{}', NULL, NULL, NULL, 'e', 1$$, '22004 unit_id must not be null'),
	($$'{}', 1, NULL, NULL, NULL, 1$$, '22004 origin must not be null'),
	($$'{}', 1, NULL, NULL, 'e', NULL$$, '22004 amount must not be null')
) AS v (arguments, fault);

--
-- One wallet through three days
--

CREATE TEMP TABLE w AS SELECT wallet '{
	1 - 2026-06-14 e 5,
	1 - 2026-06-15 b 7,
	1 - 2026-06-30 e 10,
	1 2026-06-16 2026-06-30 e 40,
	1 - 2026-06-30 b 20,
	1 2026-06-15 2026-12-31 e 80,
	1 - - p 160,
	1 - - d -100,
	2 - - e 1000}' AS w;

-- Usable 5+7+10+20+160 = 202; 7+10+20+80+160 = 277; 10+40+20+80+160 = 310
SELECT is(ARRAY[wallet_balance(w, 1, day), wallet_pending(w, 1, day),
				wallet_lapsed(w, 1, day), wallet_debt(w, 1),
				wallet_total(w, 1)], expected, 'sums on ' || day)
FROM w, (VALUES
	(date '2026-06-14', ARRAY[102, 120, 0, 100, 222]::bigint[]),
	(date '2026-06-15', ARRAY[177, 40, 5, 100, 222]::bigint[]),
	(date '2026-06-16', ARRAY[210, 0, 12, 100, 222]::bigint[]),
	-- usable 160, and all that expires has
	(date 'infinity', ARRAY[60, 0, 162, 100, 222]::bigint[]),
	-- only what vested long ago: 5+7+10+20+160 = 202
	(date '-infinity', ARRAY[102, 120, 0, 100, 222]::bigint[])
) AS v (day, expected);
SELECT is(ARRAY[wallet_balance(w, 3, '2026-06-15'), wallet_total(w, 3),
				wallet_debt(w, 2), wallet_balance(w, 2, '2026-06-15')],
		  ARRAY[0, 0, 0, 1000]::bigint[], 'units are apart')
FROM w;
SELECT is(ARRAY[wallet_balance(d, 1, '2026-06-15'), wallet_debt(d, 1),
				wallet_total(d, 1)],
		  ARRAY[0, 50, -20]::bigint[], 'debt above what is usable')
FROM CAST('{1 - - e 30, 1 - - d -50}' AS wallet) AS d;
SELECT is(ARRAY[wallet_pending(p, 1, '2026-07-01'),
				wallet_lapsed(p, 1, '2026-07-01'),
				wallet_pending(p, 1, '2026-07-02'),
				wallet_lapsed(p, 1, '2026-07-02'),
				wallet_balance(p, 1, '2026-08-01')],
		  ARRAY[9, 0, 0, 9, 0]::bigint[],
		  'what expires before it vests is pending, then lapsed')
FROM CAST('{1 2026-08-01 2026-07-01 e 9}' AS wallet) AS p;

SELECT is(wallet_taken(w, 1, 30, '2026-06-15')::text,
		  '{1 - 2026-06-15 b 7, 1 - 2026-06-30 e 10, 1 - 2026-06-30 b 13}',
		  'taken by expiry, then origin') FROM w;
SELECT is(wallet_take(w, 1, 30, '2026-06-15')::text,
		  '{1 - 2026-06-14 e 5, 1 2026-06-16 2026-06-30 e 40,'
		  ' 1 - 2026-06-30 b 7, 1 2026-06-15 2026-12-31 e 80,'
		  ' 1 - - p 160, 1 - - d -100, 2 - - e 1000}',
		  'what is left when 30 are taken') FROM w;
SELECT is(wallet_taken(w, 1, 177, '2026-06-15')::text,
		  '{1 - 2026-06-15 b 7, 1 - 2026-06-30 e 10, 1 - 2026-06-30 b 20,'
		  ' 1 2026-06-15 2026-12-31 e 80, 1 - - p 60}',
		  'the whole balance is taken: 7 + 10 + 20 + 80 + 60') FROM w;
SELECT is(wallet_take(w, 2, 1000, '2026-06-15'),
		  wallet_post(w, 2, NULL, NULL, 'e', -1000),
		  'the last lot is taken') FROM w;
SELECT ok(wallet_take(w, 1, 0, '2026-06-15') = w
		  AND wallet_taken(w, 1, 0, '2026-06-15') = '{}',
		  'zero may be taken') FROM w;
SELECT is(pg_temp.fault('SELECT loyalty.wallet_take(w, 1, 178, ''2026-06-15'')
						 FROM w'),
		  '22023 available=177 requested=178', 'more than the balance');
SELECT is(pg_temp.fault('SELECT loyalty.wallet_taken(w, 1, 178,
						 ''2026-06-15'') FROM w'),
		  '22023 available=177 requested=178', 'taken as take');
SELECT is(pg_temp.fault('SELECT loyalty.wallet_take(w, 3, 1, ''2026-06-15'')
						 FROM w'),
		  '22023 available=0 requested=1', 'a unit that is not there');
SELECT is(pg_temp.fault('SELECT loyalty.wallet_take(w, 1, -1, ''2026-06-15'')
						 FROM w'),
		  '22023 amount must not be below zero', 'less than zero');
SELECT is(wallet_take(NULL, 1, 1, '2026-06-15')::text, NULL,
		  'no wallet, no answer');
SELECT is(wallet_taken('{1 - - e 5, 1 - 2026-06-30 e -3, 1 - - b 5}', 1, 6,
					   '2026-06-15')::text,
		  '{1 - - e 5, 1 - - b 1}', 'a lot below zero is not taken');

SELECT is(count(*), 0::bigint, 'take: balance falls, give: all is back')
FROM w, generate_series(0, 177) AS n
WHERE (wallet_balance(wallet_take(w, 1, n, '2026-06-15'), 1, '2026-06-15'),
	   wallet_total(wallet_taken(w, 1, n, '2026-06-15'), 1))
	  IS DISTINCT FROM (177 - n, n::bigint)
   OR wallet_give(wallet_take(w, 1, n, '2026-06-15'),
				  wallet_taken(w, 1, n, '2026-06-15')) <> w
   OR wallet_total(wallet_take(w, 1, n, '2026-06-15'), 2) <> 1000;
SELECT is(pg_temp.fault($$SELECT loyalty.wallet_give('{1 - - e 4}',
						  '{1 - - e -5}')$$),
		  '23514 unit=1 origin=e held=4 posted=-5', 'give posts');

SELECT is(wallet_expiring(w, 1, since, until), expected::bigint,
		  format('expiring from %s to %s', since, until))
FROM w, (VALUES
	(date '2026-06-15', date '2026-06-30', 77),		-- 7 + 10 + 40 + 20
	(date '2026-06-14', date '2026-06-14', 5),
	(date '2026-07-01', date 'infinity', 80),
	(date '-infinity', date '2026-06-13', 0),
	(date '2026-06-30', date '2026-06-15', 0)
) AS v (since, until, expected);

SELECT is(wallet_expiring('{1 - 2026-06-30 e 9, 1 - 2026-06-30 d -5}', 1,
						  '2026-06-30', '2026-06-30'), 9::bigint,
		  'debt does not expire, whatever its date');

SELECT is(wallet_due(w, after), expected, 'due after ' || after)
FROM w, (VALUES
	(date '-infinity', date '2026-06-15'),
	(date '2026-06-13', date '2026-06-15'),	-- 06-14 is over, one vests
	(date '2026-06-15', date '2026-06-16'),	-- 06-15 is over, one vests
	(date '2026-06-16', date '2026-07-01'),
	(date '2026-06-30', date '2026-07-01'),
	(date '2026-07-01', date '2027-01-01'),
	(date '2027-01-01', NULL),
	(date 'infinity', NULL)
) AS v (after, expected);
SELECT is(wallet_due('{1 - 9999-12-31 e 1}', '2026-01-01'),
		  date '10000-01-01', 'the day after the last expiry there is');
SELECT is(wallet_due('{}', '2026-01-01'), NULL, 'nothing is due');

SELECT results_eq(
	$$SELECT * FROM wallet_lots('{2 - - d -40, 1 2026-04-01 - b 3,
								  1 - 2027-03-31 e 120}')$$,
	$$VALUES (1, NULL::date, date '2027-03-31', 'e'::"char", 120::bigint),
			 (1, '2026-04-01', NULL, 'b', 3), (2, NULL, NULL, 'd', -40)$$,
	'lots as rows');
SELECT is_empty($$SELECT * FROM wallet_lots('{}')$$, 'no lots, no rows');

SELECT ok('{1 - - e 1, 2 - - e 1}'::wallet = '{2 - - e 1,1 - - e 1}'::wallet
		  AND NOT '{1 - - e 1}'::wallet <> '{1 - - e 1}'::wallet, 'equal');
SELECT ok('{1 - - e 1}'::wallet <> '{1 - - e 2}'::wallet
		  AND NOT '{1 - - e 1}'::wallet = '{}'::wallet, 'not equal');

--
-- Sums that do not fit
--

SELECT is(pg_temp.fault('SELECT loyalty.wallet_' || call),
		  '22003 wallet amount out of range',
		  'overflow: ' || regexp_replace(call, '\s+', ' ', 'g'))
FROM (VALUES
	($$balance('{1 - - e 9223372036854775807, 1 - - b 1}', 1, '2026-01-01')$$),
	($$balance('{1 - - e -2, 1 - - d -9223372036854775807}', 1, '2026-01-01')$$),
	($$take('{1 - - e 9223372036854775807, 1 - - b 1}', 1, 1, '2026-01-01')$$),
	($$pending('{1 2026-02-01 - e 9223372036854775807,
				1 2026-02-01 - b 1}', 1, '2026-01-01')$$),
	($$lapsed('{1 - 2025-01-01 e 9223372036854775807,
			   1 - 2025-01-01 b 1}', 1, '2026-01-01')$$),
	($$expiring('{1 - 2025-01-01 e 9223372036854775807,
				 1 - 2025-01-01 b 1}', 1, '2025-01-01', '2025-01-01')$$),
	($$total('{1 - - e -9223372036854775808, 1 - - d -1}', 1)$$),
	($$debt('{1 - - d -9223372036854775808}', 1)$$),
	($$give('{1 - - e 9223372036854775807}', '{1 - - e 1}')$$),
	($$fold(1, NULL, NULL, 'e', 9223372036854775807)
	   FROM generate_series(1, 2)$$)
) AS v (call);

--
-- Folding
--

SELECT is((SELECT wallet_fold(1, NULL, NULL, 'e', 1) WHERE false)::text, '{}',
		  'a fold of nothing is the empty wallet');
SELECT is((SELECT wallet_fold(1, NULL, NULL, 'e', amount)
		   FROM (VALUES (-5), (20), (-15)) AS v (amount))::text, '{}',
		  'a fold drops what comes to zero');
SELECT is((SELECT wallet_fold(unit_id, NULL, NULL, 'e', amount)
		   FROM (VALUES (2, 1), (1, 3), (2, -5), (1, 4))
		   AS v (unit_id, amount))::text, '{1 - - e 7, 2 - - e -4}',
		  'a fold may end below zero');
SELECT is(pg_temp.fault('SELECT loyalty.wallet_fold(' || arguments || ')'),
		  fault, 'refused fold: ' || arguments)
FROM (VALUES
	($$NULL, NULL, NULL, 'e', 1$$, '22004 unit_id must not be null'),
	($$1, NULL, NULL, NULL, 1$$, '22004 origin must not be null'),
	($$1, NULL, NULL, 'e', NULL$$, '22004 amount must not be null'),
	($$1, NULL, NULL, 'x', 1$$,
	 '22023 The origin must be one of e, b, a, t, p and d.')
) AS v (arguments, fault);

-- Fold and post against GROUP BY, over 20 members' postings
SELECT setseed(0.0815) IS NULL AS void \gset
CREATE TEMP TABLE posting AS
SELECT i, i % 20 AS member_id, 1 + (random() * 3)::int AS unit_id,
	   CASE WHEN random() < 0.5
			THEN date '2026-01-01' + (random() * 5)::int END AS vests_on,
	   CASE WHEN random() < 0.8
			THEN date '2026-12-31' + (random() * 9)::int END AS expires_on,
	   substr('ebatp', 1 + (random() * 4)::int, 1)::"char" AS origin,
	   (random() * 6 - 3)::bigint AS amount
FROM generate_series(1, 20000) AS i;
CREATE TEMP TABLE grouped AS
SELECT member_id,
	   ('{' || string_agg(format('%s %s %s %s %s', unit_id,
								 COALESCE(vests_on::text, '-'),
								 COALESCE(expires_on::text, '-'),
								 origin, amount), ',')
		|| '}')::wallet AS wallet
FROM (SELECT member_id, unit_id, vests_on, expires_on, origin,
			 sum(amount) AS amount
	  FROM posting GROUP BY 1, 2, 3, 4, 5 HAVING sum(amount) <> 0) AS l
GROUP BY member_id;

SELECT is(count(*) FILTER (WHERE f.wallet = g.wallet), 20::bigint,
		  'fold = GROUP BY')
FROM grouped AS g
JOIN (SELECT member_id, wallet_fold(unit_id, vests_on, expires_on, origin,
									amount) AS wallet
	  FROM posting GROUP BY member_id) AS f USING (member_id);
SELECT is(count(*) FILTER (WHERE f.wallet = g.wallet), 20::bigint,
		  'fold in random order = GROUP BY')
FROM grouped AS g
JOIN (SELECT member_id, wallet_fold(unit_id, vests_on, expires_on, origin,
									amount ORDER BY random()) AS wallet
	  FROM posting GROUP BY member_id) AS f USING (member_id);

-- The same amounts, none below zero, so that each order can be posted
CREATE FUNCTION pg_temp.posted(which int) RETURNS wallet LANGUAGE plpgsql
AS $$
DECLARE
	p record;
	result loyalty.wallet := '{}';
BEGIN
	FOR p IN SELECT * FROM posting WHERE member_id = which AND amount > 0
			 ORDER BY random()
	LOOP
		result := loyalty.wallet_post(result, p.unit_id, p.vests_on,
									  p.expires_on, p.origin, p.amount);
	END LOOP;
	RETURN result;
END
$$;
SELECT ok(wallet_fold(unit_id, vests_on, expires_on, origin, amount)
		  = pg_temp.posted(7), 'fold = posts in random order')
FROM posting WHERE member_id = 7 AND amount > 0;

SELECT is((SELECT wallet_fold(i, NULL, NULL, 'e', amount)
		   FROM (SELECT i, 1 FROM generate_series(1, 5000) AS i
				 UNION ALL
				 SELECT i, -1 FROM generate_series(1, 5000) AS i
				 WHERE i NOT IN (17, 4711)) AS v (i, amount))::text,
		  '{17 - - e 1, 4711 - - e 1}',
		  'more than 1,000 lots on the way to fewer');
SELECT is((SELECT array_agg(folded ORDER BY i)
		   FROM (SELECT i, wallet_fold(i % 2 + 1, NULL, NULL, 'e', i)
						   OVER (ORDER BY i)::text AS folded
				 FROM generate_series(1, 4) AS i) AS running),
		  ARRAY['{2 - - e 1}', '{1 - - e 2, 2 - - e 1}',
				'{1 - - e 2, 2 - - e 4}', '{1 - - e 6, 2 - - e 4}'],
		  'a fold as a running total');

SELECT finish();
ROLLBACK;

\set ECHO none
\i test/prelude.sql
SELECT plan(139);

-- Canonical form
SELECT is(pg_temp.signature('coupon_code_canonical'), '(code text) -> text', 'coupon_code_canonical');
SELECT is(pg_temp.signature('coupon_code_valid'), '(code text) -> boolean', 'coupon_code_valid');
SELECT is((SELECT string_agg(format('%s%s %s', provolatile, proparallel, proisstrict), ' ') FROM pg_proc
		WHERE proname IN ('coupon_code_canonical', 'coupon_code_valid') AND pronamespace = 'loyalty'::regnamespace),
	'is t is t', 'both are immutable, parallel safe and strict');
SELECT is(loyalty.coupon_code_canonical(typed), canonical, what) FROM (VALUES
	('7h6a-85yb-3c0b8',         '7H6A85YB3C0B8', 'case and hyphens'),
	('  7H6A 85YB 3C0B8 ',      '7H6A85YB3C0B8', 'spaces'),
	('7H6A_85YB_3C0B8',         '7H6A85YB3C0B8', 'underscores'),
	(U&'7H6A\201085YB\20113C0B8', '7H6A85YB3C0B8', 'hyphens of print'),
	(U&'7H6A\201385YB\20143C0B8', '7H6A85YB3C0B8', 'dashes of print'),
	(U&'7H6A\221285YB\FF0D3C0B8', '7H6A85YB3C0B8', 'a minus, a hyphen of full width'),
	(U&'7H6A\00A085YB\30003C0B8', '7H6A85YB3C0B8', 'a no-break space, an ideographic one'),
	(U&'\FEFF7H6A\200B85YB\00AD3C0B8', '7H6A85YB3C0B8', 'what is pasted with it and cannot be seen'),
	(U&'\FF17\FF28\FF16\FF41',  '7H6A',          'full width, as Chinese and Japanese input methods write'),
	('oO0',                     '000',           'O is 0'),
	('iIlL1',                   '11111',         'I and L are 1'),
	('SUMMER-2026',             'SUMMER2026',    'U stays, for generic codes have it'),
	('Hello, goodbye',          NULL,            'a comma'),
	('HELLO',                   'HE110',         'generic codes are folded too'),
	('8B5S2Z',                  '8B5S2Z',        'nothing else is folded'),
	('A',                       'A',             'one character'),
	(repeat('AB-', 32),         repeat('AB', 32), '64 characters'),
	(repeat('AB', 32) || 'C',   NULL,            '65 characters'),
	(repeat(' ', 250) || 'ABC', 'ABC',           '253 bytes'),
	(repeat(' ', 253) || 'ABC', NULL,            '256 bytes are not looked at'),
	(repeat('A', 1000000),      NULL,            'a megabyte'),
	('',                        NULL,            'empty'),
	(' - ',                     NULL,            'nothing but what is left out'),
	(E'AB\tC',                  NULL,            'a tabulator'),
	(E'AB\nC',                  NULL,            'a line feed'),
	(E'AB\x7fC',                NULL,            'a control character'),
	(U&'AB\+01F600',            NULL,            'an emoji'),
	(U&'\0410\0412\0421',       NULL,            'Cyrillic letters that look like Latin ones'),
	(U&'AB\202EC',              NULL,            'right to left'),
	(U&'\53CC\5341\4E00',       NULL,            'Chinese'),
	('ÄB',                      NULL,            'an umlaut'),
	('''; DROP TABLE x',        NULL,            'SQL'),
	('%s%n',                    NULL,            'a format'),
	(NULL,                      NULL,            'NULL')) v (typed, canonical, what);
CREATE TEMP TABLE long AS SELECT repeat(md5(random()::text), 40000) AS code;
SELECT is(loyalty.coupon_code_canonical(code), NULL, 'out of a table, and long') FROM long;
SELECT is((SELECT count(*) FROM generate_series(1, 255) c
		WHERE loyalty.coupon_code_canonical('A' || chr(c) || 'A') IS NOT NULL
		AND chr(c) !~ '[A-Za-z0-9_ -]' AND c NOT IN (160, 173)), 0::bigint, 'of the first 255 characters no other is taken');
SELECT is((SELECT count(*) FROM (SELECT loyalty.coupon_code_canonical(c) FROM long l, LATERAL (SELECT md5(g::text) AS c FROM generate_series(1, 1000) g) x
		EXCEPT SELECT loyalty.coupon_code_canonical(loyalty.coupon_code_canonical(md5(g::text))) FROM generate_series(1, 1000) g) d), 0::bigint,
	'the canonical form of a canonical form is itself');

-- Check character: alpha^11 is 7 in GF(32) with x^5 + x^2 + 1, so eleven characters of value 0 but for a last one of 7
SELECT is(loyalty.coupon_code_valid(code), valid, what) FROM (VALUES
	('00000000007',        true,  'worked out by hand'),
	('00000000000',        false, 'nothing but zeros'),
	('ooooo-OOOOO-7',      true,  'as somebody types it'),
	('000000000007',       false, 'a zero more'),
	('0000000007',         false, 'a zero less'),
	('U0000000007',        false, 'U is in no generated code'),
	('7',                  false, 'far too short'),
	('',                   false, 'empty'),
	('SUMMER-2026',        false, 'a generic code'),
	(E'0000000000\t7',     false, 'malformed'),
	(repeat('0', 1000000), false, 'a megabyte'),
	(NULL,                 NULL,  'NULL')) v (code, valid, what);

-- Powers of alpha and their logarithms, by repeated doubling, to work check characters out in another way.
CREATE TEMP TABLE field (power int PRIMARY KEY, element int);
INSERT INTO field
	WITH RECURSIVE powers AS (
		SELECT 0 AS power, 1 AS element
		UNION ALL
		SELECT power + 1, CASE WHEN element >= 16 THEN (element * 2) # 37 ELSE element * 2 END FROM powers WHERE power < 30)
	SELECT * FROM powers;
SELECT is((SELECT count(DISTINCT element) FROM field), 31::bigint, 'alpha has the order 31');
CREATE AGGREGATE pg_temp.xor (int) (sfunc = int4xor, stype = int, initcond = 0);
CREATE FUNCTION pg_temp.times(a int, power int) RETURNS int LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN a = 0 THEN 0 ELSE (SELECT element FROM field WHERE field.power = ((SELECT f.power FROM field f WHERE f.element = a) + $2) % 31) END
$$;
CREATE TEMP TABLE product AS SELECT a, power, pg_temp.times(a, power) AS element FROM generate_series(0, 31) a, generate_series(0, 30) power;
CREATE FUNCTION pg_temp.character(value int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', value + 1, 1)
$$;

-- For each length, place and value: what the place adds to the check character. The other places have the value (7 * place + 3) % 32.
CREATE TEMP TABLE part AS
	SELECT length, place, a, p.element AS sum
	FROM generate_series(10, 24, 2) length, generate_series(1, length) place, LATERAL (
		SELECT * FROM product WHERE power = (length + 1 - place) % 31) p;
CREATE TEMP TABLE rest AS
	SELECT length, pg_temp.xor(sum) # (SELECT element FROM field WHERE power = (length + 1) % 31) AS sum,
		string_agg(pg_temp.character((7 * place + 3) % 32), '' ORDER BY place) AS code
	FROM part WHERE a = (7 * place + 3) % 32 GROUP BY length;
-- Every code with one place changed to every value, its check character worked out anew.
CREATE TEMP TABLE one AS
	SELECT r.length, p.place, p.a,
		overlay(r.code PLACING pg_temp.character(p.a) FROM p.place) || pg_temp.character(r.sum # o.sum # p.sum) AS code
	FROM rest r JOIN part p USING (length) JOIN part o ON o.length = p.length AND o.place = p.place AND o.a = (7 * o.place + 3) % 32;
SELECT is((SELECT count(*) FROM one), 8 * 17 * 32::bigint, 'codes of each length');
SELECT is((SELECT count(*) FROM one WHERE NOT loyalty.coupon_code_valid(code)), 0::bigint, 'the check characters of another calculation are right');
SELECT is((SELECT count(*) FROM one, generate_series(0, 31) b
		WHERE b <> a AND loyalty.coupon_code_valid(overlay(code PLACING pg_temp.character(b) FROM place))), 0::bigint,
	'no wrong character at any place, of any value instead of any other, goes unnoticed');
SELECT is((SELECT count(*) FROM one, generate_series(0, 31) b
		WHERE loyalty.coupon_code_valid(left(code, length) || pg_temp.character(b))), (SELECT count(*) FROM one),
	'nor does a wrong check character');
-- Every two neighbours of every two values.
CREATE TEMP TABLE two AS
	SELECT r.length, p.place, p.a, n.a AS b,
		overlay(r.code PLACING pg_temp.character(p.a) || pg_temp.character(n.a) FROM p.place)
		|| pg_temp.character(r.sum # o.sum # p.sum # q.sum # n.sum) AS code
	FROM rest r JOIN part p USING (length) JOIN part o ON o.length = p.length AND o.place = p.place AND o.a = (7 * o.place + 3) % 32
	JOIN part n ON n.length = p.length AND n.place = p.place + 1
	JOIN part q ON q.length = n.length AND q.place = n.place AND q.a = (7 * q.place + 3) % 32;
SELECT is((SELECT count(*) FROM two WHERE loyalty.coupon_code_valid(code)), (SELECT sum(length - 1) * 1024 FROM rest), 'pairs of neighbours');
SELECT is((SELECT count(*) FROM two
		WHERE a <> b AND loyalty.coupon_code_valid(overlay(code PLACING pg_temp.character(b) || pg_temp.character(a) FROM place))), 0::bigint,
	'no two neighbours that are exchanged go unnoticed');
SELECT is((SELECT count(*) FROM one WHERE place = length AND substr(code, length, 1) <> substr(code, length + 1, 1)
		AND loyalty.coupon_code_valid(left(code, length - 1) || reverse(right(code, 2)))), 0::bigint,
	'nor if one of them is the check character');

-- Generating
SELECT loyalty.program_create('shop', 'EUR', 'UTC') AS shop \gset
SELECT loyalty.program_create('other', 'EUR', 'UTC') AS other \gset
INSERT INTO loyalty.coupon (program_id, name, kind, amount, valid_from, valid_until) VALUES (:shop, 'ten', 'amount', 10, '2026-01-01', '2026-12-31');
INSERT INTO loyalty.coupon (program_id, name, kind, amount, code_length) VALUES (:shop, 'short', 'amount', 1, 10), (:shop, 'long', 'amount', 1, 24);
INSERT INTO loyalty.coupon (program_id, name, kind, percent, automatic) VALUES (:shop, 'offer', 'percent', 10, true);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, max_uses) VALUES (:other, 'ten', 'amount', 10, 3);
SELECT is(pg_temp.signature('coupon_generate'), '(program text, coupon text, n integer, batch text DEFAULT NULL::text) -> SETOF text', 'coupon_generate');
CREATE TEMP TABLE made AS SELECT code FROM loyalty.coupon_generate('shop', 'ten', 100000, 'spring') code;
SELECT is((SELECT count(*) || ' ' || count(DISTINCT code) FROM made), '100000 100000', 'a hundred thousand, none of them twice');
SELECT is((SELECT count(*) FROM made WHERE code ~ '^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{5}$' AND loyalty.coupon_code_valid(code)), 100000::bigint,
	'in groups of four, the check character with the last one');
SELECT is((SELECT string_agg(DISTINCT concat_ws(' ', kind, status, version, uses, max_uses, batch, valid_from, valid_until, num_nonnulls(budget_id, member_id, coupon_no, reserved_ref)), '; ')
		FROM loyalty.coupon_code), 'generated active 1 0 1 spring 2026-01-01 2026-12-31 0', 'what is kept of them');
SELECT is((SELECT count(*) FROM loyalty.coupon_code c JOIN made m ON c.code = loyalty.coupon_code_canonical(m.code)), 100000::bigint, 'what is returned is what is kept');
SELECT is((SELECT made || ' ' || octet_length(key) FROM loyalty.coupon_key WHERE program_id = :shop), '100000 32', 'the key has counted them');
SELECT is((SELECT count(*) FROM (SELECT code FROM loyalty.coupon_generate('other', 'ten', 1000) code INTERSECT SELECT code FROM made) x), 0::bigint, 'another programme, other codes');
SELECT is((SELECT string_agg(DISTINCT concat_ws(' ', max_uses, batch), ';') FROM loyalty.coupon_code WHERE program_id = :other), '3', 'the uses of the template');
SELECT is((SELECT length(code) || ' ' || count(*) FROM loyalty.coupon_generate('shop', 'long', 3) code GROUP BY length(code)), '30 3', 'long ones');
-- Even enough: the mean of the sum of squares for n cells is n - 1, and beyond six deviations it lies once in far more than ten million runs.
CREATE FUNCTION pg_temp.even(first int, n int) RETURNS boolean LANGUAGE sql AS $$
	SELECT s.squares < 32 ^ n - 1 + 6 * sqrt(2 * 32 ^ n) + 12 AND s.squares > 32 ^ n - 1 - 6 * sqrt(2 * 32 ^ n)
	FROM (SELECT sum((c.n - e.n) ^ 2 / e.n) + (32 ^ $2 - count(*)) * min(e.n) AS squares
		FROM (SELECT count(*) AS n FROM made GROUP BY substr(replace(code, '-', ''), $1, $2)) c, (SELECT 100000 / 32 ^ $2 AS n) e) s
$$;
SELECT ok(bool_and(pg_temp.even(place, 1)), 'at each place each character is as frequent as the others') FROM generate_series(1, 13) place;
SELECT ok(bool_and(pg_temp.even(place, 2)), 'so is each pair of neighbours') FROM generate_series(1, 12) place;

-- What is refused
SELECT throws_ok($$SELECT loyalty.coupon_generate('nowhere', 'ten', 1)$$, 'LY403', 'programme does not exist', 'no such programme');
SELECT throws_ok($$SELECT loyalty.coupon_generate('shop', 'eleven', 1)$$, 'LY251', 'coupon does not exist in this programme', 'no such template');
SELECT throws_ok($$SELECT loyalty.coupon_generate('shop', 'offer', 1)$$, 'LY251', 'coupon does not exist in this programme', 'an offer needs no codes');
SELECT throws_ok($$SELECT loyalty.coupon_generate('shop', 'ten', 0)$$, '22023', 'n must be positive', 'none');
SELECT throws_ok($$SELECT loyalty.coupon_generate('shop', 'ten', 10000001)$$, 'LY004', 'input is too large', 'too many at once');
SELECT throws_ok($$SELECT loyalty.coupon_generate('shop', 'ten', 1, '')$$, 'LY005', 'reference is missing or malformed', 'a batch without a name');
SELECT throws_ok($$SELECT loyalty.coupon_generate('shop', 'ten', NULL)$$, '22004', 'n must not be null', 'NULL');
-- 32^10 / 10^9 = 1,125,899
SELECT throws_ok($$SELECT loyalty.coupon_generate('shop', 'short', 1125900)$$, 'LY240', 'codes of this length would be guessed too easily', 'so many short ones would be guessed');
-- All that were ever made are looked at first, and only then those that can still be used.
CREATE FUNCTION pg_temp.detail(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN SQLSTATE 'LY205' OR SQLSTATE 'LY240' OR SQLSTATE 'LY250' THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN detail;
END
$$;
UPDATE loyalty.coupon_key SET made = 2000000 WHERE program_id = :shop;
SELECT is((SELECT count(*) FROM loyalty.coupon_generate('shop', 'short', 10, 'few')), 10::bigint, 'two million were made, but not of this length');
SELECT is(pg_temp.detail($$SELECT loyalty.coupon_generate('shop', 'short', 1125890)$$), 'length=10 live=10 requested=1125890 at_most=1125899', 'ten of them can be used');
UPDATE loyalty.coupon_code SET uses = 1 WHERE code = (SELECT min(code) FROM loyalty.coupon_code WHERE batch = 'few');
UPDATE loyalty.coupon_code SET valid_until = '2026-03-14' WHERE code = (SELECT min(code) FROM loyalty.coupon_code WHERE batch = 'few' AND uses = 0);
UPDATE loyalty.coupon_code SET valid_until = '2026-03-15' WHERE code = (SELECT max(code) FROM loyalty.coupon_code WHERE batch = 'few');
SELECT is(pg_temp.detail($$SELECT loyalty.coupon_generate('shop', 'short', 1125892)$$), 'length=10 live=8 requested=1125892 at_most=1125899', 'one was used, one is over since yesterday');
SELECT is(loyalty.coupon_disable_batch('shop', 'short', 'few'), 10::bigint, 'disabled');
SELECT is(pg_temp.detail($$SELECT loyalty.coupon_generate('shop', 'short', 1125900)$$), 'length=10 live=0 requested=1125900 at_most=1125899', 'disabled ones do not count');
SELECT is((SELECT made FROM loyalty.coupon_key WHERE program_id = :shop), 2000010::bigint, 'what is refused takes no numbers');

-- A code that is there already, imported from an older copy, is left out, and there is another one instead.
DELETE FROM loyalty.coupon_code WHERE program_id = :other;
UPDATE loyalty.coupon_key SET made = 0 WHERE program_id = :other;
CREATE TEMP TABLE again AS SELECT code FROM loyalty.coupon_generate('other', 'ten', 100) code;
DELETE FROM loyalty.coupon_code WHERE program_id = :other;
UPDATE loyalty.coupon_key SET made = 0 WHERE program_id = :other;
SELECT is(loyalty.coupon_import('other', 'ten', (SELECT array_agg(code) FROM (SELECT code FROM again LIMIT 7) x)), 7::bigint, 'seven of a hundred are imported');
SELECT is((SELECT count(code) || ' ' || count(DISTINCT code) || ' ' || count(*) FILTER (WHERE EXISTS (SELECT FROM again a WHERE a.code = c.code))
	FROM loyalty.coupon_generate('other', 'ten', 100) c (code)), '100 100 93', 'a hundred are made all the same');
SELECT is((SELECT made FROM loyalty.coupon_key WHERE program_id = :other), 107::bigint, 'with seven numbers more');

-- Importing
SELECT is(pg_temp.signature('coupon_import'), '(program text, coupon text, codes text[], batch text DEFAULT NULL::text) -> bigint', 'coupon_import');
SELECT is(loyalty.coupon_import('shop', 'ten', '{7H6A-85YB-3C0B8,00000000007}', 'right'), 2::bigint, 'two that have the right check character');
SELECT is((SELECT free_codes FROM loyalty.coupon WHERE program_id = :shop AND name = 'ten'), NOT loyalty.coupon_code_valid('7H6A-85YB-3C0B8'),
	'codes without a check character are told of');
SELECT is(loyalty.coupon_import('shop', 'long', '{AB-1,ab-2,"AB 3"}', 'made elsewhere'), 3::bigint, 'three without one');
SELECT is((SELECT string_agg(concat_ws(' ', code, kind, status, version, max_uses, batch), ', ' ORDER BY code) FROM loyalty.coupon_code WHERE batch = 'made elsewhere'),
	'AB1 imported active 1 1 made elsewhere, AB2 imported active 1 1 made elsewhere, AB3 imported active 1 1 made elsewhere', 'what is kept of them');
SELECT is((SELECT free_codes FROM loyalty.coupon WHERE program_id = :shop AND name = 'long'), true, 'now wrong ones have to be looked up');
SELECT is(loyalty.coupon_import('shop', 'ten', '{}'), 0::bigint, 'no codes');
SELECT is(loyalty.coupon_import('other', 'ten', '{AB-1}'), 1::bigint, 'another programme may have the same');
SELECT is(pg_temp.detail($$SELECT loyalty.coupon_import('shop', 'ten', '{X1,X2,x-1,X3,AB1,"AB 2"}')$$), 'given_twice=1 taken=2', 'the same in other words, and two that there are');
SELECT is(pg_temp.detail($$SELECT loyalty.coupon_import('shop', 'ten', '{X1,X2,X1}')$$), 'given_twice=1 taken=0', 'the same twice');
SELECT is(pg_temp.detail($$SELECT loyalty.coupon_import('shop', 'ten', '{X1,"",X2,ÄÖ}')$$), 'malformed=2', 'two that are no codes');
SELECT is((SELECT count(*) FROM loyalty.coupon_code WHERE code LIKE 'X%' AND length(code) = 2), 0::bigint, 'all or none');
SELECT throws_ok($$SELECT loyalty.coupon_import('shop', 'ten', '{X1,X1}')$$, 'LY250', 'code exists already', 'its own code');
SELECT throws_ok($$SELECT loyalty.coupon_import('shop', 'ten', '{X1,NULL}')$$, '22004', 'codes must not contain null', 'NULL among them');
SELECT throws_ok($$SELECT loyalty.coupon_import('shop', 'ten', NULL)$$, '22004', 'codes must not be null', 'NULL');
SELECT throws_ok($$SELECT loyalty.coupon_import('shop', 'eleven', '{X1}')$$, 'LY251', NULL, 'no such template');
SELECT throws_ok($$SELECT loyalty.coupon_import('nowhere', 'ten', '{X1}')$$, 'LY403', NULL, 'no such programme');
SELECT is(loyalty.coupon_import('shop', 'ten', (SELECT array_agg('BULK' || i) FROM generate_series(1, 25000) i)), 25000::bigint, 'more than one step');
SELECT is(pg_temp.detail($$SELECT loyalty.coupon_import('shop', 'ten', (SELECT array_agg('BULK' || i) FROM generate_series(10001, 35000) i))$$), 'given_twice=0 taken=15000', 'taken in any of them');

-- Generic codes
SELECT is(pg_temp.signature('coupon_code_create'), '(program text, coupon text, code text, max_uses integer DEFAULT NULL::integer) -> text', 'coupon_code_create');
SELECT is(loyalty.coupon_code_create('shop', 'ten', 'Summer-2026'), 'SUMMER2026', 'a generic code');
SELECT is((SELECT concat_ws(' ', kind, version, coalesce(budget_id::text, 'no limit'), max_uses) FROM loyalty.coupon_code WHERE code = 'SUMMER2026'), 'generic 1 no limit', 'without a limit');
SELECT is(loyalty.coupon_code_create('shop', 'ten', 'hello', 100), 'HE110', 'with a limit');
SELECT is((SELECT count(*) || ' slots, ' || string_agg(DISTINCT s.quota::text, ' or ' ORDER BY s.quota::text) || ', ' || sum(s.quota) || ' in all'
	FROM loyalty.coupon_code c JOIN loyalty.budget_slot s USING (budget_id, program_id) WHERE code = 'HE110'), '16 slots, 6 or 7, 100 in all', 'its limit is cut into slots');
SELECT is(loyalty.coupon_code_create('shop', 'ten', 'few', 3), 'FEW', 'with a low one');
SELECT is((SELECT count(*) || ' slots, ' || sum(s.quota) FROM loyalty.coupon_code c JOIN loyalty.budget_slot s USING (budget_id) WHERE code = 'FEW'), '3 slots, 3', 'no slot is empty from the start');
SELECT throws_ok($$SELECT loyalty.coupon_code_create('shop', 'ten', 'SUMMER 2026')$$, 'LY250', 'code exists already', 'the same in other words');
SELECT throws_ok($$SELECT loyalty.coupon_code_create('shop', 'ten', 'HE-11-O')$$, 'LY250', 'code exists already', 'that looks alike');
SELECT throws_ok($$SELECT loyalty.coupon_code_create('shop', 'ten', '10 % off')$$, 'LY205', 'code is malformed', 'that is no code');
SELECT throws_ok($$SELECT loyalty.coupon_code_create('shop', 'ten', repeat('x', 1000000))$$, 'LY205', 'code is malformed', 'a megabyte');
SELECT throws_ok($$SELECT loyalty.coupon_code_create('shop', 'ten', 'NEW', 0)$$, '22023', 'max_uses must be positive', 'for nobody');
SELECT throws_ok($$SELECT loyalty.coupon_code_create('shop', 'offer', 'NEW')$$, 'LY251', NULL, 'an offer needs no code');
SELECT throws_ok($$SELECT loyalty.coupon_code_create('shop', 'ten', NULL)$$, '22004', 'code must not be null', 'NULL');
SELECT unalike(sqlerrm, '%HE110%', 'codes are not told in errors') FROM (SELECT pg_temp.detail($$SELECT loyalty.coupon_code_create('shop', 'ten', 'HE-11-O')$$) AS sqlerrm) x;

-- Disabling
SELECT is(pg_temp.signature('coupon_disable'), '(program text, code text) -> boolean', 'coupon_disable');
SELECT is(pg_temp.signature('coupon_enable'), '(program text, code text) -> boolean', 'coupon_enable');
SELECT is(pg_temp.signature('coupon_disable_batch'), '(program text, coupon text, batch text) -> bigint', 'coupon_disable_batch');
SELECT is(loyalty.coupon_disable('shop', 'ab-1'), true, 'disabled');
SELECT is((SELECT string_agg(p.name || ' ' || c.status, ', ' ORDER BY p.name) FROM loyalty.coupon_code c JOIN loyalty.program p USING (program_id) WHERE code = 'AB1'),
	'other active, shop disabled', 'in this programme only');
SELECT is(loyalty.coupon_disable('shop', 'AB1'), false, 'again');
SELECT is(loyalty.coupon_enable('shop', 'AB1'), true, 'enabled');
SELECT is(loyalty.coupon_enable('shop', 'AB1'), false, 'again');
SELECT throws_ok($$SELECT loyalty.coupon_disable('shop', 'nothing')$$, 'LY201', 'coupon was not found', 'a code that is not there');
SELECT throws_ok($$SELECT loyalty.coupon_enable('other', 'AB-2')$$, 'LY201', 'coupon was not found', 'a code of another programme');
SELECT throws_ok($$SELECT loyalty.coupon_disable('shop', '')$$, 'LY205', 'code is malformed', 'no code');
SELECT throws_ok($$SELECT loyalty.coupon_disable('nowhere', 'AB1')$$, 'LY403', 'programme does not exist', 'no such programme');
SELECT is(loyalty.coupon_disable_batch('shop', 'ten', 'spring'), 100000::bigint, 'a batch');
SELECT is(loyalty.coupon_disable_batch('shop', 'ten', 'spring'), 0::bigint, 'again');
SELECT is(loyalty.coupon_disable_batch('shop', 'ten', 'summer'), 0::bigint, 'no such batch');
SELECT throws_ok($$SELECT loyalty.coupon_disable_batch('shop', 'eleven', 'spring')$$, 'LY251', NULL, 'no such template');

-- which nobody has used
UPDATE loyalty.coupon_code SET uses = 0 WHERE batch = 'few';
SELECT is((SELECT count(*) FROM loyalty.verify()), 0::bigint, 'verify');
SELECT * FROM finish();
ROLLBACK;

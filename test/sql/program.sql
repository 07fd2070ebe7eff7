\set ECHO none
\i test/prelude.sql
SELECT plan(57);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('Idle', 'GBP', 'Europe/London') AS idle \gset
SELECT loyalty.program_create('Books', 'GBP', 'Europe/London') AS books \gset
UPDATE loyalty.program SET closed_until = '2026-03-01 00:00+00' WHERE program_id = :books;
CALL pg_temp.enroll('Shop', 'ann');
CALL pg_temp.enroll('Books', 'bob');

-- What a programme may be
PREPARE program(text, text, int, text) AS
	INSERT INTO loyalty.program (name, currency, currency_scale, time_zone) VALUES ($1, $2, $3, $4);
SELECT lives_ok($$EXECUTE program('Café 24 - St. James_1', 'EUR', 2, 'Europe/Paris')$$,
	'letters, digits, blanks, dots and hyphens make a name');
SELECT throws_ok($$EXECUTE program('', 'EUR', 2, 'Europe/Paris')$$, '23514', NULL, 'an empty name');
SELECT throws_ok($$EXECUTE program(' x', 'EUR', 2, 'Europe/Paris')$$, '23514', NULL, 'a name that begins with a blank');
SELECT throws_ok($$EXECUTE program(repeat('x', 64), 'EUR', 2, 'Europe/Paris')$$, '23514', NULL, 'a name of 64 letters');
SELECT throws_ok($$EXECUTE program(E'x\ny', 'EUR', 2, 'Europe/Paris')$$, '23514', NULL, 'a name with a line break');
SELECT throws_ok($$EXECUTE program('Shop', 'EUR', 2, 'Europe/Paris')$$, '23505', NULL, 'a name that is taken');
SELECT throws_ok($$EXECUTE program('X', 'eur', 2, 'Europe/Paris')$$, '23514', NULL, 'a currency in lower case');
SELECT throws_ok($$EXECUTE program('X', 'EUR', 5, 'Europe/Paris')$$, '23514', NULL, 'a currency with 5 decimals');
SELECT throws_ok($$EXECUTE program('X', 'EUR', 2, 'Mars/Olympus')$$, '22023', NULL, 'a time zone that does not exist');
SELECT throws_ok(format($$EXECUTE program('X', 'EUR', 2, %L)$$, zone), '22023', NULL, 'a POSIX time zone, whose sign is not what one means: ' || zone)
FROM unnest('{UTC+8,+2,-3,EST5EDT}'::text[]) zone;
SELECT lives_ok(format($$EXECUTE program('Zone %s', 'EUR', 2, %L)$$, n, zone), 'a name of a time zone: ' || zone)
FROM unnest('{UTC,CET,Etc/GMT-8,America/Port-au-Prince}'::text[]) WITH ORDINALITY z (zone, n);
DELETE FROM loyalty.program WHERE name LIKE 'Zone %';
SELECT throws_ok($$EXECUTE program('X', 'EUR', 2, '')$$, '22023', NULL, 'an empty time zone');
SELECT throws_ok($$EXECUTE program('X', 'EUR', 2, NULL)$$, '23502', NULL, 'no time zone');
SELECT throws_ok($$UPDATE loyalty.program SET status = 'paused'$$, '23514', NULL, 'an unknown status');
SELECT throws_ok($$UPDATE loyalty.program SET ref_scope = 'world' WHERE name = 'Idle'$$, '23514', NULL, 'an unknown scope');
SELECT throws_ok($$UPDATE loyalty.program SET closed_until = 'infinity'$$, '23514', NULL, 'closed for ever');
SELECT throws_ok($$UPDATE loyalty.program SET time_zone = 'Mars/Olympus' WHERE name = 'Idle'$$, '22023', NULL,
	'a change to a time zone that does not exist');

-- Rule 16
SELECT lives_ok($$UPDATE loyalty.program SET time_zone = 'Asia/Shanghai' WHERE name = 'Idle'$$,
	'rule 16: before the first journal row the time zone may change');
SELECT lives_ok($$UPDATE loyalty.program SET currency = 'CNY' WHERE name = 'Idle'$$,
	'rule 16: and the currency');
SELECT throws_ok($$UPDATE loyalty.program SET time_zone = 'Asia/Shanghai' WHERE name = 'Shop'$$, 'LY808', NULL,
	'rule 16: after it the time zone is fixed');
SELECT throws_ok($$UPDATE loyalty.program SET currency = 'CNY' WHERE name = 'Shop'$$, 'LY808', NULL,
	'rule 16: and the currency');
SELECT throws_ok($$UPDATE loyalty.program SET currency_scale = 0 WHERE name = 'Shop'$$, 'LY808', NULL,
	'rule 16: and its decimals');
SELECT throws_ok($$UPDATE loyalty.program SET ref_scope = 'program' WHERE name = 'Shop'$$, 'LY808', NULL,
	'rule 16: and whose a reference is');
SELECT lives_ok($$UPDATE loyalty.program SET ref_scope = 'program' WHERE name = 'Idle'$$,
	'rule 16: which may change before');
SELECT throws_ok(format('UPDATE loyalty.program SET %I = NULL WHERE name = %L', setting, name), '23502', NULL,
	format('rule 16: no %s, %s', setting, name))
FROM unnest('{currency,currency_scale,time_zone,ref_scope}'::text[]) setting, unnest('{Shop,Idle}'::text[]) name;
SELECT lives_ok($$UPDATE loyalty.program SET time_zone = 'Europe/London', currency = 'GBP', name = 'Corner shop' WHERE name = 'Shop'$$,
	'rule 16: the same again, and another name, are no change of it');
UPDATE loyalty.program SET name = 'Shop' WHERE name = 'Corner shop';
SELECT is((SELECT time_zone FROM loyalty.program WHERE name = 'Shop'), 'Europe/London', 'rule 16: nothing moved');

-- Events
SELECT throws_ok($$INSERT INTO loyalty.program_event SELECT program_id, 'Check-in' FROM loyalty.program$$, '23514', NULL,
	'an event is a word in lower case');
SELECT throws_ok($$SELECT * FROM loyalty.record(pg_temp.id('bob'), 'dance')$$, 'LY404', NULL,
	'an event that the programme does not know');
INSERT INTO loyalty.program_event VALUES (:books, 'dance');
SELECT is((SELECT status FROM loyalty.record(pg_temp.id('bob'), 'dance')), 'done',
	'is recorded once the programme knows it');
SELECT throws_ok($$SELECT * FROM loyalty.record(pg_temp.id('ann'), 'dance')$$, 'LY404', NULL,
	'in this programme only');

-- Closed periods
SELECT throws_ok($$SELECT * FROM loyalty.purchase(pg_temp.id('bob'), 10, 'o1', at => '2026-02-28 23:59:59.999999+00')$$,
	'LY109', NULL, 'rule 10: nothing is dated before closed_until');
SELECT is((SELECT status FROM loyalty.purchase(pg_temp.id('bob'), 10, 'o1', at => '2026-03-01 00:00+00')), 'done',
	'rule 10: but at it');
SELECT throws_ok($$SELECT * FROM loyalty.redeem(pg_temp.id('bob'), 1, key => 'k1', at => '2026-02-28 12:00+00')$$,
	'LY109', NULL, 'rule 10: at is checked where it dates nothing, too');

-- Inactive
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 100, 'o1', key => 'k1');
UPDATE loyalty.program SET status = 'inactive' WHERE program_id = :shop;
SELECT throws_ok($$SELECT * FROM loyalty.purchase(pg_temp.id('ann'), 10, 'o2')$$, 'LY402', NULL, 'inactive: no purchase');
SELECT throws_ok($$SELECT * FROM loyalty.redeem(pg_temp.id('ann'), 10, key => 'k2')$$, 'LY402', NULL, 'inactive: no redeem');
SELECT throws_ok($$SELECT * FROM loyalty.refund(pg_temp.id('ann'), 'o1')$$, 'LY402', NULL, 'inactive: no refund');
SELECT throws_ok($$SELECT * FROM loyalty.enroll('Shop', '{"customer_no":"new"}')$$, 'LY402', NULL, 'inactive: no enroll');
SELECT throws_ok($$SELECT * FROM loyalty.sale('Shop', '{"customer_no":"new"}', 10, 'o3')$$, 'LY402', NULL, 'inactive: no sale');
SELECT is((SELECT replayed FROM loyalty.purchase(pg_temp.id('ann'), 100, 'o1', key => 'k1')), true,
	'rule 1: inactive: a known key still replays');
SELECT is(pg_temp.balance('ann'), '100 available', 'inactive: the balance is told');
SELECT isnt(loyalty.find('Shop', 'customer_no', 'ann'), NULL, 'inactive: members are found');
UPDATE loyalty.program SET status = 'active' WHERE program_id = :shop;
SELECT is((SELECT status FROM loyalty.purchase(pg_temp.id('ann'), 10, 'o2')), 'done', 'active again: all is well');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;

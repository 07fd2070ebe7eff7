\set ECHO none
\i test/prelude.sql
SELECT plan(102);

SELECT is(pg_temp.signature('track'), '(member_id bigint, kind text, target_kind text DEFAULT NULL::text, target text DEFAULT NULL::text, '
	'session text DEFAULT NULL::text, dwell_seconds integer DEFAULT NULL::integer, channel text DEFAULT NULL::text, data jsonb DEFAULT NULL::jsonb, '
	'at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text) -> bigint', 'track(): arguments');
SELECT is(pg_temp.signature('track_batch'), '(program text, rows loyalty.activity_row[], OUT accepted bigint, OUT replayed bigint, OUT rejected bigint, '
	'OUT rejects jsonb) -> record', 'track_batch(): arguments');
SELECT is(pg_temp.signature('visitor_join'), '(member_id bigint, visitor text) -> bigint', 'visitor_join(): arguments');
SELECT is(pg_temp.signature('activity_expire'), '(program text, batch integer DEFAULT 10000) -> bigint', 'activity_expire(): arguments');
SELECT is(pg_temp.signature('report_path'), '(program text, since date DEFAULT NULL::date, until date DEFAULT NULL::date, steps integer DEFAULT 5) -> '
	'TABLE(path text, people bigint, members bigint, conversions bigint, rate numeric, days numeric)', 'report_path(): arguments');

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Cafe', 'CNY', 'Asia/Shanghai') AS cafe \gset
SELECT loyalty.program_create('Idle', 'CNY', 'Asia/Shanghai') AS idle \gset
INSERT INTO loyalty.activity_kind (program_id, kind, retain_days) VALUES
	(:shop, 'search', 30), (:shop, 'view', 90), (:shop, 'cart', NULL), (:cafe, 'view', NULL), (:idle, 'view', NULL);
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'closed', 'merged');
CALL pg_temp.enroll('Cafe', 'zoe');
CALL pg_temp.enroll('Idle', 'ida');
SELECT FROM loyalty.member_close(pg_temp.id('closed'), 'test');
UPDATE loyalty.account SET status = 'merged' WHERE member_id = pg_temp.id('merged');
UPDATE loyalty.program SET status = 'inactive' WHERE name = 'Idle';

SELECT is(left(pg_temp.raised(format('INSERT INTO loyalty.activity_kind (program_id, kind, retain_days) VALUES (%s, %L, %s)', program, kind, days)), 5), code,
	format('activity_kind: %s %s', kind, days))
FROM (VALUES (:shop, 'Search', '1', '23514'), (:shop, '', '1', '23514'), (:shop, 'x', '0', '23514'), (:shop, 'x', '36501', '23514'), (:shop, 'view', '1', '23505'),
	(99, 'x', '1', '23503')) x (program, kind, days, code);

-- Kept as it was told, and no account touched
CREATE TEMP TABLE account_before AS SELECT ctid AS place, xmin::text AS writer, member_id FROM loyalty.account;
SELECT loyalty.track(pg_temp.id('ann'), 'view', 'sku', 'A-17', 's1', 95, 'web', '{"from": "search"}', '2026-03-14 20:00+08') AS first \gset
SELECT row_eq(format('SELECT member_id, program_id, kind, target_kind, target, session, dwell_seconds, channel, data, at, key FROM loyalty.activity WHERE activity_id = %s', :'first'),
	ROW(pg_temp.id('ann'), :shop, 'view'::text, 'sku'::text, 'A-17'::text, 's1'::text, 95, 'web'::text, '{"from": "search"}'::jsonb, timestamptz '2026-03-14 12:00+00', NULL::text),
	'track: kept as it was told');
SELECT loyalty.track(pg_temp.id('ann'), 'cart') AS second \gset
SELECT row_eq(format('SELECT target_kind, target, session, dwell_seconds, channel, data, at FROM loyalty.activity WHERE activity_id = %s', :'second'),
	ROW(NULL::text, NULL::text, NULL::text, NULL::int, NULL::text, NULL::jsonb, timestamptz '2026-03-15 12:00+00'), 'track: nothing but the kind, now');
SELECT ok(:second > :first, 'track: ids ascend');
SELECT ok(loyalty.track(pg_temp.id('ann'), 'view', target => repeat('x', 2048), session => repeat('x', 255), channel => repeat('x', 255),
	target_kind => repeat('x', 63), dwell_seconds => 2147483647, data => '{}', at => '1970-01-01 00:00+00', key => repeat('k', 255)) > 0, 'track: the longest of all');
SELECT ok(loyalty.track(pg_temp.id('ann'), 'view', at => '2026-03-16 12:00+00') > 0, 'track: a day ahead');
SELECT ok(loyalty.track(pg_temp.id('bob'), 'view', data => jsonb_build_object('x', repeat('x', 65000))) > 0, 'track: data of 65,000 bytes');
SELECT is((SELECT length(data ->> 'x') FROM loyalty.activity WHERE member_id = pg_temp.id('bob')), 65000, 'track: all of it');
SELECT FROM loyalty.member_freeze(pg_temp.id('bob'), 'test');
SELECT ok(loyalty.track(pg_temp.id('bob'), 'view') > 0, 'track: a frozen member may look');
SELECT FROM loyalty.member_thaw(pg_temp.id('bob'), 'test');
SELECT is_empty($$SELECT member_id FROM account_before b JOIN loyalty.account a USING (member_id) WHERE (a.ctid, a.xmin::text) IS DISTINCT FROM (b.place, b.writer)
	AND member_id <> pg_temp.id('bob')$$, 'track: no account was touched');
SELECT is_empty('SELECT * FROM loyalty.member_day', 'track: where no condition looks at them, nothing is counted');
SELECT is_empty('SELECT * FROM loyalty.tag_review', 'and nobody is judged');

-- Bad input
SELECT pg_temp.id('ann') AS ann, pg_temp.id('bob') AS bob, pg_temp.id('zoe') AS zoe, pg_temp.id('closed') AS closed, pg_temp.id('merged') AS merged, pg_temp.id('ida') AS ida \gset
SELECT loyalty.track(:ann, 'cart', key => 'taken') AS taken \gset
SELECT FROM loyalty.visitor_join(:ann, 'annes');
SELECT pg_temp.state() AS state \gset
SELECT is(pg_temp.raised('SELECT ' || replace(replace(call, '{ann}', :'ann'), '{bob}', :'bob')), code, call) FROM (VALUES
	($$loyalty.track(NULL, 'view')$$, '22004'),
	($$loyalty.track({ann}, NULL)$$, '22004'),
	($$loyalty.track(999999, 'view')$$, 'LY501 member_id=999999'),
	($$loyalty.track(-1, 'view')$$, 'LY501 member_id=-1'),
	($$loyalty.track({ann}, 'vieww')$$, 'LY430 kind=vieww'),
	($$loyalty.track({ann}, '')$$, 'LY430 kind='),
	($$loyalty.track({ann}, 'view', dwell_seconds => -1)$$, '22023'),
	($$loyalty.track({ann}, 'view', 'sku', '')$$, '22023'),
	($$loyalty.track({ann}, 'view', '', 'A')$$, '22023'),
	($$loyalty.track({ann}, 'view', session => '')$$, '22023'),
	($$loyalty.track({ann}, 'view', channel => E'a\nb')$$, '22023'),
	($$loyalty.track({ann}, 'view', 'sku', E'a\x7f')$$, '22023'),
	($$loyalty.track({ann}, 'view', 'sku', repeat('x', 10240))$$, 'LY004 target has 10240 bytes, at most 2048'),
	($$loyalty.track({ann}, 'view', repeat('x', 64), 'A')$$, 'LY004 target_kind has 64 bytes, at most 63'),
	($$loyalty.track({ann}, 'view', session => repeat('x', 256))$$, 'LY004 session has 256 bytes, at most 255'),
	($$loyalty.track({ann}, 'view', channel => repeat('x', 1048576))$$, 'LY004 channel has 1048576 bytes, at most 255'),
	($$loyalty.track({ann}, 'view', data => '[]')$$, 'LY007 data must be a json object'),
	($$loyalty.track({ann}, 'view', data => '1')$$, 'LY007 data must be a json object'),
	($$loyalty.track({ann}, 'view', data => 'null')$$, 'LY007 data must be a json object'),
	($$loyalty.track({ann}, 'view', at => 'infinity')$$, 'LY107 at=infinity'),
	($$loyalty.track({ann}, 'view', at => '-infinity')$$, 'LY107 at=-infinity'),
	($$loyalty.track({ann}, 'view', at => '2026-03-16 12:00:00.000001+00')$$, 'LY108 at=2026-03-16 12:00:00.000001+00'),
	($$loyalty.track({ann}, 'view', at => '1969-12-31 23:59:59+00')$$, 'LY109 at=1969-12-31 23:59:59+00 lies before 1970'),
	($$loyalty.track({ann}, 'view', key => '')$$, 'LY001 key is empty'),
	($$loyalty.track({ann}, 'view', key => repeat('k', 256))$$, 'LY001 key has 256 bytes, at most 255'),
	($$loyalty.track({ann}, 'view', key => 'taken')$$, 'LY002'),
	($$loyalty.track_visitor(NULL, 'c1', 'view')$$, '22004'),
	($$loyalty.track_visitor('Shop', NULL, 'view')$$, '22004'),
	($$loyalty.track_visitor('Pub', 'c1', 'view')$$, 'LY403 program=Pub'),
	($$loyalty.track_visitor('Idle', 'c1', 'view')$$, 'LY402 program=Idle'),
	($$loyalty.track_visitor('Shop', '', 'view')$$, 'LY505 visitor is empty'),
	($$loyalty.track_visitor('Shop', repeat('c', 256), 'view')$$, 'LY505 visitor has 256 bytes, at most 255'),
	($$loyalty.track_visitor('Shop', E'c\t1', 'view')$$, 'LY505 visitor contains a control character'),
	($$loyalty.track_visitor('Shop', 'c1', 'vieww')$$, 'LY430 kind=vieww'),
	($$loyalty.visitor_join(NULL, 'c1')$$, '22004'),
	($$loyalty.visitor_join({ann}, NULL)$$, '22004'),
	($$loyalty.visitor_join({ann}, '')$$, 'LY505 visitor is empty'),
	($$loyalty.visitor_join(999999, 'c1')$$, 'LY501 member_id=999999'),
	($$loyalty.visitor_join({bob}, 'annes')$$, format('LY431 member_id=%s', :'bob')),
	($$loyalty.track_batch(NULL, '{}')$$, '22004'),
	($$loyalty.track_batch('Shop', NULL)$$, '22004'),
	($$loyalty.track_batch('Pub', '{}')$$, 'LY403 program=Pub'),
	($$loyalty.track_batch('Shop', (SELECT array_agg(NULL::loyalty.activity_row) FROM generate_series(1, 100001)))$$, '54000'),
	($$loyalty.activity_expire(NULL)$$, '22004'),
	($$loyalty.activity_expire('Shop', 0)$$, '22023'),
	($$loyalty.activity_expire('Pub')$$, 'LY403 program=Pub'),
	($$(SELECT count(*) FROM loyalty.path(999999))$$, 'LY501 member_id=999999'),
	($$(SELECT count(*) FROM loyalty.report_path('Pub'))$$, 'LY403 program=Pub'),
	($$(SELECT count(*) FROM loyalty.report_path('Shop', steps => 0))$$, '22023'),
	($$(SELECT count(*) FROM loyalty.report_path('Shop', steps => NULL))$$, '22004')) x (call, code);
SELECT is(pg_temp.raised(format('SELECT loyalty.track(%s, %L)', member, 'view')), format('%s member_id=%s', code, member), 'track: ' || code)
FROM (VALUES (:closed, 'LY502'), (:merged, 'LY504')) x (member, code);
SELECT is(pg_temp.raised(format('SELECT loyalty.track(%s, %L)', :ida, 'view')), 'LY402 program=Idle', 'track: LY402');
SELECT is(pg_temp.raised(format('SELECT loyalty.visitor_join(%s, %L)', :closed, 'c1')), format('LY502 member_id=%s', :closed), 'visitor_join: LY502');
SELECT is(pg_temp.state(), :'state', 'none of these left anything behind');

-- Sent twice
SELECT is(loyalty.track(:ann, 'cart', key => 'taken', at => '2026-03-15 13:00+00'), :taken::bigint, 'key: the id of the first time, whenever');
SELECT is((SELECT count(*) FROM loyalty.activity WHERE key = 'taken'), 1::bigint, 'key: kept once');
SELECT isnt(loyalty.track(:bob, 'cart', key => 'taken'), :taken::bigint, 'key: of another member it is another');
SELECT results_eq(format($$SELECT accepted, replayed, rejected, rejects FROM loyalty.track_batch('Shop', ARRAY[
		(%s, NULL, 'cart', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'taken'), (%1$s, NULL, 'view', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'taken'),
		(%1$s, NULL, 'cart', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'new'), (%1$s, NULL, 'cart', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'new')]::loyalty.activity_row[])$$, :ann),
	$$VALUES (1::bigint, 2::bigint, 1::bigint, '[{"row": 2, "code": "LY002", "reason": "idempotency_key_reused"}]'::jsonb)$$,
	'key: in a batch, before it and twice in it');

-- Visitors
SELECT loyalty.track_visitor('Shop', 'c1', 'search', 'words', 'shoes', at => '2026-03-10 02:00+00', key => 'e1') AS e1 \gset
SELECT is(loyalty.track_visitor('Shop', 'c1', 'search', 'words', 'shoes', key => 'e1'), :e1::bigint, 'visitor: a key');
SELECT FROM loyalty.track_visitor('Shop', 'c1', 'view', at => '2026-03-11 02:00+00');
SELECT FROM loyalty.track_visitor('Cafe', 'c1', 'view', at => '2026-03-11 02:00+00');
SELECT results_eq($$SELECT program_id, seen_at, joined_at FROM loyalty.visitor WHERE visitor = 'c1' ORDER BY program_id$$,
	format($$VALUES (%s, timestamptz '2026-03-15 12:00+00', NULL::timestamptz), (%s, '2026-03-15 12:00+00', NULL)$$, :shop, :cafe), 'visitor: one per programme');
SELECT is_empty($$SELECT FROM loyalty.visitor v JOIN loyalty.account a USING (member_id) WHERE v.visitor = 'c1'$$, 'visitor: an id that no member has');
SELECT FROM loyalty.track(pg_temp.id('cat'), 'search', 'words', 'shoes', key => 'e1');
SELECT is(loyalty.visitor_join(pg_temp.id('cat'), 'c1'), 1::bigint, 'visitor_join: what the member has under the same key was sent twice');
SELECT is((SELECT string_agg(kind, ' ' ORDER BY at) FROM loyalty.activity WHERE member_id = pg_temp.id('cat')), 'view search', 'visitor_join: what moved, and what was there');
SELECT is_empty($$SELECT FROM loyalty.activity a WHERE NOT EXISTS (SELECT FROM loyalty.account c WHERE c.member_id = a.member_id)
	AND NOT EXISTS (SELECT FROM loyalty.visitor v WHERE v.member_id = a.member_id AND v.joined_at IS NULL)$$, 'visitor_join: nothing is left that is nobody''s');
SELECT is(loyalty.visitor_join(pg_temp.id('cat'), 'c1'), 0::bigint, 'visitor_join: again, nothing more');
SELECT FROM loyalty.track_visitor('Shop', 'c1', 'cart', key => 'e2');
SELECT is((SELECT count(*) FROM loyalty.activity WHERE member_id = pg_temp.id('cat') AND key = 'e2'), 1::bigint, 'visitor: after joining it is the member');
SELECT FROM loyalty.track_visitor('Shop', 'annes', 'view', key => 'e3');
SELECT is((SELECT member_id FROM loyalty.activity WHERE key = 'e3'), :ann::bigint, 'visitor: joined before he was ever seen');
SELECT FROM loyalty.track_visitor('Shop', 'c2', 'view');
SELECT is(loyalty.visitor_join(pg_temp.id('cat'), 'c2'), 1::bigint, 'visitor_join: a member may have been several');
SELECT is((SELECT string_agg(visitor, ' ' ORDER BY visitor) FROM loyalty.visitor WHERE member_id = pg_temp.id('cat')), 'c1 c2', 'visitor_join: both stay known');
SELECT FROM loyalty.visitor_join(:zoe, 'zoes');
SELECT FROM loyalty.member_close(:zoe, 'test');
SELECT is(pg_temp.raised($$SELECT loyalty.track_visitor('Cafe', 'zoes', 'view')$$), format('LY502 member_id=%s', :zoe), 'visitor: of a member who is closed');

-- Bad rows among good ones
SELECT pg_temp.state() AS state \gset
CREATE TEMP TABLE batch_result AS SELECT * FROM loyalty.track_batch('Shop', ARRAY[
	(:ann, NULL, 'view', 'sku', 'good', NULL, NULL, NULL, NULL, NULL, NULL),
	NULL,
	(:ann, 'c3', 'view', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(NULL, 'c3', 'view', 'sku', 'good', NULL, NULL, NULL, NULL, NULL, NULL),
	(NULL, '', 'view', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(:ann, NULL, 'vieww', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(:ann, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(:ann, NULL, 'view', NULL, NULL, NULL, -5, NULL, NULL, NULL, NULL),
	(:ann, NULL, 'view', NULL, NULL, NULL, NULL, NULL, '[1]', NULL, NULL),
	(:ann, NULL, 'view', 'sku', repeat('x', 10240), NULL, NULL, NULL, NULL, NULL, NULL),
	(:ann, NULL, 'view', NULL, NULL, NULL, NULL, NULL, NULL, '2027-01-01 00:00+00', NULL),
	(:ann, NULL, 'view', NULL, NULL, NULL, NULL, NULL, NULL, NULL, ''),
	(:zoe, NULL, 'view', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(:closed, NULL, 'view', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(NULL, 'c1', 'cart', 'sku', 'good', NULL, NULL, NULL, NULL, NULL, 'b1'),
	(:bob, NULL, 'cart', 'sku', 'good', NULL, NULL, NULL, NULL, NULL, 'b1')]::loyalty.activity_row[]);
SELECT results_eq('SELECT accepted, replayed, rejected FROM batch_result', 'VALUES (4::bigint, 0::bigint, 12::bigint)', 'batch: the good ones are kept');
SELECT is((SELECT string_agg(format('%s %s %s', r ->> 'row', r ->> 'code', r ->> 'reason'), ', ' ORDER BY n) FROM batch_result, jsonb_array_elements(rejects) WITH ORDINALITY x (r, n)),
	'2 22004 value_invalid, 3 22023 value_invalid, 5 LY505 identifier_malformed, 6 LY430 unknown_activity, 7 22004 value_invalid, 8 22023 value_invalid, '
	'9 LY007 data_invalid, 10 LY004 input_too_large, 11 LY108 time_in_future, 12 LY001 idempotency_key_invalid, 13 LY501 member_not_found, 14 LY502 member_closed',
	'batch: the bad ones are told of');
SELECT results_eq($$SELECT kind, count(*) FROM loyalty.activity WHERE target = 'good' GROUP BY kind ORDER BY kind$$, $$VALUES ('cart', 2::bigint), ('view', 2)$$, 'batch: nothing else');
SELECT results_eq($$SELECT * FROM loyalty.track_batch('Shop', '{}')$$, $$VALUES (0::bigint, 0::bigint, 0::bigint, '[]'::jsonb)$$, 'batch: none');

-- A batch is the same as its rows one by one
CREATE TEMP TABLE random_row AS
SELECT n, CASE WHEN n % 3 > 0 THEN (ARRAY[pg_temp.id('ann'), pg_temp.id('bob'), pg_temp.id('cat')])[1 + n % 7 % 3] END AS member_id,
	CASE WHEN n % 3 = 0 THEN 'v' || n % 17 END AS visitor, ('{search,view,cart}'::text[])[1 + n % 11 % 3] AS kind, 'sku' AS target_kind, 'A' || n AS target,
	's' || n % 40 AS session, n % 90 AS dwell_seconds, 'web' AS channel, jsonb_build_object('n', n) AS data,
	timestamptz '2026-03-01 00:00+00' + n * interval '977 seconds' AS at, CASE WHEN n % 2 = 0 THEN 'r' || n % 150 END AS key
FROM generate_series(1, 400) n;
DELETE FROM loyalty.activity;
SELECT count(pg_temp.raised(CASE WHEN member_id IS NULL
	THEN format('SELECT loyalty.track_visitor(%L, %L, %L, %L, %L, %L, %s, %L, %L, %L, %L)', 'Shop', visitor, kind, target_kind, target, session, dwell_seconds, channel, data, at, key)
	ELSE format('SELECT loyalty.track(%s, %L, %L, %L, %L, %s, %L, %L, %L, %L)', member_id, kind, target_kind, target, session, dwell_seconds, channel, data, at, key) END) ORDER BY n) AS single
FROM random_row \gset
CREATE TEMP TABLE one_by_one AS SELECT member_id, at, kind, target_kind, target, session, dwell_seconds, channel, data, key FROM loyalty.activity;
DELETE FROM loyalty.activity;
SELECT accepted + replayed + rejected AS batch, accepted FROM loyalty.track_batch('Shop', (SELECT array_agg(ROW(member_id, visitor, kind, target_kind, target, session,
	dwell_seconds, channel, data, at, key)::loyalty.activity_row ORDER BY n) FROM random_row)) \gset
SELECT is(:single, 400, 'random: all were called');
SELECT is(:batch, 400, 'random: all were told of');
SELECT ok(:accepted BETWEEN 210 AND 390, 'random: some keys came twice');
SELECT bag_eq('SELECT member_id, at, kind, target_kind, target, session, dwell_seconds, channel, data, key FROM loyalty.activity', 'SELECT * FROM one_by_one',
	'random: a batch keeps what the same calls keep');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;

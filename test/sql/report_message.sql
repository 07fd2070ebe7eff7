\set ECHO none
\i test/prelude.sql
SELECT plan(10);

-- 20:00 in Shanghai
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('Empty', 'JPY', 'Asia/Tokyo');
INSERT INTO loyalty.message_channel (program_id, name, max_attempts) VALUES (:shop, 'sms', 1), (:shop, 'mail', 1);
CALL pg_temp.enroll('Shop', 'ann', 'bob');
CREATE FUNCTION pg_temp.tell(name text, channel text, template text, n int, purpose text DEFAULT 'service', expires_at timestamptz DEFAULT NULL) RETURNS bigint[]
LANGUAGE sql AS $$
	SELECT array_agg(loyalty.message_enqueue(pg_temp.id($1), $2, $3, purpose => $5, expires_at => $6)) FROM generate_series(1, $4)
$$;
-- The 15th: 6 of welcome, of which one is cancelled, one given up, four are sent. Of
-- these one bounces, so that it is given up, too, three are delivered, two opened, one clicked, whose reader has had
-- enough. Another waits.
SELECT (pg_temp.tell('ann', 'sms', 'welcome', 6))[1:6] AS w \gset
SELECT loyalty.message_cancel(pg_temp.id('ann'), (:'w'::bigint[])[6]);
SELECT FROM loyalty.message_take('sms', 10);
SELECT FROM generate_series(1, 4) n, loyalty.message_done(pg_temp.id('ann'), (:'w'::bigint[])[n]);
SELECT FROM loyalty.message_retry(pg_temp.id('ann'), (:'w'::bigint[])[5], 1, 'no number', give_up => true);
SELECT FROM (VALUES (1, 'bounced'), (2, 'delivered'), (3, 'opened'), (4, 'delivered'), (4, 'opened'), (4, 'clicked'), (4, 'unsubscribed')) x (n, kind),
	loyalty.message_feedback(pg_temp.id('ann'), (:'w'::bigint[])[n], kind);
SELECT pg_temp.tell('bob', 'sms', 'later', 1);
-- By mail: one is not agreed to, one is too late; and one is of the 16th in Shanghai
SELECT pg_temp.tell('bob', 'mail', 'news', 1, 'marketing');
SELECT pg_temp.tell('bob', 'mail', 'news', 1, expires_at => '2026-03-15 13:00+00');
SET loyalty.now = '2026-03-15 16:00+00';
SELECT FROM loyalty.message_expire();
SELECT FROM loyalty.message_take('mail', 10);
SELECT pg_temp.tell('ann', 'mail', 'news', 1);

SELECT is(pg_temp.signature('report_message_funnel'),
	'(program text, since date, until date) -> TABLE(channel text, template text, queued bigint, sent bigint, delivered bigint, opened bigint, clicked bigint, bounced bigint,'
	' unsubscribed bigint, suppressed bigint, expired bigint, dead bigint, cancelled bigint, delivery_rate numeric, open_rate numeric, click_rate numeric)',
	'report_message_funnel(): arguments');
SELECT results_eq($$SELECT * FROM loyalty.report_message_funnel('Shop', '2026-03-15', '2026-03-15')$$,
	$$VALUES ('mail', 'news', 2::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 1::bigint, 1::bigint, 0::bigint, 0::bigint, NULL::numeric, NULL::numeric, NULL::numeric),
	         ('sms', 'later', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL),
	         ('sms', 'welcome', 6, 4, 3, 2, 1, 1, 1, 0, 0, 2, 1, 0.7500, 0.6667, 0.5000)$$,
	'what became of the messages of a day');
SELECT results_eq($$SELECT channel, template, queued FROM loyalty.report_message_funnel('Shop', '2026-03-16', '2026-03-31')$$,
	$$VALUES ('mail', 'news', 1::bigint)$$, 'by the local day on which they were queued');
SELECT results_eq($$SELECT sum(queued), sum(sent - bounced), sum(delivered) FROM loyalty.report_message_funnel('Shop', '2026-03-01', '2026-03-31')$$,
	$$SELECT sum(messages), sum(done), sum(delivered) FROM loyalty.report_message$$, 'as in report_message');
SELECT is_empty($$SELECT * FROM loyalty.report_message_funnel('Empty', '2026-03-01', '2026-03-31')$$, 'an empty programme');
SELECT is_empty($$SELECT * FROM loyalty.report_message_funnel('Shop', '2030-01-01', '2030-12-31')$$, 'the future');
SELECT throws_ok($$SELECT * FROM loyalty.report_message_funnel('Nowhere', '2026-03-01', '2026-03-31')$$, 'LY403', NULL, 'an unknown programme');
SELECT throws_ok($$SELECT * FROM loyalty.report_message_funnel('Shop', '2026-03-31', '2026-03-01')$$, '22023', NULL, 'the wrong way round');
SELECT throws_ok($$SELECT * FROM loyalty.report_message_funnel(NULL, '2026-03-01', '2026-03-31')$$, '22004', NULL, 'no programme');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;

\set ECHO none
\i test/prelude.sql
SELECT plan(24);

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

-- At every moment it is what the messages say: whatever is told in whatever order, folded or not.
CREATE FUNCTION pg_temp.slow() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', m.channel, m.template, count(*), count(*) FILTER (WHERE m.status = 'done' OR f.kinds ? 'bounced'),
		count(*) FILTER (WHERE f.kinds ?| '{delivered,opened,clicked}'), count(*) FILTER (WHERE f.kinds ?| '{opened,clicked}'),
		count(*) FILTER (WHERE f.kinds ? 'clicked'), count(*) FILTER (WHERE f.kinds ? 'bounced'), count(*) FILTER (WHERE f.kinds ? 'unsubscribed'),
		count(*) FILTER (WHERE m.status = 'suppressed'), count(*) FILTER (WHERE m.status = 'expired'),
		count(*) FILTER (WHERE m.status = 'dead'), count(*) FILTER (WHERE m.status = 'cancelled'))
	FROM loyalty.message m,
		LATERAL (SELECT coalesce(jsonb_agg(x.kind), '[]') AS kinds FROM loyalty.message_feedback x WHERE x.member_id = m.member_id AND x.message_id = m.message_id) f
	WHERE m.created_at >= '2026-03-20 00:00+08' AND m.created_at < '2026-03-21 00:00+08' GROUP BY m.channel, m.template
$$;
CREATE FUNCTION pg_temp.fast() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', channel, template, queued, sent, delivered, opened, clicked, bounced, unsubscribed, suppressed, expired, dead, cancelled)
	FROM loyalty.report_message_funnel('Shop', '2026-03-20', '2026-03-20')
$$;
CREATE FUNCTION pg_temp.changes() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM loyalty.report_message_change';
CREATE FUNCTION pg_temp.moments(OUT wrong text, OUT folded bigint) LANGUAGE plpgsql AS $$
DECLARE
	ids bigint[];
	ann bigint := pg_temp.id('ann');
	act text;
	n int := 0;
BEGIN
	PERFORM set_config('loyalty.now', '2026-03-20 09:00+08', true);
	ids := (pg_temp.tell('ann', 'mail', 'order', 6))[1:6];
	-- what is refused changes nothing
	FOR act IN SELECT unnest(ARRAY[
		'SELECT count(*) FROM loyalty.message_take(''mail'', 5)',
		'SELECT loyalty.message_feedback($1, $2[1], ''clicked'')', 'SELECT loyalty.message_feedback($1, $2[1], ''opened'')',
		'SELECT loyalty.message_feedback($1, $2[1], ''clicked'')', 'SELECT loyalty.message_done($1, $2[1])', 'SELECT loyalty.message_done($1, $2[1])',
		'SELECT loyalty.message_feedback($1, $2[1], ''delivered'')', 'SELECT loyalty.message_done($1, $2[2])',
		'SELECT loyalty.message_feedback($1, $2[2], ''delivered'')', 'SELECT loyalty.message_feedback($1, $2[2], ''bounced'')',
		'SELECT loyalty.message_feedback($1, $2[2], ''opened'')', 'SELECT loyalty.message_requeue($1, $2[2])',
		'SELECT loyalty.message_feedback($1, $2[3], ''bounced'')', 'SELECT loyalty.message_requeue($1, $2[3])',
		'SELECT count(*) FROM loyalty.message_take(''mail'', 1)', 'SELECT count(*) FROM loyalty.message_take(''mail'', 1)',
		'SELECT count(*) FROM loyalty.message_take(''mail'', 1)', 'SELECT loyalty.message_done($1, $2[2])', 'SELECT loyalty.message_done($1, $2[3])',
		'SELECT loyalty.message_feedback($1, $2[3], ''unsubscribed'')', 'SELECT loyalty.message_feedback($1, $2[3], ''bounced'')',
		'SELECT loyalty.message_retry($1, $2[4], 1, ''gone'', give_up => true)', 'SELECT loyalty.message_done($1, $2[4])',
		'SELECT loyalty.message_cancel($1, $2[6])', 'SELECT loyalty.message_requeue($1, $2[4])',
		'UPDATE loyalty.message SET status = ''dead'' WHERE message_id = $2[1]', 'DELETE FROM loyalty.message WHERE message_id = $2[2]']) LOOP
		EXECUTE act USING ann, ids;
		IF EXISTS (SELECT pg_temp.fast() EXCEPT ALL SELECT pg_temp.slow()) OR EXISTS (SELECT pg_temp.slow() EXCEPT ALL SELECT pg_temp.fast()) THEN
			wrong := concat_ws('; ', wrong, act);
		END IF;
		n := n + 1;
		IF n % 4 = 0 THEN
			folded := coalesce(folded, 0) + loyalty.report_message_fold(2);
			IF EXISTS (SELECT pg_temp.fast() EXCEPT ALL SELECT pg_temp.slow()) THEN
				wrong := concat_ws('; ', wrong, 'fold after ' || act);
			END IF;
		END IF;
	END LOOP;
END
$$;
CREATE TEMP TABLE moment AS SELECT * FROM pg_temp.moments();
SELECT is(wrong, NULL, 'at every moment as from the messages') FROM moment;
SELECT is(folded, 12::bigint, 'while it is folded, two at a time') FROM moment;
SELECT isnt_empty('SELECT pg_temp.slow()', 'there were some');
SELECT is(pg_temp.changes() > 0, true, 'some is not folded');
SET session_replication_role = replica;
DELETE FROM loyalty.message_feedback f WHERE NOT EXISTS (SELECT FROM loyalty.message m WHERE m.message_id = f.message_id);
SET session_replication_role = origin;
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right with it');
SELECT FROM loyalty.report_fold(500);
SELECT is(pg_temp.changes(), 0::bigint, 'the job folds all');
SELECT results_eq('SELECT pg_temp.fast() ORDER BY 1', 'SELECT pg_temp.slow() ORDER BY 1', 'and the report is the same');
SELECT count(*) FROM loyalty.message_take('sms', 1);
SELECT is(pg_temp.changes(), 0::bigint, 'what is taken changes nothing');
SELECT loyalty.message_enqueue(pg_temp.id('ann'), 'sms', 'twice', dedupe_key => 'k') = loyalty.message_enqueue(pg_temp.id('ann'), 'sms', 'twice', dedupe_key => 'k');
SELECT is(pg_temp.changes(), 1::bigint, 'what was queued before is not counted');

-- What is wrong is found, and made right.
SET session_replication_role = replica;
UPDATE loyalty.message SET status = 'expired', ended_at = loyalty.now() WHERE template = 'later';
UPDATE loyalty.report_message_day SET opened = opened + 1 WHERE template = 'welcome';
DELETE FROM loyalty.report_message_change;
SET session_replication_role = origin;
SELECT set_eq($$SELECT invariant, substring(detail FROM 'day=.*') FROM loyalty.verify('Shop')$$,
	$$VALUES ('report_message_differs', 'day=2026-03-15 channel=sms template=later missing=0,0,0,0,0,0,0,0,1,0,0'),
		('report_message_differs', 'day=2026-03-15 channel=sms template=welcome missing=0,0,0,-1,0,0,0,0,0,0,0'),
		('report_message_differs', 'day=2026-03-20 channel=sms template=twice missing=1,0,0,0,0,0,0,0,0,0,0')$$, 'verify() finds it');
SELECT is_empty($$SELECT * FROM loyalty.verify('Empty')$$, 'where it is');
SELECT lives_ok($$SELECT loyalty.report_rebuild('Empty')$$, 'another is made anew');
SELECT isnt_empty($$SELECT * FROM loyalty.verify('Shop')$$, 'which does not help');
SELECT lives_ok($$SELECT loyalty.report_rebuild('Shop')$$, 'it is made anew');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;

\set ECHO none
\i test/prelude.sql
SELECT plan(9);

-- Whatever happens in whatever order, a member's tier is never below that of the plan he holds, is the same whether or
-- not it was settled, and the money adds up.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
UPDATE loyalty.program SET tier_refund = 'immediate' WHERE program_id = :shop;
INSERT INTO loyalty.tier (program_id, code, rank, valid_months, warn_days, grace_days, demotion) VALUES
	(:shop, 'base', 0, NULL, 0, 0, 'one_level'), (:shop, 'silver', 1, 3, 10, 0, 'one_level'), (:shop, 'gold', 2, 2, 30, 20, 'to_qualified'), (:shop, 'star', 3, 1, 0, 0, 'one_level');
SELECT loyalty.tier_ask('Shop', 'silver', 'spend', 1000), loyalty.tier_ask('Shop', 'gold', 'spend', 3000, months => 3), loyalty.tier_ask('Shop', 'star', 'spend', 6000) \g /dev/null
INSERT INTO loyalty.plan (program_id, name, months, days, price, rank, tier) VALUES
	(:shop, 'week', NULL, 7, 4.99, 0, NULL), (:shop, 'month', 1, NULL, 15, 1, 'silver'), (:shop, 'plus', 6, NULL, 66.66, 2, 'silver'),
	(:shop, 'pro', 3, NULL, 99.99, 3, 'gold'), (:shop, 'rich', 12, NULL, 500, 4, NULL), (:shop, 'star', 2, NULL, 1000, 5, 'star');
CALL pg_temp.enroll('Shop', 'a', 'b', 'c', 'd', 'e', 'f');

CREATE TEMP TABLE done (call text, n int, PRIMARY KEY (call));
CREATE TEMP TABLE wrong (n int, what text, call text);
CREATE FUNCTION pg_temp.run(first int, last int, seed float8) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := loyalty.now();
	name text;
	member bigint;
	calls text[] := '{buy,buy,buy,later,renew,renew,upgrade,upgrade,cancel,give_back,give_back,purchase,purchase,purchase,big,refund,refund,adjust,grant,nothing}';
	call text;
	r loyalty.receipt;
	today date;
	floor_rank int;
	held record;
	shown record;
	pay text;
BEGIN
	PERFORM setseed(seed);
	FOR n IN first..last LOOP
		at := at + make_interval(hours => (random() * random() * random() * 1500)::int);
		PERFORM set_config('loyalty.now', at::text, false);
		today := (at AT TIME ZONE 'Asia/Shanghai')::date;
		name := substr('abcdef', 1 + floor(random() * 6)::int, 1);
		member := pg_temp.id(name);
		call := calls[1 + floor(random() * cardinality(calls))::int];
		pay := (SELECT b.ref FROM loyalty.member_plan b WHERE b.member_id = member ORDER BY md5(b.ref || n) LIMIT 1);
		IF call = 'buy' THEN
			SELECT * INTO r FROM loyalty.plan_buy(member, (ARRAY['week','month','plus','pro','star'])[1 + floor(random() * 5)::int], 'p' || n, mode => 'try', auto_renew => random() < 0.5);
		ELSIF call = 'later' THEN
			SELECT * INTO r FROM loyalty.plan_buy(member, (ARRAY['week','month','plus','pro','star'])[1 + floor(random() * 5)::int], 'p' || n, mode => 'try',
				starts_on => today + (random() * 200)::int - 20, price => (random() * 100)::int);
		ELSIF call = 'renew' THEN
			SELECT * INTO r FROM loyalty.plan_renew(member, 'p' || n, mode => 'try');
		ELSIF call = 'upgrade' THEN
			SELECT * INTO r FROM loyalty.plan_upgrade(member, (ARRAY['month','plus','pro','rich','star'])[1 + floor(random() * 5)::int], 'p' || n, mode => 'try');
		ELSIF call = 'cancel' THEN
			SELECT * INTO r FROM loyalty.plan_cancel(member, mode => 'try');
		ELSIF call = 'give_back' THEN
			SELECT * INTO r FROM loyalty.plan_refund(member, pay, mode => 'try');
		ELSIF call = 'purchase' THEN
			SELECT * INTO r FROM loyalty.purchase(member, (random() * 600)::int, 'o' || n, mode => 'try');
		ELSIF call = 'big' THEN
			SELECT * INTO r FROM loyalty.purchase(member, 1000 + (random() * 6000)::int, 'o' || n, mode => 'try');
		ELSIF call = 'refund' THEN
			SELECT * INTO r FROM loyalty.refund(member, coalesce((SELECT j.ref FROM loyalty.journal j WHERE j.member_id = member AND j.event = 'purchase'
				ORDER BY j.amount DESC, j.journal_id OFFSET floor(random() * 3)::int LIMIT 1), 'x'), mode => 'try');
		ELSIF call = 'adjust' THEN
			SELECT * INTO r FROM loyalty.adjust(member, -100, 'spend', 'test', key => 'k' || n, mode => 'try');
		ELSIF call = 'grant' THEN
			SELECT * INTO r FROM loyalty.tier_grant(member, (ARRAY['base','silver','gold','star'])[1 + floor(random() * 4)::int], 'test', today + (random() * 90)::int, mode => 'try');
		ELSE
			r := NULL;
		END IF;
		INSERT INTO done VALUES (concat_ws(' ', call, r.status, r.reason), 1) ON CONFLICT ON CONSTRAINT done_pkey DO UPDATE SET n = done.n + 1;

		-- what was posted and what is shown, and what the plan gives
		SELECT coalesce(t.code, 'base') AS tier, a.tier_until, a.due_on INTO held FROM loyalty.account a LEFT JOIN loyalty.tier t USING (tier_id) WHERE a.member_id = member;
		SELECT c.tier, c.tier_until INTO shown FROM loyalty.tier_current(member) c;
		SELECT t.rank INTO floor_rank FROM loyalty.member_plan b JOIN loyalty.tier t ON t.tier_id = b.tier_id
		WHERE b.member_id = member AND today BETWEEN b.starts_on AND b.ends_on;
		IF floor_rank > (SELECT rank FROM loyalty.tier WHERE code = shown.tier) THEN
			INSERT INTO wrong VALUES (n, 'below the plan: ' || shown.tier, call);
		END IF;
		IF r.status = 'done' AND NOT r.replayed AND call <> 'cancel' AND (held.tier, held.tier_until) IS DISTINCT FROM (shown.tier, shown.tier_until) THEN
			INSERT INTO wrong VALUES (n, format('posted %s %s, shown %s %s', held.tier, held.tier_until, shown.tier, shown.tier_until), call);
		END IF;
		IF held.tier <> shown.tier AND held.due_on > today THEN
			INSERT INTO wrong VALUES (n, format('due on %s, but shown %s instead of %s', held.due_on, shown.tier, held.tier), call);
		END IF;
		IF n % 3 = 0 THEN
			PERFORM loyalty.account_settle(member);
			SELECT coalesce(t.code, 'base') AS tier, a.tier_until, a.due_on INTO held FROM loyalty.account a LEFT JOIN loyalty.tier t USING (tier_id) WHERE a.member_id = member;
			IF (held.tier, held.tier_until) IS DISTINCT FROM (shown.tier, shown.tier_until) THEN
				INSERT INTO wrong VALUES (n, format('settled to %s %s, shown %s %s', held.tier, held.tier_until, shown.tier, shown.tier_until), call);
			END IF;
		END IF;
		IF n % 50 = 0 THEN
			INSERT INTO wrong SELECT n, invariant || ' ' || coalesce(detail, ''), call FROM loyalty.verify();
		END IF;
	END LOOP;
END
$$;
SELECT FROM pg_temp.run(1, 350, 0.25);
SELECT FROM pg_temp.run(351, 700, -0.55);

SELECT is_empty('SELECT * FROM wrong ORDER BY n', 'nothing was wrong in 700 calls');
-- Deep enough? Else the calls are all refused.
SELECT cmp_ok(coalesce((SELECT sum(n) FROM done d WHERE d.call = c.call || ' done'), 0)::int, '>=', c.least, 'enough of them did something: ' || c.call)
FROM (VALUES ('buy', 30), ('renew', 30), ('upgrade', 3), ('give_back', 3), ('refund', 10)) c (call, least);
SELECT is_empty($$
	SELECT * FROM (VALUES ('bought', 'plan_buy'), ('bought', 'plan_renew'), ('bought', 'tier_review'), ('revoked', 'tier_review')) x (action, kind)
	EXCEPT SELECT h.action, j.kind FROM loyalty.tier_history h JOIN loyalty.journal j USING (member_id, journal_id)$$, 'plans gave and took tiers in every way');
-- The money, added up from the receipts alone: never more back than was paid, and days that were held are paid for.
SELECT is_empty($$
	SELECT m.member_id FROM (
		SELECT j.member_id, sum(j.amount) FILTER (WHERE j.kind <> 'plan_refund') AS paid, coalesce(sum(j.amount) FILTER (WHERE j.kind = 'plan_refund'), 0) AS back
		FROM loyalty.journal j WHERE j.kind LIKE 'plan%' GROUP BY j.member_id) m
	JOIN (SELECT b.member_id, floor(sum(b.price::numeric * (b.ends_on - b.starts_on + 1) / (b.bought_until - b.starts_on + 1))) AS used
		FROM loyalty.member_plan b GROUP BY b.member_id) u ON u.member_id = m.member_id
	WHERE m.paid - m.back < u.used$$, 'what was paid and not given back is at least what was used');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;

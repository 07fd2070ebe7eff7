\set ECHO none
\i test/prelude.sql
SELECT plan(48);

-- The 24 benefits that member programmes promise (E1 to E24), as rows of one programme. Each is
-- got, used, exhausted, refunded and lost, as far as that means something for its kind:
--   price, multiplier, flag: can be used as often as one likes. What was paid by a member price, or earned by a
--   multiplier, is refunded; the right itself is not. benefit_use() is not for them.
--   voucher, gift, every_n: one that was issued stays when the right is lost, but no other is issued.
SELECT loyalty.program_create('Catalogue', 'CNY', 'Asia/Shanghai') AS shop \gset
SET loyalty.now = '2026-03-15 12:00+08';
INSERT INTO loyalty.unit (program_id, code, kind) VALUES (:shop, 'nights', 'metric');
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES
	(:shop, 'deliveries', 'counter', 'month'), (:shop, 'repairs', 'counter', 'year'), (:shop, 'ironings', 'counter', 'week');
SELECT FROM pg_temp.rule('{"unit": "nights", "kind": "per_quantity", "award": 1, "per": 1, "item_filter": "$.sku == \"room\""}');
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) VALUES
	(:shop, 'basic', 0, NULL), (:shop, 'silver', 1, 12), (:shop, 'gold', 2, 12), (:shop, 'trade', 3, NULL);
SELECT loyalty.tier_ask('Catalogue', 'silver', 'spend', 10000), loyalty.tier_ask('Catalogue', 'gold', 'spend', 20000) \g /dev/null
SELECT loyalty.tier_ask('Catalogue', 'trade', 'spend', 100000) \g /dev/null
INSERT INTO loyalty.plan (program_id, name, months, price, rank) VALUES
	(:shop, 'course', 1, 300, 0), (:shop, 'standard', 12, 120, 1), (:shop, 'pro', 12, 240, 2);
INSERT INTO loyalty.campaign (program_id, name, status, starts_at, ends_at)
VALUES (:shop, 'spring', 'live', '2026-03-01 00:00+08', '2026-04-01 00:00+08');
INSERT INTO loyalty.tag (program_id, name, dimension) VALUES
	(:shop, 'newcomer', 'lifecycle'), (:shop, 'growing', 'lifecycle'), (:shop, 'silent', 'lifecycle'), (:shop, 'baby', 'behaviour');
INSERT INTO loyalty.calendar_day (program_id, calendar, day) VALUES (:shop, 'member_day', '2026-03-18'), (:shop, 'member_day', '2026-04-18');
INSERT INTO loyalty.price_list (program_id, name, kind, value, price, percent_off) VALUES
	(:shop, 'wholesale', 'sku', 'A', 55, NULL), (:shop, 'wholesale', 'category', 'tea', NULL, 40), (:shop, 'set_meals', 'sku', 'A', 68, NULL);

-- What was topped up is known to the shop.
CREATE SCHEMA shop;
CREATE TABLE shop.top_up (member_id bigint, amount numeric);
CREATE VIEW shop.stored_500 AS SELECT member_id FROM shop.top_up GROUP BY member_id HAVING sum(amount) >= 500;
INSERT INTO loyalty.segment (program_id, name, source) VALUES (:shop, 'stored_500', 'shop.stored_500');

-- E1 Exclusive customer service
SELECT pg_temp.offer('{"name": "exclusive_service", "kind": "flag"}', 'tier gold') \g /dev/null
-- E2 Priority shipping
SELECT pg_temp.offer('{"name": "priority_shipping", "kind": "flag"}', 'tier gold') \g /dev/null
-- E3 Birthday gift pack
SELECT pg_temp.offer('{"name": "birthday_gift", "kind": "gift", "birthday": "month", "gap_days": 300, "valid_days": 31}', 'everyone') \g /dev/null
-- E4 Birthday double points
SELECT pg_temp.offer('{"name": "birthday_points", "kind": "multiplier", "factor": 2, "unit": "points", "birthday": "day"}', 'tier silver') \g /dev/null
-- E5 Birthday room upgrade
SELECT pg_temp.offer('{"name": "birthday_upgrade", "kind": "gift", "birthday": "month", "gap_days": 300, "valid_days": 31}', 'tier silver', 'tier gold') \g /dev/null
-- E6 Presale of limited products
SELECT pg_temp.offer('{"name": "presale", "kind": "flag"}', 'tier gold') \g /dev/null
-- E7 Early access, trial of new products
SELECT pg_temp.offer('{"name": "early_access", "kind": "flag"}', 'tier gold') \g /dev/null
-- E8 Free packaging, from the lowest tier on
SELECT pg_temp.offer('{"name": "free_packaging", "kind": "flag"}', 'tier basic', 'tier silver', 'tier gold') \g /dev/null
-- E9 Free after-sales, twice a year
SELECT pg_temp.offer('{"name": "free_repair", "kind": "quota", "unit": "repairs", "quantity": 2}', 'tier gold') \g /dev/null
-- E10 Free ironing, three times a week
SELECT pg_temp.offer('{"name": "free_ironing", "kind": "quota", "unit": "ironings", "quantity": 3}', 'tier silver') \g /dev/null
-- E11 Free updates
SELECT pg_temp.offer('{"name": "free_updates", "kind": "flag"}', 'tier gold') \g /dev/null
-- E12 Member prices: 20 % and 30 % less, a price list for the trade
SELECT pg_temp.offer('{"name": "off20", "kind": "price", "percent_off": 20}', 'tier silver') \g /dev/null
SELECT pg_temp.offer('{"name": "off30", "kind": "price", "percent_off": 30}', 'tier gold') \g /dev/null
SELECT pg_temp.offer('{"name": "trade_prices", "kind": "price", "price_list": "wholesale"}', 'tier trade') \g /dev/null
-- E13 Late checkout
SELECT pg_temp.offer('{"name": "late_checkout", "kind": "voucher", "valid_days": 30}', 'tier gold') \g /dev/null
-- E14 A free night for every ten
SELECT pg_temp.offer('{"name": "free_night", "kind": "every_n", "unit": "nights", "quantity": 10}', 'tier silver', 'tier gold') \g /dev/null
-- E15 Priority verification of tickets
SELECT pg_temp.offer('{"name": "priority_verification", "kind": "flag"}', 'tier silver', 'tier gold') \g /dev/null
-- E16 Set meals for members
SELECT pg_temp.offer('{"name": "set_meal", "kind": "price", "price_list": "set_meals"}', 'tier silver', 'tier gold') \g /dev/null
-- E17 Free delivery for who has topped up 500
SELECT pg_temp.offer('{"name": "free_delivery", "kind": "quota", "unit": "deliveries", "quantity": 4}', 'segment stored_500') \g /dev/null
-- E18 Less for who picks it up
SELECT pg_temp.offer('{"name": "self_pickup", "kind": "price", "percent_off": 5, "channels": "{pickup}"}', 'tag neighbour') \g /dev/null
-- E19 Something for renewing a course
SELECT pg_temp.offer('{"name": "renewal", "kind": "voucher", "valid_days": 14}', 'plan course') \g /dev/null
-- E20 Events for members only
SELECT pg_temp.offer('{"name": "member_events", "kind": "flag"}', 'everyone') \g /dev/null
-- E21 Members' day
SELECT pg_temp.offer('{"name": "member_day", "kind": "multiplier", "factor": 3, "unit": "points", "calendar": "member_day"}', 'tier silver', 'tier gold') \g /dev/null
-- E22 By tier (E12 and others), by stage, for a limited time
SELECT pg_temp.offer('{"name": "welcome_coupon", "kind": "voucher", "valid_days": 7}', 'stage newcomer') \g /dev/null
SELECT pg_temp.offer('{"name": "repurchase", "kind": "price", "percent_off": 10}', 'stage growing') \g /dev/null
SELECT pg_temp.offer('{"name": "come_back", "kind": "voucher", "valid_days": 14}', 'stage silent') \g /dev/null
SELECT pg_temp.offer('{"name": "flash_sale", "kind": "price", "percent_off": 50, "valid_from": "2026-05-20 20:00+08", "valid_until": "2026-05-20 22:00+08"}', 'everyone') \g /dev/null
-- E23 A bundle for a time: a voucher and a service for who buys for a baby
SELECT pg_temp.offer('{"name": "parenting_coupon", "kind": "voucher", "valid_until": "2026-04-01 00:00+08"}', 'tag baby') \g /dev/null
SELECT pg_temp.offer('{"name": "parenting_service", "kind": "flag"}', VARIADIC '{}') \g /dev/null
SELECT pg_temp.offer('{"name": "spring_gift", "kind": "voucher"}', 'campaign spring') \g /dev/null
-- E24 What the software lets one do, by plan
SELECT pg_temp.offer('{"name": "export_pdf", "kind": "flag"}', 'plan standard', 'plan pro') \g /dev/null
SELECT pg_temp.offer('{"name": "api_access", "kind": "flag"}', 'plan pro') \g /dev/null

-- 'tier gold': by what a member has it; 'closed' if it cannot be used now.
CREATE FUNCTION pg_temp.entitled(who text, benefit text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT b.by || CASE WHEN NOT open THEN ' closed' ELSE '' END FROM loyalty.benefits(pg_temp.id(who)) b WHERE b.name = entitled.benefit), 'no')
$$;
CREATE FUNCTION pg_temp.points(r loyalty.receipt) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(sum(amount), 0)::int::text FROM unnest((r).postings) WHERE unit = 'points' $$;
CREATE FUNCTION pg_temp.outcome(r loyalty.receipt) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT CASE (r).status WHEN 'refused' THEN (r).reason ELSE coalesce((r).messages #>> '{0,code}', (r).status) END $$;
CREATE FUNCTION pg_temp.use(who text, benefit text, ref text) RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.outcome(r) FROM loyalty.benefit_use(pg_temp.id(who), benefit, ref, mode => 'try') r $$;
-- Of A, which is on the price lists, or of B, which is on none; both cost 100.
CREATE FUNCTION pg_temp.price(who text, benefit text) RETURNS numeric
LANGUAGE sql AS $$
	SELECT trim_scale(member_price) FROM loyalty.benefit_price(pg_temp.id(who), jsonb_build_array(jsonb_build_object('price', 100, 'sku',
		CASE WHEN (SELECT b.price_list FROM loyalty.benefit b WHERE b.name = price.benefit) IS NULL THEN 'B' ELSE 'A' END)), channel => 'pickup')
$$;

-- Order o1 of 100, with what the benefit does for it; then until nothing is left of it.
CREATE FUNCTION pg_temp.used(who text, benefit text, kind text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	member bigint := pg_temp.id(who);
	answer text;
	answers text := '';
BEGIN
	CASE kind
	WHEN 'price' THEN
		PERFORM FROM loyalty.purchase(member, pg_temp.price(who, benefit), 'o1', data => '{"channel": "pickup"}');
		RETURN format('%s, %s', pg_temp.price(who, benefit), pg_temp.use(who, benefit, 'o1'));
	WHEN 'multiplier' THEN
		RETURN format('%s points, %s', (SELECT pg_temp.points(r) FROM loyalty.purchase(member, 100, 'o1') r), pg_temp.use(who, benefit, 'o1'));
	WHEN 'flag' THEN
		PERFORM FROM loyalty.purchase(member, 100, 'o1');
		RETURN format('%s, %s', loyalty.has_benefit(member, benefit), pg_temp.use(who, benefit, 'o1'));
	WHEN 'voucher' THEN
		answers := (SELECT pg_temp.outcome(r) FROM loyalty.benefit_issue(member, benefit, 'test', ref => 'i1', mode => 'try') r);
	WHEN 'gift' THEN
		answers := (SELECT pg_temp.outcome(r) FROM loyalty.benefit_claim(member, benefit, mode => 'try') r);
	ELSE
	END CASE;
	FOR n IN 1 .. 9 LOOP
		-- four nights: the third stay makes twelve, and brings a free one
		answer := (SELECT pg_temp.outcome(r) FROM loyalty.purchase(member, 100, 'o' || n, '[{"sku": "room", "qty": 4, "price": 25}]') r);
		IF kind = 'every_n' AND n < 3 THEN
			CONTINUE;
		END IF;
		answer := pg_temp.use(who, benefit, 'o' || n);
		answers := concat_ws(', ', nullif(answers, ''), answer);
		EXIT WHEN answer !~ '_used$';
	END LOOP;
	IF kind = 'gift' THEN
		answers := answers || ', ' || (SELECT pg_temp.outcome(r) FROM loyalty.benefit_claim(member, benefit, mode => 'try', key => 'again') r);
	END IF;
	RETURN answers;
END
$$;

-- The life of a benefit, with a member of its own: before | entitled | used and exhausted | refunded | lost.
CREATE FUNCTION pg_temp.life(benefit text, gain text, lose text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	kind text := (SELECT b.kind FROM loyalty.benefit b WHERE b.name = life.benefit);
	steps text[];
	member bigint;
BEGIN
	PERFORM set_config('loyalty.now', '2026-03-15 12:00+08', false);
	member := (loyalty.enroll('Catalogue', jsonb_build_object('customer_no', benefit), '{"birthday": "1990-03-20"}')).member_id;
	steps := ARRAY[pg_temp.entitled(benefit, benefit)];
	EXECUTE format(gain, member);
	steps := steps || pg_temp.entitled(benefit, benefit) || pg_temp.used(benefit, benefit, kind);
	IF kind = 'every_n' THEN
		-- the free night comes back with the stay that was booked with it, and goes with its nights
		steps := steps || (SELECT pg_temp.outcome(r) FROM loyalty.refund(member, 'o3') r);
	ELSIF kind IN ('quota', 'voucher', 'gift') THEN
		steps := steps || (SELECT pg_temp.outcome(r) FROM loyalty.refund(member, 'o1') r);
	ELSE
		steps := steps || ((SELECT pg_temp.points(r) FROM loyalty.refund(member, 'o1') r) || ' points');
	END IF;
	EXECUTE format(lose, member);
	RETURN array_to_string(steps || concat_ws(', ', pg_temp.entitled(benefit, benefit), CASE
		WHEN kind = 'price' THEN pg_temp.price(benefit, benefit)::text
		WHEN kind = 'multiplier' THEN (SELECT pg_temp.points(r) || ' points' FROM loyalty.purchase(member, 100, 'o2') r)
		WHEN kind = 'flag' THEN loyalty.has_benefit(member, benefit)::text
		WHEN kind = 'voucher' THEN (SELECT pg_temp.outcome(r) FROM loyalty.benefit_issue(member, benefit, 'test', ref => 'i2', mode => 'try') r)
			|| ', ' || pg_temp.use(benefit, benefit, 'o9')
		WHEN kind = 'gift' THEN pg_temp.use(benefit, benefit, 'o9')
		WHEN kind = 'every_n' THEN
			(SELECT pg_temp.outcome(r) FROM loyalty.purchase(member, 100, 'o8', '[{"sku": "room", "qty": 20, "price": 5}]') r)
		ELSE pg_temp.use(benefit, benefit, 'o9') END), ' | ');
END
$$;

CREATE TEMPORARY TABLE way (name text, gain text, lose text);
INSERT INTO way VALUES
	('gold', 'SELECT loyalty.tier_grant(%s, ''gold'', ''test'', key => ''up'')', 'SELECT loyalty.tier_grant(%s, ''basic'', ''test'', key => ''down'')'),
	('silver', 'SELECT loyalty.tier_grant(%s, ''silver'', ''test'', key => ''up'')', 'SELECT loyalty.tier_grant(%s, ''basic'', ''test'', key => ''down'')'),
	('a birthday', 'SELECT loyalty.tier_grant(%s, ''silver'', ''test'', key => ''up''); SELECT set_config(''loyalty.now'', ''2026-03-20 00:00+08'', false)',
		'SELECT loyalty.tier_grant(%s, ''basic'', ''test'', key => ''down'')'),
	('trade', 'SELECT loyalty.tier_grant(%s, ''trade'', ''test'', key => ''up'')', 'SELECT loyalty.tier_grant(%s, ''gold'', ''test'', key => ''down'')'),
	-- gold ends on 2027-03-14, silver a year later, and nothing was bought that keeps them
	('gold for a year', 'SELECT loyalty.tier_grant(%s, ''gold'', ''test'', key => ''up'')', 'SELECT set_config(''loyalty.now'', ''2027-03-15 00:00+08'', false)'),
	('the joining', 'SELECT %s', 'SELECT loyalty.member_close(%s, ''test'')'),
	('top up', 'INSERT INTO shop.top_up VALUES (%1$s, 200), (%1$s, 300); SELECT loyalty.segment_refresh(''Catalogue'', ''stored_500'')',
		'DELETE FROM shop.top_up WHERE member_id = %s AND amount = 200; SELECT loyalty.segment_refresh(''Catalogue'', ''stored_500'')'),
	('course', 'SELECT loyalty.plan_buy(%s, ''course'', ''p1'')', 'SELECT set_config(''loyalty.now'', ''2026-04-15 00:00+08'', false)'),
	('standard', 'SELECT loyalty.plan_buy(%s, ''standard'', ''p1'')', 'SELECT loyalty.plan_refund(%s, ''p1'')'),
	('pro', 'SELECT loyalty.plan_buy(%1$s, ''standard'', ''p1''); SELECT loyalty.plan_upgrade(%1$s, ''pro'', ''p2'')', 'SELECT loyalty.plan_refund(%s, ''p2'')'),
	('members'' day', 'SELECT loyalty.tier_grant(%s, ''gold'', ''test'', key => ''up''); SELECT set_config(''loyalty.now'', ''2026-03-18 00:00+08'', false)',
		'SELECT set_config(''loyalty.now'', ''2026-03-19 00:00+08'', false)'),
	('newcomer', 'SELECT loyalty.tag_add(%s, ''newcomer'')', 'SELECT loyalty.tag_add(%s, ''growing'')'),
	('growing', 'SELECT loyalty.tag_add(%s, ''growing'')', 'SELECT loyalty.tag_add(%s, ''silent'')'),
	('silent', 'SELECT loyalty.tag_add(%s, ''silent'')', 'SELECT loyalty.tag_remove(%s, ''silent'')'),
	('neighbour', 'SELECT loyalty.tag_add(%s, ''neighbour'')', 'SELECT loyalty.tag_remove(%s, ''neighbour'')'),
	('baby', 'SELECT loyalty.tag_add(%s, ''baby'')', 'SELECT set_config(''loyalty.now'', ''2026-04-01 00:00+08'', false)'),
	('flash', 'SELECT set_config(''loyalty.now'', ''2026-05-20 20:00+08'', false)', 'SELECT set_config(''loyalty.now'', ''2026-05-20 22:00+08'', false)'),
	('hand', 'SELECT loyalty.benefit_give(%s, ''parenting_service'', ''test'', valid_until => ''2026-04-01 00:00+08'')',
		'SELECT set_config(''loyalty.now'', ''2026-04-01 00:00+08'', false)'),
	('campaign', 'SELECT set_config(''loyalty.now'', ''2026-03-31 23:59+08'', false)', 'SELECT set_config(''loyalty.now'', ''2026-04-01 00:00+08'', false)');

CREATE TEMPORARY TABLE catalogue (e text, benefit text, way text, expected text);
INSERT INTO catalogue VALUES
	('E1', 'exclusive_service', 'gold', 'no | tier gold | t, benefit_kind_mismatch | -100 points | no, false'),
	('E2', 'priority_shipping', 'gold for a year', 'no | tier gold | t, benefit_kind_mismatch | -100 points | no, false'),
	('E3', 'birthday_gift', 'the joining', 'everyone | everyone | voucher_issued, voucher_used, voucher_not_found, already_given | voucher_returned | no, member_closed'),
	('E4', 'birthday_points', 'a birthday', 'no | tier silver | 200 points, benefit_kind_mismatch | -200 points | no, 100 points'),
	('E5', 'birthday_upgrade', 'gold', 'no | tier gold | voucher_issued, voucher_used, voucher_not_found, already_given | voucher_returned | voucher, voucher_used'),
	('E6', 'presale', 'gold', 'no | tier gold | t, benefit_kind_mismatch | -100 points | no, false'),
	('E7', 'early_access', 'gold', 'no | tier gold | t, benefit_kind_mismatch | -100 points | no, false'),
	('E8', 'free_packaging', 'the joining', 'tier basic | tier basic | t, benefit_kind_mismatch | -100 points | no, false'),
	('E9', 'free_repair', 'gold', 'no | tier gold | quota_used, quota_used, quota_exhausted | quota_returned | no, not_entitled'),
	('E10', 'free_ironing', 'silver', 'no | tier silver | quota_used, quota_used, quota_used, quota_exhausted | quota_returned | no, not_entitled'),
	('E11', 'free_updates', 'gold', 'no | tier gold | t, benefit_kind_mismatch | -100 points | no, false'),
	('E12', 'off20', 'silver', 'no | tier silver | 80, benefit_kind_mismatch | -80 points | no, 100'),
	('E12', 'off30', 'gold', 'no | tier gold | 70, benefit_kind_mismatch | -70 points | no, 100'),
	('E12', 'trade_prices', 'trade', 'no | tier trade | 55, benefit_kind_mismatch | -55 points | no, 68'),
	('E13', 'late_checkout', 'gold', 'no | tier gold | voucher_issued, voucher_used, voucher_not_found | voucher_returned | voucher, not_entitled, voucher_used'),
	('E14', 'free_night', 'silver', 'no | tier silver | voucher_used, voucher_not_found | voucher_returned | voucher, done'),
	('E15', 'priority_verification', 'silver', 'no | tier silver | t, benefit_kind_mismatch | -100 points | no, false'),
	('E16', 'set_meal', 'gold', 'no | tier gold | 68, benefit_kind_mismatch | -68 points | no, 100'),
	('E17', 'free_delivery', 'top up', 'no | segment stored_500 | quota_used, quota_used, quota_used, quota_used, quota_exhausted | quota_returned | no, not_entitled'),
	('E18', 'self_pickup', 'neighbour', 'no | tag neighbour | 95, benefit_kind_mismatch | -95 points | no, 100'),
	('E19', 'renewal', 'course', 'no | plan course | voucher_issued, voucher_used, voucher_not_found | voucher_returned | no, not_entitled, voucher_not_found'),
	('E20', 'member_events', 'the joining', 'everyone | everyone | t, benefit_kind_mismatch | -100 points | no, false'),
	('E21', 'member_day', 'members'' day', 'no | tier gold | 300 points, benefit_kind_mismatch | -300 points | tier gold closed, 100 points'),
	('E22', 'welcome_coupon', 'newcomer', 'no | stage newcomer | voucher_issued, voucher_used, voucher_not_found | voucher_returned | voucher, not_entitled, voucher_used'),
	('E22', 'repurchase', 'growing', 'no | stage growing | 90, benefit_kind_mismatch | -90 points | no, 100'),
	('E22', 'come_back', 'silent', 'no | stage silent | voucher_issued, voucher_used, voucher_not_found | voucher_returned | voucher, not_entitled, voucher_used'),
	('E22', 'flash_sale', 'flash', 'everyone closed | everyone | 50, benefit_kind_mismatch | -50 points | no, 100'),
	('E23', 'parenting_coupon', 'baby', 'no | tag baby | voucher_issued, voucher_used, voucher_not_found | voucher_returned | no, not_entitled, not_in_time_window'),
	('E23', 'parenting_service', 'hand', 'no | hand | t, benefit_kind_mismatch | -100 points | no, false'),
	('E23', 'spring_gift', 'campaign', 'campaign spring | campaign spring | voucher_issued, voucher_used, voucher_not_found | voucher_returned | voucher, not_entitled, voucher_used'),
	('E24', 'export_pdf', 'standard', 'no | plan standard | t, benefit_kind_mismatch | -100 points | no, false'),
	('E24', 'api_access', 'pro', 'no | plan pro | t, benefit_kind_mismatch | -100 points | no, false');
SELECT is((SELECT count(DISTINCT e)::int FROM catalogue), 24, 'all of the 24');
SELECT is((SELECT string_agg(name, ', ') FROM loyalty.benefit b WHERE name NOT IN (SELECT benefit FROM catalogue)), NULL, 'with all their rows');
SELECT is(pg_temp.life(benefit, w.gain, w.lose), expected, format('%s %s, by %s', e, benefit, w.name))
FROM catalogue c JOIN way w ON w.name = c.way ORDER BY substr(e, 2)::int, benefit;
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- E4 on no other day
SELECT is((SELECT string_agg(loyalty.has_benefit(pg_temp.id('off20'), 'birthday_points', at)::text, ', ' ORDER BY at)
	FROM unnest('{2026-03-19 23:59:59+08, 2026-03-20 00:00+08, 2026-03-20 23:59:59+08, 2026-03-21 00:00+08}'::timestamptz[]) at),
	'false, false, false, false', 'E4: not for who was demoted');
SET loyalty.now = '2026-03-15 12:00+08';
CALL pg_temp.enroll('Catalogue', 'ann', 'bob', 'cat');
SELECT FROM loyalty.enroll('Catalogue', '{"customer_no": "dan"}', '{"birthday": "1988-03-20"}');
SELECT FROM loyalty.tier_grant(pg_temp.id('dan'), 'silver', 'test', key => 'up');
SELECT is((SELECT string_agg(loyalty.has_benefit(pg_temp.id('dan'), 'birthday_points', at)::text, ', ' ORDER BY at)
	FROM unnest('{2026-03-19 23:59:59+08, 2026-03-20 00:00+08, 2026-03-20 23:59:59+08, 2026-03-21 00:00+08}'::timestamptz[]) at),
	'false, true, true, false', 'E4: on the day, and on no other');

-- E14: what was carried over, several at once, and what a cancelled stay takes
CREATE FUNCTION pg_temp.stay(who text, ref text, nights int) RETURNS text
LANGUAGE sql AS $$
	SELECT count(*) FILTER (WHERE m ->> 'code' = 'voucher_issued')::text
	FROM loyalty.purchase(pg_temp.id(who), nights * 10, ref, jsonb_build_array(jsonb_build_object('sku', 'room', 'qty', nights, 'price', 10))) r
		LEFT JOIN LATERAL jsonb_array_elements(r.messages) m ON true
$$;
SELECT is(concat_ws(', ', pg_temp.stay('dan', 's1', 9), pg_temp.stay('dan', 's2', 1), pg_temp.stay('dan', 's3', 25), pg_temp.stay('dan', 's4', 5)), '0, 1, 2, 1', 'E14: 9, 10, 35, 40 nights');
SELECT is(pg_temp.use('dan', 'free_night', 's4') || ', ' || pg_temp.use('dan', 'free_night', 'another'), 'voucher_used, voucher_used', 'E14: two of four are used');
SELECT FROM loyalty.refund(pg_temp.id('dan'), 's3');
SELECT is(pg_temp.vouchers('dan', 'free_night'), 'used s4, used another, void, void', 'E14: 15 nights, and more used than that');
SELECT is(pg_temp.stay('dan', 's5', 14) || ', ' || pg_temp.stay('dan', 's6', 1), '0, 1', 'E14: nothing at 29 nights, and at 30 one more');

-- By stage: what a member has changes with it.
CREATE FUNCTION pg_temp.stage_benefits(who text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce(string_agg(name, ', ' ORDER BY name), 'none') FROM loyalty.benefits(pg_temp.id(who)) b WHERE b.by LIKE 'stage %'
$$;
SELECT is(pg_temp.stage_benefits('bob'), 'none', 'in no stage');
SELECT FROM loyalty.tag_add(pg_temp.id('bob'), 'newcomer');
SELECT is(pg_temp.stage_benefits('bob'), 'welcome_coupon', 'a newcomer');
SELECT FROM loyalty.tag_add(pg_temp.id('bob'), 'growing');
SELECT is(pg_temp.stage_benefits('bob'), 'repurchase', 'growing, and a newcomer no more');
SELECT FROM loyalty.tag_add(pg_temp.id('bob'), 'silent');
SELECT is(pg_temp.stage_benefits('bob'), 'come_back', 'silent');
SELECT FROM loyalty.tag_remove(pg_temp.id('bob'), 'silent');
SELECT is(pg_temp.stage_benefits('bob'), 'none', 'in no stage again');

-- benefits(): what, why, how much is left, until when
SELECT FROM loyalty.tier_grant(pg_temp.id('cat'), 'gold', 'test', key => 'up');
SELECT FROM loyalty.plan_buy(pg_temp.id('cat'), 'pro', 'p1');
SELECT FROM loyalty.tag_add(pg_temp.id('cat'), 'baby');
SELECT FROM loyalty.benefit_give(pg_temp.id('cat'), 'parenting_service', 'test', valid_until => '2026-04-01 00:00+08');
SELECT FROM loyalty.benefit_give(pg_temp.id('cat'), 'free_repair', 'test', quantity => 5);
SELECT FROM loyalty.benefit_use(pg_temp.id('cat'), 'free_repair', 'r1');
SELECT FROM loyalty.benefit_issue(pg_temp.id('cat'), 'late_checkout', 'test', ref => 'i1');
SELECT FROM pg_temp.stay('cat', 's1', 21);
SELECT results_eq($$
	SELECT format('%s: %s', name, concat_ws(', ', by, CASE WHEN NOT open THEN 'closed' END, remaining || ' of ' || quantity, 'in period to ' || to_char(period_until, 'YYYY-MM-DD'),
		nullif(vouchers, 0) || ' vouchers', 'until ' || to_char(until AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI')))
	FROM loyalty.benefits(pg_temp.id('cat')) ORDER BY name$$, $$VALUES
	('api_access: plan pro, until 2027-03-15 00:00'),
	('birthday_gift: everyone, closed'),
	('birthday_upgrade: tier gold, closed, until 2027-03-15 00:00'),
	('early_access: tier gold, until 2027-03-15 00:00'),
	('exclusive_service: tier gold, until 2027-03-15 00:00'),
	('export_pdf: plan pro, until 2027-03-15 00:00'),
	('flash_sale: everyone, closed, until 2026-05-20 22:00'),
	('free_night: tier gold, 9 of 10, 2 vouchers, until 2027-03-15 00:00'),
	('free_packaging: tier gold, until 2027-03-15 00:00'),
	('free_repair: hand, 4 of 5, in period to 2026-12-31'),
	('free_updates: tier gold, until 2027-03-15 00:00'),
	('late_checkout: tier gold, 1 vouchers, until 2027-03-15 00:00'),
	('member_day: tier gold, closed, until 2027-03-15 00:00'),
	('member_events: everyone'),
	('off30: tier gold, until 2027-03-15 00:00'),
	('parenting_coupon: tag baby, until 2026-04-01 00:00'),
	('parenting_service: hand, until 2026-04-01 00:00'),
	('presale: tier gold, until 2027-03-15 00:00'),
	('priority_shipping: tier gold, until 2027-03-15 00:00'),
	('priority_verification: tier gold, until 2027-03-15 00:00'),
	('set_meal: tier gold, until 2027-03-15 00:00'),
	('spring_gift: campaign spring, until 2026-04-01 00:00')
	$$, 'benefits(): all of them');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right to the end');
SELECT * FROM finish();
ROLLBACK;

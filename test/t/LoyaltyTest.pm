package LoyaltyTest;

# What the TAP files share: a server with a shop on it, calls that are all
# valid there, and the questions that every test asks.

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_node create_shop shop_verbs shop_writes shop_reads shop_clock
  sqlstate books_agree state_hash);

# A server that runs, with nothing in it.
sub new_node
{
    my ($name, %params) = @_;
    my $conf = delete $params{conf} // '';
    my $node = PostgreSQL::Test::Cluster->new($name);

    $node->init(extra => [ '--locale=C', '--encoding=UTF8' ], %params);
    $node->append_conf('postgresql.conf', "log_statement = none\n$conf");
    $node->start;
    return $node;
}

# A database with two programmes, in which a year has passed: members with
# every status, vested, pending and lapsed value, debt, holds in every state,
# rules old and new with limits and budgets, streaks, tiers, an attached table,
# loads, activities.
sub create_shop
{
    my ($node, $db) = @_;

    $node->safe_psql('postgres', "CREATE DATABASE $db");
    $node->safe_psql($db, 'CREATE EXTENSION loyalty');
    $node->safe_psql($db, <<'SQL');
CREATE FUNCTION clock(days int) RETURNS text LANGUAGE sql AS $$
    SELECT set_config('loyalty.now', (timestamptz '2025-01-10 09:00+00' + days * interval '1 day')::text, false)
$$;
CREATE FUNCTION m(no int) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT loyalty.find('shop', 'customer_no', no::text)
$$;
CREATE FUNCTION voucher_of(id bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT min(voucher_id) FROM loyalty.voucher JOIN loyalty.benefit USING (benefit_id)
    WHERE member_id = id AND kind = 'voucher' AND voucher.status = 'issued'
$$;
CREATE FUNCTION coupon_of(id bigint, name text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT min(h.coupon_no) FROM loyalty.member_coupon h JOIN loyalty.coupon c USING (coupon_id)
    WHERE h.member_id = id AND c.name = coupon_of.name AND h.status = 'issued' AND h.uses < h.max_uses
$$;
CREATE FUNCTION hold_of(hold_ref text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT hold_id FROM loyalty.hold WHERE ref = hold_ref
$$;
CREATE FUNCTION balance_of(no int) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT available FROM loyalty.balance(m(no), 'points')
$$;

SELECT clock(0);
SELECT loyalty.program_create('shop', 'EUR', 'Europe/Berlin', vest_days => 7);
SELECT loyalty.program_create('cafe', 'JPY', 'Asia/Tokyo');
UPDATE loyalty.program SET ref_scope = 'program' WHERE name = 'cafe';
INSERT INTO loyalty.tier (program_id, code, rank, valid_months, grace_days)
    SELECT program_id, t.code, t.rank, t.months, t.grace
    FROM loyalty.program, (VALUES ('base', 0, NULL, 0), ('silver', 1, 3, 0), ('gold', 2, 6, 10)) t (code, rank, months, grace)
    WHERE name = 'shop';
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, months)
    SELECT t.program_id, t.tier_id, u.unit_id, CASE t.code WHEN 'silver' THEN 900 ELSE 2000 END, 3
    FROM loyalty.tier t JOIN loyalty.unit u USING (program_id)
    WHERE t.code <> 'base' AND u.code = 'spend';

-- rules that name all that rules can name; none for purchases
INSERT INTO loyalty.collection (program_id, name) SELECT program_id, 'near' FROM loyalty.program;
INSERT INTO loyalty.collection_item (program_id, collection, kind, value) SELECT program_id, 'near', 'store', 'S1' FROM loyalty.program;
INSERT INTO loyalty.calendar_day (program_id, calendar, day) SELECT program_id, 'days', '2026-01-31' FROM loyalty.program;
INSERT INTO loyalty.campaign (program_id, name, status) SELECT program_id, 'spring', 'live' FROM loyalty.program;
INSERT INTO loyalty.rule_group (program_id, name, combine) SELECT program_id, 'best', 'best' FROM loyalty.program;
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, campaign_id, rule_group, store_collection, tiers, tags, condition, once_per_target)
    SELECT program_id, 'share', unit_id, 'fixed', 5, campaign_id, 'best', 'near', '{base,silver,gold}', '{vip}', '$.event.late_days < 9', true
    FROM loyalty.program JOIN loyalty.unit USING (program_id) JOIN loyalty.campaign USING (program_id)
    WHERE code = 'points' AND program.name = 'shop';
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, calendar, cooldown)
    SELECT program_id, 'review', unit_id, 'fixed', 3, 'days', '1 day' FROM loyalty.unit WHERE code = 'points';
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, base, step_from, step_award)
    SELECT program_id, 'check_in', unit_id, 'steps', 'streak', '{1,3}', '{1,5}' FROM loyalty.unit WHERE code = 'points';
UPDATE loyalty.rule SET award = 4 WHERE event = 'share';
SELECT count(loyalty.budget_set('shop', 'points', 1000, 'spring', 4));
SELECT count(loyalty.rule_limit(rule_id, 'month', 6, counter => 'monthly')) FROM loyalty.rule WHERE event = 'share';

-- rules for purchases, with limits and a budget
INSERT INTO loyalty.campaign (program_id, name, status)
    SELECT program_id, 'summer', 'live' FROM loyalty.program WHERE name = 'shop';
INSERT INTO loyalty.rule_group (program_id, name, combine) SELECT program_id, 'toys', 'best' FROM loyalty.program WHERE name = 'shop';
INSERT INTO loyalty.collection (program_id, name) SELECT program_id, 'toys' FROM loyalty.program WHERE name = 'shop';
INSERT INTO loyalty.collection_item (program_id, collection, kind, value)
    SELECT program_id, 'toys', 'sku', 'A' FROM loyalty.program WHERE name = 'shop';
INSERT INTO loyalty.calendar_day (program_id, calendar, day) SELECT program_id, 'days', '2025-06-01' FROM loyalty.program;
INSERT INTO loyalty.unit (program_id, code, kind, scale) SELECT program_id, 'stars', 'points', 1 FROM loyalty.program WHERE name = 'shop';
INSERT INTO loyalty.rule (program_id, event, unit_id, name, kind, award, per, campaign_id, rule_group, collection, condition, calendar, tags,
        once_per_target, cooldown, base, step_from, step_award)
    SELECT u.program_id, r.event, u.unit_id, r.name, r.kind, r.award, r.per,
        (SELECT campaign_id FROM loyalty.campaign WHERE name = 'summer' AND r.campaign), r.rule_group, r.collection, r.condition::jsonpath, r.calendar, r.tags,
        coalesce(r.once, false), r.cooldown, coalesce(r.base, 'amount'), r.step_from, r.step_award
    FROM loyalty.unit u, jsonb_to_recordset('[
        {"event": "purchase", "name": "pieces", "kind": "per_quantity", "award": 1.5, "per": 1, "campaign": true, "collection": "toys", "rule_group": "toys"},
        {"event": "purchase", "name": "large", "kind": "multiplier", "award": 2, "rule_group": "toys", "condition": "$.order.amount > 150"},
        {"event": "purchase", "name": "on days", "kind": "fixed", "award": 3, "calendar": "days", "tags": "{vip}"},
        {"event": "check_in", "name": "streak", "kind": "steps", "base": "streak", "step_from": "{1,3}", "step_award": "{0.5,4}"},
        {"event": "review", "name": "review", "kind": "fixed", "award": 2, "once": true},
        {"event": "referral", "name": "referral", "kind": "fixed", "award": 1, "cooldown": "10 days"}]')
        AS r (event text, name text, kind text, award numeric, per numeric, campaign boolean, collection text, rule_group text, condition text, calendar text, tags text[],
            once boolean, cooldown interval, base text, step_from numeric[], step_award numeric[])
    WHERE u.code = 'stars';
SELECT loyalty.rule_limit(rule_id, 'year', 60, counter => 'stars_a_year') FROM loyalty.rule WHERE name = 'pieces';
SELECT loyalty.rule_limit(rule_id, 'lifetime', 3, counts => 'times') FROM loyalty.rule WHERE name = 'review';
SELECT loyalty.budget_set('shop', 'stars', 900, campaign => 'summer', slots => 3);
SELECT loyalty.budget_set('shop', 'stars', 100000);

-- a benefit of each kind, held by all that can hold one
INSERT INTO loyalty.tag (program_id, name, dimension) SELECT program_id, 'regular', 'lifecycle' FROM loyalty.program WHERE name = 'shop';
INSERT INTO loyalty.tag (program_id, name, dimension, condition)
    SELECT program_id, 'frequent', 'transaction', '$.purchases.days_30.times >= 3' FROM loyalty.program WHERE name = 'shop';
INSERT INTO loyalty.segment (program_id, name) SELECT program_id, 'press' FROM loyalty.program WHERE name = 'shop';
INSERT INTO loyalty.plan (program_id, name, months, price, rank) SELECT program_id, p.name, 12, p.price, p.rank
    FROM loyalty.program, (VALUES ('plus', 60, 1), ('prime', 120, 2)) p (name, price, rank) WHERE program.name = 'shop';
INSERT INTO loyalty.price_list (program_id, name, kind, value, price, percent_off)
    SELECT program_id, 'trade', l.kind, l.value, l.price, l.percent_off
    FROM loyalty.program, (VALUES ('sku', 'B', 3, NULL), ('collection', 'toys', NULL, 25), ('brand', 'Acme', NULL, 5.5)) l (kind, value, price, percent_off)
    WHERE name = 'shop';
INSERT INTO loyalty.unit (program_id, code, kind, period)
    SELECT program_id, u.code, 'counter', u.period FROM loyalty.program, (VALUES ('deliveries', 'month'), ('visits', 'year')) u (code, period) WHERE name = 'shop';
INSERT INTO loyalty.benefit (program_id, name, kind, percent_off, price_list, factor, birthday, calendar, channels, valid_days, gap_days, unit_id, quantity)
    SELECT program_id, b.name, b.kind, b.percent_off, b.price_list, b.factor, b.birthday, b.calendar, b.channels, b.valid_days, b.gap_days,
        (SELECT unit_id FROM loyalty.unit u WHERE u.program_id = program.program_id AND u.code = b.unit), b.quantity
    FROM loyalty.program, jsonb_to_recordset('[
        {"name": "off", "kind": "price", "percent_off": 12.5}, {"name": "trade", "kind": "price", "price_list": "trade"},
        {"name": "twice", "kind": "multiplier", "factor": 2, "birthday": "month", "channels": "{web}"},
        {"name": "express", "kind": "flag"}, {"name": "members_day", "kind": "flag", "calendar": "days"},
        {"name": "delivery", "kind": "quota", "unit": "deliveries", "quantity": 4}, {"name": "lounge", "kind": "quota", "unit": "visits", "quantity": 1},
        {"name": "late", "kind": "voucher", "valid_days": 60}, {"name": "birthday", "kind": "gift", "birthday": "month", "gap_days": 300},
        {"name": "welcome", "kind": "gift", "gap_days": 30}, {"name": "stamp", "kind": "every_n", "unit": "orders", "quantity": 10}]')
        AS b (name text, kind text, percent_off numeric, price_list text, factor numeric, birthday text, calendar text, channels text[], valid_days int, gap_days int, unit text, quantity numeric)
    WHERE program.name = 'shop';
SELECT loyalty.benefit_hold('shop', h.benefit, h.source, h.name, h.quantity) FROM (VALUES
    ('off', 'tier', 'gold', NULL), ('trade', 'tag', 'vip', NULL), ('twice', 'everyone', '', NULL), ('express', 'plan', 'plus', NULL), ('express', 'segment', 'press', NULL),
    ('members_day', 'stage', 'regular', NULL), ('delivery', 'everyone', '', NULL), ('delivery', 'tier', 'silver', 6), ('lounge', 'plan', 'prime', NULL),
    ('late', 'campaign', 'spring', NULL), ('birthday', 'everyone', '', NULL), ('welcome', 'everyone', '', NULL), ('stamp', 'everyone', '', NULL)) h (benefit, source, name, quantity);
-- coupons that name all that coupons can name, some changed since, and offers
INSERT INTO loyalty.coupon_category (program_id, name, stacking, max_per_order, rank)
    SELECT program_id, c.name, c.stacking, c.n, c.rank
    FROM loyalty.program, (VALUES ('vouchers', 'never', 1, 50), ('thanks', 'always', NULL, 200)) c (name, stacking, n, rank) WHERE program.name = 'shop';
INSERT INTO loyalty.coupon (program_id, name, title, kind, amount, percent, max_discount, min_amount, step_from, step_off, campaign_id, category, unit_id, factor,
        item_filter, target_filter, excluded_collection, condition, calendar, tags, segments, time_from, time_until, valid_days, claimable, claims, transferable,
        price, price_unit_id, cost_shares)
    SELECT p.program_id, c.name, c.title, c.kind, c.amount, c.percent, c.max_discount, c.min_amount, c.step_from, c.step_off,
        (SELECT campaign_id FROM loyalty.campaign k WHERE k.program_id = p.program_id AND k.name = c.campaign), c.category,
        (SELECT unit_id FROM loyalty.unit u WHERE u.program_id = p.program_id AND u.code = c.unit), c.factor,
        c.item_filter::jsonpath, c.target_filter::jsonpath, c.excluded_collection, c.condition::jsonpath, c.calendar, c.tags, c.segments, c.time_from, c.time_until, c.valid_days,
        coalesce(c.claimable, false), c.claims, coalesce(c.transferable, false), c.price,
        (SELECT unit_id FROM loyalty.unit u WHERE u.program_id = p.program_id AND u.code = c.price_unit), c.cost_shares
    FROM loyalty.program p, jsonb_to_recordset('[
        {"name": "five", "title": "5 off", "kind": "amount", "amount": 5, "min_amount": 20, "valid_days": 30, "claimable": true, "claims": 3, "transferable": true,
            "cost_shares": {"Acme": 60, "shop": 40}},
        {"name": "tenth", "kind": "percent", "percent": 12.5, "max_discount": 30, "category": "vouchers", "item_filter": "$.sku == \"A\"", "excluded_collection": "toys",
            "condition": "$.order.amount > 10", "price": 50, "price_unit": "points"},
        {"name": "steps", "kind": "ladder", "step_from": "{50,100}", "step_off": "{5,12.50}", "category": "thanks", "campaign": "summer", "tags": "{vip}", "segments": "{press}",
            "calendar": "days", "time_from": "08:00", "time_until": "20:00"},
        {"name": "double", "kind": "multiplier", "factor": 2, "unit": "stars", "target_filter": null},
        {"name": "ship", "kind": "shipping"}]')
        AS c (name text, title text, kind text, amount numeric, percent numeric, max_discount numeric, min_amount numeric, step_from numeric[], step_off numeric[], campaign text,
            category text, unit text, factor numeric, item_filter text, target_filter text, excluded_collection text, condition text, calendar text, tags text[], segments text[],
            time_from time, time_until time, valid_days int, claimable boolean, claims int, transferable boolean, price numeric, price_unit text, cost_shares jsonb)
    WHERE p.name = 'shop';
UPDATE loyalty.coupon SET max_discount = max_discount + 1 WHERE name = 'tenth';
INSERT INTO loyalty.offer (program_id, name, kind, percent, buy, get, collection)
    SELECT program_id, 'two_for_one', 'buy_get', 100, 1, 1, 'toys' FROM loyalty.program WHERE name = 'shop';
INSERT INTO loyalty.coupon_pack (program_id, name, coupon_id, quantity)
    SELECT program_id, 'welcome', coupon_id, 2 FROM loyalty.coupon WHERE name IN ('five', 'ship');
SELECT count(loyalty.coupon_limit('shop', c.coupon, c.counts, c.amount, 4))
    FROM (VALUES ('five', 'issued', 500), ('five', 'used', 400), ('two_for_one', 'discount', 900.50)) c (coupon, counts, amount);
INSERT INTO loyalty.cart_policy (program_id, max_coupons, min_payable) SELECT program_id, 5, 1 FROM loyalty.program WHERE name = 'shop';
INSERT INTO loyalty.cart_unit (program_id, unit_id, minimum, step, max_share)
    SELECT program_id, unit_id, 10, 5, 50 FROM loyalty.unit JOIN loyalty.program USING (program_id) WHERE code = 'points' AND program.name = 'shop';
INSERT INTO loyalty.unit (program_id, code, kind, scale) SELECT program_id, 'card', 'money', currency_scale FROM loyalty.program WHERE name = 'shop';
INSERT INTO loyalty.topup_policy (program_id, unit_id, spend_order, limit_named, bonus_days)
    SELECT program_id, unit_id, 'bonus_first', 5000, 365 FROM loyalty.unit WHERE code = 'card';
INSERT INTO loyalty.topup_step (program_id, unit_id, step_from, bonus, points, points_unit_id, pack, benefit_id)
    SELECT c.program_id, c.unit_id, 100, 10, 50, p.unit_id, 'welcome', b.benefit_id
    FROM loyalty.unit c JOIN loyalty.unit p USING (program_id) JOIN loyalty.benefit b USING (program_id)
    WHERE c.code = 'card' AND p.code = 'points' AND b.name = 'late';
CREATE TABLE web_order (no text PRIMARY KEY, customer text, price numeric(12,2), paid_at timestamptz);
SELECT loyalty.attach('web_order', 'shop', member => 'customer', amount => 'price', ref => 'no', at => 'paid_at', identity => 'customer_no');

SELECT count(r) FROM generate_series(1, 20) no, loyalty.enroll('shop',
    jsonb_build_object('customer_no', no::text, 'email', 'c' || no || '@example.com'),
    profile => '{"name": "Ada"}') r;
SELECT count(r) FROM generate_series(1, 3) no, loyalty.enroll('cafe',
    jsonb_build_object('customer_no', no::text)) r;
SELECT loyalty.tag_add(m(no), 'vip') FROM generate_series(1, 5) no;

DO $$
BEGIN
    FOR week IN 0..54 LOOP
        PERFORM clock(week * 7);
        PERFORM * FROM generate_series(1, 20) no, loyalty.purchase(m(no),
            10.50 * no + week, 'order-' || week,
            jsonb_build_array(jsonb_build_object('sku', 'A', 'qty', 2, 'price', 4.25),
                              jsonb_build_object('sku', 'B', 'price', 10.50 * no + week - 8.50)),
            '{"channel": "web", "store": "S1", "device": "phone"}')
        WHERE no % 5 <> week % 5;
        PERFORM * FROM generate_series(1, 20, 6) no, loyalty.record(m(no), 'referral', key => 's' || week);
        IF week % 6 = 5 THEN
            UPDATE loyalty.rule SET award = award + 0.1 WHERE name = 'referral';
            FOR day IN 0..week % 4 LOOP
                PERFORM clock(week * 7 + day);
                PERFORM * FROM generate_series(2, 20, 5) no, loyalty.record(m(no), 'check_in', key => 'c' || week || '-' || day);
            END LOOP;
            PERFORM * FROM generate_series(2, 20, 5) no, loyalty.record(m(no), 'review', data => '{"target": "A"}', key => 'v' || week);
            INSERT INTO web_order SELECT 'w' || week || '-' || no, no::text, 3 * no, loyalty.now() FROM generate_series(18, 22) no;
            PERFORM * FROM generate_series(1, 20) no,
                loyalty.redeem(m(no), 20 + no, ref => 'order-' || week, mode => 'try');
            PERFORM * FROM generate_series(1, 20, 3) no, loyalty.refund(m(no),
                'order-' || week - 1, items => '[{"sku": "A", "qty": 1}]', refund_ref => 'r' || week, mode => 'try');
        END IF;
    END LOOP;
END
$$;

-- a draft, to be simulated
WITH draft AS (
    INSERT INTO loyalty.campaign (program_id, name) SELECT program_id, 'double' FROM loyalty.program WHERE name = 'shop'
    RETURNING program_id, campaign_id
)
INSERT INTO loyalty.rule (program_id, campaign_id, event, unit_id, kind, award)
SELECT d.program_id, d.campaign_id, 'purchase', u.unit_id, 'multiplier', 2
FROM draft d JOIN loyalty.unit u ON u.program_id = d.program_id AND u.code = 'points';

SELECT clock(385);
DELETE FROM loyalty.rule WHERE name = 'on days';
UPDATE web_order SET price = price + 1 WHERE no LIKE 'w47-%';
DELETE FROM web_order WHERE no LIKE 'w53-%';
CREATE TABLE old_member AS SELECT i AS number, jsonb_build_object('card', 'old-' || i) AS identities FROM generate_series(1, 3) i;
CREATE TABLE old_lot AS SELECT i AS number, 'points' AS unit, 100 * i AS amount FROM generate_series(1, 3) i;
CALL loyalty.import_members('shop', 'old_member', 'old_lot');
CREATE TABLE staged AS SELECT jsonb_build_object('customer_no', i) AS identities, 10 * i AS amount, 'st-' || i AS ref FROM generate_series(19, 22) i;
CALL loyalty.ingest('shop', 'staged');
SELECT count(r) FROM loyalty.purchase(loyalty.find('cafe', 'customer_no', '1'), 5000, 'order-1') r;
SELECT count(r) FROM loyalty.transfer(m(5), m(6), 25, key => 't1') r;
SELECT count(r) FROM loyalty.adjust(m(7), 500, 'points', 'goodwill', expires_on => '2027-12-31', key => 'a1') r;
-- spent, then returned: a debt
SELECT count(r) FROM loyalty.purchase(m(8), 4000, 'big', at => '2026-01-02 09:00+00') r;
SELECT count(r) FROM balance_of(8) b, loyalty.redeem(m(8), b, key => 'all') r;
SELECT count(r) FROM loyalty.refund(m(8), 'big', key => 'back') r;
-- a hold of each kind; the open ones outlast the test
SELECT count(r) FROM loyalty.hold(m(9), 10, key => 'h1', ref => 'h1') r;
SELECT count(r) FROM loyalty.hold(m(9), 11, key => 'h2', ref => 'h2') r;
SELECT count(r) FROM loyalty.hold(m(9), 12, key => 'h3', ref => 'h3') r;
SELECT count(r) FROM loyalty.hold(m(9), 13, key => 'h4', ref => 'h4') r;
SELECT count(r) FROM loyalty.capture(m(9), hold_of('h1'), 4, key => 'h1c') r;
SELECT count(r) FROM loyalty.release(m(9), hold_of('h2'), key => 'h2r') r;
SELECT clock(386);
SELECT loyalty.account_settle(m(9));
SELECT count(r) FROM loyalty.hold(m(1), 15, ttl => '10 days', key => 'h5', ref => 'h5') r;
SELECT count(r) FROM loyalty.purchase(m(1), 30, 'fresh') r;
-- limited, once for each target, on end
SELECT loyalty.tag_add(m(10), 'vip');
SELECT count(r) FROM unnest('{A,B,A}'::text[]) target, loyalty.record(m(10), 'share', data => jsonb_build_object('target', target, 'store', 'S1')) r;
SELECT count(r) FROM loyalty.record(m(10), 'review') r;
SELECT count(r) FROM loyalty.record(m(10), 'check_in') r;
-- segments: a list, and one that a view of the shop's own says
SELECT loyalty.segment_add(m(no), 'press') FROM generate_series(4, 6) no;
SELECT loyalty.segment_remove(m(6), 'press');
CREATE TABLE subscription (customer text, ends_on date);
INSERT INTO subscription SELECT no::text, '2026-06-30' FROM generate_series(5, 9) no;
CREATE VIEW subscriber AS SELECT i.member_id FROM loyalty.identity i JOIN subscription s ON s.customer = i.value WHERE i.kind = 'customer_no';
INSERT INTO loyalty.segment (program_id, name, source) SELECT program_id, 'subscribers', 'public.subscriber' FROM loyalty.program WHERE name = 'shop';
SELECT count(r) FROM loyalty.segment_refresh('shop') r;
DELETE FROM subscription WHERE customer = '9';
SELECT count(r) FROM loyalty.segment_refresh('shop', 'subscribers') r;
-- entitled by a plan, by a list and by hand; used, issued and given back
SELECT count(r) FROM loyalty.plan_buy(m(11), 'plus', 'plan-1', 60) r;
SELECT count(r) FROM loyalty.benefit_give(m(12), 'lounge', 'a complaint', quantity => 2, key => 'g1') r;
SELECT count(r) FROM generate_series(1, 3) n, loyalty.benefit_use(m(12), 'delivery', 'd' || n) r;
SELECT count(r) FROM loyalty.benefit_return(m(12), 'delivery', 'd2') r;
SELECT count(r) FROM generate_series(1, 2) n, loyalty.benefit_issue(m(12), 'late', 'welcome', key => 'i' || n) r;
SELECT count(r) FROM loyalty.benefit_use(m(12), 'late', 'night-1') r;
-- plans: one that is held, one upgraded, one given back
INSERT INTO loyalty.plan (program_id, name, months, price, rank, tier)
    SELECT program_id, p.name, 12, p.price, p.rank, p.tier
    FROM loyalty.program, (VALUES ('club', 99.90, 2, NULL), ('pro', 300, 3, 'gold')) p (name, price, rank, tier) WHERE program.name = 'shop';
SELECT count(r) FROM unnest('{1,6,7}'::int[]) no, loyalty.plan_buy(m(no), 'club', 'pay-1', auto_renew => true) r;
SELECT count(r) FROM loyalty.plan_upgrade(m(6), 'pro', 'pay-2') r;
SELECT count(r) FROM loyalty.plan_renew(m(7), 'pay-2') r;
SELECT count(r) FROM loyalty.plan_refund(m(7), 'pay-2') r;
SELECT count(r) FROM loyalty.tag_refresh('shop', 1000) r;
-- behaviour of members and visitors, some of it no longer kept, of which a part is deleted
INSERT INTO loyalty.activity_kind (program_id, kind, retain_days) SELECT program_id, kind, days
    FROM loyalty.program, (VALUES ('search', 30), ('view', NULL)) k (kind, days) WHERE name = 'shop';
SELECT loyalty.track(m(11), 'view', 'sku', 'A', 's1', 12, 'web', '{"from": "search"}', key => 'a1');
SELECT count(loyalty.track_visitor('shop', 'cookie-' || v, 'search', 'words', 'toys', at => loyalty.now() - v * interval '20 days')) FROM generate_series(1, 3) v;
SELECT loyalty.visitor_join(m(11), 'cookie-1');
SELECT loyalty.activity_expire('shop', 1);
-- stored value, paid in, pending and partly given back; a card by name, one that is frozen
SELECT count(r) FROM loyalty.topup(m(13), 200, 'top-1') r;
SELECT count(r) FROM loyalty.topup(m(13), 50, 'top-2', pending => true) r;
SELECT count(r) FROM loyalty.topup(m(14), 120.50, 'top-1') r;
SELECT count(r) FROM loyalty.topup_refund(m(14), 'top-1', 20, 'top-back') r;
SELECT count(r) FROM loyalty.topup_name(m(13), 'card', true, 'passport shown') r;
SELECT count(r) FROM loyalty.topup_freeze(m(14), 'card', 'reported lost') r;

-- messages in every status, with feedback; a fallback stands before the channel that it names
SELECT loyalty.message_channels('shop');
UPDATE loyalty.message_channel SET title = 'Short messages', max_attempts = 1 WHERE name = 'sms';
UPDATE loyalty.message_channel SET max_attempts = 1 WHERE name = 'app_push';
SELECT loyalty.consent_give(m(1), 'marketing', evidence => 'form 1'), loyalty.consent_withdraw(m(1), 'marketing', 'email'), loyalty.consent_give(m(2), 'research', 'sms');
SELECT loyalty.message_enqueue(m(1), 'webhook', 'done', '{"points": 5}', dedupe_key => 'k1');
SELECT loyalty.message_enqueue(m(2), 'app_push', 'fallen', purpose => 'service');
SELECT count(loyalty.message_done(member_id, message_id, attempts)) FROM loyalty.message_take('webhook');
SELECT count(loyalty.message_feedback(member_id, message_id, k)) FROM loyalty.message, unnest('{opened,unsubscribed}'::text[]) k WHERE status = 'done';
SELECT count(loyalty.message_retry(member_id, message_id, attempts, 'no device')) FROM loyalty.message_take('app_push');
SELECT count(*) FROM loyalty.message_take('sms');
SELECT loyalty.message_enqueue(m(1), 'email', 'unwanted', purpose => 'marketing');
SELECT count(*) FROM loyalty.message_take('email');
SELECT loyalty.message_enqueue(m(1), 'staff', 'waiting', not_before => loyalty.now() + interval '1 year', expires_at => loyalty.now() + interval '2 years');
-- coupons, made, claimed, bought, given and void; used for orders and at the till, one given back; wrong codes
SELECT count(c) FROM loyalty.coupon_generate('shop', 'tenth', 5, 'letter') c;
SELECT loyalty.coupon_import('shop', 'five', '{IMPORT-1,IMPORT-2,IMPORT-3}', 'agency');
SELECT loyalty.coupon_code_create('shop', 'ship', 'FREE-SHIP', 100);
SELECT loyalty.coupon_disable('shop', 'IMPORT-3');
SELECT count(r) FROM generate_series(11, 16) no, loyalty.coupon_claim(m(no), 'five', 'c1') r;
SELECT count(r) FROM generate_series(15, 16) no, loyalty.coupon_issue(m(no), 'tenth', 'i1', quantity => 2) r;
SELECT count(r) FROM loyalty.coupon_issue_pack(m(12), 'welcome', 'w1') r;
SELECT count(r) FROM loyalty.coupon_issue_segment('shop', 'ship', 'press', 'mailing') r;
SELECT count(r) FROM loyalty.coupon_buy(m(15), 'tenth', 'b1') r;
SELECT count(r) FROM loyalty.coupon_transfer(m(11), m(10), coupon_of(m(11), 'five'), 'present') r;
SELECT count(r) FROM loyalty.coupon_void(m(16), coupon_of(m(16), 'tenth'), 'issued by mistake') r;
SELECT count(r) FROM generate_series(13, 15) no, loyalty.checkout(m(no), '{"items": [{"sku": "A", "qty": 4, "price": 10}, {"sku": "B", "price": 25}], "shipping": 4.90, "channel": "web"}', 'co-1',
    ARRAY['free-ship', '#' || coupon_of(m(no), 'five')], '{"points": 20}') r;
SELECT count(r) FROM loyalty.refund(m(14), 'co-1', items => '[{"sku": "B", "qty": 1}]', refund_ref => 'co-1-b') r;
SELECT count(r) FROM loyalty.refund(m(15), 'co-1', refund_ref => 'co-1-all') r;
-- guests' orders, one partly given back; targets
SELECT count(loyalty.guest_order('shop', n * 12.50, 'guest-' || n, data => '{"store": "S1", "channel": "shop"}')) FROM generate_series(1, 3) n;
SELECT loyalty.guest_order_refund('shop', 'guest-2', 5, 'guest-back');
INSERT INTO loyalty.kpi_target (program_id, kpi, starts_on, months, target)
    SELECT program_id, k.kpi, '2026-01-01', 3, k.target FROM loyalty.program, (VALUES ('conversion', 0.25), ('net', 1000)) k (kpi, target) WHERE name = 'shop';
-- a period that is closed, and one that is closing
SELECT loyalty.period_close('shop', '2024-12-31');
SELECT loyalty.period_close('shop', '2024-12-31');
SELECT loyalty.period_close('shop', '2025-01-31');
-- what periodic work has noted
SELECT loyalty.maintenance_note('account', loyalty.now(), loyalty.now(), 5, 1, '40P01: deadlock detected'), loyalty.maintenance_fail(m(2), 'account', 'XX000', 'broken');
-- orders that are reserved: one paid, one given up, two that wait
SELECT count(r) FROM generate_series(1, 4) n, loyalty.checkout_reserve(m(11), '{"items": [{"sku": "B", "price": 40}], "shipping": 4.90}', 'rs-' || n, '{free-ship}',
    '{"points": 10}', ttl => '10 days') r;
SELECT count(r) FROM loyalty.checkout_confirm(m(11), 'rs-1') r;
SELECT count(r) FROM loyalty.checkout_cancel(m(11), 'rs-2') r;
SELECT count(r) FROM generate_series(12, 16, 4) no, loyalty.coupon_use(m(no), '#' || coupon_of(m(no), 'five'), 'till-1', 5) r;
SELECT count(r) FROM loyalty.coupon_undo(m(16), 'till-1') r;
SELECT count(r) FROM generate_series(1, 3) n, loyalty.coupon_try(m(16), 'WRONG-' || n, '{"store": "S1", "device": "till"}') r;
SELECT count(r) FROM loyalty.member_freeze(m(3), 'card reported stolen') r;
SELECT count(r) FROM loyalty.member_close(m(4), 'on request') r;
-- automations: one that gives, waits and was undone for one member, and one that nobody started
INSERT INTO loyalty.message_channel (program_id, name) SELECT program_id, 'sms' FROM loyalty.program WHERE name = 'shop' ON CONFLICT DO NOTHING;
INSERT INTO loyalty.automation (program_id, name, trigger_kind, trigger_name, condition, holdout, goal_event, goal_days)
    SELECT program_id, 'shared', 'event', 'share', '$.member.age_days >= 0', 0.5, 'purchase', 30 FROM loyalty.program WHERE name = 'shop';
INSERT INTO loyalty.automation_step (automation_id, program_id, position, kind, unit_id, amount, tag, channel, template, params, wait, condition, otherwise)
    SELECT a.automation_id, a.program_id, s.position, s.kind, CASE WHEN s.kind = 'award' THEN u.unit_id END, s.amount, s.tag, s.channel, s.template, s.params, s.wait, s.condition::jsonpath, s.otherwise
    FROM loyalty.automation a JOIN loyalty.unit u ON u.program_id = a.program_id AND u.code = 'points', jsonb_to_recordset('[
        {"position": 1, "kind": "award", "amount": 5}, {"position": 2, "kind": "tag_add", "tag": "sharer"},
        {"position": 3, "kind": "message", "channel": "sms", "template": "thanks", "params": {"tone": "warm"}}, {"position": 4, "kind": "wait", "wait": "3 days"},
        {"position": 5, "kind": "check", "condition": "$.purchases.days_30.times > 0", "otherwise": 7}, {"position": 7, "kind": "tag_remove", "tag": "sharer"}]')
        AS s (position int, kind text, amount numeric, tag text, channel text, template text, params jsonb, wait interval, condition text, otherwise int)
    WHERE a.name = 'shared';
SELECT loyalty.automation_start('shop', 'shared');
SELECT count(r) FROM generate_series(8, 9) n, loyalty.record(m(n), 'share', ref => 'shared', key => 'shared-' || n) r;
SELECT done FROM loyalty.automation_run_due();
SELECT count(r) FROM loyalty.record(m(9), 'share', ref => 'shared-2') r;
SELECT count(r) FROM loyalty.refund(m(8), 'shared') r;
SELECT done FROM loyalty.automation_run_due(1);
SELECT count(r) FROM loyalty.award(m(9), 3, 'points', 'sorry', key => 'award-9') r;
-- named ones: a date for which half of all members have been looked at, a broadcast that is half done, one that was cancelled
SELECT loyalty.automation_template('shop', 'silent_reminder'), loyalty.automation_template('shop', 'launch');
SELECT loyalty.automation_start('shop', 'silent_reminder'), loyalty.automation_start('shop', 'launch');
SELECT done FROM loyalty.automation_scan(3);
SELECT loyalty.automation_broadcast('shop', 'launch', 'half', params => '{"price": 5}') IS NOT NULL;
SELECT done FROM loyalty.automation_broadcast_run(3);
SELECT loyalty.automation_broadcast_cancel(loyalty.automation_broadcast('shop', 'launch', 'wrong', target_kind => 'sku', target => 'A'));
-- the sums of the reports, with all that was until here
SELECT sum(f.done) FROM generate_series(1, 20) n, LATERAL (SELECT f.done FROM loyalty.report_fold(CASE WHEN n > 0 THEN 500 END) f) f;
-- and runs that are to be counted again
SELECT loyalty.report_run_correct(program_id) IS NULL FROM loyalty.program WHERE name = 'shop';
-- and what is not folded of messages
SELECT loyalty.message_enqueue(m(1), 'staff', 'unfolded', not_before => loyalty.now() + interval '1 year');
SQL
    return;
}

# Calls that would each be done in the shop under shop_clock, by function.
sub shop_verbs
{
    return (
        enroll => q{loyalty.enroll('shop', '{"customer_no": "new"}')},
        record => q{loyalty.record(m(1), 'check_in')},
        purchase => q{loyalty.purchase(m(1), 10, 'new')},
        sale => q{loyalty.sale('shop', '{"customer_no": "1"}', 10, 'new')},
        vest => q{loyalty.vest(m(1), 'fresh')},
        redeem => q{loyalty.redeem(m(1), 10, key => 'new')},
        hold => q{loyalty.hold(m(1), 10, key => 'new')},
        capture => q{loyalty.capture(m(1), hold_of('h5'))},
        release => q{loyalty.release(m(1), hold_of('h5'))},
        refund => q{loyalty.refund(m(1), 'order-54')},
        transfer => q{loyalty.transfer(m(1), m(2), 10, key => 'new')},
        adjust => q{loyalty.adjust(m(1), 10, 'points', 'gift', key => 'new')},
        identity_add => q{loyalty.identity_add(m(1), 'card', '1234')},
        identity_remove => q{loyalty.identity_remove(m(1), 'email', 'c1@example.com')},
        import_member => q{loyalty.import_member('shop', '{"card": "old-9"}', state => '{"tier": "silver", "lots": [{"unit": "points", "amount": 5}]}')},
        benefit_give => q{loyalty.benefit_give(m(1), 'express', 'test')},
        benefit_withdraw => q{loyalty.benefit_withdraw(m(12), 'lounge', 'test')},
        benefit_issue => q{loyalty.benefit_issue(m(12), 'late', 'test', key => 'new')},
        benefit_use => q{loyalty.benefit_use(m(12), 'delivery', 'new')},
        benefit_return => q{loyalty.benefit_return(m(12), 'delivery', 'd1')},
        benefit_claim => q{loyalty.benefit_claim(m(12), 'welcome')},
        benefit_void => q{loyalty.benefit_void(m(12), voucher_of(m(12)), 'test')},
        tier_review => q{loyalty.tier_review(m(1))},
        tier_grant => q{loyalty.tier_grant(m(1), 'gold', 'test')},
        plan_buy => q{loyalty.plan_buy(m(2), 'club', 'new')},
        plan_renew => q{loyalty.plan_renew(m(1), 'new')},
        plan_upgrade => q{loyalty.plan_upgrade(m(1), 'pro', 'new')},
        plan_cancel => q{loyalty.plan_cancel(m(1))},
        plan_refund => q{loyalty.plan_refund(m(1), 'pay-1')},
        coupon_claim => q{loyalty.coupon_claim(m(2), 'five', 'new')},
        coupon_claim_code => q{loyalty.coupon_claim_code(m(2), 'import-1')},
        coupon_issue => q{loyalty.coupon_issue(m(2), 'tenth', 'new')},
        coupon_issue_pack => q{loyalty.coupon_issue_pack(m(2), 'welcome', 'new')},
        coupon_buy => q{loyalty.coupon_buy(m(15), 'tenth', 'new')},
        coupon_transfer => q{loyalty.coupon_transfer(m(12), m(2), coupon_of(m(12), 'five'), 'new')},
        coupon_void => q{loyalty.coupon_void(m(12), coupon_of(m(12), 'five'), 'test')},
        coupon_use => q{loyalty.coupon_use(m(12), 'import-2', 'new', 5)},
        coupon_undo => q{loyalty.coupon_undo(m(12), 'till-1')},
        checkout => q{loyalty.checkout(m(12), '{"items": [{"sku": "A", "price": 30}], "shipping": 5}', 'new', ARRAY['free-ship', '#' || coupon_of(m(12), 'five')], '{"points": 10}')},
        checkout_reserve => q{loyalty.checkout_reserve(m(12), '{"items": [{"sku": "A", "price": 30}], "shipping": 5}', 'new', '{free-ship}', '{"points": 10}')},
        checkout_confirm => q{loyalty.checkout_confirm(m(11), 'rs-3')},
        checkout_cancel => q{loyalty.checkout_cancel(m(11), 'rs-3')},
        topup => q{loyalty.topup(m(2), 100, 'new')},
        topup_confirm => q{loyalty.topup_confirm(m(13), 'top-2')},
        topup_cancel => q{loyalty.topup_cancel(m(13), 'top-2')},
        topup_refund => q{loyalty.topup_refund(m(13), 'top-1', 10, 'new')},
        topup_freeze => q{loyalty.topup_freeze(m(13), 'card', 'test')},
        topup_unfreeze => q{loyalty.topup_unfreeze(m(14), 'card', 'test')},
        topup_name => q{loyalty.topup_name(m(13), 'card', false, 'test')},
        award => q{loyalty.award(m(1), 5, 'points', 'test', key => 'award-1')},
        award_undo => q{loyalty.award_undo(m(9), (SELECT journal_id FROM loyalty.journal WHERE key = 'award-9'), 'test')},
        member_freeze => q{loyalty.member_freeze(m(1), 'test')},
        member_thaw => q{loyalty.member_thaw(m(3), 'test')},
        member_close => q{loyalty.member_close(m(1), 'test')},
        member_reopen => q{loyalty.member_reopen(m(4), 'test')},
    );
}

# Other calls that write, each as what follows SELECT.
sub shop_writes
{
    return (
        q{loyalty.account_settle(m(1))},
        q{loyalty.automation_run_due()},
        q{loyalty.automation_template('shop', 'restock')},
        q{loyalty.automation_broadcast('shop', 'launch', 'new')},
        q{loyalty.automation_broadcast_cancel((SELECT broadcast_id FROM loyalty.automation_broadcast WHERE key = 'half'))},
        q{loyalty.automation_broadcast_run()},
        q{loyalty.automation_scan()},
        q{loyalty.automation_run_retry(m(1), (SELECT min(run_id) FROM loyalty.automation_run WHERE member_id = m(1)))},
        q{loyalty.automation_pause('shop', 'shared')},
        q{loyalty.automation_end('shop', 'shared')},
        q{loyalty.rebuild(m(1))},
        q{loyalty.next_id()},
        q{loyalty.guest_order('shop', 5, 'guest-new')},
        q{loyalty.guest_order_refund('shop', 'guest-1')},
        q{loyalty.period_close('shop', '2025-02-28')},
        q{loyalty.program_create('other', 'EUR', 'UTC')},
        q{loyalty.setup_roles('other')},
        q{loyalty.tag_add(m(1), 'new')},
        q{loyalty.tag_remove(m(1), 'vip')},
        q{loyalty.track(m(1), 'view')},
        q{loyalty.track_visitor('shop', 'cookie-9', 'view')},
        q{loyalty.track_batch('shop', ARRAY[(m(1), NULL, 'view', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)]::loyalty.activity_row[])},
        q{loyalty.visitor_join(m(1), 'cookie-2')},
        q{loyalty.activity_expire('shop')},
        q{loyalty.segment_add(m(1), 'press')},
        q{loyalty.segment_remove(m(4), 'press')},
        q{loyalty.segment_refresh('shop')},
        q{loyalty.segment_drop('shop', 'subscribers')},
        q{loyalty.campaign_pause('shop', 'spring')},
        q{loyalty.budget_set('shop', 'stars', 950, campaign => 'summer')},
        q{loyalty.benefit_hold('shop', 'express', 'everyone')},
        q{loyalty.coupon_limit('shop', 'tenth', 'discount', 100)},
        q{loyalty.coupon_generate('shop', 'tenth', 2)},
        q{loyalty.coupon_import('shop', 'five', '{IMPORT-9}')},
        q{loyalty.coupon_code_create('shop', 'ship', 'NO-SHIPPING')},
        q{loyalty.coupon_disable('shop', 'IMPORT-1')},
        q{loyalty.coupon_enable('shop', 'IMPORT-3')},
        q{loyalty.coupon_issue_segment('shop', 'five', 'press', 'new')},
        q{loyalty.coupon_try(m(16), 'WRONG-4')},
        q{loyalty.coupon_release('shop')},
        q{loyalty.checkout_expire('shop')},
        q{loyalty.coupon_attempt_expire('shop')},
        q{loyalty.message_channels('cafe')},
        q{loyalty.message_enqueue(m(1), 'webhook', 'new')},
        q{loyalty.message_cancel(m(1), (SELECT message_id FROM loyalty.message WHERE template = 'waiting'))},
        q{loyalty.message_done(m(2), (SELECT max(message_id) FROM loyalty.message WHERE template = 'fallen'))},
        q{loyalty.message_retry(m(2), (SELECT max(message_id) FROM loyalty.message WHERE template = 'fallen'), NULL, 'test')},
        q{loyalty.message_requeue(m(2), (SELECT min(message_id) FROM loyalty.message WHERE template = 'fallen'))},
        q{loyalty.message_feedback(m(1), (SELECT message_id FROM loyalty.message WHERE template = 'done'), 'clicked')},
        q{loyalty.consent_give(m(1), 'research')},
        q{loyalty.consent_withdraw(m(1), 'research')},
        q{loyalty.coupon_disable_batch('shop', 'tenth', 'letter')},
        q{loyalty.rule_limit((SELECT rule_id FROM loyalty.rule WHERE name = 'referral'), 'day', 10)},
        q{loyalty.ingest_batch('shop', ARRAY[('1', m(1), NULL, NULL, 5, 'batch-1', NULL, NULL, NULL, NULL, NULL)]::loyalty.ingest_row[], 'file')},
        q{loyalty.import_batch('shop', ARRAY[('1', '{"card": "old-8"}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)]::loyalty.import_row[], 'file')},
        q{loyalty.attach('web_order', 'shop', member => 'customer', amount => 'price', ref => 'no', identity => 'customer_no')},
        q{loyalty.detach('web_order')},
        q{loyalty.attach_set('web_order', m(1), NULL, 'new', true, 5, loyalty.now(), NULL, '{}')});
}

# Queries that write nothing and whose answers depend on the shop alone.
sub shop_reads
{
    my ($node, $db) = @_;
    my @views = split /\n/, $node->safe_psql($db,
        q{SELECT oid::regclass FROM pg_class WHERE relnamespace = 'loyalty'::regnamespace AND relkind = 'v' ORDER BY 1::text});

    return (
        q{loyalty.find('shop', 'email', 'C2@example.com')},
        q{loyalty.identity_canonical('phone', '00 49 (30) 12-34')},
        q{loyalty.member_get('shop', 'customer_no', '1')},
        q{loyalty.balance(m(1))},
        q{loyalty.plan_current(m(6))},
        q{loyalty.plan_due('shop', '2099-01-01')},
        q{loyalty.balance(m(8), 'points')},
        q{loyalty.balance(m(10), 'monthly')},
        q{loyalty.balance(m(2), 'spend', '2025-12-31')},
        q{loyalty.tier_current(m(8))},
        q{loyalty.tier_at(m(8), '2025-11-30')},
        q{loyalty.tier_progress(m(8))},
        q{loyalty.quote(m(8), '{"items": [{"sku": "A", "price": 12.50, "qty": 2}], "shipping": 3}', '{NONE}', best => true)},
        q{loyalty.quote(NULL, '{"items": [{"sku": "A", "price": 12.50}]}', program => 'shop')},
        q{loyalty.coupon_check(m(8), 'NONE')},
        q{loyalty.coupon_wallet(m(8))},
        q{loyalty.consent_current(m(1))},
        q{loyalty.has_consent(m(1), 'marketing', 'sms')},
        (map { "loyalty.segment_members('shop', '$_')" } 'press', 'subscribers'),
        (map { "loyalty.benefits(m($_))" } 1, 4, 8, 11, 12),
        q{loyalty.benefits(m(2), '2027-03-01')},
        q{loyalty.has_benefit(m(11), 'express')},
        q{loyalty.has_benefit(m(2), 'trade', '2025-12-01')},
        q{loyalty.benefit_price(m(2), '[{"sku": "A", "price": 4.25}, {"sku": "B", "price": 8}, {"sku": "C", "price": 9.99, "brand": "Acme"}]')},
        q{loyalty.explain(m(2), (SELECT max(journal_id) FROM loyalty.journal WHERE member_id = m(2) AND event = 'purchase'))},
        q{loyalty.explain(m(2), (SELECT max(journal_id) FROM loyalty.journal WHERE member_id = m(2) AND event = 'check_in'))},
        q{loyalty.simulate('shop', 'summer', '2025-12-01', '2026-02-01')},
        q{loyalty.simulate_postings('shop', 'summer', '2026-01-01', '2026-02-01')},
        q{loyalty.import_total('shop')},
        q{loyalty.reconcile('web_order')},
        q{loyalty.attach_count('web_order')},
        q{loyalty.statement(m(1))},
        q{loyalty.path(m(11))},
        q{loyalty.report_path('shop', '2025-06-01')},
        q{loyalty.coupon_check(m(15), 'free-ship', '{"items": [{"sku": "A", "price": 30}], "shipping": 5}')},
        q{loyalty.coupon_wallet(m(15), '{"items": [{"sku": "A", "qty": 2, "price": 30}]}')},
        q{loyalty.quote(m(15), '{"items": [{"sku": "A", "qty": 2, "price": 30}], "shipping": 5}', '{free-ship}', '{"points": "max"}')},
        q{loyalty.quote(NULL, '{"items": [{"sku": "A", "qty": 2, "price": 30}]}', program => 'shop')},
        q{loyalty.checkout_status(m(11))},
        q{loyalty.topup_balance(m(14))},
        q{loyalty.report_coupon('shop')},
        q{loyalty.report_coupon_cost('shop')},
        q{loyalty.report_coupon_funnel('shop', '2025-01-01', '2026-12-31', 'tier')},
        q{loyalty.report_campaign_cost('shop', '2025-01-01', '2026-12-31')},
        q{loyalty.report_automation_cost('shop', '2025-01-01', '2026-12-31')},
        q{loyalty.report_uplift('shop', 'shared', '2025-01-01', '2026-12-31')},
        q{loyalty.report_message_funnel('shop', '2025-01-01', '2026-12-31')},
        q{loyalty.report_member_share('shop', '2025-01-01', '2026-12-31', 'store', 'quarter')},
        q{loyalty.report_kpi('shop', '2026-01-31')},
        q{loyalty.statement(m(9), '2026-01-01', '2026-12-31', 'points')},
        q{loyalty.simulate('shop', 'double', '2025-06-01', '2025-07-01')},
        q{loyalty.simulate_postings('shop', 'double', '2025-06-01', '2025-07-01')},
        q{loyalty.simulate_tiers('shop', 'double')},
        q{loyalty.verify()},
        q{loyalty.verify('shop')},
        @views);
}

# A session setting that puts the clock where create_shop left it.
sub shop_clock { return q{SET loyalty.now = '2026-01-31 09:00+00'} }

# Runs SQL until its first error and returns that one's SQLSTATE, '' if none.
sub sqlstate
{
    my ($node, $db, $sql) = @_;
    my ($status, $out, $err) = $node->psql($db, $sql,
        extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);

    return '' if $status == 0;
    return $1 if $err =~ /(?:ERROR|FATAL):\s+(\w{5})/;
    return $err;
}

sub books_agree
{
    my ($node, $db, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is($node->safe_psql($db, 'SELECT * FROM loyalty.verify()'), '',
        "the books agree $name");
}

# Everything in the extension's tables, in one value.
sub state_hash
{
    my ($node, $db) = @_;
    my $tables = $node->safe_psql($db, <<'SQL');
SELECT string_agg(format('SELECT %L, count(*), md5(string_agg(t::text, E''\n'' ORDER BY t::text)) FROM %s t', c.oid::regclass, c.oid::regclass),
                  ' UNION ALL ' ORDER BY c.oid::regclass::text)
FROM pg_extension e, unnest(e.extconfig) AS x(relation)
JOIN pg_class c ON c.oid = x.relation AND c.relkind = 'r'
WHERE e.extname = 'loyalty'
SQL
    return $node->safe_psql($db, "$tables ORDER BY 1");
}

1;

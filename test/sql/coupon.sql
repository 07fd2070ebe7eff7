\set ECHO none
\i test/prelude.sql
SELECT plan(287);

SELECT loyalty.program_create('Other', 'GBP', 'Europe/London') AS other \gset
INSERT INTO loyalty.campaign (program_id, name) VALUES (:other, 'foreign') RETURNING campaign_id AS foreign_campaign \gset
INSERT INTO loyalty.coupon_category (program_id, name) VALUES (:other, 'foreign');
INSERT INTO loyalty.coupon (program_id, name, kind) VALUES (:other, 'foreign', 'shipping');
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale, period) VALUES
	(:shop, 'tenths', 'points', 1, NULL), (:shop, 'card', 'money', 2, NULL), (:shop, 'counter', 'counter', 0, 'day');
INSERT INTO loyalty.collection (program_id, name) VALUES (:shop, 'set');
INSERT INTO loyalty.calendar_day (program_id, calendar, day) VALUES (:shop, 'days', '2026-01-01');
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'basic', 0), (:shop, 'gold', 1);
INSERT INTO loyalty.segment (program_id, name) VALUES (:shop, 'press');
INSERT INTO loyalty.campaign (program_id, name) VALUES (:shop, 'own') RETURNING campaign_id AS own_campaign \gset
INSERT INTO loyalty.coupon_category (program_id, name) VALUES (:shop, 'food');
CALL pg_temp.enroll('Shop', 'ann');

-- What a coupon may be, all at once
SELECT lives_ok(format($$SELECT pg_temp.coupon('{"name": "everything", "title": "All", "kind": "ladder", "status": "inactive", "campaign_id": %s,
	"max_discount": 50.05, "base": "quantity", "step_from": "{1.5,2}", "step_off": "{10,12.125}", "step_kind": "percent", "pick": "dearest",
	"item_filter": "$.price > 1", "collection": "set", "excluded_collection": "set", "target_filter": "$.sku == \"a\"", "target_collection": "set",
	"min_amount": 0.01, "max_amount": 100, "min_quantity": 0.001, "max_quantity": 100, "valid_from": "2026-01-01", "valid_until": "2026-01-01",
	"valid_days": 30, "valid_after": 2, "days_of_week": "{1,7}", "weeks_of_month": "{1,-1}", "days_of_month": "{1,31,-1}", "calendar": "days",
	"time_from": "23:00", "time_until": "01:00", "birthday": "day", "anniversary": "month", "first_purchases": 1, "idle_from": 0, "idle_until": 0,
	"tiers": "{gold,basic}", "tags": "{vip}", "segments": "{press}", "channels": "{app}", "stores": "{S1}", "store_collection": "set",
	"payment_methods": "{cash}", "condition": "$.order.amount > 1", "category": "food", "exclusive": true, "max_per_order": 2, "priority": -1,
	"claimable": true, "claims": 2, "claim_from": "2026-01-01", "claim_until": "2026-01-31", "claim_required": true, "transferable": true,
	"price": 0.5, "price_unit": "tenths", "code_length": 16, "max_uses": 3, "limit_member": 4, "limit_period": 2, "period": "month",
	"return_days": 10, "cost_shares": {"Acme": 33.333, "shop": 66.667}}')$$, :own_campaign), 'a coupon with everything');
SELECT lives_ok(format('SELECT pg_temp.coupon(%L)', '{"name": "x"}'::jsonb || settings), format('%s', settings))
FROM unnest(ARRAY['{"name": "amount", "kind": "amount", "amount": 5}', '{"name": "percent", "kind": "percent", "percent": 12.125}',
	'{"name": "ladder", "kind": "ladder", "step_from": "{50,100}", "step_off": "{5,12.5}"}',
	'{"name": "again", "kind": "ladder", "step_from": "{50}", "step_off": "{5}", "repeats": true}',
	'{"name": "price", "kind": "price", "amount": 0, "max_times": 2, "cost_shares": {"shop": 100}}', '{"name": "bundle", "kind": "bundle", "buy": 3, "amount": 10}',
	'{"name": "buy_get", "kind": "buy_get", "buy": 2, "get": 1, "percent": 100}', '{"name": "gift", "kind": "gift", "sku": "mug", "quantity": 1.5}',
	'{"name": "free_shipping", "kind": "shipping"}', '{"name": "shipping", "kind": "shipping", "amount": 3.99}',
	'{"name": "multiplier", "kind": "multiplier", "factor": 1.001}', '{"name": "multiplier_of", "kind": "multiplier", "factor": 2, "unit": "tenths"}',
	'{"name": "exchange", "kind": "exchange", "price": 0.01, "price_unit": "card"}',
	'{"name": "offer", "kind": "percent", "percent": 10, "automatic": true}']::jsonb[]) settings;
SELECT is((SELECT r.status FROM loyalty.purchase(pg_temp.id('ann'), 1, 'o1') r), 'done', 'all of them can be loaded');

-- What it may not be
SELECT throws_ok(format('SELECT pg_temp.coupon(%L)', '{"name": "x", "kind": "amount", "amount": 5}'::jsonb || settings), code, NULL, format('%s: %s', code, settings))
FROM (VALUES
	('23514', '{"name": ""}'::jsonb), ('23514', '{"name": "Ten Percent"}'), ('23505', '{"name": "amount"}'), ('23502', '{"name": null}'), ('23514', '{"status": "paused"}'),
	-- kinds, and what each has
	('23514', '{"kind": "discount"}'), ('23514', '{"amount": 0}'), ('23514', '{"amount": null}'), ('23514', '{"amount": -1}'), ('23514', '{"amount": "NaN"}'),
	('23514', '{"amount": 1000000000000}'), ('23514', '{"percent": 5}'), ('23514', '{"kind": "percent"}'), ('23514', '{"kind": "percent", "amount": null}'),
	('23514', '{"kind": "percent", "amount": null, "percent": 0}'), ('23514', '{"kind": "percent", "amount": null, "percent": 100.001}'),
	('23514', '{"kind": "price", "amount": null}'), ('23514', '{"kind": "bundle"}'), ('23514', '{"kind": "bundle", "buy": 0}'), ('23514', '{"buy": 2}'),
	('23514', '{"kind": "buy_get", "amount": null, "percent": 100, "buy": 1}'), ('23514', '{"kind": "buy_get", "amount": null, "buy": 1, "get": 1}'),
	('23514', '{"get": 2}'), ('23514', '{"max_times": 2}'), ('23514', '{"kind": "price", "max_times": 0}'), ('23514', '{"pick": "all"}'),
	('23514', '{"kind": "gift", "amount": null}'), ('23514', '{"kind": "gift", "amount": null, "sku": "mug"}'), ('23514', '{"sku": "mug", "quantity": 1}'),
	('23514', '{"kind": "gift", "amount": null, "sku": "", "quantity": 1}'), ('23514', '{"kind": "multiplier", "amount": null}'),
	('23514', '{"kind": "multiplier", "amount": null, "factor": 1}'), ('23514', '{"factor": 2}'), ('23514', '{"unit": "points"}'),
	('LY801', '{"kind": "multiplier", "amount": null, "factor": 1.0001}'), ('LY801', '{"kind": "multiplier", "amount": null, "factor": 2, "unit": "counter"}'),
	('LY801', '{"kind": "multiplier", "amount": null, "factor": 2, "unit": "card"}'), ('LY801', '{"kind": "multiplier", "amount": null, "factor": 2, "max_discount": 5}'),
	('LY801', '{"kind": "gift", "amount": null, "sku": "mug", "quantity": 0.0001}'), ('LY801', '{"kind": "gift", "amount": null, "sku": "mug", "quantity": 1, "max_discount": 1}'),
	('LY801', '{"kind": "percent", "amount": null, "percent": 12.3456}'), ('LY801', '{"amount": 5.001}'), ('LY801', '{"max_discount": 0.001}'), ('23514', '{"max_discount": 0}'),
	('23514', '{"kind": "gift", "amount": null, "sku": "mug", "quantity": 1, "target_collection": "set"}'),
	-- steps
	('23514', '{"kind": "ladder", "amount": null}'), ('23514', '{"kind": "ladder", "amount": null, "step_from": "{1}"}'), ('23514', '{"step_from": "{1}", "step_off": "{1}"}'),
	('23514', '{"kind": "ladder", "amount": null, "step_from": "{1,2}", "step_off": "{1}"}'), ('23514', '{"kind": "ladder", "amount": null, "step_from": "{}", "step_off": "{}"}'),
	('23514', '{"base": "quantity"}'), ('23514', '{"step_kind": "percent"}'), ('23514', '{"repeats": true}'),
	('23514', '{"kind": "ladder", "amount": null, "step_from": "{1,2}", "step_off": "{1,2}", "repeats": true}'),
	('23514', '{"kind": "ladder", "amount": null, "step_from": "{1}", "step_off": "{1}", "step_kind": "percent", "repeats": true}'),
	('LY801', '{"kind": "ladder", "amount": null, "step_from": "{2,1}", "step_off": "{1,2}"}'), ('LY801', '{"kind": "ladder", "amount": null, "step_from": "{1,1}", "step_off": "{1,2}"}'),
	('LY801', '{"kind": "ladder", "amount": null, "step_from": "{0}", "step_off": "{1}"}'), ('LY801', '{"kind": "ladder", "amount": null, "step_from": "{-1}", "step_off": "{1}"}'),
	('LY801', '{"kind": "ladder", "amount": null, "step_from": "{1.001}", "step_off": "{1}"}'), ('LY801', '{"kind": "ladder", "amount": null, "step_from": "{1}", "step_off": "{0}"}'),
	('LY801', '{"kind": "ladder", "amount": null, "step_from": "{1}", "step_off": "{1.001}"}'), ('LY801', '{"kind": "ladder", "amount": null, "step_from": "{NaN}", "step_off": "{1}"}'),
	('LY801', '{"kind": "ladder", "amount": null, "step_from": "{1}", "step_off": "{NULL}"}'), ('LY801', '{"kind": "ladder", "amount": null, "step_from": "{NULL}", "step_off": "{1}"}'),
	('LY801', '{"kind": "ladder", "amount": null, "step_from": "{1}", "step_off": "{100.001}", "step_kind": "percent"}'),
	('LY801', '{"kind": "ladder", "amount": null, "step_from": "{1}", "step_off": "{1.0001}", "step_kind": "percent"}'),
	('LY801', '{"kind": "ladder", "amount": null, "base": "quantity", "step_from": "{1.0001}", "step_off": "{1}"}'),
	-- which lines, how much
	('LY801', '{"item_filter": "$.price"}'), ('LY801', '{"target_filter": "$.price"}'),
	('LY805', '{"target_filter": "$.** == 1"}'), ('23503', '{"collection": "nowhere"}'), ('23503', '{"excluded_collection": "nowhere"}'),
	('23503', '{"target_collection": "nowhere"}'), ('23514', '{"min_amount": 0}'), ('LY801', '{"min_amount": 0.001}'), ('LY801', '{"max_amount": 0.001}'),
	('23514', '{"min_amount": 2, "max_amount": 1}'), ('23514', '{"min_quantity": 2, "max_quantity": 1}'), ('LY801', '{"min_quantity": 0.0001}'),
	('LY801', '{"max_quantity": 1.0001}'), ('23514', '{"max_quantity": 0}'),
	-- when
	('23514', '{"valid_from": "2026-01-02", "valid_until": "2026-01-01"}'), ('23514', '{"valid_until": "infinity"}'), ('23514', '{"valid_days": 0}'),
	('23514', '{"valid_after": -1}'), ('23514', '{"days_of_week": "{0}"}'), ('23514', '{"weeks_of_month": "{1}"}'), ('23514', '{"days_of_month": "{32}"}'),
	('23514', '{"time_from": "08:00"}'), ('23514', '{"time_from": "08:00", "time_until": "08:00"}'), ('23514', '{"birthday": "week"}'),
	('23514', '{"first_purchases": 0}'), ('23514', '{"idle_from": 2, "idle_until": 1}'), ('23503', '{"calendar": "nowhere"}'),
	-- who
	('23514', '{"tiers": "{}"}'), ('23503', '{"tiers": "{gold,silver}"}'), ('23514', '{"tags": "{NULL}"}'), ('23503', '{"segments": "{nowhere}"}'),
	('23514', '{"channels": "{}"}'), ('23514', '{"stores": "{}"}'), ('23503', '{"store_collection": "nowhere"}'), ('23514', '{"payment_methods": "{}"}'),
	('LY801', '{"condition": "$.order.amount"}'), ('LY801', '{"condition": "$.nothing == 1"}'), ('LY805', '{"condition": "$.** == 1"}'),
	-- together, and how members come by it
	('23503', '{"category": "nowhere"}'), ('23503', '{"category": "foreign"}'), ('23514', '{"max_per_order": 0}'), ('23514', '{"claims": 0}'),
	('23514', '{"claim_from": "2026-01-02", "claim_until": "2026-01-01"}'), ('23514', '{"price": 5}'), ('23514', '{"price_unit": "points"}'),
	('LY801', '{"price": 5, "price_unit": "counter"}'), ('LY801', '{"price": 5, "price_unit": "orders"}'), ('LY801', '{"price": 0.5, "price_unit": "points"}'),
	('23514', '{"price": 0, "price_unit": "points"}'), ('23514', '{"code_length": 8}'), ('23514', '{"code_length": 11}'), ('23514', '{"code_length": 26}'),
	('23514', '{"max_uses": 0}'), ('23514', '{"limit_member": 0}'), ('23514', '{"limit_period": 1}'), ('23514', '{"period": "month"}'),
	('23514', '{"limit_period": 1, "period": "lifetime"}'), ('23514', '{"return_days": 0}'), ('LY801', '{"return_days": 5, "returns": false}'),
	-- who bears it
	('23514', '{"cost_shares": [100]}'), ('LY801', '{"cost_shares": {}}'), ('LY801', '{"cost_shares": {"shop": 99.999}}'), ('LY801', '{"cost_shares": {"shop": 60, "Acme": 41}}'),
	('LY801', '{"cost_shares": {"shop": "100"}}'), ('LY801', '{"cost_shares": {"shop": 110, "Acme": -10}}'), ('LY801', '{"cost_shares": {"shop": 100, "Acme": 0}}'),
	('LY801', '{"cost_shares": {"": 100}}'), ('LY801', '{"cost_shares": {"shop": 33.3333, "Acme": 66.6667}}'), ('LY801', '{"cost_shares": {"shop": [100]}}'),
	('LY801', jsonb_build_object('cost_shares', jsonb_build_object(repeat('x', 64), 100))),
	('LY801', '{"kind": "gift", "amount": null, "sku": "mug", "quantity": 1, "cost_shares": {"shop": 100}}'),
	-- offers
	('23514', '{"automatic": true, "claimable": true}'), ('23514', '{"automatic": true, "claim_required": true}'), ('23514', '{"automatic": true, "transferable": true}'),
	('23514', '{"automatic": true, "price": 5, "price_unit": "points"}'), ('23514', '{"automatic": true, "valid_days": 5}'),
	-- of another programme
	('23503', format('{"campaign_id": %s}', :foreign_campaign)::jsonb), ('23503', '{"campaign_id": 999}'),
	('23503', format('{"kind": "multiplier", "amount": null, "factor": 2, "unit_id": %s}', (SELECT unit_id FROM loyalty.unit WHERE program_id = :other AND code = 'points'))::jsonb)
) bad (code, settings);
SELECT is(pg_temp.raised('SELECT pg_temp.coupon(''{"name": "x", "kind": "amount", "amount": 5.001}'')'), 'LY801 amount=5.001: has at most 2 decimals', 'what is wrong is said');
SELECT is(pg_temp.raised('SELECT pg_temp.coupon(''{"name": "x", "kind": "amount", "amount": 5, "condition": "$.order.amount"}'')'),
	'LY801 condition: it is neither true nor false', 'and where');
SELECT throws_ok($$INSERT INTO loyalty.coupon (program_id, name, kind) VALUES (999, 'x', 'shipping')$$, '23503', NULL, 'a coupon of no programme');

-- Categories, packs, carts
SELECT throws_ok(format('INSERT INTO loyalty.%s', what), code, NULL, format('%s: %s', code, what))
FROM (VALUES
	('23503', $$coupon_category (program_id, name) VALUES (999, 'x')$$), ('23514', $$coupon_category (program_id, name) VALUES (:shop, 'Food')$$),
	('23514', $$coupon_category (program_id, name, stacking) VALUES (:shop, 'x', 'sometimes')$$), ('23514', $$coupon_category (program_id, name, max_per_order) VALUES (:shop, 'x', 0)$$),
	('23503', $$coupon_pack (program_id, name, coupon_id) VALUES (:shop, 'x', 999)$$), ('23514', $$coupon_pack SELECT program_id, 'x', coupon_id, 0 FROM loyalty.coupon WHERE name = 'gift'$$),
	('23514', $$coupon_pack SELECT program_id, 'x', coupon_id, 101 FROM loyalty.coupon WHERE name = 'gift'$$),
	('23503', $$coupon_pack SELECT :other, 'x', coupon_id FROM loyalty.coupon WHERE name = 'gift'$$), ('LY801', $$coupon_pack SELECT program_id, 'x', coupon_id FROM loyalty.coupon WHERE name = 'offer'$$),
	('23503', $$cart_policy (program_id) VALUES (999)$$), ('23514', $$cart_policy (program_id, discount_on) VALUES (:shop, 'both')$$), ('23514', $$cart_policy (program_id, max_coupons) VALUES (:shop, 0)$$),
	('23514', $$cart_policy (program_id, min_payable) VALUES (:shop, -1)$$), ('LY801', $$cart_policy (program_id, min_payable) VALUES (:shop, 0.001)$$),
	('23514', $$cart_policy (program_id, search_limit) VALUES (:shop, 0)$$), ('23514', $$cart_policy (program_id, reserve_ttl) VALUES (:shop, '0')$$),
	('23514', $$cart_policy (program_id, reserve_ttl) VALUES (:shop, '31 days')$$), ('23514', $$cart_policy (program_id, max_attempts) VALUES (:shop, 0)$$),
	('23514', $$cart_policy (program_id, attempt_window) VALUES (:shop, '0')$$), ('23514', $$cart_policy (program_id, attempt_block) VALUES (:shop, '-1 hour')$$),
	('23503', $$cart_unit (program_id, unit_id) VALUES (:shop, 999)$$), ('LY801', $$cart_unit (program_id, unit_id) SELECT program_id, unit_id FROM loyalty.unit WHERE code = 'counter'$$),
	('LY801', $$cart_unit (program_id, unit_id) SELECT program_id, unit_id FROM loyalty.unit WHERE code = 'spend' AND program_id = :shop$$),
	('23503', $$cart_unit (program_id, unit_id) SELECT :other, unit_id FROM loyalty.unit WHERE code = 'tenths'$$),
	('LY801', $$cart_unit (program_id, unit_id, minimum) SELECT program_id, unit_id, 0.01 FROM loyalty.unit WHERE code = 'tenths'$$),
	('LY801', $$cart_unit (program_id, unit_id, step) SELECT program_id, unit_id, 0.01 FROM loyalty.unit WHERE code = 'tenths'$$),
	('LY801', $$cart_unit (program_id, unit_id, max_share) SELECT program_id, unit_id, 0.0001 FROM loyalty.unit WHERE code = 'tenths'$$),
	('23514', $$cart_unit (program_id, unit_id, max_share) SELECT program_id, unit_id, 101 FROM loyalty.unit WHERE code = 'tenths'$$),
	('23514', $$cart_unit (program_id, unit_id, minimum) SELECT program_id, unit_id, -1 FROM loyalty.unit WHERE code = 'tenths'$$)) bad (code, template)
CROSS JOIN LATERAL (SELECT replace(replace(template, ':shop', :'shop'), ':other', :'other')) w (what);
INSERT INTO loyalty.coupon_pack SELECT program_id, 'welcome', coupon_id, 2 FROM loyalty.coupon WHERE name IN ('gift', 'amount');
INSERT INTO loyalty.cart_policy (program_id, min_payable, reserve_ttl) VALUES (:shop, 0.01, '1 day');
INSERT INTO loyalty.cart_unit (program_id, unit_id, minimum, step, max_share) SELECT program_id, unit_id, 10.5, 0.5, 12.345 FROM loyalty.unit WHERE code = 'tenths';
SELECT is((SELECT r.status FROM loyalty.purchase(pg_temp.id('ann'), 1, 'o2') r), 'done', 'they can be loaded');

-- Versions: new terms are a new one
SELECT is((SELECT version FROM loyalty.coupon WHERE name = 'amount'), 1, 'version 1');
UPDATE loyalty.coupon SET status = 'inactive', campaign_id = :own_campaign, free_codes = true WHERE name = 'amount';
UPDATE loyalty.coupon SET status = 'active', amount = amount, version = 99 WHERE name = 'amount';
SELECT is((SELECT version FROM loyalty.coupon WHERE name = 'amount'), 1, 'whether it is running is no term of it');
SELECT is((SELECT count(*)::int FROM loyalty.coupon_version), 0, 'nothing is kept of that');
SET loyalty.now = '2026-03-16 12:00+00';
UPDATE loyalty.coupon SET amount = 6, version = 99 WHERE name = 'amount';
UPDATE loyalty.coupon SET amount = 7, min_amount = 20, status = 'inactive' WHERE name = 'amount';
SELECT is((SELECT version FROM loyalty.coupon WHERE name = 'amount'), 3, 'version 3, whatever was written');
SELECT results_eq($$SELECT version, definition ->> 'amount', definition ->> 'status', replaced_at FROM loyalty.coupon_version ORDER BY 1$$,
	$$VALUES (1, '5', 'active', '2026-03-16 12:00+00'::timestamptz), (2, '6', 'active', '2026-03-16 12:00+00')$$, 'coupon_version has what it was');
UPDATE loyalty.coupon SET priority = priority + 1 WHERE name IN ('percent', 'price', 'gift');
SELECT is((SELECT count(*)::int FROM loyalty.coupon_version), 5, 'and what a statement for many has changed');
SELECT coupon_id AS percent FROM loyalty.coupon WHERE name = 'percent' \gset
DELETE FROM loyalty.coupon WHERE name = 'percent';
INSERT INTO loyalty.coupon (coupon_id, program_id, name, kind) VALUES (:percent, :shop, 'anew', 'shipping');
SELECT is((SELECT version FROM loyalty.coupon WHERE name = 'anew'), 3, 'a coupon of an earlier one''s id goes on counting');
SELECT is((SELECT string_agg(version::text, ' ' ORDER BY version) FROM loyalty.coupon_version WHERE coupon_id = :percent), '1 2', 'and nothing is lost');
UPDATE loyalty.coupon SET version = 0;
SELECT is((SELECT version FROM loyalty.coupon WHERE name = 'anew'), 3, 'a version that is written counts for nothing');
INSERT INTO loyalty.coupon (program_id, name, kind, version) VALUES (:shop, 'last', 'shipping', 2147483647);
SELECT throws_ok($$UPDATE loyalty.coupon SET amount = 2 WHERE name = 'last'$$, '22003', NULL, 'nor does it begin anew at the end of all numbers');
DELETE FROM loyalty.coupon WHERE name = 'last';
SELECT is((SELECT r.status FROM loyalty.purchase(pg_temp.id('ann'), 1, 'o3') r), 'done', 'older versions can be loaded');

-- What is fixed once something was issued
INSERT INTO loyalty.coupon_code (code, program_id, coupon_id, version, kind) SELECT 'MUG', program_id, coupon_id, version, 'generic' FROM loyalty.coupon WHERE name = 'gift';
UPDATE loyalty.coupon SET free_codes = true WHERE name = 'gift';
SELECT is(pg_temp.raised($$UPDATE loyalty.coupon SET name = 'mug' WHERE name = 'gift'$$), 'LY808 column=name', 'the name is that of what was issued');
SELECT is(pg_temp.raised($$UPDATE loyalty.coupon SET automatic = true WHERE name = 'gift'$$), 'LY808 column=automatic', 'what was issued becomes no offer');
SELECT is(pg_temp.raised($$UPDATE loyalty.coupon SET free_codes = false WHERE name = 'gift'$$), 'LY808 column=free_codes', 'its codes stay codes');
SELECT lives_ok($$UPDATE loyalty.coupon SET quantity = 2, kind = 'gift', sku = 'cup' WHERE name = 'gift'$$, 'its terms may change');
SELECT lives_ok($$UPDATE loyalty.coupon SET name = 'free_shipping_2' WHERE name = 'free_shipping'$$, 'nothing was issued of this one');

-- What cannot go
SELECT coupon_id AS gift FROM loyalty.coupon WHERE name = 'gift' \gset
SELECT throws_ok(format(statement, :shop, :gift), '23503', NULL, what) FROM (VALUES
	('DELETE FROM loyalty.coupon WHERE coupon_id = %2$s', 'in use: a coupon with a code'), ('UPDATE loyalty.coupon SET coupon_id = 999 WHERE coupon_id = %2$s', 'and its id'),
	('DELETE FROM loyalty.coupon WHERE name = ''amount''', 'in use: a coupon in a pack'), ('DELETE FROM loyalty.coupon_category WHERE program_id = %1$s', 'in use: a category'),
	('DELETE FROM loyalty.collection WHERE program_id = %1$s', 'in use: a collection'), ('DELETE FROM loyalty.segment WHERE program_id = %1$s', 'in use: a segment'),
	('DELETE FROM loyalty.tier WHERE code = ''gold''', 'in use: a tier'), ('DELETE FROM loyalty.unit WHERE code = ''card''', 'in use: a unit in which a coupon is sold'),
	('DELETE FROM loyalty.unit WHERE code = ''tenths''', 'in use: a unit that pays for carts'), ('DELETE FROM loyalty.campaign WHERE program_id = %1$s', 'in use: a campaign')) u (statement, what);
-- what a coupon was before holds for what was issued then
UPDATE loyalty.coupon SET category = NULL, collection = NULL, excluded_collection = NULL, target_collection = NULL, store_collection = NULL, segments = NULL, tiers = NULL
	WHERE name = 'everything';
SELECT throws_ok(format(statement, :shop), '23503', NULL, what) FROM (VALUES
	('DELETE FROM loyalty.coupon_category WHERE program_id = %s', 'in use: a category of older terms'), ('DELETE FROM loyalty.collection WHERE program_id = %s', 'in use: a collection of older terms'),
	('DELETE FROM loyalty.segment WHERE program_id = %s', 'in use: a segment of older terms'), ('DELETE FROM loyalty.tier WHERE code = ''gold''', 'in use: a tier of older terms')) u (statement, what);
DELETE FROM loyalty.coupon WHERE name = 'everything';
SELECT lives_ok(format('DELETE FROM loyalty.%s WHERE program_id = %s', what, :shop), format('no longer in use: %s', what)) FROM unnest('{coupon_category,collection,segment}'::text[]) what;

-- Offers
SELECT is((SELECT string_agg(name, ' ') FROM loyalty.offer), 'offer', 'an offer is a coupon that is automatic');
INSERT INTO loyalty.offer (program_id, name, kind, percent, priority) VALUES (:shop, 'sale', 'percent', 20, 5);
SELECT is((SELECT automatic FROM loyalty.coupon WHERE name = 'sale'), true, 'what is put into the view is one');
UPDATE loyalty.offer SET percent = 25 WHERE name = 'sale';
SELECT is((SELECT version FROM loyalty.coupon WHERE name = 'sale'), 2, 'it has versions');
SELECT throws_ok(format($$INSERT INTO loyalty.offer (program_id, name, kind, percent) VALUES (%s, 'x', 'percent', 20.0001)$$, :shop), 'LY801', NULL, 'and is checked');
SELECT throws_ok(format($$INSERT INTO loyalty.offer (program_id, name, kind, percent, automatic) VALUES (%s, 'x', 'percent', 20, false)$$, :shop), '44000', NULL, 'nothing but offers');
SELECT throws_ok($$UPDATE loyalty.offer SET automatic = false$$, '44000', NULL, 'it stays one');
DELETE FROM loyalty.offer WHERE name = 'sale';
SELECT is((SELECT count(*)::int FROM loyalty.coupon WHERE name = 'sale'), 0, 'one that was never used can go');
SELECT set_eq($$SELECT a.attname FROM pg_attribute a WHERE a.attrelid = 'loyalty.coupon'::regclass AND a.attnum > 0
	EXCEPT SELECT a.attname FROM pg_attribute a WHERE a.attrelid = 'loyalty.offer'::regclass AND a.attnum > 0$$,
	'{valid_days,valid_after,claimable,claims,claim_from,claim_until,claim_required,transferable,price,price_unit_id,code_length,max_uses,max_per_order,returns,return_days,free_codes}'::name[],
	'an offer has all columns but those of what is issued');

-- Limits in all
SELECT is(pg_temp.signature('coupon_limit'), '(program text, coupon text, counts text, amount numeric, slots integer DEFAULT 16) -> integer', 'coupon_limit(): arguments');
SELECT loyalty.coupon_limit('Shop', 'amount', 'used', 100, 3) AS used \gset
SELECT is((SELECT string_agg(format('%s: %s of %s', slot, used, quota), ', ' ORDER BY slot) FROM loyalty.budget_slot WHERE budget_id = :used),
	'1: 0 of 34, 2: 0 of 33, 3: 0 of 33', 'shared out over the slots');
SELECT is(loyalty.coupon_limit('Shop', 'amount', 'used', 10, 2), :used, 'it is changed');
SELECT is((SELECT string_agg(format('%s: %s of %s', slot, used, quota), ', ' ORDER BY slot) FROM loyalty.budget_slot WHERE budget_id = :used),
	'1: 0 of 5, 2: 0 of 5, 3: 0 of 0', 'a slot too many gives nothing');
SELECT isnt(loyalty.coupon_limit('Shop', 'amount', 'issued', 0), :used, 'each count has its own; none at all is a limit');
SELECT isnt(loyalty.coupon_limit('Shop', 'offer', 'discount', 99.99), :used, 'offers have limits as well');
SELECT throws_ok(format('SELECT loyalty.coupon_limit(%s)', args), code, NULL, format('%s: %s', code, args)) FROM (VALUES
	('22004', $$NULL, 'amount', 'used', 5$$), ('22004', $$'Shop', NULL, 'used', 5$$), ('22004', $$'Shop', 'amount', NULL, 5$$), ('22004', $$'Shop', 'amount', 'used', NULL$$),
	('22004', $$'Shop', 'amount', 'used', 5, NULL$$), ('LY403', $$'Nowhere', 'amount', 'used', 5$$), ('LY251', $$'Shop', 'nothing', 'used', 5$$),
	('LY251', $$'Other', 'amount', 'used', 5$$), ('22023', $$'Shop', 'amount', 'lost', 5$$), ('22023', $$'Shop', 'amount', 'used', 5, 0$$),
	('22023', $$'Shop', 'amount', 'used', 5, 1001$$), ('LY103', $$'Shop', 'amount', 'used', 5.5$$), ('LY103', $$'Shop', 'amount', 'discount', 5.555$$),
	('LY101', $$'Shop', 'amount', 'used', -1$$), ('LY801', $$'Shop', 'offer', 'issued', 5$$),
	('LY102', $$'Shop', 'amount', 'used', 1000000000000$$), ('LY102', $$'Shop', 'amount', 'discount', 1000000000000$$)) bad (code, args);
SELECT results_eq($$SELECT program, coupon, counts, amount, used, remaining, slots FROM loyalty.coupon_limit_status ORDER BY 2, 3$$,
	$$VALUES ('Shop', 'amount', 'issued', 0::numeric, 0::numeric, 0::numeric, 16), ('Shop', 'amount', 'used', 10, 0, 10, 3), ('Shop', 'offer', 'discount', 99.99, 0.00, 99.99, 16)$$,
	'coupon_limit_status');
SELECT throws_ok($$DELETE FROM loyalty.coupon WHERE name = 'offer'$$, '23503', NULL, 'in use: an offer with a limit');

-- Reports: two of three that were issued were used, one of them came back
INSERT INTO loyalty.coupon (program_id, name, kind, amount, cost_shares) VALUES (:shop, 'shared', 'amount', 5, '{"Acme": 33.3, "Bell": 33.3, "shop": 33.4}') RETURNING coupon_id AS shared \gset
INSERT INTO loyalty.member_coupon (member_id, coupon_no, program_id, coupon_id, version, status, source, issued_at, valid_from, uses, max_uses, journal_id)
	SELECT pg_temp.id('ann'), no, :shop, :shared, 1, s.status, s.source, loyalty.now(), '2026-03-01', s.uses, 1, 0
	FROM (VALUES (1, 'issued', 'claim', 1), (2, 'issued', 'issue', 0), (3, 'given', 'segment', 0), (4, 'issued', 'transfer', 1), (5, 'void', 'issue', 0)) s (no, status, source, uses);
INSERT INTO loyalty.coupon_use (member_id, use_id, program_id, coupon_id, version, coupon_no, ref, status, used_at, discount, returned, journal_id)
	SELECT pg_temp.id('ann'), u.no, :shop, :shared, 1, u.no, 'o' || u.no, u.status, loyalty.now(), u.discount, u.returned, 0
	FROM (VALUES (1, 'used', 500, 100), (2, 'returned', 500, 500), (4, 'used', 301, 0)) u (no, status, discount, returned);
UPDATE loyalty.coupon SET cost_shares = NULL WHERE coupon_id = :shared;
INSERT INTO loyalty.coupon_use (member_id, use_id, program_id, coupon_id, version, ref, status, used_at, discount, journal_id)
	VALUES (pg_temp.id('ann'), 5, :shop, :shared, 2, 'o5', 'used', loyalty.now(), 250, 0);
SELECT results_eq($$SELECT coupon, issued, codes, used, returned, discount, rate FROM loyalty.report_coupon('Shop') WHERE coupon IN ('gift', 'offer', 'shared')$$,
	$$VALUES ('gift', 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0.00, NULL::numeric), ('offer', 0, 0, 0, 0, 0.00, NULL), ('shared', 3, 0, 3, 1, 9.51, 0.6667)$$, 'report_coupon()');
-- 7.01 of version 1: 33.3 % are 2.334 -> 2.33, 66.6 % 4.669 -> 4.67, so 2.34, the rest is 2.34
SELECT results_eq($$SELECT * FROM loyalty.report_coupon_cost('Shop')$$,
	$$VALUES ('shared', 'Acme', 2.33), ('shared', 'Bell', 2.34), ('shared', 'shop', 2.34), ('shared', NULL, 2.50)$$, 'report_coupon_cost(): by the shares of then, to the cent');
SELECT FROM loyalty.coupon_issue(pg_temp.id('ann'), 'shipping', 'i1', quantity => 2);
SELECT FROM loyalty.coupon_use(pg_temp.id('ann'), '#' || (SELECT min(m.coupon_no) FROM loyalty.member_coupon m JOIN loyalty.coupon c USING (coupon_id) WHERE c.name = 'shipping'), 'u1', 1.50);
SELECT results_eq($$SELECT kind, event, amount, amount_in FROM loyalty.report_event WHERE ref IN ('i1', 'u1') ORDER BY 1$$,
	$$VALUES ('coupon_issue', 'shipping', 2::numeric, 'coupons'), ('coupon_use', 'shipping', 1.50, 'GBP')$$, 'report_event: coupons are counted, discounts are money');
SELECT throws_ok($$SELECT * FROM loyalty.report_coupon('Nowhere')$$, 'LY403', NULL, 'report_coupon: unknown programme');
SELECT throws_ok($$SELECT * FROM loyalty.report_coupon_cost('Nowhere')$$, 'LY403', NULL, 'report_coupon_cost: unknown programme');
SELECT throws_ok($$SELECT * FROM loyalty.report_coupon(NULL)$$, '22004', NULL, 'report_coupon: no programme');
-- what there was before the limit counts
SELECT is(loyalty.coupon_limit('Shop', 'shared', counts, 1000) > 0, true, 'limits of what there is already') FROM unnest('{issued,used,discount}'::text[]) counts;
SELECT results_eq($$SELECT counts, used FROM loyalty.coupon_limit_status WHERE coupon = 'shared' ORDER BY 1$$,
	$$VALUES ('discount', 9.51), ('issued', 3), ('used', 3)$$, 'count it');
DELETE FROM loyalty.coupon_use WHERE coupon_id = :shared;
DELETE FROM loyalty.member_coupon WHERE coupon_id = :shared;
SELECT is(loyalty.coupon_limit('Shop', 'shared', counts, 1000) > 0, true, 'and count anew') FROM unnest('{issued,used,discount}'::text[]) counts;

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- Where a programme has no category and no campaign, as in the middle of a restore, any is accepted;
-- such a coupon is good for nothing, and everything else goes on.
SELECT loyalty.program_create('Bare', 'GBP', 'Europe/London') AS bare \gset
CALL pg_temp.enroll('Bare', 'bea');
INSERT INTO loyalty.coupon (program_id, name, kind, amount, category, campaign_id) VALUES
	(:bare, 'no_category', 'amount', 5, 'none', NULL), (:bare, 'no_campaign', 'amount', 5, NULL, 999), (:bare, 'plain', 'amount', 5, NULL, NULL);
INSERT INTO loyalty.offer (program_id, name, kind, amount, category) VALUES (:bare, 'offer', 'amount', 1, 'none');
SELECT lives_ok($$SELECT loyalty.coupon_code_create('Bare', name, name) FROM loyalty.coupon WHERE name IN ('no_category', 'no_campaign', 'plain')$$, 'codes of them');
SELECT results_eq($$SELECT coupon, reason, saving FROM unnest('{NO_CATEGORY,NO_CAMPAIGN,PLAIN}'::text[]) given,
	loyalty.coupon_check(pg_temp.id('bea'), given, '{"items": [{"sku": "A", "price": 10}]}')$$,
	$$VALUES ('no_category', 'disabled', NULL::numeric), ('no_campaign', 'disabled', NULL), ('plain', NULL, 5.00)$$, 'are disabled; others are not');
SELECT is((loyalty.quote(pg_temp.id('bea'), '{"items": [{"sku": "A", "price": 10}]}') ->> 'payable')::numeric, 10.00, 'and so is the offer');
SELECT lives_ok($$SELECT FROM loyalty.purchase(pg_temp.id('bea'), 10, 'o1')$$, 'a purchase goes on');
SELECT results_eq($$SELECT split_part(detail, ' ', 2) FROM loyalty.verify('Bare') WHERE invariant = 'config_reference' ORDER BY 1$$,
	$$VALUES ('campaign=999'), ('category=none'), ('category=none')$$, 'verify() tells of all of them');
INSERT INTO loyalty.coupon_category (program_id, name) VALUES (:bare, 'none');
SELECT is((loyalty.quote(pg_temp.id('bea'), '{"items": [{"sku": "A", "price": 10}]}') ->> 'payable')::numeric, 9.00, 'until the category is there');

-- A kind that is none is told as such, whatever else does not fit
SELECT throws_matching(format($$INSERT INTO loyalty.coupon (program_id, name, kind, %s) VALUES (%s, 'x', 'Percent', 10)$$, what, :bare), 'coupon_kind_check', what)
FROM unnest('{percent,amount,max_times}'::text[]) what;
SELECT throws_matching(format($$INSERT INTO loyalty.coupon (program_id, name, kind, amount) VALUES (%s, 'x', 'percent', 10)$$, :bare), 'coupon_kind_', 'percent without a percentage');
SELECT is_empty($$SELECT conname FROM pg_constraint WHERE conrelid = 'loyalty.coupon'::regclass AND conname ~ '_check[0-9]*$' AND cardinality(conkey) > 1$$,
	'constraints of several columns are named after what they say');
SELECT * FROM finish();
ROLLBACK;

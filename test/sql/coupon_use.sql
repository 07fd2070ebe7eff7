\set ECHO none
\i test/prelude.sql
SELECT plan(1);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT unit_id AS points FROM loyalty.unit WHERE program_id = :shop AND code = 'points' \gset
INSERT INTO loyalty.tier (program_id, code, rank) VALUES (:shop, 'base', 0), (:shop, 'gold', 1);
INSERT INTO loyalty.campaign (program_id, name, status) VALUES (:shop, 'spring', 'paused');
INSERT INTO loyalty.coupon_category (program_id, name, stacking, max_per_order) VALUES (:shop, 'loner', 'never', NULL), (:shop, 'pair', 'common', 1);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, claimable, claims, claim_from, claim_until, valid_days, valid_until) VALUES
	(:shop, 'ten', 'amount', 10, true, 2, '2026-03-10', '2026-03-20', 7, '2026-03-25');
INSERT INTO loyalty.coupon (program_id, name, kind, amount, max_uses, limit_member, limit_period, period, transferable, price, price_unit_id, max_per_order) VALUES
	(:shop, 'twice', 'amount', 5, 2, NULL, NULL, NULL, true, 100, :points, 2),
	(:shop, 'daily', 'amount', 5, 9, 3, 1, 'day', false, NULL, NULL, 1);
INSERT INTO loyalty.coupon (program_id, name, kind, percent, max_discount, channels, tiers, payment_methods, first_purchases) VALUES
	(:shop, 'app', 'percent', 10, 20, '{app}', NULL, NULL, NULL), (:shop, 'gold', 'percent', 10, NULL, NULL, '{gold}', NULL, NULL),
	(:shop, 'card', 'percent', 10, NULL, NULL, NULL, '{visa}', NULL), (:shop, 'first', 'percent', 10, NULL, NULL, NULL, NULL, 1);
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'dan', 'eve');
SELECT * FROM loyalty.coupon;
SELECT * FROM finish();
ROLLBACK;

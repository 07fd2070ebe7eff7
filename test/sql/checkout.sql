\set ECHO none
\i test/prelude.sql
SELECT plan(71);

SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
CREATE FUNCTION pg_temp.unit(name text) RETURNS int LANGUAGE sql STABLE AS $$ SELECT unit_id FROM loyalty.unit JOIN loyalty.program USING (program_id) WHERE code = $1 AND program.name = 'Shop' $$;
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'balance', 'money', 2);
INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from, units, money) VALUES (:shop, pg_temp.unit('points'), '2020-01-01', 100, 100) ON CONFLICT DO NOTHING;
INSERT INTO loyalty.cart_unit (program_id, unit_id) VALUES (:shop, pg_temp.unit('points'));
INSERT INTO loyalty.topup_policy (program_id, unit_id) VALUES (:shop, pg_temp.unit('balance'));
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'eve');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 1000, 'points', 'test', key => 'k1');
SELECT FROM loyalty.adjust(pg_temp.id('ann'), 20, 'balance', 'test', key => 'k2');
INSERT INTO loyalty.coupon (program_id, name, kind, percent, min_amount, limit_member) VALUES (:shop, 'ten', 'percent', 10, 50, 2);
INSERT INTO loyalty.coupon (program_id, name, kind, factor) VALUES (:shop, 'double', 'multiplier', 2);
INSERT INTO loyalty.coupon (program_id, name, kind, sku, quantity) VALUES (:shop, 'mug', 'gift', 'MUG', 1);
INSERT INTO loyalty.coupon (program_id, name, kind, amount, automatic, item_filter) VALUES (:shop, 'tea', 'amount', 3, true, '$.category == "tea"');
SELECT FROM (VALUES ('ten', 'TENOFF'), ('double', 'TWICE'), ('mug', 'MUGMUG')) x (coupon, code), loyalty.coupon_code_create('Shop', coupon, x.code);
SELECT code AS code1 FROM loyalty.coupon_generate('Shop', 'ten', 1) code \gset

SELECT is(pg_temp.signature('checkout'), '(member_id bigint, cart jsonb, ref text, codes text[] DEFAULT NULL::text[], use jsonb DEFAULT NULL::jsonb, '
	'expect numeric DEFAULT NULL::numeric, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text, best boolean DEFAULT false) -> loyalty.receipt',
	'checkout(): arguments');

-- 2 x 30 and a tea of 40: less 3 off the tea is 97, less 10 % is 87.30; and 8 shipping
\set cart '{"items": [{"sku": "A", "qty": 2, "price": 30}, {"sku": "T", "category": "tea", "price": 40}], "shipping": 8, "channel": "web", "store": "S1", "staff": "E1", "payment_method": "card", "data": {"note": "x"}}'
CREATE FUNCTION pg_temp.refused(VARIADIC args text[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN pg_temp.raised(format('SELECT loyalty.checkout(pg_temp.id(''ann''), %s)', array_to_string(args, ', ')));
END
$$;
SELECT quote_literal(:'cart') AS lit \gset

-- A quote changes nothing, nor does a checkout that is dry or refused
SELECT pg_temp.state() AS before \gset
SELECT is(q ->> 'payable', '65.30', 'a quote: 87.30 and 8, less 10 and 20') FROM loyalty.quote(pg_temp.id('ann'), :'cart', '{TENOFF,TWICE,MUGMUG}', '{"points": 1000, "balance": "max"}') q;
SELECT is(q -> 'earned', '[{"unit": "points", "amount": 190}, {"unit": "spend", "amount": 95.3}, {"unit": "orders", "amount": 1}]', 'what would be earned: 95 points twice')
FROM loyalty.quote(pg_temp.id('ann'), :'cart', '{TENOFF,TWICE,MUGMUG}', '{"points": 1000, "balance": "max"}') q;
SELECT is(q -> 'gifts', '[{"qty": 1, "sku": "MUG", "code": "MUGMUG", "coupon": "mug"}]', 'a gift') FROM loyalty.quote(pg_temp.id('ann'), :'cart', '{TENOFF,TWICE,MUGMUG}') q;
SELECT is(r.status || ' ' || pg_temp.moved(r), 'dry -20 balance, 1 orders, -810 points, 95.3 spend', 'dry') FROM loyalty.checkout(pg_temp.id('ann'), :'cart', 'o1', '{TENOFF,TWICE,MUGMUG}', '{"points": 1000, "balance": "max"}', 65.3, mode => 'dry') r;
SELECT is(r.status || ' ' || r.reason, 'refused not_found', 'try: a code that is none') FROM loyalty.checkout(pg_temp.id('ann'), :'cart', 'o1', '{TENOFF,NONE}', mode => 'try') r;
SELECT is(r.status || ' ' || r.reason, 'refused payable_changed', 'try: another amount') FROM loyalty.checkout(pg_temp.id('ann'), :'cart', 'o1', '{TENOFF}', expect => 65.3, mode => 'try') r;
SELECT is(pg_temp.state(), :'before', 'none of that was written');
SELECT is(pg_temp.refused(:'lit', '''o1''', '''{TENOFF,NONE}'''), 'LY201 code=2', 'do: a code that is none');
SELECT is(pg_temp.refused(:'lit', '''o1''', '''{TENOFF,tenoff}'''), 'LY210 code=2 coupon=ten', 'a code twice');
SELECT is(pg_temp.refused(:'lit', '''o1''', 'expect => 1'), 'LY246 expected=1 payable=105', 'another amount');
SELECT is(pg_temp.refused(:'lit', 'NULL'), 'LY005 a purchase needs the reference of its order', 'no reference');
SELECT is(pg_temp.refused('''{"items": [{"sku": "A", "price": 49.50}]}''', '''o1''', '''{TENOFF}'''), 'LY221 code=1 coupon=ten: 0.50 more', 'near miss');
SELECT is(pg_temp.refused('''{"items": [{"sku": "A", "price": 49.50}], "x": 1}''', '''o1'''), 'LY224 a cart has no field "x"', 'no cart');
SELECT is(pg_temp.refused(:'lit', '''o1''', '''{"' || repeat('x', 1000000) || '"}'''), 'LY201 code=1', 'a code of a megabyte is none');
SELECT is(pg_temp.refused(:'lit', '''o1''', 'ARRAY[''TЕNOFF'']'), 'LY201 code=1', 'look-alikes of other alphabets are other letters');
SELECT is(pg_temp.refused(:'lit', '''o1''', 'ARRAY[''TEN🎁OFF'']'), 'LY201 code=1', 'an emoji');
SELECT is(pg_temp.refused(:'lit', '''o1''', 'ARRAY['''']'), 'LY201 code=1', 'nothing');

-- The order
SELECT to_jsonb(r) AS receipt FROM loyalty.checkout(pg_temp.id('ann'), :'cart', 'o1', '{tenoff,TWICE,MUGMUG}', '{"points": 1000, "balance": "max"}', 65.30) r \gset
SELECT is(jsonb_path_query_array(:'receipt', '$.messages[*]'), '[{"code": "paid", "unit": "points", "money": 10, "amount": 1000}, {"code": "paid", "unit": "balance", "money": 20, "amount": 20},
	{"code": "coupon_used", "coupon": "ten", "discount": 9.7}, {"code": "coupon_used", "coupon": "double", "discount": 0}, {"code": "coupon_used", "coupon": "mug", "discount": 0},
	{"code": "gift", "coupon": "mug", "sku": "MUG", "quantity": 1}, {"code": "offer_used", "coupon": "tea", "discount": 3}]', 'the receipt tells of it');
SELECT is((SELECT string_agg(concat_ws(' ', p ->> 'unit', p ->> 'amount', p ->> 'balance_after'), ', ' ORDER BY n) FROM jsonb_array_elements(:'receipt'::jsonb -> 'postings') WITH ORDINALITY x (p, n)),
	'points -1000 0, balance -20.00 0.00, points 190 190, spend 95.30 95.30, orders 1 1', 'and of all that moved: what pays first, then what was earned');
SELECT results_eq(
	$$SELECT j.kind, j.event, j.amount, u.code, j.channel, j.store, j.staff, j.request_hash IS NULL FROM loyalty.journal j LEFT JOIN loyalty.unit u USING (unit_id)
	  WHERE member_id = pg_temp.id('ann') AND ref = 'o1' ORDER BY journal_id$$,
	$$VALUES ('redeem', 'points', 1000::bigint, 'points', 'web', 'S1', 'E1', true), ('redeem', 'balance', 2000, 'balance', 'web', 'S1', 'E1', true), ('event', 'purchase', 9530, NULL, 'web', 'S1', 'E1', false)$$,
	'the journal: what pays, then the purchase');
SELECT results_eq(
	$$SELECT c.name, coupon_no, code, u.status, discount, line_discounts, u.journal_id = j.journal_id FROM loyalty.coupon_use u JOIN loyalty.coupon c USING (coupon_id)
	  JOIN loyalty.journal j ON j.member_id = u.member_id AND j.ref = u.ref AND j.kind = 'event' WHERE u.member_id = pg_temp.id('ann') ORDER BY c.name$$,
	$$VALUES ('double', NULL::bigint, 'TW1CE', 'used', 0::bigint, '{0,0,0}'::bigint[], true), ('mug', NULL, 'MUGMUG', 'used', 0, '{0,0,0}', true),
	  ('tea', NULL, NULL, 'used', 300, '{0,300,0}', true), ('ten', NULL, 'TEN0FF', 'used', 970, '{600,370,0}', true)$$, 'the uses');
SELECT is(data -> 'items', '[{"sku": "A", "qty": 2, "price": 30, "net": 54.00}, {"sku": "T", "category": "tea", "price": 40, "net": 33.30}]', 'the lines have their nets')
FROM loyalty.event_data d JOIN loyalty.journal j USING (member_id, journal_id) WHERE j.member_id = pg_temp.id('ann') AND j.ref = 'o1' AND j.kind = 'event';
SELECT is(data -> 'data', '{"note": "x", "store": "S1", "staff": "E1", "channel": "web", "payment_method": "card", "shipping": 8.00, "points": 10.00}', 'what rules may ask about')
FROM loyalty.event_data d JOIN loyalty.journal j USING (member_id, journal_id) WHERE j.member_id = pg_temp.id('ann') AND j.ref = 'o1' AND j.kind = 'event';
SELECT is(data -> 'checkout' -> 'payable', '65.30', 'and what the customer was shown')
FROM loyalty.event_data d JOIN loyalty.journal j USING (member_id, journal_id) WHERE j.member_id = pg_temp.id('ann') AND j.ref = 'o1' AND j.kind = 'event';
SELECT is(pg_temp.balance('ann') || ', ' || pg_temp.balance('ann', 'balance'), '190 available, nothing', 'what is left');
SELECT is_empty($$SELECT FROM loyalty.journal WHERE to_jsonb(journal)::text ~* 'tenoff|ten0ff|mugmug|twice|tw1ce'$$, 'no code is in the journal');

-- Again
SELECT pg_temp.state() AS before \gset
SELECT is(to_jsonb(r), :'receipt'::jsonb || '{"replayed": true}', 'the same order replays')
FROM loyalty.checkout(pg_temp.id('ann'), :'cart', 'o1', '{tenoff,TWICE,MUGMUG}', '{"points": 1000, "balance": "max"}', 65.30) r;
SELECT pg_temp.state() AS before \gset
SELECT is(pg_temp.refused(:'lit', '''o1'''), 'LY002 journal_id=' || (:'receipt'::jsonb ->> 'journal_id'), 'another with its reference does not');
SELECT is(pg_temp.raised($$SELECT loyalty.purchase(pg_temp.id('ann'), 5, 'o1')$$), 'LY002 journal_id=' || (:'receipt'::jsonb ->> 'journal_id'), 'nor a purchase');
SELECT is(pg_temp.refused(:'lit', '''o1''', 'key => ''new'''), 'LY003 the key is new, but the ref is not', 'nor with a new key');
SELECT is(r.reason, 'duplicate_ref', 'try: nor with a new key') FROM loyalty.checkout(pg_temp.id('ann'), :'cart', 'o1', key => 'new', mode => 'try') r;
SELECT is(pg_temp.state(), :'before', 'none of that was written');

-- What a campaign would have added to it: 95 points twice, because the coupon multiplies these too
INSERT INTO loyalty.campaign (program_id, name, status) VALUES (:shop, 'more', 'draft') RETURNING campaign_id AS more \gset
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, per, campaign_id) VALUES (:shop, 'purchase', pg_temp.unit('points'), 'per_amount', 1, 1, :more);
SELECT is((SELECT array_agg(amount) FROM loyalty.simulate_postings('Shop', 'more', '2026-03-01 00:00+08', '2026-04-01 00:00+08')), '{190}'::numeric[], 'simulate() knows the coupon');

-- Codes and limits
SELECT is(r.status, 'done', 'a unique code') FROM loyalty.checkout(pg_temp.id('ann'), :'cart', 'o2', ARRAY[lower(:'code1')]) r;
SELECT is(r.reason, 'already_used', 'is used once') FROM loyalty.checkout(pg_temp.id('ann'), :'cart', 'o3', ARRAY[:'code1'], mode => 'try') r;
SELECT is(r.reason, 'limit_member', 'a member twice') FROM loyalty.checkout(pg_temp.id('ann'), :'cart', 'o3', '{TENOFF}', mode => 'try') r;
SELECT is((SELECT reason || ' ' || (message IS NOT NULL) FROM loyalty.coupon_check(pg_temp.id('ann'), 'TENOFF')), 'limit_member true', 'and so the check says');

-- Two codes of one template of which one is left
INSERT INTO loyalty.coupon (program_id, name, kind, amount, max_per_order) VALUES (:shop, 'last', 'amount', 5, 3);
SELECT array_agg(code) AS codes FROM loyalty.coupon_generate('Shop', 'last', 2) code \gset
SELECT FROM loyalty.coupon_limit('Shop', 'last', 'used', 1);
SELECT is((SELECT string_agg(coalesce(v ->> 'reason', 'applied'), ', ') FROM jsonb_array_elements(q -> 'verdicts') v WHERE v ->> 'coupon' = 'last'), 'applied, limit_campaign', 'one too many of one template')
FROM loyalty.quote(pg_temp.id('bob'), :'cart', :'codes') q;
SELECT is(r.reason, 'limit_campaign', 'is refused') FROM loyalty.checkout(pg_temp.id('bob'), :'cart', 'b1', :'codes', mode => 'try') r;

-- An order that another member has, in a programme where references are of the programme
SELECT loyalty.program_create('One', 'CNY', 'Asia/Shanghai') AS one \gset
UPDATE loyalty.program SET ref_scope = 'program' WHERE program_id = :one;
INSERT INTO loyalty.coupon (program_id, name, kind, percent) VALUES (:one, 'ten', 'percent', 10);
SELECT loyalty.coupon_generate('One', 'ten', 1) AS code2 \gset
CALL pg_temp.enroll('One', 'uma', 'vic');
SELECT FROM loyalty.purchase(pg_temp.id('uma'), 5, 'shared');
SELECT pg_temp.state() AS before \gset
SELECT is(r.reason, 'duplicate_ref', 'another member has the order') FROM loyalty.checkout(pg_temp.id('vic'), :'cart', 'shared', ARRAY[:'code2'], mode => 'try') r;
SELECT is(pg_temp.state(), :'before', 'the code was not used');
SELECT is(r.status, 'done', 'so it still can be') FROM loyalty.checkout(pg_temp.id('vic'), :'cart', 'own', ARRAY[:'code2'], mode => 'try') r;

-- Frozen and closed members
SELECT FROM loyalty.coupon_issue(pg_temp.id('eve'), 'ten', 'held'), loyalty.member_freeze(pg_temp.id('eve'), 'test', key => 'f1');
SELECT is(r.status, 'done', 'a frozen member buys') FROM loyalty.checkout(pg_temp.id('eve'), :'cart', 'e1') r;
SELECT is(r.reason, 'member_frozen', 'but uses no coupon') FROM loyalty.checkout(pg_temp.id('eve'), :'cart', 'e2', '{MUGMUG}', mode => 'try') r;
SELECT is(r.reason, 'member_frozen', 'and spends nothing') FROM loyalty.checkout(pg_temp.id('eve'), :'cart', 'e2', use => '{"points": 1}', mode => 'try') r;
SELECT is(pg_temp.raised(format($$SELECT loyalty.quote(pg_temp.id('eve'), %L, '{MUGMUG}')$$, :'cart')), 'LY503 member_id=' || pg_temp.id('eve'), 'as quote() says of the coupon');
SELECT is(pg_temp.raised(format($$SELECT loyalty.quote(pg_temp.id('eve'), %L, use => '{"points": 1}')$$, :'cart')), 'LY503 member_id=' || pg_temp.id('eve'), 'and of the points');
SELECT is(q ->> 'payable', p ->> 'payable', 'the best is what offers save') FROM loyalty.quote(pg_temp.id('eve'), :'cart', best => true) q, loyalty.quote(pg_temp.id('eve'), :'cart') p;
SELECT FROM loyalty.member_close(pg_temp.id('eve'), 'test', key => 'c1');
SELECT is(r.reason, 'member_closed', 'a closed member does not') FROM loyalty.checkout(pg_temp.id('eve'), :'cart', 'e2', mode => 'try') r;

-- Frozen cards
SELECT FROM loyalty.topup_freeze(pg_temp.id('ann'), 'balance', 'lost', key => 'tf');
SELECT is(r.reason, 'card_frozen', 'a frozen card pays nothing') FROM loyalty.checkout(pg_temp.id('ann'), :'cart', 'o9', use => '{"balance": 1}', mode => 'try') r;
SELECT is(r.status, 'done', 'but need not') FROM loyalty.checkout(pg_temp.id('ann'), :'cart', 'o9', use => '{"balance": 0}', mode => 'try') r;

-- coupon_check, coupon_wallet: what is near, what is last
SELECT is(pg_temp.signature('coupon_check'), '(member_id bigint, code text, cart jsonb DEFAULT NULL::jsonb, at timestamp with time zone DEFAULT NULL::timestamp with time zone) -> SETOF loyalty.verdict', 'coupon_check(): arguments');
SELECT is(pg_temp.signature('coupon_wallet'), '(member_id bigint, cart jsonb DEFAULT NULL::jsonb, at timestamp with time zone DEFAULT NULL::timestamp with time zone) -> SETOF loyalty.verdict', 'coupon_wallet(): arguments');
SELECT is(pg_temp.signature('coupon_try'), '(member_id bigint, code text, data jsonb DEFAULT NULL::jsonb, cart jsonb DEFAULT NULL::jsonb) -> SETOF loyalty.verdict', 'coupon_try(): arguments');
SELECT is((SELECT to_jsonb(v) FROM loyalty.coupon_check(pg_temp.id('bob'), ' tEn-Off', '{"items": [{"sku": "A", "price": 30.5}]}') v), '{"coupon": "ten", "title": null, "code": " tEn-Off", "coupon_no": null, "kind": "percent",
	"applicable": false, "reason": "min_amount", "saving": null, "missing": 19.5, "valid_until": null, "message": "19.50 more", "beaten_by": null}', 'a near miss');
SELECT is((SELECT saving FROM loyalty.coupon_check(pg_temp.id('bob'), 'TENOFF', :'cart')), 9.70, 'what a code would save, beside the offers');
SELECT is((SELECT count(DISTINCT to_jsonb(v) - 'code') FROM unnest('{NONE,"",#1,#99999999999999999999,AAAABBBBCCCC}'::text[]) code, loyalty.coupon_check(pg_temp.id('bob'), code, :'cart') v), 1::bigint, 'codes that are none look alike');
-- ann has taken a code into her wallet
CREATE FUNCTION pg_temp.looked_at(code text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	scans text[];
BEGIN
	FOR i IN 1..2 LOOP
		PERFORM FROM loyalty.coupon_check(pg_temp.id('bob'), code) WHERE i = 2;
		scans[i] := (SELECT jsonb_object_agg(relname, seq_scan + coalesce(idx_scan, 0)) FROM pg_stat_xact_user_tables WHERE schemaname = 'loyalty');
	END LOOP;
	RETURN (SELECT string_agg(key || ' ' || value::bigint - coalesce((scans[1]::jsonb ->> key)::bigint, 0), ', ' ORDER BY key) FROM jsonb_each_text(scans[2]::jsonb)
		WHERE value::bigint > coalesce((scans[1]::jsonb ->> key)::bigint, 0));
END
$$;
SELECT code AS hers FROM loyalty.coupon_generate('Shop', 'mug', 1) code \gset
SELECT FROM loyalty.coupon_claim_code(pg_temp.id('ann'), :'hers');
SELECT is((SELECT reason FROM loyalty.coupon_check(pg_temp.id('bob'), :'hers')), 'not_found', 'another member''s code');
SELECT is(pg_temp.looked_at(:'hers'), pg_temp.looked_at('00000000007'), 'is looked for like one that is none');

-- A budget that has less left than the order would earn
SELECT FROM loyalty.coupon_issue(pg_temp.id('bob'), 'mug', 'gift-1');
INSERT INTO loyalty.campaign (program_id, name, status) VALUES (:shop, 'scarce', 'live') RETURNING campaign_id AS scarce \gset
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, campaign_id, condition) VALUES (:shop, 'purchase', pg_temp.unit('points'), 'fixed', 500, :scarce, '$.data.payment_method == "card"');
SELECT FROM loyalty.budget_set('Shop', 'points', 30, campaign => 'scarce');
SELECT is(q -> 'earned' -> 0, '{"unit": "points", "amount": 135}', 'what is left of a budget is earned: 105 and 30') FROM loyalty.quote(pg_temp.id('bob'), :'cart') q;

-- A key; other rows with the order's reference are not of the order
CALL pg_temp.enroll('Shop', 'fay');
SELECT FROM loyalty.adjust(pg_temp.id('fay'), 300, 'points', 'test', key => 'k1');
SELECT FROM loyalty.redeem(pg_temp.id('fay'), 50, ref => 'keyed');
SELECT to_jsonb(r) AS keyed, pg_temp.moved(r) AS moved FROM loyalty.checkout(pg_temp.id('fay'), :'cart', 'keyed', use => '{"points": 200}', key => 'once') r \gset
SELECT is(:'moved'::text, '1 orders, -65 points, 105 spend', 'with a key: 105 and 30 points less 200');
SELECT is(to_jsonb(r), :'keyed'::jsonb || '{"replayed": true}', 'the key replays the same') FROM loyalty.checkout(pg_temp.id('fay'), :'cart', 'keyed', use => '{"points": 200}', key => 'once') r;
SELECT is(to_jsonb(r), :'keyed'::jsonb || '{"replayed": true}', 'in mode try, too') FROM loyalty.checkout(pg_temp.id('fay'), :'cart', 'keyed', use => '{"points": 200}', key => 'once', mode => 'try') r;
SELECT is(to_jsonb(r), :'keyed'::jsonb || '{"replayed": true}', 'in mode dry, too') FROM loyalty.checkout(pg_temp.id('fay'), :'cart', 'keyed', use => '{"points": 200}', key => 'once', mode => 'dry') r;

SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify()');

-- Nothing of this writes
SET TRANSACTION READ ONLY;
SELECT is(q ->> 'payable', '95.30', 'quote() in a transaction that only reads') FROM loyalty.quote(pg_temp.id('bob'), :'cart', '{TENOFF,TWICE,NONE}', '{"points": "max", "balance": 1}', best => true) q;
SELECT is((SELECT reason FROM loyalty.coupon_check(pg_temp.id('bob'), 'NONE', :'cart')), 'not_found', 'coupon_check()');
SELECT is((SELECT coupon FROM loyalty.coupon_wallet(pg_temp.id('bob'), :'cart')), 'mug', 'coupon_wallet()');
SELECT is((SELECT status FROM loyalty.checkout(pg_temp.id('bob'), :'cart', 'b9', '{TENOFF,TWICE}', mode => 'dry')), 'dry', 'checkout() that is dry');
SELECT is(q ->> 'payable' || ' ' || (q -> 'verdicts' -> 0 ->> 'reason'), '105.00 member_required', 'quote() for a guest, who has no uses that could be counted') FROM loyalty.quote(NULL, :'cart', '{TENOFF}', program => 'Shop') q;
SELECT * FROM finish();
ROLLBACK;

\set ECHO none
\i test/prelude.sql
SELECT plan(14);

-- What holds for any cart and any coupons, and the prices of random ones worked out again in SQL.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai', 'empty') AS shop \gset
CALL pg_temp.enroll('Shop', 'ann');
INSERT INTO loyalty.cart_policy (program_id) VALUES (:shop);
SELECT setseed(0.5);

CREATE FUNCTION pg_temp.pick(VARIADIC choices anycompatiblearray) RETURNS anycompatible LANGUAGE sql AS $$
	SELECT choices[1 + floor(random() * cardinality(choices))::int]
$$;
-- A third of the lines is red, a third blue; a sku is always of the same colour. Some lines are there twice.
CREATE FUNCTION pg_temp.random_cart() RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('shipping', pg_temp.pick(0, 6, 12.5), 'items', jsonb_agg(jsonb_build_object(
		'sku', 'S' || sku, 'category', (ARRAY['red', 'blue', 'none'])[sku % 3 + 1], 'qty', qty, 'price', price) ORDER BY random()))
	FROM (SELECT floor(random() * 9)::int AS sku, pg_temp.pick(1, 1, 1, 2, 3, 7, 0.35, 2.5) AS qty,
			pg_temp.pick(0, 0.01, 0.05, 9.99, 10, 10, 33.33, 100, round((random() * 200)::numeric, 2)) AS price
		FROM generate_series(1, 1 + floor(random() * 7)::int)) line
	CROSS JOIN generate_series(1, CASE WHEN random() < 0.2 THEN 2 ELSE 1 END)
$$;
CREATE FUNCTION pg_temp.shuffled(cart jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT cart || jsonb_build_object('items', (SELECT jsonb_agg(item ORDER BY random()) FROM jsonb_array_elements(cart -> 'items') item))
$$;
CREATE FUNCTION pg_temp.filter(colour text) RETURNS jsonpath LANGUAGE sql AS $$
	SELECT format('$.category == "%s"', colour)::jsonpath WHERE colour <> 'all'
$$;

-- Templates, and a code for each. The first ones are those that are applied first among coupons by line.
CREATE TEMP TABLE template (name text, model text, colour text, target text);
INSERT INTO template SELECT 'got' || n, 'modelled', pg_temp.pick('all', 'all', 'red', 'blue'), 'all' FROM generate_series(1, 12) n;
INSERT INTO template SELECT kind || n, 'modelled', pg_temp.pick('all', 'all', 'red', 'blue'), pg_temp.pick('all', 'all', 'all', 'red', 'blue')
	FROM unnest('{amount,percent,ladder}'::text[]) kind, generate_series(1, 12) n;
INSERT INTO template SELECT kind || n, 'pieces', pg_temp.pick('all', 'all', 'red', 'blue'), pg_temp.pick('all', 'all', 'all', 'red', 'blue')
	FROM unnest('{price,bundle,exchange,other}'::text[]) kind, generate_series(1, 8) n;
INSERT INTO template SELECT 'shipping' || n, 'pieces', 'all', 'all' FROM generate_series(1, 3) n;

INSERT INTO loyalty.coupon (program_id, name, kind, percent, buy, get, pick, max_times, item_filter)
SELECT :shop, name, 'buy_get', pg_temp.pick(100, 50, 33.333, 12.5), 1 + floor(random() * 3), 1 + floor(random() * 2), pg_temp.pick('cheapest', 'dearest'),
	pg_temp.pick(NULL, NULL, 1, 2), pg_temp.filter(colour)
FROM template WHERE name LIKE 'got%';
INSERT INTO loyalty.coupon (program_id, name, kind, amount, max_discount, min_amount, item_filter, target_filter)
SELECT :shop, name, 'amount', round((1 + random() * 60)::numeric, 2), pg_temp.pick(NULL, NULL, 20), pg_temp.pick(NULL, NULL, 50), pg_temp.filter(colour), pg_temp.filter(target)
FROM template WHERE name LIKE 'amount%';
INSERT INTO loyalty.coupon (program_id, name, kind, percent, max_discount, min_amount, item_filter, target_filter)
SELECT :shop, name, 'percent', pg_temp.pick(10, 15, 50, 66.667, 0.5), pg_temp.pick(NULL, NULL, 7.77), pg_temp.pick(NULL, NULL, 50), pg_temp.filter(colour), pg_temp.filter(target)
FROM template WHERE name LIKE 'percent%';
INSERT INTO loyalty.coupon (program_id, name, kind, base, step_kind, step_from, step_off, repeats, item_filter, target_filter)
SELECT :shop, name, 'ladder', base, step_kind, CASE WHEN repeats THEN step_from[1:1] ELSE step_from END,
	CASE WHEN repeats THEN ARRAY[4.5] WHEN step_kind = 'amount' THEN ARRAY[5, 17.77, 40] ELSE ARRAY[3, 12.5, 20] END, repeats, pg_temp.filter(colour), pg_temp.filter(target)
FROM (SELECT *, CASE base WHEN 'amount' THEN ARRAY[20, 99.99, 300] ELSE ARRAY[1, 2.5, 6] END AS step_from, step_kind = 'amount' AND random() < 0.4 AS repeats
	FROM (SELECT *, pg_temp.pick('amount', 'quantity') AS base, pg_temp.pick('amount', 'percent') AS step_kind FROM template WHERE name LIKE 'ladder%') x) x;
INSERT INTO loyalty.coupon (program_id, name, kind, amount, pick, max_times, max_discount, item_filter, target_filter)
SELECT :shop, name, 'price', pg_temp.pick(0, 5, 9.99, 20), pg_temp.pick('cheapest', 'dearest'), pg_temp.pick(NULL, 1, 3), pg_temp.pick(NULL, NULL, 15), pg_temp.filter(colour), pg_temp.filter(target)
FROM template WHERE name LIKE 'price%';
INSERT INTO loyalty.coupon (program_id, name, kind, amount, buy, pick, max_times, max_discount, item_filter, target_filter)
SELECT :shop, name, 'bundle', pg_temp.pick(0, 10, 25), 1 + floor(random() * 4), pg_temp.pick('cheapest', 'dearest'), pg_temp.pick(NULL, 1, 3), pg_temp.pick(NULL, NULL, 15), pg_temp.filter(colour), pg_temp.filter(target)
FROM template WHERE name LIKE 'bundle%';
INSERT INTO loyalty.coupon (program_id, name, kind, pick, max_times, item_filter, target_filter)
SELECT :shop, name, 'exchange', pg_temp.pick('cheapest', 'dearest'), pg_temp.pick(NULL, 1, 3), pg_temp.filter(colour), pg_temp.filter(target)
FROM template WHERE name LIKE 'exchange%';
INSERT INTO loyalty.coupon (program_id, name, kind, percent, buy, get, pick, max_times, item_filter, target_filter)
SELECT :shop, name, 'buy_get', pg_temp.pick(100, 50, 33.333), 1 + floor(random() * 3), 1 + floor(random() * 2), pg_temp.pick('cheapest', 'dearest'),
	pg_temp.pick(NULL, 1, 2), pg_temp.filter(colour), pg_temp.filter(target)
FROM template WHERE name LIKE 'other%';
INSERT INTO loyalty.coupon (program_id, name, kind, amount) SELECT :shop, name, 'shipping', pg_temp.pick(NULL, 3, 8) FROM template WHERE name LIKE 'shipping%';
SELECT count(loyalty.coupon_code_create('Shop', name, 'CODE' || name)) AS codes FROM template \gset

-- So many random templates of a model, of which at most one reckons with pieces that the model knows.
CREATE FUNCTION pg_temp.some(models text[], n int) RETURNS text[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(name), '{}') FROM (
		SELECT name FROM (
			SELECT name, row_number() OVER (PARTITION BY name LIKE 'got%' ORDER BY random()) AS k FROM template WHERE model = ANY (models)) x
		WHERE name NOT LIKE 'got%' OR k = 1 ORDER BY random() LIMIT n) y
$$;
CREATE FUNCTION pg_temp.quoted(cart jsonb, names text[]) RETURNS jsonb LANGUAGE sql AS $$
	SELECT loyalty.quote(pg_temp.id('ann'), cart, (SELECT array_agg('CODE' || name) FROM unnest(names) name))
$$;
-- {"got1": 5.00, ...}: what each code saves, if anything
CREATE FUNCTION pg_temp.savings(quote jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT coalesce(jsonb_object_agg(v ->> 'coupon', (v ->> 'saving')::numeric) FILTER (WHERE (v ->> 'saving')::numeric > 0), '{}') FROM jsonb_array_elements(quote -> 'verdicts') v
$$;

-- The carts: priced, priced again with lines and codes in another order, and with one coupon less.
CREATE TEMP TABLE priced AS
SELECT n, cart, names, discount_on, NULL::jsonb AS quote, NULL::jsonb AS shuffled, NULL::jsonb AS fewer
FROM (SELECT n, pg_temp.random_cart() AS cart, pg_temp.some(CASE WHEN n % 2 = 0 THEN '{modelled}' ELSE '{modelled,pieces}' END::text[], 1 + n % 5) AS names,
		CASE WHEN n % 10 < 5 THEN 'remaining' ELSE 'initial' END AS discount_on
	FROM generate_series(1, 800) n) x;
CREATE PROCEDURE pg_temp.price(policy text) LANGUAGE sql AS $$
	UPDATE loyalty.cart_policy SET discount_on = policy;
	UPDATE priced SET quote = pg_temp.quoted(cart, names), shuffled = pg_temp.quoted(pg_temp.shuffled(cart), (SELECT array_agg(name ORDER BY random()) FROM unnest(names) name)),
		fewer = pg_temp.quoted(cart, names[2:])
	WHERE discount_on = policy
$$;
CALL pg_temp.price('remaining');
CALL pg_temp.price('initial');

SELECT is(count(*)::int, 800, 'carts') FROM priced;
SELECT cmp_ok((SELECT count(*)::int FROM priced WHERE pg_temp.savings(quote) <> '{}'), '>', 500, 'most of them are discounted');
SELECT cmp_ok((SELECT count(*)::int FROM (SELECT DISTINCT v ->> 'coupon' FROM priced, jsonb_array_elements(quote -> 'verdicts') v WHERE (v ->> 'saving')::numeric > 0) x), '>', 70, 'by most of the coupons');

-- Sums
SELECT is_empty($$
	SELECT p.n, l FROM priced p, jsonb_array_elements(quote -> 'lines') l
	WHERE (l ->> 'net')::numeric <> (l ->> 'price')::numeric - coalesce((SELECT sum((d ->> 'amount')::numeric) FROM jsonb_array_elements(l -> 'discounts') d), 0)
$$, 'the net of a line is its price less its parts of the discounts');
SELECT is_empty($$SELECT p.n, l FROM priced p, jsonb_array_elements(quote -> 'lines') l WHERE (l ->> 'net')::numeric < 0
	UNION ALL SELECT p.n, l FROM priced p, jsonb_array_elements(quote -> 'lines') l, jsonb_array_elements(l -> 'discounts') d WHERE (d ->> 'amount')::numeric <= 0
	UNION ALL SELECT n, quote FROM priced WHERE (quote ->> 'shipping')::numeric < 0$$, 'no line, no part and no shipping is below zero');
SELECT is_empty($$
	SELECT n, pg_temp.savings(quote), parts FROM priced
	CROSS JOIN LATERAL (SELECT coalesce(jsonb_object_agg(coupon, saving), '{}') AS parts FROM (
		SELECT d ->> 'coupon' AS coupon, sum((d ->> 'amount')::numeric) AS saving
		FROM jsonb_array_elements(quote -> 'lines') l, jsonb_array_elements(l -> 'discounts') d GROUP BY 1) x) x
	WHERE (SELECT jsonb_object_agg(key, value) FROM jsonb_each(pg_temp.savings(quote)) WHERE key NOT LIKE 'shipping%')
		IS DISTINCT FROM nullif(parts, '{}')
$$, 'the parts of a discount add up to it');
SELECT is_empty($$
	SELECT n FROM priced
	WHERE (quote ->> 'discount')::numeric <> coalesce((SELECT sum(value::numeric) FROM jsonb_each(pg_temp.savings(quote))), 0)
		OR (quote ->> 'total')::numeric <> (quote ->> 'price')::numeric + (cart ->> 'shipping')::numeric - (quote ->> 'discount')::numeric
		OR (quote ->> 'goods')::numeric <> (SELECT sum((l ->> 'net')::numeric) FROM jsonb_array_elements(quote -> 'lines') l)
		OR (quote ->> 'payable')::numeric <> (quote ->> 'goods')::numeric + (quote ->> 'shipping')::numeric
$$, 'the discounts add up to what the order is cheaper by');

-- The order of lines, and that of codes which can all be combined
CREATE FUNCTION pg_temp.sorted(elements jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_agg(e ORDER BY e) FROM jsonb_array_elements(elements) e $$;
CREATE FUNCTION pg_temp.outcome(quote jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_array(quote - '{lines,verdicts}'::text[], pg_temp.sorted(quote -> 'verdicts'), (
		SELECT pg_temp.sorted(jsonb_agg(l - 'line' || jsonb_build_object('discounts', pg_temp.sorted(l -> 'discounts')))) FROM jsonb_array_elements(quote -> 'lines') l))
$$;
SELECT is_empty($$SELECT n, quote, shuffled FROM priced WHERE pg_temp.outcome(quote) <> pg_temp.outcome(shuffled)$$, 'the order of lines and codes changes nothing, but for which of equal lines');

-- One coupon more
SELECT is_empty($$
	SELECT n FROM priced
	WHERE (quote ->> 'total')::numeric > (fewer ->> 'total')::numeric AND NOT EXISTS (
		SELECT FROM template WHERE name = ANY (names) AND (model = 'pieces' OR name LIKE 'got%' OR colour <> 'all' OR target <> 'all'))
$$, 'one coupon more on the whole order never makes it dearer');
-- by line the rest of a rounding may fall on a line that is cheaper afterwards
SELECT is_empty($$
	SELECT n FROM priced
	WHERE (quote ->> 'total')::numeric > (fewer ->> 'total')::numeric + 0.01 * jsonb_array_length(cart -> 'items') AND NOT EXISTS (
		SELECT FROM template WHERE name = ANY (names) AND (model = 'pieces' OR name LIKE 'got%'))
$$, 'nor does one on lines, but for the rounding');
SELECT is_empty($$SELECT n FROM priced WHERE cardinality(names) = 1 AND (quote ->> 'total')::numeric > (fewer ->> 'total')::numeric$$, 'no coupon alone makes the order dearer');

-- The same once more, by the words of the documentation: amounts in cents
CREATE FUNCTION pg_temp.spread(amount numeric, weights numeric[], ranks int[]) RETURNS numeric[] LANGUAGE sql AS $$
	SELECT array_agg(share + CASE WHEN place <= amount - given THEN 1 ELSE 0 END ORDER BY line)
	FROM (SELECT line, floor(amount * weight / total) AS share, sum(floor(amount * weight / total)) OVER () AS given,
			row_number() OVER (ORDER BY mod(amount * weight, total) DESC, ranks[line]) AS place
		FROM (SELECT line, weight, sum(weight) OVER () AS total FROM unnest(weights) WITH ORDINALITY w (weight, line)) x) y
$$;
CREATE FUNCTION pg_temp.got(coupon loyalty.coupon, gross numeric[], qty numeric[], ranks int[], matches boolean[]) RETURNS numeric[] LANGUAGE sql AS $$
	WITH piece AS (
		SELECT line, div(amount, whole) + CASE WHEN p <= mod(amount, whole) THEN 1 ELSE 0 END AS price
		FROM (SELECT line, floor(q) AS whole, floor(gross[line] * floor(q) / q) AS amount FROM unnest(qty) WITH ORDINALITY x (q, line) WHERE matches[line] AND q >= 1) x,
			generate_series(1, whole) p),
	sorted AS (
		SELECT line, price, (row_number() OVER (ORDER BY price DESC, ranks[line]) - 1)::int AS place, count(*) OVER ()::int AS n FROM piece),
	reduced AS (
		SELECT line, round(price * (coupon).percent / 100) AS saving FROM sorted
		WHERE place / ((coupon).buy + (coupon).get) < least(n / ((coupon).buy + (coupon).get), coalesce((coupon).max_times, n))
			AND CASE (coupon).pick WHEN 'cheapest' THEN place % ((coupon).buy + (coupon).get) >= (coupon).buy
				ELSE place % ((coupon).buy + (coupon).get) < (coupon).get END)
	SELECT array_agg(coalesce((SELECT sum(saving) FROM reduced r WHERE r.line = x.line), 0) ORDER BY line) FROM unnest(gross) WITH ORDINALITY x (g, line)
$$;
CREATE FUNCTION pg_temp.modelled(cart jsonb, names text[], initial boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	gross numeric[]; qty numeric[]; colours text[]; ranks int[]; nets numeric[]; shares numeric[]; matches boolean[]; targets boolean[];
	of_match numeric; pieces numeric; basis numeric; remaining numeric; off numeric; reached int;
	savings jsonb = '{}';
	coupon loyalty.coupon;
	t template;
BEGIN
	SELECT array_agg(g ORDER BY n), array_agg(q ORDER BY n), array_agg(c ORDER BY n), array_agg(rank ORDER BY n) INTO gross, qty, colours, ranks
	FROM (SELECT *, row_number() OVER (ORDER BY sku COLLATE "C", g, q, n)::int AS rank
		FROM (SELECT n, round((i ->> 'price')::numeric * (i ->> 'qty')::numeric, 2) * 100 AS g, (i ->> 'qty')::numeric AS q, i ->> 'category' AS c, i ->> 'sku' AS sku
			FROM jsonb_array_elements(cart -> 'items') WITH ORDINALITY x (i, n)) x) x;
	nets := gross;
	FOR coupon IN SELECT c.* FROM loyalty.coupon c JOIN template x USING (name) WHERE name = ANY (names)
		ORDER BY colour = 'all' AND target = 'all' AND kind <> 'buy_get', coupon_id
	LOOP
		SELECT * INTO t FROM template x WHERE x.name = coupon.name;
		SELECT array_agg(t.colour IN ('all', c) ORDER BY n), array_agg(CASE t.target WHEN 'all' THEN t.colour ELSE t.target END IN ('all', c) ORDER BY n)
		INTO matches, targets FROM unnest(colours) WITH ORDINALITY x (c, n);
		SELECT sum(g) FILTER (WHERE matches[n]), sum(qty[n]) FILTER (WHERE matches[n]), sum(CASE WHEN initial THEN g ELSE nets[n] END) FILTER (WHERE targets[n]),
			sum(nets[n]) FILTER (WHERE targets[n])
		INTO of_match, pieces, basis, remaining FROM unnest(gross) WITH ORDINALITY x (g, n);
		CONTINUE WHEN of_match IS NULL OR basis IS NULL OR of_match < coupon.min_amount * 100;
		IF coupon.kind = 'buy_get' THEN
			shares := pg_temp.got(coupon, gross, qty, ranks, matches);
			SELECT sum(s) INTO off FROM unnest(shares) s;
		ELSE
			off := CASE coupon.kind WHEN 'amount' THEN coupon.amount * 100 WHEN 'percent' THEN round(basis * coupon.percent / 100) END;
			IF coupon.kind = 'ladder' THEN
				SELECT max(n) INTO reached FROM unnest(coupon.step_from) WITH ORDINALITY x (f, n)
				WHERE f <= CASE coupon.base WHEN 'amount' THEN of_match / 100 ELSE pieces END;
				CONTINUE WHEN reached IS NULL;
				off := CASE WHEN coupon.step_kind = 'percent' THEN round(basis * coupon.step_off[reached] / 100)
					WHEN coupon.repeats THEN floor(CASE coupon.base WHEN 'amount' THEN of_match / 100 ELSE pieces END / coupon.step_from[1]) * coupon.step_off[1] * 100
					ELSE coupon.step_off[reached] * 100 END;
			END IF;
			off := least(off, coupon.max_discount * 100, remaining);
			CONTINUE WHEN off = 0;
			shares := pg_temp.spread(off, (SELECT array_agg(CASE WHEN targets[n] THEN net ELSE 0 END ORDER BY n) FROM unnest(nets) WITH ORDINALITY x (net, n)), ranks);
		END IF;
		CONTINUE WHEN off = 0;
		SELECT array_agg(net - shares[n] ORDER BY n) INTO nets FROM unnest(nets) WITH ORDINALITY x (net, n);
		savings := savings || jsonb_build_object(coupon.name, off / 100);
	END LOOP;
	RETURN jsonb_build_object('savings', savings, 'nets', (SELECT jsonb_agg(net / 100 ORDER BY n) FROM unnest(nets) WITH ORDINALITY x (net, n)));
END
$$;
SELECT is_empty($$
	SELECT n, cart, names, discount_on, model, quote -> 'verdicts' FROM (
		SELECT *, pg_temp.modelled(cart, names, discount_on = 'initial') AS model FROM priced
		WHERE NOT EXISTS (SELECT FROM template WHERE name = ANY (names) AND model = 'pieces')) x
	WHERE pg_temp.savings(quote) <> model -> 'savings'
		OR (SELECT jsonb_agg((l ->> 'net')::numeric ORDER BY (l ->> 'line')::int) FROM jsonb_array_elements(quote -> 'lines') l) <> model -> 'nets'
$$, 'amount, percent, ladder, buy and get: the same as in SQL, to the cent and line by line');
SELECT cmp_ok((SELECT count(*)::int FROM priced WHERE NOT EXISTS (SELECT FROM template WHERE name = ANY (names) AND model = 'pieces')), '>', 400, 'of as many carts');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'verify() finds nothing');
SELECT * FROM finish();
ROLLBACK;

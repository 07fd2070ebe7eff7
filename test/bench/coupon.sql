-- Coupons: a hot batch to be claimed (measured by run), a million codes, and quotes of a cart of twenty
-- lines against fifty coupons.
\set ON_ERROR_STOP on

SELECT program_id AS program FROM loyalty.program WHERE name = 'bench' \gset

-- The batch, limited in slots; and the same program with a counter in one row, which
-- is looked at first, as one would, or as late as can be, after everything else was done.
INSERT INTO loyalty.coupon (program_id, name, kind, amount, claimable)
SELECT :program, name, 'amount', 5, true FROM unnest('{hot,counted,scarce}'::text[]) name;
SELECT FROM loyalty.coupon_limit('bench', 'hot', 'issued', 100000000, slots => 64);
SELECT FROM loyalty.coupon_limit('bench', 'scarce', 'issued', 1000, slots => 64);
CREATE TABLE bench.counter (name text PRIMARY KEY, used bigint NOT NULL, maximum bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO bench.counter VALUES ('counted', 0, 100000000);
CREATE PROCEDURE bench.count() LANGUAGE plpgsql AS $$
BEGIN
	UPDATE bench.counter SET used = used + 1 WHERE name = 'counted' AND used < maximum;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'sold out';
	END IF;
END
$$;
CREATE FUNCTION bench.claim(member_id bigint, ref text, late boolean) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	claimed bigint;
BEGIN
	IF NOT late THEN
		CALL bench.count();
	END IF;
	SELECT c.journal_id INTO claimed FROM loyalty.coupon_claim(claim.member_id, 'counted', claim.ref) c;
	IF late THEN
		CALL bench.count();
	END IF;
	RETURN claimed;
END
$$;

-- Codes
INSERT INTO loyalty.coupon (program_id, name, kind, amount) VALUES (:program, 'printed', 'amount', 5);
DO $$
DECLARE
	began timestamptz = clock_timestamp();
	codes bigint = (SELECT count(*) FROM loyalty.coupon_generate('bench', 'printed', 1000000));
	seconds numeric = extract(epoch FROM clock_timestamp() - began);
BEGIN
	INSERT INTO bench.measure (title, value, target, met)
	VALUES ('seconds for 1,000,000 codes of `coupon_generate`', round(seconds, 1), '< 20', seconds < 20 AND codes = 1000000);
END
$$;

-- Twenty lines, of four categories; fifty coupons of ten kinds, most of them for a part
-- of the lines, and each together with all others
CREATE TABLE bench.cart AS
SELECT jsonb_build_object('shipping', 4.90, 'channel', 'web', 'items', jsonb_agg(jsonb_build_object(
	'sku', 'A-' || i, 'category', 'c' || i % 4, 'brand', 'b' || i % 3, 'qty', 1 + i % 3, 'price', 9.90 + i))) AS cart
FROM generate_series(1, 20) i;
INSERT INTO loyalty.collection (program_id, name) VALUES (:program, 'dear');
INSERT INTO loyalty.collection_item (program_id, collection, kind, value) SELECT :program, 'dear', 'sku', 'A-' || i FROM generate_series(10, 15) i;
INSERT INTO loyalty.coupon (program_id, name, kind, amount, percent, step_from, step_off, buy, get, sku, quantity, factor, max_times,
	item_filter, excluded_collection, min_amount, channels)
SELECT :program, 'q' || i, k.kind, k.amount, k.percent, k.step_from, k.step_off, k.buy, k.get, k.sku, k.quantity, k.factor, k.max_times,
	CASE WHEN i % 3 > 0 THEN format('$.category == "c%s"', i % 4)::jsonpath END,
	CASE WHEN i % 5 = 0 THEN 'dear' END, CASE WHEN i % 2 = 0 THEN 20 END, CASE WHEN i % 4 = 0 THEN '{web,app}'::text[] END
FROM generate_series(1, 50) i
JOIN (VALUES
	(1, 'amount', 3, NULL::numeric, NULL::numeric[], NULL::numeric[], NULL::int, NULL::int, NULL, NULL::int, NULL::int, NULL::int),
	(2, 'percent', NULL, 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(3, 'ladder', NULL, NULL, '{50,100,200}', '{2,5,12}', NULL, NULL, NULL, NULL, NULL, NULL),
	(4, 'price', 9, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 2),
	(5, 'bundle', 40, NULL, NULL, NULL, 3, NULL, NULL, NULL, NULL, 1),
	(6, 'buy_get', NULL, 50, NULL, NULL, 1, 1, NULL, NULL, NULL, 1),
	(7, 'gift', NULL, NULL, NULL, NULL, NULL, NULL, 'GIFT', 1, NULL, NULL),
	(8, 'shipping', 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(9, 'multiplier', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 2, NULL),
	(0, 'exchange', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1))
	AS k (place, kind, amount, percent, step_from, step_off, buy, get, sku, quantity, factor, max_times) ON k.place = i % 10;
SELECT count(loyalty.coupon_code_create('bench', 'q' || i, 'Q' || i)) AS codes FROM generate_series(1, 50) i \gset
CREATE TABLE bench.quoted (round int, milliseconds numeric, applied int);
CREATE PROCEDURE bench.quote(rounds int) LANGUAGE plpgsql AS $$
DECLARE
	s bench.setting;
	basket jsonb = (SELECT cart FROM bench.cart);
	given text[] = (SELECT array_agg('Q' || i) FROM generate_series(1, 50) i);
	began timestamptz;
	answer jsonb;
BEGIN
	SELECT * INTO s FROM bench.setting;
	FOR round IN 1 .. rounds LOOP
		began := clock_timestamp();
		answer := loyalty.quote(s.first + s.stride * (round % s.members), basket, given);
		INSERT INTO bench.quoted VALUES (round, 1000 * extract(epoch FROM clock_timestamp() - began),
			(SELECT count(*) FROM jsonb_array_elements(answer -> 'verdicts') v WHERE (v ->> 'applicable')::boolean));
	END LOOP;
END
$$;
CALL bench.quote(2000);
INSERT INTO bench.measure (title, value, target, met)
SELECT 'milliseconds for `quote` of 20 lines against 50 coupons, median', round(median::numeric, 2), '< 1', median < 1 AND applied = 50
FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY milliseconds) AS median, min(applied) AS applied FROM bench.quoted) q;

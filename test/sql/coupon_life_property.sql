\set ECHO none
\i test/prelude.sql
SELECT plan(4);

-- Random calls, against a model that knows no more than the words of the documentation.
SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
INSERT INTO loyalty.coupon (program_id, name, kind, amount, claimable, claims, transferable, limit_member) VALUES (:shop, 'five', 'amount', 5, true, 4, true, 3);
SELECT FROM loyalty.coupon_limit('Shop', 'five', 'issued', 14, 3) a, loyalty.coupon_limit('Shop', 'five', 'used', 8, 3) b, loyalty.coupon_limit('Shop', 'five', 'discount', 30, 2) c;
CALL pg_temp.enroll('Shop', 'm1', 'm2', 'm3', 'm4', 'm5');

-- A coupon: whose, and the order that has used it or, until a time, reserved it; for how much.
CREATE TEMP TABLE model (no bigint PRIMARY KEY, member int, claimed_by int, gone boolean DEFAULT false, void boolean DEFAULT false,
	ref text, reserved_until timestamptz, discount int DEFAULT 0);

CREATE FUNCTION pg_temp.step(n int) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	r loyalty.receipt;
	now timestamptz = loyalty.now();
	m int = 1 + floor(random() * 5);
	other int = 1 + floor(random() * 5);
	act text = (ARRAY['claim','use','use','use','undo','transfer','void','reserve','reserve','cancel','confirm','release'])[1 + floor(random() * 12)];
	off int = 1 + floor(random() * 5);
	c record;
	want text;
	used int;
	total int;
BEGIN
	SELECT * INTO c FROM model WHERE member = m ORDER BY random() LIMIT 1;
	-- what is used, or reserved and not over
	SELECT count(*), coalesce(sum(x.discount), 0) INTO used, total
	FROM model x WHERE x.ref IS NOT NULL AND (x.reserved_until IS NULL OR x.reserved_until > now);
	IF act = 'claim' THEN
		want := CASE WHEN (SELECT count(*) FROM model x WHERE x.claimed_by = m AND NOT x.void) >= 4 THEN 'limit_member'
			WHEN (SELECT count(*) FROM model x WHERE x.claimed_by IS NOT NULL AND NOT x.void) >= 14 THEN 'limit_campaign' ELSE 'done' END;
		r := loyalty.coupon_claim(pg_temp.id('m' || m), 'five', 'r' || n, mode => 'try');
		IF r.status = 'done' THEN
			INSERT INTO model (no, member, claimed_by) VALUES ((r.messages -> 0 ->> 'no')::bigint, m, m);
		END IF;
	ELSIF c.no IS NULL THEN
		RETURN NULL;
	ELSIF act IN ('use', 'reserve') THEN
		want := CASE WHEN c.void THEN 'disabled'
			WHEN c.ref IS NOT NULL AND c.reserved_until IS NULL THEN 'already_used'
			WHEN c.gone THEN 'not_owner'
			WHEN (SELECT count(*) FROM model x WHERE x.member = m AND NOT x.gone AND x.ref IS NOT NULL AND (x.reserved_until IS NULL OR x.reserved_until > now)) >= 3 THEN 'limit_member'
			WHEN used >= 8 THEN 'limit_campaign'
			WHEN total + CASE act WHEN 'use' THEN off ELSE 5 END > 30 THEN 'budget_exhausted'
			WHEN c.ref IS NOT NULL AND c.reserved_until > now THEN 'reserved_by_other'
			ELSE 'done' END;
		-- with nothing left of the budget that is said before the reservation, with too little after it
		IF c.ref IS NOT NULL AND c.reserved_until > now AND want = 'budget_exhausted' AND total < 30 THEN
			want := 'reserved_by_other';
		END IF;
		IF act = 'use' THEN
			r := loyalty.coupon_use(pg_temp.id('m' || m), '#' || c.no, 'r' || n, off, mode => 'try');
		ELSE
			r := loyalty.checkout_reserve(pg_temp.id('m' || m), '{"items": [{"sku": "A", "price": 20}]}', 'r' || n, ARRAY['#' || c.no], ttl => '10 minutes', mode => 'try');
		END IF;
		IF r.status = 'done' THEN
			UPDATE model x SET ref = 'r' || n, discount = CASE act WHEN 'use' THEN off ELSE 5 END,
				reserved_until = CASE act WHEN 'reserve' THEN now + '10 minutes'::interval END
			WHERE x.no = c.no;
		END IF;
	ELSIF act = 'undo' THEN
		-- what a checkout used comes back with a refund
		IF c.ref IS NULL OR c.reserved_until IS NOT NULL OR EXISTS (
			SELECT FROM loyalty.coupon_use u WHERE u.coupon_no = c.no AND u.ref = c.ref AND u.line_discounts IS NOT NULL) THEN
			RETURN NULL;
		END IF;
		want := 'done';
		r := loyalty.coupon_undo(pg_temp.id('m' || m), c.ref, mode => 'try');
		UPDATE model x SET ref = NULL, discount = 0 WHERE x.no = c.no;
	ELSIF act IN ('transfer', 'void') THEN
		want := CASE WHEN act = 'transfer' AND other = m THEN 'transfer_to_self'
			WHEN c.void THEN 'disabled'
			WHEN c.ref IS NOT NULL AND c.reserved_until IS NULL THEN 'already_used'
			WHEN c.gone THEN 'not_owner'
			WHEN c.ref IS NOT NULL AND c.reserved_until > now THEN 'reserved_by_other'
			ELSE 'done' END;
		IF act = 'transfer' THEN
			r := loyalty.coupon_transfer(pg_temp.id('m' || m), pg_temp.id('m' || other), c.no, 'r' || n, mode => 'try');
			IF r.status = 'done' THEN
				UPDATE model x SET gone = true, ref = NULL, reserved_until = NULL, discount = 0 WHERE x.no = c.no;
				INSERT INTO model (no, member) SELECT max(coupon_no), other FROM loyalty.member_coupon;
			END IF;
		ELSE
			r := loyalty.coupon_void(pg_temp.id('m' || m), c.no, 'test ' || n, mode => 'try');
			IF r.status = 'done' THEN
				UPDATE model x SET void = true, ref = NULL, reserved_until = NULL, discount = 0 WHERE x.no = c.no;
			END IF;
		END IF;
	ELSIF act IN ('confirm', 'cancel') THEN
		IF c.ref IS NULL OR c.reserved_until IS NULL THEN
			RETURN NULL;
		END IF;
		want := CASE WHEN c.reserved_until <= now THEN 'checkout_expired' ELSE 'done' END;
		IF act = 'confirm' THEN
			r := loyalty.checkout_confirm(pg_temp.id('m' || m), c.ref, mode => 'try');
			UPDATE model x SET reserved_until = NULL WHERE x.no = c.no AND r.status = 'done';
		ELSE
			r := loyalty.checkout_cancel(pg_temp.id('m' || m), c.ref, mode => 'try');
			UPDATE model x SET ref = NULL, reserved_until = NULL, discount = 0 WHERE x.no = c.no AND r.status = 'done';
		END IF;
	ELSE
		PERFORM loyalty.coupon_release('Shop');
		PERFORM set_config('loyalty.now', (now + floor(random() * 12) * '1 minute'::interval)::text, false);
		RETURN NULL;
	END IF;
	RETURN CASE WHEN want <> coalesce(r.reason, r.status) THEN format('step %s: %s of %s: wanted %s, got %s %s', n, act, c.no, want, coalesce(r.reason, r.status), r.messages) END;
END
$$;

SELECT setseed(0.42) \gset
SELECT is((SELECT string_agg(s, '; ') FROM generate_series(1, 1500) n, pg_temp.step(n) s), NULL, '1500 random calls end as the model says');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT cmp_ok((SELECT count(DISTINCT kind)::int FROM loyalty.journal), '>=', 9, 'of every kind there was some');
SELECT results_eq(
	$$SELECT count(*)::int, coalesce(sum(discount), 0)::int FROM loyalty.coupon_use WHERE status = 'used'$$,
	$$SELECT count(*)::int, coalesce(sum(discount), 0)::int * 100 FROM model WHERE ref IS NOT NULL AND reserved_until IS NULL$$, 'what is used is what the model has');
SELECT * FROM finish();
ROLLBACK;

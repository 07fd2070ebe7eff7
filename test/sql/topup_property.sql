\set ECHO none
\i test/prelude.sql
SELECT plan(20);

-- Random top-ups, spends, holds, refunds of both and freezes against a model of a few lines, for each
-- order of spending and each policy. Amounts are cents.
SELECT loyalty.program_create('Shop', 'CNY', 'Asia/Shanghai') AS shop \gset
CREATE TEMP TABLE variant AS
	SELECT concat_ws('_', spend_order, bonus_policy) AS code, spend_order, bonus_policy, row_number() OVER () AS seed
	FROM unnest('{bonus_first,principal_first,proportional}'::text[]) spend_order, unnest('{forgive,deduct}'::text[]) bonus_policy;
INSERT INTO loyalty.unit (program_id, code, kind, scale) SELECT :shop, code, 'money', 2 FROM variant;
INSERT INTO loyalty.topup_policy (unit_id, program_id, spend_order, bonus_policy)
SELECT unit_id, program_id, spend_order, bonus_policy FROM variant JOIN loyalty.unit USING (code);
INSERT INTO loyalty.topup_step (program_id, unit_id, step_from, bonus)
SELECT program_id, unit_id, s.step_from, s.bonus FROM variant JOIN loyalty.unit USING (code), (VALUES (50, 4.99), (100, 15), (150, 33.33)) s (step_from, bonus);
SELECT FROM variant, loyalty.enroll('Shop', jsonb_build_object('customer_no', code));

-- The model: what is on the card, each payment and what was taken back of it, each order and what was.
CREATE TEMP TABLE card (code text PRIMARY KEY, principal bigint DEFAULT 0, bonus bigint DEFAULT 0, frozen boolean DEFAULT false,
	paid_in bigint DEFAULT 0, paid_out bigint DEFAULT 0);
INSERT INTO card (code) SELECT code FROM variant;
CREATE TEMP TABLE payment (code text, no int, amount bigint, bonus bigint, refunded bigint DEFAULT 0, deducted bigint DEFAULT 0, taken bigint DEFAULT 0);
CREATE TEMP TABLE spent (code text, ref text, principal bigint, bonus bigint, refunded bigint DEFAULT 0);
CREATE TEMP TABLE fault (code text, step int, what text);
CREATE TEMP TABLE done (code text, what text);

-- How much of an amount is bonus, of so much principal and bonus.
CREATE FUNCTION pg_temp.bonus_of(spend_order text, principal bigint, bonus bigint, amount bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE spend_order WHEN 'bonus_first' THEN least(amount, bonus)
		WHEN 'principal_first' THEN greatest(amount - principal, 0)
		ELSE div(amount::numeric * bonus, nullif(principal + bonus, 0))::bigint END
$$;

CREATE PROCEDURE pg_temp.walk(variant_code text, steps int)
LANGUAGE plpgsql AS $$
DECLARE
	v variant;
	c card;
	p payment;
	o spent;
	who bigint = pg_temp.id(variant_code);
	r loyalty.receipt;
	what text;
	expected text;
	amount bigint;
	part bigint;
	own bigint;
	missing bigint;
	at_most bigint;
	held bigint;
	step_bonus bigint;
BEGIN
	SELECT * INTO v FROM variant WHERE code = variant_code;
	PERFORM setseed(v.seed / 100.0);
	FOR step IN 1 .. steps LOOP
		SELECT * INTO c FROM card WHERE code = v.code;
		what := (ARRAY['topup', 'redeem', 'redeem', 'hold', 'refund', 'refund', 'topup_refund', 'topup_refund', 'freeze'])[1 + floor(random() * 9)::int];
		amount := 1 + floor(random() ^ 3 * 20000)::bigint;
		expected := NULL;
		r := NULL;
		IF what = 'topup' THEN
			expected := CASE WHEN c.frozen THEN 'card_frozen' END;
			r := loyalty.topup(who, amount / 100.0, 'pay-' || step, v.code, mode => 'try');
			IF expected IS NULL THEN
				step_bonus := CASE WHEN amount >= 15000 THEN 3333 WHEN amount >= 10000 THEN 1500 WHEN amount >= 5000 THEN 499 ELSE 0 END;
				INSERT INTO payment VALUES (v.code, step, amount, step_bonus);
				c.principal := c.principal + amount;
				c.bonus := c.bonus + step_bonus;
				c.paid_in := c.paid_in + amount;
			END IF;
		ELSIF what = 'redeem' THEN
			expected := CASE WHEN c.frozen THEN 'card_frozen' WHEN amount > c.principal + c.bonus THEN 'insufficient_points' END;
			r := loyalty.redeem(who, amount / 100.0, v.code, 'order-' || step, mode => 'try');
			IF expected IS NULL THEN
				part := pg_temp.bonus_of(v.spend_order, c.principal, c.bonus, amount);
				INSERT INTO spent VALUES (v.code, 'order-' || step, amount - part, part);
				c.principal := c.principal - (amount - part);
				c.bonus := c.bonus - part;
			END IF;
		ELSIF what = 'hold' THEN
			expected := CASE WHEN c.frozen THEN 'card_frozen' WHEN amount > c.principal + c.bonus THEN 'insufficient_points' END;
			r := loyalty.hold(who, amount / 100.0, v.code, ref => 'order-' || step, mode => 'try');
			IF expected IS NULL THEN
				part := pg_temp.bonus_of(v.spend_order, c.principal, c.bonus, amount);
				held := amount;
				amount := 1 + floor(random() * held)::bigint;
				PERFORM loyalty.capture(who, r.hold_id, amount / 100.0);
				part := pg_temp.bonus_of(v.spend_order, held - part, part, amount);
				INSERT INTO spent VALUES (v.code, 'order-' || step, amount - part, part);
				c.principal := c.principal - (amount - part);
				c.bonus := c.bonus - part;
			END IF;
		ELSIF what = 'refund' THEN
			SELECT * INTO o FROM spent s WHERE s.code = v.code AND s.refunded < s.principal + s.bonus ORDER BY random() LIMIT 1;
			CONTINUE WHEN NOT FOUND;
			part := CASE WHEN random() < 0.5 THEN o.principal + o.bonus - o.refunded ELSE least(amount, o.principal + o.bonus - o.refunded) END;
			r := loyalty.refund(who, o.ref, part / 100.0, refund_ref => 'back-' || step, mode => 'try');
			at_most := o.principal + o.bonus;
			own := div(o.bonus::numeric * (o.refunded + part), at_most) - div(o.bonus::numeric * o.refunded, at_most);
			c.principal := c.principal + part - own;
			c.bonus := c.bonus + own;
			UPDATE spent SET refunded = refunded + part WHERE code = v.code AND ref = o.ref;
		ELSIF what = 'topup_refund' THEN
			SELECT * INTO p FROM payment x WHERE x.code = v.code ORDER BY random() LIMIT 1;
			CONTINUE WHEN NOT FOUND;
			own := least(p.bonus - p.taken, greatest(0, c.bonus - (SELECT coalesce(sum(x.bonus - x.taken), 0) FROM payment x WHERE x.code = v.code AND x.no > p.no)));
			at_most := least(p.amount - p.refunded - p.deducted, c.principal);
			missing := CASE v.bonus_policy WHEN 'deduct' THEN least(p.bonus - p.taken - own, at_most) ELSE 0 END;
			at_most := at_most - missing;
			part := CASE WHEN random() < 0.4 THEN at_most ELSE amount END;
			expected := CASE WHEN at_most = 0 OR part > at_most THEN 'refund_exceeds_principal' END;
			r := loyalty.topup_refund(who, 'pay-' || p.no, CASE WHEN part = at_most THEN NULL ELSE part / 100.0 END, 'out-' || step, mode => 'try');
			IF expected IS NULL THEN
				IF part > c.principal THEN
					INSERT INTO fault VALUES (v.code, step, 'paid out more than there was of principal');
				END IF;
				own := CASE WHEN part = at_most THEN own ELSE div(own::numeric * part, at_most) END;
				missing := CASE WHEN part = at_most THEN missing ELSE 0 END;
				UPDATE payment x SET refunded = x.refunded + part, deducted = x.deducted + missing, taken = x.taken + own + missing
				WHERE x.code = v.code AND x.no = p.no;
				c.principal := c.principal - part - missing;
				c.bonus := c.bonus - own;
				c.paid_out := c.paid_out + part;
			END IF;
		ELSE
			IF c.frozen THEN
				r := loyalty.topup_unfreeze(who, v.code, 'found', mode => 'try');
			ELSIF random() < 0.5 THEN
				r := loyalty.topup_freeze(who, v.code, 'lost', mode => 'try');
			ELSE
				CONTINUE;
			END IF;
			c.frozen := NOT c.frozen;
		END IF;
		UPDATE card SET principal = c.principal, bonus = c.bonus, frozen = c.frozen, paid_in = c.paid_in, paid_out = c.paid_out WHERE code = v.code;
		INSERT INTO done VALUES (v.code, what || coalesce(' ' || expected, ''));
		IF r.reason IS DISTINCT FROM expected THEN
			INSERT INTO fault VALUES (v.code, step, format('%s: %s instead of %s', what, coalesce(r.reason, r.status), coalesce(expected, 'done')));
		END IF;
		INSERT INTO fault
		SELECT v.code, step, format('%s: %s + %s instead of %s + %s', what, e.principal, e.bonus, c.principal, c.bonus)
		FROM (SELECT coalesce(sum(x.amount) FILTER (WHERE x.origin = 'p'), 0) AS principal, coalesce(sum(x.amount) FILTER (WHERE x.origin <> 'p'), 0) AS bonus
			FROM loyalty.entry x JOIN loyalty.unit u USING (unit_id) WHERE x.member_id = who AND u.code = v.code) e
		WHERE e.principal <> c.principal OR e.bonus <> c.bonus;
		EXIT WHEN (SELECT count(*) FROM fault) > 5;
	END LOOP;
END
$$;
CALL pg_temp.walk('bonus_first_forgive', 300);
CALL pg_temp.walk('bonus_first_deduct', 300);
CALL pg_temp.walk('principal_first_forgive', 300);
CALL pg_temp.walk('principal_first_deduct', 300);
CALL pg_temp.walk('proportional_forgive', 300);
CALL pg_temp.walk('proportional_deduct', 300);

SELECT is((SELECT string_agg(step || ' ' || what, '; ' ORDER BY step) FROM fault f WHERE f.code = v.code), NULL, v.code || ': as the model') FROM variant v ORDER BY code;
SELECT is((SELECT format('%s + %s', b.principal, b.bonus) FROM loyalty.topup_balance(pg_temp.id(v.code), v.code) b),
	(SELECT format('%s + %s', round(c.principal / 100.0, 2), round(c.bonus / 100.0, 2)) FROM card c WHERE c.code = v.code), v.code || ': topup_balance() says the same')
FROM variant v ORDER BY code;
SELECT is_empty($$SELECT t.ref FROM loyalty.topup t JOIN loyalty.unit u USING (unit_id) LEFT JOIN payment p ON p.code = u.code AND 'pay-' || p.no = t.ref
	WHERE (t.amount, t.bonus, t.refunded, t.deducted, t.bonus_taken) IS DISTINCT FROM (p.amount, p.bonus, p.refunded, p.deducted, p.taken)$$, 'each top-up as in the model');
SELECT is_empty($$SELECT code FROM payment WHERE refunded + deducted > amount OR taken > bonus$$, 'never more than was paid, or given');
SELECT is_empty($$SELECT code FROM card WHERE paid_out > paid_in$$, 'nor more paid out than in');
-- What goes back to the member and what he spent for good is what he paid and was given.
SELECT is_empty($$SELECT c.code FROM card c
	CROSS JOIN LATERAL (SELECT sum(principal - refunded + div(bonus::numeric * refunded, principal + bonus)) AS principal,
		sum(bonus - div(bonus::numeric * refunded, principal + bonus)) AS bonus FROM spent s WHERE s.code = c.code) s
	CROSS JOIN LATERAL (SELECT sum(bonus - taken + deducted) AS bonus, sum(deducted) AS deducted FROM payment p WHERE p.code = c.code) p
	WHERE c.paid_in <> c.principal + s.principal + c.paid_out + p.deducted OR p.bonus <> c.bonus + s.bonus$$, 'nothing comes from nowhere');
SELECT is((SELECT count(*) FROM done WHERE what NOT LIKE '% %') > 800, true, 'most of it was done');
SELECT is((SELECT string_agg(what, ', ' ORDER BY what COLLATE "C") FROM (SELECT DISTINCT what FROM done WHERE what LIKE '% %') x),
	'hold card_frozen, hold insufficient_points, redeem card_frozen, redeem insufficient_points, topup card_frozen, topup_refund refund_exceeds_principal',
	'and each refusal came up');
SELECT cmp_ok((SELECT count(*) FROM payment WHERE deducted > 0), '>=', 3::bigint, 'bonus that was spent was deducted');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;

\set ECHO none
\i test/prelude.sql
-- Whatever happens in whatever order: quotas are never overdrawn, vouchers are
-- as many as the metric stands for, and the books agree with the journal.
SELECT plan(8);

SELECT loyalty.program_create('Hotel', 'EUR', 'Europe/Berlin') AS hotel \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale, period) VALUES (:hotel, 'nights', 'metric', 0, NULL), (:hotel, 'money', 'metric', 2, NULL),
	(:hotel, 'visits', 'counter', 0, 'month'), (:hotel, 'life', 'counter', 0, 'lifetime');
SELECT pg_temp.rule('{"unit": "nights", "kind": "per_quantity", "award": 1, "per": 1}') AS nights \gset
SELECT pg_temp.rule('{"unit": "money", "kind": "per_amount", "award": 1, "per": 1, "proportional": true}') AS money \gset
INSERT INTO loyalty.tier (program_id, code, rank, valid_months) VALUES (:hotel, 'base', 0, NULL), (:hotel, 'gold', 1, 1);
SELECT loyalty.tier_ask('Hotel', 'gold', 'nights', 15, months => 1);
SELECT FROM pg_temp.offer('{"name": "free_night", "kind": "every_n", "unit": "nights", "quantity": 10, "valid_days": 20}', 'everyone');
SELECT FROM pg_temp.offer('{"name": "gold_night", "kind": "every_n", "unit": "nights", "quantity": 7}', 'tier gold');
SELECT FROM pg_temp.offer('{"name": "cigar", "kind": "every_n", "unit": "money", "quantity": 321.50}', 'tag friend');
SELECT FROM pg_temp.offer('{"name": "lounge", "kind": "quota", "unit": "visits", "quantity": 3}', 'everyone');
SELECT FROM pg_temp.offer('{"name": "ever", "kind": "quota", "unit": "life", "quantity": 5}', 'tier gold');
SELECT FROM pg_temp.offer('{"name": "ironing", "kind": "voucher", "valid_days": 5}', 'everyone');
SELECT FROM pg_temp.offer('{"name": "cake", "kind": "gift", "gap_days": 10}', 'everyone');
CALL pg_temp.enroll('Hotel', 'm1', 'm2', 'm3');

CREATE FUNCTION pg_temp.call(no int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	id bigint = pg_temp.id('m' || 1 + floor(random() * 3));
	a_ref text = 'o' || floor(random() * 30);
	a_benefit text = (ARRAY['free_night', 'gold_night', 'cigar', 'lounge', 'ever', 'ironing', 'cake'])[1 + floor(random() * 7)];
	a_key text = 'k' || no;
	n int = 1 + floor(random() * 12);
	earlier timestamptz = CASE WHEN random() < 0.3 THEN loyalty.now() - interval '20 days' END;
	r loyalty.receipt;
BEGIN
	CASE floor(random() * 13)::int
		WHEN 0, 1, 2 THEN SELECT x.* INTO r FROM loyalty.purchase(id, 100.37 * n, a_ref,
			jsonb_build_array(jsonb_build_object('sku', 'room', 'qty', n, 'price', 100.37)), at => earlier, mode => 'try') x;
		WHEN 3 THEN SELECT x.* INTO r FROM loyalty.refund(id, a_ref, key => a_key, mode => 'try') x;
		WHEN 4 THEN SELECT x.* INTO r FROM loyalty.refund(id, a_ref, items => jsonb_build_array(jsonb_build_object('line', 1, 'qty', n)), key => a_key, mode => 'try') x;
		WHEN 5, 6, 7 THEN SELECT x.* INTO r FROM loyalty.benefit_use(id, a_benefit, a_ref, 1 + n / 9, mode => 'try') x;
		WHEN 8 THEN SELECT x.* INTO r FROM loyalty.benefit_return(id, a_benefit, a_ref, CASE WHEN n < 5 THEN 1 END, key => a_key, mode => 'try') x;
		WHEN 9 THEN SELECT x.* INTO r FROM loyalty.benefit_issue(id, 'ironing', 'why', ref => a_key, mode => 'try') x;
		WHEN 10 THEN SELECT x.* INTO r FROM loyalty.benefit_claim(id, 'cake', mode => 'try') x;
		WHEN 11 THEN SELECT x.* INTO r FROM loyalty.adjust(id, CASE WHEN n < 7 THEN -n ELSE n END, 'nights', 'why', key => a_key, mode => 'try') x;
		WHEN 12 THEN IF n < 7 THEN PERFORM loyalty.tag_add(id, 'friend'); ELSE PERFORM loyalty.tag_remove(id, 'friend'); END IF;
	END CASE;
	RETURN coalesce(r.reason, r.status, 'done');
END
$$;

-- Vouchers of a benefit for every n, beside what the wallet stands at.
CREATE VIEW pg_temp.standing AS
SELECT b.name, v.vouchers, v.used, div(loyalty.wallet_total(a.wallet, b.unit_id), b.quantity * 10::numeric ^ u.scale) AS reached
FROM loyalty.account a
JOIN loyalty.benefit b ON b.kind = 'every_n'
JOIN loyalty.unit u USING (unit_id)
CROSS JOIN LATERAL (
	SELECT count(*) AS vouchers, count(*) FILTER (WHERE v.status = 'used') AS used
	FROM loyalty.voucher v WHERE v.member_id = a.member_id AND v.benefit_id = b.benefit_id AND v.status <> 'void') v;

CREATE TEMP TABLE answer (no int, answer text);
CREATE TEMP TABLE fault (no int, fault text);
SELECT setseed(0.31);
DO $$
BEGIN
	FOR turn IN 1..1200 LOOP
		PERFORM set_config('loyalty.now', (timestamptz '2026-03-01 12:00+00' + turn * interval '4 hours')::text, true);
		INSERT INTO answer VALUES (turn, pg_temp.call(turn));
		INSERT INTO fault SELECT turn, format('%s: %s vouchers, %s used, reached %s', name, vouchers, used, reached) FROM pg_temp.standing
		-- who is always entitled has all that is due; nobody more, unless it was used
		WHERE CASE WHEN name = 'free_night' THEN vouchers <> greatest(reached, used) ELSE vouchers > greatest(reached, used) END;
		IF turn % 200 = 0 THEN
			INSERT INTO fault SELECT turn, invariant || ' ' || detail FROM loyalty.verify();
		END IF;
	END LOOP;
END
$$;
SELECT is_empty('SELECT no, fault FROM fault LIMIT 3', 'never a fault on the way');
SELECT is_empty($$SELECT j.member_id, j.event FROM loyalty.journal j WHERE j.kind IN ('benefit_use', 'benefit_return') AND j.event = 'lounge'
	GROUP BY j.member_id, j.event, to_char(coalesce((SELECT u.effective_at FROM loyalty.journal u WHERE u.member_id = j.member_id AND u.kind = 'benefit_use'
		AND u.event = j.event AND u.ref = j.reverses), j.effective_at) AT TIME ZONE 'Europe/Berlin', 'YYYY-MM')
	HAVING sum(CASE j.kind WHEN 'benefit_use' THEN j.amount ELSE -j.amount END) > 3$$, 'no month had more visits than there were');
SELECT is_empty($$SELECT j.member_id FROM loyalty.journal j WHERE j.kind IN ('benefit_use', 'benefit_return') AND j.event = 'ever'
	GROUP BY j.member_id HAVING sum(CASE j.kind WHEN 'benefit_use' THEN j.amount ELSE -j.amount END) > 5$$, 'nor had a life');
SELECT is_empty($$SELECT v.member_id FROM loyalty.voucher v JOIN loyalty.journal j ON j.member_id = v.member_id AND j.journal_id = v.journal_id
	WHERE v.status = 'used' AND (j.effective_at AT TIME ZONE 'Europe/Berlin')::date NOT BETWEEN v.issued_on AND coalesce(v.valid_until, 'infinity')$$, 'no voucher was used after its last day');
SELECT is_empty($$SELECT j.member_id, j.reverses, j.event FROM loyalty.journal j WHERE j.kind = 'benefit_return' GROUP BY 1, 2, 3
	HAVING sum(j.amount) > (SELECT u.amount FROM loyalty.journal u WHERE u.member_id = j.member_id AND u.kind = 'benefit_use' AND u.event = j.event AND u.ref = j.reverses)$$,
	'no more came back than was used');
SELECT cmp_ok(count(*) FILTER (WHERE answer = 'done'), '>', 300::bigint, 'many calls were done') FROM answer;
SELECT cmp_ok(count(DISTINCT answer), '>', 6::bigint, 'others were refused, for many reasons') FROM answer;

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;

-- Who else the members have become, and what that entitles them to. All of them are
-- judged at once, as when a programme with members gets more tags.
SELECT program_id AS program FROM loyalty.program WHERE name = 'demo' \gset

INSERT INTO loyalty.tag (program_id, name, dimension, title, condition) VALUES
	(:program, 'regular', 'transaction', 'three orders or more in 90 days', '$.purchases.days_90.times >= 3'),
	(:program, 'big_baskets', 'transaction', '500 pounds an order', '$.purchases.days_365.average >= 500'),
	(:program, 'dormant', 'behaviour', 'half a year without an order', '$.member.days_since_purchase > 182');
-- how long ago, how often, how much
INSERT INTO loyalty.segment (program_id, name, title, condition) VALUES
	(:program, 'champions', 'ordered within 30 days, ten times a year, 5,000 pounds', '$.member.days_since_purchase <= 30'
		' && $.purchases.days_365.times >= 10 && $.purchases.days_365.amount >= 5000'),
	(:program, 'at_risk', 'three orders in the year, none in 90 days', '$.member.days_since_purchase > 90'
		' && $.purchases.days_365.times >= 3');

DO $$
DECLARE
	more boolean := true;
BEGIN
	WHILE more LOOP
		SELECT left_over INTO more FROM loyalty.tag_refresh('demo');
	END LOOP;
END $$;

CREATE TABLE demo.known_at_end AS
SELECT i.value::int AS customer_no, k.kind, k.name
FROM (SELECT member_id, 'tag' AS kind, tag AS name FROM loyalty.member_tag
		JOIN loyalty.tag ON name = tag AND dimension <> 'lifecycle'
	UNION ALL
	SELECT member_id, 'segment', segment FROM loyalty.member_segment) k
	JOIN loyalty.identity i USING (member_id)
WHERE i.kind = 'customer_no';

-- Four free deliveries a month for gold, eight for diamond and for who has paid.
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES (:program, 'deliveries', 'counter', 'month')
RETURNING unit_id AS deliveries \gset
INSERT INTO loyalty.plan (program_id, name, title, months, price) VALUES (:program, 'plus', 'Plus', 12, 49.90);
INSERT INTO loyalty.benefit (program_id, name, title, kind, unit_id, quantity, percent_off) VALUES
	(:program, 'free_delivery', 'Free delivery', 'quota', :deliveries, 4, NULL),
	(:program, 'champions_price', '5 % off everything', 'price', NULL, NULL, 5),
	(:program, 'presale', 'Orders before others', 'flag', NULL, NULL, NULL);
SELECT loyalty.benefit_hold('demo', 'free_delivery', 'tier', 'gold'),
	loyalty.benefit_hold('demo', 'free_delivery', 'tier', 'diamond', 8),
	loyalty.benefit_hold('demo', 'free_delivery', 'plan', 'plus', 8),
	loyalty.benefit_hold('demo', 'champions_price', 'segment', 'champions'),
	loyalty.benefit_hold('demo', 'presale', 'tier', 'diamond'),
	loyalty.benefit_hold('demo', 'presale', 'plan', 'plus') \g /dev/null

-- A gold member among the champions who ordered most this month pays for more.
SELECT i.member_id AS buyer, i.value AS buyer_no
FROM demo.tier_at_end t JOIN loyalty.identity i ON i.kind = 'customer_no' AND i.value = t.customer_no::text
	JOIN loyalty.member_segment s ON s.member_id = i.member_id AND s.segment = 'champions'
	LEFT JOIN demo.call c ON c.customer_no = t.customer_no AND c.verb = 'purchase'
		AND c.month = date_trunc('month', loyalty.now())
WHERE t.tier = 'gold'
GROUP BY i.member_id, i.value
ORDER BY count(c.ref) DESC, i.value
LIMIT 1 \gset
SELECT status FROM loyalty.plan_buy(:buyer, 'plus', 'P-1') \g /dev/null

-- The orders of the month, as far as their members may have them delivered free.
CREATE TABLE demo.delivery AS
SELECT c.customer_no, c.ref, u.status, u.reason
FROM (SELECT * FROM demo.call WHERE verb = 'purchase' AND month = date_trunc('month', loyalty.now()) ORDER BY call_no) c
	JOIN loyalty.identity i ON i.kind = 'customer_no' AND i.value = c.customer_no::text,
	LATERAL loyalty.benefit_use(i.member_id, 'free_delivery', c.ref, mode => 'try') u;

\pset format unaligned
\pset tuples_only on
SELECT rpad('Tags on ' || to_char(loyalty.now(), 'FMDD FMMonth YYYY'), 30) || lpad('members', 12);
SELECT rpad('  ' || name, 30) || demo.count_of(count(customer_no)) || '   ' || title
FROM loyalty.tag LEFT JOIN demo.known_at_end USING (name)
WHERE dimension <> 'lifecycle'
GROUP BY name, title ORDER BY name;
SELECT 'Segments';
SELECT rpad('  ' || name, 30) || demo.count_of(count(customer_no)) || '   ' || title
FROM loyalty.segment LEFT JOIN demo.known_at_end USING (name)
GROUP BY name, title ORDER BY name;
SELECT concat_ws(E'\n',
	rpad('Free deliveries this month', 30) || lpad('orders', 12),
	rpad('  had', 30) || demo.count_of(count(*) FILTER (WHERE status = 'done')) || format('   of %s members',
		to_char(count(DISTINCT customer_no) FILTER (WHERE status = 'done'), 'FM999,990')),
	rpad('  used up', 30) || demo.count_of(count(*) FILTER (WHERE reason = 'quota_exhausted')),
	rpad('  not for this member', 30) || demo.count_of(count(*) FILTER (WHERE reason = 'not_entitled')), '')
FROM demo.delivery;

\pset format aligned
\pset tuples_only off
\echo The benefits of customer :buyer_no, who has paid for Plus
SELECT '  ' || name AS "  benefit", by, remaining AS "left", quantity AS "of", period_until AS "this period until",
	until::date AS "until before"
FROM loyalty.benefits(:buyer) ORDER BY name;

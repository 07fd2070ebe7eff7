-- What the claims of a hot batch came to
\set ON_ERROR_STOP on

INSERT INTO bench.measure (title, value, target, met)
SELECT r.title, r.value, r.target, r.met
FROM (
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY s.tps) AS rate,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY s.tps / c.tps) AS first,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY s.tps / l.tps) AS late
	FROM bench.result s
	JOIN bench.result c ON c.operation = s.operation AND c.round = s.round AND c.variant = 'counter'
	JOIN bench.result l ON l.operation = s.operation AND l.round = s.round AND l.variant = 'late'
	WHERE s.operation = 'claim' AND s.variant = 'slots') x,
(SELECT count(*) AS claimed FROM loyalty.member_coupon JOIN loyalty.coupon USING (coupon_id) WHERE name = 'scarce') y,
LATERAL (VALUES
	(1, 'claims a second from one hot batch, 32 clients, durable', round(x.rate::numeric)::text, NULL, NULL),
	(2, 'the same against a counter in one row', round(x.first::numeric, 2) || ' x', '>= 5', x.first >= 5),
	(3, 'the same against a counter that is updated last', round(x.late::numeric, 2) || ' x', NULL, NULL),
	(4, 'claimed of 1,000, when 32 clients ask for 1,280', y.claimed::text, '1000', y.claimed = 1000)) r (place, title, value, target, met)
ORDER BY r.place;

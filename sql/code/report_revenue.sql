-- Revenue of points by IFRS 15 and ASC 606: what of the price of sales was put off until
-- the points are redeemed is recognised as they are.

CREATE OR REPLACE FUNCTION loyalty.revenue_allocated(price numeric, points_value numeric, goods_value numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT round(price * points_value / nullif(points_value + goods_value, 0), 2);
END;
COMMENT ON FUNCTION loyalty.revenue_allocated(numeric, numeric, numeric) IS
'The part of a price that is put off for points, by the stand-alone prices of points and goods, to two decimals';

CREATE OR REPLACE FUNCTION loyalty.revenue_recognised(deferred numeric, redeemed numeric, expected numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN redeemed >= expected THEN deferred ELSE deferred * redeemed / nullif(expected, 0) END;
END;
COMMENT ON FUNCTION loyalty.revenue_recognised(numeric, numeric, numeric) IS
'What has been recognised in all of what was put off, when so much was redeemed of what is expected to be redeemed in the end; not rounded';

CREATE OR REPLACE FUNCTION loyalty.report_revenue(program text, since date, until date, deferred numeric, expected numeric[],
	unit text DEFAULT 'points', grain text DEFAULT 'year')
RETURNS TABLE (period date, redeemed numeric, redeemed_to_date numeric, expected numeric, recognised_to_date numeric,
	recognised numeric, remaining numeric, currency text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.unit_require(loyalty.report_require(report_revenue.program, report_revenue.since, report_revenue.until, NULL,
		report_revenue.grain), report_revenue.unit), loyalty.report_estimate_require(report_revenue.deferred, report_revenue.expected);

	WITH rolled AS (
		SELECT r.period, r.spent, sum(r.spent) OVER (ORDER BY r.period) AS to_date, row_number() OVER (ORDER BY r.period) AS n
		FROM loyalty.report_points(report_revenue.program, report_revenue.since, report_revenue.until, report_revenue.unit,
			NULL, report_revenue.grain) r
	), estimated AS (
		SELECT r.period, r.spent, r.to_date, report_revenue.expected[least(r.n, cardinality(report_revenue.expected))] AS expected
		FROM rolled r
	), recognised AS (
		SELECT e.period, e.spent, e.to_date, e.expected, round(loyalty.revenue_recognised(report_revenue.deferred, e.to_date, e.expected), p.currency_scale) AS in_all,
			p.currency
		FROM loyalty.program p
		CROSS JOIN estimated e
		WHERE p.name = report_revenue.program
	)
	SELECT c.period, c.spent, c.to_date, c.expected, c.in_all, c.in_all - lag(c.in_all, 1, 0) OVER (ORDER BY c.period),
		report_revenue.deferred - c.in_all, c.currency
	FROM recognised c
	ORDER BY c.period;
END;
COMMENT ON FUNCTION loyalty.report_revenue(text, date, date, numeric, numeric[], text, text) IS
'What of an amount that was put off for points is recognised in which period, as they are redeemed; expected: how many will be redeemed in all, as estimated at the end of each period, the last for all that follow';

-- What is owed to members: what is outstanding, when it lapses, what it is worth, and
-- how much of it will never be asked for.

-- Months before that of the moment come from the sums, and this month, too, if nothing
-- of it came after the moment. Else this month is read from the ledger, which is slow.
CREATE OR REPLACE FUNCTION loyalty.report_lot_ledger(program_id int, since timestamptz, until timestamptz)
RETURNS TABLE (unit_id int, expires_on date, kind text, amount bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT x.unit_id, coalesce(x.expires_on, 'infinity'), x.kind, sum(x.amount)::bigint
	FROM (
		SELECT e.unit_id, CASE WHEN e.origin = 'd' THEN '-infinity' ELSE e.expires_on END AS expires_on, j.kind, e.amount
		FROM loyalty.journal j
		JOIN loyalty.entry e ON e.member_id = j.member_id AND e.journal_id = j.journal_id
		WHERE j.program_id = report_lot_ledger.program_id
		AND j.effective_at >= report_lot_ledger.since AND j.effective_at <= report_lot_ledger.until
		UNION ALL
		SELECT j.unit_id, NULL, 'captured', j.amount
		FROM loyalty.journal j
		WHERE j.program_id = report_lot_ledger.program_id AND j.kind = 'capture'
		AND j.effective_at >= report_lot_ledger.since AND j.effective_at <= report_lot_ledger.until) x
	GROUP BY 1, 2, 3;
END;
COMMENT ON FUNCTION loyalty.report_lot_ledger(int, timestamptz, timestamptz) IS
'For report_lot_at: what came and went between two moments by unit, last day of use and kind, from the ledger; kind captured: what captures spent of what was held';

CREATE OR REPLACE FUNCTION loyalty.report_lot_at(program_id int, at timestamptz)
RETURNS TABLE (unit_id int, expires_on date, held boolean, amount bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH moment AS MATERIALIZED (
		SELECT c.program_id, c.at, c.day, c.month,
			(c.month::timestamp AT TIME ZONE c.time_zone) AS month_at,
			c.at = loyalty.report_end(c.program_id, c.day) AND NOT EXISTS (
				SELECT FROM loyalty.report_value(c.program_id, c.day + 1, (c.month + interval '1 month')::date - 1, 'all') v
				WHERE v.unit_id <> 0) AS is_whole
		FROM (
			SELECT p.program_id, p.time_zone, report_lot_at.at,
				(report_lot_at.at AT TIME ZONE p.time_zone)::date AS day,
				date_trunc('month', report_lot_at.at AT TIME ZONE p.time_zone)::date AS month
			FROM loyalty.program p
			WHERE p.program_id = report_lot_at.program_id) c
	), moved AS (
		SELECT u.unit_id, s.expires_on, false AS held, s.credited + s.debited AS amount
		FROM moment m
		JOIN loyalty.unit u ON u.program_id = m.program_id AND u.kind IN ('points', 'money')
		CROSS JOIN LATERAL loyalty.report_lot_sum(m.program_id, u.unit_id) s
		WHERE s.month < m.month OR (s.month = m.month AND m.is_whole)
		UNION ALL
		SELECT v.unit_id, 'infinity', true, CASE v.kind WHEN 'capture' THEN - v.credited ELSE - v.credited - v.debited END
		FROM moment m
		CROSS JOIN LATERAL loyalty.report_value(m.program_id, '-infinity', CASE WHEN m.is_whole THEN m.day ELSE m.month - 1 END, 'all') v
		WHERE v.unit_id <> 0 AND loyalty.report_points_class(v.kind) IN ('held', 'capture')
		UNION ALL
		SELECT l.unit_id, l.expires_on, h.held, CASE WHEN h.held THEN - l.amount ELSE l.amount END
		FROM (SELECT x.program_id, x.month_at, x.at FROM moment x WHERE NOT x.is_whole) m
		CROSS JOIN LATERAL loyalty.report_lot_ledger(m.program_id, m.month_at, m.at) l
		CROSS JOIN (VALUES (false), (true)) h (held)
		WHERE CASE WHEN h.held THEN l.kind = 'captured' OR loyalty.report_points_class(l.kind) IN ('held', 'capture')
			ELSE l.kind <> 'captured' END
		UNION ALL
		SELECT u.unit_id, u.expires_on, h.held, CASE WHEN h.held THEN - u.amount ELSE u.amount END
		FROM moment m
		CROSS JOIN LATERAL loyalty.report_unposted(m.program_id, m.at) u
		CROSS JOIN (VALUES (false), (true)) h (held)
		WHERE u.unit_id IS NOT NULL AND (NOT h.held OR loyalty.report_points_class(u.kind) = 'held')
	)
	SELECT m.unit_id, CASE WHEN m.held THEN 'infinity' ELSE m.expires_on END, m.held, sum(m.amount)::bigint
	FROM moved m
	JOIN loyalty.unit u ON u.unit_id = m.unit_id AND u.kind IN ('points', 'money')
	GROUP BY 1, 2, 3
	HAVING sum(m.amount) <> 0;
END;
COMMENT ON FUNCTION loyalty.report_lot_at(int, timestamptz) IS
'For reports: what is outstanding at a moment by unit and last day of use (infinity: none), and what is held of it, whether or not what is due was posted; -infinity: debt, which is below zero';

CREATE OR REPLACE FUNCTION loyalty.report_worth(unit_id int, amount numeric, at date)
RETURNS numeric LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT floor(CASE WHEN v.units IS NOT NULL THEN report_worth.amount * v.money / v.units
		-- stored value pays one for one
		WHEN u.kind = 'money' THEN report_worth.amount * 10::numeric ^ (p.currency_scale - u.scale) END)
	FROM loyalty.unit u
	JOIN loyalty.program p ON p.program_id = u.program_id
	LEFT JOIN LATERAL (
		SELECT x.units, x.money
		FROM loyalty.unit_anchor x
		WHERE x.unit_id = u.unit_id AND x.valid_from <= report_worth.at
		ORDER BY x.valid_from DESC
		LIMIT 1) v ON true
	WHERE u.unit_id = report_worth.unit_id;
END;
COMMENT ON FUNCTION loyalty.report_worth(int, numeric, date) IS
'For reports: what an amount in minor units is worth by the anchor of a day, in whole minor units of the currency; without anchor stored value is worth itself, all else NULL';

CREATE OR REPLACE FUNCTION loyalty.report_lot_cohort(program_id int, unit_id int, at date)
RETURNS TABLE (cohort date, issued bigint, expired bigint, outstanding bigint, is_over boolean)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH moved AS (
		SELECT s.expires_on, coalesce(loyalty.report_points_class(s.kind), 'adjusted') AS class, s.credited, s.debited
		FROM loyalty.report_lot_sum(report_lot_cohort.program_id, report_lot_cohort.unit_id) s
		WHERE s.month <= report_lot_cohort.at
		UNION ALL
		SELECT u.expires_on, coalesce(loyalty.report_points_class(u.kind), 'adjusted'), greatest(u.amount, 0), least(u.amount, 0)
		FROM loyalty.report_unposted(report_lot_cohort.program_id,
			loyalty.report_end(report_lot_cohort.program_id, report_lot_cohort.at)) u
		WHERE u.unit_id = report_lot_cohort.unit_id
	)
	SELECT CASE WHEN isfinite(m.expires_on) THEN date_trunc('month', m.expires_on)::date ELSE 'infinity' END,
		coalesce(sum(CASE WHEN m.class IN ('issued', 'adjusted', 'transferred', 'none') THEN m.credited + m.debited
			WHEN m.class = 'refund' THEN m.debited END), 0)::bigint,
		coalesce(- sum(m.credited + m.debited) FILTER (WHERE m.class = 'expired'), 0)::bigint,
		sum(m.credited + m.debited)::bigint,
		-- debt is with what never lapses
		isfinite(max(m.expires_on)) AND date_trunc('month', max(m.expires_on)) + interval '1 month' <= report_lot_cohort.at::timestamp
	FROM moved m
	GROUP BY 1;
END;
COMMENT ON FUNCTION loyalty.report_lot_cohort(int, int, date) IS
'For reports: of what lapses in a month how much was issued, lapsed and is left, in minor units; is_over: the month is over on the day';

CREATE OR REPLACE FUNCTION loyalty.report_breakage_rate(program_id int, unit_id int, at date)
RETURNS numeric LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN sum(c.issued) > 0 THEN round(least(greatest(sum(c.expired) / sum(c.issued), 0), 1), 4) END
	FROM loyalty.report_lot_cohort(report_breakage_rate.program_id, report_breakage_rate.unit_id, report_breakage_rate.at) c
	WHERE c.is_over;
END;
COMMENT ON FUNCTION loyalty.report_breakage_rate(int, int, date) IS
'For reports: the share of what was issued that lapsed, of all months that are over; NULL if there is none';

CREATE OR REPLACE FUNCTION loyalty.report_breakage(program text, unit text DEFAULT 'points')
RETURNS TABLE (cohort date, issued numeric, used numeric, expired numeric, outstanding numeric, is_over boolean, breakage_rate numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 24
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.unit_require(loyalty.report_require(report_breakage.program, '2000-01-01', '2000-01-01'), report_breakage.unit);

	SELECT nullif(c.cohort, 'infinity'), loyalty.unit_amount(c.issued, u.scale),
		loyalty.unit_amount(c.issued - c.expired - c.outstanding, u.scale), loyalty.unit_amount(c.expired, u.scale),
		loyalty.unit_amount(c.outstanding, u.scale), c.is_over,
		CASE WHEN c.is_over THEN round(c.expired::numeric / nullif(c.issued, 0), 4) END
	FROM loyalty.program p
	JOIN loyalty.unit u ON u.program_id = p.program_id
	CROSS JOIN LATERAL loyalty.report_lot_cohort(p.program_id, u.unit_id, (loyalty.now() AT TIME ZONE p.time_zone)::date) c
	WHERE p.name = report_breakage.program AND u.code = report_breakage.unit
	ORDER BY c.cohort;
END;
COMMENT ON FUNCTION loyalty.report_breakage(text, text) IS
'Of what lapses in each month how much was issued, used and lapsed; the rate where the month is over';

CREATE OR REPLACE FUNCTION loyalty.report_expiry(program text, unit text DEFAULT 'points', at date DEFAULT NULL)
RETURNS TABLE (month date, state text, amount numeric, worth numeric, currency text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 24
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.unit_require(loyalty.report_require(report_expiry.program, coalesce(report_expiry.at, '2000-01-01'),
		coalesce(report_expiry.at, '2000-01-01')), report_expiry.unit);

	WITH found AS MATERIALIZED (
		SELECT p.program_id, p.currency, p.currency_scale, u.unit_id, u.scale,
			least(report_expiry.at, (loyalty.now() AT TIME ZONE p.time_zone)::date) AS day
		FROM loyalty.program p
		JOIN loyalty.unit u ON u.program_id = p.program_id
		WHERE p.name = report_expiry.program AND u.code = report_expiry.unit
	), lapsing AS (
		SELECT CASE WHEN isfinite(l.expires_on) THEN date_trunc('month', l.expires_on)::date END AS month,
			CASE WHEN l.held THEN 3 WHEN l.expires_on = 'infinity' THEN 2 WHEN l.expires_on = '-infinity' THEN 4 ELSE 1 END AS state,
			sum(l.amount) AS amount
		FROM found f
		CROSS JOIN LATERAL loyalty.report_lot_at(f.program_id, loyalty.report_end(f.program_id, f.day)) l
		WHERE l.unit_id = f.unit_id
		GROUP BY 1, 2
		HAVING sum(l.amount) <> 0
	), added AS (
		SELECT l.month, l.state, l.amount, sum(l.amount) OVER (ORDER BY l.state, l.month) AS up_to
		FROM lapsing l
	)
	SELECT a.month, ('{lapses,never,held,debt}'::text[])[a.state], loyalty.unit_amount(a.amount::bigint, f.scale),
		-- rounded so that the rows add up to the worth of all
		loyalty.unit_amount((loyalty.report_worth(f.unit_id, a.up_to, f.day)
			- loyalty.report_worth(f.unit_id, a.up_to - a.amount, f.day))::bigint, f.currency_scale), f.currency
	FROM found f
	CROSS JOIN added a
	ORDER BY a.state, a.month;
END;
COMMENT ON FUNCTION loyalty.report_expiry(text, text, date) IS
'What is outstanding at the end of a local day, today by default, by the month in which it lapses; month NULL: what never lapses, what is held, and, below zero, what members owe, as state says';

CREATE OR REPLACE FUNCTION loyalty.report_owed(program_id int, at timestamptz, known_at timestamptz, breakage numeric)
RETURNS TABLE (unit text, outstanding numeric, worth numeric, breakage_rate numeric, expected numeric, liability numeric,
	currency text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 3
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT u.code, loyalty.unit_amount(x.outstanding::bigint, u.scale),
		loyalty.unit_amount(loyalty.report_worth(u.unit_id, x.outstanding, d.day)::bigint, p.currency_scale), r.rate,
		loyalty.unit_amount(x.expected::bigint, u.scale),
		loyalty.unit_amount(loyalty.report_worth(u.unit_id, x.expected, d.day)::bigint, p.currency_scale), p.currency
	FROM loyalty.program p
	CROSS JOIN LATERAL (SELECT (report_owed.at AT TIME ZONE p.time_zone)::date AS day) d
	JOIN loyalty.unit u ON u.program_id = p.program_id AND u.kind IN ('points', 'money')
	LEFT JOIN (
		SELECT y.unit_id, sum(y.amount) AS total, sum(y.amount) FILTER (WHERE isfinite(y.expires_on)) AS lapsing
		FROM (
			SELECT w.unit_id, w.expires_on, w.amount
			FROM (SELECT report_owed.at WHERE report_owed.known_at IS NULL) k (at)
			CROSS JOIN LATERAL loyalty.report_lot_at(report_owed.program_id, k.at) w
			UNION ALL
			SELECT w.unit_id, w.expires_on, w.amount
			FROM (SELECT report_owed.known_at WHERE report_owed.known_at IS NOT NULL) k (at)
			JOIN loyalty.member m ON m.program_id = report_owed.program_id
			CROSS JOIN LATERAL loyalty.balance_lot_at(m.member_id, report_owed.at, k.at) w) y
		GROUP BY y.unit_id) l ON l.unit_id = u.unit_id
	CROSS JOIN LATERAL (
		SELECT coalesce(report_owed.breakage, loyalty.report_breakage_rate(p.program_id, u.unit_id, d.day)) AS rate) r
	CROSS JOIN LATERAL (
		-- a given rate is for all of it, history tells of what can lapse
		SELECT coalesce(l.total, 0) AS outstanding, coalesce(l.total, 0)
			- coalesce(round(r.rate * CASE WHEN report_owed.breakage IS NULL THEN l.lapsing ELSE l.total END), 0) AS expected) x
	WHERE p.program_id = report_owed.program_id
	ORDER BY u.unit_id;
END;
COMMENT ON FUNCTION loyalty.report_owed(int, timestamptz, timestamptz, numeric) IS
'For report_liability: what is owed at a moment, by unit; known_at NULL: by all that is known; breakage NULL: by history';

CREATE OR REPLACE FUNCTION loyalty.report_share_require(name text, value numeric)
RETURNS numeric LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_report_share_require';
COMMENT ON FUNCTION loyalty.report_share_require(text, numeric) IS
'For reports: an argument that is NULL or from 0 to 1; else 22023';

CREATE OR REPLACE FUNCTION loyalty.report_liability(program text, at date DEFAULT NULL, breakage numeric DEFAULT NULL)
RETURNS TABLE (unit text, outstanding numeric, worth numeric, breakage_rate numeric, expected numeric, liability numeric,
	currency text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 3
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.report_require(report_liability.program, coalesce(report_liability.at, '2000-01-01'),
		coalesce(report_liability.at, '2000-01-01')), loyalty.report_share_require('breakage', report_liability.breakage);

	SELECT o.unit, o.outstanding, o.worth, o.breakage_rate, o.expected, o.liability, o.currency
	FROM loyalty.program p
	CROSS JOIN LATERAL loyalty.report_owed(p.program_id, loyalty.report_end(p.program_id,
		-- a day to come is as today: what will have lapsed by then is not known
		least(report_liability.at, (loyalty.now() AT TIME ZONE p.time_zone)::date)), NULL, report_liability.breakage) o
	WHERE p.name = report_liability.program;
END;
COMMENT ON FUNCTION loyalty.report_liability(text, date, numeric) IS
'What is owed to members at the end of a local day, today by default: outstanding, its worth by the anchor, and what of it is expected to be asked for';

CREATE OR REPLACE FUNCTION loyalty.liability_at(program text, at timestamptz, known_at timestamptz DEFAULT NULL,
	breakage numeric DEFAULT NULL)
RETURNS TABLE (unit text, outstanding numeric, worth numeric, breakage_rate numeric, expected numeric, liability numeric,
	currency text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 3
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.report_require(liability_at.program, '2000-01-01', '2000-01-01'), loyalty.report_moment_require(liability_at.at),
		loyalty.report_share_require('breakage', liability_at.breakage);

	SELECT o.unit, o.outstanding, o.worth, o.breakage_rate, o.expected, o.liability, o.currency
	FROM loyalty.program p
	CROSS JOIN LATERAL loyalty.report_owed(p.program_id, least(liability_at.at,
		-- as report_liability: what will have lapsed by then is not known
		loyalty.report_end(p.program_id, (loyalty.now() AT TIME ZONE p.time_zone)::date)), liability_at.known_at, liability_at.breakage) o
	WHERE p.name = liability_at.program;
END;
COMMENT ON FUNCTION loyalty.liability_at(text, timestamptz, timestamptz, numeric) IS
'What was owed to members at a moment; known_at: by what had been recorded at that moment, without what came in later';

-- When it will be asked for. Lots are known by their last day, so that history tells how
-- much of what lapses in a month was spent how many months before.

CREATE OR REPLACE FUNCTION loyalty.report_curve(program_id int, unit_id int, at date)
RETURNS TABLE (months_left int, spent bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 24
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT x.months_left, greatest(sum(x.spent), 0)::bigint
	FROM (
		SELECT greatest((extract(year FROM s.expires_on) * 12 + extract(month FROM s.expires_on)
				- extract(year FROM s.month) * 12 - extract(month FROM s.month))::int, 0) AS months_left,
			CASE WHEN loyalty.report_points_class(s.kind) = 'refund' THEN - s.credited
				WHEN s.kind = 'capture' THEN - s.credited ELSE - s.credited - s.debited END AS spent
		FROM loyalty.report_lot_sum(report_curve.program_id, report_curve.unit_id) s
		WHERE isfinite(s.expires_on) AND date_trunc('month', s.expires_on) + interval '1 month' <= report_curve.at::timestamp
		AND loyalty.report_points_class(s.kind) IN ('spent', 'held', 'capture', 'refund')) x
	GROUP BY x.months_left;
END;
COMMENT ON FUNCTION loyalty.report_curve(int, int, date) IS
'For report_liability_schedule: of what lapsed or was used in months that are over, how much was used how many months before, in minor units';

CREATE OR REPLACE FUNCTION loyalty.report_liability_schedule(program text, unit text DEFAULT 'points', at date DEFAULT NULL,
	breakage numeric DEFAULT NULL)
RETURNS TABLE (month date, expected numeric, breakage numeric, worth numeric, currency text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 24
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.unit_require(loyalty.report_require(report_liability_schedule.program,
		coalesce(report_liability_schedule.at, '2000-01-01'), coalesce(report_liability_schedule.at, '2000-01-01')),
		report_liability_schedule.unit), loyalty.report_share_require('breakage', report_liability_schedule.breakage);

	WITH found AS MATERIALIZED (
		SELECT p.program_id, p.currency, p.currency_scale, u.unit_id, u.scale, d.day, date_trunc('month', d.day)::date AS first,
			coalesce(report_liability_schedule.breakage, loyalty.report_breakage_rate(p.program_id, u.unit_id, d.day), 0) AS rate
		FROM loyalty.program p
		JOIN loyalty.unit u ON u.program_id = p.program_id
		CROSS JOIN LATERAL (
			SELECT least(report_liability_schedule.at, (loyalty.now() AT TIME ZONE p.time_zone)::date) AS day) d
		WHERE p.name = report_liability_schedule.program AND u.code = report_liability_schedule.unit
	), curve AS MATERIALIZED (
		SELECT c.months_left, c.spent
		FROM found f
		CROSS JOIN LATERAL loyalty.report_curve(f.program_id, f.unit_id, f.day) c
		WHERE c.spent > 0
	), bucket AS (
		SELECT b.last, b.amount,
			-- rounded so that the parts add up to the breakage of all
			CASE WHEN report_liability_schedule.breakage IS NULL AND b.last IS NULL THEN 0
				ELSE round(f.rate * sum(b.amount) OVER w) - round(f.rate * (sum(b.amount) OVER w - b.amount)) END AS broken
		FROM found f
		CROSS JOIN (
			SELECT CASE WHEN isfinite(l.expires_on) THEN date_trunc('month', l.expires_on)::date END AS last, sum(l.amount) AS amount
			FROM found x
			CROSS JOIN LATERAL loyalty.report_lot_at(x.program_id, loyalty.report_end(x.program_id, x.day)) l
			WHERE l.unit_id = x.unit_id
			GROUP BY 1) b
		WINDOW w AS (ORDER BY b.last NULLS LAST)
	), pace AS MATERIALIZED (
		-- what never lapses is used up at the pace of the last twelve months
		SELECT CASE WHEN s.spent > 0 THEN least(greatest(ceil(b.amount * 12 / s.spent), 1), 60) ELSE 24 END::int AS months
		FROM found f
		JOIN bucket b ON b.last IS NULL
		CROSS JOIN LATERAL (
			SELECT sum(w.spent) AS spent
			FROM loyalty.report_flow(f.program_id, (f.day - interval '1 year')::date + 1, f.day, 'all') w
			WHERE w.unit_id = f.unit_id) s
	), part AS (
		SELECT b.last, b.amount - b.broken AS amount, m.month::date AS month,
			-- as history says; without history evenly
			CASE WHEN b.last IS NULL OR NOT EXISTS (
				SELECT FROM curve c
				WHERE c.months_left <= (extract(year FROM b.last) - extract(year FROM f.first)) * 12
					+ extract(month FROM b.last) - extract(month FROM f.first)) THEN 1
			ELSE coalesce((
				SELECT c.spent FROM curve c
				WHERE c.months_left = (extract(year FROM b.last) - extract(year FROM m.month)) * 12
					+ extract(month FROM b.last) - extract(month FROM m.month)), 0) END AS weight
		FROM found f
		CROSS JOIN bucket b
		CROSS JOIN LATERAL generate_series(f.first::timestamp, coalesce(b.last::timestamp,
			f.first + make_interval(months => (SELECT p.months - 1 FROM pace p))), interval '1 month') m (month)
	), spread AS (
		SELECT p.month, round(p.amount * sum(p.weight) OVER w / sum(p.weight) OVER (PARTITION BY p.last))
			- round(p.amount * (sum(p.weight) OVER w - p.weight) / sum(p.weight) OVER (PARTITION BY p.last)) AS expected, 0 AS broken
		FROM part p
		WINDOW w AS (PARTITION BY p.last ORDER BY p.month)
		UNION ALL
		SELECT b.last, 0, b.broken FROM bucket b
	), monthly AS (
		SELECT s.month, sum(s.expected) AS expected, sum(s.broken) AS broken
		FROM spread s
		GROUP BY s.month
	), added AS (
		SELECT m.month, m.expected, m.broken, sum(m.expected) OVER (ORDER BY m.month) AS up_to
		FROM monthly m
	)
	SELECT a.month, loyalty.unit_amount(a.expected::bigint, f.scale), loyalty.unit_amount(a.broken::bigint, f.scale),
		loyalty.unit_amount((loyalty.report_worth(f.unit_id, a.up_to, f.day)
			- loyalty.report_worth(f.unit_id, a.up_to - a.expected, f.day))::bigint, f.currency_scale), f.currency
	FROM found f
	CROSS JOIN added a
	WHERE a.expected <> 0 OR a.broken <> 0
	ORDER BY a.month;
END;
COMMENT ON FUNCTION loyalty.report_liability_schedule(text, text, date, numeric) IS
'In which month how much of what is outstanding is expected to be asked for, and how much to lapse; all months together are what is outstanding';

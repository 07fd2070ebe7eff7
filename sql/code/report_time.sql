-- Periods that are closed: nothing is dated into them any more, and their figures
-- are published once and never change.

COMMENT ON TABLE loyalty.report_close IS 'Periods of a programme that are closed or being closed, and for whom closing has to wait';
COMMENT ON TABLE loyalty.report_period IS 'Published figures of closed periods; append-only';

CREATE OR REPLACE TRIGGER report_period_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON loyalty.report_period
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.journal_immutable();

CREATE OR REPLACE FUNCTION loyalty.report_period_kept()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_report_period_kept';
COMMENT ON FUNCTION loyalty.report_period_kept() IS
'Refuses to move closed_until of a programme back into a period that is closed (LY192)';
CREATE OR REPLACE TRIGGER program_closed BEFORE UPDATE ON loyalty.program
	FOR EACH ROW WHEN (OLD.closed_until IS DISTINCT FROM NEW.closed_until)
	EXECUTE FUNCTION loyalty.report_period_kept();

CREATE OR REPLACE FUNCTION loyalty.period_close(program text, until date)
RETURNS text LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_report_period_close';
COMMENT ON FUNCTION loyalty.period_close(text, date) IS
'Closes the time of a programme up to the end of a local day: closing while calls that began before are still running, then closed, with its figures published; LY191 if it is not over, LY192 if it was closed before';

CREATE OR REPLACE FUNCTION loyalty.period_publish(batch int DEFAULT 500, OUT done int, OUT left_over boolean)
RETURNS record LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_maintenance_period';
COMMENT ON FUNCTION loyalty.period_publish(int) IS
'Job period: publishes the figures of periods that are being closed, once nobody who began before is running';

CREATE OR REPLACE FUNCTION loyalty.report_period_figure(program text, since date, until date)
RETURNS TABLE (figure text, part text, value numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 50
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT x.figure, u.code, x.value
	FROM loyalty.program p
	JOIN loyalty.unit u ON u.program_id = p.program_id AND u.kind IN ('points', 'money')
	CROSS JOIN LATERAL loyalty.report_points(p.name, report_period_figure.since, report_period_figure.until, u.code) r
	CROSS JOIN LATERAL (VALUES ('opening', r.opening), ('issued', r.issued), ('spent', r.spent), ('held', r.held),
		('expired', r.expired), ('adjusted', r.adjusted), ('transferred', r.transferred), ('closing', r.closing)) x (figure, value)
	WHERE p.name = report_period_figure.program
	UNION ALL
	SELECT x.figure, l.unit, x.value
	FROM loyalty.report_liability(report_period_figure.program, report_period_figure.until) l
	CROSS JOIN LATERAL (VALUES ('outstanding', l.outstanding), ('worth', l.worth), ('breakage_rate', l.breakage_rate),
		('expected', l.expected), ('liability', l.liability)) x (figure, value)
	UNION ALL
	SELECT x.figure, '', x.value
	FROM loyalty.report_sale(report_period_figure.program, report_period_figure.since, report_period_figure.until) s
	CROSS JOIN LATERAL (VALUES ('orders', s.orders::numeric), ('amount', s.amount), ('refunds', s.refunds),
		('refunded', s.refunded), ('net', s.net)) x (figure, value)
	UNION ALL
	SELECT x.figure, '', x.value
	FROM loyalty.report_growth(report_period_figure.program, report_period_figure.since, report_period_figure.until) g
	CROSS JOIN LATERAL (VALUES ('joined', g.joined::numeric), ('closed', g.closed), ('reopened', g.reopened),
		('members', g.members)) x (figure, value)
	UNION ALL
	SELECT 'tier_members', coalesce(t.tier, ''), t.members
	FROM loyalty.report_tier(report_period_figure.program, report_period_figure.until) t;
END;
COMMENT ON FUNCTION loyalty.report_period_figure(text, date, date) IS
'For period_close: the figures that are published of a period, as they are now';

CREATE OR REPLACE FUNCTION loyalty.report_period(program text)
RETURNS TABLE (since date, until date, state text, figure text, part text, value numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.report_require(report_period.program, '2000-01-01', '2000-01-01');

	SELECT c.since, c.until, CASE WHEN c.closed_at IS NULL THEN 'closing' ELSE 'closed' END, f.figure, nullif(f.part, ''), f.value
	FROM loyalty.program p
	JOIN loyalty.report_close c ON c.program_id = p.program_id
	LEFT JOIN loyalty.report_period f ON f.program_id = c.program_id AND f.until = c.until
	WHERE p.name = report_period.program
	ORDER BY c.until, f.figure, f.part;
END;
COMMENT ON FUNCTION loyalty.report_period(text) IS
'The published figures of the closed periods of a programme; of a period that is closing one row without figure';

CREATE OR REPLACE FUNCTION loyalty.report_period_differs(of_program int)
RETURNS TABLE (program_id int, until date, figure text, part text, published numeric, ledger numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH period AS MATERIALIZED (
		SELECT c.program_id, c.since, c.until, p.time_zone
		FROM loyalty.report_close c
		JOIN loyalty.program p ON p.program_id = c.program_id
		WHERE c.closed_at IS NOT NULL
		AND (report_period_differs.of_program IS NULL OR c.program_id = report_period_differs.of_program)
	), moved AS (
		SELECT q.program_id, q.until, e.unit_id, j.day < q.since AS before,
			coalesce(loyalty.report_points_class(j.kind), 'adjusted') AS class, e.amount
		FROM period q
		JOIN (
			SELECT x.program_id, x.member_id, x.journal_id, x.kind, (x.effective_at AT TIME ZONE y.time_zone)::date AS day
			FROM loyalty.journal x
			JOIN loyalty.program y ON y.program_id = x.program_id) j ON j.program_id = q.program_id AND j.day <= q.until
		JOIN loyalty.entry e ON e.member_id = j.member_id AND e.journal_id = j.journal_id
		UNION ALL
		-- a capture posts what it does not spend
		SELECT q.program_id, q.until, j.unit_id, j.day < q.since, v.class, v.amount
		FROM period q
		JOIN (
			SELECT x.program_id, x.unit_id, x.amount, (x.effective_at AT TIME ZONE y.time_zone)::date AS day
			FROM loyalty.journal x
			JOIN loyalty.program y ON y.program_id = x.program_id
			WHERE x.kind = 'capture') j ON j.program_id = q.program_id AND j.day <= q.until
		CROSS JOIN LATERAL (VALUES ('held', j.amount), ('spent', - j.amount)) v (class, amount)
	), summed AS (
		SELECT m.program_id, m.until, u.code, u.scale,
			coalesce(sum(m.amount) FILTER (WHERE m.before), 0) AS opening,
			coalesce(sum(m.amount) FILTER (WHERE NOT m.before AND (m.class = 'issued' OR m.class = 'refund' AND m.amount < 0)), 0) AS issued,
			coalesce(- sum(m.amount) FILTER (WHERE NOT m.before AND (m.class = 'spent' OR m.class = 'refund' AND m.amount > 0)), 0) AS spent,
			coalesce(- sum(m.amount) FILTER (WHERE NOT m.before AND m.class IN ('held', 'capture')), 0) AS held,
			coalesce(- sum(m.amount) FILTER (WHERE NOT m.before AND m.class = 'expired'), 0) AS expired,
			coalesce(sum(m.amount) FILTER (WHERE NOT m.before AND m.class = 'adjusted'), 0) AS adjusted,
			coalesce(sum(m.amount) FILTER (WHERE NOT m.before AND m.class = 'transferred'), 0) AS transferred,
			sum(m.amount) AS closing
		FROM moved m
		JOIN loyalty.unit u ON u.unit_id = m.unit_id AND u.kind IN ('points', 'money')
		GROUP BY m.program_id, m.until, u.unit_id, u.code, u.scale
	), figure AS (
		SELECT s.program_id, s.until, x.figure, s.code, loyalty.unit_amount(x.value::bigint, s.scale) AS value
		FROM summed s
		CROSS JOIN LATERAL (VALUES ('opening', s.opening), ('issued', s.issued), ('spent', s.spent), ('held', s.held),
			('expired', s.expired), ('adjusted', s.adjusted), ('transferred', s.transferred), ('closing', s.closing)) x (figure, value)
	), published AS (
		SELECT r.program_id, r.until, r.figure, r.part, r.value
		FROM loyalty.report_period r
		JOIN period q ON q.program_id = r.program_id AND q.until = r.until
		WHERE r.figure IN ('opening', 'issued', 'spent', 'held', 'expired', 'adjusted', 'transferred', 'closing')
	)
	SELECT coalesce(f.program_id, p.program_id), coalesce(f.until, p.until), coalesce(f.figure, p.figure), coalesce(f.code, p.part),
		p.value, coalesce(f.value, 0)
	FROM published p
	FULL JOIN figure f ON f.program_id = p.program_id AND f.until = p.until AND f.figure = p.figure AND f.code = p.part
	WHERE p.value IS DISTINCT FROM coalesce(f.value, 0) AND (p.value IS NOT NULL OR f.value <> 0);
END;
COMMENT ON FUNCTION loyalty.report_period_differs(int) IS
'For verify(): published figures of the roll-forward that are not what the ledger says';

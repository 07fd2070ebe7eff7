-- What was to be reached, and what was.

COMMENT ON TABLE loyalty.kpi_target IS 'Targets of a programme: what is to be reached over how many months, from which day on';

CREATE OR REPLACE TRIGGER kpi_target_reference BEFORE INSERT OR UPDATE ON loyalty.kpi_target
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();

CREATE OR REPLACE FUNCTION loyalty.report_conversion(program_id int, since date, until date)
RETURNS numeric LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT round(count(*) FILTER (WHERE a.first_purchase_at < s.end_at)::numeric / nullif(count(*), 0), 4)
	FROM (
		SELECT report_conversion.since::timestamp AT TIME ZONE p.time_zone AS first_at,
			(report_conversion.until + 1)::timestamp AT TIME ZONE p.time_zone AS end_at
		FROM loyalty.program p
		WHERE p.program_id = report_conversion.program_id) s
	JOIN loyalty.member m ON m.program_id = report_conversion.program_id
		AND m.joined_at >= s.first_at AND m.joined_at < s.end_at
	JOIN loyalty.account a ON a.member_id = m.member_id AND a.status <> 'merged';
END;
COMMENT ON FUNCTION loyalty.report_conversion(int, date, date) IS
'For report_kpi(): the share of the members who joined in a range of days that bought by its end';

CREATE OR REPLACE FUNCTION loyalty.report_retention(program_id int, before date, since date, until date)
RETURNS numeric LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	-- Who buys for the first time in a range is counted with the days since he bought
	-- before, so that both parts are sums: who was there before, and who of them came.
	SELECT round(sum(r.members) FILTER (WHERE r.day >= report_retention.since AND r.gap > 0
			AND r.day - r.gap BETWEEN report_retention.before AND report_retention.since - 1)
		/ nullif(sum(r.members) FILTER (WHERE r.day < report_retention.since
			AND (r.gap = 0 OR r.day - r.gap < report_retention.before)), 0), 4)
	FROM loyalty.report_return_sum(report_retention.program_id, report_retention.before, report_retention.until, 'buyer') r;
END;
COMMENT ON FUNCTION loyalty.report_retention(int, date, date, date) IS
'For report_kpi(): the share of the buyers of one range of days that bought again in the range after it';

CREATE OR REPLACE FUNCTION loyalty.report_kpi(program text, at date DEFAULT NULL)
RETURNS TABLE (kpi text, target numeric, actual numeric, met boolean, since date, until date, complete boolean,
	months int, starts_on date, measured_in text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_kpi.program, coalesce(report_kpi.at, loyalty.now()::date),
		coalesce(report_kpi.at, loyalty.now()::date));

	WITH aim AS MATERIALIZED (
		SELECT DISTINCT ON (t.kpi) p.program_id, p.currency, t.kpi, t.target, t.months, t.starts_on, d.until,
			greatest(t.starts_on, (d.until + 1 - make_interval(months => t.months))::date) AS since
		FROM loyalty.program p
		CROSS JOIN LATERAL (
			SELECT coalesce(report_kpi.at, (loyalty.now() AT TIME ZONE p.time_zone)::date) AS until) d
		JOIN loyalty.kpi_target t ON t.program_id = p.program_id AND t.starts_on <= d.until
		WHERE p.name = report_kpi.program
		ORDER BY t.kpi, t.starts_on DESC
	), reached AS MATERIALIZED (
		SELECT a.kpi, CASE a.kpi
			WHEN 'conversion' THEN loyalty.report_conversion(a.program_id, a.since, a.until)
			WHEN 'retention' THEN loyalty.report_retention(a.program_id,
				(a.since - make_interval(months => a.months))::date, a.since, a.until)
			WHEN 'repurchase_rate' THEN (
				SELECT x.repurchase_rate FROM loyalty.report_buyer(report_kpi.program, a.since, a.until) x)
			WHEN 'active_share_30' THEN (
				SELECT x.share FROM loyalty.report_active(report_kpi.program, a.until) x WHERE x.days = 30)
			WHEN 'member_share' THEN (
				SELECT x.member_share FROM loyalty.report_member_share(report_kpi.program, a.since, a.until) x)
			WHEN 'basket_lift' THEN (
				SELECT x.lift FROM loyalty.report_member_share(report_kpi.program, a.since, a.until) x)
			WHEN 'basket_growth' THEN (
				SELECT round(x.amount / nullif(x.orders, 0) / nullif(y.amount / nullif(y.orders, 0), 0) - 1, 4)
				FROM loyalty.report_sale(report_kpi.program, a.since, a.until) x
				CROSS JOIN loyalty.report_sale(report_kpi.program,
					(a.starts_on - make_interval(months => a.months))::date, a.starts_on - 1) y)
			WHEN 'net' THEN (SELECT x.net FROM loyalty.report_sale(report_kpi.program, a.since, a.until) x)
			WHEN 'basket' THEN (SELECT x.average_order FROM loyalty.report_sale(report_kpi.program, a.since, a.until) x)
			WHEN 'members' THEN (SELECT x.members FROM loyalty.report_growth(report_kpi.program, a.since, a.until) x)
			WHEN 'joined' THEN (SELECT x.joined FROM loyalty.report_growth(report_kpi.program, a.since, a.until) x)
			END AS actual
		FROM aim a
	)
	SELECT a.kpi, a.target, r.actual, coalesce(r.actual >= a.target, false), a.since, a.until,
		a.until >= (a.starts_on + make_interval(months => a.months))::date - 1, a.months, a.starts_on,
		CASE WHEN a.kpi IN ('net', 'basket') THEN a.currency WHEN a.kpi IN ('members', 'joined') THEN 'members'
			ELSE 'share' END
	FROM aim a
	JOIN reached r ON r.kpi = a.kpi
	ORDER BY a.kpi;
END;
COMMENT ON FUNCTION loyalty.report_kpi(text, date) IS
'The targets of a programme that hold on a local day (NULL: today), and what was reached of each in the months up to it';

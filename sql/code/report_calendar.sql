-- What reports have in common: the periods of a range, and the words for a part.

CREATE OR REPLACE FUNCTION loyalty.report_calendar(since date, until date, grain text)
RETURNS TABLE (first_day date, last_day date)
LANGUAGE sql IMMUTABLE ROWS 30
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT report_calendar.since, report_calendar.until
	WHERE report_calendar.grain IS NULL
	UNION ALL
	-- the first and the last may be part of one
	SELECT greatest(d.day::date, report_calendar.since), least((d.day + s.step)::date - 1, report_calendar.until)
	FROM (SELECT CASE report_calendar.grain WHEN 'day' THEN interval '1 day' WHEN 'week' THEN interval '1 week'
		WHEN 'month' THEN interval '1 month' WHEN 'quarter' THEN interval '3 months'
		WHEN 'year' THEN interval '1 year' END AS step) s
	CROSS JOIN LATERAL generate_series(date_trunc(report_calendar.grain, report_calendar.since::timestamp),
		report_calendar.until::timestamp, s.step) d (day);
END;
COMMENT ON FUNCTION loyalty.report_calendar(date, date, text) IS
'The days, weeks from Monday, months, quarters or years of a range of days, clipped to it; without a grain the range itself';

CREATE OR REPLACE FUNCTION loyalty.report_base_tier(program_id int)
RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT t.code
	FROM loyalty.tier t
	WHERE t.program_id = report_base_tier.program_id
	AND NOT EXISTS (SELECT FROM loyalty.tier_threshold h WHERE h.tier_id = t.tier_id AND h.purpose = 'entry')
	ORDER BY t.rank
	LIMIT 1;
END;
COMMENT ON FUNCTION loyalty.report_base_tier(int) IS
'For reports: the tier of who has none on record, the lowest that asks for nothing; NULL if each asks for something';

CREATE OR REPLACE FUNCTION loyalty.report_part(program_id int, by text, value text)
RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- a tier stands there by its id
	SELECT CASE WHEN report_part.by = 'tier' THEN coalesce((
			SELECT t.code FROM loyalty.tier t
			WHERE t.program_id = report_part.program_id AND t.tier_id::text = report_part.value),
			loyalty.report_base_tier(report_part.program_id))
		ELSE nullif(report_part.value, '') END;
END;
COMMENT ON FUNCTION loyalty.report_part(int, text, text) IS
'For reports: what a value of the sums stands for, the code of a tier or the value itself; NULL for none';

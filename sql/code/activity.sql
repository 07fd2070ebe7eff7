COMMENT ON TABLE loyalty.activity_kind IS 'A kind of behaviour that is kept, and for how long';
COMMENT ON TABLE loyalty.activity_expired IS 'Up to which day activities of a kind were deleted; what members'' days have counted of them stays';
COMMENT ON TABLE loyalty.activity IS 'Behaviour that moves no value: who did what where and when; append-only';
COMMENT ON TABLE loyalty.visitor IS 'Who was seen before joining, and whose activities become those of the member he joins as';
COMMENT ON TYPE loyalty.activity_row IS 'One activity of a batch: what track() or track_visitor() takes';

CREATE OR REPLACE TRIGGER activity_kind_reference BEFORE INSERT OR UPDATE ON loyalty.activity_kind
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();
CREATE OR REPLACE TRIGGER activity_kind_in_use BEFORE DELETE OR UPDATE OF program_id, kind ON loyalty.activity_kind
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_in_use();

CREATE OR REPLACE FUNCTION loyalty.track(member_id bigint, kind text, target_kind text DEFAULT NULL,
	target text DEFAULT NULL, session text DEFAULT NULL, dwell_seconds int DEFAULT NULL,
	channel text DEFAULT NULL, data jsonb DEFAULT NULL, at timestamptz DEFAULT NULL, key text DEFAULT NULL)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_activity_track';
COMMENT ON FUNCTION loyalty.track(bigint, text, text, text, text, int, text, jsonb, timestamptz, text) IS
'Keeps what a member did, without touching the account; the id of the activity';

CREATE OR REPLACE FUNCTION loyalty.track_visitor(program text, visitor text, kind text,
	target_kind text DEFAULT NULL, target text DEFAULT NULL, session text DEFAULT NULL,
	dwell_seconds int DEFAULT NULL, channel text DEFAULT NULL, data jsonb DEFAULT NULL,
	at timestamptz DEFAULT NULL, key text DEFAULT NULL)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_activity_track_visitor';
COMMENT ON FUNCTION loyalty.track_visitor(text, text, text, text, text, text, int, text, jsonb, timestamptz, text) IS
'Keeps what a visitor did: under an anonymous id until he joins, then as the member''s';

CREATE OR REPLACE FUNCTION loyalty.track_batch(program text, rows loyalty.activity_row[],
	OUT accepted bigint, OUT replayed bigint, OUT rejected bigint, OUT rejects jsonb)
LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_activity_track_batch';
COMMENT ON FUNCTION loyalty.track_batch(text, loyalty.activity_row[]) IS
'Keeps many activities at once; a bad one is rejected by itself, and told of by its position';

CREATE OR REPLACE FUNCTION loyalty.visitor_join(member_id bigint, visitor text)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_activity_join';
COMMENT ON FUNCTION loyalty.visitor_join(bigint, text) IS
'Makes what a visitor did, and will do, the member''s; how many activities moved';

CREATE OR REPLACE FUNCTION loyalty.activity_expire(program text, batch int DEFAULT 10000)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_activity_expire';
COMMENT ON FUNCTION loyalty.activity_expire(text, int) IS
'Deletes activities that are no longer kept, and visitors of whom nothing is left; how many activities, less than batch when done';

CREATE OR REPLACE FUNCTION loyalty.path(member_id bigint)
RETURNS TABLE (step bigint, at timestamptz, source text, kind text, target_kind text, target text, channel text,
	session text, dwell_seconds int, days int, first_touch boolean, conversion boolean)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.member_require(path.member_id);

	SELECT row_number() OVER place, t.at, t.source, t.kind, t.target_kind, t.target, t.channel, t.session, t.dwell_seconds,
		t.day - first_value(t.day) OVER place,
		row_number() OVER place = 1,
		t.first_purchase AND row_number() OVER (PARTITION BY t.first_purchase ORDER BY t.id) = 1
	FROM (
		SELECT a.activity_id AS id, a.at, 'activity' AS source, a.kind, a.target_kind, a.target, a.channel, a.session,
			a.dwell_seconds, false AS first_purchase, (a.at AT TIME ZONE p.time_zone)::date AS day
		FROM loyalty.activity a
		JOIN loyalty.program p ON p.program_id = a.program_id
		JOIN loyalty.activity_kind k ON k.program_id = a.program_id AND k.kind = a.kind
		WHERE a.member_id = path.member_id
		AND (k.retain_days IS NULL OR a.at >=
			((loyalty.now() AT TIME ZONE p.time_zone)::date - k.retain_days)::timestamp AT TIME ZONE p.time_zone)
		UNION ALL
		SELECT j.journal_id, j.effective_at, 'event', j.event, NULL, NULL, j.channel, NULL,
			NULL, j.event = 'purchase' AND j.effective_at = c.first_purchase_at,
			(j.effective_at AT TIME ZONE p.time_zone)::date
		FROM loyalty.journal j
		JOIN loyalty.account c ON c.member_id = j.member_id
		JOIN loyalty.program p ON p.program_id = j.program_id
		WHERE j.member_id = path.member_id AND j.kind = 'event') t
	WINDOW place AS (ORDER BY t.at, t.id)
	ORDER BY t.at, t.id;
END;
COMMENT ON FUNCTION loyalty.path(bigint) IS
'What a member did, activities and events in order of time, with the first touch, the first purchase and the days between';

CREATE OR REPLACE FUNCTION loyalty.path_require(program text, steps int)
RETURNS int LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_activity_require';
COMMENT ON FUNCTION loyalty.path_require(text, int) IS
'For report_path(): the id of a programme; LY403 if there is none, 22023 if steps are out of range';

CREATE OR REPLACE FUNCTION loyalty.report_path(program text, since date DEFAULT NULL, until date DEFAULT NULL,
	steps int DEFAULT 5)
RETURNS TABLE (path text, people bigint, members bigint, conversions bigint, rate numeric, days numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.path_require(report_path.program, report_path.steps);

	WITH period AS (
		SELECT p.program_id, p.time_zone, (loyalty.now() AT TIME ZONE p.time_zone)::date AS today,
			coalesce(report_path.since::timestamp AT TIME ZONE p.time_zone, '-infinity') AS begins,
			coalesce(report_path.until::timestamp AT TIME ZONE p.time_zone, 'infinity') AS ends
		FROM loyalty.program p
		WHERE p.name = report_path.program
	), touch AS (
		SELECT a.member_id AS person, a.activity_id AS id, a.at, a.kind AS step, false AS purchase
		FROM period p
		JOIN loyalty.activity_kind k ON k.program_id = p.program_id
		JOIN loyalty.activity a ON a.program_id = p.program_id AND a.kind = k.kind
			AND a.at >= p.begins AND a.at < p.ends
			AND (k.retain_days IS NULL OR a.at >= (p.today - k.retain_days)::timestamp AT TIME ZONE p.time_zone)
		UNION ALL
		SELECT j.member_id, j.journal_id, j.effective_at, j.event, j.event = 'purchase'
		FROM period p
		JOIN loyalty.journal j ON j.program_id = p.program_id AND j.kind = 'event'
			AND j.effective_at >= p.begins AND j.effective_at < p.ends
	), walk AS (
		-- up to the first purchase, of those who had not made it before
		SELECT t.person, t.id, t.at, t.step, t.purchase, c.member_id,
			(c.first_purchase_at < p.ends) IS TRUE AS converted,
			(c.first_purchase_at AT TIME ZONE p.time_zone)::date
				- (min(t.at) OVER (PARTITION BY t.person) AT TIME ZONE p.time_zone)::date AS days,
			-- the same step again is the same step
			NOT t.purchase AND lag(t.step) OVER (PARTITION BY t.person ORDER BY t.purchase, t.at, t.id)
				IS DISTINCT FROM t.step AS moved
		FROM touch t
		CROSS JOIN period p
		LEFT JOIN loyalty.account c ON c.member_id = t.person
		WHERE c.first_purchase_at IS NULL OR c.first_purchase_at >= greatest(p.begins, t.at)
	), step AS (
		SELECT w.*, count(*) FILTER (WHERE w.moved) OVER (PARTITION BY w.person ORDER BY w.purchase, w.at, w.id) AS place
		FROM walk w
	), person AS (
		SELECT s.member_id, s.converted, s.days,
			coalesce(string_agg(s.step, ' > ' ORDER BY s.place)
				FILTER (WHERE s.moved AND s.place <= report_path.steps), '-') AS path
		FROM step s
		GROUP BY s.person, s.member_id, s.converted, s.days
	)
	SELECT o.path, count(*), count(o.member_id), count(*) FILTER (WHERE o.converted),
		round(count(*) FILTER (WHERE o.converted)::numeric / count(*), 4),
		round(avg(o.days) FILTER (WHERE o.converted), 1)
	FROM person o
	GROUP BY o.path
	ORDER BY count(*) DESC, o.path;
END;
COMMENT ON FUNCTION loyalty.report_path(text, date, date, int) IS
'The ways people take to their first purchase in a period: the first steps, how many went there, how many of them bought';

CREATE OR REPLACE FUNCTION loyalty.activity_days(member_id bigint, since date)
RETURNS TABLE (day date, kind text, times int)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT d.day, a.kind, count(*)::int
	FROM loyalty.activity a
	JOIN loyalty.program p ON p.program_id = a.program_id
	CROSS JOIN LATERAL (SELECT (a.at AT TIME ZONE p.time_zone)::date AS day) d
	WHERE a.member_id = activity_days.member_id AND d.day >= activity_days.since
	GROUP BY d.day, a.kind;
END;
COMMENT ON FUNCTION loyalty.activity_days(bigint, date) IS
'What a member did on each local day from a date on, by kind of activity; for the extension''s own use';

CREATE OR REPLACE FUNCTION loyalty.activity_kind_known(program_id int, kind text)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(bool_or(k.kind = activity_kind_known.kind), true)
	FROM loyalty.activity_kind k WHERE k.program_id = activity_kind_known.program_id;
END;
COMMENT ON FUNCTION loyalty.activity_kind_known(int, text) IS
'Has the programme this kind of activity, or none at all? For the extension''s own use';

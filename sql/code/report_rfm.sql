-- Recency, frequency, money: who bought how long ago, how often, for how much.

CREATE OR REPLACE FUNCTION loyalty.report_rfm_name(recency int, frequency int, monetary int)
RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- how recently against the mean of the other two, halves rounded up
	SELECT (CASE report_rfm_name.recency
		WHEN 5 THEN '{new,potential_loyalist,loyal,champions,champions}'::text[]
		WHEN 4 THEN '{promising,potential_loyalist,loyal,champions,champions}'
		WHEN 3 THEN '{about_to_sleep,about_to_sleep,need_attention,loyal,loyal}'
		WHEN 2 THEN '{hibernating,hibernating,at_risk,at_risk,at_risk}'
		WHEN 1 THEN '{lost,lost,at_risk,cannot_lose,cannot_lose}'
	END)[(report_rfm_name.frequency + report_rfm_name.monetary + 1) / 2];
END;
COMMENT ON FUNCTION loyalty.report_rfm_name(int, int, int) IS
'The segment of three scores of 1 to 5';

CREATE OR REPLACE FUNCTION loyalty.report_rfm_score(program_id int, until date)
RETURNS TABLE (member_id bigint, recency int, frequency int, monetary int, last_on date, orders bigint, net bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH tail AS MATERIALIZED (
		SELECT t.member_id, t.day, t.kind, t.event, t.reverses, t.amount
		FROM loyalty.report_tail(report_rfm_score.program_id) t
		WHERE t.day <= report_rfm_score.until AND (t.kind = 'event' AND t.event = 'purchase' OR t.kind = 'refund')
	), day AS (
		SELECT d.member_id, d.day, d.orders::bigint AS orders, d.amount - d.refunded AS net
		FROM loyalty.report_member_day d
		WHERE d.program_id = report_rfm_score.program_id AND d.day <= report_rfm_score.until
		AND (d.orders > 0 OR d.refunded <> 0)
		UNION ALL
		SELECT t.member_id, t.day, 1, coalesce(t.amount, 0)
		FROM tail t
		WHERE t.kind = 'event'
		UNION ALL
		SELECT t.member_id, t.day, 0, -coalesce(t.amount, 0)
		FROM tail t
		WHERE t.kind = 'refund' AND EXISTS (
			SELECT FROM loyalty.journal o
			WHERE o.member_id = t.member_id AND o.ref = t.reverses AND o.kind = 'event' AND o.event = 'purchase')
	), member AS (
		SELECT d.member_id, max(d.day) FILTER (WHERE d.orders > 0) AS last_on, sum(d.orders)::bigint AS orders,
			sum(d.net)::bigint AS net
		FROM day d
		GROUP BY d.member_id
		HAVING sum(d.orders) > 0
	)
	-- the share of those who are strictly worse, in fifths: equal values have equal scores
	SELECT m.member_id, (1 + 5 * (rank() OVER (ORDER BY m.last_on) - 1) / count(*) OVER ())::int,
		(1 + 5 * (rank() OVER (ORDER BY m.orders) - 1) / count(*) OVER ())::int,
		(1 + 5 * (rank() OVER (ORDER BY m.net) - 1) / count(*) OVER ())::int,
		m.last_on, m.orders, m.net
	FROM member m;
END;
COMMENT ON FUNCTION loyalty.report_rfm_score(int, date) IS
'For report_rfm: the scores of each member who had bought by the end of a day, computed; net in minor units';

CREATE OR REPLACE FUNCTION loyalty.report_rfm_grid(program_id int, until date)
RETURNS TABLE (recency int, frequency int, monetary int, members bigint, orders bigint, net bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH kept AS MATERIALIZED (
		SELECT EXISTS (
			SELECT FROM loyalty.report_rfm_day d
			WHERE d.program_id = report_rfm_grid.program_id AND d.day = report_rfm_grid.until)
			-- what is not folded yet is not in it
			AND NOT EXISTS (
				SELECT FROM loyalty.report_tail(report_rfm_grid.program_id) t
				WHERE t.day <= report_rfm_grid.until
				AND (t.kind = 'event' AND t.event = 'purchase' OR t.kind = 'refund')) AS good
	)
	SELECT d.recency::int, d.frequency::int, d.monetary::int, d.members, d.orders, d.amount
	FROM kept k
	JOIN loyalty.report_rfm_day d ON d.program_id = report_rfm_grid.program_id AND d.day = report_rfm_grid.until
	WHERE k.good AND d.members > 0
	UNION ALL
	SELECT s.recency, s.frequency, s.monetary, count(*), sum(s.orders)::bigint, sum(s.net)::bigint
	FROM kept k
	CROSS JOIN LATERAL loyalty.report_rfm_score(report_rfm_grid.program_id, report_rfm_grid.until) s
	WHERE NOT k.good
	GROUP BY s.recency, s.frequency, s.monetary;
END;
COMMENT ON FUNCTION loyalty.report_rfm_grid(int, date) IS
'For report_rfm: how members were spread over the scores at the end of a day, as it was kept or else computed; net in minor units';

CREATE OR REPLACE FUNCTION loyalty.report_rfm(program text, until date)
RETURNS TABLE (recency int, frequency int, monetary int, segment text, members bigint, orders bigint, net numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_rfm.program, report_rfm.until, report_rfm.until);

	SELECT g.recency, g.frequency, g.monetary, loyalty.report_rfm_name(g.recency, g.frequency, g.monetary), g.members,
		g.orders, loyalty.unit_amount(g.net, p.currency_scale)
	FROM loyalty.program p
	CROSS JOIN LATERAL loyalty.report_rfm_grid(p.program_id, report_rfm.until) g
	WHERE p.name = report_rfm.program
	ORDER BY g.recency, g.frequency, g.monetary;
END;
COMMENT ON FUNCTION loyalty.report_rfm(text, date) IS
'How the members who had bought by the end of a day were spread over scores of recency, frequency and money, 5 the best';

CREATE OR REPLACE FUNCTION loyalty.report_rfm_segment(program text, until date)
RETURNS TABLE (segment text, members bigint, share numeric, orders bigint, net numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 11
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_rfm_segment.program, report_rfm_segment.until, report_rfm_segment.until);

	SELECT s.segment, coalesce(g.members, 0)::bigint,
		round(coalesce(g.members, 0) / nullif(sum(g.members) OVER (), 0), 4), coalesce(g.orders, 0)::bigint,
		loyalty.unit_amount(coalesce(g.net, 0)::bigint, p.currency_scale)
	FROM loyalty.program p
	CROSS JOIN unnest('{champions,loyal,potential_loyalist,new,promising,need_attention,about_to_sleep,at_risk,cannot_lose,hibernating,lost}'::text[])
		WITH ORDINALITY s (segment, place)
	LEFT JOIN (
		SELECT x.segment, sum(x.members) AS members, sum(x.orders) AS orders, sum(x.net) AS net
		FROM (
			SELECT loyalty.report_rfm_name(y.recency, y.frequency, y.monetary) AS segment, y.members, y.orders, y.net
			FROM loyalty.program q
			CROSS JOIN LATERAL loyalty.report_rfm_grid(q.program_id, report_rfm_segment.until) y
			WHERE q.name = report_rfm_segment.program) x
		GROUP BY x.segment) g ON g.segment = s.segment
	WHERE p.name = report_rfm_segment.program
	ORDER BY s.place;
END;
COMMENT ON FUNCTION loyalty.report_rfm_segment(text, date) IS
'The same by named segment, each with its share of the members who had bought';

CREATE OR REPLACE FUNCTION loyalty.report_rfm_member(program text, until date)
RETURNS TABLE (member_id bigint, recency int, frequency int, monetary int, segment text, last_on date, orders bigint,
	net numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_rfm_member.program, report_rfm_member.until, report_rfm_member.until);

	SELECT s.member_id, s.recency, s.frequency, s.monetary, loyalty.report_rfm_name(s.recency, s.frequency, s.monetary),
		s.last_on, s.orders, loyalty.unit_amount(s.net, p.currency_scale)
	FROM loyalty.program p
	CROSS JOIN LATERAL loyalty.report_rfm_score(p.program_id, report_rfm_member.until) s
	WHERE p.name = report_rfm_member.program;
END;
COMMENT ON FUNCTION loyalty.report_rfm_member(text, date) IS
'Scores and segment of each member who had bought by the end of a day';

-- Folding deletes what it makes wrong, and takes the same lock first.
CREATE OR REPLACE FUNCTION loyalty.report_rfm_keep(program_id int)
RETURNS boolean LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT m.is_one FROM loyalty.report_mark m FOR UPDATE;

	INSERT INTO loyalty.report_rfm_day (program_id, day, recency, frequency, monetary, members, orders, amount)
	SELECT y.program_id, y.day, g.recency, g.frequency, g.monetary, g.members, g.orders, g.net
	FROM (
		SELECT p.program_id, (loyalty.now() AT TIME ZONE p.time_zone)::date - 1 AS day
		FROM loyalty.program p
		WHERE p.program_id = report_rfm_keep.program_id) y
	CROSS JOIN LATERAL (
		SELECT x.recency, x.frequency, x.monetary, x.members, x.orders, x.net
		FROM loyalty.report_rfm_grid(y.program_id, y.day) x
		UNION ALL
		-- by which a day without any buyer is known, too
		SELECT 0, 0, 0, 0, 0, 0) g
	WHERE NOT EXISTS (
		SELECT FROM loyalty.report_rfm_day d
		WHERE d.program_id = y.program_id AND d.day = y.day)
	-- else it would not be looked at
	AND NOT EXISTS (
		SELECT FROM loyalty.report_tail(y.program_id) t
		WHERE t.day <= y.day AND (t.kind = 'event' AND t.event = 'purchase' OR t.kind = 'refund'));

	SELECT EXISTS (
		SELECT FROM loyalty.report_rfm_day d
		JOIN loyalty.program p ON p.program_id = d.program_id
		WHERE d.program_id = report_rfm_keep.program_id AND d.day = (loyalty.now() AT TIME ZONE p.time_zone)::date - 1);
END;
COMMENT ON FUNCTION loyalty.report_rfm_keep(int) IS
'Keeps for report_rfm how the members of a programme were spread over the scores at the end of yesterday; true if it is kept';

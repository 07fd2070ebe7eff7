-- What became of messages, by channel and template.

CREATE OR REPLACE FUNCTION loyalty.report_message_funnel(program text, since date, until date)
RETURNS TABLE (channel text, template text, queued bigint, sent bigint, delivered bigint, opened bigint, clicked bigint,
	bounced bigint, unsubscribed bigint, suppressed bigint, expired bigint, dead bigint, cancelled bigint,
	delivery_rate numeric, open_rate numeric, click_rate numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 50
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_message_funnel.program, report_message_funnel.since, report_message_funnel.until);

	WITH span AS MATERIALIZED (
		SELECT p.program_id, report_message_funnel.since::timestamp AT TIME ZONE p.time_zone AS first_at,
			(report_message_funnel.until + 1)::timestamp AT TIME ZONE p.time_zone AS end_at
		FROM loyalty.program p
		WHERE p.name = report_message_funnel.program
	), counted AS (
		SELECT m.channel, m.template, count(*) AS queued,
			-- what bounced is dead, but it was sent
			count(*) FILTER (WHERE m.status = 'done' OR f.bounced) AS sent,
			count(*) FILTER (WHERE f.delivered) AS delivered,
			count(*) FILTER (WHERE f.opened) AS opened,
			count(*) FILTER (WHERE f.clicked) AS clicked,
			count(*) FILTER (WHERE f.bounced) AS bounced,
			count(*) FILTER (WHERE f.unsubscribed) AS unsubscribed,
			count(*) FILTER (WHERE m.status = 'suppressed') AS suppressed,
			count(*) FILTER (WHERE m.status = 'expired') AS expired,
			count(*) FILTER (WHERE m.status = 'dead') AS dead,
			count(*) FILTER (WHERE m.status = 'cancelled') AS cancelled
		FROM span s
		JOIN loyalty.message m ON m.program_id = s.program_id
			AND m.created_at >= s.first_at AND m.created_at < s.end_at
		LEFT JOIN (
			SELECT x.member_id, x.message_id,
				-- who opened it has got it, and who clicked has opened it
				bool_or(x.kind IN ('delivered', 'opened', 'clicked')) AS delivered,
				bool_or(x.kind IN ('opened', 'clicked')) AS opened,
				bool_or(x.kind = 'clicked') AS clicked,
				bool_or(x.kind = 'bounced') AS bounced,
				bool_or(x.kind = 'unsubscribed') AS unsubscribed
			FROM span z
			-- told before it was there only by a clock that is wrong
			JOIN loyalty.message_feedback x ON x.program_id = z.program_id AND x.at >= z.first_at - interval '1 day'
			GROUP BY x.member_id, x.message_id) f ON f.member_id = m.member_id AND f.message_id = m.message_id
		GROUP BY m.channel, m.template
	)
	SELECT c.channel, c.template, c.queued, c.sent, c.delivered, c.opened, c.clicked, c.bounced, c.unsubscribed,
		c.suppressed, c.expired, c.dead, c.cancelled, round(c.delivered::numeric / nullif(c.sent, 0), 4),
		round(c.opened::numeric / nullif(c.delivered, 0), 4), round(c.clicked::numeric / nullif(c.opened, 0), 4)
	FROM counted c
	ORDER BY c.channel, c.template;
END;
COMMENT ON FUNCTION loyalty.report_message_funnel(text, date, date) IS
'What became of the messages that were queued in a range of local days, by channel and template: sent, delivered, opened, clicked, and what was not';

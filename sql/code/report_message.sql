-- What became of messages, by channel and template. Messages change, so that calls write
-- down what they change of the sums: those that insert do it in the same statement, for
-- a trigger would count again what a restore inserts; updates are seen by a trigger.

COMMENT ON SEQUENCE loyalty.change_id_seq IS 'Numbers of changes that are not folded';

CREATE OR REPLACE FUNCTION loyalty.report_message_changed()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_report_message_changed';
COMMENT ON FUNCTION loyalty.report_message_changed() IS
'Trigger: writes down for the reports what has become of messages';

CREATE OR REPLACE FUNCTION loyalty.report_message_deleted()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_report_message_deleted';
COMMENT ON FUNCTION loyalty.report_message_deleted() IS
'Trigger: takes messages that are deleted out of the sums of the reports';

CREATE OR REPLACE TRIGGER message_counted AFTER UPDATE ON loyalty.message
	FOR EACH ROW WHEN (old.status <> new.status AND
		(old.status NOT IN ('queued', 'taken') OR new.status NOT IN ('queued', 'taken')))
	EXECUTE FUNCTION loyalty.report_message_changed();
CREATE OR REPLACE TRIGGER message_discounted AFTER DELETE ON loyalty.message
	REFERENCING OLD TABLE AS old_messages
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.report_message_deleted();

CREATE OR REPLACE FUNCTION loyalty.report_message_of(of_program int)
RETURNS TABLE (program_id int, day date, channel text, template text, queued bigint, sent bigint, delivered bigint, opened bigint, clicked bigint, bounced bigint, unsubscribed bigint, suppressed bigint, expired bigint, dead bigint, cancelled bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT m.program_id, (m.created_at AT TIME ZONE p.time_zone)::date, m.channel, m.template, count(*),
		-- what bounced is dead, but it was sent
		count(*) FILTER (WHERE m.status = 'done' OR f.bounced),
		count(*) FILTER (WHERE f.delivered),
		count(*) FILTER (WHERE f.opened),
		count(*) FILTER (WHERE f.clicked),
		count(*) FILTER (WHERE f.bounced),
		count(*) FILTER (WHERE f.unsubscribed),
		count(*) FILTER (WHERE m.status = 'suppressed'),
		count(*) FILTER (WHERE m.status = 'expired'),
		count(*) FILTER (WHERE m.status = 'dead'),
		count(*) FILTER (WHERE m.status = 'cancelled')
	FROM loyalty.message m
	JOIN loyalty.program p ON p.program_id = m.program_id
	LEFT JOIN (
		SELECT x.member_id, x.message_id,
			-- who opened it has got it, and who clicked has opened it
			bool_or(x.kind IN ('delivered', 'opened', 'clicked')) AS delivered,
			bool_or(x.kind IN ('opened', 'clicked')) AS opened,
			bool_or(x.kind = 'clicked') AS clicked,
			bool_or(x.kind = 'bounced') AS bounced,
			bool_or(x.kind = 'unsubscribed') AS unsubscribed
		FROM loyalty.message_feedback x
		WHERE report_message_of.of_program IS NULL OR x.program_id = report_message_of.of_program
		GROUP BY x.member_id, x.message_id) f ON f.member_id = m.member_id AND f.message_id = m.message_id
	WHERE report_message_of.of_program IS NULL OR m.program_id = report_message_of.of_program
	GROUP BY 1, 2, 3, 4;
END;
COMMENT ON FUNCTION loyalty.report_message_of(int) IS
'For verify() and report_rebuild(): what became of messages, of one programme or of all, by local day, channel and template, from the messages themselves';

CREATE OR REPLACE FUNCTION loyalty.report_message_differs(of_program int)
RETURNS TABLE (program_id int, day date, channel text, template text, queued bigint, sent bigint, delivered bigint, opened bigint, clicked bigint, bounced bigint, unsubscribed bigint, suppressed bigint, expired bigint, dead bigint, cancelled bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT x.program_id, x.day, x.channel, x.template, sum(x.queued)::bigint, sum(x.sent)::bigint, sum(x.delivered)::bigint, sum(x.opened)::bigint, sum(x.clicked)::bigint, sum(x.bounced)::bigint, sum(x.unsubscribed)::bigint, sum(x.suppressed)::bigint, sum(x.expired)::bigint, sum(x.dead)::bigint, sum(x.cancelled)::bigint
	FROM (
		SELECT o.* FROM loyalty.report_message_of(report_message_differs.of_program) o
		UNION ALL
		SELECT s.program_id, s.day, s.channel, s.template, -s.queued, -s.sent, -s.delivered, -s.opened, -s.clicked, -s.bounced, -s.unsubscribed, -s.suppressed, -s.expired, -s.dead, -s.cancelled
		FROM loyalty.report_message_day s
		UNION ALL
		SELECT c.program_id, c.day, c.channel, c.template, -c.queued, -c.sent, -c.delivered, -c.opened, -c.clicked, -c.bounced, -c.unsubscribed, -c.suppressed, -c.expired, -c.dead, -c.cancelled
		FROM loyalty.report_message_change c) x
	WHERE report_message_differs.of_program IS NULL OR x.program_id = report_message_differs.of_program
	GROUP BY x.program_id, x.day, x.channel, x.template
	HAVING sum(x.queued) <> 0 OR sum(x.sent) <> 0 OR sum(x.delivered) <> 0 OR sum(x.opened) <> 0 OR sum(x.clicked) <> 0 OR sum(x.bounced) <> 0 OR sum(x.unsubscribed) <> 0 OR sum(x.suppressed) <> 0 OR sum(x.expired) <> 0 OR sum(x.dead) <> 0 OR sum(x.cancelled) <> 0;
END;
COMMENT ON FUNCTION loyalty.report_message_differs(int) IS
'For verify() and report_rebuild(): what the sums of messages, with what is not folded, have too little (below zero: too much), of one programme or of all';

CREATE OR REPLACE FUNCTION loyalty.report_message_fold(batch int)
RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	WITH gone AS (
		DELETE FROM loyalty.report_message_change c
		USING (
			SELECT x.program_id, x.change_id FROM loyalty.report_message_change x
			ORDER BY x.program_id, x.change_id LIMIT report_message_fold.batch) x
		WHERE c.program_id = x.program_id AND c.change_id = x.change_id
		RETURNING c.*
	), added AS (
		INSERT INTO loyalty.report_message_day AS t (program_id, day, channel, template, queued, sent, delivered, opened, clicked, bounced, unsubscribed, suppressed, expired, dead, cancelled)
		SELECT g.program_id, g.day, g.channel, g.template, sum(g.queued), sum(g.sent), sum(g.delivered), sum(g.opened), sum(g.clicked), sum(g.bounced), sum(g.unsubscribed), sum(g.suppressed), sum(g.expired), sum(g.dead), sum(g.cancelled)
		FROM gone g
		GROUP BY g.program_id, g.day, g.channel, g.template
		ON CONFLICT (program_id, day, channel, template) DO UPDATE
		SET queued = t.queued + excluded.queued, sent = t.sent + excluded.sent, delivered = t.delivered + excluded.delivered, opened = t.opened + excluded.opened, clicked = t.clicked + excluded.clicked, bounced = t.bounced + excluded.bounced, unsubscribed = t.unsubscribed + excluded.unsubscribed, suppressed = t.suppressed + excluded.suppressed, expired = t.expired + excluded.expired, dead = t.dead + excluded.dead, cancelled = t.cancelled + excluded.cancelled
	)
	SELECT count(*) FROM gone;
END;
COMMENT ON FUNCTION loyalty.report_message_fold(int) IS
'For report_fold(): adds so many changes of messages to their sums, and deletes them; how many there were';

CREATE OR REPLACE FUNCTION loyalty.report_message_correct(of_program int)
RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	-- One statement, which sees messages and sums as they were at the same moment.
	INSERT INTO loyalty.report_message_change (change_id, program_id, day, channel, template, queued, sent, delivered, opened, clicked, bounced, unsubscribed, suppressed, expired, dead, cancelled)
	SELECT nextval('loyalty.change_id_seq'), d.*
	FROM loyalty.report_message_differs(report_message_correct.of_program) d;
END;
COMMENT ON FUNCTION loyalty.report_message_correct(int) IS
'For report_rebuild(): adds to the changes of messages what the sums have too little';

CREATE OR REPLACE FUNCTION loyalty.report_message_sum(program_id int, since date, until date)
RETURNS TABLE (channel text, template text, queued bigint, sent bigint, delivered bigint, opened bigint, clicked bigint, bounced bigint, unsubscribed bigint, suppressed bigint, expired bigint, dead bigint, cancelled bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 50
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT x.channel, x.template, sum(x.queued)::bigint, sum(x.sent)::bigint, sum(x.delivered)::bigint, sum(x.opened)::bigint, sum(x.clicked)::bigint, sum(x.bounced)::bigint, sum(x.unsubscribed)::bigint, sum(x.suppressed)::bigint, sum(x.expired)::bigint, sum(x.dead)::bigint, sum(x.cancelled)::bigint
	FROM (
		SELECT s.program_id, s.day, s.channel, s.template, s.queued, s.sent, s.delivered, s.opened, s.clicked, s.bounced, s.unsubscribed, s.suppressed, s.expired, s.dead, s.cancelled
		FROM loyalty.report_message_day s
		UNION ALL
		SELECT c.program_id, c.day, c.channel, c.template, c.queued, c.sent, c.delivered, c.opened, c.clicked, c.bounced, c.unsubscribed, c.suppressed, c.expired, c.dead, c.cancelled
		FROM loyalty.report_message_change c) x
	WHERE x.program_id = report_message_sum.program_id AND x.day BETWEEN report_message_sum.since AND report_message_sum.until
	GROUP BY x.channel, x.template
	-- corrected to none
	HAVING sum(x.queued) <> 0;
END;
COMMENT ON FUNCTION loyalty.report_message_sum(int, date, date) IS
'For reports: what became of the messages that were queued in a range of local days, by channel and template';

CREATE OR REPLACE FUNCTION loyalty.report_message_funnel(program text, since date, until date)
RETURNS TABLE (channel text, template text, queued bigint, sent bigint, delivered bigint, opened bigint, clicked bigint,
	bounced bigint, unsubscribed bigint, suppressed bigint, expired bigint, dead bigint, cancelled bigint,
	delivery_rate numeric, open_rate numeric, click_rate numeric)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 50
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT loyalty.report_require(report_message_funnel.program, report_message_funnel.since, report_message_funnel.until);

	SELECT c.channel, c.template, c.queued, c.sent, c.delivered, c.opened, c.clicked, c.bounced, c.unsubscribed,
		c.suppressed, c.expired, c.dead, c.cancelled, round(c.delivered::numeric / nullif(c.sent, 0), 4),
		round(c.opened::numeric / nullif(c.delivered, 0), 4), round(c.clicked::numeric / nullif(c.opened, 0), 4)
	FROM loyalty.program p
	CROSS JOIN LATERAL loyalty.report_message_sum(p.program_id, report_message_funnel.since, report_message_funnel.until) c
	WHERE p.name = report_message_funnel.program
	ORDER BY c.channel, c.template;
END;
COMMENT ON FUNCTION loyalty.report_message_funnel(text, date, date) IS
'What became of the messages that were queued in a range of local days, by channel and template: sent, delivered, opened, clicked, and what was not';

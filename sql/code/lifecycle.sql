-- Stages of the lifecycle: tags of dimension lifecycle, of which a member has one.

CREATE OR REPLACE FUNCTION loyalty.lifecycle_set(program text, name text, active numeric DEFAULT 1.5,
	silent numeric DEFAULT 3, days int DEFAULT 30, least_days int DEFAULT 7, new_days int DEFAULT 30,
	mature_times int DEFAULT 6)
RETURNS int LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_lifecycle_set';
COMMENT ON FUNCTION loyalty.lifecycle_set(text, text, numeric, numeric, int, int, int, int) IS
'Puts a named set of stages (activity, growth, churn) into loyalty.tag, and returns how many were written; what is active stays as it is';

CREATE OR REPLACE VIEW loyalty.lifecycle_current WITH (security_invoker = true) AS
SELECT DISTINCT ON (m.member_id) m.member_id, p.name AS program, m.tag AS stage, m.tagged_at AS since,
	(m.tagged_at AT TIME ZONE p.time_zone)::date AS since_on
FROM loyalty.member_tag m
JOIN loyalty.tag t ON t.program_id = m.program_id AND t.name = m.tag AND t.dimension = 'lifecycle'
JOIN loyalty.program p ON p.program_id = m.program_id
WHERE m.valid_until IS NULL OR m.valid_until > loyalty.now()
ORDER BY m.member_id, t.position, t.name COLLATE "C";
COMMENT ON VIEW loyalty.lifecycle_current IS 'The stage that a member is in, as of the last judgement';
COMMENT ON COLUMN loyalty.lifecycle_current.member_id IS 'Whose';
COMMENT ON COLUMN loyalty.lifecycle_current.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.lifecycle_current.stage IS 'Name of the stage';
COMMENT ON COLUMN loyalty.lifecycle_current.since IS 'Since when';
COMMENT ON COLUMN loyalty.lifecycle_current.since_on IS 'The local day of it';

-- What was recorded later counts before what was recorded sooner: an event that
-- came late, or an order that was dated back, corrects what time had changed.
CREATE OR REPLACE VIEW loyalty.lifecycle_history WITH (security_invoker = true) AS
WITH change AS (
	SELECT h.member_id, h.program_id, h.tag, h.action, h.source, h.changed_at,
		-- it is removed, or another is set, which may be recorded first
		least(min(h.changed_at) FILTER (WHERE h.action = 'removed') OVER (PARTITION BY h.member_id, h.tag ORDER BY h.history_id
				ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING),
			min(h.changed_at) FILTER (WHERE h.action = 'set') OVER (PARTITION BY h.member_id ORDER BY h.history_id
				ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)) AS next_at
	FROM loyalty.tag_history h
	JOIN loyalty.tag t ON t.program_id = h.program_id AND t.name = h.tag AND t.dimension = 'lifecycle'
)
SELECT c.member_id, p.name AS program, c.tag AS stage, c.changed_at AS since,
	(c.changed_at AT TIME ZONE p.time_zone)::date AS since_on,
	-- one by hand that is over, and was not looked at since
	coalesce(c.next_at, CASE WHEN m.valid_until <= loyalty.now() THEN m.valid_until END) AS until,
	c.source
FROM change c
JOIN loyalty.program p ON p.program_id = c.program_id
LEFT JOIN loyalty.member_tag m ON c.next_at IS NULL AND m.member_id = c.member_id AND m.tag = c.tag
WHERE c.action = 'set' AND (c.next_at IS NULL OR c.next_at > c.changed_at);
COMMENT ON VIEW loyalty.lifecycle_history IS 'Which stage a member was in from when until when, as it is known by now';
COMMENT ON COLUMN loyalty.lifecycle_history.member_id IS 'Whose';
COMMENT ON COLUMN loyalty.lifecycle_history.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.lifecycle_history.stage IS 'Name of the stage';
COMMENT ON COLUMN loyalty.lifecycle_history.since IS 'When it became so, whenever that was looked at';
COMMENT ON COLUMN loyalty.lifecycle_history.since_on IS 'The local day of it';
COMMENT ON COLUMN loyalty.lifecycle_history.until IS 'When it was so no more; NULL: it is so';
COMMENT ON COLUMN loyalty.lifecycle_history.source IS 'rule: by its condition; else who gave it by hand';

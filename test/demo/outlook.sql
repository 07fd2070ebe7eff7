-- The clock runs on for :months_ahead months without an order: what is pending
-- vests, and all points reach their last day.
\if :{?months_ahead}
\else
\set months_ahead 13
\endif

CREATE TABLE demo.outlook AS
SELECT nth, (last + make_interval(months => nth) + interval '12 hours') AT TIME ZONE 'Europe/London' AS at,
	NULL::numeric AS vested, NULL::numeric AS expired, NULL::numeric AS outstanding
FROM (SELECT max(at AT TIME ZONE 'Europe/London')::date AS last FROM demo.call) c,
	generate_series(1, :months_ahead) nth;

CREATE PROCEDURE demo.run_on() LANGUAGE plpgsql AS $$
DECLARE
	step demo.outlook;
	before timestamptz := loyalty.now();
BEGIN
	FOR step IN SELECT * FROM demo.outlook ORDER BY nth LOOP
		PERFORM set_config('loyalty.now', step.at::text, false);
		CALL loyalty.maintain('1 hour');
		UPDATE demo.outlook o SET
			(vested, expired) = (
				SELECT sum(amount) FILTER (WHERE kind = 'vest' AND amount > 0),
					-sum(amount) FILTER (WHERE kind = 'expire')
				FROM loyalty.report_ledger
				WHERE unit = 'points' AND effective_at > before AND effective_at <= step.at),
			outstanding = (
				SELECT sum(available + pending - debt) FROM loyalty.report_balance WHERE unit = 'points')
		WHERE o.nth = step.nth;
		COMMIT;
		before := step.at;
	END LOOP;
END $$;
CALL demo.run_on();

\echo Outlook, if nobody bought anything more
SELECT to_char(at AT TIME ZONE 'Europe/London', '  YYYY-MM-DD') AS "  until     ",
	to_char(coalesce(vested, 0), '99,999,999') AS "     vested",
	to_char(coalesce(expired, 0), '99,999,999') AS "    expired",
	to_char(outstanding, '99,999,999') AS "outstanding"
FROM demo.outlook
ORDER BY nth;

-- Of the members to whom most kinds of things happened, one with a short story.
SELECT member_id AS example, i.value AS customer_no
FROM (
		SELECT member_id, kind FROM loyalty.report_ledger WHERE unit = 'points'
		UNION ALL
		SELECT member_id, action FROM loyalty.tier_history
	) happened
	JOIN loyalty.identity i USING (member_id)
WHERE i.kind = 'customer_no'
GROUP BY member_id, i.value
ORDER BY count(DISTINCT happened.kind) DESC, count(*), i.value
LIMIT 1 \gset
\echo The statement of customer :customer_no
SELECT to_char(at, '  YYYY-MM-DD') AS "  date      ", coalesce(event, kind) AS what, ref,
	amount AS points, nullif(pending, 0) AS "of it pending", balance_after AS balance, expires_on AS "good until"
FROM loyalty.statement(:example, unit => 'points');

\echo The tiers of customer :customer_no
SELECT to_char(effective_at AT TIME ZONE p.time_zone, '  YYYY-MM-DD') AS "  date      ", action AS what,
	t.code AS tier, tier_until AS "held until", u.code AS because,
	loyalty.unit_amount(reached, u.scale) AS reached, loyalty.unit_amount(threshold, u.scale) AS "asked for",
	window_from AS "from", window_until AS "until"
FROM loyalty.tier_history h
	JOIN loyalty.program p ON p.program_id = h.program_id
	JOIN loyalty.tier t ON t.tier_id = h.tier_after
	LEFT JOIN loyalty.unit u ON u.unit_id = h.unit_id
WHERE member_id = :example
ORDER BY journal_id, line;

-- What the reports on units are made of: what each kind of row means for them, and what
-- has fallen due without being posted.

-- What each kind of row means for the books of a unit; said here and nowhere else.
CREATE OR REPLACE FUNCTION loyalty.report_points_class(kind text)
RETURNS text LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT CASE
		WHEN kind IN ('event', 'award', 'award_undo', 'topup', 'topup_confirm', 'topup_cancel', 'topup_refund',
			'plan_buy', 'plan_renew', 'plan_upgrade', 'plan_cancel', 'plan_refund') THEN 'issued'
		WHEN kind IN ('redeem', 'benefit_use', 'benefit_return', 'benefit_issue', 'benefit_claim', 'benefit_void',
			'benefit_give', 'benefit_withdraw', 'coupon_claim', 'coupon_issue', 'coupon_buy', 'coupon_use', 'coupon_undo',
			'coupon_void', 'coupon_transfer', 'coupon_receive', 'checkout_reserve', 'checkout_cancel') THEN 'spent'
		-- given back is less spent, taken back is less issued
		WHEN kind = 'refund' THEN 'refund'
		WHEN kind IN ('hold', 'release', 'time_out') THEN 'held'
		-- from held to spent
		WHEN kind = 'capture' THEN 'capture'
		WHEN kind = 'expire' THEN 'expired'
		WHEN kind = 'adjust' THEN 'adjusted'
		-- from another member, or from another system
		WHEN kind IN ('transfer', 'receive', 'import') THEN 'transferred'
		-- from one lot to another, or nothing
		WHEN kind IN ('vest', 'tier_review', 'tier_grant', 'freeze', 'thaw', 'close', 'reopen', 'identity_add', 'identity_remove',
			'topup_freeze', 'topup_unfreeze', 'topup_name') THEN 'none'
	END;
END;
COMMENT ON FUNCTION loyalty.report_points_class(text) IS
'For reports: as what a kind of journal row counts in the roll-forward of a unit; NULL: not known, which counts as adjusted';

CREATE OR REPLACE FUNCTION loyalty.report_unposted(program_id int, until timestamptz)
RETURNS TABLE (member_id bigint, kind text, effective_at timestamptz, day date, tier_id int, unit_id int, expires_on date,
	amount bigint, action text, tier_before int, tier_after int)
LANGUAGE C STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_report_unposted';
COMMENT ON FUNCTION loyalty.report_unposted(int, timestamptz) IS
'For reports: what has fallen due up to a moment, and up to now, and is not in the ledger yet: by lot (expires_on -infinity: debt) what vests, lapses or returns, and changes of tier; tier_id: the tier it finds';

CREATE OR REPLACE FUNCTION loyalty.report_end(program_id int, until date)
RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT ((report_end.until + 1)::timestamp AT TIME ZONE p.time_zone) - interval '1 microsecond'
	FROM loyalty.program p
	WHERE p.program_id = report_end.program_id;
END;
COMMENT ON FUNCTION loyalty.report_end(int, date) IS
'For reports: the last moment of a local day of a programme';

CREATE OR REPLACE FUNCTION loyalty.report_flow(program_id int, since date, until date, dimension text)
RETURNS TABLE (day date, value text, unit_id int, issued bigint, spent bigint, held bigint, expired bigint,
	adjusted bigint, transferred bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	SELECT m.day, m.value, m.unit_id,
		CASE m.class WHEN 'issued' THEN m.credited + m.debited WHEN 'refund' THEN m.debited ELSE 0 END,
		CASE m.class WHEN 'spent' THEN - m.credited - m.debited WHEN 'refund' THEN - m.credited
			WHEN 'capture' THEN - m.debited ELSE 0 END,
		CASE m.class WHEN 'held' THEN - m.credited - m.debited WHEN 'capture' THEN - m.credited ELSE 0 END,
		CASE m.class WHEN 'expired' THEN - m.credited - m.debited ELSE 0 END,
		CASE m.class WHEN 'adjusted' THEN m.credited + m.debited ELSE 0 END,
		CASE m.class WHEN 'transferred' THEN m.credited + m.debited ELSE 0 END
	FROM (
		SELECT v.day, v.value, v.unit_id, v.credited, v.debited,
			coalesce(loyalty.report_points_class(v.kind), 'adjusted') AS class
		FROM loyalty.report_value(report_flow.program_id, report_flow.since, report_flow.until, report_flow.dimension) v
		WHERE v.unit_id <> 0
		UNION ALL
		SELECT u.day, CASE report_flow.dimension WHEN 'tier' THEN coalesce(u.tier_id::text, '') ELSE '' END, u.unit_id,
			greatest(u.amount, 0), least(u.amount, 0), coalesce(loyalty.report_points_class(u.kind), 'adjusted')
		FROM loyalty.report_unposted(report_flow.program_id, loyalty.report_end(report_flow.program_id, report_flow.until)) u
		WHERE u.unit_id IS NOT NULL AND u.day BETWEEN report_flow.since AND report_flow.until) m;
END;
COMMENT ON FUNCTION loyalty.report_flow(int, date, date, text) IS
'For reports: what units did by local day and part, also what has fallen due and is not posted yet, in minor units; rows are to be added up';

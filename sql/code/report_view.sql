-- Views for BI tools, over everything that members have and had: flat, of plain
-- types, with what each column means. Those of the books stand in report.sql.

-- Of the sums the reader needs no more than this.
CREATE OR REPLACE FUNCTION loyalty.report_days()
RETURNS TABLE (program_id int, day date, unit_id int, kind text, journal_rows bigint, credited bigint, debited bigint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
SET search_path = pg_catalog, pg_temp
SET jit = off
BEGIN ATOMIC
	-- the sums of a capture have all that was held on one side, and what of it was spent on
	-- the other; the ledger has what came back
	SELECT p.program_id, v.day, v.unit_id, v.kind, sum(v.journal_rows)::bigint,
		CASE WHEN v.kind = 'capture' THEN sum(v.credited + v.debited) ELSE sum(v.credited) END::bigint,
		CASE WHEN v.kind = 'capture' THEN 0 ELSE sum(v.debited) END::bigint
	FROM loyalty.program p
	CROSS JOIN LATERAL loyalty.report_value(p.program_id, '-infinity', 'infinity', 'all') v
	GROUP BY p.program_id, v.day, v.unit_id, v.kind;
END;
COMMENT ON FUNCTION loyalty.report_days() IS
'For report_daily: what came and went on each local day, in minor units; unit_id 0: journal rows that moved nothing';

CREATE OR REPLACE VIEW loyalty.report_daily WITH (security_invoker = true) AS
SELECT p.name AS program, d.day, u.code AS unit, d.kind, d.journal_rows,
	d.credited * loyalty.unit_amount(1, coalesce(u.scale, 0)) AS credited,
	d.debited * loyalty.unit_amount(1, coalesce(u.scale, 0)) AS debited,
	(d.credited + d.debited) * loyalty.unit_amount(1, coalesce(u.scale, 0)) AS net
FROM loyalty.report_days() d
JOIN loyalty.program p ON p.program_id = d.program_id
LEFT JOIN loyalty.unit u ON u.unit_id = d.unit_id;
COMMENT ON VIEW loyalty.report_daily IS
'Totals per programme, local day, unit and kind of journal row; unit NULL counts the rows that moved nothing';

CREATE OR REPLACE VIEW loyalty.report_lot WITH (security_invoker = true) AS
SELECT a.member_id, p.name AS program, u.code AS unit, u.kind AS unit_kind,
	loyalty.unit_amount(l.amount, u.scale) AS amount,
	CASE WHEN l.origin = 'e' THEN 'earned'
		WHEN l.origin = 'b' THEN 'bonus'
		WHEN l.origin = 'a' THEN 'adjusted'
		WHEN l.origin = 't' THEN 'transferred'
		WHEN l.origin = 'p' THEN 'principal'
		WHEN l.origin = 'd' THEN 'debt' END AS origin,
	CASE WHEN l.origin = 'd' THEN 'debt'
		WHEN u.kind = 'metric' THEN 'counted'
		WHEN l.expires_on < c.today THEN 'lapsed'
		WHEN l.vests_on > c.today THEN 'pending'
		ELSE 'vested' END AS state,
	l.vests_on, l.expires_on, date_trunc('month', l.expires_on::timestamp)::date AS expires_in
FROM loyalty.account a
JOIN loyalty.program p ON p.program_id = a.program_id
CROSS JOIN LATERAL (SELECT (loyalty.now() AT TIME ZONE p.time_zone)::date AS today) c
CROSS JOIN LATERAL loyalty.wallet_lots(a.wallet) l
JOIN loyalty.unit u ON u.unit_id = l.unit_id;
COMMENT ON VIEW loyalty.report_lot IS
'One row per lot that a member has: how much, where it is from, from when and until when it can be used';

CREATE OR REPLACE VIEW loyalty.report_tier_history WITH (security_invoker = true) AS
SELECT h.member_id, h.journal_id, h.line, p.name AS program, h.action, b.code AS from_tier, t.code AS to_tier,
	h.tier_until, h.locked_until, u.code AS unit,
	loyalty.unit_amount(h.reached, u.scale) AS reached, loyalty.unit_amount(h.threshold, u.scale) AS threshold,
	(h.effective_at AT TIME ZONE p.time_zone)::date AS effective_on, h.effective_at
FROM loyalty.tier_history h
JOIN loyalty.program p ON p.program_id = h.program_id
LEFT JOIN loyalty.tier b ON b.tier_id = h.tier_before
LEFT JOIN loyalty.tier t ON t.tier_id = h.tier_after
LEFT JOIN loyalty.unit u ON u.unit_id = h.unit_id;
COMMENT ON VIEW loyalty.report_tier_history IS
'One row per change of a member''s tier and per review: from which tier to which, why and when';

CREATE OR REPLACE VIEW loyalty.report_member_coupon WITH (security_invoker = true) AS
SELECT m.member_id, m.coupon_no, p.name AS program, k.name AS coupon, k.title, k.kind,
	CASE WHEN m.status IN ('void', 'given') THEN m.status
		WHEN m.uses >= m.max_uses THEN 'used'
		WHEN m.valid_until < c.today THEN 'expired'
		WHEN m.valid_from > c.today THEN 'not_started'
		ELSE 'open' END AS state,
	m.source, (m.issued_at AT TIME ZONE p.time_zone)::date AS issued_on, m.issued_at,
	m.valid_from, m.valid_until, m.uses, m.max_uses
FROM loyalty.member_coupon m
JOIN loyalty.program p ON p.program_id = m.program_id
CROSS JOIN LATERAL (SELECT (loyalty.now() AT TIME ZONE p.time_zone)::date AS today) c
JOIN loyalty.coupon k ON k.coupon_id = m.coupon_id;
COMMENT ON VIEW loyalty.report_member_coupon IS
'One row per coupon that a member has or had: how he came by it, until when it is good, what became of it; no codes';

CREATE OR REPLACE VIEW loyalty.report_coupon_use WITH (security_invoker = true) AS
SELECT u.member_id, u.use_id, p.name AS program, k.name AS coupon, k.title, k.kind, k.automatic, u.coupon_no, u.ref,
	u.status, loyalty.unit_amount(u.discount, p.currency_scale) AS discount,
	loyalty.unit_amount(u.returned, p.currency_scale) AS returned, p.currency, j.channel, j.store, j.staff,
	(u.used_at AT TIME ZONE p.time_zone)::date AS used_on, u.used_at, u.reserved_until
FROM loyalty.coupon_use u
JOIN loyalty.program p ON p.program_id = u.program_id
JOIN loyalty.coupon k ON k.coupon_id = u.coupon_id
LEFT JOIN loyalty.journal j ON j.member_id = u.member_id AND j.journal_id = u.journal_id;
COMMENT ON VIEW loyalty.report_coupon_use IS
'One row per use of a coupon, a code or an offer: for which order, and what it took off';

CREATE OR REPLACE VIEW loyalty.report_campaign WITH (security_invoker = true) AS
WITH award AS MATERIALIZED (
	SELECT x.campaign_id, x.unit_id, x.amount FROM loyalty.report_campaign_awarded() x
)
SELECT p.name AS program, c.name AS campaign, c.title, c.status, c.starts_at, c.ends_at, u.code AS unit,
	b.amount AS budget, loyalty.unit_amount(s.used, u.scale) AS used,
	b.amount - loyalty.unit_amount(s.used, u.scale) AS remaining,
	round(loyalty.unit_amount(s.used, u.scale) / nullif(b.amount, 0), 4) AS used_share,
	loyalty.unit_amount(a.amount, u.scale) AS awarded
FROM loyalty.campaign c
JOIN loyalty.program p ON p.program_id = c.program_id
LEFT JOIN (
	SELECT x.campaign_id, x.unit_id FROM loyalty.budget x WHERE x.campaign_id IS NOT NULL
	UNION
	SELECT y.campaign_id, y.unit_id FROM loyalty.rule y WHERE y.campaign_id IS NOT NULL
	UNION
	SELECT z.campaign_id, z.unit_id FROM award z) w ON w.campaign_id = c.campaign_id
LEFT JOIN loyalty.unit u ON u.unit_id = w.unit_id
LEFT JOIN award a ON a.campaign_id = c.campaign_id AND a.unit_id = w.unit_id
LEFT JOIN loyalty.budget b ON b.campaign_id = c.campaign_id AND b.unit_id = w.unit_id
LEFT JOIN LATERAL (
	SELECT sum(z.used)::bigint AS used FROM loyalty.budget_slot z WHERE z.budget_id = b.budget_id) s ON true;
COMMENT ON VIEW loyalty.report_campaign IS
'One row per campaign and unit that it awards or has a budget of: dates, status, what is used of the budget and what was awarded';

CREATE OR REPLACE VIEW loyalty.report_hold WITH (security_invoker = true) AS
SELECT h.member_id, h.hold_id, p.name AS program, u.code AS unit,
	loyalty.unit_amount(h.amount, u.scale) AS amount, loyalty.unit_amount(h.captured, u.scale) AS captured,
	CASE WHEN h.status = 'held' AND h.expires_at <= loyalty.now() THEN 'timed_out' ELSE h.status END AS status,
	h.ref, h.of_order, (j.effective_at AT TIME ZONE p.time_zone)::date AS held_on, j.effective_at AS held_at, h.expires_at
FROM loyalty.hold h
JOIN loyalty.program p ON p.program_id = h.program_id
JOIN loyalty.unit u ON u.unit_id = h.unit_id
LEFT JOIN loyalty.journal j ON j.member_id = h.member_id AND j.journal_id = h.journal_id;
COMMENT ON VIEW loyalty.report_hold IS
'One row per hold: what was set aside of which unit, for what, and what became of it';

-- What the columns are.

COMMENT ON COLUMN loyalty.report_member.member_id IS 'Id of the member; nothing personal';
COMMENT ON COLUMN loyalty.report_member.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_member.status IS 'active, frozen, closed or merged';
COMMENT ON COLUMN loyalty.report_member.joined_on IS 'Local day on which the member joined';
COMMENT ON COLUMN loyalty.report_member.joined_at IS 'When the member joined';
COMMENT ON COLUMN loyalty.report_member.first_event_at IS 'Of the earliest event, by the time at which it happened';
COMMENT ON COLUMN loyalty.report_member.last_event_at IS 'Of the latest event, by the time at which it happened';
COMMENT ON COLUMN loyalty.report_member.first_purchase_at IS 'Of the first purchase; NULL: none';
COMMENT ON COLUMN loyalty.report_member.last_purchase_at IS 'Of the latest purchase; NULL: none';
COMMENT ON COLUMN loyalty.report_member.purchases IS 'How many purchases were recorded, refunded or not';
COMMENT ON COLUMN loyalty.report_member.tier IS 'Code of the tier now, whether or not a review that is due was posted';
COMMENT ON COLUMN loyalty.report_member.tier_until IS 'Last day of the tier; NULL: no end';
COMMENT ON COLUMN loyalty.report_balance.member_id IS 'Id of the member; nothing personal';
COMMENT ON COLUMN loyalty.report_balance.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_balance.unit IS 'Code of the unit';
COMMENT ON COLUMN loyalty.report_balance.unit_kind IS 'points, money, metric or counter';
COMMENT ON COLUMN loyalty.report_balance.available IS 'What can be spent now';
COMMENT ON COLUMN loyalty.report_balance.pending IS 'What can be spent later, from its day on';
COMMENT ON COLUMN loyalty.report_balance.held IS 'What is set aside by holds';
COMMENT ON COLUMN loyalty.report_balance.debt IS 'What is owed, because it was spent before it was taken back';
COMMENT ON COLUMN loyalty.report_balance.worth IS 'What the available part is worth by the unit''s anchor of today, in the currency; stored value without an anchor is worth itself; NULL: points without one';
COMMENT ON COLUMN loyalty.report_balance.currency IS 'Currency of worth';
COMMENT ON COLUMN loyalty.report_ledger.member_id IS 'Id of the member; nothing personal';
COMMENT ON COLUMN loyalty.report_ledger.journal_id IS 'Row of the journal; with member_id the key';
COMMENT ON COLUMN loyalty.report_ledger.line IS 'Number of the entry within the row of the journal';
COMMENT ON COLUMN loyalty.report_ledger.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_ledger.kind IS 'What the row of the journal is: event, redeem, refund, expire and so on';
COMMENT ON COLUMN loyalty.report_ledger.event IS 'Of kind event: which one';
COMMENT ON COLUMN loyalty.report_ledger.ref IS 'Reference of the call';
COMMENT ON COLUMN loyalty.report_ledger.reverses IS 'Of a refund: the order that it takes back';
COMMENT ON COLUMN loyalty.report_ledger.channel IS 'Where it came from';
COMMENT ON COLUMN loyalty.report_ledger.store IS 'In which store';
COMMENT ON COLUMN loyalty.report_ledger.unit IS 'Code of the unit';
COMMENT ON COLUMN loyalty.report_ledger.origin IS 'earned, bonus, adjusted, transferred, principal or debt';
COMMENT ON COLUMN loyalty.report_ledger.amount IS 'How much came, or below zero went, in the unit''s own terms';
COMMENT ON COLUMN loyalty.report_ledger.balance_after IS 'Everything the member has of the unit after it';
COMMENT ON COLUMN loyalty.report_ledger.vests_on IS 'First day of use of the lot; NULL: at once';
COMMENT ON COLUMN loyalty.report_ledger.expires_on IS 'Last day of use of the lot; NULL: never lapses';
COMMENT ON COLUMN loyalty.report_ledger.rule_id IS 'The rule that awarded it';
COMMENT ON COLUMN loyalty.report_ledger.effective_on IS 'Local day on which it counts';
COMMENT ON COLUMN loyalty.report_ledger.effective_at IS 'When it counts';
COMMENT ON COLUMN loyalty.report_ledger.recorded_on IS 'Local day on which it was written';
COMMENT ON COLUMN loyalty.report_ledger.recorded_at IS 'When it was written';
COMMENT ON COLUMN loyalty.report_event.member_id IS 'Id of the member; nothing personal';
COMMENT ON COLUMN loyalty.report_event.journal_id IS 'Row of the journal; with member_id the key';
COMMENT ON COLUMN loyalty.report_event.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_event.kind IS 'What the row of the journal is: event, redeem, refund and so on';
COMMENT ON COLUMN loyalty.report_event.event IS 'Of kind event: which one';
COMMENT ON COLUMN loyalty.report_event.ref IS 'Reference of the call';
COMMENT ON COLUMN loyalty.report_event.reverses IS 'Of a refund: the order that it takes back';
COMMENT ON COLUMN loyalty.report_event.amount IS 'Of the call, in what amount_in says; NULL: it had none';
COMMENT ON COLUMN loyalty.report_event.amount_in IS 'The currency or the unit of amount; vouchers or coupons, where it counts pieces';
COMMENT ON COLUMN loyalty.report_event.channel IS 'Where it came from';
COMMENT ON COLUMN loyalty.report_event.store IS 'In which store';
COMMENT ON COLUMN loyalty.report_event.staff IS 'By whom';
COMMENT ON COLUMN loyalty.report_event.other_member_id IS 'The other side of a transfer';
COMMENT ON COLUMN loyalty.report_event.effective_on IS 'Local day on which it counts';
COMMENT ON COLUMN loyalty.report_event.effective_at IS 'When it counts';
COMMENT ON COLUMN loyalty.report_event.recorded_on IS 'Local day on which it was written';
COMMENT ON COLUMN loyalty.report_event.recorded_at IS 'When it was written';
COMMENT ON COLUMN loyalty.report_daily.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_daily.day IS 'Local day on which it counts';
COMMENT ON COLUMN loyalty.report_daily.unit IS 'Code of the unit; NULL: rows that moved nothing';
COMMENT ON COLUMN loyalty.report_daily.kind IS 'What the rows of the journal are';
COMMENT ON COLUMN loyalty.report_daily.journal_rows IS 'How many rows of the journal moved the unit';
COMMENT ON COLUMN loyalty.report_daily.credited IS 'What came, in the unit''s own terms';
COMMENT ON COLUMN loyalty.report_daily.debited IS 'What went, zero or below';
COMMENT ON COLUMN loyalty.report_daily.net IS 'Both together';
COMMENT ON COLUMN loyalty.report_plan.member_id IS 'Id of the member; nothing personal';
COMMENT ON COLUMN loyalty.report_plan.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_plan.plan IS 'Name of the plan';
COMMENT ON COLUMN loyalty.report_plan.tier IS 'Code of the tier that it gives, as it was bought';
COMMENT ON COLUMN loyalty.report_plan.starts_on IS 'First day';
COMMENT ON COLUMN loyalty.report_plan.ends_on IS 'Last day; before starts_on: none is left';
COMMENT ON COLUMN loyalty.report_plan.bought_until IS 'Last day as it was bought';
COMMENT ON COLUMN loyalty.report_plan.price IS 'What it was sold for, in the currency';
COMMENT ON COLUMN loyalty.report_plan.credit IS 'What the period before has paid of the price';
COMMENT ON COLUMN loyalty.report_plan.paid IS 'What was paid';
COMMENT ON COLUMN loyalty.report_plan.refunded IS 'What of that was given back';
COMMENT ON COLUMN loyalty.report_plan.currency IS 'Currency of the amounts';
COMMENT ON COLUMN loyalty.report_plan.auto_renew IS 'Whether it is to be renewed';
COMMENT ON COLUMN loyalty.report_plan.status IS 'active, upgraded or refunded';
COMMENT ON COLUMN loyalty.report_plan.journal_id IS 'Row of the journal that bought it; with member_id the key';
COMMENT ON COLUMN loyalty.report_automation.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_automation.automation IS 'Name of the automation';
COMMENT ON COLUMN loyalty.report_automation.title IS 'Its title, for people';
COMMENT ON COLUMN loyalty.report_automation.status IS 'draft, live, paused or ended';
COMMENT ON COLUMN loyalty.report_automation.trigger_kind IS 'What starts it';
COMMENT ON COLUMN loyalty.report_automation.runs IS 'How many runs were started';
COMMENT ON COLUMN loyalty.report_automation.waiting IS 'Of them: wait for their next step';
COMMENT ON COLUMN loyalty.report_automation.done IS 'Of them: did all their steps';
COMMENT ON COLUMN loyalty.report_automation.exited IS 'Of them: ended early, at a check or because the goal was reached';
COMMENT ON COLUMN loyalty.report_automation.skipped IS 'Of them: were not for the member';
COMMENT ON COLUMN loyalty.report_automation.cancelled IS 'Of them: ended while they waited';
COMMENT ON COLUMN loyalty.report_automation.failed IS 'Of them: were given up after errors';
COMMENT ON COLUMN loyalty.report_automation.undone IS 'Of them: taken back with the order that started them';
COMMENT ON COLUMN loyalty.report_automation.held_out IS 'Of them: did nothing, for comparison';
COMMENT ON COLUMN loyalty.report_automation.treated IS 'Of them: did something';
COMMENT ON COLUMN loyalty.report_automation.treated_goals IS 'Of those that did something: reached the goal';
COMMENT ON COLUMN loyalty.report_automation.held_out_goals IS 'Of those held out: reached the goal all the same';
COMMENT ON COLUMN loyalty.report_automation.treated_share IS 'Share of those that did something that reached the goal';
COMMENT ON COLUMN loyalty.report_automation.held_out_share IS 'Share of those held out that reached the goal';
COMMENT ON COLUMN loyalty.report_automation.last_triggered_at IS 'When the latest run was started';
COMMENT ON COLUMN loyalty.report_topup.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_topup.unit IS 'Code of the unit of stored value';
COMMENT ON COLUMN loyalty.report_topup.month IS 'First day of the local month';
COMMENT ON COLUMN loyalty.report_topup.currency IS 'Currency of the programme';
COMMENT ON COLUMN loyalty.report_topup.opening_principal IS 'Principal outstanding before the month';
COMMENT ON COLUMN loyalty.report_topup.topped_up IS 'Principal that was topped up';
COMMENT ON COLUMN loyalty.report_topup.spent_principal IS 'Principal that was spent';
COMMENT ON COLUMN loyalty.report_topup.refunded IS 'Principal that went with refunds of top-ups';
COMMENT ON COLUMN loyalty.report_topup.paid_out IS 'Money that refunds of top-ups paid out';
COMMENT ON COLUMN loyalty.report_topup.lapsed_principal IS 'Principal that lapsed';
COMMENT ON COLUMN loyalty.report_topup.other_principal IS 'Principal moved otherwise, as by transfers and corrections';
COMMENT ON COLUMN loyalty.report_topup.closing_principal IS 'Principal outstanding at the end of the month';
COMMENT ON COLUMN loyalty.report_topup.opening_bonus IS 'Bonus outstanding before the month';
COMMENT ON COLUMN loyalty.report_topup.bonus_given IS 'Bonus that was given';
COMMENT ON COLUMN loyalty.report_topup.spent_bonus IS 'Bonus that was spent';
COMMENT ON COLUMN loyalty.report_topup.forfeited IS 'Bonus that went with refunds of top-ups';
COMMENT ON COLUMN loyalty.report_topup.lapsed_bonus IS 'Bonus that lapsed';
COMMENT ON COLUMN loyalty.report_topup.other_bonus IS 'Bonus moved otherwise, as by transfers and corrections';
COMMENT ON COLUMN loyalty.report_topup.closing_bonus IS 'Bonus outstanding at the end of the month';
COMMENT ON COLUMN loyalty.report_topup_quarter.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_topup_quarter.unit IS 'Code of the unit of stored value';
COMMENT ON COLUMN loyalty.report_topup_quarter.quarter IS 'First day of the local quarter';
COMMENT ON COLUMN loyalty.report_topup_quarter.currency IS 'Currency of the programme';
COMMENT ON COLUMN loyalty.report_topup_quarter.topped_up IS 'Principal that was topped up';
COMMENT ON COLUMN loyalty.report_topup_quarter.bonus_given IS 'Bonus that was given';
COMMENT ON COLUMN loyalty.report_topup_quarter.spent_principal IS 'Principal that was spent';
COMMENT ON COLUMN loyalty.report_topup_quarter.spent_bonus IS 'Bonus that was spent';
COMMENT ON COLUMN loyalty.report_topup_quarter.paid_out IS 'Money that refunds of top-ups paid out';
COMMENT ON COLUMN loyalty.report_topup_quarter.lapsed_principal IS 'Principal that lapsed';
COMMENT ON COLUMN loyalty.report_topup_quarter.lapsed_bonus IS 'Bonus that lapsed';
COMMENT ON COLUMN loyalty.report_topup_quarter.outstanding_principal IS 'Principal outstanding at the end of the quarter';
COMMENT ON COLUMN loyalty.report_topup_quarter.outstanding_bonus IS 'Bonus outstanding at the end of the quarter';
COMMENT ON COLUMN loyalty.report_lot.member_id IS 'Id of the member; nothing personal';
COMMENT ON COLUMN loyalty.report_lot.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_lot.unit IS 'Code of the unit';
COMMENT ON COLUMN loyalty.report_lot.unit_kind IS 'points, money, metric or counter';
COMMENT ON COLUMN loyalty.report_lot.amount IS 'How much, in the unit''s own terms; below zero: owed';
COMMENT ON COLUMN loyalty.report_lot.origin IS 'earned, bonus, adjusted, transferred, principal or debt';
COMMENT ON COLUMN loyalty.report_lot.state IS 'vested: can be spent; pending: later; lapsed: over, but not posted yet; counted: of a metric; debt';
COMMENT ON COLUMN loyalty.report_lot.vests_on IS 'First day of use; NULL: at once; of a metric the month in which it counts';
COMMENT ON COLUMN loyalty.report_lot.expires_on IS 'Last day of use; NULL: never lapses';
COMMENT ON COLUMN loyalty.report_lot.expires_in IS 'First day of the month of expires_on';
COMMENT ON COLUMN loyalty.report_tier_history.member_id IS 'Id of the member; nothing personal';
COMMENT ON COLUMN loyalty.report_tier_history.journal_id IS 'Row of the journal; with member_id the key';
COMMENT ON COLUMN loyalty.report_tier_history.line IS 'Number of the change within the row of the journal';
COMMENT ON COLUMN loyalty.report_tier_history.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_tier_history.action IS 'joined, promoted, prolonged, warned, grace, demoted, revoked, granted or bought';
COMMENT ON COLUMN loyalty.report_tier_history.from_tier IS 'Code of the tier before; NULL: none';
COMMENT ON COLUMN loyalty.report_tier_history.to_tier IS 'Code of the tier after; NULL: none';
COMMENT ON COLUMN loyalty.report_tier_history.tier_until IS 'Last day of the tier; NULL: no end';
COMMENT ON COLUMN loyalty.report_tier_history.locked_until IS 'Not reviewed before this day is over';
COMMENT ON COLUMN loyalty.report_tier_history.unit IS 'Code of the unit of the threshold that decided; NULL: none did';
COMMENT ON COLUMN loyalty.report_tier_history.reached IS 'How much of it there was';
COMMENT ON COLUMN loyalty.report_tier_history.threshold IS 'How much was asked for';
COMMENT ON COLUMN loyalty.report_tier_history.effective_on IS 'Local day on which it counts';
COMMENT ON COLUMN loyalty.report_tier_history.effective_at IS 'When it counts';
COMMENT ON COLUMN loyalty.report_member_coupon.member_id IS 'Id of the member; nothing personal';
COMMENT ON COLUMN loyalty.report_member_coupon.coupon_no IS 'Number of the coupon; with member_id the key';
COMMENT ON COLUMN loyalty.report_member_coupon.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_member_coupon.coupon IS 'Name of the template';
COMMENT ON COLUMN loyalty.report_member_coupon.title IS 'Its title, for people';
COMMENT ON COLUMN loyalty.report_member_coupon.kind IS 'amount, percent and so on';
COMMENT ON COLUMN loyalty.report_member_coupon.state IS 'open: can be used; not_started; used: all its uses are used or reserved; expired; void; given: to another member';
COMMENT ON COLUMN loyalty.report_member_coupon.source IS 'How the member came by it: claim, issue, pack, segment, buy, transfer, code or import';
COMMENT ON COLUMN loyalty.report_member_coupon.issued_on IS 'Local day on which it was issued';
COMMENT ON COLUMN loyalty.report_member_coupon.issued_at IS 'When it was issued';
COMMENT ON COLUMN loyalty.report_member_coupon.valid_from IS 'First day of use';
COMMENT ON COLUMN loyalty.report_member_coupon.valid_until IS 'Last day of use; NULL: no end';
COMMENT ON COLUMN loyalty.report_member_coupon.uses IS 'How often it is used or reserved';
COMMENT ON COLUMN loyalty.report_member_coupon.max_uses IS 'How often it can be used';
COMMENT ON COLUMN loyalty.report_coupon_use.member_id IS 'Id of the member; nothing personal';
COMMENT ON COLUMN loyalty.report_coupon_use.use_id IS 'Id of the use; with member_id the key';
COMMENT ON COLUMN loyalty.report_coupon_use.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_coupon_use.coupon IS 'Name of the template or offer';
COMMENT ON COLUMN loyalty.report_coupon_use.title IS 'Its title, for people';
COMMENT ON COLUMN loyalty.report_coupon_use.kind IS 'amount, percent and so on';
COMMENT ON COLUMN loyalty.report_coupon_use.automatic IS 'Whether it is an offer, which needs no coupon';
COMMENT ON COLUMN loyalty.report_coupon_use.coupon_no IS 'Number of the member''s coupon; NULL: a code or an offer';
COMMENT ON COLUMN loyalty.report_coupon_use.ref IS 'Reference of the order';
COMMENT ON COLUMN loyalty.report_coupon_use.status IS 'reserved, used, returned or released';
COMMENT ON COLUMN loyalty.report_coupon_use.discount IS 'What it took off, in the currency';
COMMENT ON COLUMN loyalty.report_coupon_use.returned IS 'What of that refunds have taken back';
COMMENT ON COLUMN loyalty.report_coupon_use.currency IS 'Currency of the amounts';
COMMENT ON COLUMN loyalty.report_coupon_use.channel IS 'Of the call that used it';
COMMENT ON COLUMN loyalty.report_coupon_use.store IS 'Of the call that used it';
COMMENT ON COLUMN loyalty.report_coupon_use.staff IS 'Of the call that used it';
COMMENT ON COLUMN loyalty.report_coupon_use.used_on IS 'Local day of the use';
COMMENT ON COLUMN loyalty.report_coupon_use.used_at IS 'When it was used or reserved';
COMMENT ON COLUMN loyalty.report_coupon_use.reserved_until IS 'Of a reservation: until when';
COMMENT ON COLUMN loyalty.report_campaign.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_campaign.campaign IS 'Name of the campaign';
COMMENT ON COLUMN loyalty.report_campaign.title IS 'Its title, for people';
COMMENT ON COLUMN loyalty.report_campaign.status IS 'draft, live, paused or ended';
COMMENT ON COLUMN loyalty.report_campaign.starts_at IS 'When it begins; NULL: no limit';
COMMENT ON COLUMN loyalty.report_campaign.ends_at IS 'When it is over; NULL: no limit';
COMMENT ON COLUMN loyalty.report_campaign.unit IS 'Code of the unit; NULL: it awards none';
COMMENT ON COLUMN loyalty.report_campaign.budget IS 'How much of the unit it may award; NULL: no limit';
COMMENT ON COLUMN loyalty.report_campaign.used IS 'How much of the budget is used';
COMMENT ON COLUMN loyalty.report_campaign.remaining IS 'How much of the budget is left';
COMMENT ON COLUMN loyalty.report_campaign.used_share IS 'Share of the budget that is used';
COMMENT ON COLUMN loyalty.report_campaign.awarded IS 'What its rules have awarded less what refunds took back; reads the ledger';
COMMENT ON COLUMN loyalty.report_hold.member_id IS 'Id of the member; nothing personal';
COMMENT ON COLUMN loyalty.report_hold.hold_id IS 'Id of the hold; with member_id the key';
COMMENT ON COLUMN loyalty.report_hold.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_hold.unit IS 'Code of the unit';
COMMENT ON COLUMN loyalty.report_hold.amount IS 'How much was set aside, in the unit''s own terms';
COMMENT ON COLUMN loyalty.report_hold.captured IS 'How much of it was spent';
COMMENT ON COLUMN loyalty.report_hold.status IS 'held, captured, released or timed_out';
COMMENT ON COLUMN loyalty.report_hold.ref IS 'What it is for';
COMMENT ON COLUMN loyalty.report_hold.of_order IS 'Whether it belongs to a reserved order and ends with it';
COMMENT ON COLUMN loyalty.report_hold.held_on IS 'Local day on which it was set aside';
COMMENT ON COLUMN loyalty.report_hold.held_at IS 'When it was set aside';
COMMENT ON COLUMN loyalty.report_hold.expires_at IS 'Until when it holds';
COMMENT ON COLUMN loyalty.budget_status.budget_id IS 'Id of the budget';
COMMENT ON COLUMN loyalty.budget_status.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.budget_status.campaign IS 'Name of the campaign; NULL: the programme''s own';
COMMENT ON COLUMN loyalty.budget_status.unit IS 'Code of the unit';
COMMENT ON COLUMN loyalty.budget_status.amount IS 'How much may be awarded';
COMMENT ON COLUMN loyalty.budget_status.used IS 'How much is used';
COMMENT ON COLUMN loyalty.budget_status.remaining IS 'How much is left';
COMMENT ON COLUMN loyalty.budget_status.slots IS 'In how many slots it is cut';
COMMENT ON COLUMN loyalty.coupon_limit_status.budget_id IS 'Id of the budget that counts it';
COMMENT ON COLUMN loyalty.coupon_limit_status.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.coupon_limit_status.coupon IS 'Name of the coupon or offer';
COMMENT ON COLUMN loyalty.coupon_limit_status.counts IS 'issued, used or discount';
COMMENT ON COLUMN loyalty.coupon_limit_status.amount IS 'How much there is in all';
COMMENT ON COLUMN loyalty.coupon_limit_status.used IS 'How much is used';
COMMENT ON COLUMN loyalty.coupon_limit_status.remaining IS 'How much is left';
COMMENT ON COLUMN loyalty.coupon_limit_status.slots IS 'In how many slots it is cut';

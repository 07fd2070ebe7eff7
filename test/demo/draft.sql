-- What a campaign would have cost, before anybody decides on it: double points
-- on Sundays, with all orders of the year. Nothing is written but the draft.
INSERT INTO loyalty.campaign (program_id, name, title)
SELECT program_id, 'sundays', 'Double points on Sundays' FROM loyalty.program WHERE name = 'demo'
RETURNING campaign_id AS sundays, program_id AS program \gset
INSERT INTO loyalty.rule (program_id, event, unit_id, name, campaign_id, rule_group, kind, award, days_of_week)
SELECT :program, 'purchase', unit_id, 'sundays', :sundays, 'purchase', 'multiplier', 2, '{7}'
FROM loyalty.unit WHERE program_id = :program AND code = 'points';

\echo A draft: double points on Sundays, with all orders so far
SELECT to_char(events, '9,999,999') AS "     orders", to_char(members, '999,999') AS " members",
	to_char(granted, '99,999,999') AS "     points", to_char(taken_back, '99,999,999') AS " taken back",
	to_char(cost, '999,990.00') AS "   worth GBP"
FROM loyalty.simulate('demo', 'sundays')
WHERE rule = 'sundays';

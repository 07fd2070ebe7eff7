-- The programme: the template, four tiers, three campaigns, the stages of a member's
-- life, and what members are told by itself.
\if :{?vest_days}
\else
\set vest_days 14
\endif
\if :{?december_budget}
\else
\set december_budget 800000
\endif

SELECT set_config('loyalty.now', (min(at) - interval '1 day')::text, false) FROM demo.call \g /dev/null
SELECT loyalty.program_create('demo', 'GBP', 'Europe/London', vest_days => :vest_days) AS program \gset
UPDATE loyalty.program SET tier_refund = 'immediate' WHERE program_id = :program;

SELECT unit_id AS points FROM loyalty.unit WHERE program_id = :program AND code = 'points' \gset
SELECT unit_id AS spend FROM loyalty.unit WHERE program_id = :program AND code = 'spend' \gset
SELECT unit_id AS orders FROM loyalty.unit WHERE program_id = :program AND code = 'orders' \gset

-- Each tier is as good as it is hard to keep, in a way of its own.
INSERT INTO loyalty.tier (program_id, code, rank, title, entry_match, retention_match,
	valid_months, valid_round, grace_days, warn_days, demotion, multiplier, expiry, expiry_count)
VALUES
	(:program, 'ordinary', 0, 'Ordinary', 'any', 'any', NULL, 'day', 0, 0, 'never', 1, NULL, NULL),
	(:program, 'silver', 1, 'Silver', 'any', 'any', 6, 'month', 30, 30, 'one_level', 1.25, NULL, NULL),
	(:program, 'gold', 2, 'Gold', 'any', 'all', 6, 'day', 0, 45, 'to_qualified', 1.5, NULL, NULL),
	(:program, 'diamond', 3, 'Diamond', 'any', 'any', 9, 'month', 20, 60, 'one_level', 2, 'end_of_month', 24);

INSERT INTO loyalty.tier_threshold (program_id, tier_id, purpose, unit_id, threshold, window_kind, months)
SELECT :program, t.tier_id, w.purpose, u.unit_id, w.threshold, w.window_kind, w.months
FROM (VALUES
	('silver', 'entry', 'spend', 1000, 'rolling', 12),
	('silver', 'entry', 'orders', 5, 'calendar_year', NULL),
	('silver', 'retention', 'spend', 400, 'rolling', 6),
	('silver', 'retention', 'orders', 3, 'rolling', 6),
	('gold', 'entry', 'spend', 3000, 'rolling', 12),
	-- since the member is gold, both
	('gold', 'retention', 'spend', 1200, 'tier_start', NULL),
	('gold', 'retention', 'orders', 2, 'tier_start', NULL),
	-- kept by what it takes to reach it
	('diamond', 'entry', 'spend', 10000, 'rolling', 12)
) AS w(tier, purpose, unit, threshold, window_kind, months)
	JOIN loyalty.tier t ON t.program_id = :program AND t.code = w.tier
	JOIN loyalty.unit u ON u.program_id = :program AND u.code = w.unit;

-- Points of an order may be multiplied, by the best offer only.
INSERT INTO loyalty.rule_group (program_id, name, combine) VALUES (:program, 'purchase', 'max_multiplier');
UPDATE loyalty.rule SET name = 'points', rule_group = 'purchase'
WHERE program_id = :program AND unit_id = :points;

-- The year of most of the lines, and what the campaigns are dated by.
SELECT extract(year FROM max(local_ts) - interval '2 months')::int AS year,
	date_trunc('day', max(local_ts)) AT TIME ZONE 'Europe/London' AS last_day
FROM demo.invoice \gset

INSERT INTO loyalty.campaign (program_id, name, title, starts_at, ends_at) VALUES
	(:program, 'december', 'Double points in December', NULL, NULL),
	(:program, 'birthday', 'Three times the points in the month of the birthday',
		make_timestamptz(:year, 3, 1, 0, 0, 0, 'Europe/London'), NULL),
	(:program, 'bags', 'One more point for each pound of bags',
		make_timestamptz(:year, 6, 1, 0, 0, 0, 'Europe/London'), :'last_day');
SELECT campaign_id AS december FROM loyalty.campaign WHERE program_id = :program AND name = 'december' \gset
SELECT campaign_id AS birthday FROM loyalty.campaign WHERE program_id = :program AND name = 'birthday' \gset
SELECT campaign_id AS bags FROM loyalty.campaign WHERE program_id = :program AND name = 'bags' \gset

-- In December, as long as the budget lasts; small orders are left out.
INSERT INTO loyalty.rule (program_id, event, unit_id, name, campaign_id, rule_group, kind, award, condition)
VALUES (:program, 'purchase', :points, 'december', :december, 'purchase', 'multiplier', 2,
	'$.now.month == 12 && $.order.amount >= 50');
SELECT loyalty.budget_set('demo', 'points', :december_budget, 'december') \g /dev/null

-- A present is to be used soon, and has an upper limit.
INSERT INTO loyalty.rule (program_id, event, unit_id, name, campaign_id, rule_group, kind, award, birthday,
	max_award, expiry, expiry_count)
VALUES (:program, 'purchase', :points, 'birthday', :birthday, 'purchase', 'multiplier', 3, 'month',
	2000, 'days', 90);

-- The shop has no categories, but its lines are described. At most 500 a month.
INSERT INTO loyalty.rule (program_id, event, unit_id, name, campaign_id, kind, award, per, tier_multiplied,
	item_filter)
VALUES (:program, 'purchase', :points, 'bags', :bags, 'per_amount', 1, 1, false,
	'$.name like_regex "(^| )BAGS?( |$)"');
INSERT INTO loyalty.unit (program_id, code, kind, period) VALUES (:program, 'bag_points', 'counter', 'month');
INSERT INTO loyalty.rule_cap (program_id, rule_id, unit_id, maximum)
SELECT :program, r.rule_id, u.unit_id, 500
FROM loyalty.rule r, loyalty.unit u
WHERE r.program_id = :program AND r.name = 'bags' AND u.program_id = :program AND u.code = 'bag_points';

SELECT loyalty.campaign_start('demo', name) FROM loyalty.campaign WHERE program_id = :program \g /dev/null

-- Newcomer, growing, mature, declining, lost: by each member's own purchase interval.
SELECT loyalty.lifecycle_set('demo', 'growth') \g /dev/null

-- What is due on a day begins with it; quiet hours of a channel keep it until the morning.
SELECT loyalty.message_channels('demo') \g /dev/null
SELECT loyalty.automation_start('demo', loyalty.automation_template('demo', t.name, t.settings::jsonb))
FROM (VALUES
	('welcome_pack', '{"points": null, "channel": "email"}'),
	('absence_offer', '{"days": 90, "channel": "email"}'),
	('points_expiring', '{"days": 30, "channel": "email"}'),
	('points_last_chance', '{"days": 7, "channel": "sms"}'),
	('tier_at_risk', '{"channel": "email"}'),
	('tier_grace', '{"channel": "sms"}'),
	('tier_demoted', '{"channel": "email"}')) AS t(name, settings) \g /dev/null
UPDATE loyalty.automation SET at_time = '00:00' WHERE program_id = :program;

-- What the shop wants to reach.
INSERT INTO loyalty.kpi_target (program_id, kpi, starts_on, months, target)
SELECT :program, t.kpi, loyalty.now()::date, t.months, t.target
FROM (VALUES ('conversion', 3, 0.25), ('retention', 6, 0.40), ('repurchase_rate', 12, 0.35), ('basket_growth', 12, 0.25)) AS t (kpi, months, target);

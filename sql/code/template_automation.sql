-- What of a template is a setting stands in braces: "{points}" is its value, and {hours} in
-- a longer text is put there. A step with "if" is left out when that setting is null.
CREATE OR REPLACE FUNCTION loyalty.automation_templates()
RETURNS TABLE (name text, title text, title_zh text, starts text, needs text, settings jsonb, definition jsonb)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT t.name, t.title, loyalty.template_title_zh(t.name, t.title), t.starts, t.needs,
		jsonb_build_object('name', t.name, 'channel', 'sms', 'template', t.name, 'purpose', t.purpose, 'holdout', 0)
			|| t.settings::jsonb,
		jsonb_build_object(
			'automation', jsonb_build_object('name', '{name}', 'title', t.title, 'purpose', '{purpose}', 'holdout', '{holdout}')
				|| t.automation::jsonb,
			'steps', t.steps::jsonb, 'rules', t.rules::jsonb)
	FROM (VALUES
		-- a member joins and buys
		('welcome_pack', 'Welcome pack', 'signup', 'coupon or pack, if one is set', 'marketing',
			'{"unit": "points", "points": 100, "coupon": null, "pack": null}',
			'{"trigger_kind": "event", "trigger_name": "signup", "once": "ever"}',
			'[{"if": "points", "kind": "award", "unit": "{unit}", "amount": "{points}"},
			  {"if": "coupon", "kind": "coupon", "coupon": "{coupon}"},
			  {"if": "pack", "kind": "coupon", "pack": "{pack}"},
			  {"kind": "message"}]', '[]'),
		('newcomer_guide', 'Newcomer guide', 'signup, then step by step until the first purchase', '', 'marketing',
			'{"wait_days": 2, "wait_more_days": 5}',
			'{"trigger_kind": "event", "trigger_name": "signup", "once": "ever", "goal_event": "purchase"}',
			'[{"kind": "message", "template": "{template}.1"},
			  {"kind": "wait", "wait": "{wait_days} days"},
			  {"kind": "message", "template": "{template}.2"},
			  {"kind": "wait", "wait": "{wait_more_days} days"},
			  {"kind": "message", "template": "{template}.3"}]', '[]'),
		('first_purchase_pack', 'First purchase pack', 'the first purchase', 'coupon, if one is set', 'marketing',
			'{"unit": "points", "points": 50, "coupon": null}',
			'{"trigger_kind": "event", "trigger_name": "purchase", "once": "ever", "condition": "$.member.purchases == 1",
			  "goal_event": "purchase", "goal_days": 60}',
			'[{"if": "points", "kind": "award", "unit": "{unit}", "amount": "{points}"},
			  {"if": "coupon", "kind": "coupon", "coupon": "{coupon}"},
			  {"kind": "message"}]', '[]'),
		('repurchase_offer', 'Offer some days after a purchase', 'days after the last purchase', 'coupon, if one is set', 'marketing',
			'{"days": 30, "coupon": null}',
			'{"trigger_kind": "date", "trigger_name": "last_purchase", "days": "{days}", "goal_event": "purchase", "goal_days": 30}',
			'[{"if": "coupon", "kind": "coupon", "coupon": "{coupon}"}, {"kind": "message"}]', '[]'),
		-- what is about to be lost
		('points_expiring', 'Points expire soon', 'days before points expire, in total by date', '', 'service',
			'{"unit": "points", "days": 30, "min_amount": null}',
			'{"trigger_kind": "points_expiring", "trigger_name": "{unit}", "days": "{days}", "min_amount": "{min_amount}"}',
			'[{"kind": "message"}]', '[]'),
		('points_last_chance', 'Points expire: last chance', 'days before points expire, in total by date', '', 'service',
			'{"unit": "points", "days": 3, "min_amount": null}',
			'{"trigger_kind": "points_expiring", "trigger_name": "{unit}", "days": "{days}", "min_amount": "{min_amount}",
			  "late_days": 2}',
			'[{"kind": "message"}]', '[]'),
		('coupon_expiring', 'Coupon expires soon', 'days before a coupon that can be used expires', '', 'service',
			'{"coupon": null, "days": 3}',
			'{"trigger_kind": "coupon_expiring", "trigger_name": "{coupon}", "days": "{days}"}',
			'[{"kind": "message"}]', '[]'),
		('hold_expiring', 'Hold ends soon', 'hours before a hold ends', '', 'service',
			'{"unit": null, "hours": 24}',
			'{"trigger_kind": "hold_expiring", "trigger_name": "{unit}", "lead": "{hours} hours"}',
			'[{"kind": "message"}]', '[]'),
		-- tiers and plans
		('near_upgrade', 'Near the next tier', 'what is missing to the next tier is at most a percentage', 'tiers', 'marketing',
			'{"percent": 20, "tier": null}',
			'{"trigger_kind": "near_tier", "trigger_name": "{tier}", "percent": "{percent}", "goal_event": "purchase", "goal_days": 30}',
			'[{"kind": "message"}]', '[]'),
		('tier_promoted', 'Promoted to a higher tier', 'the tier is higher than before', 'tiers', 'service',
			'{}', '{"trigger_kind": "tier", "trigger_name": "promoted"}', '[{"kind": "message"}]', '[]'),
		('tier_prolonged', 'Tier prolonged', 'the tier is held for another period', 'tiers', 'service',
			'{}', '{"trigger_kind": "tier", "trigger_name": "prolonged"}', '[{"kind": "message"}]', '[]'),
		('tier_at_risk', 'Tier at risk', 'the tier will be lost unless more is done', 'tiers with warn_days', 'service',
			'{}', '{"trigger_kind": "tier", "trigger_name": "warned"}', '[{"kind": "message"}]', '[]'),
		('tier_grace', 'Tier held in grace', 'the period is over, and grace has begun', 'tiers with grace_days', 'service',
			'{}', '{"trigger_kind": "tier", "trigger_name": "grace"}', '[{"kind": "message"}]', '[]'),
		('tier_demoted', 'Demoted to a lower tier', 'the tier is lower than before', 'tiers', 'service',
			'{}', '{"trigger_kind": "tier", "trigger_name": "demoted"}', '[{"kind": "message"}]', '[]'),
		('top_tier_renewal', 'Renewal of a top tier', 'days before a tier is reviewed', 'the tier that is set', 'service',
			'{"tier": null, "days": 30}',
			'{"trigger_kind": "date", "trigger_name": "tier_until", "days": "-{days}", "condition": "$.trigger.tier == \"{tier}\"",
			  "goal_event": "purchase", "goal_days": 30}',
			'[{"kind": "message"}]', '[]'),
		('plan_renewal', 'Renewal of a paid membership', 'days before the last paid period ends, unless it renews itself',
			'plans', 'service',
			'{"plan": null, "days": 7, "coupon": null}',
			'{"trigger_kind": "plan_ending", "trigger_name": "{plan}", "days": "{days}", "condition": "$.trigger.auto_renew == false"}',
			'[{"if": "coupon", "kind": "coupon", "coupon": "{coupon}"}, {"kind": "message"}]', '[]'),
		-- days of the member
		('birthday_care', 'Birthday care', 'the birthday, or days before', 'birthday in the profile; coupon, if one is set', 'marketing',
			'{"days": 0, "unit": "points", "points": 50, "coupon": null}',
			'{"trigger_kind": "date", "trigger_name": "birthday", "yearly": true, "days": "-{days}", "goal_event": "purchase", "goal_days": 30}',
			'[{"if": "points", "kind": "award", "unit": "{unit}", "amount": "{points}"},
			  {"if": "coupon", "kind": "coupon", "coupon": "{coupon}"},
			  {"kind": "message", "valid_days": 7}]', '[]'),
		('member_anniversary', 'Anniversary of joining', 'the day of joining, each year', 'coupon, if one is set', 'marketing',
			'{"unit": "points", "points": 50, "coupon": null}',
			'{"trigger_kind": "date", "trigger_name": "joined", "yearly": true, "days": 0, "goal_event": "purchase", "goal_days": 30}',
			'[{"if": "points", "kind": "award", "unit": "{unit}", "amount": "{points}"},
			  {"if": "coupon", "kind": "coupon", "coupon": "{coupon}"},
			  {"kind": "message"}]', '[]'),
		('purchase_anniversary', 'Anniversary of the first purchase', 'the day of the first purchase, each year',
			'coupon, if one is set', 'marketing',
			'{"coupon": null}',
			'{"trigger_kind": "date", "trigger_name": "first_purchase", "yearly": true, "days": 0, "goal_event": "purchase", "goal_days": 30}',
			'[{"if": "coupon", "kind": "coupon", "coupon": "{coupon}"}, {"kind": "message"}]', '[]'),
		-- who does not come any more
		('silent_reminder', 'Nothing done for some days', 'days since the last event of any kind', '', 'marketing',
			'{"days": 30}',
			'{"trigger_kind": "silent", "trigger_name": "event", "days": "{days}"}',
			'[{"kind": "message"}]', '[]'),
		('absence_offer', 'Exclusive coupon after a long absence', 'days since the last purchase', 'coupon, if one is set', 'marketing',
			'{"days": 60, "coupon": null}',
			'{"trigger_kind": "silent", "trigger_name": "purchase", "days": "{days}", "condition": "$.member.purchases > 0",
			  "goal_event": "purchase", "goal_days": 30}',
			'[{"if": "coupon", "kind": "coupon", "coupon": "{coupon}"}, {"kind": "message"}]', '[]'),
		('dormant_recall', 'Recall with coupon and more points', 'days since the last purchase',
			'unit; coupon, if one is set; makes the rule that multiplies', 'marketing',
			'{"days": 90, "coupon": null, "tag": "recalled", "double_days": 14, "factor": 2, "unit": "points"}',
			'{"trigger_kind": "silent", "trigger_name": "purchase", "days": "{days}", "condition": "$.member.purchases > 0",
			  "goal_event": "purchase", "goal_days": 30}',
			'[{"if": "coupon", "kind": "coupon", "coupon": "{coupon}"},
			  {"kind": "tag_add", "tag": "{tag}", "valid_days": "{double_days}"},
			  {"kind": "message"}]',
			'[{"name": "{name}", "event": "purchase", "unit": "{unit}", "kind": "multiplier", "award": "{factor}", "tags": ["{tag}"]}]'),
		('churn_warning', 'Churn warning', 'a stage of the lifecycle', 'the stage; coupon, if one is set', 'marketing',
			'{"stage": "churn_warning", "coupon": null}',
			'{"trigger_kind": "stage", "trigger_name": "{stage}", "goal_event": "purchase", "goal_days": 30}',
			'[{"if": "coupon", "kind": "coupon", "coupon": "{coupon}"}, {"kind": "message"}]', '[]'),
		('cart_abandoned', 'Cart abandoned', 'hours after the cart was changed last, without a purchase', 'activity cart_updated', 'marketing',
			'{"activity": "cart_updated", "hours": 4, "gap_days": 1}',
			'{"trigger_kind": "activity", "trigger_name": "{activity}", "delay": "{hours} hours", "restarts": true, "gap_days": "{gap_days}",
			  "goal_event": "purchase", "goal_days": 3}',
			'[{"kind": "message", "valid_days": 2}]', '[]'),
		-- for many, when the shop says so: automation_broadcast()
		('price_drop', 'Price drop of what was looked at', 'a broadcast for a sku', 'activities with target_kind sku', 'marketing',
			'{}', '{"trigger_kind": "announcement", "goal_event": "purchase", "goal_days": 7}', '[{"kind": "message", "valid_days": 7}]', '[]'),
		('restock', 'Back in stock', 'a broadcast for a sku', 'activities with target_kind sku', 'marketing',
			'{}', '{"trigger_kind": "announcement", "goal_event": "purchase", "goal_days": 7}', '[{"kind": "message", "valid_days": 7}]', '[]'),
		('new_arrivals', 'New arrivals of a liked category', 'a broadcast for a category or brand', 'items with category or brand', 'marketing',
			'{}', '{"trigger_kind": "announcement", "goal_event": "purchase", "goal_days": 14}', '[{"kind": "message"}]', '[]'),
		('launch', 'Launch of a product', 'a broadcast for a segment', '', 'marketing',
			'{}', '{"trigger_kind": "announcement", "goal_event": "purchase", "goal_days": 14}', '[{"kind": "message"}]', '[]'),
		('holiday', 'Holiday', 'days before a day of the calendar', 'days in calendar_day; coupon, if one is set', 'marketing',
			'{"calendar": "holidays", "days": 0, "segment": null, "coupon": null}',
			'{"trigger_kind": "schedule", "calendar": "{calendar}", "calendar_days": "{days}", "segment": "{segment}", "late_days": 0,
			  "goal_event": "purchase", "goal_days": 14}',
			'[{"if": "coupon", "kind": "coupon", "coupon": "{coupon}"}, {"kind": "message", "valid_days": 3}]', '[]')
	) AS t (name, title, starts, needs, purpose, settings, automation, steps, rules)
	ORDER BY t.name;
END;
COMMENT ON FUNCTION loyalty.automation_templates() IS
'Named automations: what starts them, what they need, and their settings with defaults';

CREATE OR REPLACE FUNCTION loyalty.automation_template(program text, name text, settings jsonb DEFAULT '{}')
RETURNS text LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_automation_template';
COMMENT ON FUNCTION loyalty.automation_template(text, text, jsonb) IS
'Puts a named automation into the programme, as a draft; returns what it is called there';

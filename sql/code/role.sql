-- Roles belong to the server, not to a database, so the install script makes
-- none; this makes them, and gives each what doc/security.md says.
--
-- Its SQL is dynamic, because the names of the roles are arguments. It runs with
-- the rights of its caller, who has to be a superuser. Every run leads to the same
-- state, and none takes away what the administrator has granted.
CREATE OR REPLACE FUNCTION loyalty.setup_roles(prefix text DEFAULT 'loyalty')
RETURNS void LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command text;
BEGIN
	IF prefix IS NULL THEN
		RAISE EXCEPTION 'prefix must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF prefix !~ '^[a-z][a-z0-9_]{0,54}$' OR prefix ~ '^pg_' THEN
		RAISE EXCEPTION 'invalid prefix for role names'
			USING ERRCODE = 'invalid_parameter_value',
			DETAIL = 'It must be 1 to 55 lower case letters, digits and underscores, begin with a letter, and not with pg_.';
	END IF;
	-- Functions that belong to the owner run with the owner's rights.
	IF EXISTS (SELECT FROM pg_roles r
			WHERE r.rolname = prefix || '_owner' AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole)) THEN
		RAISE EXCEPTION 'role "%" has too many rights to own functions', prefix || '_owner'
			USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = 'Take SUPERUSER, BYPASSRLS and CREATEROLE from it, or choose another prefix.';
	END IF;

	FOR command IN
		SELECT format('CREATE ROLE %I NOLOGIN', n.name)
		FROM unnest('{owner,admin,app,worker,reader,pii,auditor}'::text[]) WITH ORDINALITY r (role, place)
		CROSS JOIN LATERAL (SELECT prefix || '_' || r.role AS name) n
		WHERE NOT EXISTS (SELECT FROM pg_roles x WHERE x.rolname = n.name)
		ORDER BY r.place
	LOOP
		EXECUTE command;
	END LOOP;

	-- One role's rights within another's.
	FOR command IN
		SELECT format('GRANT %I TO %I', prefix || '_' || g.role, prefix || '_' || g.member)
		FROM (VALUES ('app', 'admin'), ('reader', 'pii'), ('reader', 'auditor')) g (role, member)
		WHERE NOT pg_has_role(prefix || '_' || g.member, prefix || '_' || g.role, 'MEMBER')
	LOOP
		EXECUTE command;
	END LOOP;

	-- A transaction that is forgotten keeps its members locked. They count for
	-- the role that logs in; another value that was set stays.
	FOR command IN
		SELECT format('ALTER ROLE %I SET %I = %L', r.rolname, s.name, s.value)
		FROM pg_roles r
		CROSS JOIN (VALUES ('statement_timeout', '30s'),
			('idle_in_transaction_session_timeout', '60s')) s (name, value)
		WHERE r.rolname = prefix || '_app'
		AND NOT EXISTS (SELECT FROM unnest(r.rolconfig) c WHERE c LIKE s.name || '=%')
	LOOP
		EXECUTE command;
	END LOOP;

	FOR command IN
		SELECT format('GRANT USAGE ON SCHEMA loyalty TO %I', prefix || '_' || r.role)
		FROM unnest('{owner,admin,app,worker,reader,pii,auditor}'::text[]) WITH ORDINALITY r (role, place)
		ORDER BY r.place
	LOOP
		EXECUTE command;
	END LOOP;

	-- Tables, whole or some columns, views and sequences. Nobody but the owner
	-- writes members and books, and he adds to the books only. The profile, the
	-- identities and the inputs of calls are personal; the salt of an account
	-- and the hashes of requests would let one guess at them.
	FOR command IN
		SELECT format('GRANT %s ON %s TO %I', g.privilege, o.object, prefix || '_' || g.role)
		FROM (VALUES
			('owner', 'SELECT', '{table_kind,program,program_event,unit,unit_anchor,collection,collection_item,calendar_day,campaign,budget,budget_slot,tier,tier_threshold,tier_history,rule_group,rule,rule_version,rule_cap,rule_use,streak,member,tag,member_tag,tag_history,member_day,tag_review,tag_scan,activity_expired,segment,member_segment,segment_history,plan,member_plan,benefit,benefit_holder,member_benefit,price_list,voucher,activity_kind,activity,visitor,account,journal,event_data,entry,hold,identity,journal_ref,ingest_run,ingest_reject,id_seq,program_id_seq,unit_id_seq,rule_id_seq,tier_id_seq,campaign_id_seq,budget_id_seq,ingest_run_id_seq,benefit_id_seq,plan_id_seq,coupon_category,coupon,coupon_pack,topup_policy,topup_step,cart_policy,cart_unit,coupon_version,coupon_limit,coupon_key,coupon_code,coupon_attempt,member_coupon,coupon_use,topup_card,topup,checkout,coupon_id_seq}'::text[]),
			('owner', 'INSERT', '{benefit_holder,program,program_event,unit,unit_anchor,budget,budget_slot,tier_threshold,tier_history,rule,rule_version,rule_cap,rule_use,streak,member,member_tag,tag_history,member_day,tag_review,tag_scan,activity_expired,member_segment,segment_history,member_plan,member_benefit,voucher,activity,visitor,account,journal,event_data,entry,hold,identity,journal_ref,ingest_run,ingest_reject,coupon_version,coupon_limit,coupon_key,coupon_code,coupon_attempt,member_coupon,coupon_use,topup_card,topup,checkout}'),
			('owner', 'UPDATE', '{segment,benefit_holder,tier_threshold,campaign,budget,budget_slot,rule_cap,rule_use,member,member_tag,member_day,tag_review,tag_scan,activity_expired,member_plan,member_benefit,voucher,visitor,account,hold,ingest_run,coupon,coupon_limit,coupon_key,coupon_code,coupon_attempt,member_coupon,coupon_use,topup_card,topup,checkout}'),
			('owner', 'DELETE', '{budget_slot,streak,member_tag,member_day,tag_review,activity_expired,segment,member_segment,member_benefit,activity,visitor,identity,ingest_reject,coupon_attempt}'),
			('owner', 'UPDATE (data)', '{activity}'),
			('owner', 'USAGE', '{id_seq,program_id_seq,unit_id_seq,rule_id_seq,budget_id_seq,ingest_run_id_seq}'),
			('admin', 'SELECT', '{attach_list,ingest_progress,budget_status,program,program_event,unit,unit_anchor,collection,collection_item,calendar_day,campaign,budget,budget_slot,tier,tier_threshold,rule_group,rule,rule_version,rule_cap,ingest_run,ingest_reject,tag,segment,plan,benefit,benefit_holder,price_list,activity_kind,coupon_category,coupon,coupon_pack,topup_policy,topup_step,cart_policy,cart_unit,offer,coupon_version,coupon_limit,coupon_limit_status}'),
			('admin', 'INSERT', '{program,program_event,unit,unit_anchor,collection,collection_item,calendar_day,campaign,tier,tier_threshold,rule_group,rule,rule_cap,tag,segment,plan,benefit,benefit_holder,price_list,activity_kind,coupon_category,coupon,coupon_pack,topup_policy,topup_step,cart_policy,cart_unit,offer}'),
			('admin', 'UPDATE', '{program,program_event,unit,unit_anchor,collection,collection_item,calendar_day,campaign,tier,tier_threshold,rule_group,rule,rule_cap,tag,segment,plan,benefit,benefit_holder,price_list,activity_kind,coupon_category,coupon,coupon_pack,topup_policy,topup_step,cart_policy,cart_unit,offer}'),
			('admin', 'DELETE', '{ingest_run,ingest_reject,program_event,unit_anchor,collection,collection_item,calendar_day,tier,tier_threshold,rule_group,rule_cap,tag,segment,plan,benefit,benefit_holder,price_list,activity_kind,coupon_category,coupon,coupon_pack,topup_policy,topup_step,cart_policy,cart_unit,offer}'),
			('admin', 'USAGE', '{program_id_seq,unit_id_seq,rule_id_seq,tier_id_seq,campaign_id_seq,benefit_id_seq,plan_id_seq,coupon_id_seq}'),
			('owner', 'SELECT', '{lifecycle_current,lifecycle_history}'),
			('owner', 'INSERT', '{tag}'),
			('owner', 'UPDATE', '{tag}'),
			('owner', 'INSERT', '{tier,segment,plan,benefit,coupon,coupon_pack,topup_policy,topup_step,cart_policy,cart_unit,activity_kind,kpi_target}'),
			('owner', 'USAGE', '{tier_id_seq,benefit_id_seq,plan_id_seq,coupon_id_seq}'),
			('reader', 'SELECT', '{report_lifecycle,report_lifecycle_move}'),
			('pii', 'SELECT', '{lifecycle_current,lifecycle_history}'),
			('owner', 'SELECT', '{coupon_key,coupon_code,coupon_attempt}'),
			('owner', 'INSERT', '{coupon_key,coupon_code,coupon_attempt}'),
			('owner', 'UPDATE', '{coupon_key,coupon_code,coupon_attempt}'),
			('owner', 'DELETE', '{coupon_attempt}'),
			('owner', 'UPDATE (free_codes)', '{coupon}'),
			('worker', 'SELECT', '{program,segment}'),
			('worker', 'SELECT (member_id, program_id, status, settled_on, due_on, hold_until)', '{account}'),
			('worker', 'SELECT (member_id, hold_id, program_id, status, expires_at)', '{hold}'),
			('reader', 'SELECT', '{report_topup,report_topup_quarter,report_plan,report_member,report_balance,report_ledger,report_event,report_daily,budget_status,program,program_event,unit,unit_anchor,campaign,budget,budget_slot,tier,tier_threshold,tier_history,rule_group,rule,rule_version,rule_cap,entry,hold,tag,segment,plan,benefit,benefit_holder,price_list,activity_kind,member_plan,voucher,member_benefit,coupon_category,coupon,coupon_pack,topup_policy,topup_step,cart_policy,cart_unit,offer,coupon_limit,coupon_limit_status,topup_card,topup}'),
			('reader', 'SELECT (member_id, joined_at, program_id)', '{member}'),
			('reader', 'SELECT (member_id, program_id, status, wallet, purchases, tier_id, tier_since, tier_until, tier_locked_until, tier_state, settled_on, due_on, hold_until, first_event_at, last_event_at, first_purchase_at, last_purchase_at)', '{account}'),
			('reader', 'SELECT (member_id, journal_id, program_id, kind, event, ref, reverses, effective_at, recorded_at, amount, unit_id, hold_id, other_member_id, tier_before, tier_after, channel, store, staff, actor, reason, outcome, awarded_plainly)', '{journal}'),
			('reader', 'SELECT (member_id, coupon_no, program_id, coupon_id, version, status, source, issued_at, valid_from, valid_until, uses, max_uses, journal_id, ended_by, other_member_id)', '{member_coupon}'),
			('reader', 'SELECT (member_id, use_id, program_id, coupon_id, version, coupon_no, ref, status, used_at, reserved_until, discount, returned, line_discounts, journal_id, ended_by, campaign_id)', '{coupon_use}'),
			('owner', 'SELECT', '{maintenance_job,maintenance_fault}'),
			('owner', 'INSERT', '{maintenance_job,maintenance_fault}'),
			('owner', 'UPDATE', '{maintenance_job,maintenance_fault}'),
			('owner', 'DELETE', '{maintenance_fault}'),
			('reader', 'SELECT', '{maintenance_job,maintenance_fault,maintenance_status}'),
			('worker', 'SELECT', '{maintenance_job,maintenance_fault,maintenance_status}'),
			('admin', 'SELECT', '{maintenance_job,maintenance_fault,maintenance_status}'),
			('owner', 'USAGE', '{automation_id_seq}'),
			('pii', 'SELECT', '{member,member_tag,identity,event_data,tag_history,member_segment,segment_history,member_day,activity,visitor,checkout}'),
			('owner', 'SELECT', '{automation_step,automation_run,message_channel,message,message_feedback,message_quota,consent}'),
			('owner', 'INSERT', '{message_channel,message,message_feedback,message_quota,consent}'),
			('owner', 'UPDATE', '{message,message_quota}'),
			('owner', 'DELETE', '{message_quota}'),
			('admin', 'SELECT', '{message_channel,message,message_feedback,message_quota,message_status}'),
			('admin', 'INSERT', '{message_channel}'),
			('admin', 'UPDATE', '{message_channel}'),
			('admin', 'DELETE', '{message_channel}'),
			('worker', 'SELECT', '{message_channel}'),
			('reader', 'SELECT', '{automation,message_channel,message_feedback,message_quota,message_status,report_message}'),
			('reader', 'SELECT (member_id, message_id, created_at, due_at, expires_at, taken_at, ended_at, program_id, automation_id, run_id, fallback_of, attempts, priority, status, channel, template, purpose, reason)', '{message}'),
			('reader', 'SELECT (member_id, consent_id, program_id, purpose, channel, given, at)', '{consent}'),
			('pii', 'SELECT', '{message,consent}'),
			('owner', 'SELECT', '{automation,automation_step,automation_run,automation_broadcast,automation_scan}'),
			('owner', 'INSERT', '{automation,automation_step,automation_run,automation_broadcast,automation_scan}'),
			('owner', 'UPDATE', '{automation,automation_run,automation_broadcast,automation_scan}'),
			('owner', 'SELECT', '{automation_id_seq}'),
			('owner', 'USAGE', '{automation_id_seq}'),
			('admin', 'SELECT', '{automation,automation_step,automation_run,automation_broadcast,automation_scan,broadcast_progress,report_automation}'),
			('admin', 'INSERT', '{automation,automation_step}'),
			('admin', 'UPDATE', '{automation,automation_step}'),
			('admin', 'DELETE', '{automation,automation_step}'),
			('admin', 'USAGE', '{automation_id_seq}'),
			('reader', 'SELECT', '{automation,automation_step,automation_broadcast,automation_scan,broadcast_progress,report_automation}'),
			('reader', 'SELECT (member_id, run_id, program_id, automation_id, occurrence, status, reason, triggered_at, due_at, position, journal_id, finished_at, goal_at)', '{automation_run}'),
			('pii', 'SELECT', '{automation_run}'),
			('owner', 'SELECT', '{report_folded,report_mark,report_value_day,report_lot_month,report_sale_day,report_member_count,report_member_day,report_return_day,report_second,report_cohort_month,report_product_day,report_product_month,report_tier_day,report_rfm_day}'),
			('owner', 'INSERT', '{report_folded,report_mark,report_value_day,report_lot_month,report_sale_day,report_member_count,report_member_day,report_return_day,report_second,report_cohort_month,report_product_day,report_product_month,report_tier_day,report_rfm_day}'),
			('owner', 'UPDATE', '{report_folded,report_mark,report_value_day,report_lot_month,report_sale_day,report_member_count,report_member_day,report_return_day,report_second,report_cohort_month,report_product_day,report_product_month,report_tier_day,report_rfm_day}'),
			('owner', 'DELETE', '{report_folded,report_mark,report_value_day,report_lot_month,report_sale_day,report_member_count,report_member_day,report_return_day,report_second,report_cohort_month,report_product_day,report_product_month,report_tier_day,report_rfm_day}'),
			('reader', 'SELECT', '{report_folded,report_mark,report_value_day,report_lot_month,report_sale_day,report_member_count,report_member_day,report_return_day,report_second,report_cohort_month,report_product_day,report_product_month,report_tier_day,report_rfm_day}'),
			-- what is no row of the journal
			('owner', 'SELECT', '{report_message_day,report_message_change,change_id_seq}'),
			('owner', 'INSERT', '{report_message_day,report_message_change}'),
			('owner', 'UPDATE', '{report_message_day,report_message_change}'),
			('owner', 'DELETE', '{report_message_day,report_message_change}'),
			('owner', 'USAGE', '{change_id_seq}'),
			('reader', 'SELECT', '{report_message_day,report_message_change}'),
			('owner', 'SELECT', '{report_campaign_day,report_campaign_member_day,report_campaign_return_day}'),
			('owner', 'INSERT', '{report_campaign_day,report_campaign_member_day,report_campaign_return_day}'),
			('owner', 'UPDATE', '{report_campaign_day,report_campaign_member_day,report_campaign_return_day}'),
			('owner', 'DELETE', '{report_campaign_day,report_campaign_member_day,report_campaign_return_day}'),
			('reader', 'SELECT', '{report_campaign_day,report_campaign_member_day,report_campaign_return_day}'),
			('owner', 'SELECT', '{report_coupon_day,report_coupon_seen}'),
			('owner', 'INSERT', '{report_coupon_day,report_coupon_seen}'),
			('owner', 'UPDATE', '{report_coupon_day,report_coupon_seen}'),
			('owner', 'DELETE', '{report_coupon_day,report_coupon_seen}'),
			('reader', 'SELECT', '{report_coupon_day,report_coupon_seen}'),
			('owner', 'SELECT', '{report_run_day,report_run_return_day,report_run_seen,report_run_change}'),
			('owner', 'INSERT', '{report_run_day,report_run_return_day,report_run_seen,report_run_change}'),
			('owner', 'UPDATE', '{report_run_day,report_run_return_day,report_run_seen,report_run_change}'),
			('owner', 'DELETE', '{report_run_day,report_run_return_day,report_run_seen,report_run_change}'),
			('reader', 'SELECT', '{report_run_day,report_run_return_day,report_run_seen,report_run_change}'),
			('owner', 'SELECT', '{guest_order,kpi_target}'),
			('owner', 'INSERT', '{guest_order}'),
			('owner', 'UPDATE', '{guest_order}'),
			('owner', 'DELETE', '{guest_order}'),
			('reader', 'SELECT', '{guest_order,kpi_target,report_lot,report_tier_history,report_member_coupon,report_coupon_use,report_campaign,report_hold}'),
			('admin', 'SELECT', '{guest_order,kpi_target}'),
			('admin', 'INSERT', '{kpi_target}'),
			('admin', 'UPDATE', '{kpi_target}'),
			('admin', 'DELETE', '{kpi_target}'),
			('owner', 'SELECT', '{report_close,report_period}'),
			('owner', 'INSERT', '{report_close,report_period}'),
			('owner', 'UPDATE', '{report_close,program}'),
			('reader', 'SELECT', '{report_close,report_period}'),
			('admin', 'SELECT', '{report_close,report_period}'),
			-- for the dashboard
			('owner', 'SELECT', '{report_lifecycle}'),
			('auditor', 'SELECT', '{table_kind,journal,journal_ref}')
		) g (role, privilege, objects)
		CROSS JOIN LATERAL unnest(g.objects) x (name)
		CROSS JOIN LATERAL (
			SELECT CASE WHEN x.name LIKE '%\_seq' THEN 'SEQUENCE ' ELSE 'TABLE ' END
				|| format('loyalty.%I', x.name) AS object) o
		ORDER BY o.object, g.role, g.privilege
	LOOP
		EXECUTE command;
	END LOOP;

	-- The owner runs them all.
	FOR command IN
		SELECT format('GRANT EXECUTE ON ROUTINE %s TO %I', f.signature, prefix || '_' || g.role)
		FROM (
			SELECT p.oid::regprocedure AS signature, p.proname
			FROM pg_extension e
			JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
				AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
			JOIN pg_proc p ON p.oid = d.objid
			WHERE e.extname = 'loyalty') f
		JOIN (VALUES
			('owner', NULL::text[]),
			('admin', '{award,award_undo,automation_start,automation_pause,automation_resume,automation_end,automation_test,automation_audience,automation_explain,automation_run_due,automation_run_retry}'),
			('worker', '{automation_run_due}'),
			('admin', '{lifecycle_set}'),
			('reader', '{lifecycle_members,lifecycle_moves}'),
			('app', '{quote,checkout,coupon_check,coupon_wallet,coupon_try}'),
			('admin', '{coupon_limit,report_coupon,report_coupon_cost}'),
			('app', '{checkout_reserve,checkout_confirm,checkout_cancel,checkout_status}'),
			('app', '{coupon_claim,coupon_claim_code,coupon_issue_pack,coupon_buy,coupon_transfer,coupon_use,coupon_undo}'),
			('admin', '{coupon_issue,coupon_issue_segment,coupon_void,coupon_release}'),
			('worker', '{coupon_release}'),
			('admin', '{checkout_expire}'),
			('worker', '{checkout_expire}'),
			('admin', '{coupon_generate,coupon_import,coupon_code_create,coupon_disable,coupon_enable,coupon_disable_batch,coupon_code_canonical,coupon_code_valid,coupon_attempt_expire}'),
			('app', '{coupon_code_canonical,coupon_code_valid}'),
			('worker', '{coupon_attempt_expire}'),
			('app', '{enroll,record,purchase,sale,ingest_batch,vest,redeem,hold,capture,release,refund,transfer,identity_add,identity_canonical,find,tag_add,tag_remove,benefit_use,benefit_return,benefit_issue,benefit_claim,member_get,balance,statement,tier_current,tier_at,tier_progress,explain,now,has_benefit,benefits,benefit_price,plan_buy,plan_renew,plan_upgrade,plan_cancel,plan_refund,plan_current,plan_due,segment_add,segment_remove,segment_refresh,track,track_visitor,track_batch,visitor_join,path,topup,topup_confirm,topup_cancel,topup_refund,topup_balance}'),
			('admin', '{benefit_give,benefit_withdraw,benefit_void,benefit_hold,adjust,program_create,rule_limit,budget_set,tier_ask,campaign_start,campaign_pause,campaign_end,tier_review,tier_grant,member_freeze,member_thaw,member_close,member_reopen,identity_remove,account_settle,tag_refresh,tag_check,rebuild,verify,unit_amount,attach,attach_order,attach_check,attach_mapping,attach_option,attach_set,attach_tables,attach_query,attach_booked,attach_ledger,attach_count,attach_catch_up,detach,reconcile,ingest,ingest_open,ingest_position,ingest_close,import_member,import_batch,import_members,import_total,simulate,simulate_postings,simulate_tiers,segment_drop,segment_members,activity_expire,report_path,topup_freeze,topup_unfreeze,topup_name}'),
			('worker', '{account_settle,tag_refresh,tier_review,verify,now,plan_due,segment_refresh,activity_expire}'),
			('reader', '{report_coupon,report_coupon_cost,has_benefit,benefits,benefit_price,balance,tier_current,tier_at,tier_progress,now,unit_amount,wallet_balance,wallet_pending,wallet_debt,wallet_lots,plan_current,segment_members,report_path,topup_balance}'),
			('reader', '{report_sale,report_growth,report_active,report_buyer,report_cohort,report_rfm,report_rfm_name,report_rfm_segment,report_rfm_member,report_product,report_headline}'),
			('admin', '{report_sale,report_growth,report_active,report_buyer,report_cohort,report_rfm,report_rfm_name,report_rfm_segment,report_rfm_member,report_product,report_headline}'),
			('admin', '{maintain,maintain_batch,hold_maintain,account_maintain,tag_maintain,activity_maintain,maintenance_note,maintenance_backlog}'),
			('worker', '{maintain,maintain_batch,hold_maintain,account_maintain,tag_maintain,activity_maintain,maintenance_note,maintenance_backlog}'),
			('reader', '{maintenance_backlog}'),
			('admin', '{automation_due,automation_scan,automation_schedule,automation_broadcast,automation_broadcast_run,automation_broadcast_cancel,automation_template,automation_templates}'),
			('admin', '{automation_broadcast_count}'),
			('reader', '{automation_broadcast_count}'),
			('worker', '{automation_scan,automation_schedule,automation_broadcast_run}'),
			('app', '{automation_due}'),
			('reader', '{automation_templates}'),
			('admin', '{program_templates,template_rows}'),
			('reader', '{program_templates,template_rows}'),
			('pii', '{identity_canonical,find,path}'),
			('app', '{message_enqueue,message_cancel,message_feedback,consent_give,consent_withdraw,consent_current,has_consent}'),
			('admin', '{message_channels,message_requeue,message_expire}'),
			('worker', '{message_take,message_done,message_retry,message_feedback,message_expire}'),
			('reader', '{has_consent}'),
			('pii', '{consent_current}'),
			('reader', '{report_ranges}'),
			('admin', '{report_ranges}'),
			('admin', '{report_fold,report_rebuild}'),
			('worker', '{report_fold,period_publish}'),
			('reader', '{dashboard}'),
			('admin', '{dashboard}'),
			('app', '{member_card}'),
			('pii', '{member_card}'),
			('auditor', '{statement,verify}'),
			('reader', '{report_coupon_funnel,report_campaign_cost,report_automation_cost,report_uplift,report_message_funnel,report_member_share,report_kpi,report_days}'),
			('reader', '{report_campaign_awarded}'),
			('admin', '{report_coupon_funnel,report_campaign_cost,report_automation_cost,report_uplift,report_message_funnel,report_member_share,report_kpi}'),
			('app', '{guest_order,guest_order_refund}'),
			('admin', '{period_close,period_publish}'),
			('reader', '{report_points,report_points_usage,report_expiry,report_liability,report_breakage,report_tier,report_tier_move,report_liability_schedule,report_revenue,revenue_allocated,revenue_recognised,balance_at,liability_at,report_period}'),
			('admin', '{report_points,report_points_usage,report_expiry,report_liability,report_breakage,report_tier,report_tier_move,report_liability_schedule,report_revenue,revenue_allocated,revenue_recognised,balance_at,liability_at,report_period}')
		) g (role, names) ON f.proname = ANY (g.names) OR g.names IS NULL
		ORDER BY f.signature::text, g.role
	LOOP
		EXECUTE command;
	END LOOP;

	-- Last, because up to here the grants may be those of the owner before.
	FOR command IN
		SELECT format('ALTER FUNCTION %s OWNER TO %I', p.oid::regprocedure, o.rolname)
		FROM pg_extension e
		JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
			AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
		JOIN pg_proc p ON p.oid = d.objid
		JOIN pg_roles o ON o.rolname = prefix || '_owner'
		WHERE e.extname = 'loyalty' AND p.prosecdef AND p.proowner <> o.oid
		ORDER BY p.oid::regprocedure::text
	LOOP
		EXECUTE command;
	END LOOP;
END
$$;
COMMENT ON FUNCTION loyalty.setup_roles(text) IS
'Makes the roles <prefix>_owner, _admin, _app, _worker, _reader, _pii and _auditor and their grants; run it again after a restore or an update';

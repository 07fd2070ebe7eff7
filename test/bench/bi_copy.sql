-- Makes many members of each pattern: the same rows with other ids. An id becomes
-- id * copies + number of the copy, so that ids go up with time, rows stand in the
-- order of their ids, and what refers to an id is found by the same arithmetic. The
-- copies have bought articles of other colours. Here the patterns are put aside, and
-- the statements written that bi runs.
-- Variables: copies
\set ON_ERROR_STOP on
SET synchronous_commit = off;
SET jit = off;

CREATE TABLE bench.copy AS SELECT r, :copies AS copies FROM generate_series(0, :copies - 1) r;
ANALYZE bench.copy;

-- A pattern is not booked anew but moved, so what guards the books is set aside.
SET session_replication_role = replica;

-- The columns that are ids of the one sequence, those first by which rows are written.
CREATE TABLE bench.id AS
SELECT name, place FROM unnest('{journal_id, message_id, run_id, coupon_no, use_id, item_id, hold_id, consent_id, history_id, voucher_id,
	member_id, other_member_id, ended_by, fallback_of, upgraded_from}'::text[]) WITH ORDINALITY AS i (name, place);

-- What a column of a copy is.
CREATE FUNCTION bench.copied(tab text, col text) RETURNS text LANGUAGE sql STABLE
RETURN CASE WHEN EXISTS (SELECT FROM bench.id i WHERE i.name = col) THEN format('t.%I * c.copies + c.r', col)
	WHEN tab = 'identity' AND col = 'value' THEN $e$t.value || '-' || c.r$e$
	-- one of ten colours
	WHEN tab = 'event_data' AND col = 'data' THEN
		$e$CASE WHEN t.has_items THEN replace(t.text, '-x"', '-' || chr(97 + c.r % 10) || '"')::jsonb ELSE t.data END$e$
	WHEN tab = 'journal' AND col = 'key' THEN $e$CASE WHEN t.run_id IS NULL THEN t.key
		ELSE 'automation-' || t.run_id * c.copies + c.r || t.key_tail END$e$
	WHEN tab = 'journal' AND col = 'reverses' THEN
		$e$CASE WHEN t.award IS NULL THEN t.reverses ELSE 'award:' || t.award * c.copies + c.r END$e$
	WHEN tab = 'automation_run' AND col = 'log' THEN $e$CASE WHEN t.gave IS NULL THEN t.log
		ELSE replace(replace(t.text, '"@gave"', (t.gave * c.copies + c.r)::text), '"@wrote"', (t.wrote * c.copies + c.r)::text)::jsonb END$e$
	ELSE format('t.%I', col) END;

CREATE TABLE bench.pattern AS
SELECT k.table_name::text AS name, format('INSERT INTO loyalty.%I (%s) SELECT %s FROM (SELECT * FROM bench.p_%s ORDER BY %I OFFSET 0) t CROSS JOIN bench.copy c',
		k.table_name, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
		string_agg(bench.copied(k.table_name, a.attname), ', ' ORDER BY a.attnum), k.table_name,
		(array_agg(a.attname ORDER BY i.place))[1]) AS statement
FROM loyalty.table_kind k
JOIN pg_attribute a ON a.attrelid = format('loyalty.%I', k.table_name)::regclass AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN bench.id i ON i.name = a.attname
WHERE k.kind = 'member' OR k.table_name = 'identity'
GROUP BY k.table_name;
SELECT format('CREATE TABLE bench.p_%s AS SELECT * FROM loyalty.%I', name, name) FROM bench.pattern \gexec

-- recorded when they were posted, by the clock of then
ALTER TABLE bench.p_journal ADD run_id bigint, ADD key_tail text, ADD award bigint;
UPDATE bench.p_journal j
SET recorded_at = x.at,
	run_id = substring(j.key FROM '^automation-(\d+)')::bigint, key_tail = substring(j.key FROM '^automation-\d+(.*)$'),
	award = substring(j.reverses FROM '^award:(\d+)$')::bigint
FROM (SELECT journal_id, max(effective_at) OVER (ORDER BY journal_id) AS at FROM bench.p_journal) x
WHERE x.journal_id = j.journal_id;
ALTER TABLE bench.p_event_data ADD text text, ADD has_items boolean;
UPDATE bench.p_event_data SET text = data::text, has_items = data ? 'items' OR data ? 'lines';
-- a run awards once and writes one message
ALTER TABLE bench.p_automation_run ADD gave bigint, ADD wrote bigint, ADD text text;
UPDATE bench.p_automation_run r
SET gave = (jsonb_path_query_first(r.log, '$[*].journal_id'))::bigint, wrote = (jsonb_path_query_first(r.log, '$[*].message_id'))::bigint,
	text = regexp_replace(regexp_replace(r.log::text, '("journal_id": )\d+', '\1"@gave"'), '("message_id": )\d+', '\1"@wrote"');

-- Indexes are made when the rows are there.
CREATE TABLE bench.index AS
SELECT c.relname::text AS name, i.indrelid::regclass::text AS of, t.relname::text AS tab, k.conname IS NOT NULL AS is_constraint,
	CASE WHEN k.conname IS NULL THEN pg_get_indexdef(i.indexrelid)
		ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', i.indrelid::regclass, k.conname, pg_get_constraintdef(k.oid)) END AS statement
FROM bench.pattern p
JOIN pg_index i ON i.indrelid = format('loyalty.%I', p.name)::regclass
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u');
SELECT format('TRUNCATE loyalty.%I', name) FROM bench.pattern \gexec
SELECT CASE WHEN is_constraint THEN format('ALTER TABLE %s DROP CONSTRAINT %I', of, name) ELSE format('DROP INDEX loyalty.%I', name) END FROM bench.index \gexec

-- What counts all members.
UPDATE loyalty.budget_slot SET quota = quota * :copies, used = used * :copies;
UPDATE loyalty.budget SET amount = amount * :copies;
SELECT setval('loyalty.id_seq', (SELECT last_value FROM loyalty.id_seq) * :copies + :copies) \g /dev/null

-- The sums are those of a pattern times its copies; what was bought has ten colours. That
-- they are what folding all would have come to is seen when the answers are compared.
UPDATE loyalty.report_value_day SET journal_rows = journal_rows * :copies, credited = credited * :copies, debited = debited * :copies;
UPDATE loyalty.report_lot_month SET credited = credited * :copies, debited = debited * :copies;
UPDATE loyalty.report_sale_day SET orders = orders * :copies, amount = amount * :copies, refunds = refunds * :copies, refunded = refunded * :copies;
UPDATE loyalty.report_member_count SET joined = joined * :copies, closed = closed * :copies, reopened = reopened * :copies;
UPDATE loyalty.report_return_day SET members = members * :copies;
UPDATE loyalty.report_second SET members = members * :copies;
UPDATE loyalty.report_cohort_month SET members = members * :copies, orders = orders * :copies, amount = amount * :copies, refunded = refunded * :copies;
UPDATE loyalty.report_campaign_day SET events = events * :copies, amount = amount * :copies;
UPDATE loyalty.report_campaign_return_day SET members = members * :copies;
UPDATE loyalty.rule_version SET replaced_id = replaced_id * :copies;
UPDATE loyalty.report_tier_day SET times = times * :copies;
UPDATE loyalty.report_coupon_day SET issued = issued * :copies, claimed = claimed * :copies, spent = spent * :copies, void = void * :copies,
	open = open * :copies, used = used * :copies, codes = codes * :copies, returned = returned * :copies, discount = discount * :copies, sales = sales * :copies;
UPDATE loyalty.report_message_day SET queued = queued * :copies, sent = sent * :copies, delivered = delivered * :copies, opened = opened * :copies, clicked = clicked * :copies, bounced = bounced * :copies, unsubscribed = unsubscribed * :copies, suppressed = suppressed * :copies, expired = expired * :copies, dead = dead * :copies, cancelled = cancelled * :copies;
UPDATE loyalty.report_message_change SET queued = queued * :copies, sent = sent * :copies, delivered = delivered * :copies, opened = opened * :copies, clicked = clicked * :copies, bounced = bounced * :copies, unsubscribed = unsubscribed * :copies, suppressed = suppressed * :copies, expired = expired * :copies, dead = dead * :copies, cancelled = cancelled * :copies;
UPDATE loyalty.report_run_day SET runs = runs * :copies, treated = treated * :copies, held_out = held_out * :copies, treated_goals = treated_goals * :copies,
	held_out_goals = held_out_goals * :copies, coupons = coupons * :copies, discount = discount * :copies, messages = messages * :copies, awarded = awarded * :copies;
UPDATE loyalty.report_run_return_day SET members = members * :copies;
-- of each run those of its copies
UPDATE loyalty.report_run_change h
SET (member_ids, run_ids) = (
	SELECT array_agg(u.member_id * c.copies + c.r), array_agg(u.run_id * c.copies + c.r)
	FROM unnest(h.member_ids, h.run_ids) u (member_id, run_id) CROSS JOIN bench.copy c);
DELETE FROM loyalty.report_rfm_day;
CREATE TABLE bench.colour AS
SELECT '-' || chr(97 + r % 10) AS colour, count(*) AS copies FROM bench.copy GROUP BY r % 10;
CREATE TABLE bench.p_day AS TABLE loyalty.report_product_day;
CREATE TABLE bench.p_month AS TABLE loyalty.report_product_month;
TRUNCATE loyalty.report_product_day, loyalty.report_product_month;
INSERT INTO loyalty.report_product_day
SELECT p.program_id, p.day, p.kind, replace(p.name, '-x', coalesce(c.colour, '')), p.tier_id, p.orders * x.n, p.quantity * x.n, p.amount * x.n,
	p.returned_quantity * x.n, p.returned_amount * x.n
FROM bench.p_day p LEFT JOIN bench.colour c ON p.kind = 'sku', LATERAL (SELECT coalesce(c.copies, :copies) AS n) x;
INSERT INTO loyalty.report_product_month
SELECT p.program_id, p.month, p.kind, replace(p.name, '-x', coalesce(c.colour, '')), p.tier_id, p.orders * x.n, p.quantity * x.n, p.amount * x.n,
	p.returned_quantity * x.n, p.returned_amount * x.n
FROM bench.p_month p LEFT JOIN bench.colour c ON p.kind = 'sku', LATERAL (SELECT coalesce(c.copies, :copies) AS n) x;
UPDATE loyalty.report_folded SET last_id = (last_id + 1) * :copies - 1;
UPDATE loyalty.report_mark SET until_id = (until_id + 1) * :copies - 1;

-- Which of two sessions writes it, and makes its indexes.
ALTER TABLE bench.pattern ADD part int;
UPDATE bench.pattern SET part = (name NOT IN ('journal', 'event_data', 'member', 'account', 'identity'))::int;

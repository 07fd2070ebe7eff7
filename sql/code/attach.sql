-- Orders that flow in by themselves: triggers on the shop's own table, whose
-- arguments say which column is what ("name=value" each), and the comparison of
-- that table with the books.
--
-- attach(), detach(), reconcile(), attach_count() and attach_catch_up() run with
-- the rights of their caller, because they name his table in dynamic SQL: its
-- name and its columns' by %I or as regclass, values by %L or as parameters.

CREATE OR REPLACE FUNCTION loyalty.attach_order()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_attach_order';
COMMENT ON FUNCTION loyalty.attach_order() IS
'Trigger, made by attach(): books what a statement did to the orders of a table';

CREATE OR REPLACE FUNCTION loyalty.attach_check(source regclass, mapping text[])
RETURNS void LANGUAGE C STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_attach_check';
COMMENT ON FUNCTION loyalty.attach_check(regclass, text[]) IS
'Raises if a table has not the columns that the arguments of its triggers name';

CREATE OR REPLACE FUNCTION loyalty.attach_mapping(source regclass)
RETURNS text[] LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_attach_mapping';
COMMENT ON FUNCTION loyalty.attach_mapping(regclass) IS
'How a table is attached: the arguments of its triggers';

CREATE OR REPLACE FUNCTION loyalty.attach_option(mapping text[], name text)
RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT substr(o, length(name) + 2) FROM unnest(mapping) o WHERE starts_with(o, name || '=') LIMIT 1;
END;
COMMENT ON FUNCTION loyalty.attach_option(text[], text) IS
'One value of attach_mapping()';

CREATE OR REPLACE FUNCTION loyalty.attach_set(source regclass, member_id bigint, identity text, ref text,
	paid boolean, amount numeric, at timestamptz, items jsonb, data jsonb)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_attach_set';
COMMENT ON FUNCTION loyalty.attach_set(regclass, bigint, text, text, boolean, numeric, timestamptz, jsonb, jsonb) IS
'Brings the books in line with one order of an attached table; false if it was refused';

-- A table and all that are part of it: a statement fires the triggers of the
-- table that it names, and of no other.
CREATE OR REPLACE FUNCTION loyalty.attach_tables(source regclass)
RETURNS SETOF regclass LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH RECURSIVE part (relation) AS (
		SELECT attach_tables.source::oid
		UNION
		SELECT i.inhrelid FROM part p JOIN pg_inherits i ON i.inhparent = p.relation)
	SELECT p.relation::regclass FROM part p ORDER BY p.relation;
END;
COMMENT ON FUNCTION loyalty.attach_tables(regclass) IS
'A table, its partitions and what inherits from it';

CREATE OR REPLACE FUNCTION loyalty.attach(source regclass, program text,
	member text DEFAULT 'customer_id', amount text DEFAULT 'total', ref text DEFAULT 'order_no',
	at text DEFAULT 'paid_at', items text DEFAULT NULL, channel text DEFAULT NULL, store text DEFAULT NULL,
	data text DEFAULT NULL, paid text DEFAULT NULL, paid_values text[] DEFAULT NULL,
	identity text DEFAULT NULL, enroll boolean DEFAULT false, event text DEFAULT 'purchase',
	on_update text DEFAULT 'correct', on_delete text DEFAULT 'refund', on_refusal text DEFAULT 'reject',
	guests boolean DEFAULT false)
RETURNS void LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong text;
	problem text;
	target regclass;
	owner oid;
	mapping text[];
	arguments text;
BEGIN
	IF num_nulls(source, program, member, amount, ref, enroll, event, on_update, on_delete, on_refusal, guests) > 0 THEN
		RAISE EXCEPTION 'only at, items, channel, store, data, paid, paid_values and identity may be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	wrong := CASE
		WHEN on_update NOT IN ('correct', 'ignore') THEN 'on_update must be correct or ignore'
		WHEN on_delete NOT IN ('refund', 'ignore') THEN 'on_delete must be refund or ignore'
		WHEN on_refusal NOT IN ('reject', 'raise') THEN 'on_refusal must be reject or raise'
		WHEN paid_values IS NOT NULL AND paid IS NULL THEN 'paid_values needs a column paid'
		WHEN enroll AND (identity IS NULL OR event <> 'purchase') THEN 'enroll needs an identity, and event purchase'
		WHEN items IS NOT NULL AND event <> 'purchase' THEN 'only a purchase has items'
		WHEN guests AND event <> 'purchase' THEN 'guests need event purchase'
	END;
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION '%', wrong USING ERRCODE = 'invalid_parameter_value';
	END IF;

	FOR target IN SELECT t FROM loyalty.attach_tables(source) t LOOP
		SELECT CASE
			WHEN c.relkind NOT IN ('r', 'p') THEN format('"%s" is not a table of this database.', target)
			WHEN n.nspname IN ('loyalty', 'pg_catalog', 'information_schema') THEN format('"%s" is not a table of yours.', target)
			WHEN c.relkind = 'r' AND c.oid <> source AND c.relispartition IS FALSE AND NOT EXISTS (
				SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = attach.ref)
				THEN format('"%s" inherits from it without its columns.', target)
			END, c.relowner
		INTO problem, owner
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = target;
		IF problem IS NOT NULL THEN
			RAISE EXCEPTION 'source table cannot be used in this way'
				USING ERRCODE = 'LY810', DETAIL = problem;
		END IF;
		IF NOT pg_has_role(current_user, owner, 'USAGE') THEN
			RAISE EXCEPTION 'must be owner of table %', target USING ERRCODE = 'insufficient_privilege';
		END IF;
		-- or every order would fail, because the triggers ask for it, too
		IF NOT has_function_privilege(owner, 'loyalty.attach_order()', 'EXECUTE') THEN
			RAISE EXCEPTION 'owner of table % may not book orders', target
				USING ERRCODE = 'insufficient_privilege',
				DETAIL = 'The triggers run with the rights of the owner, who may not execute loyalty.attach_order().',
				HINT = 'Grant the owner the role for applications that loyalty.setup_roles() makes.';
		END IF;
	END LOOP;

	SELECT array_remove(ARRAY[
			format('source=%I.%I', n.nspname, c.relname), 'program=' || program, 'event=' || event,
			'member=' || member, 'amount=' || amount, 'ref=' || ref, 'at=' || at, 'items=' || items,
			'channel=' || channel, 'store=' || store, 'data=' || data, 'paid=' || paid,
			'identity=' || identity, CASE WHEN enroll THEN 'enroll=true' END,
			'on_update=' || on_update, 'on_delete=' || on_delete, 'on_refusal=' || on_refusal,
			CASE WHEN guests THEN 'guests=true' END], NULL)
		|| ARRAY(SELECT 'paid_value=' || v FROM unnest(paid_values) v WHERE v IS NOT NULL)
	INTO mapping
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = source;
	PERFORM loyalty.attach_check(source, mapping);
	IF NOT EXISTS (
		SELECT FROM pg_index i
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
		WHERE i.indrelid = source AND i.indisunique AND a.attname = attach.ref) THEN
		RAISE WARNING 'no unique index of table % has column "%"', source, ref
			USING DETAIL = 'Two rows of one reference and amount are taken for one order.',
			HINT = 'Create a unique index, or look at loyalty.reconcile() for duplicate_ref.';
	END IF;

	SELECT string_agg(quote_literal(m), ', ') INTO arguments FROM unnest(mapping) m;
	FOR target IN SELECT t FROM loyalty.attach_tables(source) t LOOP
		EXECUTE format('CREATE OR REPLACE TRIGGER loyalty_attach_insert AFTER INSERT ON %s'
			' REFERENCING NEW TABLE AS loyalty_new'
			' FOR EACH STATEMENT EXECUTE FUNCTION loyalty.attach_order(%s)', target, arguments);
		EXECUTE format('CREATE OR REPLACE TRIGGER loyalty_attach_update AFTER UPDATE ON %s'
			' REFERENCING OLD TABLE AS loyalty_old NEW TABLE AS loyalty_new'
			' FOR EACH STATEMENT EXECUTE FUNCTION loyalty.attach_order(%s)', target, arguments);
		IF on_delete = 'refund' THEN
			EXECUTE format('CREATE OR REPLACE TRIGGER loyalty_attach_delete AFTER DELETE ON %s'
				' REFERENCING OLD TABLE AS loyalty_old'
				' FOR EACH STATEMENT EXECUTE FUNCTION loyalty.attach_order(%s)', target, arguments);
		ELSIF EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = target AND t.tgname = 'loyalty_attach_delete') THEN
			EXECUTE format('DROP TRIGGER loyalty_attach_delete ON %s', target);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION loyalty.attach(regclass, text, text, text, text, text, text, text, text, text, text, text[], text, boolean, text, text, text, text, boolean) IS
'Paid orders of a table earn in the transaction that writes them, from now on; called again, it replaces what was said before';

CREATE OR REPLACE FUNCTION loyalty.detach(source regclass)
RETURNS void LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	target regclass;
	dropped boolean = false;
	name text;
BEGIN
	IF source IS NULL THEN
		RAISE EXCEPTION 'source must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	FOR target, name IN
		SELECT t, g.tgname
		FROM loyalty.attach_tables(source) t
		JOIN pg_trigger g ON g.tgrelid = t AND NOT g.tgisinternal
			AND g.tgname IN ('loyalty_attach_insert', 'loyalty_attach_update', 'loyalty_attach_delete')
	LOOP
		EXECUTE format('DROP TRIGGER %I ON %s', name, target);
		dropped := true;
	END LOOP;
	IF NOT dropped THEN
		RAISE EXCEPTION 'source table cannot be used in this way'
			USING ERRCODE = 'LY810', DETAIL = format('Table "%s" is not attached.', source);
	END IF;
END
$$;
COMMENT ON FUNCTION loyalty.detach(regclass) IS
'Orders of the table do not flow in any more; what they earned stays';

-- A query of the source's rows as the trigger would read them.
CREATE OR REPLACE FUNCTION loyalty.attach_query(source regclass)
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	mapping text[] = loyalty.attach_mapping(source);
	kind text = loyalty.attach_option(mapping, 'identity');
	-- NULL where there is no such column
	member text = 's.' || quote_ident(loyalty.attach_option(mapping, 'member'));
	at text = 's.' || quote_ident(loyalty.attach_option(mapping, 'at'));
	paid text = 's.' || quote_ident(loyalty.attach_option(mapping, 'paid'));
	items text = 's.' || quote_ident(loyalty.attach_option(mapping, 'items'));
	channel text = 's.' || quote_ident(loyalty.attach_option(mapping, 'channel'));
	store text = 's.' || quote_ident(loyalty.attach_option(mapping, 'store'));
	data text = 's.' || quote_ident(loyalty.attach_option(mapping, 'data'));
	is_local boolean;
	paid_values text[];
BEGIN
	PERFORM loyalty.attach_check(source, mapping);
	-- a time without a zone is one of the programme's clocks
	WITH RECURSIVE base (type) AS (
		SELECT a.atttypid FROM pg_attribute a
		WHERE a.attrelid = source AND a.attname = loyalty.attach_option(mapping, 'at')
		UNION ALL
		SELECT t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typbasetype <> 0)
	SELECT NOT bool_or(b.type = 'timestamptz'::regtype) INTO is_local FROM base b;
	IF is_local THEN
		at := format('(%s::timestamp AT TIME ZONE %L)', at, (SELECT p.time_zone FROM loyalty.program p
			WHERE p.name = loyalty.attach_option(mapping, 'program')));
	END IF;
	SELECT array_agg(substr(m, 12)) INTO paid_values FROM unnest(mapping) m WHERE starts_with(m, 'paid_value=');
	paid := CASE WHEN paid_values IS NULL THEN paid || ' IS TRUE'
		ELSE format('coalesce(%s::text = ANY (%L::text[]), false)', paid, paid_values) END;

	RETURN format($query$SELECT %s AS member_id, %s AS identity, s.%I::text AS ref, s.%I::numeric AS amount,
			%s AS at, %s AS items,
			coalesce(%s, '{}') || jsonb_strip_nulls(jsonb_build_object(
				'channel', nullif(%s::text, ''), 'store', nullif(%s::text, ''))) AS data,
			%s AS paid
		FROM %s s$query$,
		CASE WHEN kind IS NULL THEN member || '::bigint'
			-- who has none is nobody
			ELSE format('CASE WHEN nullif(%s::text, %L) IS NOT NULL THEN loyalty.find(%L, %L, %s::text) END',
				member, '', loyalty.attach_option(mapping, 'program'), kind, member) END,
		CASE WHEN kind IS NULL THEN 'NULL::text' ELSE format('nullif(%s::text, %L)', member, '') END,
		loyalty.attach_option(mapping, 'ref'), loyalty.attach_option(mapping, 'amount'),
		coalesce(at, 'NULL::timestamptz'), coalesce(items, 'NULL::jsonb'), coalesce(data, 'NULL::jsonb'),
		coalesce(channel, 'NULL'), coalesce(store, 'NULL'),
		coalesce(at || ' IS NOT NULL', 'true') || coalesce(' AND ' || paid, ''), source);
END
$$;
COMMENT ON FUNCTION loyalty.attach_query(regclass) IS
'The text of a query that reads the orders of an attached table as its trigger does';

-- What the books have of one order: of its reference, and of those with "~2",
-- "~3" ... under which it earned anew. NULL: nothing that is not refunded.
CREATE OR REPLACE FUNCTION loyalty.attach_booked(program text, event text, member_id bigint, ref text)
RETURNS numeric LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH RECURSIVE generation (n, ref) AS (
		SELECT 1, attach_booked.ref
		UNION ALL
		SELECT g.n + 1, attach_booked.ref || '~' || (g.n + 1)
		FROM generation g
		WHERE EXISTS (SELECT FROM loyalty.journal j
			WHERE j.member_id = attach_booked.member_id AND j.ref = g.ref
			AND j.kind = 'event' AND j.event = attach_booked.event)
	), booked AS (
		SELECT coalesce(sum(j.amount) FILTER (WHERE j.kind = 'event'), 0) AS amount,
			coalesce(sum(j.amount) FILTER (WHERE j.kind = 'refund' AND j.unit_id IS NULL), 0) AS refunded,
			count(*) FILTER (WHERE j.kind = 'refund') AS refunds
		FROM generation g
		JOIN loyalty.journal j ON j.member_id = attach_booked.member_id
			AND (j.ref = g.ref AND j.kind = 'event' OR j.reverses = g.ref AND j.kind = 'refund')
		WHERE j.program_id = (SELECT p.program_id FROM loyalty.program p WHERE p.name = attach_booked.program)
		GROUP BY g.n
	)
	SELECT sum(loyalty.unit_amount((b.amount - b.refunded)::bigint, p.currency_scale))
	FROM booked b
	JOIN loyalty.program p ON p.name = attach_booked.program
	WHERE b.refunds = 0 OR b.amount > b.refunded;
END;
COMMENT ON FUNCTION loyalty.attach_booked(text, text, bigint, text) IS
'What the books have of one order of an attached table, NULL if nothing or if it was refunded';

-- Which orders of a source are booked in a period.
CREATE OR REPLACE FUNCTION loyalty.attach_ledger(program text, event text, source text,
	since timestamptz, until timestamptz)
RETURNS TABLE (member_id bigint, ref text, amount numeric)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT o.member_id, o.ref,
		loyalty.attach_booked(attach_ledger.program, attach_ledger.event, o.member_id, o.ref)
	FROM (
		SELECT DISTINCT j.member_id, regexp_replace(j.ref, '~[0-9]+$', '') AS ref
		FROM loyalty.program p
		JOIN loyalty.journal j ON j.program_id = p.program_id
		JOIN loyalty.event_data d ON d.member_id = j.member_id AND d.journal_id = j.journal_id
		WHERE p.name = attach_ledger.program
		AND j.kind = 'event' AND j.event = attach_ledger.event AND j.ref IS NOT NULL
		AND (attach_ledger.since IS NULL OR j.effective_at >= attach_ledger.since)
		AND (attach_ledger.until IS NULL OR j.effective_at < attach_ledger.until)
		AND d.data -> 'data' ->> 'source' = attach_ledger.source) o;
END;
COMMENT ON FUNCTION loyalty.attach_ledger(text, text, text, timestamptz, timestamptz) IS
'The orders that a source has booked in a period, and what they amount to now';

CREATE OR REPLACE FUNCTION loyalty.reconcile(source regclass, since timestamptz DEFAULT NULL,
	until timestamptz DEFAULT NULL)
RETURNS TABLE (problem text, ref text, member_id bigint, source_amount numeric, ledger_amount numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	mapping text[] = loyalty.attach_mapping(source);
	orders text = loyalty.attach_query(source);
BEGIN
	IF loyalty.attach_option(mapping, 'at') IS NULL AND (since IS NOT NULL OR until IS NOT NULL) THEN
		RAISE EXCEPTION 'a period needs a column at'
			USING ERRCODE = 'invalid_parameter_value',
			DETAIL = format('Table "%s" is attached without one.', source);
	END IF;
	-- What is on one side only is looked up on the other, by member and
	-- reference: there it may have another date.
	RETURN QUERY EXECUTE format(
		'WITH source AS (
			SELECT o.member_id, o.ref, o.amount,
				o.ref IS NOT NULL AND count(*) OVER (PARTITION BY o.member_id, o.identity, o.ref) > 1 AS repeated
			FROM (%1$s) o
			WHERE o.paid AND (o.member_id IS NOT NULL OR o.identity IS NOT NULL AND $6)
			AND ($4 IS NULL OR o.at >= $4) AND ($5 IS NULL OR o.at < $5)
		), ledger AS (
			SELECT l.member_id, l.ref, l.amount FROM loyalty.attach_ledger($1, $2, $3, $4, $5) l
		), pair AS (
			SELECT coalesce(s.member_id, l.member_id) AS member_id, coalesce(s.ref, l.ref) AS ref,
				s.amount AS source_amount,
				CASE WHEN l.ref IS NOT NULL THEN l.amount
					ELSE loyalty.attach_booked($1, $2, s.member_id, s.ref) END AS ledger_amount,
				l.ref IS NULL OR s.ref IS NOT NULL AS has_order, coalesce(s.repeated, false) AS repeated
			FROM source s FULL JOIN ledger l ON l.member_id = s.member_id AND l.ref = s.ref
		)
		SELECT CASE WHEN p.repeated THEN ''duplicate_ref''
				WHEN NOT p.has_order THEN ''no_order''
				WHEN p.ledger_amount IS NULL THEN ''not_booked''
				ELSE ''amount_differs'' END,
			p.ref, p.member_id, p.source_amount, p.ledger_amount
		FROM pair p
		WHERE (p.repeated OR coalesce(p.source_amount, 0) IS DISTINCT FROM p.ledger_amount)
		AND (p.has_order OR p.ledger_amount IS NOT NULL AND NOT EXISTS (
			SELECT FROM (%1$s) o WHERE o.ref = p.ref AND o.member_id = p.member_id AND o.paid))
		ORDER BY p.member_id, p.ref', orders)
	USING loyalty.attach_option(mapping, 'program'), loyalty.attach_option(mapping, 'event'),
		loyalty.attach_option(mapping, 'source'), since, until,
		coalesce(loyalty.attach_option(mapping, 'enroll') = 'true', false);
END
$$;
COMMENT ON FUNCTION loyalty.reconcile(regclass, timestamptz, timestamptz) IS
'Every paid order of an attached table without its journal, every journal without its order, every amount that differs, every row of a reference that several rows have';

CREATE OR REPLACE FUNCTION loyalty.attach_count(source regclass, since timestamptz DEFAULT NULL,
	until timestamptz DEFAULT NULL)
RETURNS TABLE (orders bigint, paid bigint, paid_amount numeric, without_member bigint,
	without_member_amount numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	mapping text[] = loyalty.attach_mapping(source);
BEGIN
	RETURN QUERY EXECUTE format(
		'SELECT count(*), count(*) FILTER (WHERE o.paid), coalesce(sum(o.amount) FILTER (WHERE o.paid), 0),
			count(*) FILTER (WHERE o.paid AND o.member_id IS NULL AND (o.identity IS NULL OR NOT $3)),
			coalesce(sum(o.amount) FILTER (WHERE o.paid AND o.member_id IS NULL AND (o.identity IS NULL OR NOT $3)), 0)
		FROM (%s) o
		WHERE ($1 IS NULL OR o.at >= $1) AND ($2 IS NULL OR o.at < $2)', loyalty.attach_query(source))
	USING since, until, coalesce(loyalty.attach_option(mapping, 'enroll') = 'true', false);
END
$$;
COMMENT ON FUNCTION loyalty.attach_count(regclass, timestamptz, timestamptz) IS
'How many orders an attached table has, how many are paid, and how many of those belong to no member and were left alone';

CREATE OR REPLACE FUNCTION loyalty.attach_catch_up(source regclass, since timestamptz DEFAULT NULL,
	until timestamptz DEFAULT NULL)
RETURNS TABLE (booked bigint, refused bigint)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	mapping text[] = loyalty.attach_mapping(source);
	o record;
BEGIN
	booked := 0;
	refused := 0;
	FOR o IN EXECUTE format(
		'SELECT p.problem, p.member_id, p.ref, o.identity, o.amount, o.at, o.items, o.data
		FROM loyalty.reconcile($1, $2, $3) p
		LEFT JOIN (%s) o ON p.problem NOT IN (''no_order'', ''duplicate_ref'') AND o.ref = p.ref AND o.paid
			AND o.member_id IS NOT DISTINCT FROM p.member_id
		ORDER BY p.member_id, o.at, p.ref', loyalty.attach_query(source))
	USING source, since, until
	LOOP
		CONTINUE WHEN o.problem = 'no_order' AND loyalty.attach_option(mapping, 'on_delete') = 'ignore';
		-- which of several rows is the order, and which order has no reference, only the shop knows
		IF o.ref IS NOT NULL AND o.problem <> 'duplicate_ref' AND loyalty.attach_set(source, o.member_id,
				o.identity, o.ref, o.problem <> 'no_order', o.amount, o.at, o.items, o.data) THEN
			booked := booked + 1;
		ELSE
			refused := refused + 1;
		END IF;
	END LOOP;
	IF loyalty.attach_option(mapping, 'guests') = 'true' THEN
		FOR o IN EXECUTE format(
			'SELECT s.ref, s.amount, s.at, s.items, s.data
			FROM (%s) s
			WHERE s.paid AND s.member_id IS NULL AND (s.identity IS NULL OR NOT $1)
			AND ($2 IS NULL OR s.at >= $2) AND ($3 IS NULL OR s.at < $3)
			AND NOT EXISTS (
				SELECT FROM loyalty.guest_order g
				JOIN loyalty.program p ON p.program_id = g.program_id AND p.name = $4
				WHERE g.ref = s.ref AND g.refund_ref = ''''
				AND loyalty.unit_amount(g.amount, p.currency_scale) = s.amount)
			ORDER BY s.at, s.ref', loyalty.attach_query(source))
		USING coalesce(loyalty.attach_option(mapping, 'enroll') = 'true', false), since, until,
			loyalty.attach_option(mapping, 'program')
		LOOP
			IF o.ref IS NOT NULL AND loyalty.attach_set(source, NULL, NULL, o.ref, true, o.amount, o.at, o.items, o.data) THEN
				booked := booked + 1;
			ELSE
				refused := refused + 1;
			END IF;
		END LOOP;
	END IF;
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION loyalty.attach_catch_up(regclass, timestamptz, timestamptz) IS
'Brings the books in line with an attached table wherever reconcile() finds a difference: rejected orders, and those from before it was attached';

CREATE OR REPLACE VIEW loyalty.attach_list WITH (security_invoker = true) AS
SELECT t.tgrelid::regclass::text AS source, loyalty.attach_option(m.mapping, 'program') AS program,
	loyalty.attach_option(m.mapping, 'event') AS event, m.mapping,
	bool_and(g.tgenabled IN ('O', 'A')) AS enabled
FROM pg_trigger t
CROSS JOIN LATERAL (SELECT loyalty.attach_mapping(t.tgrelid::regclass) AS mapping) m
JOIN pg_trigger g ON g.tgrelid = t.tgrelid AND g.tgfoid = t.tgfoid
WHERE t.tgname = 'loyalty_attach_insert' AND t.tgfoid = 'loyalty.attach_order'::regproc
GROUP BY t.tgrelid, m.mapping;
COMMENT ON VIEW loyalty.attach_list IS
'Attached tables and partitions, how they are attached, and whether all their triggers are enabled';
COMMENT ON COLUMN loyalty.attach_list.source IS 'The table';
COMMENT ON COLUMN loyalty.attach_list.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.attach_list.event IS 'What is recorded of an order';
COMMENT ON COLUMN loyalty.attach_list.mapping IS 'What was told to attach(), name=value each';
COMMENT ON COLUMN loyalty.attach_list.enabled IS 'Whether all its triggers are enabled';

-- The program that a good engineer writes without the extension: lots as rows,
-- taken first in, first out; rules and tiers in tables; an append-only ledger
-- with a unique key for repeated requests; one function call per operation.
-- Each operation locks the member first, as the extension does.
\set ON_ERROR_STOP on

CREATE SCHEMA plpgsql;
CREATE SEQUENCE plpgsql.id_seq CACHE 20;
CREATE SEQUENCE plpgsql.hold_id_seq;

CREATE TABLE plpgsql.program (
	program_id    int PRIMARY KEY,
	time_zone     text NOT NULL,
	expiry_months int NOT NULL,
	active        boolean NOT NULL
);
INSERT INTO plpgsql.program VALUES (1, 'Europe/Paris', 12, true);

CREATE TABLE plpgsql.rule (
	rule_id      int PRIMARY KEY,
	program_id   int NOT NULL REFERENCES plpgsql.program,
	event        text NOT NULL,
	unit         text NOT NULL CHECK (unit IN ('points', 'spend', 'orders')),
	kind         text NOT NULL CHECK (kind IN ('fixed', 'per_amount')),
	-- in hundredths of spend, whole points and orders; per in hundredths of the amount
	award        bigint NOT NULL CHECK (award > 0),
	per          bigint CHECK (per > 0),
	proportional boolean NOT NULL,
	active       boolean NOT NULL,
	valid_from   timestamptz,
	valid_until  timestamptz
);

CREATE TABLE plpgsql.tier (
	tier_id   int PRIMARY KEY,
	name      text NOT NULL,
	min_spend bigint NOT NULL
);
INSERT INTO plpgsql.tier
VALUES (1, 'member', 0), (2, 'silver', 100000), (3, 'gold', 1000000), (4, 'diamond', 5000000);

-- points: earned less spent and expired; kept for display and balance_after
CREATE TABLE plpgsql.member (
	member_id        bigint PRIMARY KEY,
	program_id       int NOT NULL REFERENCES plpgsql.program,
	points           bigint NOT NULL,
	last_purchase_at timestamptz,
	tier_id          int NOT NULL REFERENCES plpgsql.tier,
	tier_since       date NOT NULL,
	status           text NOT NULL DEFAULT 'active'
) WITH (fillfactor = 60);

CREATE TABLE plpgsql.tier_history (
	member_id  bigint NOT NULL,
	changed_at timestamptz NOT NULL,
	tier_from  int NOT NULL,
	tier_to    int NOT NULL,
	spend      bigint NOT NULL
);

CREATE TABLE plpgsql.ledger (
	ledger_id  bigint NOT NULL PRIMARY KEY,
	member_id  bigint NOT NULL,
	amount     bigint NOT NULL,
	created_at timestamptz NOT NULL,
	hold_id    bigint,
	kind       text NOT NULL,
	key        text,
	ref        text,
	actor      text NOT NULL DEFAULT session_user,
	UNIQUE (member_id, key),
	UNIQUE (member_id, ref, kind)
);

CREATE TABLE plpgsql.ledger_line (
	ledger_id     bigint NOT NULL,
	line          int NOT NULL,
	amount        bigint NOT NULL,
	balance_after bigint,
	lot_id        bigint,
	rule_id       int,
	unit          text NOT NULL,
	PRIMARY KEY (ledger_id, line)
);

CREATE TABLE plpgsql.points_lot (
	lot_id     bigint NOT NULL PRIMARY KEY,
	member_id  bigint NOT NULL,
	ledger_id  bigint NOT NULL,
	amount     bigint NOT NULL,
	remaining  bigint NOT NULL CHECK (remaining >= 0),
	earned_on  date NOT NULL,
	expires_on date NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE plpgsql.order_metric (
	member_id bigint NOT NULL,
	month     date NOT NULL,
	orders    int NOT NULL,
	spend     bigint NOT NULL,
	PRIMARY KEY (member_id, month)
) WITH (fillfactor = 80);

CREATE TABLE plpgsql.hold (
	hold_id    bigint NOT NULL PRIMARY KEY,
	member_id  bigint NOT NULL,
	amount     bigint NOT NULL,
	captured   bigint NOT NULL DEFAULT 0,
	expires_at timestamptz NOT NULL,
	status     text NOT NULL DEFAULT 'held'
);

CREATE TABLE plpgsql.hold_lot (
	hold_id bigint NOT NULL,
	lot_id  bigint NOT NULL,
	amount  bigint NOT NULL,
	PRIMARY KEY (hold_id, lot_id)
);

CREATE FUNCTION plpgsql.immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the ledger is append-only';
END;
$$;
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON plpgsql.ledger
	FOR EACH STATEMENT EXECUTE FUNCTION plpgsql.immutable();
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON plpgsql.ledger_line
	FOR EACH STATEMENT EXECUTE FUNCTION plpgsql.immutable();

-- The same members, rules, orders and lots as the extension has

INSERT INTO plpgsql.rule
SELECT rule_id, 1, event, code, r.kind, award * 10 ^ scale, per * 100, proportional, r.status = 'active',
	valid_from, valid_until
FROM loyalty.rule r JOIN loyalty.unit USING (unit_id);

INSERT INTO plpgsql.ledger (ledger_id, member_id, amount, created_at, kind, key, ref)
SELECT journal_id, member_id, amount, effective_at, event, key, ref
FROM loyalty.journal WHERE event = 'purchase'
ORDER BY journal_id;

INSERT INTO plpgsql.ledger_line (ledger_id, line, amount, balance_after, lot_id, rule_id, unit)
SELECT journal_id, line, amount, CASE WHEN code = 'points' THEN balance_after END,
	CASE WHEN code = 'points' THEN journal_id END, rule_id, code
FROM loyalty.entry JOIN loyalty.unit USING (unit_id)
ORDER BY journal_id, line;

INSERT INTO plpgsql.points_lot (lot_id, member_id, ledger_id, amount, remaining, earned_on, expires_on)
SELECT journal_id, e.member_id, journal_id, sum(e.amount), sum(e.amount),
	min(effective_at AT TIME ZONE 'Europe/Paris')::date, min(expires_on)
FROM loyalty.entry e JOIN loyalty.unit USING (unit_id) JOIN loyalty.journal j USING (member_id, journal_id)
WHERE code = 'points'
GROUP BY journal_id, e.member_id
ORDER BY journal_id;

INSERT INTO plpgsql.order_metric (member_id, month, orders, spend)
SELECT member_id, date_trunc('month', effective_at AT TIME ZONE 'Europe/Paris')::date AS month,
	count(*), sum(amount)
FROM loyalty.journal WHERE event = 'purchase'
GROUP BY member_id, month
ORDER BY month, member_id;

INSERT INTO plpgsql.member (member_id, program_id, points, last_purchase_at, tier_id, tier_since)
SELECT member_id, 1, p.points, last_purchase_at, 3, current_date - 100
FROM loyalty.account
JOIN (SELECT member_id, sum(remaining) AS points FROM plpgsql.points_lot GROUP BY member_id) AS p
	USING (member_id)
ORDER BY member_id;

-- The foreign keys that such a schema has, declared once the history is in.
ALTER TABLE plpgsql.ledger ADD FOREIGN KEY (member_id) REFERENCES plpgsql.member;
ALTER TABLE plpgsql.ledger_line ADD FOREIGN KEY (ledger_id) REFERENCES plpgsql.ledger,
	ADD FOREIGN KEY (rule_id) REFERENCES plpgsql.rule;
ALTER TABLE plpgsql.points_lot ADD FOREIGN KEY (member_id) REFERENCES plpgsql.member,
	ADD FOREIGN KEY (ledger_id) REFERENCES plpgsql.ledger;
ALTER TABLE plpgsql.order_metric ADD FOREIGN KEY (member_id) REFERENCES plpgsql.member;
ALTER TABLE plpgsql.tier_history ADD FOREIGN KEY (member_id) REFERENCES plpgsql.member;
ALTER TABLE plpgsql.hold ADD FOREIGN KEY (member_id) REFERENCES plpgsql.member;
ALTER TABLE plpgsql.hold_lot ADD FOREIGN KEY (hold_id) REFERENCES plpgsql.hold,
	ADD FOREIGN KEY (lot_id) REFERENCES plpgsql.points_lot;

CREATE INDEX ON plpgsql.points_lot (member_id, expires_on, lot_id);
CREATE INDEX ON plpgsql.tier_history (member_id);
CREATE INDEX ON plpgsql.hold (member_id) WHERE status = 'held';
SELECT setval('plpgsql.id_seq', (SELECT max(ledger_id) FROM plpgsql.ledger)) \g /dev/null

-- The operations. In all of them: lock the member, answer a repeated request from
-- the ledger, refuse what cannot be done, write the ledger, then the member. That
-- a ref is used once is left to the unique key.

CREATE TYPE plpgsql.result AS (ledger_id bigint, replayed boolean, points bigint, balance bigint, tier_id int);

CREATE FUNCTION plpgsql.purchase(p_member bigint, p_amount numeric, p_ref text, p_key text,
	p_tier_check boolean DEFAULT true)
RETURNS plpgsql.result LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	m          plpgsql.member;
	p          plpgsql.program;
	old        record;
	r          record;
	cents      bigint := round(p_amount * 100);
	today      date;
	this_month date;
	id         bigint;
	award      bigint;
	n          int := 0;
	earned     bigint := 0;
	spent      bigint := 0;
	counted    int := 0;
	year_spend bigint;
	new_tier   int;
BEGIN
	IF p_amount IS NULL OR p_amount < 0 OR p_ref IS NULL OR p_key IS NULL THEN
		RAISE EXCEPTION 'amount, ref and key are required';
	END IF;
	SELECT * INTO m FROM plpgsql.member WHERE member_id = p_member FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'unknown member';
	END IF;
	SELECT * INTO p FROM plpgsql.program WHERE program_id = m.program_id;

	SELECT ledger_id, kind, ref, amount INTO old
	FROM plpgsql.ledger WHERE member_id = p_member AND key = p_key;
	IF FOUND THEN
		IF old.kind <> 'purchase' OR old.ref <> p_ref OR old.amount <> cents THEN
			RAISE EXCEPTION 'key was used for another request';
		END IF;
		SELECT sum(amount) INTO earned
		FROM plpgsql.ledger_line WHERE ledger_id = old.ledger_id AND unit = 'points';
		RETURN (old.ledger_id, true, earned, m.points, m.tier_id);
	END IF;
	IF m.status <> 'active' OR NOT p.active THEN
		RAISE EXCEPTION 'member is %, programme active: %', m.status, p.active;
	END IF;

	today := (now() AT TIME ZONE p.time_zone)::date;
	this_month := date_trunc('month', today);
	id := nextval('plpgsql.id_seq');
	INSERT INTO plpgsql.ledger (ledger_id, member_id, amount, created_at, kind, key, ref)
	VALUES (id, p_member, cents, now(), 'purchase', p_key, p_ref);

	FOR r IN
		SELECT rule_id, unit, kind, rule.award AS base, per, proportional
		FROM plpgsql.rule
		WHERE program_id = p.program_id AND event = 'purchase' AND active
		AND (valid_from IS NULL OR valid_from <= now())
		AND (valid_until IS NULL OR now() < valid_until)
		ORDER BY rule_id
	LOOP
		award := CASE WHEN r.kind = 'fixed' THEN r.base
		              WHEN r.proportional THEN r.base * cents / r.per
		              ELSE r.base * (cents / r.per) END;
		CONTINUE WHEN award = 0;
		n := n + 1;
		IF r.unit = 'points' THEN
			earned := earned + award;
			INSERT INTO plpgsql.ledger_line (ledger_id, line, amount, balance_after, lot_id, rule_id, unit)
			VALUES (id, n, award, m.points + earned, id, r.rule_id, r.unit);
		ELSE
			IF r.unit = 'spend' THEN
				spent := spent + award;
			ELSE
				counted := counted + award;
			END IF;
			INSERT INTO plpgsql.ledger_line (ledger_id, line, amount, rule_id, unit)
			VALUES (id, n, award, r.rule_id, r.unit);
		END IF;
	END LOOP;

	IF earned > 0 THEN
		INSERT INTO plpgsql.points_lot (lot_id, member_id, ledger_id, amount, remaining, earned_on, expires_on)
		VALUES (id, p_member, id, earned, earned, today, this_month + make_interval(months => p.expiry_months + 1, days => -1));
	END IF;
	INSERT INTO plpgsql.order_metric AS o (member_id, month, orders, spend)
	VALUES (p_member, this_month, counted, spent)
	ON CONFLICT (member_id, month) DO UPDATE
	SET orders = o.orders + excluded.orders, spend = o.spend + excluded.spend;

	new_tier := m.tier_id;
	IF p_tier_check THEN
		SELECT sum(spend) INTO year_spend
		FROM plpgsql.order_metric
		WHERE member_id = p_member AND month > this_month - interval '12 months';
		SELECT tier_id INTO new_tier
		FROM plpgsql.tier WHERE min_spend <= year_spend
		ORDER BY min_spend DESC LIMIT 1;
		IF new_tier > m.tier_id THEN
			INSERT INTO plpgsql.tier_history (member_id, changed_at, tier_from, tier_to, spend)
			VALUES (p_member, now(), m.tier_id, new_tier, year_spend);
		ELSE
			new_tier := m.tier_id;
		END IF;
	END IF;

	UPDATE plpgsql.member
	SET points = m.points + earned, last_purchase_at = now(), tier_id = new_tier,
		tier_since = CASE WHEN new_tier = m.tier_id THEN m.tier_since ELSE today END
	WHERE member_id = p_member;
	RETURN (id, false, earned, m.points + earned, new_tier);
END;
$$;

CREATE FUNCTION plpgsql.redeem(p_member bigint, p_points numeric, p_ref text, p_key text)
RETURNS plpgsql.result LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	m      plpgsql.member;
	p      plpgsql.program;
	old    record;
	lot    record;
	asked  bigint := p_points;
	todo   bigint := asked;
	taken  bigint;
	today  date;
	id     bigint;
	n      int := 0;
BEGIN
	IF p_points IS NULL OR p_points <= 0 OR p_points <> trunc(p_points) OR p_key IS NULL THEN
		RAISE EXCEPTION 'a whole number of points and a key are required';
	END IF;
	SELECT * INTO m FROM plpgsql.member WHERE member_id = p_member FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'unknown member';
	END IF;
	SELECT * INTO p FROM plpgsql.program WHERE program_id = m.program_id;

	SELECT ledger_id, kind, ref, amount INTO old
	FROM plpgsql.ledger WHERE member_id = p_member AND key = p_key;
	IF FOUND THEN
		IF old.kind <> 'redeem' OR old.ref IS DISTINCT FROM p_ref OR old.amount <> asked THEN
			RAISE EXCEPTION 'key was used for another request';
		END IF;
		RETURN (old.ledger_id, true, -asked, m.points, m.tier_id);
	END IF;
	IF m.status <> 'active' OR NOT p.active THEN
		RAISE EXCEPTION 'member is %, programme active: %', m.status, p.active;
	END IF;

	today := (now() AT TIME ZONE p.time_zone)::date;
	id := nextval('plpgsql.id_seq');
	INSERT INTO plpgsql.ledger (ledger_id, member_id, amount, created_at, kind, key, ref)
	VALUES (id, p_member, asked, now(), 'redeem', p_key, p_ref);
	FOR lot IN
		SELECT lot_id, remaining FROM plpgsql.points_lot
		WHERE member_id = p_member AND remaining > 0 AND expires_on >= today
		ORDER BY expires_on, lot_id
		FOR NO KEY UPDATE
	LOOP
		taken := least(todo, lot.remaining);
		todo := todo - taken;
		n := n + 1;
		UPDATE plpgsql.points_lot SET remaining = remaining - taken WHERE lot_id = lot.lot_id;
		INSERT INTO plpgsql.ledger_line (ledger_id, line, amount, balance_after, lot_id, unit)
		VALUES (id, n, -taken, m.points - (asked - todo), lot.lot_id, 'points');
		EXIT WHEN todo = 0;
	END LOOP;
	IF todo > 0 THEN
		RAISE EXCEPTION 'available balance is too low';
	END IF;

	UPDATE plpgsql.member SET points = m.points - asked WHERE member_id = p_member;
	RETURN (id, false, -asked, m.points - asked, m.tier_id);
END;
$$;

CREATE FUNCTION plpgsql.hold(p_member bigint, p_points numeric, p_ttl interval, p_key text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	m        plpgsql.member;
	p        plpgsql.program;
	old      record;
	lot      record;
	asked    bigint := p_points;
	todo     bigint := asked;
	taken    bigint;
	today    date;
	id       bigint;
	new_hold bigint;
	n        int := 0;
BEGIN
	IF p_points IS NULL OR p_points <= 0 OR p_points <> trunc(p_points) OR p_key IS NULL THEN
		RAISE EXCEPTION 'a whole number of points and a key are required';
	END IF;
	SELECT * INTO m FROM plpgsql.member WHERE member_id = p_member FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'unknown member';
	END IF;
	SELECT * INTO p FROM plpgsql.program WHERE program_id = m.program_id;

	SELECT kind, amount, hold_id INTO old
	FROM plpgsql.ledger WHERE member_id = p_member AND key = p_key;
	IF FOUND THEN
		IF old.kind <> 'hold' OR old.amount <> asked THEN
			RAISE EXCEPTION 'key was used for another request';
		END IF;
		RETURN old.hold_id;
	END IF;
	IF m.status <> 'active' OR NOT p.active THEN
		RAISE EXCEPTION 'member is %, programme active: %', m.status, p.active;
	END IF;

	today := (now() AT TIME ZONE p.time_zone)::date;
	id := nextval('plpgsql.id_seq');
	new_hold := nextval('plpgsql.hold_id_seq');
	INSERT INTO plpgsql.ledger (ledger_id, member_id, amount, created_at, hold_id, kind, key)
	VALUES (id, p_member, asked, now(), new_hold, 'hold', p_key);
	INSERT INTO plpgsql.hold (hold_id, member_id, amount, expires_at)
	VALUES (new_hold, p_member, asked, now() + p_ttl);
	FOR lot IN
		SELECT lot_id, remaining FROM plpgsql.points_lot
		WHERE member_id = p_member AND remaining > 0 AND expires_on >= today
		ORDER BY expires_on, lot_id
		FOR NO KEY UPDATE
	LOOP
		taken := least(todo, lot.remaining);
		todo := todo - taken;
		n := n + 1;
		UPDATE plpgsql.points_lot SET remaining = remaining - taken WHERE lot_id = lot.lot_id;
		INSERT INTO plpgsql.hold_lot (hold_id, lot_id, amount) VALUES (new_hold, lot.lot_id, taken);
		INSERT INTO plpgsql.ledger_line (ledger_id, line, amount, balance_after, lot_id, unit)
		VALUES (id, n, -taken, m.points - (asked - todo), lot.lot_id, 'points');
		EXIT WHEN todo = 0;
	END LOOP;
	IF todo > 0 THEN
		RAISE EXCEPTION 'available balance is too low';
	END IF;

	UPDATE plpgsql.member SET points = m.points - asked WHERE member_id = p_member;
	RETURN new_hold;
END;
$$;

CREATE FUNCTION plpgsql.capture(p_member bigint, p_hold bigint, p_key text, p_points numeric DEFAULT NULL)
RETURNS plpgsql.result LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	m      plpgsql.member;
	p      plpgsql.program;
	h      plpgsql.hold;
	old    record;
	lot    record;
	asked  bigint := p_points;
	todo   bigint;
	given  bigint;
	id     bigint;
	n      int := 0;
BEGIN
	IF p_key IS NULL OR p_points <= 0 OR p_points <> trunc(p_points) THEN
		RAISE EXCEPTION 'a key and a whole number of points are required';
	END IF;
	SELECT * INTO m FROM plpgsql.member WHERE member_id = p_member FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'unknown member';
	END IF;
	SELECT * INTO p FROM plpgsql.program WHERE program_id = m.program_id;

	SELECT ledger_id, kind, hold_id, amount INTO old
	FROM plpgsql.ledger WHERE member_id = p_member AND key = p_key;
	IF FOUND THEN
		IF old.kind <> 'capture' OR old.hold_id <> p_hold OR old.amount <> coalesce(asked, old.amount) THEN
			RAISE EXCEPTION 'key was used for another request';
		END IF;
		RETURN (old.ledger_id, true, 0, m.points, m.tier_id);
	END IF;
	IF m.status <> 'active' OR NOT p.active THEN
		RAISE EXCEPTION 'member is %, programme active: %', m.status, p.active;
	END IF;

	SELECT * INTO h FROM plpgsql.hold WHERE hold_id = p_hold AND member_id = p_member FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'unknown hold';
	ELSIF h.status <> 'held' THEN
		RAISE EXCEPTION 'hold is %', h.status;
	ELSIF h.expires_at <= now() THEN
		RAISE EXCEPTION 'hold has timed out';
	ELSIF asked > h.amount THEN
		RAISE EXCEPTION 'capture exceeds the hold';
	END IF;
	asked := coalesce(asked, h.amount);

	id := nextval('plpgsql.id_seq');
	INSERT INTO plpgsql.ledger (ledger_id, member_id, amount, created_at, hold_id, kind, key)
	VALUES (id, p_member, asked, now(), p_hold, 'capture', p_key);
	UPDATE plpgsql.hold SET status = 'captured', captured = asked WHERE hold_id = p_hold;

	-- the rest goes back to the lots it came from, the last one first
	todo := h.amount - asked;
	IF todo > 0 THEN
		FOR lot IN
			SELECT lot_id, l.amount FROM plpgsql.hold_lot l JOIN plpgsql.points_lot USING (lot_id)
			WHERE l.hold_id = p_hold
			ORDER BY expires_on DESC, lot_id DESC
		LOOP
			given := least(todo, lot.amount);
			todo := todo - given;
			n := n + 1;
			UPDATE plpgsql.points_lot SET remaining = remaining + given WHERE lot_id = lot.lot_id;
			INSERT INTO plpgsql.ledger_line (ledger_id, line, amount, balance_after, lot_id, unit)
			VALUES (id, n, given, m.points + (h.amount - asked - todo), lot.lot_id, 'points');
			EXIT WHEN todo = 0;
		END LOOP;
		UPDATE plpgsql.member SET points = m.points + (h.amount - asked) WHERE member_id = p_member;
	END IF;
	RETURN (id, false, h.amount - asked, m.points + (h.amount - asked), m.tier_id);
END;
$$;

-- What can be spent today, what is held, and what lapses next
CREATE FUNCTION plpgsql.balance(p_member bigint,
	OUT available bigint, OUT held bigint, OUT next_expiry date, OUT next_expiry_amount bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	today date;
BEGIN
	SELECT (now() AT TIME ZONE time_zone)::date INTO today
	FROM plpgsql.member JOIN plpgsql.program USING (program_id)
	WHERE member_id = p_member;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'unknown member';
	END IF;
	SELECT coalesce(sum(lot.remaining), 0), min(lot.expires_on),
		(array_agg(lot.remaining ORDER BY lot.expires_on))[1]
	INTO available, next_expiry, next_expiry_amount
	FROM (SELECT expires_on, sum(remaining) AS remaining
	      FROM plpgsql.points_lot
	      WHERE member_id = p_member AND remaining > 0 AND expires_on >= today
	      GROUP BY expires_on) AS lot;
	SELECT coalesce(sum(amount), 0) INTO held
	FROM plpgsql.hold WHERE member_id = p_member AND status = 'held' AND expires_at > now();
END;
$$;

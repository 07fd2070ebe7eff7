-- The programme and its members, made by the extension's own verbs: whatever
-- they write is what the baselines start from too.
-- Variables: members
\set ON_ERROR_STOP on

CREATE EXTENSION loyalty;
CREATE SCHEMA bench;

SELECT loyalty.program_create('bench', 'EUR', 'Europe/Paris') AS program \gset

-- two rules besides the three of the template
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, per)
SELECT :program, 'purchase', unit_id, extra.kind, extra.award, extra.per
FROM loyalty.unit, (VALUES ('fixed', 10, NULL), ('per_amount', 1, 10)) AS extra (kind, award, per)
WHERE program_id = :program AND code = 'points';

-- the tiers of the PL/pgSQL program, by the spend of the last twelve months
INSERT INTO loyalty.tier (program_id, code, rank)
SELECT :program, code, rank
FROM (VALUES ('member', 0), ('silver', 1), ('gold', 2), ('diamond', 3)) AS t (code, rank);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, months)
SELECT :program, tier_id, unit_id, threshold, 12
FROM loyalty.tier
JOIN (VALUES ('silver', 1000), ('gold', 10000), ('diamond', 50000)) AS t (code, threshold) USING (code),
	loyalty.unit
WHERE tier.program_id = :program AND unit.program_id = :program AND unit.code = 'spend';

-- a right that comes with each tier, and one that is held by a tag only
INSERT INTO loyalty.benefit (program_id, name, kind) VALUES (:program, 'priority', 'flag'), (:program, 'trial', 'flag');
INSERT INTO loyalty.benefit_holder (program_id, benefit_id, source, name)
SELECT :program, benefit_id, 'tier', code FROM loyalty.benefit, loyalty.tier WHERE name = 'priority'
UNION ALL SELECT :program, benefit_id, 'tag', 'tester' FROM loyalty.benefit WHERE name = 'trial';

-- pgbench computes the id of a random member, so the ids must be evenly spaced
CREATE TABLE bench.member AS
SELECT n, (loyalty.enroll('bench', jsonb_build_object('card', 'C' || n))).member_id
FROM generate_series(0, :members - 1) AS n;

CREATE TABLE bench.setting AS
SELECT count(*) AS members, min(member_id) AS first,
	(max(member_id) - min(member_id)) / (count(*) - 1) AS stride
FROM bench.member;

DO $$
BEGIN
	IF EXISTS (SELECT FROM bench.member m, bench.setting s
	           WHERE m.member_id <> s.first + s.stride * m.n)
	THEN
		RAISE EXCEPTION 'member ids are not evenly spaced';
	END IF;
END;
$$;

-- A year of one order a month, oldest first, as it would have come about, so
-- that the indexes are as full as random insertion leaves them. All lots are
-- whole hundreds of points: what is redeemed or held later (100) is then always
-- one lot, for each of the programs that are compared.
CREATE PROCEDURE bench.shop(part int, parts int)
LANGUAGE plpgsql AS $$
DECLARE
	s bench.setting;
	month timestamp := date_trunc('month', now() AT TIME ZONE 'Europe/Paris');
BEGIN
	SELECT * INTO s FROM bench.setting;
	FOR months_ago IN REVERSE 12 .. 0 LOOP
		FOR n IN part .. s.members - 1 BY parts LOOP
			PERFORM loyalty.purchase(s.first + s.stride * n,
				900 + 1000 * ((n + months_ago) % 2),
				(1e15 * random())::bigint::text,
				key => (1e15 * random())::bigint::text,
				at => (month - make_interval(months => months_ago)) AT TIME ZONE 'Europe/Paris');
			IF n % 50 < parts THEN
				COMMIT;
			END IF;
		END LOOP;
		COMMIT;
	END LOOP;
END;
$$;

-- Results

CREATE TABLE bench.result (
	operation text NOT NULL,
	variant   text NOT NULL,
	round     int  NOT NULL,
	tps       float8 NOT NULL,
	calls     bigint NOT NULL,
	wal       numeric NOT NULL,
	PRIMARY KEY (operation, variant, round)
);

-- what the two that must write the same rows have written, before and after
CREATE TABLE bench.written (
	operation text NOT NULL,
	phase     text NOT NULL,
	variant   text NOT NULL,
	relname   name NOT NULL,
	inserted  bigint NOT NULL,
	updated   bigint NOT NULL,
	hot       bigint NOT NULL
);

CREATE TABLE bench.measure (
	position serial PRIMARY KEY,
	title    text NOT NULL,
	value    text NOT NULL,
	target   text,
	met      boolean
);

CREATE TABLE bench.comparison (
	position       serial PRIMARY KEY,
	title          text NOT NULL,
	operation      text NOT NULL,
	subject        text NOT NULL,
	floor          text,
	plpgsql        text,
	floor_target   numeric,
	plpgsql_target numeric
);

INSERT INTO bench.comparison (title, operation, subject, floor, plpgsql, floor_target, plpgsql_target) VALUES
	('`purchase`, 5 rules, tier check and key, durable', 'purchase', 'loyalty', 'floor', 'plpgsql', 0.85, 1.3),
	('the same, CPU bound', 'purchase_cpu', 'loyalty', 'floor', 'plpgsql', 0.75, 2),
	('the same, durable, each in a session of its own', 'purchase_first', 'loyalty', 'floor', 'plpgsql', NULL, NULL),
	('`redeem`, durable', 'redeem', 'loyalty', 'floor', 'plpgsql', 0.85, 1.3),
	('`hold`, durable', 'hold', 'loyalty', 'floor', 'plpgsql', 0.85, 1.3),
	('`capture`, durable', 'capture', 'loyalty', 'floor', 'plpgsql', 0.85, 1.3),
	('`balance` of one unit', 'balance', 'loyalty', 'floor', 'plpgsql', 0.75, NULL),
	('`balance` of all three units', 'balance', 'loyalty_all', 'floor', NULL, NULL, NULL),
	('`has_benefit` of a tier', 'has_benefit', 'loyalty', 'floor', NULL, 0.75, NULL),
	('`has_benefit` that nothing gives', 'has_benefit', 'loyalty_none', 'floor', NULL, NULL, NULL);

-- the way to the floor that was taken, because it was the faster
CREATE TABLE bench.floor (operation text PRIMARY KEY, way text NOT NULL);

-- Maintenance: members of whom something falls due in one night: a lot of each
-- lapses, and the tier of every tenth comes up for review. They are taken over from
-- another system on the day before, by the verb for that.
-- Variables: members
\set ON_ERROR_STOP on

SELECT loyalty.program_create('night', 'EUR', 'Europe/Paris') AS program,
	(now() AT TIME ZONE 'Europe/Paris')::date AS today \gset
INSERT INTO loyalty.tier (program_id, code, rank)
SELECT :program, code, rank FROM (VALUES ('member', 0), ('silver', 1), ('gold', 2)) AS t (code, rank);
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, months)
SELECT :program, tier_id, unit_id, threshold, 12
FROM loyalty.tier JOIN (VALUES ('silver', 1000), ('gold', 10000)) AS t (code, threshold) USING (code), loyalty.unit
WHERE tier.program_id = :program AND unit.program_id = :program AND unit.code = 'spend';

CREATE TABLE bench.sleeper AS
SELECT jsonb_build_object('card', 'N' || n) AS identities,
	CASE WHEN n % 10 = 0 THEN 'silver' END AS tier,
	CASE WHEN n % 10 = 0 THEN date :'today' - 365 END AS tier_since,
	CASE WHEN n % 10 = 0 THEN date :'today' - 1 END AS tier_until,
	lots.lots
FROM generate_series(1, :members) n,
	LATERAL (SELECT jsonb_agg(lot) AS lots FROM (
		SELECT jsonb_build_object('unit', 'points', 'amount', 100 + n % 17, 'expires_on', date :'today' - 1 + 31 * m) AS lot
		FROM generate_series(0, 5) m
		UNION ALL
		SELECT jsonb_build_object('unit', 'spend', 'amount', 150 + n % 31, 'vests_on', date_trunc('month', date :'today' - 31 * m)::date)
		FROM generate_series(0, 5) m) l) lots;
BEGIN;
-- a procedure that commits would lose it
SELECT set_config('loyalty.now', (date :'today' - 1 || ' 12:00 Europe/Paris')::timestamptz::text, false) \g /dev/null
COMMIT;
-- a few first: without statistics the rest would take for ever
CREATE VIEW bench.first_sleeper AS SELECT * FROM bench.sleeper WHERE (identities ->> 'card') ~ '^N[1-9]?[0-9]?[0-9]00$';
CALL loyalty.import_members('night', 'bench.first_sleeper');
ANALYZE loyalty.identity, loyalty.member, loyalty.account, loyalty.journal, loyalty.entry, loyalty.event_data, loyalty.tier_history;
CALL loyalty.import_members('night', 'bench.sleeper');
RESET loyalty.now;

CREATE TABLE bench.night AS
SELECT count(*) AS due FROM loyalty.account WHERE program_id = :program AND due_on <= date :'today';

-- What the night has come to
\set ON_ERROR_STOP on
INSERT INTO bench.measure (title, value, target, met)
SELECT r.title, r.value, r.target, r.met
FROM (
	SELECT n.due, w.done, w.done / w.cpu AS rate, w.done / w.wall AS clock, b.share, l.most,
		(SELECT count(*) FROM loyalty.journal WHERE program_id = n.program_id AND kind = 'expire') AS posted,
		(SELECT count(*) FROM loyalty.journal WHERE program_id = n.program_id AND kind = 'tier_review') AS reviewed
	FROM bench.night n,
		(SELECT sum(done) AS done, sum(cpu) AS cpu, max(wall) AS wall FROM bench.watch) w,
		(SELECT avg(tps) FILTER (WHERE maintained) / avg(tps) FILTER (WHERE NOT maintained) AS share FROM bench.beside) b,
		(SELECT max(n) AS most FROM bench.locked) l) x,
LATERAL (VALUES
	(1, format('members worked off in a night on which %s are due, a lot of each lapses and every tenth has a review', due),
		done::text, due::text, done >= due AND posted = due AND reviewed >= due / 10),
	(2, 'of these for a second of the processor', round(rate)::text, '>= 10000', rate >= 10000),
	(3, 'a second by the clock, two sessions beside eight clients that buy', round(clock)::text, NULL, NULL),
	(4, 'purchases a second beside it, by those without', round(share, 2) || ' x', NULL, NULL),
	(5, 'most rows that one of the two sessions has locked at a time, batches of 500', most::text, '<= 500', most <= 500)) r (place, title, value, target, met)
ORDER BY r.place;

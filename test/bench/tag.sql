-- Tags: what time has changed for 1,000 members, looked for among 10,000 and among
-- 1,000,000. In turn, five rounds, other members each time. The members are made
-- without calls, because only the judging is measured.
\set ON_ERROR_STOP on

CREATE TABLE bench.crowd (name text, members int, program_id int);
INSERT INTO bench.crowd
SELECT name, members, loyalty.program_create(name, 'CNY', 'Asia/Shanghai', 'empty')
FROM (VALUES ('village', 10000), ('city', 1000000)) c (name, members);
INSERT INTO loyalty.tag (program_id, name, dimension, condition)
SELECT program_id, 'recent', 'transaction', '$.purchases.days_30.times >= 1' FROM bench.crowd;
-- nobody is there yet: all have been judged
SELECT r.looked_at FROM bench.crowd c, loyalty.tag_refresh(c.name) r;

INSERT INTO loyalty.member (member_id, joined_at, program_id)
SELECT (1::bigint << 50) + c.program_id * 10000000 + n, now() - interval '1 year', c.program_id
FROM bench.crowd c, generate_series(1, c.members) n;
INSERT INTO loyalty.account (member_id, salt, program_id, settled_on, due_on, wallet)
SELECT member_id, 0, program_id, current_date + 1, 'infinity', '{}' FROM loyalty.member JOIN bench.crowd USING (program_id);
INSERT INTO loyalty.member_day (member_id, day, kind, program_id, times, quantity, amount)
SELECT member_id, current_date - d * 10, 'purchase', program_id, 1, 1000, 9900
FROM loyalty.member JOIN bench.crowd USING (program_id), generate_series(1, 3) d;
INSERT INTO loyalty.tag_review (member_id, program_id, due_on)
SELECT member_id, program_id, current_date + 20 FROM loyalty.member JOIN bench.crowd USING (program_id);
VACUUM (ANALYZE) loyalty.member, loyalty.account, loyalty.member_day, loyalty.tag_review;

CREATE TABLE bench.judged (round int, name text, seconds numeric);
CREATE PROCEDURE bench.judge(round int, name text) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
	crowd bench.crowd;
	done int;
BEGIN
	SELECT * INTO STRICT crowd FROM bench.crowd c WHERE c.name = judge.name;
	UPDATE loyalty.tag_review SET due_on = current_date - 1
	WHERE member_id IN (SELECT (1::bigint << 50) + crowd.program_id * 10000000 + n
						FROM generate_series(round, crowd.members, crowd.members / 1000) n);
	COMMIT;
	began = clock_timestamp();
	SELECT r.changed INTO done FROM loyalty.tag_refresh(name, 1000) r;
	COMMIT;
	INSERT INTO bench.judged VALUES (round, name, extract(epoch FROM clock_timestamp() - began));
	IF done <> 1000 THEN
		RAISE EXCEPTION 'changed: %', done;
	END IF;
END;
$$;

CREATE PROCEDURE bench.judge_rounds() LANGUAGE plpgsql AS $$
DECLARE
	names text[] = '{village,city}';
BEGIN
	FOR round IN 1 .. 5 LOOP
		FOR i IN 0 .. 1 LOOP
			CALL bench.judge(round, names[1 + (i + round) % 2]);
		END LOOP;
	END LOOP;
END;
$$;
CALL bench.judge_rounds();

INSERT INTO bench.measure (title, value, target, met)
SELECT r.title, r.value, r.target, r.met
FROM (
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY 1000 / c.seconds) AS rate,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY c.seconds / v.seconds) AS ratio
	FROM bench.judged c JOIN bench.judged v ON v.round = c.round AND v.name = 'village'
	WHERE c.name = 'city') x,
LATERAL (VALUES
	(1, 'members a second whose tags change with time, 1,000 of 1,000,000', round(x.rate::numeric)::text, NULL, NULL),
	(2, 'the same, time against 1,000 of 10,000', round(x.ratio::numeric, 2) || ' x', '<= 1.5', x.ratio <= 1.5)) r (place, title, value, target, met)
ORDER BY r.place;

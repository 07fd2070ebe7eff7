-- Every call in time order, with the clock at its invoice.

-- Figures of the run, for the result and for the test.
CREATE TABLE demo.figure (
	name  text    NOT NULL PRIMARY KEY,
	value numeric NOT NULL
);

-- A night in milliseconds leaves autovacuum behind, so the statistics are made here:
-- after the first nights, and each month.
CREATE PROCEDURE demo.analyze(night timestamptz) LANGUAGE plpgsql AS $$
DECLARE
	name regclass;
BEGIN
	IF extract(day FROM night) <> 1 AND (SELECT count(*) FROM demo.night) NOT IN (1, 7) THEN
		RETURN;
	END IF;
	FOR name IN
		SELECT oid FROM pg_class
		WHERE relnamespace = 'loyalty'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
	LOOP
		EXECUTE format('ANALYZE %s', name);
	END LOOP;
END $$;

-- What happens in the nights between two calls: maintenance, three minutes after each
-- local midnight that the clock passes. It commits by itself.
CREATE TABLE demo.night (
	night   timestamptz NOT NULL PRIMARY KEY,
	seconds numeric     NOT NULL
);
CREATE PROCEDURE demo.pass_nights(since timestamptz, until timestamptz) LANGUAGE plpgsql AS $$
DECLARE
	this_night timestamptz;
	began timestamptz;
BEGIN
	FOR this_night IN
		SELECT (day + interval '3 minutes') AT TIME ZONE 'Europe/London'
		FROM generate_series((since AT TIME ZONE 'Europe/London')::date + interval '1 day',
			(until AT TIME ZONE 'Europe/London')::date, '1 day') day
	LOOP
		began := clock_timestamp();
		PERFORM set_config('loyalty.now', this_night::text, false);
		CALL loyalty.maintain('1 hour');
		INSERT INTO demo.night VALUES (this_night, extract(epoch FROM clock_timestamp() - began));
		CALL demo.analyze(this_night);
	END LOOP;
END $$;

-- One transaction a day.
CREATE PROCEDURE demo.replay() LANGUAGE plpgsql AS $$
DECLARE
	step record;
	clock timestamptz := loyalty.now();
	member bigint;
	points numeric;
	began timestamptz := clock_timestamp();
BEGIN
	FOR step IN SELECT * FROM demo.call ORDER BY call_no LOOP
		IF (step.at AT TIME ZONE 'Europe/London')::date > (clock AT TIME ZONE 'Europe/London')::date THEN
			COMMIT;
			CALL demo.pass_nights(clock, step.at);
		END IF;
		clock := step.at;
		PERFORM set_config('loyalty.now', step.at::text, false);

		IF step.verb = 'enroll' THEN
			PERFORM FROM loyalty.enroll('demo',
				jsonb_build_object('customer_no', step.customer_no::text),
				profile => jsonb_strip_nulls(jsonb_build_object('country', step.country,
					'birthday', demo.birthday(step.customer_no))));
			CONTINUE;
		END IF;

		member := loyalty.find('demo', 'customer_no', step.customer_no::text);
		IF step.verb = 'refund' THEN
			PERFORM FROM loyalty.refund(member, step.ref, items => step.items,
				refund_ref => step.refund_ref);
			CONTINUE;
		END IF;

		PERFORM FROM loyalty.purchase(member, step.amount, step.ref, step.items,
			data => '{"channel": "online"}');
		-- Directly after an order the member takes a voucher for all whole
		-- thousands of available points.
		SELECT available INTO points FROM loyalty.balance(member, 'points');
		IF points >= 1000 THEN
			PERFORM FROM loyalty.redeem(member, points - points % 1000,
				ref => 'R-' || step.ref, reason => 'voucher');
		END IF;
	END LOOP;
	COMMIT;
	-- what the last day has brought about
	CALL loyalty.maintain('1 hour');
	INSERT INTO demo.figure
	SELECT name, value
	FROM (SELECT count(*) AS nights, sum(seconds) AS seconds, max(seconds) AS longest FROM demo.night) n,
		LATERAL (VALUES ('nights', nights), ('night_seconds', n.seconds), ('longest_night', longest),
			('seconds', extract(epoch FROM clock_timestamp() - began) - n.seconds)) f(name, value);
END $$;

CALL demo.replay();
ANALYZE;

-- Every call in time order, with the clock at its invoice.

-- Figures of the run, for the result and for the test.
CREATE TABLE demo.figure (
	name  text    NOT NULL PRIMARY KEY,
	value numeric NOT NULL
);

-- Settles every account on which something fell due, as a nightly job would.
CREATE PROCEDURE demo.settle_due() LANGUAGE plpgsql AS $$
DECLARE
	member bigint;
BEGIN
	FOR member IN
		SELECT member_id FROM loyalty.account
		WHERE due_on <= (loyalty.now() AT TIME ZONE 'Europe/London')::date
		ORDER BY member_id
	LOOP
		PERFORM loyalty.account_settle(member);
	END LOOP;
END $$;

-- One transaction a month, so that an interrupted run leaves whole months.
CREATE PROCEDURE demo.replay() LANGUAGE plpgsql AS $$
DECLARE
	this_month date;
	step record;
	member bigint;
	points numeric;
	started timestamptz := clock_timestamp();
BEGIN
	FOREACH this_month IN ARRAY (SELECT array_agg(DISTINCT month ORDER BY month) FROM demo.call) LOOP
		FOR step IN SELECT * FROM demo.call WHERE month = this_month ORDER BY call_no LOOP
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
	END LOOP;
	INSERT INTO demo.figure VALUES ('seconds', extract(epoch FROM clock_timestamp() - started));
	CALL demo.settle_due();
END $$;

CALL demo.replay();
-- A year in seconds leaves autovacuum behind.
ANALYZE;

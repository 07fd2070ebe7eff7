-- The books are right when verify() has nothing to say.
DO $$
DECLARE
	started timestamptz := clock_timestamp();
	fault record;
	faults int := 0;
BEGIN
	FOR fault IN SELECT * FROM loyalty.verify() LOOP
		faults := faults + 1;
		RAISE WARNING '%: member %: %', fault.invariant, fault.member_id, fault.detail;
	END LOOP;
	INSERT INTO demo.figure VALUES ('faults', faults),
		('verify_seconds', extract(epoch FROM clock_timestamp() - started));
END $$;

\pset format unaligned
\pset tuples_only on
SELECT format(E'\nloyalty.verify(): %s rows, after %s journal rows and %s entries, in %s s',
	demo.figure('faults'), (SELECT to_char(count(*), 'FM999,999,990') FROM loyalty.journal),
	(SELECT to_char(count(*), 'FM999,999,990') FROM loyalty.entry), round(demo.figure('verify_seconds'), 1));

DO $$
BEGIN
	IF demo.figure('faults') > 0 THEN
		RAISE EXCEPTION 'the books are not right';
	END IF;
END $$;

-- Prepares the database of the isolation specs: the extension, and test.reset(),
-- with which each permutation begins. Creating the extension anew for each of
-- them took ten times as long.
\set ON_ERROR_STOP on

CREATE EXTENSION loyalty;
CREATE SCHEMA test;

CREATE FUNCTION test.relations(kind "char") RETURNS SETOF name LANGUAGE sql STABLE AS $$
	SELECT relname FROM pg_class
	WHERE relnamespace = 'loyalty'::regnamespace AND relkind = kind
	ORDER BY relname
$$;

CREATE FUNCTION test.is_filled(name name) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
	filled boolean;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT FROM loyalty.%I)', name) INTO filled;
	RETURN filled;
END;
$$;

-- What the install script has put into tables.
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT test.relations('r') LOOP
		IF test.is_filled(name) THEN
			EXECUTE format('CREATE TABLE test.%I AS TABLE loyalty.%1$I', name);
		END IF;
	END LOOP;
END;
$$;

-- Makes the database what it was after CREATE EXTENSION. Triggers would refuse to
-- empty the ledger, so they are off. Those of the configuration would have told other
-- sessions to forget it: truncating the table of programmes tells them the same.
CREATE PROCEDURE test.reset() LANGUAGE plpgsql
SET session_replication_role = replica AS $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT test.relations('r') LOOP
		IF test.is_filled(name) THEN
			EXECUTE format('DELETE FROM loyalty.%I', name);
		END IF;
		IF to_regclass(format('test.%I', name)) IS NOT NULL THEN
			EXECUTE format('INSERT INTO loyalty.%I SELECT * FROM test.%1$I', name);
		END IF;
	END LOOP;
	TRUNCATE loyalty.program;
	-- not setval(): sessions keep ids that they have taken ahead
	FOR name IN
		SELECT sequencename FROM pg_sequences
		WHERE schemaname = 'loyalty' AND last_value IS NOT NULL
	LOOP
		EXECUTE format('ALTER SEQUENCE loyalty.%I RESTART', name);
	END LOOP;
END;
$$;

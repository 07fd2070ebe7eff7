-- An order table of the shop's own: 10,000 rows in one INSERT, with the triggers of
-- attach(), with hand-written statements that write the same rows, and with a row
-- trigger that calls the PL/pgSQL program. In turn, five rounds.
\set ON_ERROR_STOP on
\ir floor_batch.sql

CREATE TABLE bench.shop_order (order_no text PRIMARY KEY, customer_id bigint NOT NULL,
	total numeric(12,2) NOT NULL, paid_at timestamptz);
CREATE TABLE bench.floor_order (LIKE bench.shop_order INCLUDING ALL);
CREATE TABLE bench.plpgsql_order (LIKE bench.shop_order INCLUDING ALL);
SELECT loyalty.attach('bench.shop_order', 'bench') \g /dev/null

CREATE FUNCTION bench.purchase() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM plpgsql.purchase(NEW.customer_id, NEW.total, NEW.order_no, NEW.order_no);
	RETURN NULL;
END;
$$;
CREATE TRIGGER purchase AFTER INSERT ON bench.plpgsql_order FOR EACH ROW EXECUTE FUNCTION bench.purchase();

CREATE TABLE bench.inserted (round int, variant text, seconds numeric);
CREATE TABLE bench.attached (n int, order_no text, customer_id bigint, total numeric, paid_at timestamptz);

CREATE PROCEDURE bench.insert_orders(round int, variant text) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz = clock_timestamp();
BEGIN
	EXECUTE format('INSERT INTO bench.%I SELECT order_no, customer_id, total, paid_at FROM bench.attached',
		CASE variant WHEN 'loyalty' THEN 'shop' ELSE variant END || '_order');
	IF variant = 'floor' THEN
		INSERT INTO batch
		SELECT customer_id, nextval('floor.id_seq'), (total * 100)::bigint, order_no, NULL, paid_at FROM bench.attached;
		CALL bench.floor_write();
	END IF;
	COMMIT;
	INSERT INTO bench.inserted VALUES (round, variant, extract(epoch FROM clock_timestamp() - began));
END;
$$;

CREATE PROCEDURE bench.insert_rounds() LANGUAGE plpgsql AS $$
DECLARE
	variants text[] = '{loyalty,floor,plpgsql}';
BEGIN
	CALL bench.floor_batch();
	FOR round IN 1 .. 5 LOOP
		TRUNCATE bench.attached, batch;
		INSERT INTO bench.attached
		SELECT o.n, 'shop-' || round || '-' || o.n, m.member_id, (1000 + (29000 * random())::int) / 100.0, now()
		FROM (SELECT n, (random() * (SELECT max(n) FROM bench.batch_member))::bigint AS m FROM generate_series(1, 10000) n) o
		JOIN bench.batch_member m ON m.n = o.m;
		COMMIT;
		FOR i IN 0 .. 2 LOOP
			CALL bench.insert_orders(round, variants[1 + (i + round) % 3]);
		END LOOP;
	END LOOP;
END;
$$;
CALL bench.insert_rounds();

DO $$
BEGIN
	IF EXISTS (SELECT FROM loyalty.reconcile('bench.shop_order')) OR EXISTS (SELECT FROM loyalty.ingest_reject) THEN
		RAISE EXCEPTION 'not every order was booked';
	END IF;
END;
$$;

INSERT INTO bench.measure (title, value)
SELECT r.title, r.value
FROM (
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY l.seconds) AS seconds,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY f.seconds / l.seconds) AS floor,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY p.seconds / l.seconds) AS plpgsql
	FROM bench.inserted l
	JOIN bench.inserted f ON f.round = l.round AND f.variant = 'floor'
	JOIN bench.inserted p ON p.round = l.round AND p.variant = 'plpgsql'
	WHERE l.variant = 'loyalty') x,
LATERAL (VALUES
	(1, format('an INSERT of 10,000 orders into an attached table (%s s) against the same INSERT and set-based statements',
		round(x.seconds::numeric, 2)), round(x.floor::numeric, 2) || ' x'),
	(2, 'the same against a row trigger that calls PL/pgSQL', round(x.plpgsql::numeric, 2) || ' x')) r (place, title, value)
ORDER BY r.place;

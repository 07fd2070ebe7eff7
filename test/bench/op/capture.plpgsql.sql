\set key random(1, 1000000000000000)
SELECT ledger_id FROM plpgsql.capture(:first + :stride * (nextval('bench.capture_plpgsql') * 7919 % :holds % :members), 1 + (currval('bench.capture_plpgsql') * 7919 % :holds), :key);

\set i :i + 1
\set n (((:round - 1) * :clients + :client_id) * :calls + :i) * 7919 % :holds
\set m :first + :stride * (:n % :members)
\set held 1 + :n
\set key random(1, 1000000000000000)
SELECT ledger_id FROM plpgsql.capture(:m, :held, :key);

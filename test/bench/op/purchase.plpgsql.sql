\set m :first + :stride * random(0, :members - 1)
\set amount random(1000, 30000) / 100.0
\set ref random(1, 1000000000000000)
\set key random(1, 1000000000000000)
SELECT ledger_id FROM plpgsql.purchase(:m, :amount, :ref, :key);

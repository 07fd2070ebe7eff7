\set m :first + :stride * random(0, :members - 1)
\set key random(1, 1000000000000000)
SELECT hold_id FROM loyalty.hold(:m, 100, ttl => '1 day', key => :key);

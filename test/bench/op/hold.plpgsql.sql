\set m :first + :stride * random(0, :members - 1)
\set key random(1, 1000000000000000)
SELECT plpgsql.hold(:m, 100, '1 day', :key);

\set m :first + :stride * random(0, :members - 1)
\set key random(1, 1000000000000000)
\set byte random(0, 255)
SELECT floor.hold(:m, :key, :byte);

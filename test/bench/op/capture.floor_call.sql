\set n random(0, :holds - 1)
\set m :first + :stride * (:n % :members)
\set held :hold_first + :hold_stride * :n
\set key random(1, 1000000000000000)
SELECT floor.capture(:m, :held, :key);

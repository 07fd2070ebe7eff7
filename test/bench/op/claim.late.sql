\set m :first + :stride * random(0, :members - 1)
\set ref random(1, 1000000000000000)
SELECT bench.claim(:m, :ref, late => true);

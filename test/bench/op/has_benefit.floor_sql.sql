\set m :first + :stride * random(0, :members - 1)
SELECT floor.has_benefit_sql(:m);

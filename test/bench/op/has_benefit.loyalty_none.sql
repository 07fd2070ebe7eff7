\set m :first + :stride * random(0, :members - 1)
SELECT loyalty.has_benefit(:m, 'trial');

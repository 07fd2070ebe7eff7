\set m :first + :stride * random(0, :members - 1)
SELECT * FROM loyalty.balance(:m, 'points');

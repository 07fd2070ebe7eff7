\set i :i + 1
\set n (((:round - 1) * :clients + :client_id) * :calls + :i) * 7919 % :holds
\set m :first + :stride * (:n % :members)
\set held :hold_first + :hold_stride * :n
\set key random(1, 1000000000000000)
SELECT journal_id FROM loyalty.capture(:m, :held, key => :key);

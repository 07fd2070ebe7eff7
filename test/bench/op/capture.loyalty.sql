\set key random(1, 1000000000000000)
SELECT journal_id FROM loyalty.capture(:first + :stride * (nextval('bench.capture_loyalty') * 7919 % :holds % :members), :hold_first + :hold_stride * (currval('bench.capture_loyalty') * 7919 % :holds), key => :key);

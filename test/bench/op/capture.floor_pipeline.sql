\set n random(0, :holds - 1)
\set m :first + :stride * (:n % :members)
\set held :hold_first + :hold_stride * :n
\set key random(1, 1000000000000000)
\startpipeline
UPDATE floor.account SET last_event_at = now(), hold_until = now() + '1 day' WHERE member_id = :m;
INSERT INTO floor.journal (member_id, journal_id, effective_at, recorded_at, amount, hold_id, program_id, unit_id, tier_before, tier_after, kind, key, actor, request_hash) VALUES (:m, nextval('floor.id_seq'), now(), clock_timestamp(), 100, :held, 1, 1, 3, 3, 'capture', :key, 'postgres', '\x00112233445566778899aabbccddeeff');
UPDATE floor.hold SET status = 'captured', captured = 100 WHERE member_id = :m AND hold_id = :held;
\endpipeline

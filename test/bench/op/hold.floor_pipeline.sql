\set m :first + :stride * random(0, :members - 1)
\set key random(1, 1000000000000000)
\set byte random(0, 255)
\startpipeline
UPDATE floor.account SET wallet = set_byte(wallet, 40, :byte), last_event_at = now(), hold_until = now() + '1 day' WHERE member_id = :m;
INSERT INTO floor.hold (member_id, hold_id, journal_id, amount, expires_at, program_id, unit_id, lots) VALUES (:m, nextval('floor.id_seq'), currval('floor.id_seq'), 100, now() + '1 day', 1, 1, '\x0011223344556677');
INSERT INTO floor.journal (member_id, journal_id, effective_at, recorded_at, amount, hold_id, program_id, unit_id, tier_before, tier_after, kind, key, actor, request_hash) VALUES (:m, nextval('floor.id_seq'), now(), clock_timestamp(), 100, 1, 1, 1, 3, 3, 'hold', :key, 'postgres', '\x00112233445566778899aabbccddeeff');
INSERT INTO floor.entry (member_id, journal_id, amount, balance_after, program_id, unit_id, vests_on, expires_on, rule_id, line, origin) VALUES (:m, currval('floor.id_seq'), -100, 20000, 1, 1, NULL, '2030-01-31', NULL, 1, 'e');
\endpipeline

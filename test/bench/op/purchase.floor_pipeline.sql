\set m :first + :stride * random(0, :members - 1)
\set cents random(1000, 30000)
\set ref random(1, 1000000000000000)
\set key random(1, 1000000000000000)
\set byte random(0, 255)
\startpipeline
UPDATE floor.account SET wallet = set_byte(set_byte(wallet, 40, :byte), 140, :byte), last_event_at = now(), last_purchase_at = now() WHERE member_id = :m;
INSERT INTO floor.journal (member_id, journal_id, effective_at, recorded_at, amount, program_id, tier_before, tier_after, kind, event, key, ref, actor, request_hash, awarded_plainly) VALUES (:m, nextval('floor.id_seq'), now(), clock_timestamp(), :cents, 1, 3, 3, 'event', 'purchase', :key, :ref, 'postgres', '\x00112233445566778899aabbccddeeff', true);
INSERT INTO floor.entry (member_id, journal_id, amount, balance_after, program_id, unit_id, vests_on, expires_on, rule_id, line, origin) VALUES (:m, currval('floor.id_seq'), 155, 20000, 1, 1, NULL, '2030-01-31', 1, 1, 'e'), (:m, currval('floor.id_seq'), :cents, 2000000, 1, 2, '2029-01-01', NULL, 2, 2, 'e'), (:m, currval('floor.id_seq'), 1, 14, 1, 3, '2029-01-01', NULL, 3, 3, 'e'), (:m, currval('floor.id_seq'), 10, 20010, 1, 1, NULL, '2030-01-31', 4, 4, 'e'), (:m, currval('floor.id_seq'), 15, 20025, 1, 1, NULL, '2030-01-31', 5, 5, 'e');
\endpipeline

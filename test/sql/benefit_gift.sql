\set ECHO none
\i test/prelude.sql
SELECT plan(46);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT pg_temp.offer('{"name": "birthday_pack", "kind": "gift", "birthday": "month", "gap_days": 300, "valid_days": 60}', 'everyone') AS birthday_pack \gset
SELECT pg_temp.offer('{"name": "cake", "kind": "gift", "birthday": "day", "gap_days": 0}', 'everyone') AS cake \gset
SELECT pg_temp.offer('{"name": "new_year", "kind": "gift", "calendar": "holidays", "gap_days": 0}', 'tag guest') AS new_year \gset
SELECT pg_temp.offer('{"name": "anniversary", "kind": "gift", "valid_from": "2026-05-01 00:00+01", "valid_until": "2026-06-01 00:00+01", "gap_days": 0, "valid_days": 60}', 'everyone') AS anniversary \gset
INSERT INTO loyalty.calendar_day (program_id, calendar, day) VALUES (:shop, 'holidays', '2026-12-31'), (:shop, 'holidays', '2027-01-01');
CALL pg_temp.enroll('Shop', 'ann', 'bob', 'cat', 'leap', 'guest', 'dan');

CREATE PROCEDURE pg_temp.born(name text, birthday text)
LANGUAGE sql AS $$ UPDATE loyalty.member SET profile = jsonb_build_object('birthday', birthday) WHERE member_id = pg_temp.id(name) $$;
CREATE FUNCTION pg_temp.claim(name text, benefit text, mode text DEFAULT 'try') RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.news(r) FROM loyalty.benefit_claim(pg_temp.id(name), benefit, mode => mode) r $$;
CALL pg_temp.born('ann', '1990-03-20');
CALL pg_temp.born('bob', '--12-24');
CALL pg_temp.born('leap', '1992-02-29');

SELECT is(pg_temp.signature('benefit_claim'), '(member_id bigint, benefit text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt', 'benefit_claim(): arguments');

-- Once a year, in the month of the birthday.
SELECT is(pg_temp.claim('bob', 'birthday_pack'), 'not_in_time_window, benefit=birthday_pack', 'another month');
SELECT is(pg_temp.claim('cat', 'birthday_pack'), 'not_in_time_window, benefit=birthday_pack', 'no birthday is known');
SELECT is((SELECT r.status || ', ' || pg_temp.news(r) FROM loyalty.benefit_claim(pg_temp.id('ann'), 'birthday_pack', mode => 'dry') r), 'dry, voucher_issued, until 2026-05-13', 'mode dry');
SELECT is(pg_temp.claim('ann', 'birthday_pack'), 'voucher_issued, until 2026-05-13', 'the month of the birthday');
SELECT is(pg_temp.raised('SELECT loyalty.benefit_claim(pg_temp.id(''ann''), ''birthday_pack'')'), 'LY415 benefit=birthday_pack given_on=2026-03-15', 'once a year');
SELECT is((SELECT r.status FROM loyalty.benefit_claim(pg_temp.id('ann'), 'cake', key => 'k1', mode => 'try') r), 'refused', 'what is refused leaves no trace of its key');
SET loyalty.now = '2026-03-20 12:00+00';
SELECT is((SELECT r.replayed FROM loyalty.benefit_claim(pg_temp.id('ann'), 'cake', key => 'k1') r), false, 'on the day it is claimed with it');
SELECT is((SELECT r.replayed FROM loyalty.benefit_claim(pg_temp.id('ann'), 'cake', key => 'k1') r), true, 'and replays');
SELECT is(pg_temp.vouchers('ann', 'cake'), 'issued', 'one cake');
SELECT is(pg_temp.journal('ann'), 'event signup, benefit_claim birthday_pack, benefit_claim cake', 'as the journal says');

-- A changed birthday brings no second gift.
CALL pg_temp.born('ann', '1990-04-20');
SET loyalty.now = '2026-04-20 12:00+00';
SELECT is(pg_temp.claim('ann', 'birthday_pack'), 'already_given, benefit=birthday_pack given_on=2026-03-15', 'not in the same year');
SELECT is(pg_temp.claim('ann', 'cake'), 'already_given, benefit=cake given_on=2026-03-20', 'whatever the gap');
CALL pg_temp.born('ann', '1990-01-05');
SET loyalty.now = '2027-01-05 12:00+00';
SELECT is(pg_temp.claim('ann', 'birthday_pack'), 'already_given, benefit=birthday_pack given_on=2026-03-15', 'nor in the next, before the gap has passed: 296 days');
SET loyalty.now = '2027-01-08 12:00+00';
SELECT is(pg_temp.claim('ann', 'birthday_pack'), 'already_given, benefit=birthday_pack given_on=2026-03-15', '299 days');
SET loyalty.now = '2027-01-09 12:00+00';
SELECT is(pg_temp.claim('ann', 'birthday_pack'), 'voucher_issued, until 2027-03-09', '300 days');

-- 29 February, as in rules.
SET loyalty.now = '2026-02-27 12:00+00';
SELECT is(pg_temp.claim('leap', 'cake'), 'not_in_time_window, benefit=cake', '27 February');
SET loyalty.now = '2026-03-01 12:00+00';
SELECT is(pg_temp.claim('leap', 'cake'), 'not_in_time_window, benefit=cake', '1 March');
SET loyalty.now = '2026-02-28 12:00+00';
SELECT is(pg_temp.claim('leap', 'cake'), 'voucher_issued', '28 February, where there is no 29th');
SET loyalty.now = '2028-02-28 12:00+00';
SELECT is(pg_temp.claim('leap', 'cake'), 'not_in_time_window, benefit=cake', '28 February, where there is one');
SET loyalty.now = '2028-02-29 12:00+00';
SELECT is(pg_temp.claim('leap', 'cake'), 'voucher_issued', '29 February');

-- Used like a voucher, in its window or after.
SET loyalty.now = '2026-12-31 23:59+00';
SELECT is(pg_temp.claim('bob', 'birthday_pack'), 'voucher_issued, until 2027-02-28', 'the last minute of the month');
SET loyalty.now = '2027-01-01 00:00+00';
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_use(pg_temp.id('bob'), 'birthday_pack', 'o1', mode => 'try') r), 'voucher_used, left 0, until 2027-02-28', 'its days count, the month does not');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_use(pg_temp.id('bob'), 'birthday_pack', 'o2', mode => 'try') r), 'voucher_not_found, benefit=birthday_pack open=0', 'once');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_return(pg_temp.id('bob'), 'birthday_pack', 'o1') r), 'voucher_returned, left 1, until 2027-02-28', 'given back');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_use(pg_temp.id('bob'), 'birthday_pack', 'o3', mode => 'try') r), 'voucher_used, left 0, until 2027-02-28', 'and used for something else');

-- By calendar, for those who are entitled.
SELECT is(pg_temp.claim('guest', 'new_year'), 'not_entitled, benefit=new_year', 'guests only');
SELECT FROM loyalty.tag_add(pg_temp.id('guest'), 'guest');
SET loyalty.now = '2026-12-30 12:00+00';
SELECT is(pg_temp.claim('guest', 'new_year'), 'not_in_time_window, benefit=new_year', 'not yet');
SET loyalty.now = '2026-12-31 12:00+00';
SELECT is(pg_temp.claim('guest', 'new_year'), 'voucher_issued', 'on the last day of a year');
SET loyalty.now = '2027-01-01 12:00+00';
SELECT is(pg_temp.claim('guest', 'new_year'), 'voucher_issued', 'and on the first of the next, because there is no gap');
SELECT is(pg_temp.claim('guest', 'new_year'), 'already_given, benefit=new_year given_on=2027-01-01', 'once a year');

-- By its validity.
SET loyalty.now = '2026-05-20 12:00+00';
SELECT is(pg_temp.claim('dan', 'anniversary'), 'voucher_issued, until 2026-05-31', 'its voucher ends with the benefit');
SET loyalty.now = '2026-06-01 12:00+00';
SELECT is(pg_temp.claim('cat', 'anniversary'), 'not_entitled, benefit=anniversary', 'afterwards there is none');

-- One that was void may be claimed again.
SELECT is((SELECT r.status FROM loyalty.voucher v, loyalty.benefit_void(v.member_id, v.voucher_id, 'a mistake') r WHERE v.benefit_id = :anniversary), 'done', 'made void by hand');
SET loyalty.now = '2026-05-31 12:00+00';
SELECT is(pg_temp.claim('dan', 'anniversary'), 'voucher_issued, until 2026-05-31', 'claimed once more');
SELECT is(pg_temp.vouchers('dan', 'anniversary'), 'void until 2026-05-31, issued until 2026-05-31', 'two rows, one of them good');

-- What is refused.
SELECT is(pg_temp.claim('dan', 'nothing'), 'unknown_benefit, benefit=nothing', 'unknown benefit');
SELECT is((SELECT pg_temp.news(r) FROM loyalty.benefit_issue(pg_temp.id('dan'), 'cake', 'nice', key => 'i1', mode => 'try') r), 'benefit_kind_mismatch, benefit=cake kind=gift', 'a gift is not issued');
SELECT pg_temp.offer('{"name": "ironing", "kind": "voucher"}', 'everyone') AS ironing \gset
SELECT is(pg_temp.claim('dan', 'ironing'), 'benefit_kind_mismatch, benefit=ironing kind=voucher', 'nor is a voucher claimed');
UPDATE loyalty.benefit SET status = 'inactive' WHERE benefit_id = :cake;
SET loyalty.now = '2027-03-20 12:00+00';
CALL pg_temp.born('dan', '1990-03-20');
SELECT is(pg_temp.claim('dan', 'cake'), 'not_entitled, benefit=cake', 'an inactive one');
SELECT FROM loyalty.member_freeze(pg_temp.id('dan'), 'lost card');
SELECT is(substring(pg_temp.claim('dan', 'birthday_pack'), '^\w+'), 'member_frozen', 'a frozen member claims nothing');
SELECT FROM loyalty.member_close(pg_temp.id('cat'), 'left');
SELECT is(substring(pg_temp.claim('cat', 'birthday_pack'), '^\w+'), 'member_closed', 'nor does one that is closed');

-- Given and withdrawn by hand.
SELECT is(pg_temp.signature('benefit_give'), '(member_id bigint, benefit text, reason text, valid_from timestamp with time zone DEFAULT NULL::timestamp with time zone, valid_until timestamp with time zone DEFAULT NULL::timestamp with time zone, quantity numeric DEFAULT NULL::numeric, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt', 'benefit_give(): arguments');
SELECT is(pg_temp.signature('benefit_withdraw'), '(member_id bigint, benefit text, reason text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt', 'benefit_withdraw(): arguments');
SELECT is(pg_temp.journal('guest'), 'event signup, benefit_claim new_year, benefit_claim new_year', 'the journal of a guest');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;

\set ECHO none
\i test/prelude.sql
SELECT plan(12);

SELECT loyalty.program_create('shop', 'GBP', 'Europe/London', vest_days => 1) AS program_id \gset
UPDATE loyalty.program SET ref_scope = 'program';
CALL pg_temp.enroll('shop', 'ann', 'bob');

-- The order of a member's ids is the order of the books, also where something
-- that fell due is stored together with a row that needed its id early.
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 300, 'o1');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 200, 'o2');
SET loyalty.now = '2026-03-17 12:00+00';
SELECT FROM loyalty.transfer(pg_temp.id('ann'), pg_temp.id('bob'), 100, ref => 't1');
SELECT is(pg_temp.journal('ann'), 'event signup, event purchase o1, vest, transfer t1',
	'vested first, then transferred');
SELECT is((SELECT string_agg(kind, ', ' ORDER BY journal_id) FROM loyalty.journal WHERE member_id = pg_temp.id('bob')),
	'event, event, vest, receive', 'vested first, then received');
SET loyalty.now = '2027-04-02 12:00+01';
SELECT FROM loyalty.purchase(pg_temp.id('ann'), 10, 'o3');
SELECT is(pg_temp.journal('ann'), 'event signup, event purchase o1, vest, transfer t1, expire, event purchase o3',
	'lapsed first, then the order whose reference was claimed');
SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');

-- A reference that another member of the programme has, in every mode.
SELECT pg_temp.state() AS before \gset
SELECT throws_ok(format('SELECT FROM loyalty.purchase(%s, 10, ''o3'')', pg_temp.id('bob')), 'LY003', NULL,
	'ref_scope program: raised');
SELECT is((loyalty.purchase(pg_temp.id('bob'), 10, 'o3', mode => 'try')).reason, 'duplicate_ref',
	'ref_scope program: refused');
SELECT is((loyalty.purchase(pg_temp.id('bob'), 10, 'o3', mode => 'dry')).reason, 'duplicate_ref',
	'ref_scope program: foreseen');
SELECT is((loyalty.sale('shop', '{"customer_no": "cid"}', 10, 'o3', mode => 'try')).reason, 'duplicate_ref',
	'ref_scope program: nor may somebody new have it');
SELECT is((loyalty.sale('shop', '{"customer_no": "cid"}', 10, 'o3', mode => 'try')).member_id, NULL,
	'ref_scope program: who is nobody yet');
SELECT is(loyalty.find('shop', 'customer_no', 'cid'), NULL, 'ref_scope program: and is not found');
SELECT is(pg_temp.state(), :'before', 'and nothing was written');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;

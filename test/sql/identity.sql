\set ECHO none
\i test/prelude.sql
SELECT plan(95);

SELECT loyalty.program_create('Shop', 'GBP', 'Europe/London') AS shop \gset
SELECT loyalty.program_create('Cafe', 'GBP', 'Europe/London') AS cafe \gset

SELECT is(pg_temp.signature('identity_canonical'), '(kind text, value text) -> text', 'identity_canonical(): arguments');
SELECT is(pg_temp.signature('find'), '(program text, kind text, value text) -> bigint', 'find(): arguments');
SELECT is(pg_temp.signature('identity_' || verb),
	'(member_id bigint, kind text, value text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, '
	'key text DEFAULT NULL::text, mode text DEFAULT ''do''::text) -> loyalty.receipt',
	format('identity_%s(): arguments', verb))
FROM unnest('{add,remove}'::text[]) verb;

-- Canonical forms
CREATE TEMP TABLE form (kind text, value text, canonical text);
INSERT INTO form VALUES
	('phone', '+8613800138000', '+8613800138000'),
	('phone', '+86 138 0013 8000', '+8613800138000'),
	('phone', '0086-138-0013-8000', '+8613800138000'),
	('phone', ' +86 (138) 0013.8000 ', '+8613800138000'),
	('phone', '138 0013 8000', '13800138000'),
	('phone', '12345', '12345'),
	('phone', '12345678901234567890', '12345678901234567890'),
	('email', 'Ann@Example.COM', 'ann@example.com'),
	('email', '  ann+shop@example.com ', 'ann+shop@example.com'),
	('card', '4000 1234-5678', '400012345678'),
	('card', 'ab-12 c', 'AB12C'),
	('customer_no', ' 17850 ', '17850'),
	('customer_no', 'a B-c', 'a B-c'),
	('wechat_unionid', 'oX_1-Zz', 'oX_1-Zz'),
	('app', E'Zo\u00eb', E'Zo\u00eb'),
	-- the case of ASCII letters only, whatever the locale of the database
	('email', E'\u00c9va.\u0130LKAY@Example.COM', E'\u00c9va.\u0130lkay@example.com'),
	('card', E'caf\u00e9-\u0131i', E'CAF\u00e9\u0131I'),
	('card', E'stra\u00dfe', E'STRA\u00dfE');
SELECT is(loyalty.identity_canonical(kind, value), canonical, format('rule 18: %s %L', kind, value)) FROM form;
SELECT is(loyalty.identity_canonical(kind, canonical), canonical, format('rule 18: %s %L stays', kind, canonical))
FROM (SELECT DISTINCT kind, canonical FROM form) f ORDER BY kind, canonical;
SELECT is(loyalty.identity_canonical(NULL, '1'), NULL, 'no kind, no form');
SELECT is(loyalty.identity_canonical('card', NULL), NULL, 'no value, no form');

CREATE TEMP TABLE malformed (kind text, value text, why text);
INSERT INTO malformed VALUES
	('phone', '', 'empty'), ('phone', '1234', '4 digits'), ('phone', '123456789012345678901', '21 digits'),
	('phone', '+', 'no digit'), ('phone', '12345x', 'a letter'), ('phone', '1+2345', 'a plus inside'),
	('phone', '++4412345', 'two pluses'), ('phone', '12_345', 'an underscore'), ('phone', '+44/20/79460000', 'slashes'), ('phone', '030/1234567', 'a slash'),
	('email', '', 'empty'), ('email', 'ann', 'no @'), ('email', '@example.com', 'nothing before the @'),
	('email', 'ann@', 'nothing after the @'), ('email', 'a@b@c', 'two @'), ('email', 'a b@c', 'a blank'),
	('email', E'a\tb@c', 'a tab'),
	('card', '', 'empty'), ('card', ' - ', 'only blanks and hyphens'), ('card', repeat('1', 256), '256 letters'),
	('customer_no', '', 'empty'), ('customer_no', '   ', 'blanks'), ('customer_no', E'1\n2', 'a line break'),
	('customer_no', E'1\u007F', 'a control character'), ('customer_no', repeat('1', 256), '256 letters'),
	('customer_no', repeat(E'\u00e9', 128), '256 bytes'),
	('', '1', 'an empty kind'), ('Card', '1', 'a kind in upper case'), ('1card', '1', 'a kind that begins with a digit'),
	('my card', '1', 'a kind with a blank'), (repeat('k', 64), '1', 'a kind of 64 letters');
SELECT throws_ok(format('SELECT loyalty.identity_canonical(%L, %L)', kind, value), 'LY505', NULL,
	format('rule 18: malformed %s: %s', left(kind, 12), why)) FROM malformed;
SELECT is(length(loyalty.identity_canonical('card', repeat('1', 255))), 255, '255 letters are not too many');
SELECT is(length(loyalty.identity_canonical(repeat('k', 63), '1')), 1, 'nor a kind of 63');

-- find()
SELECT FROM loyalty.enroll('Shop', '{"customer_no":"ann","phone":"+44 20 7946 0000"}');
SELECT FROM loyalty.enroll('Shop', '{"customer_no":"bob"}');
SELECT FROM loyalty.enroll('Cafe', '{"customer_no":"cat","phone":"+44 20 7946 0000"}');
SELECT is(loyalty.find('Shop', 'phone', '0044 (20) 7946-0000'), pg_temp.id('ann'), 'found in another notation');
SELECT is(loyalty.find('Cafe', 'phone', '+442079460000'), pg_temp.id('cat'), 'each programme has its own');
SELECT is(loyalty.find('Shop', 'phone', '+442079460001'), NULL, 'NULL when unknown');
SELECT is(loyalty.find('Shop', 'card', 'ann'), NULL, 'NULL when known as another kind');
SELECT throws_ok($$SELECT loyalty.find('Pub', 'card', '1')$$, 'LY403', NULL, 'an unknown programme');

-- identity_add()
SELECT is((SELECT status FROM loyalty.identity_add(pg_temp.id('bob'), 'email', 'Bob@Example.com')), 'done', 'an identity is added');
SELECT is(loyalty.find('Shop', 'email', 'bob@example.com'), pg_temp.id('bob'), 'and leads to the member');
SELECT is(pg_temp.journal('bob'), 'event signup, identity_add', 'and is in the journal');
SELECT throws_ok($$SELECT * FROM loyalty.identity_add(pg_temp.id('bob'), 'phone', '+442079460000')$$, 'LY506', NULL,
	'rule 18: an identity has one owner in the programme');
SELECT unalike(pg_temp.raised($$SELECT * FROM loyalty.identity_add(pg_temp.id('bob'), 'phone', '+442079460000')$$), '%2079460000%',
	'and who it is is not told');
SELECT is((SELECT status FROM loyalty.identity_add(pg_temp.id('cat'), 'email', 'bob@example.com')), 'done',
	'in another programme it is free');
SELECT is((SELECT status FROM loyalty.identity_add(pg_temp.id('bob'), 'email', 'bob@work.example')), 'done', 'two of one kind');
SELECT throws_ok($$SELECT * FROM loyalty.identity_add(pg_temp.id('bob'), 'email', 'bob')$$, 'LY505', NULL, 'a malformed one is refused');

-- identity_remove()
SELECT throws_ok($$SELECT * FROM loyalty.identity_remove(pg_temp.id('bob'), 'card', '1')$$, 'LY507', NULL, 'not one that there is not');
SELECT throws_ok($$SELECT * FROM loyalty.identity_remove(pg_temp.id('bob'), 'phone', '+442079460000')$$, 'LY507', NULL,
	'not one of another member');
SELECT is((SELECT status FROM loyalty.identity_remove(pg_temp.id('bob'), 'email', ' BOB@example.com')), 'done', 'one is removed');
SELECT is(loyalty.find('Shop', 'email', 'bob@example.com'), NULL, 'and leads to nobody');
SELECT is((SELECT status FROM loyalty.identity_add(pg_temp.id('ann'), 'email', 'bob@example.com')), 'done', 'and may be given to another');
SELECT is(loyalty.find('Shop', 'email', 'bob@example.com'), pg_temp.id('ann'), 'who is found by it');
SELECT is(pg_temp.journal('bob'), 'event signup, identity_add, identity_add, identity_remove', 'and is in the journal');
SELECT is_empty($$SELECT * FROM loyalty.entry WHERE member_id = pg_temp.id('bob')$$, 'identities move no value');
SELECT is_empty($$SELECT j.* FROM loyalty.journal j WHERE j::text LIKE '%example%'$$, 'and do not stand in the ledger');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;

\set ECHO none
\i test/prelude.sql
SELECT plan(123);

SELECT loyalty.program_create('Shop', 'EUR', 'Europe/Berlin', 'empty') AS shop \gset
INSERT INTO loyalty.unit (program_id, code, kind, scale) VALUES (:shop, 'points', 'points', 0);
INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award)
	SELECT program_id, 'share', unit_id, 'fixed', 1 FROM loyalty.unit;
INSERT INTO loyalty.program_event (program_id, event) SELECT :shop, 'share'
	WHERE NOT EXISTS (SELECT FROM loyalty.program_event WHERE event = 'share');
CALL pg_temp.enroll('Shop', 'ann');

-- What happens when a condition or a filter is saved.
CREATE FUNCTION pg_temp.saved(path text, column_name text DEFAULT 'condition') RETURNS text
LANGUAGE sql AS $$
	SELECT pg_temp.raised(format('UPDATE loyalty.rule SET %I = %L', $2, $1))
$$;

-- Conditions that are good
SELECT is(pg_temp.saved(path), 'no error', path)
FROM (VALUES
	('$.order.amount > 100'),
	('$.event.name == "share" && $.event.late_days == 0'),
	('$.now.dow == 6 || $.now.dow == 7'),
	('!($.member.first_purchase == true)'),
	('($.data.x > 3) is unknown'),
	('$.member.tags == "vip"'),
	('$.member.tags[*] starts with "vip"'),
	('$.member.counters.checkins >= 7'),
	('$.member.counters.* > 1000'),
	('$.streak.day == 7'),
	('$.items.size() > 3'),
	('$.items[0].sku == "a" && $.items[last].sku == "b" && $.items[last - 1].sku == "c"'),
	('$.items[0 to 2].sku == "a"'),
	('$.items[*].category == "toys"'),
	('exists($.items[*] ? (@.category == "toys" && @.net >= 10 && @.qty < 3))'),
	('exists($.items ? (@.net < @.price))'),
	('exists($.items[*] ? (@.net > $.order.amount / 2))'),
	('exists($.items[*] ? (@.price * @.qty - @.net > 5))'),
	('exists($.items[*] ? (@.size like_regex "^(xs|s|m)$" flag "i"))'),
	('$.items[*].sku like_regex "^A.*[0-9]+x?(cd)*"'),
	('$.items[*].sku like_regex "(a{3}" flag "q"'),
	('$.items[*].sku like_regex "[{(*+]a[^]{]*[[:alpha:]{]\\{"'),
	('$.data.channel == "app" || $.data.payment_method == "card"'),
	('$.order.amount > $.data.threshold'),
	('strict $.data.home == $.data.store'),
	('strict exists($.items[*] ? (@.category == $.data.favourite))'),
	('$.data.delivered.datetime("YYYY-MM-DD") < $.now.date.datetime("YYYY-MM-DD")'),
	('$.data.at.datetime("YYYY-MM-DD\"T\"HH24:MI:SS") < "2026-01-01T00:00:00".datetime("YYYY-MM-DD\"T\"HH24:MI:SS")'),
	('$.version == 1 && $.data.x.type() == "number" && $.data.x.abs().floor() == 3')
) t (path);

-- Conditions that are none
SELECT is(pg_temp.saved(path), 'LY801 condition: ' || detail, path)
FROM (VALUES
	-- a key that is not there would be absent for ever, and its negation hold for everybody
	('!($.member.teir == "gold")', 'there is no "teir" in the member'),
	('$.member.counter.points > 1', 'there is no "counter" in the member'),
	('$.member.birthday_month == 3', 'there is no "birthday_month" in the member'),
	('$.order.amont > 100', 'there is no "amont" in the order'),
	('exists($.items[*] ? (@.net > $.order.total))', 'there is no "total" in the order'),
	('$.now.dwo == 1', 'there is no "dwo" in what is known of now'),
	('$.event.nme == "x"', 'there is no "nme" in the event'),
	('$.streak.days > 1', 'there is no "days" in the streak'),
	('$.order.amount', 'it is neither true nor false'),
	('true', 'it is neither true nor false'),
	('$.items[*] ? (@.net > 10)', 'it is neither true nor false'),
	('($.order.amount > 1).type()', 'it is neither true nor false'),
	('$.orders.amount > 1', 'there is no "orders" in the context'),
	('$.order.amount > $least', 'a variable'),
	('$.data.at.datetime() < "2026"', 'datetime() needs a template'),
	('$.data.at.datetime("") < "2026"', 'datetime() has a field that is not known here'),
	('$.data.at.datetime("YYYY-MM-DD HH24:MI TZH") < "2026"', 'datetime() has a field that is not known here'),
	('$.data.at.datetime("YYYY-MM-DD \"at") < "2026"', 'datetime() has a field that is not known here'),
	('$.data.at.datetime("RRRR") < "2026"', 'datetime() has a field that is not known here'),
	('$.data.at.datetime("Day") < "2026"', 'datetime() has a field that is not known here')
) t (path, detail);
SELECT is(pg_temp.saved('$.order.amount >'), '42601', 'no jsonpath at all');

-- What is not in proportion to the document
SELECT is(pg_temp.saved(path), 'LY805 condition: ' || detail, path)
FROM (VALUES
	('$.** == 1', '"**"'),
	('$.data.**{2}.x == 1', '"**"'),
	('$.data.keyvalue().key == "a"', 'keyvalue()'),
	('exists($.items[*] ? (exists(@.parts[*] ? (@.sku == "a"))))', 'a filter inside a filter'),
	('exists($.items[*] ? (exists($.items[*] ? (@.net > 1))))', 'a filter inside a filter'),
	('exists($.items[*] ? (@.sku == $.items[*].sku))', 'a path from $ that could lead to a list, inside a filter'),
	('exists($.items[*] ? (@.sku == $.items.sku))', 'a path from $ that could lead to a list, inside a filter'),
	('exists($.items[*] ? (@.category == $.data.favourite))', 'a path from $ that could lead to a list, inside a filter'),
	('exists($.items[*] ? (@.category == $.member.tags))', 'a path from $ that could lead to a list, inside a filter'),
	('exists($.items[*] ? (-$.data.x > 1))', 'a path from $ that could lead to a list, inside a filter'),
	('$.items[*].sku == $.member.tags[*]', 'a comparison of what could be two lists'),
	('$.items.sku == $.data.list', 'a comparison of what could be two lists'),
	('$.data.list == $.data.other', 'a comparison of what could be two lists'),
	('strict $.data.list[*] == $.data.other[*]', 'a comparison of what could be two lists'),
	('exists($.items[*] ? (@.x == @.y))', 'a comparison of what could be two lists'),
	('-$.data.list == $.data.list.double()', 'a comparison of what could be two lists'),
	('$.items[0, 0].sku == "a"', 'more than 1 subscript'),
	('$.items[$.data.n].sku == "a"', 'a subscript that is not a number'),
	('$.items[$.items[*].n].sku == "a"', 'a subscript that is not a number'),
	('$.data.x * 2 > 1e50', 'more than 40 digits in a number'),
	('$.data.x * 1e-50 > 0', 'more than 40 digits in a number'),
	('$.items[*].sku like_regex "(a)\\1"', 'a back reference in a like_regex'),
	('$.items[*].sku like_regex "a{2,3}"', 'a bound in a like_regex'),
	('$.items[*].sku like_regex "(a+b)+"', 'nested quantifiers in a like_regex'),
	('$.items[*].sku like_regex "((a|b*)c)?"', 'nested quantifiers in a like_regex'),
	('$.items[*].sku like_regex "(?=a)"', 'a constraint in a like_regex'),
	('$.items[*].sku like_regex "***=a"', 'a director in a like_regex'),
	('$.items[*].sku like_regex "[a]{2}"', 'a bound in a like_regex'),
	('$.items[*].sku like_regex "[]a[:alpha:]]{2}"', 'a bound in a like_regex')
) t (path, detail);

-- The limits themselves: so much is good, and one more is not
SELECT unnest(ARRAY[
	is(pg_temp.saved(good), 'no error', what),
	is(pg_temp.saved(bad), 'LY805 condition: more than ' || detail, 'more than ' || detail)])
FROM (VALUES
	-- each comparison has five parts and each && one: 6 x 33 - 1, and 3 or 4 more
	('200 parts',
		(SELECT string_agg('$.order.lines == 1', ' && ') || ' && exists($)' FROM generate_series(1, 33)),
		(SELECT string_agg('$.order.lines == 1', ' && ') || ' && 1 == 1' FROM generate_series(1, 33)),
		'200 parts'),
	('20 comparisons of what could be a list',
		(SELECT string_agg('$.data.x == 1', ' && ') FROM generate_series(1, 20)),
		(SELECT string_agg('$.data.x == 1', ' && ') FROM generate_series(1, 21)),
		'20 parts that could be evaluated for each element of a list'),
	-- == counts once more than it has parts, for the elements
	('three comparisons inside a filter on a list',
		'exists($.data.x[*] ? (@ == 1 || @ == 2 || @ == 3))',
		'exists($.data.x[*] ? (@ == 1 || @ == 2 || @ == 3 || @ == 4))',
		'20 parts that could be evaluated for each element of a list'),
	('20 arithmetic operators',
		(SELECT '0 < ' || string_agg('$.order.lines', ' + ') FROM generate_series(1, 21)),
		(SELECT '0 < ' || string_agg('$.order.lines', ' + ') FROM generate_series(1, 22)),
		'20 arithmetic operators'),
	('three like_regex',
		(SELECT string_agg('$.items[*].sku like_regex "a"', ' || ') FROM generate_series(1, 3)),
		(SELECT string_agg('$.items[*].sku like_regex "a"', ' || ') FROM generate_series(1, 4)),
		'3 like_regex'),
	('100 bytes of like_regex',
		format('$.items[*].sku like_regex "%s" || $.items[*].sku like_regex "%s"', repeat('a', 50), repeat('b', 50)),
		format('$.items[*].sku like_regex "%s" || $.items[*].sku like_regex "%s"', repeat('a', 50), repeat('b', 51)),
		'100 bytes of like_regex'),
	('40 digits',
		format('$.order.lines == %s', repeat('9', 40)), format('$.order.lines == %s', repeat('9', 41)),
		'40 digits in a number'),
	('8000 bytes',
		format('$.data.x == "%s"', repeat('a', 8000)), format('$.data.x == "%s"', repeat('a', 8192)),
		'8192 bytes')
) t (what, good, bad, detail);

-- A filter sees one line
SELECT is(pg_temp.saved(path, 'item_filter'), 'no error', path)
FROM (VALUES
	('$.category == "toys" && $.net >= 10 && $.net < $.price'),
	('$.sku like_regex "^A"'),
	('$.colours == "red"'),
	('$.order == 1')
) t (path);
SELECT is(pg_temp.saved('$.category', 'item_filter'), 'LY801 item_filter: it is neither true nor false', 'a filter is a condition, too');
SELECT is(pg_temp.saved('$.old == $.new', 'item_filter'), 'LY805 item_filter: a comparison of what could be two lists',
	'a filter that could compare two lists');
UPDATE loyalty.rule SET condition = NULL, item_filter = NULL;

-- Evaluation: what is not true gives nothing, and nothing stops the event
CREATE FUNCTION pg_temp.reason(path text, data jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	journal bigint;
BEGIN
	UPDATE loyalty.rule SET condition = path::jsonpath;
	SELECT journal_id INTO journal
	FROM loyalty.record(pg_temp.id('ann'), 'share', data => data, key => md5(path || data));
	RETURN (SELECT coalesce(d.data #>> '{awards,0,reason}', d.data #>> '{awards,0,granted}')
		FROM loyalty.event_data d WHERE d.journal_id = journal);
END
$$;
SELECT is(pg_temp.reason(path, data::jsonb), reason, format('%s of %s: %s', path, data, reason))
FROM (VALUES
	('$.data.x > 3', '{"x": 4}', '1'),
	('$.data.x > 3', '{"x": 3}', 'condition_not_met'),
	('$.data.x > 3', '{}', 'condition_not_met'),
	('$.data.x > 3', '{"x": [1, 4]}', '1'),
	('$.data.x > 3', '{"x": "four"}', 'condition_error'),
	('!($.data.x > 3)', '{"x": "four"}', 'condition_error'),
	('($.data.x > 3) is unknown', '{"x": "four"}', '1'),
	('strict $.data.x > 3', '{}', 'condition_error'),
	('10 / $.data.x > 3', '{"x": 0}', 'condition_error'),
	('$.data.x + 1 > 3', '{"x": [1, 2]}', 'condition_error'),
	('$.data.x.double() > 3', '{"x": "four"}', 'condition_error'),
	('$.data.x.double() > 3', '{"x": "4"}', '1'),
	('$.data.x[99] == 1', '{"x": [1]}', 'condition_not_met'),
	('$.data.x.datetime("YYYY-MM-DD") < "2026-03-15".datetime("YYYY-MM-DD")', '{"x": "2026-03-14"}', '1'),
	('$.data.x.datetime("YYYY-MM-DD") < "2026-03-15".datetime("YYYY-MM-DD")', '{"x": "2026-03-14T00:00:00+01:00"}', 'condition_error'),
	('$.data.x.datetime("YYYY-MM-DD") < "2026-03-15 12:00".datetime("YYYY-MM-DD HH24:MI")', '{"x": "2026-03-14"}', '1'),
	('$.data.x.datetime("YYYY-MM-DD") < "12:00".datetime("HH24:MI")', '{"x": "2026-03-14"}', 'condition_error'),
	('$.data.x.datetime("YYYY-MM-DD") < "2026-03-15".datetime("YYYY-MM-DD")', '{"x": "2026-02-30"}', 'condition_error'),
	('$.data.x like_regex "^A[0-9]+$"', '{"x": "A17"}', '1'),
	('$.data.x like_regex "^A[0-9]+$"', '{"x": 17}', 'condition_error')
) t (path, data, reason);

-- The settings of a session do not matter
SET LOCAL TimeZone = 'America/New_York';
SET LOCAL DateStyle = 'SQL, DMY';
SELECT is(pg_temp.reason('$.data.x.datetime("YYYY-MM-DD HH24:MI") == "2026-03-15".datetime("YYYY-MM-DD")', '{"x": "2026-03-15 00:00"}'),
	'1', 'a time without a zone is compared as it is written');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books are right');
SELECT * FROM finish();
ROLLBACK;

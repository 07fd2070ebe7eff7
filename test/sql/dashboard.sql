\set ECHO none
\i test/prelude.sql
SELECT plan(51);

SELECT is(pg_temp.signature('dashboard'),
	'(program text, since date DEFAULT NULL::date, until date DEFAULT NULL::date, language text DEFAULT ''en''::text) -> text',
	'dashboard: arguments');
SELECT is(pg_temp.signature('member_card'), '(member_id bigint, language text DEFAULT ''en''::text) -> text',
	'member_card: arguments');
SELECT is((SELECT string_agg(proname || ' ' || provolatile::text || prosecdef, ', ' ORDER BY proname) FROM pg_proc
	WHERE oid IN ('loyalty.dashboard'::regproc, 'loyalty.member_card'::regproc)),
	'dashboard strue, member_card strue', 'both only read, with their owner''s rights');

-- A page is well-formed as XML, once the line in front of it is gone.
CREATE FUNCTION pg_temp.xml_of(page text) RETURNS xml LANGUAGE sql AS
	$$ SELECT xmlparse(document regexp_replace(page, '^<!DOCTYPE html>\n', '')) $$;
CREATE FUNCTION pg_temp.found(page text, path text) RETURNS text LANGUAGE sql AS
	$$ SELECT array_to_string(xpath(path, pg_temp.xml_of(page))::text[], ', ') $$;

-- Names that would break a page if they were not escaped.
SELECT loyalty.program_create('<b>Tom & "Jerry''s"</b>', 'CNY', 'Asia/Shanghai') AS shop \gset
SELECT loyalty.program_create('empty', 'EUR', 'Europe/Berlin', 'empty') AS empty \gset
CREATE TEMP TABLE nasty AS SELECT '</title></style><script>alert("1")</script><img src=x onerror=''y''>&amp;'
	|| chr(1) || chr(27) || chr(8238) || chr(128169) || '茶'::text AS name;
INSERT INTO loyalty.tier (program_id, code, rank, title) SELECT :shop, 'plain', 0, name FROM nasty;
CALL pg_temp.enroll('<b>Tom & "Jerry''s"</b>', 'ann');
SELECT pg_temp.id('ann') AS ann \gset
SELECT FROM loyalty.purchase(:ann, 129.90, 'o1 <i>',
	(SELECT jsonb_build_array(jsonb_build_object('sku', replace(replace(name, chr(1), ''), chr(27), ''), 'qty', 1, 'price', 129.90)) FROM nasty),
	'{"channel": "<script>", "store": "A&B"}');
SELECT FROM loyalty.adjust(:ann, 1234567, 'points', '<b>because</b> & "so"', ref => 'a1');
CREATE TEMP TABLE page AS
	SELECT l.language, loyalty.dashboard('<b>Tom & "Jerry''s"</b>', language => l.language) AS page,
		loyalty.member_card(:ann, l.language) AS card
	FROM (VALUES ('en'), ('zh')) l (language);

-- escaping
SELECT is(pg_temp.found(page, '/html/head/title/text()'), '&lt;b&gt;Tom &amp; "Jerry''s"&lt;/b&gt;', 'the name of the programme is a text')
	FROM page WHERE language = 'en';
SELECT is(pg_temp.found(page, '//h1/bdi/text()'), '&lt;b&gt;Tom &amp; "Jerry''s"&lt;/b&gt;', 'in the heading as well')
	FROM page WHERE language = 'zh';
SELECT is(pg_temp.found(page, '//script | //img | //b[not(ancestor::p) and not(ancestor::li)] | //i | //@onerror'), '', 'dashboard ' || language || ': no name became markup')
	FROM page ORDER BY language;
SELECT is(pg_temp.found(card, '//script | //img | //i | //@onerror'), '', 'card ' || language || ': no name became markup')
	FROM page ORDER BY language;
SELECT is(page ~ '[\x01-\x08\x0b\x0c\x0e-\x1f]' OR card ~ '[\x01-\x08\x0b\x0c\x0e-\x1f]', false, language || ': no control characters')
	FROM page ORDER BY language;
SELECT ok(pg_temp.found(card, '//td/bdi/text()') LIKE '%&lt;b&gt;because&lt;/b&gt; &amp; "so"%', 'a reason is a text') FROM page WHERE language = 'en';
SELECT ok(card LIKE '%<li>Tier <bdi>&lt;/title&gt;%' || chr(65533) || chr(65533) || '%' || chr(128169) || '茶</bdi></li>%',
	'a control character is replaced, four bytes and Chinese stay, within their own direction') FROM page WHERE language = 'en';

-- nothing from elsewhere, and only what a page may have
SELECT is(pg_temp.found(page, '//@src | //link | //@href[not(starts-with(., "#"))] | //iframe | //object | //form'), '',
	language || ': nothing is fetched') FROM page ORDER BY language;
SELECT is(page ~ 'url\(|@import|https?:|javascript:', false, language || ': nor by the style') FROM page ORDER BY language;
SELECT is(pg_temp.found(page, '/html/head/meta[@http-equiv="Content-Security-Policy"]/@content'),
	'default-src ''none''; style-src ''unsafe-inline''', 'a policy forbids the rest') FROM page WHERE language = 'en';

-- for all readers
SELECT results_eq($$SELECT pg_temp.found(page, '/html/@lang'), pg_temp.found(card, '/html/@lang') FROM page ORDER BY language$$,
	$$VALUES ('en', 'en'), ('zh-CN', 'zh-CN')$$, 'the language is said');
SELECT is(pg_temp.found(page, '//*[@role="img"][not(title) or not(desc) or not(@aria-labelledby)]'), '', language || ': every drawing has a title and a description')
	FROM page ORDER BY language;
SELECT is(pg_temp.found(page, '//figure[not(following-sibling::details//table)]'), '', language || ': and its figures in a table')
	FROM page ORDER BY language;
SELECT is((SELECT count(*)::int FROM (SELECT unnest(xpath('//@id', pg_temp.xml_of(page)))::text AS id) x GROUP BY id HAVING count(*) > 1), NULL,
	'no id is given twice') FROM page WHERE language = 'en';
SELECT is(pg_temp.found(page, '//h1') <> '' AND (SELECT count(*) FROM unnest(xpath('//h2', pg_temp.xml_of(page)))) = 9, true,
	'a heading for each section') FROM page WHERE language = 'en';
SELECT is(pg_temp.found(page, '//nav/a[not(substring(@href, 2) = //@id)]'), '', 'links lead somewhere') FROM page WHERE language = 'en';

-- figures, dates and words in each language
SELECT is(card LIKE '%<p class="num" title="1,234,%', true, 'figures have separators') FROM page WHERE language = 'en';
SELECT is(pg_temp.found(page, '//header//li[1]/text()'), '2025-04-01 – 2026-03-15', 'the month of today and eleven before it')
	FROM page WHERE language = 'en';
SELECT is(pg_temp.found(page, '//header//li[1]/text()'), '2025年4月1日 – 2026年3月15日', 'in Chinese') FROM page WHERE language = 'zh';
SELECT is(pg_temp.found(page, '//header//p/text()'), '会员仪表板', 'Chinese words') FROM page WHERE language = 'zh';
SELECT is(pg_temp.found(page, '//header//li[3]/text()'), 'As of 2026-03-15 20:00 Asia/Shanghai', 'the clock is the programme''s')
	FROM page WHERE language = 'en';

-- the same again, whatever the session likes
SET DateStyle = 'German';
SET extra_float_digits = 0;
SET lc_numeric = 'C';
SELECT ok(loyalty.dashboard('<b>Tom & "Jerry''s"</b>') = page AND loyalty.member_card(:ann) = card, 'byte for byte the same')
	FROM page WHERE language = 'en';
RESET DateStyle;
RESET extra_float_digits;

-- what is aimed at over a year, and measured for a day
SELECT loyalty.program_create('aim', 'CNY', 'Asia/Shanghai') AS aim \gset
CALL pg_temp.enroll('aim', 'bob');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 100, 'bob-1');
SELECT FROM loyalty.purchase(pg_temp.id('bob'), 100, 'bob-2');
SELECT FROM loyalty.refund(pg_temp.id('bob'), 'bob-1');
INSERT INTO loyalty.kpi_target (program_id, kpi, starts_on, months, target)
SELECT :aim, 'repurchase_rate', (loyalty.now() AT TIME ZONE 'Asia/Shanghai')::date, 12, 0.5;
SELECT ok(loyalty.dashboard('aim') LIKE '%<small>met so far · %', 'a target that is met before its time is met so far');
UPDATE loyalty.kpi_target SET months = 1, starts_on = (loyalty.now() AT TIME ZONE 'Asia/Shanghai')::date - 60;
SELECT ok(loyalty.dashboard('aim') LIKE '%<small>met · %', 'and after it met');
SELECT is((SELECT count(*) FROM regexp_matches(loyalty.member_card(pg_temp.id('bob')), '<bdi>bob-1</bdi>', 'g')), 2::bigint, 'and the order that a refund takes back');
SELECT FROM loyalty.redeem(pg_temp.id('bob'), 60, ref => 'bob-3');
SELECT FROM loyalty.refund(pg_temp.id('bob'), 'bob-2');
SELECT ok(loyalty.dashboard('aim') LIKE '%>Owed by members</th>%−60<%', 'what members owe has a line of its own');

-- what happened by itself: for two who joined, of whom one has bought
SELECT FROM loyalty.message_channels('aim');
SELECT loyalty.automation_start('aim', loyalty.automation_template('aim', 'newcomer_guide')) \g /dev/null
CALL pg_temp.enroll('aim', 'new1');
CALL pg_temp.enroll('aim', 'new2');
SELECT FROM unnest('{new1,new2}'::text[]) name, loyalty.record(pg_temp.id(name), 'signup');
SELECT FROM loyalty.automation_run_due();
SELECT FROM loyalty.purchase(pg_temp.id('new2'), 10, 'new2-1');
SELECT ok(loyalty.dashboard('empty') LIKE '%No automation started in this range.%', 'automations: none');
SELECT is(pg_temp.found(loyalty.dashboard('aim'), '//table[caption="Automations"]//th/text()'),
	'Automation, Status, Runs, Treated, Goals, Goal share, Held out, Goals, held out, Goal share, held out, Cost (CNY)', 'automations: names of columns');
SELECT is(pg_temp.found(loyalty.dashboard('aim'), '//table[caption="Automations"]//td/text()'), 'live, 2, 2, 1, 50.0%, 0, 0, –, 0.00', 'automations: figures');

-- nothing there
SELECT is(pg_temp.found(loyalty.dashboard('empty'), '//article/p[@class="nothing"]') <> '', true, 'an empty programme says so');
SELECT lives_ok($$SELECT pg_temp.xml_of(loyalty.dashboard('empty', '2030-01-01', '2030-01-01', 'zh'))$$, 'a day in the future');
SELECT lives_ok($$SELECT pg_temp.xml_of(loyalty.dashboard('empty', '1990-01-01', '2060-12-31'))$$, 'seventy years');

-- refused
SELECT is(pg_temp.raised($$SELECT loyalty.dashboard('nobody')$$), 'LY403 program=nobody', 'an unknown programme');
SELECT is(pg_temp.raised($$SELECT loyalty.dashboard(NULL)$$), '22004', 'no programme');
SELECT is(pg_temp.raised($$SELECT loyalty.dashboard('empty', '2026-01-02', '2026-01-01')$$), '22023 since=2026-01-02 until=2026-01-01', 'days in the wrong order');
SELECT is(pg_temp.raised($$SELECT loyalty.dashboard('empty', until => 'infinity')$$), '22008', 'no last day');
SELECT is(pg_temp.raised($$SELECT loyalty.dashboard('empty', language => 'de')$$), '22023', 'a language that it does not speak');
SELECT is(pg_temp.raised($$SELECT loyalty.member_card(1, 'fr')$$), '22023', 'nor the card');
SELECT is(pg_temp.raised($$SELECT loyalty.member_card(99999)$$), 'LY501 member_id=99999', 'an unknown member');
SELECT is(pg_temp.raised($$SELECT loyalty.member_card(NULL)$$), '22004', 'no member');

SELECT is_empty('SELECT * FROM loyalty.verify()', 'the books agree');
SELECT * FROM finish();
ROLLBACK;

-- A thousand orders of the last minutes, which are not folded.
\set ON_ERROR_STOP on
SET synchronous_commit = off;

-- as maintenance does after midnight
SELECT loyalty.report_rfm_keep(program_id) FROM loyalty.program WHERE name = 'bench' \g /dev/null

SELECT count(p.status)
FROM generate_series(1, 1000) n,
	LATERAL (SELECT n, member_id FROM loyalty.account
		WHERE member_id >= ((SELECT max(member_id) FROM loyalty.account) * bench.chance('today/' || n))::bigint ORDER BY member_id LIMIT 1) a,
	LATERAL loyalty.purchase(a.member_id, 20 + a.n % 300, 'today-' || a.n, jsonb_build_array(jsonb_build_object('sku', 'A' || a.n % 200 || '-a',
		'category', 'c' || a.n % 20, 'brand', 'b' || a.n % 40, 'qty', 1, 'price', 20 + a.n % 300)),
		jsonb_build_object('channel', 'app', 'store', 'S' || to_char(a.n % 50, 'FM00'), 'staff', 'E' || to_char(a.n % 200, 'FM000'))) p \g /dev/null
UPDATE bench.fold SET tail = (SELECT count(*) FROM loyalty.report_tail((SELECT program_id FROM loyalty.program WHERE name = 'bench')));
SELECT format('bench-bi: %s rows of the journal folded in %s s, %s a second; %s are not', folded, seconds, round(folded / seconds), tail) FROM bench.fold \gset
\warn :format

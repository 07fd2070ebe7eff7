-- The year as its reports have it, up to the last day and before the clock runs on; and
-- all of them on one page.
SELECT (loyalty.now() AT TIME ZONE time_zone)::date AS until FROM loyalty.program WHERE name = 'demo' \gset

\pset null ''
\echo The last three months, and the three before
SELECT '  ' || replace(measure, '_', ' ') AS "  measure",
	to_char(value, CASE WHEN value % 1 = 0 THEN '999,999,990' ELSE '999,999,990.00' END) AS "       value",
	to_char(previous, CASE WHEN value % 1 = 0 THEN '999,999,990' ELSE '999,999,990.00' END) AS "      before",
	to_char(100 * change, 'S9990.0" %"') AS "   change"
FROM loyalty.report_headline('demo', (:'until'::date - interval '3 months')::date + 1, :'until')
WHERE measure IN ('joined', 'buyers', 'orders', 'net', 'average_order', 'points_issued', 'points_spent', 'points_outstanding');

\echo Who they are, by how lately, how often and for how much they bought
SELECT '  ' || replace(segment, '_', ' ') AS "  segment", to_char(members, '999,990') AS " members",
	to_char(100 * share, '990.0" %"') AS "  share", to_char(net, '999,999,990.00') AS "        net GBP"
FROM loyalty.report_rfm_segment('demo', :'until');

SELECT loyalty.dashboard('demo', until => :'until') \g (format=unaligned tuples_only=on) :dashboard

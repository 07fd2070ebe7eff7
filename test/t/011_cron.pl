# The other clocks of doc/worker.md: pg_cron, and a line of shell.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use PostgreSQL::Test::Utils;
use Test::More;

# What the page says, word by word.
my $page = slurp_file("$FindBin::Bin/../../doc/worker.md");
my ($settings, $schedule) = $page =~ /^## pg_cron.*?^```text\n(.*?)^```.*?^```text\n(.*?)^```/ms;
my ($line) = $page =~ /^\* \* \* \* \* postgres (psql .*)$/m;
like($settings, qr/^cron\.use_background_workers = on$/m, 'the settings');
like($schedule, qr/CALL loyalty\.maintain\(\)/, 'the schedule');

my $node = new_node('main', conf => "loyalty.now = '2026-03-01 12:00+00'");
$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', 'CREATE EXTENSION loyalty; SELECT loyalty.setup_roles()');
$node->safe_psql('postgres', 'CREATE ROLE nightly LOGIN CONNECTION LIMIT 0 IN ROLE loyalty_worker');
$node->safe_psql('shop', <<'SQL');
SELECT loyalty.program_create('shop', 'CNY', 'Asia/Shanghai');
SELECT loyalty.sale('shop', '{"customer_no": "1"}', 129, 'order-1');
SET loyalty.now = '2026-08-01 12:00+00';
SELECT loyalty.sale('shop', '{"customer_no": "1"}', 50, 'order-2');
SQL

sub lapsed
{
    return $node->safe_psql('shop', q{SELECT coalesce(sum(amount), 0) FROM loyalty.statement(loyalty.find('shop', 'customer_no', '1')) WHERE kind = 'expire' AND unit = 'points'});
}

# the points of March 2026 lapse with March 2027, those of August with August
$node->safe_psql('postgres', q{ALTER SYSTEM SET loyalty.now = '2027-04-02 12:00+00'});
$node->reload;
is(lapsed(), '0', 'nothing is posted without maintenance');
{
    local %ENV = $node->_get_env;
    is(system($line), 0, 'the line of cron runs');
}
is(lapsed(), '-129', 'and posts what has lapsed');

SKIP:
{
    my ($sharedir) = run_command([ 'pg_config', '--sharedir' ]);
    skip 'pg_cron is not installed (Debian: postgresql-15-cron)', 3
      unless -f "$sharedir/extension/pg_cron.control";

    $node->append_conf('postgresql.conf', $settings);
    $node->safe_psql('postgres', q{ALTER SYSTEM SET loyalty.now = '2027-09-02 12:00+00'});
    $node->restart;
    $node->safe_psql('postgres', $schedule);
    # its clock strikes once a minute
    $node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM cron.job_run_details WHERE end_time IS NOT NULL})
      or die 'pg_cron has run nothing';
    is($node->safe_psql('postgres', q{SELECT DISTINCT database, username, command, status, return_message FROM cron.job_run_details WHERE end_time IS NOT NULL}),
        'shop|nightly|CALL loyalty.maintain()|succeeded|CALL', 'pg_cron runs the call');
    is(lapsed(), '-179', 'which posts what has lapsed');
    is($node->safe_psql('shop', q{SELECT count(DISTINCT xmin::text) > 1, sum(errors) FROM loyalty.maintenance_job}), 't|0', 'and commits between its jobs');
}
books_agree($node, 'shop', 'after all');

$node->stop;
done_testing();

# Folding the journal beside transactions that are prepared, and after a crash: no row is lost, none counted twice.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('fold', conf => "max_prepared_transactions = 2\nautovacuum = off\n");
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
SELECT loyalty.program_create('shop', 'EUR', 'UTC');
SELECT count(*) FROM generate_series(1, 3) n, loyalty.enroll('shop', jsonb_build_object('customer_no', n::text));
CREATE FUNCTION m(no int) RETURNS bigint LANGUAGE sql AS $$ SELECT loyalty.find('shop', 'customer_no', no::text) $$;
SQL

# orders: in reports, in the ledger, folded
sub orders
{
    return $node->safe_psql('postgres', <<'SQL');
SELECT (SELECT sum(orders) FROM loyalty.report_sale_sum(1, '2000-01-01', '2100-01-01', 'all')),
	(SELECT count(*) FROM loyalty.journal WHERE event = 'purchase'),
	(SELECT sum(orders) FROM loyalty.report_sale_day WHERE dimension = 'all')
SQL
}

sub fold
{
    return $node->safe_psql('postgres', 'SELECT sum(done) FROM (SELECT done FROM loyalty.report_fold() UNION ALL SELECT done FROM loyalty.report_fold()) f');
}

is(fold(), '3', 'the signups are folded');
$node->safe_psql('postgres', q{BEGIN; SELECT count(*) FROM loyalty.purchase(m(1), 10, 'o1'); PREPARE TRANSACTION 'till'});
$node->safe_psql('postgres', q{SELECT count(*) FROM loyalty.purchase(m(2), 20, 'o2')});
is(fold(), '0', 'a prepared transaction holds the fold back');
is(orders(), '1|1|', 'the order after it is in the reports');
$node->stop('immediate');
$node->start;
is(fold(), '0', 'also after a crash');
$node->safe_psql('postgres', q{COMMIT PREPARED 'till'});
is(orders(), '2|2|', 'both are in the reports');
is(fold(), '2', 'then both are folded');
is(orders(), '2|2|2', 'once');

# a batch that was not committed
$node->safe_psql('postgres', q{SELECT count(*) FROM loyalty.purchase(m(3), 30, 'o3')});
my ($code, $out, $err) = $node->psql('postgres', q{BEGIN; SELECT done FROM loyalty.report_fold(); SELECT pg_terminate_backend(pg_backend_pid())});
isnt($code, 0, 'the session ends in the middle of a fold');
is(orders(), '3|3|2', 'nothing of it was kept');
$node->safe_psql('postgres', q{SELECT count(*) FROM loyalty.report_fold()});
is(orders(), '3|3|3', 'and it is done again');
is($node->safe_psql('postgres', 'SELECT count(*) FROM loyalty.verify()'), '0', 'the books agree');

# Whoever writes in another database has no id of ours
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
my $other = $node->background_psql('elsewhere');
$other->query_safe('BEGIN; CREATE TABLE t (a int)');
$node->safe_psql('postgres', q{SELECT count(*) FROM loyalty.purchase(m(3), 40, 'o4')});
is(fold(), '1', 'a transaction in another database does not hold the fold back');
$other->quit;

# The mark of another cluster, whose transactions were many more
$node->safe_psql('postgres', q{UPDATE loyalty.report_mark SET xid = '123456789012'; SELECT count(*) FROM loyalty.purchase(m(3), 40, 'o5')});
is(fold(), '1', 'a mark that is beyond this cluster is replaced');
is(orders(), '5|5|5', 'and all is folded');

$node->stop;
done_testing();

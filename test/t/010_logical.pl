# Logical replication as doc/operations.md describes it: the subscriber has every row,
# its books agree, and it takes over without giving out an id twice.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use PostgreSQL::Test::Cluster;
use Test::More;

# The blocks of a section of the page, as they stand there.
sub blocks
{
    my ($section) = @_;
    open my $page, '<', "$FindBin::Bin/../../doc/operations.md" or die $!;
    my $text = do { local $/; <$page> };
    my ($part) = $text =~ /^## \Q$section\E\n(.*?)^## /ms or die "no section $section";
    return $part =~ /^```(?:sql|text)\n(.*?)^```/msg;
}
my ($publish, $subscribe, $ask, $set) = blocks('Logical replication');

my $old = new_node('old', allows_streaming => 'logical');
create_shop($old, 'shop');
$old->safe_psql('shop', $publish);

my $new = new_node('new', allows_streaming => 'logical');
$new->safe_psql('postgres', 'CREATE DATABASE shop');
(my $connection = $old->connstr('shop')) =~ s{'}{''}g;
$subscribe =~ s/'host=old dbname=shop'/'$connection'/ or die 'no connection in the page';
# each statement by itself: a subscription cannot be made in a transaction block
$new->safe_psql('shop', "$_;") for grep { /\S/ } split /;\n/, $subscribe;
$new->wait_for_subscription_sync($old, 'loyalty', 'shop');

# what comes after the copy
$old->safe_psql('shop', shop_clock() . <<'SQL');
;
SELECT * FROM loyalty.purchase(m(2), 77, 'replicated');
SELECT * FROM loyalty.enroll('shop', '{"customer_no": "late"}');
SELECT * FROM loyalty.refund(m(2), 'replicated');
INSERT INTO loyalty.unit (program_id, code, kind) SELECT program_id, 'late_stars', 'points' FROM loyalty.program WHERE name = 'shop';
SQL
$old->wait_for_catchup('loyalty');

is(state_hash($new, 'shop'), state_hash($old, 'shop'), 'every row of every table');
is($new->safe_psql('shop', q{SELECT * FROM loyalty.verify() WHERE invariant <> 'sequence_behind'}), '', 'the books agree on the subscriber');

my $highest = sub {
    my ($node) = @_;
    return $node->safe_psql('shop', q{SELECT max(journal_id) FROM loyalty.journal});
};

# Either way sets every sequence.
my $positions = q{SELECT sequencename, coalesce(last_value, 0) FROM pg_sequences WHERE schemaname = 'loyalty' ORDER BY 1};
my %published = map { split /\|/ } split /\n/, $old->safe_psql('shop', $positions);
like($old->safe_psql('shop', $ask), qr/^SELECT setval\('loyalty.id_seq', $published{id_seq}\);$/m, 'the publisher tells its positions');

$new->safe_psql('shop', 'DROP SUBSCRIPTION loyalty');
$old->stop;
$new->safe_psql('shop', $set);
my %taken = map { split /\|/ } split /\n/, $new->safe_psql('shop', $positions);
is_deeply([ sort keys %taken ], [ sort keys %published ], 'the same sequences');
is(join(' ', grep { $taken{$_} < $published{$_} } sort keys %published), '', 'none of them is behind');
cmp_ok($taken{id_seq}, '>', $highest->($new), 'nor behind what is in use');

my $before = $highest->($new);
is(sqlstate($new, 'shop', shop_clock() . q{; SELECT * FROM loyalty.purchase(loyalty.find('shop', 'customer_no', '2'), 10, 'taken over')}), '', 'it takes over');
is(sqlstate($new, 'shop', q{SELECT loyalty.program_create('another', 'EUR', 'UTC')}), '', 'and configures');
cmp_ok($highest->($new), '>', $before, 'with ids of its own');
books_agree($new, 'shop', 'after it has taken over');

$new->stop;
done_testing();

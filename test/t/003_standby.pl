# A hot standby answers every question as the primary does, and refuses every
# change as PostgreSQL refuses it (25006).

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $primary = new_node('primary', allows_streaming => 1);
create_shop($primary, 'shop');

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# something that comes by replay, not by the backup
$primary->safe_psql('shop', q{SELECT * FROM loyalty.purchase(m(2), 77, 'streamed', at => '2026-01-30 12:00+00')});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));

for my $read (shop_reads($primary, 'shop'))
{
    my $query = shop_clock() . "; SELECT t FROM $read AS t";

    is($standby->safe_psql('shop', $query), $primary->safe_psql('shop', $query),
        "the same answer: $read");
}
is($standby->safe_psql('shop', shop_clock() . q{; SELECT kind FROM loyalty.statement(m(2), unit => 'points') WHERE ref = 'streamed'}),
    'event', 'the purchase that was streamed is there');
books_agree($standby, 'shop', 'on the standby');

my %verbs = shop_verbs();
for my $verb (sort keys %verbs)
{
    (my $dry = $verbs{$verb}) =~ s/\)$/, mode => 'dry')/;
    my $query = shop_clock() . "; SELECT status, reason, postings, messages FROM $dry";

    is($standby->safe_psql('shop', $query), $primary->safe_psql('shop', $query),
        "$verb: mode dry gives the same answer");
    is(sqlstate($standby, 'shop', shop_clock() . "; SELECT * FROM $verbs{$verb}"),
        '25006', "$verb: refused");
    (my $try = $verbs{$verb}) =~ s/\)$/, mode => 'try')/;
    is(sqlstate($standby, 'shop', shop_clock() . "; SELECT * FROM $try"),
        '25006', "$verb: refused in mode try too");
}
for my $call (shop_writes())
{
    is(sqlstate($standby, 'shop', "SELECT * FROM $call"), '25006', "$call: refused");
}
for my $call (q{CALL loyalty.ingest('shop', 'staged')}, q{CALL loyalty.import_members('shop', 'old_member', restart => true)},
    q{INSERT INTO web_order VALUES ('new', '1', 9, loyalty.now())})
{
    is(sqlstate($standby, 'shop', $call), '25006', "$call: refused");
}

# A replay writes nothing, so it could be answered; what counts is that the
# caller hears either the first receipt or 25006, never a refusal of ours.
like(sqlstate($standby, 'shop', q{SELECT * FROM loyalty.redeem(m(8), 1, key => 'all', mode => 'try')}),
    qr/^(25006|)$/, 'a known key');

# The standby becomes the primary and takes the same calls.
$primary->stop('immediate');
$standby->promote;
is(sqlstate($standby, 'shop', shop_clock() . "; SELECT * FROM $verbs{$_}"), '', "$_: done after the promotion")
  for qw(purchase enroll capture);
is(sqlstate($standby, 'shop', shop_clock() . q{; INSERT INTO web_order VALUES ('new', '1', 9, loyalty.now())}), '', 'orders flow in after the promotion');
is(sqlstate($standby, 'shop', shop_clock() . q{; CALL loyalty.ingest('shop', 'staged', restart => true)}), '', 'and a load runs');
books_agree($standby, 'shop', 'after the promotion');

$standby->stop;
done_testing();

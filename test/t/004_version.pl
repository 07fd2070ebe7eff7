# A library that finds SQL of another version says so, and what to run.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use Test::More;

my $node = new_node('main');
create_shop($node, 'shop');

my $warm = $node->background_psql('shop', on_error_stop => 0);
$warm->query(shop_clock());
is($warm->query(q{SELECT status FROM loyalty.purchase(m(1), 10, 'w1')}), 'done', 'done before');

my $version = $node->safe_psql('shop', q{SELECT extversion FROM pg_extension WHERE extname = 'loyalty'});
my $before = state_hash($node, 'shop');
$node->safe_psql('shop', q{UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'loyalty'});

my %verbs = shop_verbs();
for my $verb (sort keys %verbs)
{
    is(sqlstate($node, 'shop', shop_clock() . "; SELECT * FROM $verbs{$verb}"), 'LY904', "$verb: refused");
    (my $try = $verbs{$verb}) =~ s/\)$/, mode => 'try')/;
    # not the shop's m(): a failure in find() would hide what the verb does
    $try =~ s/m\((\d)\)/(SELECT member_id FROM loyalty.identity WHERE kind = 'customer_no' AND value = '$1' LIMIT 1)/g;
    is(sqlstate($node, 'shop', shop_clock() . "; SELECT * FROM $try"), 'LY904', "$verb: refused in mode try too");
}

my $member = $node->safe_psql('shop', 'SELECT min(member_id) FROM loyalty.account');
for my $read ("balance($member)", "statement($member)", q{find('shop', 'customer_no', '1')},
    q{member_get('shop', 'customer_no', '1')}, "account_settle($member)", "rebuild($member)",
    "tier_current($member)", "tier_progress($member)", "tier_at($member, loyalty.now())",
    "benefits($member)", "has_benefit($member, 'express')", qq{benefit_price($member, '[{"sku": "A", "price": 1}]')}, q{benefit_hold('shop', 'express', 'everyone')},
    "explain($member, (SELECT max(journal_id) FROM loyalty.journal WHERE member_id = $member AND kind = 'event'))",
    q{simulate('shop', 'spring')}, "tag_add($member, 'new')", "segment_add($member, 'press')", "segment_remove($member, 'press')", q{segment_refresh('shop')}, q{segment_drop('shop', 'press')}, q{segment_members('shop', 'press')},
    q{campaign_start('shop', 'spring')}, q{budget_set('shop', 'stars', 5)},
    q{rule_limit((SELECT min(rule_id) FROM loyalty.rule), 'day', 10)}, q{ingest_batch('shop', '{}', 'file')}, q{import_batch('shop', '{}', 'file')},
    q{attach('web_order', 'shop', member => 'customer', amount => 'price', ref => 'no', identity => 'customer_no')},
    q{attach_set('web_order', NULL, NULL, 'new', true, 5, loyalty.now(), NULL, '{}')}, q{reconcile('web_order')},
    qq{quote($member, '{"items": [{"sku": "A", "price": 1}]}')}, "coupon_check($member, 'A')", "coupon_wallet($member)", "coupon_try($member, 'A')")
{
    is(sqlstate($node, 'shop', "SELECT * FROM loyalty.$read"), 'LY904', "$read: refused");
}

for my $call (q{CALL loyalty.ingest('shop', 'staged')}, q{CALL loyalty.import_members('shop', 'old_member')},
    q{INSERT INTO web_order VALUES ('new', '1', 9, loyalty.now())})
{
    is(sqlstate($node, 'shop', $call), 'LY904', "$call: refused");
}

my ($status, $out, $err) = $node->psql('shop', "SELECT * FROM loyalty.redeem($member, 1, key => 'k')",
    extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/ERROR:  LY904: library and extension differ in version/, 'the message');
like($err, qr/DETAIL:  library=\Q$version\E extension=0\.0\.9/, 'the detail names both');
like($err, qr/HINT:  .*ALTER EXTENSION loyalty UPDATE/, 'the hint says what to run');

is(sqlstate($node, 'shop', q{SELECT loyalty.now(); SELECT '{}'::loyalty.wallet}), '', 'what reads no table still works');
is(state_hash($node, 'shop'), $before, 'nothing has changed');

# The check is made once per connection: one that is at work goes on.
is($warm->query(q{SELECT status FROM loyalty.purchase(m(1), 10, 'w2')}), 'done', 'a session at work is not disturbed');
$warm->quit;

$node->safe_psql('shop', "UPDATE pg_extension SET extversion = '$version' WHERE extname = 'loyalty'");
is(sqlstate($node, 'shop', shop_clock() . "; SELECT * FROM $verbs{purchase}"), '', 'done when they agree again');
books_agree($node, 'shop', 'after that');

$node->stop;
done_testing();

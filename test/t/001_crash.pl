# A server that dies under load: afterwards the books agree, what was
# acknowledged is there and replays, what was not is there once or not at all.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

use constant CLIENTS => 4;
use constant MEMBERS => 10;
# each purchase earns one star, as long as there are any
use constant STARS => 3500;

my $files = PostgreSQL::Test::Utils::tempdir();
my $node = new_node('main', conf => <<'CONF');
restart_after_crash = on
checkpoint_timeout = 1h
CONF

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION loyalty;
CREATE EXTENSION amcheck;
CREATE FUNCTION m(no int) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT loyalty.find('shop', 'customer_no', no::text)
$$;
SELECT loyalty.program_create('shop', 'EUR', 'UTC');
INSERT INTO loyalty.campaign (program_id, name, status) SELECT program_id, 'stars', 'live' FROM loyalty.program;
INSERT INTO loyalty.unit (program_id, code, kind) SELECT program_id, 'stars', 'points' FROM loyalty.program;
INSERT INTO loyalty.rule (program_id, event, unit_id, name, kind, award, campaign_id)
    SELECT program_id, 'purchase', unit_id, 'stars', 'fixed', 1, campaign_id
    FROM loyalty.unit JOIN loyalty.campaign USING (program_id) WHERE code = 'stars';
SELECT loyalty.rule_limit(rule_id, 'lifetime', 100000) FROM loyalty.rule WHERE name = 'stars';
INSERT INTO loyalty.tier (program_id, code, rank) SELECT program_id, 't' || n, n FROM loyalty.program, generate_series(0, 40) n;
INSERT INTO loyalty.tier_threshold (program_id, tier_id, unit_id, threshold, window_kind)
    SELECT t.program_id, t.tier_id, u.unit_id, 50 * t.rank, 'lifetime'
    FROM loyalty.tier t JOIN loyalty.unit u USING (program_id) WHERE u.code = 'orders' AND t.rank > 0;
SELECT count(r) FROM generate_series(1, 10) no, loyalty.enroll('shop', jsonb_build_object('customer_no', no::text)) r;
-- where carts are sold: a code takes 1.00 off, and a point pays 1.00
SELECT loyalty.program_create('mart', 'EUR', 'UTC') AS mart \gset
CREATE FUNCTION q(no int) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT loyalty.find('mart', 'customer_no', no::text)
$$;
INSERT INTO loyalty.unit_anchor (program_id, unit_id, valid_from, units, money)
    SELECT program_id, unit_id, '2020-01-01', 1, 100 FROM loyalty.unit WHERE program_id = :mart AND code = 'points';
INSERT INTO loyalty.cart_unit (program_id, unit_id) SELECT program_id, unit_id FROM loyalty.unit WHERE program_id = :mart AND code = 'points';
INSERT INTO loyalty.cart_policy (program_id, reserve_ttl) VALUES (:mart, '10 days');
INSERT INTO loyalty.coupon (program_id, name, kind, amount) VALUES (:mart, 'one', 'amount', 1);
SELECT loyalty.coupon_code_create('mart', 'one', 'OPEN'), loyalty.coupon_limit('mart', 'one', 'used', 1000000), loyalty.coupon_limit('mart', 'one', 'discount', 1000000);
SELECT count(r) FROM generate_series(1, 10) no, loyalty.enroll('mart', jsonb_build_object('customer_no', no::text)) e,
    loyalty.adjust(e.member_id, 100000, 'points', 'float', key => 'float') r;
SQL
$node->safe_psql('postgres', 'SELECT loyalty.budget_set(\'shop\', \'stars\', ' . STARS . ', campaign => \'stars\')');

# The calls of one client in one round, as [key, call]: of every ten six
# purchases of 7, two redemptions of 3, one transfer of 2 and one adjustment
# by 1. Nothing else moves points, so the totals below follow.
sub calls
{
    my ($round, $client) = @_;
    my @calls;

    for my $n (1 .. 20_000)
    {
        my $key = "$round-$client-$n";
        my $member = 1 + ($n * 7 + $client * 3) % MEMBERS;
        my $other = 1 + $member % MEMBERS;
        my $step = $n % 10;
        my $call =
            $step < 6 ? "purchase(m($member), 7, '$key', key => '$key')"
          : $step < 8 ? "redeem(m($member), 3, key => '$key')"
          : $step < 9 ? "transfer(m($member), m($other), 2, key => '$key')"
          :             "adjust(m($member), 1, 'points', 'load', key => '$key')";
        push @calls, [ $key, $call ];
    }
    return \@calls;
}

# Sends the calls one by one and keeps what comes back: the key of each
# acknowledged call.
sub start_client
{
    my ($calls) = @_;
    my $base = "$files/$calls->[0][0]";

    append_to_file("$base.sql", join '', map {
        "SELECT '$_->[0]' || ' ' || status FROM loyalty.$_->[1];\n"
    } @$calls);
    my $run = IPC::Run::start(
        [ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', "$base.sql" ],
        '>', "$base.out", '2>', "$base.err");
    return { calls => $calls, run => $run, base => $base };
}

# Repeats everything that was sent and a little more. Returns how many were
# acknowledged but did not replay, and how many of the others had been stored.
sub repeat
{
    my ($client) = @_;
    my %acknowledged;
    my ($lost, $stored, $last) = (0, 0, 0);

    for (split /\n/, slurp_file("$client->{base}.out"))
    {
        $acknowledged{$1} = 1 if /^(\S+) done$/;
    }
    my @calls = @{ $client->{calls} };
    for my $n (0 .. $#calls)
    {
        $last = $n if $acknowledged{ $calls[$n][0] };
    }
    # one call can have been under way
    my @sent = grep { defined } @calls[ 0 .. $last + 1 ];
    my $script = join '', map {
        "SELECT '$_->[0]' || ' ' || status || ' ' || replayed FROM loyalty.$_->[1];\n"
    } @sent;
    my %result = map { my ($key, @rest) = split / /; $key => "@rest" }
      split /\n/, $node->safe_psql('postgres', $script);

    for my $key (map { $_->[0] } @sent)
    {
        my $result = $result{$key} // 'nothing';
        if ($acknowledged{$key})
        {
            $lost++ unless $result eq 'done true';
        }
        else
        {
            $stored++ if $result eq 'done true';
            $lost++ unless $result =~ /^done/;
        }
    }
    $client->{sent} = [ map { $_->[1] } @sent ];
    return (scalar(keys %acknowledged), $lost, $stored);
}

# What all that was ever sent must add up to, worked out from the calls.
my %expected = map { $_ => 0 } 1 .. MEMBERS;
my $sent = 0;
my %purchases = map { $_ => 0 } 1 .. MEMBERS;

sub expect
{
    for my $call (map { @{ $_->{sent} } } @_)
    {
        my ($member) = $call =~ /m\((\d+)\)/;

        $sent++;
        $expected{$member} += 7 if $call =~ /^purchase/;
        $purchases{$member}++ if $call =~ /^purchase/;
        $expected{$member} -= 3 if $call =~ /^redeem/;
        $expected{$member} += 1 if $call =~ /^adjust/;
        if ($call =~ /^transfer\(m\(\d+\), m\((\d+)\)/)
        {
            $expected{$member} -= 2;
            $expected{$1} += 2;
        }
    }
    return;
}

# Of every three calls one buys a cart, one reserves another, and one confirms
# that: 20.00, less 1.00 by a code, of which a point pays 1.00.
sub order_calls
{
    my ($round, $client) = @_;
    my $cart = q{'{"items": [{"sku": "A", "price": 20}]}'};
    my $how = q{'{OPEN}', '{"points": 1}'};
    my @calls;

    for my $n (1 .. 8_000)
    {
        my $key = "order-$round-$client-$n";
        my $member = 1 + ($n * 7 + $client * 3) % MEMBERS;

        push @calls, [ "$key-a", "checkout(q($member), $cart, '$key-a', $how)" ],
          [ "$key-b", "checkout_reserve(q($member), $cart, '$key-b', $how)" ],
          [ "$key-b-paid", "checkout_confirm(q($member), '$key-b')" ];
    }
    return \@calls;
}

# What came back of the orders: those that were acknowledged as bought, and as
# reserved, and the calls that bought them.
sub acknowledged_orders
{
    my (@bought, @reserved, @calls);

    for my $client (@_)
    {
        my %call = map { $_->[0] => $_->[1] } @{ $client->{calls} };
        for (split /\n/, slurp_file("$client->{base}.out"))
        {
            next unless /^(\S+) done$/;
            my $key = $1;
            (my $ref = $key) =~ s/-paid$//;
            push @{ $key =~ /-(a|paid)$/ ? \@bought : \@reserved }, $ref;
            push @calls, $call{$key} if $key =~ /-(a|paid)$/;
        }
    }
    return (\@bought, \@reserved, \@calls);
}

# Carts under load, and a crash: what was acknowledged is there with its coupon
# and its points, and nothing is there by halves.
sub crash_orders
{
    my ($how, $crash) = @_;
    (my $round = $how) =~ s/\W+/-/g;
    my $rows = journal_rows();
    my @clients = map { start_client(order_calls($round, $_)) } 1 .. CLIENTS;

    $node->poll_query_until('postgres', "SELECT count(*) >= $rows + 2000 FROM loyalty.journal") or die 'no load';
    $crash->();
    $_->{run}->finish for @clients;
    $node->start if $how =~ /stop/;
    $node->poll_query_until('postgres', 'SELECT true') or die 'no restart';

    books_agree($node, 'postgres', "orders, after $how");
    my ($bought, $reserved, $calls) = acknowledged_orders(@clients);
    cmp_ok(scalar @$bought, '>', 100, "orders, $how: " . @$bought . ' were acknowledged');
    is($node->safe_psql('postgres', q[SELECT count(*) FROM unnest('{] . join(',', @$bought) . q[}'::text[]) x (ref)
            WHERE 1 <> (SELECT count(*) FROM loyalty.journal j WHERE j.ref = x.ref AND j.kind = 'event' AND j.event = 'purchase')
            OR 1 <> (SELECT count(*) FROM loyalty.journal j WHERE j.ref = x.ref AND j.kind IN ('redeem', 'capture'))
            OR 1 <> (SELECT count(*) FROM loyalty.coupon_use u WHERE u.ref = x.ref AND u.status = 'used')]),
        '0', "orders, $how: each of them is there once, with its coupon and its points");
    is($node->safe_psql('postgres', q[SELECT count(*) FROM unnest('{] . join(',', @$reserved) . q[}'::text[]) x (ref)
            WHERE NOT EXISTS (SELECT FROM loyalty.checkout c WHERE c.ref = x.ref AND c.status IN ('reserved', 'confirmed'))]),
        '0', "orders, $how: so is what was acknowledged as reserved");
    # every order takes 1.00 and a place of the limits, pays a point and earns 19
    is($node->safe_psql('postgres', <<'SQL'), 't|t|t', "orders, $how: limits and points are those of the orders");
WITH n AS (
    SELECT (SELECT count(*) FROM loyalty.journal j JOIN loyalty.program p USING (program_id) WHERE p.name = 'mart' AND j.kind = 'event' AND j.event = 'purchase') AS bought,
        (SELECT count(*) FROM loyalty.checkout WHERE status = 'reserved') AS reserved)
SELECT (SELECT used = bought + reserved FROM loyalty.coupon_limit_status WHERE counts = 'used'),
    (SELECT used = bought + reserved FROM loyalty.coupon_limit_status WHERE counts = 'discount'),
    (SELECT sum(available) = 10 * 100000 + 18 * bought - reserved FROM generate_series(1, 10) no, loyalty.balance(q(no), 'points'))
FROM n
SQL
    is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT status || ' ' || replayed, ', ') FROM ("
          . join(' UNION ALL ', map { "SELECT status, replayed FROM loyalty.$_" } @$calls[ 0 .. 50 ]) . ') x'),
        'done true', "orders, $how: they replay");
    return;
}

sub journal_rows
{
    return $node->safe_psql('postgres',
        'SELECT count(*) FROM loyalty.journal');
}

# One of the clients' sessions, in the middle of a call or between two.
sub kill_session
{
    kill 'KILL', $node->safe_psql('postgres', <<'SQL');
SELECT max(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND query LIKE '%FROM loyalty.%' AND pid <> pg_backend_pid()
SQL
    return;
}

my %crash = (
    'kill -9 of a backend' => \&kill_session,
    'kill -9 after a checkpoint' => sub {
        $node->safe_psql('postgres', 'CHECKPOINT');
        kill_session();
        return;
    },
    'immediate stop' => sub {
        $node->stop('immediate');
        return;
    });

# purchases first, or there is nothing to redeem
$node->safe_psql('postgres',
    q{SELECT count(r) FROM generate_series(1, 10) no, loyalty.adjust(m(no), 100000, 'points', 'float', key => 'float') r});
$expected{$_} += 100_000 for 1 .. MEMBERS;

for my $how (sort keys %crash)
{
    (my $round = $how) =~ s/\W+/_/g;
    my $rows = journal_rows();
    my @clients = map { start_client(calls($round, $_)) } 1 .. CLIENTS;

    $node->poll_query_until('postgres',
        "SELECT count(*) >= $rows + 3000 FROM loyalty.journal")
      or die 'no load';
    $crash{$how}->();
    $_->{run}->finish for @clients;
    like(slurp_file("$_->{base}.err"), qr/server closed the connection|terminating connection|connection to server was lost|the database system is/,
        "$how: a client lost its connection") for @clients;

    $node->start if $how =~ /stop/;
    $node->poll_query_until('postgres', 'SELECT true') or die 'no restart';

    books_agree($node, 'postgres', "after $how");
    for my $client (@clients)
    {
        my ($acknowledged, $lost, $stored) = repeat($client);

        cmp_ok($acknowledged, '>', 0, "$how: $acknowledged calls were acknowledged");
        is($lost, 0, "$how: each of them replays");
        cmp_ok($stored, '<=', 1, "$how: at most the one under way was stored without an answer");
    }
    expect(@clients);
    is( $node->safe_psql('postgres', 'SELECT string_agg(available::text, \' \' ORDER BY no) FROM generate_series(1, 10) no, loyalty.balance(m(no), \'points\')'),
        join(' ', map { $expected{$_} } 1 .. MEMBERS),
        "$how: after the repetition each call counts once");
    # whatever is the order in which the calls came, nothing of the budget is
    # lost and nothing given twice; and the tier goes by the purchases
    my $all = 0;
    $all += $_ for values %purchases;
    my $stars = $all < STARS ? $all : STARS;
    is($node->safe_psql('postgres', q{SELECT used, (SELECT sum(available) FROM generate_series(1, 10) no, loyalty.balance(m(no), 'stars'))
            FROM loyalty.budget_status}), "$stars|$stars", "$how: $stars stars for $all purchases");
    is($node->safe_psql('postgres', q{SELECT string_agg(tier, ' ' ORDER BY no) FROM generate_series(1, 10) no, loyalty.tier_current(m(no))}),
        join(' ', map { my $rank = int($purchases{$_} / 50); 't' . ($rank < 40 ? $rank : 40) } 1 .. MEMBERS),
        "$how: each member is in the tier of his purchases");
    is($node->safe_psql('postgres', q{SELECT count(*) FROM loyalty.account a JOIN loyalty.tier t USING (tier_id)
            WHERE t.rank <> (SELECT count(*) FROM loyalty.tier_history h WHERE h.member_id = a.member_id AND action = 'promoted')}),
        '0', "$how: and was promoted step by step");
    books_agree($node, 'postgres', "after the repetition");
}

crash_orders($_, $crash{$_}) for 'kill -9 of a backend', 'immediate stop';

cmp_ok($node->safe_psql('postgres', 'SELECT remaining FROM loyalty.budget_status'), '==', 0, 'the budget came to its end');
is($node->safe_psql('postgres', q{SELECT count(*) FROM loyalty.journal WHERE key ~ '_'}),
    $sent, 'one journal row per call');
$node->command_ok([ 'pg_amcheck', '--heapallindexed', '--parent-check', '--schema=loyalty', 'postgres' ],
    'tables and indexes are whole');

$node->stop;
done_testing();

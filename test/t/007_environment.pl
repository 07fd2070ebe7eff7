# What surrounds a call: read-only and failed transactions, time-outs, cancels,
# terminated sessions, the caller's settings, and the extension created anew
# under a session that has used it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use Test::More;

my $node = new_node('main');
create_shop($node, 'shop');

sub scalar_of
{
    my ($sql) = @_;
    return $node->safe_psql('shop', $sql);
}

#
# Every call that writes
#

my %verbs = shop_verbs();
is( scalar_of(q{SELECT string_agg(proname, ' ' ORDER BY proname) FROM pg_proc WHERE pronamespace = 'loyalty'::regnamespace AND prorettype = 'loyalty.receipt'::regtype}),
    join(' ', sort keys %verbs),
    'this test knows every function that returns a receipt');

my $state = state_hash($node, 'shop');
for my $verb (sort keys %verbs)
{
    my $call = "SELECT * FROM $verbs{$verb}";
    my $clock = shop_clock();

    is(sqlstate($node, 'shop', "$clock; BEGIN; $call; ROLLBACK"), '', "$verb: would be done");
    is(sqlstate($node, 'shop', "$clock; BEGIN READ ONLY; $call"), '25006', "$verb: refused in a read-only transaction");
    is(sqlstate($node, 'shop', "$clock; SET default_transaction_read_only = on; $call"), '25006', "$verb: and where that is the default");
    my ($status, $out, $err) = $node->psql('shop', "$clock; BEGIN; SELECT 1 / 0; $call; COMMIT",
        on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
    like($err, qr/22012.*25P02/s, "$verb: refused in a failed transaction");
}
for my $call (shop_writes())
{
    is(sqlstate($node, 'shop', "BEGIN READ ONLY; SELECT * FROM $call"), '25006', "$call: refused in a read-only transaction");
}
for my $read (shop_reads($node, 'shop'))
{
    is(sqlstate($node, 'shop', shop_clock() . "; BEGIN READ ONLY; SELECT * FROM $read"), '', "$read: answers there");
}
is(state_hash($node, 'shop'), $state, 'nothing has changed');

#
# Giving up while waiting
#

my $holder = $node->background_psql('shop');
$holder->query_safe(q{BEGIN; SELECT 1 FROM loyalty.redeem(m(6), 1, key => 'holder')});

is(sqlstate($node, 'shop', q{SET statement_timeout = '100ms'; SELECT * FROM loyalty.purchase(m(6), 10, 'late')}),
    '57014', 'statement_timeout ends the wait');
is(sqlstate($node, 'shop', q{SET lock_timeout = '100ms'; SELECT * FROM loyalty.purchase(m(6), 10, 'late')}),
    '55P03', 'lock_timeout ends the wait');
is(sqlstate($node, 'shop', q{SET statement_timeout = '100ms'; SELECT * FROM loyalty.transfer(m(5), m(6), 10, key => 'late', mode => 'try')}),
    '57014', 'mode try does not swallow it');

# Waits until a session waits for the holder, and ends its wait.
sub end_wait
{
    my ($function) = @_;

    $node->poll_query_until('shop', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'})
      or die 'nobody waits';
    $node->safe_psql('shop', "SELECT $function(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
    return;
}

my $waiter = $node->background_psql('shop', on_error_stop => 0);
$waiter->query_until(qr/go/, "\\set VERBOSITY sqlstate\n\\echo go\nSELECT * FROM loyalty.purchase(m(6), 10, 'late');\n");
end_wait('pg_cancel_backend');
my $after = $waiter->query(q{SELECT status, replayed FROM loyalty.purchase(m(7), 10, 'after')});
like($waiter->{stderr}, qr/57014/, 'a cancel ends the wait');
is($after, 'done|f', 'and the session goes on');
$waiter->{stderr} = '';
$waiter->query_until(qr/go/, "\\echo go\nSELECT * FROM loyalty.purchase(m(6), 10, 'late');\n");
end_wait('pg_terminate_backend');
$waiter->{run}->finish;
like($waiter->{stderr}, qr/57P01|terminating connection|server closed/, 'so does the end of the session');

$holder->query_safe('ROLLBACK');
$holder->quit;
is(scalar_of(q{SELECT count(*) FROM loyalty.journal WHERE ref = 'late' OR key IN ('late', 'holder')}),
    '0', 'none of them has left anything');
is(scalar_of(q{SELECT status, replayed FROM loyalty.purchase(m(6), 10, 'late')}), 'done|f', 'the reference is free');
books_agree($node, 'shop', 'after that');

# A statement that runs long rather than waits can be ended too.
is(sqlstate($node, 'shop', q{SET statement_timeout = '200ms'; SELECT count(r) FROM generate_series(1, 1000000) n, loyalty.purchase(m(6), 1, 'run-' || n) r}),
    '57014', 'a long run is ended');
is(scalar_of(q{SELECT count(*) FROM loyalty.journal WHERE ref LIKE 'run-%'}), '0', 'and leaves nothing');

#
# Deadlock with the application's own locks: one of the two is told, and its
# half is undone.
#

scalar_of('CREATE TABLE stock (sku text PRIMARY KEY, left_over int); INSERT INTO stock VALUES (\'A\', 5)');
my $first = $node->background_psql('shop', on_error_stop => 0);
my $second = $node->background_psql('shop', on_error_stop => 0);
$_->query("\\set VERBOSITY sqlstate\nSET deadlock_timeout = '100ms'") for $first, $second;
$first->query(q{BEGIN; UPDATE stock SET left_over = left_over - 1});
$second->query(q{BEGIN; SELECT status FROM loyalty.redeem(m(6), 1, key => 'second')});
$first->query_until(qr/go/, "\\echo go\nSELECT status FROM loyalty.redeem(m(6), 1, key => 'first');\n");
$node->poll_query_until('shop', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'}) or die 'nobody waits';
$second->query_until(qr/go/, "\\echo go\nUPDATE stock SET left_over = left_over - 1;\n");
$_->query('COMMIT') for $first, $second;
my $told = join '', map { $_->{stderr} } $first, $second;
is(() = $told =~ /40P01/g, 1, 'a deadlock is told to one');
is(scalar_of(q{SELECT (SELECT count(*) FROM loyalty.journal WHERE key IN ('first', 'second')), left_over FROM stock}),
    '1|4', 'and undone with the rest of its transaction');
$_->quit for $first, $second;
books_agree($node, 'shop', 'after a deadlock');

#
# The caller's settings
#

# One day in the shop, as numbers; undone afterwards.
sub day
{
    my ($settings) = @_;
    return scalar_of(<<"SQL");
SET loyalty.now = '2026-02-28 23:30+00';
$settings;
BEGIN;
SELECT status FROM loyalty.purchase(public.m(2), 123.45, 'zone', '[{"sku": "A", "price": 0.5, "qty": 3}]', at => timestamptz '2026-02-28 23:15+00');
SELECT status FROM loyalty.hold(public.m(2), 12, ttl => interval '1 hour', key => 'zone');
SELECT status FROM loyalty.adjust(public.m(2), 5, 'points', 'gift', expires_on => date '2026-12-31', key => 'zone-a');
SELECT unit, available, pending, held, debt, next_expiry - date '2000-01-01', next_expiry_amount FROM loyalty.balance(public.m(2));
SELECT unit, available, pending FROM loyalty.balance(public.m(2), as_of => date '2025-11-30');
SELECT kind, ref, unit, amount, balance_after, expires_on - date '2000-01-01', extract(epoch FROM at)::bigint
FROM loyalty.statement(public.m(2), timestamptz '2026-01-01 00:00+00');
SELECT extract(epoch FROM e.vests_on)::bigint, extract(epoch FROM e.expires_on)::bigint, e.amount
FROM loyalty.entry e JOIN loyalty.journal j USING (member_id, journal_id) WHERE j.ref = 'zone' ORDER BY line;
ROLLBACK;
SQL
}

my $usual = day('SELECT');
like($usual, qr/^points\|/m, 'a day in the shop');
for my $settings (
    q{SET timezone = 'Asia/Shanghai'; SET datestyle = 'German'},
    q{SET timezone = 'America/Los_Angeles'; SET datestyle = 'SQL, DMY'; SET intervalstyle = 'iso_8601'},
    q{SET timezone = 'Pacific/Kiritimati'; SET datestyle = 'Postgres, MDY'; SET intervalstyle = 'sql_standard'},
    q{SET extra_float_digits = -10; SET bytea_output = 'escape'; SET standard_conforming_strings = off; SET array_nulls = off},
    q{SET default_transaction_isolation = 'serializable'; SET default_transaction_deferrable = on},
    q{SET plan_cache_mode = 'force_generic_plan'; SET enable_indexscan = off; SET enable_seqscan = off; SET jit = on; SET jit_above_cost = 0},
    q{SET plan_cache_mode = 'force_custom_plan'; SET constraint_exclusion = on; SET work_mem = '64kB'},
    q{SET search_path = ''},
    q{CREATE TEMP TABLE account (LIKE loyalty.account); CREATE TEMP TABLE journal (x int); SET search_path = pg_temp},
    q{SET session_replication_role = 'replica'})
{
    is(day($settings), $usual, "the same with: $settings");
}

#
# Created anew under a session that has used it
#

$node->safe_psql('postgres', 'CREATE DATABASE anew');
$node->safe_psql('anew', 'CREATE EXTENSION loyalty');

# often enough for plans to become generic
my $life = <<'SQL';
SELECT loyalty.program_create('shop', 'EUR', 'UTC') > 0;
DO $$
DECLARE
    m bigint;
    h bigint;
BEGIN
    FOR i IN 1..8 LOOP
        SELECT member_id INTO m FROM loyalty.enroll('shop', jsonb_build_object('customer_no', i::text));
        PERFORM * FROM loyalty.purchase(m, 100, 'order', '[{"sku": "A", "price": 100}]', '{"store": "S1"}');
        PERFORM * FROM loyalty.redeem(m, 10, ref => 'order');
        SELECT hold_id INTO h FROM loyalty.hold(m, 10, key => 'h');
        PERFORM * FROM loyalty.capture(m, h, 4);
        PERFORM * FROM loyalty.refund(m, 'order', 50, refund_ref => 'back');
        PERFORM * FROM loyalty.adjust(m, 7, 'points', 'gift', key => 'a');
        PERFORM loyalty.account_settle(m);
    END LOOP;
END
$$;
SELECT sum(available), sum(held), sum(debt), count(*) FROM generate_series(1, 8) i, loyalty.balance(loyalty.find('shop', 'customer_no', i::text));
SELECT count(*) FROM loyalty.verify();
SQL

my $warm = $node->background_psql('anew');
my $other = $node->background_psql('anew');
my $expected = $warm->query_safe($life);
like($expected, qr/\n0$/, 'a life');
is($other->query_safe(q{SELECT available FROM loyalty.balance(loyalty.find('shop', 'customer_no', '1'), 'points')}) =~ /^\d+$/ ? 1 : 0, 1, 'seen by another session');
$warm->query_safe('DROP EXTENSION loyalty; CREATE EXTENSION loyalty');
is($warm->query_safe($life), $expected, 'created anew: the same life in the same session');
$warm->query_safe('BEGIN; DROP EXTENSION loyalty; CREATE EXTENSION loyalty; COMMIT');
is($other->query_safe($life), $expected, 'and in another session');
$warm->query_safe('BEGIN; DROP EXTENSION loyalty; CREATE EXTENSION loyalty');
is($warm->query_safe($life), $expected, 'inside the transaction that creates it');
$warm->query_safe('ROLLBACK');
is($warm->query_safe(q{SELECT count(*) FROM loyalty.verify()}), '0', 'and after its rollback');
is($other->query_safe(q{SELECT replayed FROM loyalty.purchase(loyalty.find('shop', 'customer_no', '8'), 100, 'order', '[{"sku": "A", "price": 100}]', '{"store": "S1"}')}),
    't', 'what was there before is there again');
$_->quit for $warm, $other;

$node->stop;
done_testing();

# pg_dump and pg_restore lose nothing, and what was restored goes on working.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main');
my $dump = PostgreSQL::Test::Utils::tempdir();
my $root = "$FindBin::Bin/../..";

sub fingerprint
{
    my ($db) = @_;
    return $node->safe_psql($db, slurp_file("$root/test/fingerprint.sql"));
}

sub sequences
{
    my ($db) = @_;
    return $node->safe_psql($db,
        q{SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'loyalty' ORDER BY 1});
}

# Long texts that should be equal: shows the first lines that are not.
sub same
{
    my ($got, $expected, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok($got eq $expected && $got ne '', $name) and return;
    my %in_got = map { $_ => 1 } split /\n/, $got;
    my %in_expected = map { $_ => 1 } split /\n/, $expected;
    my @differences = ((map { "+ $_" } grep { !$in_expected{$_} } split /\n/, $got),
                       (map { "- $_" } grep { !$in_got{$_} } split /\n/, $expected));
    diag(join "\n", @differences > 10 ? @differences[ 0 .. 9 ] : @differences);
    return;
}

# The order in which rows are stored is no answer.
sub reads
{
    my ($db) = @_;
    return join "\n", sort map {
        my $read = $_;
        map { "$read: $_" } split /\n/, $node->safe_psql($db, shop_clock() . "; SELECT t FROM $read AS t")
    } shop_reads($node, $db);
}

# A row of every table whose ids come from a sequence.
sub configuration
{
    return <<'SQL';
DO $$
DECLARE
    shop int := (SELECT program_id FROM loyalty.program WHERE name = 'third');
    unit int;
    campaign int;
BEGIN
    INSERT INTO loyalty.unit (program_id, code, kind) VALUES (shop, 'more', 'points') RETURNING unit_id INTO unit;
    INSERT INTO loyalty.campaign (program_id, name) VALUES (shop, 'new') RETURNING campaign_id INTO campaign;
    INSERT INTO loyalty.tier (program_id, code, rank) VALUES (shop, 'one', 1);
    INSERT INTO loyalty.plan (program_id, name, days, price) VALUES (shop, 'trial', 7, 1);
    INSERT INTO loyalty.benefit (program_id, name, kind) VALUES (shop, 'right', 'flag');
    PERFORM loyalty.benefit_hold('third', 'right', 'plan', 'trial');
    INSERT INTO loyalty.rule (program_id, event, unit_id, kind, award, campaign_id) VALUES (shop, 'share', unit, 'fixed', 1, campaign);
    UPDATE loyalty.rule SET award = 2 WHERE program_id = shop;
    PERFORM loyalty.budget_set('third', 'more', 10, campaign => 'new');
    INSERT INTO loyalty.coupon (program_id, name, kind, amount) VALUES (shop, 'five', 'amount', 5);
    UPDATE loyalty.coupon SET amount = 6 WHERE program_id = shop;
    PERFORM loyalty.coupon_limit('third', 'five', 'used', 10);
END
$$
SQL
}

# Each verb is done once, the new ids continue where the old ones ended.
sub goes_on
{
    my ($db) = @_;
    my %verbs = shop_verbs();
    my $last = $node->safe_psql($db, 'SELECT max(journal_id) FROM loyalty.journal');
    my $refused = '';

    for my $verb (sort keys %verbs)
    {
        my $status = $node->safe_psql($db,
            shop_clock() . "; BEGIN; SELECT status FROM $verbs{$verb}; ROLLBACK");
        $refused .= "$verb: $status\n" if $status ne 'done';
    }
    is($refused, '', "$db: every verb is done");
    is($node->safe_psql($db, "SELECT journal_id > $last FROM loyalty.purchase(m(1), 10, 'next')"),
        't', "$db: the next id is a new one");
    is($node->safe_psql($db, q{SELECT replayed FROM loyalty.adjust(m(7), 500, 'points', 'goodwill', expires_on => '2027-12-31', key => 'a1')}),
        't', "$db: an old key replays");
    is($node->safe_psql($db, shop_clock() . q{; BEGIN; SELECT (r.postings[1]).amount
            FROM unnest('{B,C,D}'::text[]) target, loyalty.record(m(10), 'share', data => jsonb_build_object('target', target, 'store', 'S1')) r; ROLLBACK}),
        "\n\n", "$db: limits and targets are remembered");
    is(sqlstate($node, $db, q{SELECT loyalty.record(m(10), 'check_in', at => '2026-01-31 08:00+00')}),
        'LY405', "$db: so is who checked in");
    is(sqlstate($node, $db, q{SELECT loyalty.program_create('third', 'EUR', 'UTC')}),
        '', "$db: a programme can be added");
    is(sqlstate($node, $db, configuration()), '', "$db: so can rows of every configuration table");
    for my $write (shop_writes())
    {
        is(sqlstate($node, $db, shop_clock() . "; BEGIN; SELECT * FROM $write; ROLLBACK"), '', "$db: $write: is done")
          unless $write =~ /setup_roles/;
    }
    $node->safe_psql($db, shop_clock() . q{; INSERT INTO web_order VALUES ('next-web', '1', 9, loyalty.now())});
    is($node->safe_psql($db, q{SELECT count(*) FROM loyalty.journal WHERE ref = 'next-web' AND member_id = m(1) AND amount = 900}), '1', "$db: an order flows in");
    is($node->safe_psql($db, q{SELECT count(*) FROM loyalty.reconcile('web_order')}), '0', "$db: to the cent");
    is(sqlstate($node, $db, q{DELETE FROM loyalty.entry}),
        'LY190', "$db: the ledger is append-only");
    books_agree($node, $db, "in $db after that");
    return;
}

create_shop($node, 'shop');
# the application's own table, which refers to ours
$node->safe_psql('shop', <<'SQL');
CREATE TABLE shop_order (ref text PRIMARY KEY, member_id bigint NOT NULL REFERENCES loyalty.account);
INSERT INTO shop_order SELECT member_id || ref, member_id FROM loyalty.journal WHERE event = 'purchase';
SQL
books_agree($node, 'shop', 'before the dump');

my $state = state_hash($node, 'shop');
my $fingerprint = fingerprint('shop');
my $reads = reads('shop');
unlike($state, qr/loyalty\.\w+\|0\|/, 'the dump has rows of every table');

# custom ways in which people dump
my %ways = (
    directory => [
        [ 'pg_dump', '-Fd', '-j2', '-f', "$dump/directory", $node->connstr('shop') ],
        [ 'pg_restore', '-j2', '-e', '-d', $node->connstr('directory'), "$dump/directory" ] ],
    plain => [
        [ 'pg_dump', '-f', "$dump/plain.sql", $node->connstr('shop') ],
        [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $node->connstr('plain'), '-f', "$dump/plain.sql" ] ],
    single => [
        [ 'pg_dump', '-Fc', '-f', "$dump/single", $node->connstr('shop') ],
        [ 'pg_restore', '-1', '-d', $node->connstr('single'), "$dump/single" ] ]);

for my $way (sort keys %ways)
{
    $node->safe_psql('postgres', "CREATE DATABASE $way");
    $node->command_ok($ways{$way}[0], "$way: dumped");
    $node->command_ok($ways{$way}[1], "$way: restored");
    # after a failure there is nothing to compare
    next if $node->safe_psql($way, 'SELECT count(*) FROM loyalty.account') eq '0';
    same(state_hash($node, $way), $state, "$way: every row is there");
    same(sequences($way), sequences('shop'), "$way: the sequences stand where they stood");
    same(fingerprint($way), $fingerprint, "$way: the catalogue is equal");
    same(reads($way), $reads, "$way: all answers are equal");
    books_agree($node, $way, "in $way");
    goes_on($way);
}

# The rows alone, into a database where the extension is already there.
$node->safe_psql('postgres', 'CREATE DATABASE rows_only');
$node->safe_psql('rows_only', 'CREATE EXTENSION loyalty');
same(fingerprint('rows_only'), $fingerprint, 'a fresh installation equals one with a year behind it');
$node->command_ok([ 'pg_dump', '-Fd', '-j2', '-a', '-T', 'public.*', '-f', "$dump/rows", $node->connstr('shop') ],
    'rows only: dumped');
$node->command_ok([ 'pg_restore', '-j2', '-a', '-e', '-d', $node->connstr('rows_only'), "$dump/rows" ],
    'rows only: restored');
same(state_hash($node, 'rows_only'), $state, 'rows only: every row is there');
books_agree($node, 'rows_only', 'in rows_only');

# The sums of the reports stand for the rows that came with them.  What is to be counted
# again is, and so is gone.
sub sums
{
    return join "\n", grep { /report_/ && !/report_(rfm|run_change)/ } split /\n/, state_hash($node, 'rows_only');
}
my $sums = sums();
like($sums, qr/report_sale_day\|[1-9]/, 'rows only: there are sums');
$node->safe_psql('rows_only', 'SELECT loyalty.report_rebuild(name) FROM loyalty.program');
same(sums(), $sums, 'rows only: made anew from the ledger they are the same');
$node->safe_psql('rows_only', q{SELECT count(*) FROM loyalty.purchase(loyalty.find('shop', 'customer_no', '1'), 10, 'after')});
is($node->safe_psql('rows_only', q{SELECT max(f.done) > 0 FROM generate_series(1, 5) n, LATERAL (SELECT f.done FROM loyalty.report_fold(CASE WHEN n > 0 THEN 500 END) f) f}), 't', 'rows only: and folding goes on');

# Roles: pg_dump keeps the grants; owners come back with setup_roles().
$node->safe_psql('shop', <<'SQL');
SELECT loyalty.setup_roles('shop');
SELECT loyalty.setup_roles('shop');
CREATE ROLE till LOGIN IN ROLE shop_app;
CREATE ROLE analyst LOGIN IN ROLE shop_reader;
SQL
books_agree($node, 'shop', 'with roles');
my $with_roles = fingerprint('shop');

sub owners
{
    my ($db) = @_;
    return $node->safe_psql($db, <<'SQL');
SELECT pg_describe_object(d.classid, d.objid, 0), coalesce(p.proowner, c.relowner, t.typowner)::regrole
FROM pg_extension e JOIN pg_depend d ON d.refobjid = e.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
WHERE e.extname = 'loyalty' ORDER BY 1
SQL
}

sub as_role
{
    my ($role, $db, $sql) = @_;
    return sqlstate($node, $db, "SET ROLE $role; $sql");
}

$node->safe_psql('postgres', 'CREATE DATABASE roles');
$node->command_ok([ 'pg_dump', '-Fd', '-j2', '-f', "$dump/roles", $node->connstr('shop') ], 'roles: dumped');
$node->command_ok([ 'pg_restore', '-j2', '-e', '-d', $node->connstr('roles'), "$dump/roles" ], 'roles: restored');
same(state_hash($node, 'roles'), state_hash($node, 'shop'), 'roles: every row is there');
is(as_role('till', 'roles', q{SELECT count(*) FROM loyalty.find('shop', 'customer_no', '1')}),
    '', 'roles: the application may call at once');
isnt($node->safe_psql('roles', q{SELECT count(*) FROM loyalty.verify() WHERE invariant = 'definer_owned_by_superuser'}),
    '0', 'roles: verify() reports definer functions of a superuser');
$node->safe_psql('roles', q{SELECT loyalty.setup_roles('shop')});
books_agree($node, 'roles', 'once setup_roles() was run again');
same(fingerprint('roles'), $with_roles, 'roles: the grants are equal');
same(owners('roles'), owners('shop'), 'roles: the owners are equal');
is(as_role('till', 'roles', q{SELECT * FROM loyalty.enroll('shop', '{"customer_no": "99"}')}),
    '', 'roles: the application may enrol');
is(as_role('till', 'roles', q{INSERT INTO loyalty.entry SELECT * FROM loyalty.entry}),
    '42501', 'roles: but not write a table');
is(as_role('analyst', 'roles', q{SELECT count(*) FROM loyalty.report_balance}),
    '', 'roles: the reader may read the views');
is(as_role('analyst', 'roles', q{SELECT * FROM loyalty.redeem(1, 1, key => 'k')}),
    '42501', 'roles: but not spend');

$node->stop;
done_testing();

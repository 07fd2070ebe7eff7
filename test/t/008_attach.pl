# Attached tables: a dump keeps the triggers with the table and books nothing
# twice when it is loaded, a large COPY, and a server that is killed.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main');
my $dump = PostgreSQL::Test::Utils::tempdir();

# what is said to each session, and the table's triggers
my $clock = q{SET loyalty.now = '2026-03-15 12:00+00'};

sub triggers
{
    my ($db) = @_;
    return $node->safe_psql($db, <<'SQL');
SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE tgname LIKE 'loyalty_attach%' ORDER BY 1
SQL
}

sub problems
{
    my ($db, $table) = @_;
    return $node->safe_psql($db, "SELECT problem, ref FROM loyalty.reconcile('$table')");
}

$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', <<"SQL");
CREATE EXTENSION loyalty;
$clock;
SELECT loyalty.program_create('shop', 'EUR', 'Europe/Berlin');
SELECT loyalty.setup_roles('shop');
CREATE ROLE shopkeeper IN ROLE shop_admin;
CREATE ROLE till;
SELECT count(r) FROM generate_series(1, 100) no, loyalty.enroll('shop', jsonb_build_object('customer_no', no::text)) r;
CREATE SCHEMA shop AUTHORIZATION shopkeeper;
GRANT USAGE ON SCHEMA shop TO till;
SET ROLE shopkeeper;
CREATE TABLE shop.orders (no text PRIMARY KEY, customer text, price numeric(12,2), paid_at timestamptz, state text);
CREATE TABLE shop.parts (no int, customer text, price numeric(12,2), paid_at timestamptz) PARTITION BY RANGE (no);
CREATE TABLE shop.parts_1 PARTITION OF shop.parts FOR VALUES FROM (0) TO (100);
CREATE TABLE shop.parts_2 PARTITION OF shop.parts FOR VALUES FROM (100) TO (200);
SELECT loyalty.attach('shop.orders', 'shop', member => 'customer', amount => 'price', ref => 'no',
    identity => 'customer_no', enroll => true, paid => 'state', paid_values => ARRAY['paid', E'it''s \\\\ "ok"=']);
SELECT loyalty.attach('shop.parts', 'shop', member => 'customer', amount => 'price', ref => 'no', identity => 'customer_no');
GRANT SELECT, INSERT, UPDATE ON shop.orders TO till;
INSERT INTO shop.orders SELECT 'o' || n, n::text, n * 1.5, '2026-03-15 09:00+00', 'paid' FROM generate_series(1, 120) n;
INSERT INTO shop.parts SELECT n, (n % 100)::text, n, '2026-03-15 09:00+00' FROM generate_series(1, 150) n;
UPDATE shop.orders SET state = 'void' WHERE no LIKE '%7';
UPDATE shop.orders SET price = price + 1 WHERE no LIKE '%8';
SQL
books_agree($node, 'shop', 'before the dump');
is(problems('shop', $_), '', "$_ agrees before the dump") for qw(shop.orders shop.parts);
my $state = state_hash($node, 'shop');
my $triggers = triggers('shop');
is(scalar(() = $triggers =~ /CREATE TRIGGER/g), 12, 'triggers on two tables and two partitions');
unlike($state, qr/loyalty\.(?:identity|journal|entry)\|0\|/, 'there are books');

my %ways = (
    directory => [
        [ 'pg_dump', '-Fd', '-j2', '-f', "$dump/directory", $node->connstr('shop') ],
        [ 'pg_restore', '-j2', '-e', '-d', $node->connstr('directory'), "$dump/directory" ] ],
    plain => [
        [ 'pg_dump', '-f', "$dump/plain.sql", $node->connstr('shop') ],
        [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $node->connstr('plain'), '-f', "$dump/plain.sql" ] ]);

for my $way (sort keys %ways)
{
    $node->safe_psql('postgres', "CREATE DATABASE $way");
    $node->command_ok($ways{$way}[0], "$way: dumped");
    $node->command_ok($ways{$way}[1], "$way: restored");
    is(state_hash($node, $way), $state, "$way: loading the table has booked nothing");
    is(triggers($way), $triggers, "$way: the mapping is kept with the table");
    is(problems($way, $_), '', "$way: $_ agrees") for qw(shop.orders shop.parts);
    $node->safe_psql($way, qq{SELECT loyalty.setup_roles('shop'); SET ROLE till; $clock;
        INSERT INTO shop.orders VALUES ('new', '200', 9, '2026-03-15 09:00+00', E'it''s \\\\ "ok"=');
        UPDATE shop.orders SET state = 'paid' WHERE no = 'o7'});
    is($node->safe_psql($way, q{SELECT string_agg(ref, ' ' ORDER BY journal_id) FROM loyalty.journal WHERE ref IN ('new', 'o7', 'o7~2', 'o7~r1')}),
        'o7 o7~r1 new o7~2', "$way: and orders flow in");
    is(problems($way, 'shop.orders'), '', "$way: to the cent");
    books_agree($node, $way, "in $way");
}

# The rows alone, without their triggers, into a table that is attached: they
# flow in, and what the books have already is not booked again.
$node->safe_psql('plain', 'CREATE TABLE kept AS SELECT * FROM shop.orders');
$node->safe_psql('plain', qq{$clock; SELECT loyalty.detach('shop.orders'); DELETE FROM shop.orders});
$node->safe_psql('plain', <<"SQL");
$clock;
SELECT loyalty.attach('shop.orders', 'shop', member => 'customer', amount => 'price', ref => 'no',
    identity => 'customer_no', enroll => true, paid => 'state', paid_values => ARRAY['paid', E'it''s \\\\ "ok"=']);
SQL
$state = state_hash($node, 'plain');
$node->safe_psql('plain', "$clock; INSERT INTO shop.orders SELECT * FROM kept");
is(state_hash($node, 'plain'), $state, 'what is loaded twice is booked once');
is(problems('plain', 'shop.orders'), '', 'and agrees');

# A COPY of more than one chunk and of more than fits into work_mem.
my $rows = join '', map { "c$_\t" . ($_ % 130 + 1) . "\t" . ($_ % 97) . ".25\t2026-03-15 09:00+00\tpaid\n" } 1 .. 5000;
$node->safe_psql('directory', "$clock;\nSET work_mem = '64kB';\nCOPY shop.orders FROM STDIN;\n$rows\\.\n");
is(problems('directory', 'shop.orders'), '', 'a large COPY, to the cent');
is($node->safe_psql('directory', q{SELECT count(*) FROM loyalty.journal WHERE ref LIKE 'c%'}), '5000', 'each row once');
$node->safe_psql('directory', "$clock; SET work_mem = '64kB'; UPDATE shop.orders SET price = price - 0.25 WHERE no LIKE 'c%' AND price > 50");
is(problems('directory', 'shop.orders'), '', 'a large UPDATE, to the cent');
$node->safe_psql('directory', "$clock; DELETE FROM shop.orders WHERE no LIKE 'c%'");
is(problems('directory', 'shop.orders'), '', 'a large DELETE, to the cent');
books_agree($node, 'directory', 'after that');

# Order and points are committed together, or lost together.
my $session = $node->background_psql('directory');
$session->query_safe("$clock; BEGIN; INSERT INTO shop.orders VALUES ('lost', '1', 5, '2026-03-15 09:00+00', 'paid')");
$node->safe_psql('directory', "$clock; INSERT INTO shop.orders VALUES ('kept', '2', 5, '2026-03-15 09:00+00', 'paid')");
$node->stop('immediate');
eval { $session->quit };
$node->start;
is($node->safe_psql('directory', q{SELECT string_agg(no, ' ') FROM shop.orders WHERE no IN ('lost', 'kept')}), 'kept',
    'after a crash: the order that was committed');
is(problems('directory', 'shop.orders'), '', 'after a crash: and its points');
books_agree($node, 'directory', 'after a crash');

$node->stop;
done_testing();

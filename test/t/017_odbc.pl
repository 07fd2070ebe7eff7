# What a BI tool sees over ODBC that logs in as a reader (doc/bi.md): the views, the
# types of their columns, text, numbers, dates and NULL.

use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($driver) = glob '/usr/lib/*/odbc/psqlodbcw.so';
plan skip_all => 'there is no ODBC driver (Debian: odbc-postgresql)' unless $driver;
plan skip_all => 'there is no isql (Debian: unixodbc)' unless grep { -x "$_/isql" } split /:/, $ENV{PATH};
plan skip_all => 'there is no DBD::ODBC (Debian: libdbd-odbc-perl)' unless eval { require DBD::ODBC; 1 };

my $node = new_node('main', conf => "loyalty.now = '2026-03-15 12:00+08'");
$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', "SET client_encoding = 'UTF8';" . <<'SQL');
CREATE EXTENSION loyalty;
SELECT loyalty.setup_roles('shop');
CREATE ROLE analyst LOGIN IN ROLE shop_reader;
SELECT loyalty.program_create('云山茶铺', 'CNY', 'Asia/Shanghai') AS shop \gset
INSERT INTO loyalty.tier (program_id, code, rank, title) VALUES (:shop, 'base', 0, '普通会员');
SELECT loyalty.sale('云山茶铺', '{"customer_no": "1"}', 129.90, 'order-1', data => '{"store": "静安店", "channel": "wechat"}');
SELECT loyalty.sale('云山茶铺', '{"customer_no": "2"}', 80, 'order-2');
SELECT loyalty.enroll('云山茶铺', '{"customer_no": "3"}');
SQL

# Nothing but what stands here: neither the driver manager's own files nor the user's.
my $dir = PostgreSQL::Test::Utils::tempdir('odbc');
append_to_file("$dir/odbcinst.ini", "[psql]\nDriver = $driver\n");
append_to_file("$dir/odbc.ini", <<"INI");
[shop]
Driver = psql
Servername = @{[ $node->host ]}
Port = @{[ $node->port ]}
Database = shop
Username = analyst
ReadOnly = 1
ShowSystemTables = 0
BoolsAsChar = 0
INI
delete $ENV{ODBCINSTINI};
$ENV{ODBCSYSINI} = $dir;
$ENV{ODBCINI} = "$dir/odbc.ini";
local $ENV{LC_ALL} = 'C.UTF-8';

# The command line of the driver manager.
my ($out, $err);
IPC::Run::run([ 'isql', 'shop', '-b', '-d|' ], '<', \"SELECT program, purchases FROM loyalty.report_member ORDER BY member_id\n", '>', \$out, '2>', \$err);
is($err, '', 'isql connects');
like($out, qr/\|1\s*\n.*\|1\s*\n.*\|0/, 'and reads a view');

my $dbh = DBI->connect('dbi:ODBC:shop', undef, undef, { RaiseError => 1, PrintError => 0, odbc_utf8_on => 1 });

# SQLTables: what a tool offers for choosing from.
my %listed = map { $_->[2] => $_->[4] } @{ $dbh->table_info(undef, 'loyalty', '%', 'VIEW')->fetchall_arrayref };
my @views = split /\n/, $node->safe_psql('shop', q{
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'loyalty'::regnamespace AND c.relkind = 'v' AND c.relname LIKE 'report\_%'
    AND has_table_privilege('analyst', c.oid, 'SELECT') ORDER BY 1});
cmp_ok(scalar @views, '>=', 9, 'there are views');
is_deeply([ grep { !exists $listed{$_} } @views ], [], 'all of them are listed');

# SQLColumns: a type that a tool can work with, for each column.
my %plain = map { $_ => 1 } qw(bool int2 int4 int8 numeric text date time timestamptz);
my (@odd, %type);
for my $view (@views)
{
    for my $column (@{ $dbh->column_info(undef, 'loyalty', $view, '%')->fetchall_arrayref({}) })
    {
        $type{$view}{ $column->{COLUMN_NAME} } = $column->{DATA_TYPE};
        push @odd, "$view.$column->{COLUMN_NAME} $column->{TYPE_NAME}"
          unless $plain{ $column->{TYPE_NAME} };
    }
}
is_deeply(\@odd, [], 'all columns have plain types');
is($type{report_member}{member_id}, DBI::SQL_BIGINT(), 'an id is a big integer');
is($type{report_member}{purchases}, DBI::SQL_INTEGER(), 'a number of purchases is an integer');
is($type{report_member}{joined_on}, DBI::SQL_TYPE_DATE(), 'a day is a date');
is($type{report_member}{joined_at}, DBI::SQL_TYPE_TIMESTAMP(), 'an instant is a timestamp');
is($type{report_balance}{available}, DBI::SQL_NUMERIC(), 'an amount is numeric');
ok((grep { $type{report_member}{program} == $_ } DBI::SQL_VARCHAR(), DBI::SQL_WVARCHAR(), DBI::SQL_LONGVARCHAR(), DBI::SQL_WLONGVARCHAR()),
    'a name is text');

# Three views, as a tool reads them: all columns, whatever their order.
sub rows { return $dbh->selectall_arrayref("SELECT * FROM loyalty.$_[0] ORDER BY $_[1]", { Slice => {} }) }

my $members = rows('report_member', 'member_id');
is(@$members, 3, 'report_member has a row for each member');
is($members->[0]{program}, '云山茶铺', 'with text in UTF-8');
like($members->[0]{joined_on}, qr/^2026-03-15/, 'days');
is($members->[0]{purchases}, 1, 'numbers');
is($members->[0]{tier}, 'base', 'codes');
ok(!defined $members->[2]{first_purchase_at}, 'and NULL where there is nothing');

my $balances = rows('report_balance', "member_id, unit");
my ($points) = grep { $_->{unit} eq 'points' } @$balances;
cmp_ok($points->{available}, '==', 129, 'report_balance has amounts');
cmp_ok($points->{worth}, '==', 1.29, 'with decimals');
is((grep { $_->{unit} eq 'spend' && $_->{available} == 129.9 && !defined $_->{worth} } @$balances), 1, 'and NULL where they are worth nothing');

my $events = rows('report_event', 'journal_id');
my ($sold) = grep { ($_->{ref} // '') eq 'order-1' } @$events;
is($sold->{store}, '静安店', 'report_event says where');
cmp_ok($sold->{amount}, '==', 129.90, 'for how much');
like($sold->{effective_on}, qr/^2026-03-15/, 'and when');

# parameters, as tools bind them
is_deeply($dbh->selectcol_arrayref('SELECT ref FROM loyalty.report_event WHERE program = ? AND amount > ? ORDER BY journal_id', undef, '云山茶铺', 100),
    ['order-1'], 'parameters are bound');

# The reader gets no further.
for my $table (qw(identity event_data))
{
    eval { $dbh->selectall_arrayref("SELECT * FROM loyalty.$table") };
    is($dbh->state, '42501', "and $table is not for readers");
}
eval { $dbh->selectall_arrayref('SELECT profile FROM loyalty.member') };
is($dbh->state, '42501', 'nor is the profile');

$dbh->disconnect;
$node->stop;
done_testing();

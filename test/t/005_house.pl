# The rules of the house: what the library exports, that concepts use only
# those before them, that the catalogue keeps what a dump, an upgrade and a
# distributed engine need, and that the documentation lists what there is.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::Bin/../..";
my $node = new_node('main');
$node->safe_psql('postgres', 'CREATE EXTENSION loyalty');

sub rows
{
    my ($sql) = @_;
    return $node->safe_psql('postgres', $sql);
}

#
# The library
#

my ($library) = run_command([ 'pg_config', '--pkglibdir' ]);
my @exported = grep { !/^(?:loyalty_\w+|pg_finfo_loyalty_\w+|Pg_magic_func|_PG_init|_PG_fini)$/ }
  map { (split)[2] } split /\n/, run_command([ 'nm', '-D', '--defined-only', "$library/loyalty.so" ]);
is("@exported", '', 'the library exports its SQL functions and nothing else');

is(rows(<<'SQL'), '', 'each C function is called by one name, loyalty_ and the concept');
SELECT p.oid::regprocedure, p.prosrc
FROM pg_proc p
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'loyalty'
WHERE p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
AND p.prosrc !~ '^loyalty_[a-z_]+$'
SQL

#
# Concepts
#

my ($list) = slurp_file("$root/Makefile") =~ /^CONCEPTS = ((?:.*\\\n)*.*)$/m;
my @concepts = grep { /\w/ } split /[\s\\]+/, $list;
my %order = map { $concepts[$_] => $_ + 1 } 0 .. $#concepts;
# every file may use these
$order{$_} = 0 for qw(loyalty errors statement);

# The concept of a file, by the longest prefix that is one.
sub concept_of
{
    my ($path) = @_;
    my ($name) = $path =~ m{([^/]+)\.\w+$};

    while (!exists $order{$name})
    {
        $name =~ s/_[^_]*$// or return;
    }
    return $name;
}

my @sources = map { glob "$root/$_" } qw(src/*.c src/*.h sql/state/*.sql sql/code/*.sql);
is_deeply([ grep { !defined concept_of($_) } @sources ], [], 'every file belongs to a concept');

my %table_of;
for my $path (glob "$root/sql/state/*.sql")
{
    $table_of{$_} = concept_of($path) for slurp_file($path) =~ /^CREATE TABLE loyalty\.(\w+)/mg;
}

my @upward;
for my $path (@sources)
{
    my $text = slurp_file($path);
    my $concept = concept_of($path) // next;
    my @uses = map { [ $_, concept_of($_) ] } $text =~ /^#include "([a-z]\w*\.h)"/mg;

    # comments may look ahead
    $text =~ s{/\*.*?\*/}{}gs if $path =~ /\.[ch]$/;
    $text =~ s{--.*$}{}mg if $path =~ /\.sql$/;
    push @uses, map { [ "table $_", $table_of{$_} ] }
      grep { exists $table_of{$_} } $text =~ /\bloyalty\.(\w+)\b(?!\()/g;
    for my $use (@uses)
    {
        my ($what, $other) = @$use;

        # PostgreSQL's own headers
        next unless defined $other;
        next if $order{$other} <= $order{$concept};
        # the register of tables names them all, and the module starts its parts
        next if $path =~ m{(?:sql/state/loyalty\.sql|src/loyalty\.c)$};
        (my $file = $path) =~ s{^\Q$root\E/}{};
        push @upward, "$file uses $what of $other";
    }
}
is(join("\n", @upward), '', 'a concept uses only those before it');

my @foreign = map { [ split /\|/ ] } split /\n/, rows(<<'SQL');
SELECT conrelid::regclass, confrelid::regclass
FROM pg_constraint
WHERE contype = 'f' AND connamespace = 'loyalty'::regnamespace
SQL
is_deeply(
    [ grep { my ($from, $to) = map { s/^loyalty\.//r } @$_;
             $order{ $table_of{$to} } > $order{ $table_of{$from} } || $from eq $to } @foreign ],
    [], 'foreign keys lead to earlier concepts');

#
# The catalogue
#

is(rows(<<'SQL'), '', 'every table and sequence is dumped');
SELECT c.oid::regclass
FROM pg_class c, pg_extension e
WHERE e.extname = 'loyalty' AND c.relnamespace = 'loyalty'::regnamespace
AND c.relkind IN ('r', 'p', 'S') AND c.oid <> ALL (coalesce(e.extconfig, '{}'))
SQL

is(rows(<<'SQL'), '', 'everything in the schema belongs to the extension');
SELECT pg_describe_object(x.classid, x.oid, 0)
FROM (SELECT 'pg_class'::regclass AS classid, oid FROM pg_class
      WHERE relnamespace = 'loyalty'::regnamespace AND relkind NOT IN ('i', 't', 'c')
      UNION ALL
      SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = 'loyalty'::regnamespace) x
WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = x.classid AND d.objid = x.oid AND d.deptype = 'e')
SQL

is(rows(<<'SQL'), '', 'all is in the schema');
SELECT pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend d
JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'loyalty'
LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
WHERE d.deptype = 'e' AND coalesce(c.relnamespace, p.pronamespace, t.typnamespace) <> 'loyalty'::regnamespace
SQL

is(rows(<<'SQL'), '', 'tables are permanent, plain, and declared in table_kind');
SELECT c.oid::regclass, c.relkind, c.relpersistence, k.kind
FROM pg_class c
FULL JOIN loyalty.table_kind k ON k.table_name = c.relname
WHERE (c.relnamespace = 'loyalty'::regnamespace AND c.relkind IN ('r', 'p', 'f', 'm')
       AND (c.relkind <> 'r' OR c.relpersistence <> 'p' OR k.kind IS NULL))
OR c.oid IS NULL
SQL

is(rows(<<'SQL'), '', 'a member table has member_id first in every key, and program_id');
SELECT c.oid::regclass, i.indexrelid::regclass
FROM loyalty.table_kind k
JOIN pg_class c ON c.relname = k.table_name AND c.relnamespace = 'loyalty'::regnamespace
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisunique
LEFT JOIN pg_attribute m ON m.attrelid = c.oid AND m.attname = 'member_id'
LEFT JOIN pg_attribute p ON p.attrelid = c.oid AND p.attname = 'program_id'
WHERE k.kind = 'member'
AND (m.atttypid IS DISTINCT FROM 'bigint'::regtype OR NOT m.attnotnull
     OR p.atttypid IS DISTINCT FROM 'int'::regtype OR NOT p.attnotnull
     OR i.indkey[0] IS DISTINCT FROM m.attnum)
SQL

is(rows(<<'SQL'), '', 'a lookup table has its column first in its key');
SELECT c.oid::regclass
FROM loyalty.table_kind k
JOIN pg_class c ON c.relname = k.table_name AND c.relnamespace = 'loyalty'::regnamespace
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = k.column_name
WHERE k.kind = 'lookup' AND a.attnum IS DISTINCT FROM i.indkey[0]
SQL

is(rows(<<'SQL'), '', 'foreign keys between member tables begin with member_id; none leads from core to a lookup');
SELECT f.conrelid::regclass, f.conname
FROM pg_constraint f
JOIN pg_class c ON c.oid = f.conrelid
JOIN pg_class r ON r.oid = f.confrelid
JOIN loyalty.table_kind kc ON kc.table_name = c.relname
JOIN loyalty.table_kind kr ON kr.table_name = r.relname
WHERE f.contype = 'f' AND f.connamespace = 'loyalty'::regnamespace
AND (kr.kind = 'lookup' OR kc.kind = 'reference' AND kr.kind <> 'reference'
     OR kr.kind = 'member' AND (SELECT attname FROM pg_attribute WHERE attrelid = f.conrelid AND attnum = f.conkey[1]) <> 'member_id')
SQL

is(rows(<<'SQL'), '', 'no identity columns, no serial, no float, no reg type, no domain in a table');
SELECT a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relnamespace = 'loyalty'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
AND (a.attidentity <> '' OR t.typtype = 'd'
     OR a.atttypid::regtype::text IN ('real', 'double precision', 'regproc', 'regprocedure', 'regoper',
                                      'regoperator', 'regconfig', 'regdictionary', 'regnamespace', 'regcollation')
     OR EXISTS (SELECT FROM pg_depend d WHERE d.refobjid = c.oid AND d.refobjsubid = a.attnum AND d.deptype = 'a'
                AND d.classid = 'pg_class'::regclass AND d.objid IN (SELECT seqrelid FROM pg_sequence)))
SQL

is(rows(<<'SQL'), '', 'functions take and return no float and no row of a table');
SELECT p.oid::regprocedure
FROM pg_proc p
CROSS JOIN LATERAL unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype) AS a(type)
LEFT JOIN pg_type t ON t.oid = a.type
LEFT JOIN pg_class c ON c.oid = t.typrelid AND c.relkind IN ('r', 'v')
WHERE p.pronamespace = 'loyalty'::regnamespace
AND (a.type IN ('real'::regtype, 'double precision'::regtype) OR c.oid IS NOT NULL)
SQL

is(rows(<<'SQL'), '', 'functions that can run SQL have a fixed search path');
SELECT p.oid::regprocedure
FROM pg_proc p
WHERE p.pronamespace = 'loyalty'::regnamespace AND p.prosqlbody IS NULL
-- a procedure that has one cannot commit
AND p.prokind NOT IN ('a', 'p')
AND NOT (p.provolatile = 'i' AND p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c'))
AND 'search_path=pg_catalog, pg_temp' <> ALL (coalesce(p.proconfig, '{}'))
SQL

is(rows(<<'SQL'), '', 'PUBLIC may do nothing');
SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace = 'loyalty'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE')
UNION ALL
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = 'loyalty'::regnamespace AND relkind IN ('r', 'v')
AND has_table_privilege('public', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
UNION ALL
SELECT nspname::text FROM pg_namespace
WHERE nspname = 'loyalty' AND has_schema_privilege('public', oid, 'USAGE, CREATE')
SQL

is(rows(<<'SQL'), '', 'views run with the rights of who asks, and show no type of ours');
SELECT c.oid::regclass, a.attname
FROM pg_class c
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
     AND a.atttypid IN (SELECT oid FROM pg_type WHERE typnamespace = 'loyalty'::regnamespace)
WHERE c.relnamespace = 'loyalty'::regnamespace AND c.relkind = 'v'
AND ('security_invoker=true' <> ALL (coalesce(c.reloptions, '{}')) OR a.attname IS NOT NULL)
SQL

is(rows(<<'SQL'), '', 'every function, table, view, sequence and type has a comment');
SELECT pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend d
JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'loyalty'
WHERE d.deptype = 'e'
AND d.classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_type'::regclass)
AND NOT EXISTS (SELECT FROM pg_type t WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid
                AND (t.typelem <> 0 OR t.typrelid <> 0))
AND NOT EXISTS (SELECT FROM pg_class c WHERE d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relkind = 'c')
AND NOT EXISTS (SELECT FROM pg_description x WHERE x.classoid = d.classid AND x.objoid = d.objid AND x.objsubid = 0)
SQL

my $names = rows(<<'SQL');
SELECT proname FROM pg_proc WHERE pronamespace = 'loyalty'::regnamespace AND prorettype <> 'trigger'::regtype
-- those behind a type and its operators apart
AND oid NOT IN (SELECT unnest(ARRAY[typinput, typoutput, typreceive, typsend]) FROM pg_type WHERE typnamespace = 'loyalty'::regnamespace)
AND oid NOT IN (SELECT oprcode FROM pg_operator WHERE oprnamespace = 'loyalty'::regnamespace)
AND oid NOT IN (SELECT unnest(ARRAY[aggtransfn, aggfinalfn]) FROM pg_aggregate)
UNION
SELECT relname FROM pg_class WHERE relnamespace = 'loyalty'::regnamespace AND relkind IN ('r', 'v')
ORDER BY 1
SQL

# two installations, one of them after a drop: the same facts
my $fingerprint = slurp_file("$root/test/fingerprint.sql");
my $fresh = rows($fingerprint);
ok($fresh =~ /^routine .*purchase/m && $fresh =~ /^column .*account/m, 'the fingerprint has content');
rows('DROP EXTENSION loyalty; CREATE EXTENSION loyalty');
ok(rows($fingerprint) eq $fresh, 'installed again it is the same');
rows(q{ALTER TABLE loyalty.unit ALTER vest_days SET DEFAULT 1});
ok(rows($fingerprint) ne $fresh, 'a changed default changes the fingerprint');
rows('DROP EXTENSION loyalty');
is(rows(q{SELECT count(*) FROM pg_namespace WHERE nspname = 'loyalty'}), '0', 'DROP EXTENSION leaves nothing');

#
# The documentation
#

my %declared = slurp_file("$root/src/errors.h") =~ /X\(\w+, "(LY...)", "(\w+)"/g;
my %documented = slurp_file("$root/doc/errors.md") =~ /^\|\s*`?(LY\w{3})`?\s*\|\s*`?(\w+)`?/mg;
ok(keys %declared > 40, 'errors.h has errors');
is_deeply(\%documented, \%declared, 'doc/errors.md lists code and name of exactly those in errors.h');
my @codes = slurp_file("$root/src/errors.h") =~ /X\(\w+, "(LY...)"/g;
is(scalar(@codes), scalar(keys %declared), 'no code is given twice');

my $pages = join '', map { slurp_file($_) } glob "$root/doc/*.md";
is( join(' ', grep { $pages !~ /\b\Q$_\E\b/ } split /\n/, $names),
    '', 'doc/ tells of every function, table and view');

$node->stop;
done_testing();

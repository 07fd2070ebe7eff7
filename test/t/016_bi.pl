# The dashboard for Grafana (doc/bi/grafana.json): each of its queries runs as a
# reader, gives the columns that its panel shows, and stands any programme.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use LoyaltyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $dashboard = decode_json(slurp_file("$FindBin::Bin/../../doc/bi/grafana.json"));
my %variable = map { $_->{name} => $_ } @{ $dashboard->{templating}{list} };
my @panels = grep { $_->{type} ne 'row' } @{ $dashboard->{panels} };

my $node = new_node('main', conf => "loyalty.now = '2026-01-31 09:00+00'");
create_shop($node, 'shop');
$node->safe_psql('shop', <<'SQL');
SELECT loyalty.setup_roles('shop');
CREATE ROLE analyst LOGIN IN ROLE shop_reader;
SELECT loyalty.program_create('o''clock', 'CNY', 'Asia/Shanghai');
SQL

# What Grafana makes of it: :sqlstring quotes, the two macros are the range.
sub substituted
{
    my ($sql, %value) = @_;
    $sql =~ s{\$\{(\w+):sqlstring\}}{my $text = $value{$1} // die "\$$1"; "'" . $text =~ s/'/''/gr . "'"}ge;
    $sql =~ s/\$__timeFrom\(\)/'2025-01-01T00:00:00Z'/g;
    $sql =~ s/\$__timeTo\(\)/'2026-01-31T09:00:00Z'/g;
    return $sql;
}

sub as_reader
{
    my ($sql) = @_;
    my ($status, $out, $err) = $node->psql('shop', $sql, extra_params => [ '-U', 'analyst' ]);
    return ($status ? undef : $out, $err);
}

# The layout: in a grid of 24 columns no two lie on each other.
my %taken;
my $overlaps = 0;
for my $grid (map { $_->{gridPos} } @{ $dashboard->{panels} })
{
    for my $x ($grid->{x} .. $grid->{x} + $grid->{w} - 1)
    {
        $overlaps++ if $x > 23;
        $overlaps += $taken{"$x/$_"}++ ? 1 : 0 for $grid->{y} .. $grid->{y} + $grid->{h} - 1;
    }
}
is($overlaps, 0, 'panels do not overlap');
my %ids;
$ids{ $_->{id} }++ for @{ $dashboard->{panels} };
is_deeply([ grep { $ids{$_} > 1 } keys %ids ], [], 'ids are unique');
cmp_ok(scalar @panels, '>=', 15, 'there are panels');

# The variables, each with those before it.
my %value;
for my $variable (grep { $_->{type} eq 'query' } @{ $dashboard->{templating}{list} })
{
    my ($out, $err) = as_reader(substituted($variable->{query}, %value));
    my @values = split /\n/, $out // '';
    cmp_ok(scalar @values, '>', 0, "variable $variable->{name}") or diag $err;
    $value{ $variable->{name} } = $variable->{name} eq 'program' ? 'shop' : $values[0];
}
is_deeply(\%value, { program => 'shop', unit => 'points', zone => 'Europe/Berlin' }, 'have the values of the shop');

my $number = qr/^(integer|bigint|smallint|numeric|double precision)/;
# the shop of the tests has none
my %may_be_empty = map { $_ => 1 } 'KPIs', 'Movement between tiers', 'Top products', 'Campaigns', 'Automations', 'Stages of the lifecycle';

for my $panel (@panels)
{
    my $title = $panel->{title};
    my ($target, @more) = @{ $panel->{targets} };
    my $sql = $target->{rawSql};
    is(scalar @more, 0, "$title: one query");

    my %used = map { $_ => 1 } $sql =~ /\$\{(\w+)/g, $title =~ /\$\{(\w+)/g;
    ok(!(grep { !$variable{$_} } keys %used), "$title: all variables are there");

    # each value that can be chosen
    my @choices = ({});
    for my $name (grep { $variable{$_}{type} eq 'custom' } keys %used)
    {
        @choices = map { my $before = $_; map { { %$before, $name => $_->{value} } } @{ $variable{$name}{options} } } @choices;
    }
    my ($rows, @failed);
    for my $choice (@choices)
    {
        for my $program ({ program => 'shop', zone => 'Europe/Berlin' }, { program => q{o'clock}, zone => 'Asia/Shanghai' })
        {
            my ($out, $err) = as_reader(substituted($sql, %value, %$program, %$choice));
            push @failed, $err unless defined $out;
            $rows += split /\n/, $out // '' if $program->{program} eq 'shop';
        }
    }
    is_deeply(\@failed, [], "$title: runs as a reader") or next;
    cmp_ok($rows, '>', 0, "$title: shows something") unless $may_be_empty{$title};

    my ($description) = as_reader(substituted($sql, %value, %{ $choices[0] }) . ' \gdesc');
    my @columns = map { [ split /\|/ ] } split /\n/, $description;
    my %type = map { @$_ } @columns;
    ok((grep { $_ =~ $number } values %type), "$title: has numbers");

    if ($target->{format} eq 'time_series')
    {
        is($type{time}, 'timestamp with time zone', "$title: has a time");
        is_deeply([ grep { $_->[0] ne 'time' && $_->[1] !~ $number } @columns ], [], "$title: and numbers only besides");
    }
    if ($panel->{type} eq 'barchart')
    {
        is($type{ $panel->{options}{xField} }, 'text', "$title: has what stands below the bars");
    }
    if ((my $fields = $panel->{options}{reduceOptions}{fields} // '') =~ m{^/(.*)/$})
    {
        my $pattern = $1;
        ok((grep { $_ =~ $pattern } keys %type), "$title: has $fields");
    }
    for my $matcher (map { $_->{matcher} } @{ $panel->{fieldConfig}{overrides} })
    {
        my $pattern = $matcher->{id} eq 'byName' ? qr/^\Q$matcher->{options}\E$/ : qr/$matcher->{options}/;
        ok((grep { $_ =~ $pattern } keys %type), "$title: has $matcher->{options}");
    }
}

$node->stop;
done_testing();

# Databases of other encodings than UTF-8: the extension can be created, and works.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use PostgreSQL::Test::Cluster;
use Test::More;

# What is read by the server in the encoding of the database
my @not_ascii;
for my $file (glob "$FindBin::Bin/../../sql/*.sql $FindBin::Bin/../../sql/*/*.sql")
{
    open my $text, '<', $file or die $!;
    push @not_ascii, "$file:$." for grep { /[^\x00-\x7f]/ } <$text>;
}
is("@not_ascii", '', 'the scripts are ASCII');

my $node = new_node('encoding');
my $chinese = "\xe5\x9f\xba\xe7\xa1\x80";
my %title = (LATIN1 => 'Basic', EUC_CN => $chinese, EUC_JP => 'Basic', SQL_ASCII => $chinese);

for my $encoding (sort keys %title)
{
    my $db = lc "in_$encoding";

    $node->safe_psql('postgres', "CREATE DATABASE $db ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    $node->safe_psql($db, 'CREATE EXTENSION loyalty');
    $node->safe_psql($db, q{SELECT loyalty.program_create(name, 'EUR', 'UTC', name) FROM loyalty.program_templates()});
    $node->safe_psql($db, q{SELECT loyalty.purchase((SELECT member_id FROM loyalty.enroll('basic', '{"customer_no": "1"}')), 10, 'o1')});
    is($node->safe_psql($db, 'SELECT * FROM loyalty.verify()'), '', "$encoding: the books are right");
    is($node->safe_psql($db, q{SET client_encoding = 'UTF8'; SELECT title_zh FROM loyalty.program_templates() WHERE name = 'basic'}),
        $title{$encoding}, "$encoding: a title in Chinese, or in English");
    is($node->safe_psql($db, q{SELECT count(*) > 20 FROM loyalty.automation_templates() WHERE title_zh > ''}), 't', "$encoding: automations have titles");
}

$node->stop;
done_testing();

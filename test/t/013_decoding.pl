# The outbox by logical decoding: doc/message_decoding.md is run as it stands, and
# what it says of streams, dumps and slots is tried.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "wal_level = logical\n");
plan skip_all => 'there is no test_decoding here'
  unless $node->psql('postgres', "SELECT pg_create_logical_replication_slot('there', 'test_decoding')") == 0;
$node->safe_psql('postgres', "SELECT pg_drop_replication_slot('there')");

my $page = slurp_file("$FindBin::Bin/../../doc/message_decoding.md");
my @blocks = $page =~ /^```psql\n(.*?)^```$/msg;
is(scalar @blocks, 9, 'the page has so many blocks');

my $ann = q{SELECT loyalty.find('shop', 'customer_no', '1') AS ann \gset};

# What a block prints, run as it stands.
sub block
{
    my ($no, $db) = @_;
    return $node->safe_psql($db // 'shop', "$ann\n$blocks[$no]");
}

sub rows { my ($sql) = @_; return $node->safe_psql('shop', $sql) }

sub create_program
{
    my ($db) = @_;
    $node->safe_psql('postgres', "CREATE DATABASE $db");
    return $node->safe_psql($db, <<'SQL');
CREATE EXTENSION loyalty;
SELECT loyalty.program_create('shop', 'EUR', 'Europe/Berlin');
SELECT loyalty.message_channels('shop');
SELECT count(r) FROM loyalty.enroll('shop', '{"customer_no": "1"}') r;
SQL
}

create_program('shop');

# publication and slot, reader, channel
is(block(0), 'loyalty_outbox', 'publication and slot');
is(block(1) . block(2), '', 'reader and channel');
is(rows(q{SELECT status FROM loyalty.message_channel WHERE name = 'webhook'}), 'paused', 'which is paused');

like(block(3), qr/\Aloyalty_look\nt\nt\norder_paid\|\{"order": "1001"\}\n\s*\z/, 'a committed message is in the stream, one that was rolled back is not');

# the stream of the publication, as a reader gets it: the messages of its changes
sub stream
{
    my $changes = rows(<<'SQL');
SELECT encode(data, 'hex')
FROM pg_logical_slot_get_binary_changes('loyalty_outbox', NULL, NULL, 'proto_version', '1', 'publication_names', 'loyalty_outbox')
WHERE get_byte(data, 0) = ascii('I')
SQL
    return [ map { (pack('H*', $_) =~ /"order": "(\d+)"/)[0] } split /\n/, $changes ];
}

rows(<<'SQL');
SELECT loyalty.message_enqueue(loyalty.find('shop', 'customer_no', '1'), 'sms', 'other', '{"order": "7"}');
SELECT loyalty.message_cancel(member_id, message_id) FROM loyalty.message WHERE template = 'other';
SQL
# the later commit comes later, whatever began first
my $first = $node->background_psql('shop');
$first->query_safe(q{BEGIN; SELECT loyalty.message_enqueue(loyalty.find('shop', 'customer_no', '1'), 'webhook', 'order_paid', '{"order": "1010"}')});
my ($status) = $node->psql('shop', q{SELECT count(r) FROM loyalty.enroll('shop', '{"customer_no": "2"}') r;
    SELECT loyalty.message_enqueue(loyalty.find('shop', 'customer_no', '2'), 'webhook', 'order_paid', '{"order": "1011"}')});
is($status, 0, 'another member does not wait');
$first->query_safe('COMMIT');
$first->quit;
is_deeply(stream(), [ 1001, 1011, 1010 ], 'each committed message of the channel once, in the order of commits');
is_deeply(stream(), [], 'and not again');

# an order that is undone takes its message along, also when it is undone in part
rows(<<'SQL');
BEGIN;
SELECT count(r) FROM loyalty.purchase(loyalty.find('shop', 'customer_no', '1'), 10, 'o1') r;
SAVEPOINT s;
SELECT loyalty.message_enqueue(loyalty.find('shop', 'customer_no', '1'), 'webhook', 'order_paid', '{"order": "1020"}');
ROLLBACK TO s;
SELECT loyalty.message_enqueue(loyalty.find('shop', 'customer_no', '1'), 'webhook', 'order_paid', '{"order": "1021"}');
COMMIT;
SQL
is_deeply(stream(), [1021], 'a savepoint, too');

# judged by the reader
is(block(4), "t\nt\nt", 'they may be sent');
rows(q{SELECT loyalty.message_cancel(member_id, message_id) FROM loyalty.message WHERE params->>'order' = '1001'});
like(block(4), qr/f/, 'but not what was cancelled');
is(block(5), 't', 'with an end');
is_deeply(stream(), [1003], 'it is in the stream');
like(block(6), qr/^loyalty_outbox\|f\|reserved\|\d+ \w+$/, 'how far behind');

# after a crash what was not confirmed is there, and nothing else
rows(q{SELECT loyalty.message_enqueue(loyalty.find('shop', 'customer_no', '1'), 'webhook', 'order_paid', '{"order": "1030"}')});
$node->stop('immediate');
$node->start;
is(scalar(grep { $_ == 1030 } @{ stream() }), 1, 'a crash loses none');

# dump and restore
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('shop') ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', $dump, '-d', $node->connstr('restored') ], 'restored');
is($node->safe_psql('restored', 'SELECT pubname, pubinsert, pubupdate FROM pg_publication'), 'loyalty_outbox|t|f', 'the publication is kept');
is($node->safe_psql('restored', 'SELECT count(*) FROM pg_publication_tables'), $node->pg_version >= 18 ? '1' : '0', 'its tables are not before 18');
block(7, 'restored');
is($node->safe_psql('restored', 'SELECT pubname, tablename, rowfilter FROM pg_publication_tables'),
    rows('SELECT pubname, tablename, rowfilter FROM pg_publication_tables'), 'until they are set again');
is($node->safe_psql('restored', 'SELECT attnames FROM pg_publication_tables'),
    rows('SELECT attnames FROM pg_publication_tables'), 'with the same columns');
is($node->safe_psql('postgres', q{SELECT string_agg(database, ' ') FROM pg_replication_slots}), 'shop', 'no slot comes with it');
is($node->safe_psql('restored', q{SELECT count(*) FROM loyalty.message WHERE channel = 'webhook' AND status = 'queued'}),
    rows(q{SELECT count(*) FROM loyalty.message WHERE channel = 'webhook' AND status = 'queued'}), 'what was read is still queued there');
books_agree($node, 'restored', 'there');

books_agree($node, 'shop', 'after that');
rows('DROP EXTENSION loyalty');
is(rows('SELECT count(*) FROM pg_publication_tables'), '0', 'nothing is in the way of DROP EXTENSION');
is($node->safe_psql('shop', $blocks[8]), '', 'the slot goes, and the publication');
is(rows('SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots)'), '0', 'nothing is left');

$node->stop;
done_testing();

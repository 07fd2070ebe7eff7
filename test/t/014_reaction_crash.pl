# A server that dies while maintenance works off what was started: the storm of
# test/check/reaction without cancels, but with crashes in the middle of maintain() and of
# those who take messages. Afterwards what was committed is there once with its run, and
# what was under way is done once when everything is worked off.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use Reaction;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

use constant CLIENTS => 3;

my $files = PostgreSQL::Test::Utils::tempdir();
my $node = new_node('main', conf => <<'CONF');
restart_after_crash = on
checkpoint_timeout = 1h
CONF
my $started = time;

srand(7);
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', "$FindBin::Bin/../reaction.sql" ],
    'a shop that reacts');

# A session that works through a script.
sub session
{
    my ($name, $script) = @_;

    append_to_file("$files/$name.sql", $script);
    my $run = IPC::Run::start(
        [ 'psql', '-XAt', '-d', $node->connstr('postgres'), '-f', "$files/$name.sql" ],
        '<', \undef, '>', "$files/$name.out", '2>', "$files/$name.err");
    return { name => $name, run => $run };
}

# The process that is at this moment in the middle of a call, if there is any.
sub busy
{
    my ($call) = @_;
    return $node->safe_psql('postgres', qq{SELECT pid FROM pg_stat_activity WHERE application_name = 'storm' AND state = 'active' AND query LIKE '$call%'
        AND pid <> pg_backend_pid() LIMIT 1});
}

my %crash = (
    'kill -9 in maintain' => sub {
        my $pid;
        for (1 .. 1000)
        {
            last if $pid = busy('CALL');
        }
        kill 'KILL', $pid // die 'no maintenance';
        return;
    },
    'kill -9 of a consumer' => sub {
        my $pid;
        for (1 .. 1000)
        {
            last if $pid = busy('SELECT%message_') || busy('CALL');
        }
        kill 'KILL', $pid // die 'no consumer';
        return;
    },
    'immediate stop' => sub {
        $node->stop('immediate');
        return;
    });

my (%fate, @marks);
my $round = 0;

# twice each, as it is chance in which job the server dies
for my $how ((sort keys %crash) x 2)
{
    $round++;
    # two days later, so that there is work of all kinds
    $node->safe_psql('postgres', q{UPDATE clock SET at = at + interval '2 days'});
    my $runs = $node->safe_psql('postgres', q{SELECT count(*) FROM loyalty.automation_run WHERE status <> 'waiting'});
    my @clients = map { session("client-$round-$_", reaction_script("$round-$_", 1000)) } 1 .. CLIENTS;
    my @others = (
        (map { session("maintain-$round-$_", reaction_maintain(300)) } 1 .. 2),
        session("consumer-$round", reaction_consumer(3000)));

    $node->poll_query_until('postgres', "SELECT count(*) > $runs + 40 FROM loyalty.automation_run WHERE status <> 'waiting'") or die 'no load';
    $crash{$how}->();
    $_->{run}->finish for @clients, @others;
    $node->start if $how =~ /stop/;
    $node->poll_query_until('postgres', 'SELECT true') or die 'no restart';

    like(slurp_file("$files/$others[0]{name}.err"), qr/server closed the connection|connection to server was lost|the database system is/, "$round, $how: maintenance lost its connection");
    books_agree($node, 'postgres', "$round, after $how");
    %fate = (%fate, reaction_fates(slurp_file("$files/$_->{name}.out"))) for @clients;
    push @marks, map { reaction_marks(slurp_file("$files/$_->{name}.out")) } @others;
    my %errors = map { $_ => 1 } map { slurp_file("$files/$_->{name}.err") =~ /ERROR:\s+(\w{5})\b/g } @clients, @others;
    # 40001 at REPEATABLE READ, and what follows of it in the transaction
    is(join(' ', grep { !/^(?:40001|25P02|3B001)$/ } sort keys %errors), '', "$round, $how: no errors but those of the crash");
}

my %count;
$count{$_}++ for values %fate;
note join ', ', map { "$count{$_} $_" } sort keys %count;
cmp_ok($count{done}, '>', 100, 'enough was committed');
cmp_ok($count{unknown}, '<=', 6 * CLIENTS * 9, 'of few nobody knows');
$node->safe_psql('postgres', join '', map { "INSERT INTO fate VALUES ('$_', '$fate{$_}');\n" } sort keys %fate);

my $drained = $node->safe_psql('postgres', reaction_drain(20));
push @marks, reaction_marks($drained);
$node->safe_psql('postgres', join '', map { "INSERT INTO marked VALUES ($_->[0], '$_->[1]');\n" } @marks);
is($node->safe_psql('postgres', 'SELECT FROM now_is(); SELECT what, count(*), min(detail), max(detail) FROM wrong() GROUP BY what'), '', 'nothing is wrong');
books_agree($node, 'postgres', 'when all is worked off');
# what was told of the last messages
$node->safe_psql('postgres', 'SELECT FROM now_is(); CALL loyalty.maintain();');
my $state = $node->safe_psql('postgres', 'SELECT state()');
$node->safe_psql('postgres', 'SELECT FROM now_is(); CALL loyalty.maintain(); CALL loyalty.maintain(batch => 3);');
is($node->safe_psql('postgres', 'SELECT state()'), $state, 'maintain() has nothing left to do');
note time - $started, ' s';

$node->stop;
done_testing();

# loyalty-dispatch against a real HTTP server: what is sent, how often, and what
# is kept of it when receivers, dispatchers and the database fail.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IPC::Run;
use JSON::PP;
use LoyaltyTest;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use Webhook;

my ($program) = grep { -x } map { "$_/loyalty-dispatch" } split /:/, $ENV{PATH};
plan skip_all => 'loyalty-dispatch is not built here' unless $program;

delete @ENV{qw(http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY LOYALTY_DISPATCH_SECRET PGAPPNAME)};
my $secret = 'whsec-7f3a90bd51c24e86';
my $hook = Webhook->new($secret);
my $node = new_node('main', conf => "loyalty.now = '2026-03-02 12:00+00'\n");
my $dir = PostgreSQL::Test::Utils::tempdir();
my $connection;

sub write_secret
{
    my ($file, @lines) = @_;
    unlink $file;
    append_to_file($file, join '', map { "$_\n" } @lines);
    chmod 0600, $file;
    return $file;
}
my $secret_file = write_secret("$dir/secret", $secret);

sub rows { my ($sql) = @_; return $node->safe_psql('shop', $sql) }

# Later sessions have the clock so many seconds after noon.
sub clock_at
{
    my ($seconds) = @_;
    return rows("ALTER DATABASE shop SET loyalty.now = '" . POSIX::strftime('%Y-%m-%d %H:%M:%S+00', gmtime(1772452800 + $seconds)) . q{'});
}

sub answers { return encode_json({ answers => [@_], canary => 'c4n4ry-in-params' }) }

# A message to a member, its id.
sub enqueue
{
    my ($channel, @answers) = @_;
    my $params = answers(@answers);
    return rows("SELECT loyalty.message_enqueue(m(1), '$channel', 'hello', '$params')");
}

sub message { my ($id, $columns) = @_; return rows("SELECT $columns FROM loyalty.message WHERE message_id = $id") }

sub options
{
    my ($channel, @more) = @_;
    return ('--database', $connection, '--url', $hook->url, '--secret-file', $secret_file,
        (map { ('--channel', $_) } split / /, $channel), @more);
}

my $logs = '';

# Runs to the end: exit code, what it said.
sub run_dispatch
{
    my ($out, $err) = ('', '');
    IPC::Run::run([ $program, @_ ], '>', \$out, '2>', \$err);
    my $code = $? & 127 ? "signal $?" : $? >> 8;
    $logs .= $err;
    return ($code, $out . $err);
}

sub once { my @run = run_dispatch(options(@_), '--once'); return $run[0] }

# Starts one that stays; a test that dies leaves none behind.
my $started = 0;
my %running;
END { kill 'KILL', keys %running if %running }

sub start_dispatch
{
    my $log = "$dir/log." . ++$started;
    append_to_file($log, '');
    my $pid = fork() // die "cannot fork: $!";
    if ($pid == 0)
    {
        open STDERR, '>', $log;
        exec { $program } $program, @_ or POSIX::_exit(127);
    }
    $running{$pid} = 1;
    return { pid => $pid, log => $log };
}

sub end_dispatch
{
    my ($dispatch, @signals) = @_;
    kill $_, $dispatch->{pid} for @signals;
    waitpid $dispatch->{pid}, 0;
    my $status = $?;
    delete $running{ $dispatch->{pid} };
    $logs .= slurp_file($dispatch->{log});
    return $status & 127 ? 'signal ' . ($status & 127) : $status >> 8;
}

sub wait_log
{
    my ($dispatch, $pattern) = @_;
    for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
    {
        return 1 if slurp_file($dispatch->{log}) =~ $pattern;
        usleep(50_000);
    }
    return 0;
}

sub wait_sql
{
    my ($sql) = @_;
    return $node->poll_query_until('shop', $sql);
}

# Waits until one has looked for messages and found none.
sub wait_idle
{
    my ($n) = @_;
    return wait_sql(qq{SELECT count(*) = $n FROM pg_stat_activity
        WHERE application_name = 'loyalty-dispatch' AND state = 'idle' AND query LIKE '%message_take%'});
}

#
# The command line, and what it may not do
#

my ($code, $said) = run_dispatch('--help');
is($code, 0, '--help');
like($said, qr/--$_\b/, "--help tells of --$_")
  for qw(database channel program url secret-file ca-file concurrency batch lease timeout poll once verbose help version);
is_deeply([ run_dispatch('--version') ], [ 0, "loyalty-dispatch 0.1.0\n" ], '--version');

my @right = ('--channel', 'sms', '--url', $hook->url, '--secret-file', $secret_file);
for my $wrong (
    [ '--url', $hook->url ], [ '--channel', 'sms' ], [ @right, 'more' ], [ @right, '--none' ], [ @right, '--batch' ],
    (map { [ @right, '--concurrency', $_ ] } '0', '-1', '257', '', '8x', '99999999999999999999', '1.5'),
    [ @right, '--timeout', 60 ], [ @right, '--lease', 10 ], [ @right, '--lease', 90, '--timeout', 90 ],
    map { [ '--channel', 'sms', '--secret-file', $secret_file, '--url', $_ ] } '', 'ftp://localhost/', 'file:///etc/passwd', 'localhost:80/x',
    'http://', 'http://ann:secret@localhost/', 'https://ann@localhost/')
{
    ($code, $said) = run_dispatch(@$wrong);
    is($code, 2, "refused: @$wrong");
    like($said, qr/^loyalty-dispatch: /, 'and told why');
}
for my $told ([ qr/unknown option --chanel$/m, '--chanel', 'sms' ], [ qr/--channel needs a value$/m, '--channel' ], [ qr/, -x$/m, '-vx' ])
{
    my $why = shift @$told;
    like((run_dispatch(@$told))[1], $why, "which is wrong of: @$told");
}
for my $bad ([ 'none', sub { } ], [ 'readable', sub { write_secret($_[0], $secret); chmod 0644, $_[0] } ],
    [ 'short', sub { write_secret($_[0], 'fifteen-letters') } ], [ 'empty', sub { write_secret($_[0], '', '') } ],
    [ 'many', sub { write_secret($_[0], ($secret) x 5) } ], [ 'long', sub { write_secret($_[0], 'x' x 5000) } ],
    [ 'zero', sub { write_secret($_[0], "$secret\0") } ])
{
    $bad->[1]->("$dir/$bad->[0]");
    ($code, $said) = run_dispatch('--channel', 'sms', '--url', $hook->url, '--secret-file', "$dir/$bad->[0]");
    is($code, 1, "no secret: $bad->[0]");
    like($said, qr/^loyalty-dispatch: \Q$dir\E/, 'and told why');
}
is((run_dispatch('--channel', 'sms', '--url', $hook->url))[0], 1, 'nor is there one in the environment');
is((run_dispatch(@right, '--ca-file', "$dir/none"))[0], 1, 'certificates that are not there');
($code, $said) = run_dispatch(@right, '--once', '-d', "host=$dir dbname=shop");
is($code, 4, '--once without a database');
like($said, qr/no connection to the database/, 'says so');

#
# A shop
#

$node->safe_psql('postgres', 'CREATE DATABASE shop');
rows(<<'SQL');
CREATE EXTENSION loyalty;
SELECT loyalty.program_create('shop', 'EUR', 'Europe/Berlin');
SELECT loyalty.setup_roles();
CREATE ROLE courier LOGIN IN ROLE loyalty_worker;
CREATE ROLE visitor LOGIN IN ROLE loyalty_reader;
SELECT loyalty.message_channels('shop');
UPDATE loyalty.message_channel SET quiet_from = NULL, quiet_until = NULL, member_cap = NULL, quota = NULL, fallback = NULL, max_attempts = 3;
SELECT count(r) FROM generate_series(1, 40) no, loyalty.enroll('shop', jsonb_build_object('customer_no', no::text)) r;
CREATE FUNCTION m(no int) RETURNS bigint LANGUAGE sql STABLE AS $$SELECT loyalty.find('shop', 'customer_no', no::text)$$;
-- each time that a message is marked done
CREATE TABLE done (message_id bigint);
CREATE FUNCTION note_done() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.done VALUES (NEW.message_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER note_done AFTER UPDATE ON loyalty.message FOR EACH ROW
    WHEN (NEW.status = 'done') EXECUTE FUNCTION note_done();
SQL
$connection = $node->connstr('shop') . ' user=courier';

($code, $said) = run_dispatch('-d', $node->connstr('shop') . ' user=visitor', @right, '--once');
is($code, 1, 'a role that may not take messages');
like($said, qr/the database refuses: permission denied.*42501/, 'is told so');
($code, $said) = run_dispatch(options('no_such_channel'), '--once');
is($code, 1, 'an unknown channel');
like($said, qr/LY440.*channel=no_such_channel/, 'is told which');
is(once('sms'), 0, 'an empty channel');
is_deeply([ $hook->requests ], [], 'nobody was called');

#
# What is sent
#

rows(q{BEGIN; SELECT loyalty.message_enqueue(m(1), 'sms', 'lost'); SELECT 1 FROM loyalty.purchase(m(1), 10, 'lost'); ROLLBACK});
my $id = rows(q{SELECT loyalty.message_enqueue(m(1), 'sms', 'points_expiring', '{"points": 120, "on": "2026-04-30", "ü": "\"\\\\"}', dedupe_key => 'k')});
my $member = rows('SELECT m(1)');
is(once('sms'), 0, 'delivered');
my ($request, @more) = $hook->requests;
is(scalar @more, 0, 'one request; none for what was rolled back');
is($request->{method} . ' ' . $request->{path}, 'POST /hook', 'posted');
is($request->{signed}, 1, 'its signature is right');
is($request->{header}{'idempotency-key'}, "message-$id", 'its key');
is($request->{header}{'content-type'}, 'application/json', 'its type');
like($request->{header}{'user-agent'}, qr{^loyalty-dispatch/0\.1\.0$}, 'from whom');
is_deeply($request->{message},
    { message_id => $id, member_id => $member, program => 'shop', channel => 'sms', template => 'points_expiring',
      params => { points => 120, on => '2026-04-30', "\x{fc}" => "\"\\" }, purpose => 'service', attempt => 1,
      created_at => '2026-03-02T12:00:00+00:00' }, 'the message');
like($request->{message}{created_at}, qr/^2026-/, 'and when it was made');
is(message($id, 'status, attempts, reason'), 'done|1|', 'it is done');
is(once('sms'), 0, 'again');
is(scalar($hook->requests), 1, 'nothing more to send');

#
# What is sent again
#

# A message with this answer, delivered once: exit code, then its row.
sub attempt
{
    my ($word, @more) = @_;
    my $new = enqueue('email', $word);
    my $exit = once('email', @more);
    return "$exit " . message($new, 'status, attempts, reason');
}

$hook->forget;
$id = enqueue('sms', '500', '200');
is(once('sms'), 3, 'a failure');
is(message($id, 'status, attempts, reason'), 'queued|1|http_500', 'is kept');
is(once('sms'), 0, 'at once');
is(scalar($hook->requests), 1, 'it is not sent again');
clock_at(60);
is(once('sms'), 0, 'after a minute');
is(message($id, 'status, attempts'), 'done|2', 'it is');
my @requests = $hook->requests;
is_deeply([ map { $_->{header}{'idempotency-key'} . " $_->{message}{attempt} $_->{signed}" } @requests ],
    [ "message-$id 1 1", "message-$id 2 1" ], 'with the same key, signed anew');

$id = enqueue('sms', '429/600', '503/86400');
is(once('sms'), 3, 'too many requests');
clock_at(60 + 599);
is(once('sms'), 0, 'before the receiver wants it');
is(message($id, 'status, attempts, reason'), 'queued|1|http_429', 'it is not sent');
clock_at(60 + 600);
is(once('sms'), 3, 'then it is');
is(message($id, 'status, attempts, reason, due_at'), 'queued|2|http_503|2026-03-02 18:11:00+00', 'Retry-After of a day counts as six hours');
clock_at(60 + 600 + 86400);
is(once('sms'), 0, 'after the day');
is(message($id, 'status, attempts'), 'done|3', 'it is done');

$hook->forget;
$id = enqueue('sms', 400, 422, 404);
my $now = 60 + 600 + 86400;
for my $expected ('3 queued|1|http_400', '3 queued|2|http_422', '3 dead|3|http_404', '0 dead|3|http_404')
{
    is(once('sms') . ' ' . message($id, 'status, attempts, reason'), $expected, "never accepted: $expected");
    clock_at($now += 3600);
}
is(scalar($hook->requests), 3, 'a dead letter is not sent');

is(attempt('garbage'), '3 queued|1|network', 'what is not HTTP');
is(attempt('close'), '3 queued|1|network', 'no answer');
is(attempt('long_head'), '3 queued|1|http_500', 'a head without end');
is(attempt('redirect'), '3 queued|1|http_302', 'a redirect');
is(scalar(grep { $_->{path} ne '/hook' } $hook->requests), 0, 'is not followed');
is(attempt('hang', '--timeout', 1), '3 queued|1|timeout', 'no answer in time');
is(attempt('cut'), '0 done|1|', 'a 2xx that is cut is a 2xx');
is(attempt('endless'), '0 done|1|', 'and so is one without end');
is(attempt($_), '0 done|1|', "$_ is well") for 201, 202, 204;
is(attempt($_), "3 queued|1|http_$_", "$_ is not") for 304, 403, 410, 413, 502;
$hook->stop;
is(attempt(200), '3 queued|1|connect', 'nobody there');
$hook->start_again;

# a receiver that fails is left alone: with --once, for the next run
enqueue('app_push', 500) for 1 .. 20;
is(once('app_push', '--concurrency', 2), 3, 'all fail');
is(rows(q{SELECT sum(attempts) < 6 FROM loyalty.message WHERE channel = 'app_push'}), 't', 'few are tried');
rows(q{SELECT count(loyalty.message_cancel(member_id, message_id)) FROM loyalty.message WHERE channel = 'app_push' AND status = 'queued'});

#
# Secrets
#

$hook->forget;
write_secret("$dir/wrong", 'whsec-0000000000000000');
$id = enqueue('sms');
is((run_dispatch(options('sms', '--once'), '--secret-file', "$dir/wrong"))[0], 3, 'signed with another secret');
is(message($id, 'status, reason'), 'queued|http_401', 'is refused by the receiver');
write_secret("$dir/both", 'whsec-0000000000000000', '', $secret);
clock_at($now += 60);
is((run_dispatch(options('sms', '--once'), '--secret-file', "$dir/both"))[0], 0, 'signed with both');
is(message($id, 'status'), 'done', 'is accepted');
$id = enqueue('sms');
{
    local $ENV{LOYALTY_DISPATCH_SECRET} = $secret;
    is((run_dispatch('-d', $connection, '-c', 'sms', '-u', $hook->url, '-o'))[0], 0, 'a secret of the environment');
}
is(message($id, 'status'), 'done', 'signs');

#
# Woken, told, stopped
#

$hook->forget;
my $dispatch = start_dispatch(options('sms wecom', '--poll', 3600, '--secret-file', "$dir/wrong"));
ok(wait_idle(1), 'it waits for an hour');
$id = enqueue('wecom', 200, 200);
$hook->wait_for(1);
is(scalar($hook->requests), 1, 'and is woken by a message');
ok(wait_log($dispatch, qr/http_401/), 'which the receiver refuses');
write_secret("$dir/wrong", $secret);
kill 'HUP', $dispatch->{pid};
ok(wait_log($dispatch, qr/read again, secrets: 1$/m), 'the secret is read again');
$hook->forget;
rows(q{BEGIN; SELECT loyalty.message_enqueue(m(2), 'wecom', 'lost'); ROLLBACK});
my $second = enqueue('sms', 'wait');
is_deeply([ map { $_->{message}{message_id} . " $_->{signed}" } $hook->wait_for(1) ], ["$second 1"], 'the next is signed with it; a rolled back one wakes nobody');
unlink "$dir/wrong";
kill 'HUP', $dispatch->{pid};
ok(wait_log($dispatch, qr/the old secrets stay/), 'a secret that is gone stays');
kill 'TERM', $dispatch->{pid};
usleep(300_000);
is(kill(0, $dispatch->{pid}), 1, 'SIGTERM waits for the message in hand');
is(message($second, 'status'), 'taken', 'that is on its way');
enqueue('sms');
$hook->let_go;
is(end_dispatch($dispatch), 0, 'then it ends');
is(message($second, 'status, attempts'), 'done|1', 'and the message is done');
is(scalar($hook->requests), 1, 'no other was begun');
is(once('sms'), 0, 'that is for the next');

$hook->forget;
$dispatch = start_dispatch(options('sms', '--timeout', 100, '--lease', 600));
$id = enqueue('sms', 'hang');
$hook->wait_for(1);
kill 'INT', $dispatch->{pid};
usleep(200_000);
is(end_dispatch($dispatch, 'INT'), 1, 'the second signal ends it at once');
is(message($id, 'status'), 'taken', 'the message stays taken');
clock_at($now += 600);
is(once('sms'), 0, 'until its lease is over');
is(message($id, 'status, attempts'), 'done|2', 'and is done by another');

#
# kill -9
#

$hook->forget;
$dispatch = start_dispatch(options('sms', '--timeout', 100, '--lease', 600));
$id = enqueue('sms', 'hang');
$hook->wait_for(1);
is(end_dispatch($dispatch, 'KILL'), 'signal 9', 'killed in the middle of a request');
is(once('sms'), 0, 'another one');
is(message($id, 'status'), 'taken', 'leaves it until the lease is over');
clock_at($now += 600);
is(once('sms'), 0, 'then');
is(message($id, 'status, attempts'), 'done|2', 'delivers it');
is_deeply([ map { $_->{header}{'idempotency-key'} } $hook->requests ], [ ("message-$id") x 2 ], 'the receiver saw one key twice');
is(rows("SELECT count(*) FROM done WHERE message_id = $id"), '1', 'it was marked done once');

# Four of them, every hand full; one is killed, the others go on.
$hook->forget;
my @dispatchers = map { start_dispatch(options('app_push', '--concurrency', 4, '--timeout', 100, '--lease', 600)) } 1 .. 4;
ok(wait_idle(4), 'four wait');
my ($slow, $fast) = (answers('wait'), answers());
rows("SELECT count(loyalty.message_enqueue(m(no), 'app_push', 'offer', '$slow')) FROM generate_series(1, 16) no");
is(scalar($hook->wait_for(16)), 16, 'sixteen messages on their way, four of each');
rows("SELECT count(loyalty.message_enqueue(m(no % 40 + 1), 'app_push', 'offer', '$fast')) FROM generate_series(1, 120) no");
is(end_dispatch(shift @dispatchers, 'KILL'), 'signal 9', 'one is killed');
$hook->let_go;
ok(wait_sql(q{SELECT count(*) FILTER (WHERE m.status = 'taken') = 4 AND count(*) FILTER (WHERE m.status = 'queued') = 0
    FROM loyalty.message m WHERE channel = 'app_push'}), 'the others do the rest');
is(end_dispatch($_, 'TERM'), 0, 'and end') for @dispatchers;
clock_at($now += 600);
is(once('app_push'), 0, 'what he had in hand is delivered by another');
is(rows(q{SELECT count(*), count(*) FILTER (WHERE status = 'done') FROM loyalty.message WHERE channel = 'app_push' AND template = 'offer'}),
    '136|136', 'every message is done');
is(rows(q{SELECT count(*), count(DISTINCT message_id) FROM done JOIN loyalty.message USING (message_id) WHERE channel = 'app_push' AND template = 'offer'}),
    '136|136', 'once');
my (%times, %key_of);
for my $request ($hook->requests)
{
    $times{ $request->{header}{'idempotency-key'} }++;
    $key_of{ $request->{message}{message_id} }{ $request->{header}{'idempotency-key'} } = 1;
}
is(scalar(keys %times), 136, 'the receiver saw every message');
is(scalar(grep { keys %$_ != 1 } values %key_of), 0, 'each with one key');
is_deeply([ sort { $b <=> $a } values %times ], [ (2) x 4, (1) x 132 ], 'and twice only those of the one who was killed');

#
# The database goes and comes back
#

$hook->forget;
$dispatch = start_dispatch(options('sms', '--timeout', 100, '--lease', 600));
$id = enqueue('sms', 'wait');
$hook->wait_for(1);
$node->restart;
$hook->let_go;
ok(wait_sql("SELECT status = 'done' FROM loyalty.message WHERE message_id = $id"), 'what ended meanwhile is noted afterwards');
is(scalar($hook->requests), 1, 'it was sent once');
$node->stop('immediate');
$node->start;
$id = enqueue('sms');
ok(wait_sql("SELECT status = 'done' FROM loyalty.message WHERE message_id = $id"), 'after a crash it goes on');
is(end_dispatch($dispatch, 'TERM'), 0, 'and ends as ever');
like($logs, qr/no connection to the database.*connected to the database again/s, 'that is in the log');
$dispatch = start_dispatch(options('sms'), '-d', "host=$dir dbname=shop");
ok(wait_log($dispatch, qr/no connection.*no connection/s), 'without a database it goes on trying');
is(end_dispatch($dispatch, 'TERM'), 0, 'until it is told to end');

#
# TLS
#

SKIP:
{
    my $port = PostgreSQL::Test::Cluster::get_free_port();
    skip 'there is no openssl', 4
      unless eval { run_command([ qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=hook -addext),
            'subjectAltName=IP:127.0.0.1', '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem" ]); -s "$dir/cert.pem" };
    my ($in, $out) = ('', '');
    my $server = IPC::Run::start([ qw(openssl s_server -accept), "127.0.0.1:$port", '-key', "$dir/key.pem", '-cert', "$dir/cert.pem" ],
        '<', \$in, '>', \$out, '2>&1');
    $server->pump until $out =~ /ACCEPT/;
    my @tls = (options('sms'), '--url', "https://127.0.0.1:$port/hook");
    $id = enqueue('sms');
    is((run_dispatch(@tls, '--once'))[0], 3, 'a server with a certificate of its own');
    is(message($id, 'status, reason'), 'queued|tls', 'is not trusted');
    clock_at($now += 60);
    $dispatch = start_dispatch(@tls, '--ca-file', "$dir/cert.pem");
    $server->pump until $out =~ /"attempt" : 2/;
    $in = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    while ($in ne '')
    {
        $server->pump_nb;
        usleep(10_000);
    }
    ok(wait_sql("SELECT status = 'done' FROM loyalty.message WHERE message_id = $id"), 'unless one says so');
    is(end_dispatch($dispatch, 'TERM'), 0, 'and that is all');
    $server->kill_kill;
}

#
# Memory
#

SKIP:
{
    my ($valgrind) = grep { -x } map { "$_/valgrind" } split /:/, $ENV{PATH};
    skip 'there is no valgrind', 3 unless $valgrind;
    enqueue('webhook', $_) for 200, 400, 'close', 200, 'endless', 'garbage', 200, '429/5';
    my $report = "$dir/valgrind";
    IPC::Run::run([ $valgrind, qw(--quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite), "--log-file=$report",
            $program, options('webhook', '--once', '--concurrency', 3, '--program', 'shop') ], '2>', \$said);
    is($? >> 8, 3, 'valgrind finds nothing') or diag(slurp_file($report));
    enqueue('staff', 200) for 1 .. 5;
    IPC::Run::run([ $valgrind, qw(--quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite), "--log-file=$report",
            $program, options('staff', '--once') ], '2>', \$said);
    is($? >> 8, 0, 'nor where all goes well') or diag(slurp_file($report));
    is(rows(q{SELECT count(*) FROM loyalty.message WHERE channel = 'staff' AND status = 'done'}), '5', 'and all is delivered');
}

unlike($logs, qr/c4n4ry/, 'nothing of a message is in the logs');
unlike($logs, qr/\Q$secret\E/, 'nor is the secret');
books_agree($node, 'shop', 'after all that');
$hook->stop;
$node->stop;
done_testing();

package Reaction;

# What the storm of reactions sends: scripts for psql, full of transactions at random,
# and what psql's answers say became of each of them.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(reaction_script reaction_consumer reaction_maintain reaction_fates reaction_marks reaction_drain);

# One statement that writes under a key, as told by psql: D|key|status.
sub told
{
    my ($key, $call) = @_;
    return "SELECT 'D', '$key', coalesce((r).reason, (r).status) FROM $call r;\n";
}

sub order_of
{
    my ($no) = @_;
    return "(SELECT j.member_id, j.ref FROM loyalty.journal j WHERE j.member_id = m($no) AND j.kind = 'event' AND j.event = 'purchase' ORDER BY random() LIMIT 1) o";
}

# What a client may do to the member of a number, by weight; all are under a key.
my @kinds = (
    [ 24, sub { my ($no, $key) = @_; my $amount = 1 + int rand 120; told($key, "loyalty.purchase(m($no), $amount, '$key', key => '$key', mode => 'try')") } ],
    [ 8, sub { my ($no, $key) = @_; told($key, order_of($no) . ", loyalty.refund(o.member_id, o.ref, refund_ref => '$key', key => '$key', mode => 'try')") } ],
    [ 4, sub { my ($no, $key) = @_; told($key, order_of($no) . ", loyalty.refund(o.member_id, o.ref, 1 + (random() * 20)::int, refund_ref => '$key', key => '$key', mode => 'try')") } ],
    [ 6, sub { my ($no, $key) = @_; my $n = 1 + int rand 15; told($key, "loyalty.redeem(m($no), $n, key => '$key', mode => 'try')") } ],
    [ 6, sub { my ($no, $key) = @_; my $n = 1 + int rand 9; my $h = 1 + int rand 40; told($key, "loyalty.hold(m($no), $n, ttl => '$h hours', key => '$key', mode => 'try')") } ],
    [ 4, sub { my ($no, $key) = @_; told($key, "(SELECT member_id, hold_id FROM loyalty.hold WHERE member_id = m($no) AND status = 'held' ORDER BY random() LIMIT 1) h, loyalty.capture(h.member_id, h.hold_id, key => '$key', mode => 'try')") } ],
    [ 2, sub { my ($no, $key) = @_; told($key, "(SELECT member_id, hold_id FROM loyalty.hold WHERE member_id = m($no) AND status = 'held' ORDER BY random() LIMIT 1) h, loyalty.release(h.member_id, h.hold_id, key => '$key', mode => 'try')") } ],
    [ 3, sub { my ($no, $key) = @_; told($key, "(SELECT member_id, coupon_no FROM loyalty.member_coupon WHERE member_id = m($no) AND status = 'issued' AND uses = 0 ORDER BY random() LIMIT 1) c, loyalty.coupon_use(c.member_id, '#' || c.coupon_no, '$key', 1, key => '$key', mode => 'try')") } ],
    [ 4, sub { my ($no, $key) = @_; my $day = 1 + int rand 28; told($key, "loyalty.enroll('shop', '{\"customer_no\": \"$key\"}', '{\"birthday\": \"1980-04-$day\"}', key => '$key', mode => 'try')") } ],
    [ 5, sub { my ($no, $key) = @_; my $verb = rand() < 0.6 ? 'give' : 'withdraw'; "SELECT 'D', '$key', 'done' FROM loyalty.consent_$verb(m($no), 'marketing', evidence => '$key');\n" } ],
    [ 3, sub { my ($no, $key) = @_; my $channel = (qw(plain capped counted quiet))[ rand 4 ]; "SELECT 'D', '$key', 'done' FROM loyalty.message_enqueue(m($no), '$channel', 'hello', purpose => 'marketing', dedupe_key => '$key');\n" } ],
    [ 6, sub { my ($no, $key) = @_; "SELECT 'D', '$key', 'done' FROM loyalty.track(m($no), 'view', 'sku', 'A', key => '$key');\n" } ],
    [ 5, sub { my ($no, $key) = @_; (rand() < 0.5 ? "SELECT loyalty.tag_add(m($no), 'vip');\n" : "SELECT loyalty.tag_remove(m($no), 'vip');\n") } ],
);

# Somebody who has come in the storm, who may leave again.
my $late = "(SELECT member_id FROM loyalty.account WHERE status = 'active' AND member_id NOT IN (SELECT member_id FROM customer) ORDER BY random() LIMIT 1)";

# What is done for many, and by itself.
my @alone = (
    sub { my ($key) = @_; "SELECT 'D', '$key-' || n, 'done' FROM (SELECT * FROM loyalty.track_batch('shop', ARRAY(SELECT ROW(m(1 + (random() * 39)::int), NULL, 'view', 'sku', 'B', NULL, NULL, NULL, NULL, NULL, '$key-' || n)::loyalty.activity_row FROM generate_series(1, 8) n))) t, generate_series(1, 8) n WHERE t.accepted = 8;\n" },
    sub { my ($key) = @_; "SELECT 'D', '$key', 'done' FROM loyalty.automation_broadcast('shop', 'news', '$key');\n" },
    sub { my ($key) = @_; "SELECT 'D', '$key', 'done' FROM loyalty.automation_broadcast('shop', 'recall', '$key');\n" },
    sub { "SELECT loyalty.automation_broadcast_cancel(broadcast_id) FROM (SELECT broadcast_id FROM loyalty.automation_broadcast JOIN loyalty.automation a USING (automation_id) WHERE a.name = 'recall' ORDER BY random() LIMIT 1) b;\n" },
    sub { "SELECT loyalty.automation_pause('shop', 'flaky') FROM loyalty.automation WHERE name = 'flaky' AND status = 'live';\n" },
    sub { "SELECT loyalty.automation_resume('shop', 'flaky') FROM loyalty.automation WHERE name = 'flaky' AND status = 'paused';\n" },
    sub { my $n = 1 + int rand 3; "UPDATE loyalty.rule SET award = $n WHERE rule_id = (SELECT min(rule_id) FROM loyalty.rule);\n" },
    sub { my $n = 1 + int rand 4; "UPDATE loyalty.segment SET condition = '\$.purchases.days_30.times >= $n' WHERE name = 'regular';\n" },
    sub { my $n = 2 + int rand 4; "UPDATE loyalty.tag SET condition = '\$.purchases.days_30.times >= $n' WHERE name = 'often';\n" },
    sub { my $n = 1 + int rand 8; "UPDATE loyalty.automation SET delay = '$n hours' WHERE name = 'flaky';\n" },
    sub { my ($key) = @_; told($key, "$late c, loyalty.member_close(c.member_id, 'left', key => '$key', mode => 'try')") },
    sub { my ($key) = @_; my $no = 1 + int rand 40; my $verb = rand() < 0.5 ? 'freeze' : 'thaw'; told($key, "loyalty.member_$verb(m($no), 'storm', key => '$key', mode => 'try')") },
    sub { my ($key) = @_; my $no = 1 + int rand 40; my $other = 1 + int rand 40; told($key, "loyalty.transfer(m($no), m($other), 3, key => '$key', mode => 'try')") },
    sub { my $n = 3 + int rand 4; "UPDATE loyalty.automation SET percent = 10 * $n WHERE name = 'nearly';\n" },
);

sub one_of
{
    my $all = 0;
    $all += $_->[0] for @kinds;
    my $at = rand $all;
    for (@kinds)
    {
        $at -= $_->[0];
        return $_->[1] if $at < 0;
    }
    return $kinds[0][1];
}

# So many transactions, whose keys begin with a prefix. A transaction is announced by
# T, its keys by K, those that it will have rolled back by X, and its end by E. Members of one
# transaction are in ascending order, as the documentation asks for.
sub reaction_script
{
    my ($prefix, $n) = @_;
    my $script = "\\set VERBOSITY sqlstate\nSET application_name = 'storm';\n";

    for my $i (1 .. $n)
    {
        my $key = "storm-$prefix-$i";
        my $form = rand;
        my $no = 1 + int rand 40;

        # nearly always read committed
        $script .= "\\echo T\nSELECT now_is();\nBEGIN" . ($form > 0.97 ? ' ISOLATION LEVEL REPEATABLE READ' : '') . ";\n";
        if ($form < 0.12)
        {
            $script .= join '', map { "\\echo K $_\n" } $key, map { "$key-$_" } 1 .. 8;
            $script .= $alone[ rand @alone ]->($key) . "\\echo E\nCOMMIT;\n";
        }
        elsif ($form < 0.6)
        {
            $script .= "\\echo K $key\n" . one_of()->($no, $key) . "\\echo E\nCOMMIT;\n";
        }
        elsif ($form < 0.7)
        {
            $script .= "\\echo K $key\n" . one_of()->($no, $key) . one_of()->($no, "$key-b") . "\\echo E\nROLLBACK;\n";
        }
        else
        {
            my $other = $no + int rand(41 - $no);
            $script .= "\\echo K $key-a\n" . one_of()->($no, "$key-a");
            $script .= "SAVEPOINT s;\n\\echo X $key-x\n" . one_of()->($other, "$key-x") . "ROLLBACK TO s;\n";
            $script .= "\\echo K $key-b\n" . one_of()->($other, "$key-b") . ($form > 0.95 ? "\\echo E\nROLLBACK;\n" : "\\echo E\nCOMMIT;\n");
        }
    }
    return $script;
}

# Takes messages with a short lease and says of most of them that they are done.
sub reaction_consumer
{
    my ($n) = @_;
    my $script = "\\set VERBOSITY sqlstate\n\\set ECHO queries\nSET application_name = 'storm';\n";

    for (1 .. $n)
    {
        my $channel = (qw(plain capped counted quiet))[ rand 4 ];
        my $many = 1 + int rand 20;
        my $lease = 1 + int rand 300;
        $script .= "SELECT now_is();\nSELECT format(CASE WHEN random() < 0.7 THEN 'SELECT ''M'', %1\$s, loyalty.message_done(%2\$s, %1\$s, %3\$s)'"
          . " WHEN random() < 0.7 THEN 'SELECT loyalty.message_retry(%2\$s, %1\$s, %3\$s, ''busy'')' WHEN random() < 0.3 THEN 'SELECT loyalty.message_retry(%2\$s, %1\$s, %3\$s, ''no'', give_up => true)'"
          . " ELSE 'SELECT now_is()' END, message_id, member_id, attempts) FROM loyalty.message_take('$channel', $many, '$lease minutes') \\gexec\n";
    }
    return $script;
}

sub reaction_maintain
{
    my ($n) = @_;
    my $script = "\\set VERBOSITY sqlstate\nSET application_name = 'storm';\n";

    $script .= "SELECT now_is();\nCALL loyalty.maintain('1 second', " . (1 + int rand 60) . ");\n" for 1 .. $n;
    return $script;
}

# The fate of each key in what psql, not told to be quiet, has answered.
sub reaction_fates
{
    my ($answers) = @_;
    my %fate;
    my (@keys, %done, $ends);
    my $end = sub {
        my ($how) = @_;
        for (@keys)
        {
            my ($kind, $key) = @$_;
            # before the end of the answers nothing has been committed
            $fate{$key} = $kind eq 'X' || $how eq 'ROLLBACK' ? 'undone' : $how eq 'COMMIT' ? ($done{$key} ? 'done' : 'undone') : 'unknown';
        }
        @keys = %done = ();
        $ends = 0;
    };

    for (split /\n/, $answers)
    {
        if (/^([KX]) (\S+)$/) { push @keys, [ $1, $2 ] }
        elsif (/^D\|([^|]+)\|done$/) { $done{$1} = 1 }
        elsif ($_ eq 'E') { $ends = 1 }
        # unless it is that of a savepoint
        elsif ($ends && /^(COMMIT|ROLLBACK)$/) { $end->($1) }
        elsif ($_ eq 'T') { $end->('lost') }
    }
    $end->('lost');
    return %fate;
}

# What consumers were answered. Where the connection was lost nobody knows of the last.
sub reaction_marks
{
    my ($answers) = @_;
    my ($asked, @marks);

    for (split /\n/, $answers)
    {
        push @marks, [ $1, $2 ] if /^M\|(\d+)\|([tf])$/;
        $asked = /^SELECT 'M', (\d+)/ ? $1 : undef;
    }
    push @marks, [ $asked, 'unknown' ] if defined $asked;
    return @marks;
}

# Works everything off: all that is paused goes on, days pass, all messages are delivered.
sub reaction_drain
{
    my ($days) = @_;
    my $script = "SELECT now_is();\nSELECT loyalty.automation_resume('shop', 'flaky') FROM loyalty.automation WHERE name = 'flaky' AND status = 'paused';\n";

    for my $day (1 .. $days)
    {
        # in the end the quota is lifted, so that no message has to wait
        $script .= "UPDATE clock SET lifted = at AT TIME ZONE 'Asia/Shanghai';\nUPDATE loyalty.message_channel SET quota = NULL;\n" if $day == $days - 3;
        # at noon, when no channel is quiet
        $script .= "UPDATE clock SET at = (at AT TIME ZONE 'Asia/Shanghai')::date::timestamp AT TIME ZONE 'Asia/Shanghai' + interval '36 hours';\n"
          . "SELECT now_is();\nCALL loyalty.maintain();\n";
        $script .= "SELECT 'M', t.message_id, loyalty.message_done(t.member_id, t.message_id, t.attempts) FROM loyalty.message_take('$_', 10000) t;\n" for qw(quiet capped plain counted plain);
    }
    return $script;
}

1;

# The background worker: what it does, as whom, when, and what it survives.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LoyaltyTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', allows_streaming => 1, conf => "restart_after_crash = on\nmax_worker_processes = 8");

sub sql { my ($db, $sql) = @_; return $node->safe_psql($db, $sql) }

sub set
{
    my %values = @_;
    sql('postgres', "ALTER SYSTEM SET $_ = '$values{$_}'") for sort keys %values;
    sql('postgres', 'SELECT pg_reload_conf()');
    return;
}

sub wait_until
{
    my ($db, $query, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok($node->poll_query_until($db, $query), $name);
}

# What was logged since the last time it was asked for.
my $seen = 0;
sub forget_log { $seen = -s $node->logfile; return }
sub wait_for_log
{
    my ($pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok($node->wait_for_log($pattern, $seen), $name);
}
sub times_logged
{
    my ($pattern) = @_;
    my $log = slurp_file($node->logfile, $seen);
    my @found = $log =~ /$pattern/g;
    return scalar @found;
}

# Puts a procedure of the test in the place of maintain(), and notes its rounds.
sub stand_in
{
    my ($db, $body) = @_;
    sql($db, <<"SQL");
SET client_min_messages = 'warning';
CREATE TABLE IF NOT EXISTS public.round (
    who text DEFAULT current_user, path text DEFAULT current_setting('search_path'),
    app text DEFAULT current_setting('application_name'), clock timestamptz, budget interval
);
GRANT ALL ON public.round TO PUBLIC;
CREATE OR REPLACE PROCEDURE loyalty.maintain(budget interval DEFAULT '1 minute', batch int DEFAULT 500)
LANGUAGE plpgsql AS \$\$ BEGIN INSERT INTO public.round (budget, clock) VALUES (budget, loyalty.now()); COMMIT; $body; END \$\$;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty TO loyalty_worker;
SQL
    return;
}

# With its roles at once: between the two a round would lack its rights.
sub install
{
    my ($db) = @_;
    sql($db, 'BEGIN; CREATE EXTENSION loyalty; SELECT loyalty.setup_roles(); COMMIT');
    return stand_in($db, 'NULL');
}

sub rounds { my ($db) = @_; return sql($db, 'SELECT count(*) FROM round') }
sub wait_for_round
{
    my ($db, $name) = @_;
    my $before = rounds($db);
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return wait_until($db, "SELECT count(*) > $before FROM round", $name);
}

sub pid_of
{
    my ($type) = @_;
    return sql('postgres', "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE backend_type = 'loyalty $type'");
}

my $launcher_runs = q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'loyalty launcher'};

#
# Without preloading
#

sql('postgres', "CREATE DATABASE $_") for qw(shop other);
sql($_, 'CREATE EXTENSION loyalty') for qw(shop other);
sql('shop', 'SELECT loyalty.setup_roles()');
sql('other', 'SELECT loyalty.setup_roles()');
sql('postgres', 'CREATE ROLE night LOGIN CONNECTION LIMIT 0 IN ROLE loyalty_worker');

is(pid_of('launcher'), '', 'there is no launcher unless the library is preloaded');
is(sql('shop', q{SELECT loyalty.now() IS NOT NULL; SELECT name, setting, unit, context FROM pg_settings WHERE name LIKE 'loyalty.worker%' ORDER BY 1}), <<'SQL' =~ s/\n\z//r, 'the settings');
t
loyalty.worker_database|||sighup
loyalty.worker_enabled|on||sighup
loyalty.worker_interval|60|s|sighup
loyalty.worker_processes|2||sighup
loyalty.worker_role|||sighup
SQL
is(sqlstate($node, 'shop', q{SELECT loyalty.now(); SET loyalty.worker_enabled = off}), '55P02', 'they are those of the server');
for my $wrong (q{worker_interval = '0'}, q{worker_interval = '25h'}, q{worker_processes = 0}, q{worker_database = 'a,,b'}, q{worker_database = 'a b'}, q{worker_enabled = 'maybe'})
{
    is(sqlstate($node, 'shop', "SELECT loyalty.now(); ALTER SYSTEM SET loyalty.$wrong"), '22023', "refused: $wrong");
}
# 15 does not know it, later ones find it invalid
like(sqlstate($node, 'shop', q{SELECT loyalty.now(); ALTER SYSTEM SET loyalty.worker_databases = 'shop'}), qr/^(42704|42602)$/, 'refused: a name with a mistake in it');

#
# Start
#

$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'loyalty'
loyalty.worker_database = 'shop'
loyalty.worker_interval = 1s
loyalty.now = '2026-03-01 12:00+00'
CONF
forget_log();
$node->restart;
wait_until('postgres', $launcher_runs, 'the launcher runs');
wait_for_log(qr/nothing is maintained, because loyalty.worker_role is not set/, 'without a role there is no work');
is(sql('postgres', q{SELECT coalesce(datname, '-'), application_name, state FROM pg_stat_activity WHERE backend_type = 'loyalty launcher'}),
    '-|loyalty launcher|idle', 'it is connected to no database');
set('loyalty.worker_role' => 'nobody');
wait_for_log(qr/because role "nobody" of loyalty.worker_role does not exist/, 'nor with one that does not exist');

# What lapses on a date is posted when the clock has come there.
sql('shop', <<'SQL');
SELECT loyalty.program_create('shop', 'CNY', 'Asia/Shanghai');
SELECT loyalty.sale('shop', '{"customer_no": "1"}', 129, 'order-1');
SQL
set('loyalty.worker_role' => 'night');
wait_until('shop', q{SELECT count(*) > 0 FROM loyalty.maintenance_job WHERE finished_at > '2026-03-01'}, 'with one there is');
is(sql('shop', q{SELECT count(*) FROM loyalty.journal WHERE kind = 'expire'}), '0', 'nothing has lapsed');
set('loyalty.now' => '2027-04-01 00:30+08');
wait_until('shop', q{SELECT count(*) = 1 FROM loyalty.journal WHERE kind = 'expire'}, 'a year later the points have');
is(sql('shop', q{SELECT unit, amount, balance_after, at FROM loyalty.statement(loyalty.find('shop', 'customer_no', '1')) WHERE kind = 'expire'}),
    'points|-129|0|2027-03-31 16:00:00+00', 'all of them, dated at midnight in Shanghai');
# what has been posted is added up for the reports by a later job, perhaps of the next round
wait_until('shop', q{SELECT count(*) = 0 FROM loyalty.maintenance_status WHERE backlog > 0}, 'nothing is left');
is(sql('shop', q{SELECT job, errors FROM loyalty.maintenance_status WHERE errors > 0}), '', 'nothing has failed');
books_agree($node, 'shop', 'after maintenance');

#
# How rounds are run
#

stand_in('shop', 'NULL');
wait_for_round('shop', 'rounds follow') for 1 .. 2;
is(sql('shop', 'SELECT DISTINCT who, path, app, budget, clock FROM round'),
    'night|pg_catalog, pg_temp|loyalty worker|00:00:02|2027-03-31 16:30:00+00', 'as the role, with a budget, at the time of loyalty.now');
like(sqlstate($node, 'shop', 'SELECT 1'), qr/^$/, 'others connect');
isnt($node->psql('shop', 'SELECT 1', connstr => $node->connstr('shop') . ' user=night'), 0, 'with a limit of 0, nobody but the worker logs in as that role');

# A round under way is a session like any other.
my $holder = $node->background_psql('postgres');
sql('postgres', q{ALTER ROLE night SET lock_timeout = '1min'});
stand_in('shop', 'PERFORM pg_advisory_lock(1); PERFORM pg_advisory_unlock(1)');
$holder->query_safe('\c shop');
$holder->query_safe('SELECT pg_advisory_lock(1)');
wait_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'loyalty worker' AND wait_event_type = 'Lock'}, 'a round waits');
is(sql('postgres', q{SELECT datname, usename, application_name, state, query, xact_start > backend_start - interval '1 second' FROM pg_stat_activity WHERE backend_type = 'loyalty worker'}),
    q{shop|night|loyalty worker|active|CALL loyalty.maintain('2000 ms')|t}, 'and is seen');

#
# Ending processes
#

forget_log();
my $worker = pid_of('worker');
sql('postgres', "SELECT pg_terminate_backend($worker)");
wait_until('postgres', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'loyalty worker' AND wait_event_type = 'Lock' AND pid <> $worker}, 'a round that was terminated is followed by another');
my $launcher = pid_of('launcher');
$worker = pid_of('worker');
sql('postgres', "SELECT pg_terminate_backend($launcher)");
wait_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid IN ($launcher, $worker)", 'a launcher that is terminated ends its rounds');
wait_until('postgres', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'loyalty worker' AND wait_event_type = 'Lock'}, 'and is followed by another, which starts rounds');
is(() = split(/ /, pid_of('launcher')), 1, 'one');
is(times_logged(qr/terminating background worker "loyalty worker"/), 2, 'each end is logged');

sql('postgres', "SELECT pg_cancel_backend(" . pid_of('worker') . ')');
wait_for_log(qr/WARNING:  maintenance of database "shop" failed: canceling statement due to user request\n.*DETAIL:  SQLSTATE 57014; it is tried again in 2 s/, 'a cancel ends a round');
wait_until('postgres', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'loyalty worker' AND wait_event_type = 'Lock'}, 'and another follows');

# The server takes a killed process for a broken one, and starts all anew.
kill 'KILL', pid_of('worker');
wait_for_log(qr/all server processes terminated; reinitializing/, 'a killed round restarts the server');
ok($node->poll_query_until('postgres', $launcher_runs), 'the launcher is back');
stand_in('shop', 'NULL');
wait_for_round('shop', 'and works');
forget_log();
kill 'KILL', pid_of('launcher');
wait_for_log(qr/all server processes terminated; reinitializing/, 'so does a killed launcher');
ok($node->poll_query_until('postgres', $launcher_runs), 'the launcher is back');
wait_for_round('shop', 'and works');
eval { $holder->quit };

$node->stop('immediate');
$node->start;
wait_for_round('shop', 'it works after a crash of the server');

#
# Work that is left, and other databases
#

# The interval is a day: only what is left makes a second round.
stand_in('shop', q{IF (SELECT count(*) FROM public.round) % 2 = 1 THEN PERFORM pg_sleep_for(budget); END IF});
sql('shop', 'TRUNCATE round');
set('loyalty.worker_interval' => '1d');
wait_until('shop', 'SELECT count(*) >= 2 AND count(*) % 2 = 0 FROM round', 'a round that uses up its budget is followed by the next at once');

# A database that is always busy leaves the one process to another.
stand_in('shop', 'PERFORM pg_sleep_for(budget)');
stand_in('other', 'NULL');
set('loyalty.worker_interval' => '1s', 'loyalty.worker_database' => 'shop, other', 'loyalty.worker_processes' => 1);
wait_for_round($_, "$_ has its turn") for qw(other shop other);

# and can be dropped
forget_log();
wait_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'loyalty worker' AND datname = 'shop'}, 'the round is under way');
is(sqlstate($node, 'postgres', 'DROP DATABASE shop'), '', 'a database is dropped in the middle of a round');
wait_for_log(qr/WARNING:  database "shop" of loyalty.worker_database does not exist/, 'which is noticed');
wait_for_round('other', 'the other goes on');
wait_for_round('other', 'and on');
is(times_logged(qr/"shop" of loyalty/), 1, 'it is said once');
sql('postgres', 'CREATE DATABASE shop');
is(sqlstate($node, 'postgres', 'CREATE DATABASE copy TEMPLATE shop; DROP DATABASE copy'), '', 'and may serve as a template');
install('shop');
wait_for_round('shop', 'created anew: it is maintained again');

#
# Errors
#

forget_log();
stand_in('shop', q{RAISE EXCEPTION 'the budget of % is broken', 'spring' USING DETAIL = 'phone=13912345678', HINT = 'Mend it.'});
wait_for_log(qr/it is tried again in 2 s.*it is tried again in 4 s/s, 'what fails is tried again later and later');
like(slurp_file($node->logfile, $seen), qr/WARNING:  maintenance of database "shop" failed: the budget of spring is broken\n.*DETAIL:  SQLSTATE P0001; it is tried again in 2 s\.\n.*HINT:  Mend it\.\n/, 'it is logged');
is(times_logged(qr/exited with exit code|13912345678|ERROR/), 0, 'once, without what may be personal');
wait_for_round('other', 'the other database does not mind');
stand_in('shop', q{RAISE 'invalid date: "13912345678"' USING ERRCODE = '22007'});
forget_log();
set('loyalty.worker_interval' => '2s');
wait_for_log(qr/failed: invalid date\n.*SQLSTATE 22007; it is tried again in 4 s/, 'a reload ends the pause, and takes another interval');
is(times_logged(qr/13912345678/), 0, 'a bad value is not quoted');
stand_in('shop', 'NULL');
set('loyalty.worker_interval' => '1s');
wait_for_round('shop', 'mended: it works') for 1 .. 2;

forget_log();
sql('shop', q{UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'loyalty'});
wait_for_log(qr/failed: library and extension differ in version\n.*SQLSTATE LY904, library=\S+ extension=0\.0\.9; .*\n.*HINT:  Run ALTER EXTENSION/, 'SQL of another version is not called');
$node->safe_psql('shop', q{UPDATE pg_extension SET extversion = (SELECT default_version FROM pg_available_extensions WHERE name = 'loyalty') WHERE extname = 'loyalty'});
set();
wait_for_round('shop', 'that of the right one is');

forget_log();
sql('shop', 'REVOKE EXECUTE ON PROCEDURE loyalty.maintain FROM PUBLIC, loyalty_worker');
wait_for_log(qr/failed: permission denied for procedure maintain/, 'the role needs its grants');
sql('postgres', 'ALTER ROLE night NOLOGIN');
wait_for_log(qr/FATAL:  role "night" is not permitted to log in/, 'and must be able to log in');
sql('postgres', 'ALTER ROLE night LOGIN');
stand_in('shop', 'NULL');
set();
wait_for_round('shop', 'then it works');

#
# The extension comes and goes
#

forget_log();
sql('shop', 'DROP EXTENSION loyalty');
wait_for_round('other', 'dropped: the others go on') for 1 .. 2;
install('shop');
wait_for_round('shop', 'created: it works again');
# in the middle of a round, and again and again
stand_in('shop', q{INSERT INTO public.round (who) VALUES ('begin'); COMMIT; PERFORM pg_sleep_for(budget); INSERT INTO public.round (who) VALUES ('end')});
wait_until('shop', q{SELECT count(*) > 0 FROM round WHERE who = 'begin'}, 'a round is under way');
sql('shop', 'DROP EXTENSION loyalty');
is(sql('shop', q{SELECT count(*) FILTER (WHERE who = 'begin') - count(*) FILTER (WHERE who = 'end') FROM round}), '0', 'DROP EXTENSION has waited for it');
wait_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'loyalty worker' AND datname = 'shop'}, 'it has ended');
$holder = $node->background_psql('shop');
$holder->query_safe('CREATE EXTENSION loyalty');
$holder->query_safe('BEGIN; DROP EXTENSION loyalty');
wait_for_round('other', 'one that is not dropped yet is in nobody\'s way') for 1 .. 2;
$holder->query_safe('COMMIT');
$holder->quit;
is(times_logged(qr/WARNING|ERROR|FATAL/), 0, 'without a word');
install('shop');

#
# Settings
#

set('loyalty.worker_database' => 'other');
wait_for_round('other', 'the list has changed');
wait_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'shop' AND backend_type = 'loyalty worker'}, 'no round is left');
my $before = rounds('shop');
wait_for_round('other', 'the other goes on') for 1 .. 2;
is(rounds('shop'), $before, 'a database that is not listed is left alone');

set('loyalty.worker_enabled' => 'off', 'loyalty.worker_database' => 'shop, other, "other"');
wait_until('postgres', q{SELECT query = 'loyalty.worker_enabled is off' FROM pg_stat_activity WHERE backend_type = 'loyalty launcher'}, 'switched off');
wait_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'loyalty worker'}, 'no round is left');
$before = rounds('other');
# more than an interval
sql('other', 'SELECT pg_sleep(1.5)');
is(rounds('other'), $before, 'there are no more rounds');
set('loyalty.worker_enabled' => 'on');
wait_for_round($_, "switched on: $_") for qw(shop other);

# No process is left: max_worker_processes holds the launcher, the one of
# logical replication, and one round.
sql('postgres', 'ALTER SYSTEM SET max_worker_processes = 3');
set('loyalty.worker_processes' => 2);
stand_in('shop', 'PERFORM pg_advisory_lock(1); PERFORM pg_advisory_unlock(1)');
forget_log();
$node->restart;
$holder = $node->background_psql('shop');
$holder->query_safe('SELECT pg_advisory_lock(1)');
wait_for_log(qr/no process is left to maintain database "other"\n.*HINT:  You might need to increase max_worker_processes/, 'that no process is left is said');
$before = rounds('other');
# longer than an interval
sql('other', 'SELECT pg_sleep(1.5)');
is(times_logged(qr/no process is left/), 1, 'once');
$holder->query_safe('SELECT pg_advisory_unlock(1)');
wait_until('other', "SELECT count(*) > $before FROM round", 'the other has its turn when one is free');
$holder->quit;
stand_in('shop', 'NULL');

#
# A standby
#

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'loyalty%'}), '0', 'a standby has no launcher');
$node->stop('immediate');
$standby->promote;
ok($standby->poll_query_until('postgres', $launcher_runs), 'it has one when it is promoted');
$before = $standby->safe_psql('shop', 'SELECT count(*) FROM round');
ok($standby->poll_query_until('shop', "SELECT count(*) > $before FROM round"), 'which works');
$standby->stop;

#
# pg_upgrade starts the server in its own mode
#

system_or_bail('pg_ctl', '-w', '-D', $standby->data_dir, '-l', $standby->logfile, '-o', '-b', 'start');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'loyalty%'}), '0', 'there is no launcher during pg_upgrade');
is($standby->safe_psql('shop', 'SHOW loyalty.worker_database'), 'shop, other, "other"', 'but the library is loaded');
system_or_bail('pg_ctl', '-w', '-D', $standby->data_dir, '-m', 'fast', 'stop');

done_testing();

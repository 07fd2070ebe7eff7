package Webhook;

# A receiver of messages: a real HTTP server on the local machine that checks
# each signature by itself, keeps what it was sent, and answers as the message
# says, attempt by attempt:
#
#   {"answers": ["500", "hang", "429/7", "200"]}
#
# A number is a status, with what Retry-After says behind it; the others are in
# answer(). Without a word for an attempt it is 200.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex);
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

# Starts one that knows the secret.
sub new
{
    my ($class, $secret) = @_;
    my $self = bless { secret => $secret, dir => PostgreSQL::Test::Utils::tempdir() }, $class;

    $self->{log} = "$self->{dir}/requests";

    $self->start(0);
    return $self;
}

sub start
{
    my ($self, $port) = @_;
    my $listener = IO::Socket::INET->new(
        Listen => 128, LocalAddr => '127.0.0.1', LocalPort => $port, ReuseAddr => 1) or die "cannot listen: $!";

    $self->{port} = $listener->sockport;
    my $pid = fork() // die "cannot fork: $!";
    if ($pid)
    {
        $self->{pid} = $pid;
        return;
    }
    # nothing of the test may run at the end of this process
    setpgrp;
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP ALRM);
    $SIG{CHLD} = 'IGNORE';
    $SIG{PIPE} = 'IGNORE';
    while (1)
    {
        my $peer = $listener->accept or next;
        my $child = fork();
        if (defined $child && $child == 0)
        {
            close $listener;
            eval { $self->serve($peer) };
            POSIX::_exit(0);
        }
        close $peer;
    }
    POSIX::_exit(0);
}

sub stop
{
    my ($self) = @_;
    my $pid = delete $self->{pid} // return;
    local $?;
    kill 'TERM', -$pid, $pid;
    waitpid $pid, 0;
    return;
}

# A test that dies leaves none behind.
sub DESTROY { my ($self) = @_; return $self->stop }

# As after a failure of its machine: at the same address.
sub start_again { my ($self) = @_; return $self->start($self->{port}) }

sub url { my ($self) = @_; return "http://127.0.0.1:$self->{port}/hook" }

# What it was sent, in order.
sub requests
{
    my ($self) = @_;
    return () unless -e $self->{log};
    return map { decode_json($_) } split /\n/, slurp_file($self->{log});
}

sub forget { my ($self) = @_; unlink $self->{log}, "$self->{dir}/go"; return }

# Lets those go on that were answered "wait".
sub let_go { my ($self) = @_; append_to_file("$self->{dir}/go", ''); return }

# Waits for so many requests; those that are there.
sub wait_for
{
    my ($self, $n) = @_;
    my @requests;

    for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
    {
        @requests = $self->requests;
        last if @requests >= $n;
        usleep(50_000);
    }
    return @requests;
}

sub serve
{
    my ($self, $peer) = @_;

    while (my $request = read_request($peer))
    {
        my $message = eval { decode_json($request->{body}) } // {};
        my $word = 200;
        my $answers = ref $message->{params} eq 'HASH' ? $message->{params}{answers} : undef;

        $word = $answers->[ $message->{attempt} - 1 ] // 200 if $answers;
        my $signed = $self->signed($request);
        $word = 401 if !$signed;
        $self->note(
            { %$request, message => $message, signed => $signed, word => "$word", pid => $$, at => time });
        $self->answer($peer, $word) or return;
    }
    return;
}

sub read_request
{
    my ($peer) = @_;
    local $/ = "\r\n";
    my $line = <$peer> // return;
    my ($method, $path) = $line =~ m{^(\w+) (\S+) HTTP/1\.1\r\n$} or return;
    my %header;

    while (defined($line = <$peer>) && $line ne "\r\n")
    {
        $header{ lc $1 } = $2 if $line =~ /^([\w-]+): (.*)\r\n$/;
    }
    my $body = '';
    my $length = $header{'content-length'} // 0;
    while (length $body < $length)
    {
        read($peer, $body, $length - length $body, length $body) or return;
    }
    return { method => $method, path => $path, header => \%header, body => $body };
}

# Is one of the signatures ours, and of this minute?
sub signed
{
    my ($self, $request) = @_;
    my $header = $request->{header}{'loyalty-signature'} // return 0;
    my ($at) = $header =~ /^t=(\d+),/ or return 0;
    my $wanted = hmac_sha256_hex("$at.$request->{body}", $self->{secret});

    return (abs(time - $at) <= 60 && grep { $_ eq "v1=$wanted" } split /,/, $header) ? 1 : 0;
}

sub note
{
    my ($self, $facts) = @_;
    open my $log, '>>', $self->{log} or die $!;
    # one write, so that those of several processes do not mix
    syswrite $log, encode_json($facts) . "\n";
    close $log;
    return;
}

# False: the connection is not kept.
sub answer
{
    my ($self, $peer, $word) = @_;

    if ($word eq 'wait')
    {
        usleep(20_000) until -e "$self->{dir}/go";
        $word = 200;
    }
    if ($word =~ m{^(\d+)(?:/(.+))?$})
    {
        my $head = "HTTP/1.1 $1 So\r\nContent-Length: 2\r\n";
        $head .= "Retry-After: $2\r\n" if defined $2;
        $peer->print("$head\r\nok");
        return $peer->flush;
    }
    if ($word eq 'hang')
    {
        # until the other side gives up
        sysread $peer, my $byte, 1;
    }
    elsif ($word eq 'garbage')
    {
        $peer->print("\x00\xff*** this is not HTTP ***\n" x 20);
    }
    elsif ($word eq 'redirect')
    {
        $peer->print("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
        return $peer->flush;
    }
    elsif ($word eq 'cut')
    {
        $peer->print("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
    }
    elsif ($word eq 'endless')
    {
        $peer->print("HTTP/1.1 200 OK\r\n\r\n");
        1 while $peer->print('x' x 65536);
    }
    elsif ($word eq 'long_head')
    {
        $peer->print("HTTP/1.1 500 No\r\n");
        1 while $peer->print('X-Filler: ' . 'x' x 8000 . "\r\n");
    }
    # close: nothing at all
    return 0;
}

1;

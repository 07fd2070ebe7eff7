/*
 * The loop.
 */
#include "dispatch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So many failures in a row, and the receiver is left alone for a while. */
#define FAILURES_MAX 3
#define FIRST_PAUSE 1000
#define LONGEST_PAUSE 60000
/* before a call that failed is tried again, and how often with --once */
#define CALL_PAUSE 1000
#define CALLS_MAX 3
#define LONGEST_WAIT 60000

typedef struct Dispatcher
{
	Options options;
	Queue  *queue;
	Hook   *hook;
	Hand   *hands;
	bool   *more;		/* by channel: there may be messages to take */
	int		first;		/* channel that is asked first, in turn */
	int64_t look_at;	/* when to look without having been told */
	int64_t take_after; /* nothing is taken before */
	int		calls_failed; /* in a row */
	int		failures;	/* of the receiver, in a row */
	bool	undelivered;
	bool	stopping;
	int64_t stop_at; /* stopping: not later than */
} Dispatcher;

static volatile sig_atomic_t stop_asked;
static volatile sig_atomic_t reload_asked;
static int					 signal_pipe[2];

/* The byte ends the wait; a full pipe does so, too. */
static void
note_signal(int number)
{
	int	 saved = errno;
	bool again = stop_asked && number != SIGHUP;

	if (again)
		_exit(EXIT_FAULT);
	if (number == SIGHUP)
		reload_asked = 1;
	else
		stop_asked = 1;
	if (write(signal_pipe[1], "", 1) < 0)
		errno = 0;
	errno = saved;
}

static void
catch_signals(void)
{
	struct sigaction action = {.sa_handler = note_signal};

	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		fatal("cannot make a pipe: %s", strerror(errno));
	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void
obey_signals(Dispatcher *d)
{
	char bytes[16];

	while (read(signal_pipe[0], bytes, sizeof(bytes)) > 0)
		;
	if (reload_asked)
	{
		reload_asked = 0;
		secret_reload();
	}
	if (stop_asked && !d->stopping)
	{
		d->stopping = true;
		d->stop_at = clock_ms() + d->options.timeout + 10000;
	}
}

static int
busy_hands(const Dispatcher *d)
{
	int busy = 0;
	int i;

	for (i = 0; i < d->options.concurrency; i++)
		busy += d->hands[i].state != HAND_FREE;
	return busy;
}

/* While the receiver fails, one message at a time asks how it is. */
static int
free_hands(const Dispatcher *d)
{
	int busy = busy_hands(d);

	if (d->failures >= FAILURES_MAX)
		return busy == 0 ? 1 : 0;
	return d->options.concurrency - busy;
}

static bool
any_more(const Dispatcher *d)
{
	return memchr(d->more, true, d->options.n_channels) != NULL;
}

static void
log_end(const Dispatcher *d, const Hand *hand)
{
	if (hand->outcome != OUTCOME_DELIVERED)
		log_line("message %s (%s), attempt %s: %s", hand->message_id,
				 hand->channel, hand->attempt, hand->reason);
	else if (d->options.verbose)
		log_line("message %s (%s), attempt %s: delivered", hand->message_id,
				 hand->channel, hand->attempt);
}

/*
 * Learns from the end of a request. What fails while a pause lasts was sent
 * before it began and says nothing new.
 */
static void
learn(Dispatcher *d, const Hand *hand)
{
	int64_t now = clock_ms();
	int64_t pause = hand->retry_after;
	int		i;

	log_end(d, hand);
	if (hand->outcome == OUTCOME_DELIVERED)
	{
		d->failures = 0;
		return;
	}
	d->undelivered = true;
	if (hand->outcome == OUTCOME_REFUSED)
		return;
	if (now >= d->take_after && ++d->failures >= FAILURES_MAX && pause == 0)
	{
		pause = FIRST_PAUSE;
		for (i = FAILURES_MAX; i < d->failures && pause < LONGEST_PAUSE; i++)
			pause *= 2;
	}
	/* the message itself waits as long as the receiver says */
	if (pause > LONGEST_PAUSE)
		pause = LONGEST_PAUSE;
	if (now + pause > d->take_after)
		d->take_after = now + pause;
}

static void
end_requests(Dispatcher *d)
{
	Hand *hand;

	while ((hand = hook_ended(d->hook)) != NULL)
	{
		hand->report_at = 0;
		learn(d, hand);
	}
}

/*
 * Tells the database. What it cannot be told before the lease ends is
 * delivered again.
 */
static void
report(Dispatcher *d, Hand *hand)
{
	int64_t now = clock_ms();

	if (now >= hand->lease_ends)
		log_line("message %s (%s): the lease ended before its end could be "
				 "noted; it will be delivered again",
				 hand->message_id, hand->channel);
	else if (!queue_up(d->queue) || now < hand->report_at)
		return;
	else
		switch (queue_report(d->queue, hand))
		{
			case QUEUE_LATER:
				hand->report_at = now + CALL_PAUSE;
				return;
			case QUEUE_GONE:
				log_line("message %s (%s) is no longer ours: cancelled, or "
						 "its lease has ended",
						 hand->message_id, hand->channel);
				break;
			case QUEUE_OK:
				break;
		}
	hand_clear(hand);
}

static void
report_all(Dispatcher *d)
{
	int i;

	for (i = 0; i < d->options.concurrency; i++)
		if (d->hands[i].state == HAND_ENDED)
			report(d, &d->hands[i]);
}

static Hand *
free_hand(Dispatcher *d)
{
	Hand *hand = d->hands;

	while (hand->state != HAND_FREE)
		hand++;
	return hand;
}

/* Takes up to n messages of a channel and sends them. */
static void
take(Dispatcher *d, int channel, int n)
{
	int64_t	  lease_ends = clock_ms() + d->options.lease;
	PGresult *taken;
	int		  row;

	if (queue_take(d->queue, d->options.channels[channel], n, &taken) !=
		QUEUE_OK)
	{
		d->calls_failed++;
		if (d->take_after < clock_ms() + CALL_PAUSE)
			d->take_after = clock_ms() + CALL_PAUSE;
		return;
	}
	d->calls_failed = 0;
	/* fewer than n need not be all: some may have been suppressed */
	d->more[channel] = PQntuples(taken) > 0;
	for (row = 0; row < PQntuples(taken); row++)
	{
		Hand *hand = free_hand(d);

		queue_read(taken, row, hand);
		hand->channel = d->options.channels[channel];
		hand->lease_ends = lease_ends;
		hook_send(d->hook, hand);
	}
	PQclear(taken);
}

/* Fills the free hands, from each channel in turn. */
static void
take_all(Dispatcher *d)
{
	int channels = d->options.n_channels;
	int i;

	for (i = 0; i < channels; i++)
		if (queue_notified(d->queue, d->options.channels[i]) ||
			clock_ms() >= d->look_at)
			d->more[i] = true;
	if (clock_ms() >= d->look_at)
		d->look_at = clock_ms() + d->options.poll;
	for (i = 0; i < channels; i++)
	{
		int channel = (d->first + i) % channels;
		int n = free_hands(d);

		if (!queue_up(d->queue) || d->stopping || n == 0 ||
			clock_ms() < d->take_after)
			return;
		if (d->more[channel])
			take(d, channel, n < d->options.batch ? n : d->options.batch);
	}
	d->first = (d->first + 1) % channels;
}

static void
sooner(int64_t *when, int64_t other)
{
	if (other >= 0 && other < *when)
		*when = other;
}

/* How long nothing can happen by itself. */
static int64_t
idle_time(const Dispatcher *d)
{
	int64_t now = clock_ms();
	int64_t when = now + LONGEST_WAIT;
	int		i;

	sooner(&when, queue_timer(d->queue));
	if (d->stopping)
		sooner(&when, d->stop_at);
	else if (queue_up(d->queue))
	{
		sooner(&when, d->look_at);
		if (any_more(d) && free_hands(d) > 0)
			sooner(&when, d->take_after);
	}
	for (i = 0; i < d->options.concurrency; i++)
		if (d->hands[i].state == HAND_ENDED)
			sooner(&when, queue_up(d->queue) ? d->hands[i].report_at
											 : d->hands[i].lease_ends);
	return when > now ? when - now : 0;
}

/* Waits until there is something to do, and does what the database brings. */
static void
wait_for_work(Dispatcher *d)
{
	struct curl_waitfd waits[2] = {
		{.fd = signal_pipe[0], .events = CURL_WAIT_POLLIN}};
	bool connected = queue_wait(d->queue, &waits[1]);

	hook_wait(d->hook, waits, connected ? 2 : 1, idle_time(d));
	queue_step(d->queue, connected && waits[1].revents != 0);
}

/* Is there nothing left to do? */
static bool
finished(const Dispatcher *d)
{
	if (d->stopping && clock_ms() >= d->stop_at)
		return true;
	if (d->options.once && queue_failed(d->queue))
		return true;
	if (busy_hands(d) > 0)
		return false;
	if (!d->options.once)
		return d->stopping;
	if (d->stopping || d->calls_failed >= CALLS_MAX)
		return true;
	/* a receiver that fails is left for the next time */
	return queue_up(d->queue) &&
		   (!any_more(d) || (d->undelivered && d->calls_failed == 0 &&
							 clock_ms() < d->take_after));
}

static int
exit_code(const Dispatcher *d)
{
	int busy = busy_hands(d);

	if (busy > 0)
		log_line("messages in hand whose end is not noted: %d; they will be "
				 "delivered again",
				 busy);
	if (d->stopping)
		return busy > 0 ? EXIT_FAULT : EXIT_SUCCESS;
	if (queue_failed(d->queue))
		return EXIT_NO_DATABASE;
	if (d->calls_failed > 0)
		return EXIT_FAULT;
	return d->undelivered ? EXIT_UNDELIVERED : EXIT_SUCCESS;
}

static void
run(Dispatcher *d)
{
	queue_step(d->queue, false);
	do
	{
		wait_for_work(d);
		obey_signals(d);
		end_requests(d);
		report_all(d);
		take_all(d);
	} while (!finished(d));
}

int
main(int argc, char **argv)
{
	Dispatcher d = {.options = options_parse(argc, argv)};
	int		   code;

	setvbuf(stderr, NULL, _IOLBF, 0);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		fatal("cannot start libcurl");
	hook_check(&d.options);
	secret_init(d.options.secret_file);
	catch_signals();
	d.hands = must(calloc(d.options.concurrency, sizeof(Hand)));
	d.more = must(calloc(d.options.n_channels, sizeof(bool)));
	d.queue = queue_create(&d.options);
	d.hook = hook_create(&d.options, d.hands);
	if (!d.options.once)
		log_line("started, version " LOYALTY_VERSION);

	run(&d);

	code = exit_code(&d);
	hook_destroy(d.hook, &d.options, d.hands);
	queue_destroy(d.queue);
	secret_forget();
	free(d.hands);
	free(d.more);
	free(d.options.channels);
	curl_global_cleanup();
	return code;
}

/*
 * loyalty-dispatch: takes messages of the outbox and posts them to a webhook.
 *
 * A program of its own: it speaks to the server by SQL only (libpq) and shares
 * no code with the library that the server loads.
 *
 * One thread and one wait for everything: requests on their way, the database
 * connection, signals, timers. At most options.concurrency messages are in
 * hand, and a message is taken only when a hand is free to send it at once, so
 * the lease has to outlast one request and no more.
 *
 * A message is marked done after the receiver said 2xx. Between the two the
 * program may die; then the lease ends, somebody takes the message again, and
 * the receiver sees the same Idempotency-Key a second time.
 *
 *   options.c  what was asked for        queue.c  the database
 *   secret.c   signatures                hook.c   the receiver
 *   log.c      messages, the clock       main.c   the loop
 */
#ifndef DISPATCH_H
#define DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>
#include <libpq-fe.h>

#if LIBCURL_VERSION_NUM < 0x074200
#error "libcurl 7.66 or later is needed, for curl_multi_poll"
#endif

#define PROGRAM_NAME "loyalty-dispatch"

/* Exit codes; --help and doc/dispatch.md say the same. */
enum
{
	EXIT_FAULT = 1,		  /* cannot start or go on */
	EXIT_USAGE = 2,		  /* wrong options */
	EXIT_UNDELIVERED = 3, /* --once: something was not delivered */
	EXIT_NO_DATABASE = 4  /* --once: no connection to the database */
};

/* All times are in milliseconds. */
typedef struct Options
{
	const char *database;
	const char *program; /* NULL: all */
	const char **channels;
	int			n_channels;
	const char *url;
	const char *secret_file; /* NULL: from the environment */
	const char *ca_file;	 /* NULL: the system's */
	int			concurrency;
	int			batch;
	int64_t		lease;
	int64_t		timeout;
	int64_t		poll;
	bool		once;
	bool		verbose;
} Options;

/* What became of a request. */
typedef enum Outcome
{
	OUTCOME_DELIVERED,	 /* 2xx */
	OUTCOME_REFUSED,	 /* the receiver does not like this message */
	OUTCOME_UNAVAILABLE, /* it likes none at the moment, or cannot be reached */
} Outcome;

typedef enum HandState
{
	HAND_FREE,
	HAND_SENDING, /* the request is on its way */
	HAND_ENDED	  /* the database does not know of it yet */
} HandState;

/* A message in hand. */
typedef struct Hand
{
	HandState	state;
	char	   *member_id;
	char	   *message_id;
	char	   *attempt;
	char	   *key;
	const char *channel;
	char	   *text; /* the body; when it is sent, after what else is signed */
	int64_t		lease_ends;
	int64_t		report_at;

	/* the request */
	CURL			  *easy;
	struct curl_slist *headers;
	size_t			   received;

	/* its end */
	Outcome outcome;
	char	reason[32];
	int64_t retry_after; /* 0: the receiver said nothing */
} Hand;

/* log.c */
extern void log_line(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
extern void fatal(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));
extern int64_t clock_ms(void);
extern void	  *must(void *allocated);
extern char	  *copy_text(const char *text);

/* options.c */
extern Options options_parse(int argc, char **argv);

/* secret.c */
extern void	 secret_init(const char *file);
extern void	 secret_reload(void);
extern void	 secret_forget(void);
extern char *secret_sign(const char *text, size_t length, int64_t at);

/* queue.c */
typedef struct Queue Queue;

/* What became of a call. */
typedef enum QueueAnswer
{
	QUEUE_OK,
	QUEUE_GONE, /* the message is no longer ours */
	QUEUE_LATER /* not now; the same call may do well later */
} QueueAnswer;

extern Queue	  *queue_create(const Options *options);
extern void		   queue_destroy(Queue *queue);
extern void		   queue_step(Queue *queue, bool ready);
extern bool		   queue_up(const Queue *queue);
extern bool		   queue_failed(const Queue *queue);
extern bool		   queue_wait(const Queue *queue, struct curl_waitfd *wait);
extern int64_t	   queue_timer(const Queue *queue);
extern bool		   queue_notified(Queue *queue, const char *channel);
extern QueueAnswer queue_take(Queue *queue, const char *channel, int n,
							  PGresult **taken);
extern void		   queue_read(const PGresult *taken, int row, Hand *hand);
extern QueueAnswer queue_report(Queue *queue, const Hand *hand);

/* hook.c */
typedef struct Hook Hook;

extern void	 hook_check(const Options *options);
extern Hook *hook_create(const Options *options, Hand *hands);
extern void	 hook_destroy(Hook *hook, const Options *options, Hand *hands);
extern void	 hook_send(Hook *hook, Hand *hand);
extern Hand *hook_ended(Hook *hook);
extern void	 hook_wait(Hook *hook, struct curl_waitfd *waits, unsigned int n,
					   int64_t timeout);
extern void	 hand_clear(Hand *hand);

#endif

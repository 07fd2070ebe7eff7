/*
 * The database: a connection that comes back, and the three calls of the
 * outbox. Only connecting is asynchronous; the calls take milliseconds, and
 * statement_timeout bounds them.
 */
#include "dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT 30000
#define FIRST_PAUSE 250
#define LONGEST_PAUSE 30000

typedef enum QueueState
{
	QUEUE_DOWN, /* until next_try */
	QUEUE_CONNECTING,
	QUEUE_UP
} QueueState;

struct Queue
{
	const Options			 *options;
	PGconn					 *connection;
	QueueState				  state;
	PostgresPollingStatusType wants;
	int64_t					  next_try;
	int64_t					  deadline; /* of connecting */
	int						  failures; /* since a call did well */
	bool					 *notified; /* by channel */
};

/* The server writes the JSON, so that none is written here. */
static const char take_sql[] =
	"SELECT m.member_id, m.message_id, m.attempts, m.idempotency_key,"
	" pg_catalog.json_build_object('message_id', m.message_id,"
	" 'member_id', m.member_id, 'program', m.program,"
	" 'channel', m.channel, 'template', m.template, 'params', m.params,"
	" 'purpose', m.purpose, 'attempt', m.attempts,"
	" 'created_at', m.created_at) "
	"FROM loyalty.message_take(channel => $1::text, n => $2::int4,"
	" lease => $3::interval, program => $4::text) AS m";

static const char done_sql[] =
	"SELECT loyalty.message_done(member_id => $1::int8,"
	" message_id => $2::int8, attempt => $3::int4)";

static const char retry_sql[] =
	"SELECT loyalty.message_retry(member_id => $1::int8,"
	" message_id => $2::int8, attempt => $3::int4, reason => $4::text,"
	" after => $5::interval)";

/*
 * Nothing of the caller's settings may decide what names mean or how times are
 * written, and the server must not end a session that listens.
 */
static const char setup_sql[] =
	"SELECT pg_catalog.set_config(name, value, false) FROM (VALUES"
	" ('search_path', 'pg_catalog, pg_temp'), ('timezone', 'UTC'),"
	" ('statement_timeout', '30s'), ('idle_session_timeout', '0'))"
	" AS s (name, value);"
	"LISTEN loyalty_message";

static void
ignore_notice(void *arg, const PGresult *result)
{
	(void) arg;
	(void) result;
}

/* The first line of a message of libpq. */
static void
log_fault(const char *what, const char *message)
{
	log_line("%s: %.*s", what, (int) strcspn(message, "\n"), message);
}

static void
notify_all(Queue *queue)
{
	memset(queue->notified, true, queue->options->n_channels);
}

/* Gives the connection up, to try again later each time. */
static void
lose(Queue *queue, const char *message)
{
	int64_t pause = FIRST_PAUSE;
	int		i;

	log_fault("no connection to the database", message);
	PQfinish(queue->connection);
	queue->connection = NULL;
	queue->state = QUEUE_DOWN;
	for (i = 0; i < queue->failures && pause < LONGEST_PAUSE; i++)
		pause *= 2;
	queue->failures++;
	queue->next_try =
		clock_ms() + (pause < LONGEST_PAUSE ? pause : LONGEST_PAUSE);
}

/*
 * Values in the connection string count before the defaults here. The
 * keep-alives find out within half a minute that the server's machine is gone.
 */
static void
connect_start(Queue *queue)
{
	static const char *const keywords[] = {
		"keepalives_idle", "keepalives_interval", "keepalives_count", "dbname",
		"fallback_application_name", "client_encoding", NULL};
	const char *values[] = {"15", "5", "3", queue->options->database,
							PROGRAM_NAME, "UTF8", NULL};

	queue->connection = PQconnectStartParams(keywords, values, 1);
	must(queue->connection);
	if (PQstatus(queue->connection) == CONNECTION_BAD)
	{
		lose(queue, PQerrorMessage(queue->connection));
		return;
	}
	PQsetNoticeReceiver(queue->connection, ignore_notice, NULL);
	queue->state = QUEUE_CONNECTING;
	queue->wants = PGRES_POLLING_WRITING;
	queue->deadline = clock_ms() + CONNECT_TIMEOUT;
}

/* Messages of the time before may wait, so each channel is looked at. */
static void
connect_end(Queue *queue)
{
	PGresult *result = PQexec(queue->connection, setup_sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		lose(queue, PQerrorMessage(queue->connection));
	else
	{
		if (queue->failures > 0)
			log_line("connected to the database again");
		queue->state = QUEUE_UP;
		notify_all(queue);
	}
	PQclear(result);
}

static void
connect_step(Queue *queue, bool ready)
{
	if (ready)
		queue->wants = PQconnectPoll(queue->connection);
	if (queue->wants == PGRES_POLLING_FAILED)
		lose(queue, PQerrorMessage(queue->connection));
	else if (queue->wants == PGRES_POLLING_OK)
		connect_end(queue);
	else if (clock_ms() >= queue->deadline)
		lose(queue, "it took too long");
}

/* A notice names its channel; one that names none is for all. */
static void
read_notices(Queue *queue)
{
	PGnotify *notice;
	int		  i;

	while ((notice = PQnotifies(queue->connection)) != NULL)
	{
		if (*notice->extra == '\0')
			notify_all(queue);
		for (i = 0; i < queue->options->n_channels; i++)
			if (strcmp(notice->extra, queue->options->channels[i]) == 0)
				queue->notified[i] = true;
		PQfreemem(notice);
	}
}

Queue *
queue_create(const Options *options)
{
	Queue *queue = must(calloc(1, sizeof(*queue)));

	queue->options = options;
	queue->notified = must(calloc(options->n_channels, sizeof(bool)));
	return queue;
}

void
queue_destroy(Queue *queue)
{
	PQfinish(queue->connection);
	free(queue->notified);
	free(queue);
}

/* Goes on as far as it can without waiting; ready: the socket is. */
void
queue_step(Queue *queue, bool ready)
{
	if (queue->state == QUEUE_DOWN && clock_ms() >= queue->next_try)
		connect_start(queue);
	else if (queue->state == QUEUE_CONNECTING)
		connect_step(queue, ready);
	else if (queue->state == QUEUE_UP && ready)
	{
		if (!PQconsumeInput(queue->connection))
			lose(queue, PQerrorMessage(queue->connection));
		else
			read_notices(queue);
	}
}

bool
queue_up(const Queue *queue)
{
	return queue->state == QUEUE_UP;
}

/* Has connecting failed, or a connection been lost, since a call did well? */
bool
queue_failed(const Queue *queue)
{
	return queue->failures > 0;
}

/* What to wait for at the socket; false: there is none. */
bool
queue_wait(const Queue *queue, struct curl_waitfd *wait)
{
	if (queue->state == QUEUE_DOWN)
		return false;
	wait->fd = PQsocket(queue->connection);
	wait->events = queue->state == QUEUE_CONNECTING &&
						   queue->wants == PGRES_POLLING_WRITING
					   ? CURL_WAIT_POLLOUT
					   : CURL_WAIT_POLLIN;
	wait->revents = 0;
	return wait->fd >= 0;
}

/* When queue_step() has something to do at the latest; -1: never. */
int64_t
queue_timer(const Queue *queue)
{
	if (queue->state == QUEUE_UP)
		return -1;
	return queue->state == QUEUE_DOWN ? queue->next_try : queue->deadline;
}

/* Was there word of the channel since this was asked last? */
bool
queue_notified(Queue *queue, const char *channel)
{
	bool notified = false;
	int	 i;

	for (i = 0; i < queue->options->n_channels; i++)
		if (strcmp(channel, queue->options->channels[i]) == 0)
		{
			notified |= queue->notified[i];
			queue->notified[i] = false;
		}
	return notified;
}

/* Is an error of one of these classes or codes? */
static bool
among(const char *state, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strncmp(state, *list, strlen(*list)) == 0)
			return true;
	return false;
}

/*
 * What an error means. Rights, names and values that are wrong do not become
 * right by themselves: the program ends, so that somebody looks. A server that
 * only reads was demoted; the next connection may find another.
 */
static QueueAnswer
judge(Queue *queue, const PGresult *result)
{
	static const char *const gone[] = {"LY441", "LY442", NULL};
	static const char *const hopeless[] = {"22", "3F", "42", "LY4", NULL};
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message =
		PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = NULL;

	if (PQstatus(queue->connection) == CONNECTION_BAD || state == NULL ||
		strcmp(state, "25006") == 0)
	{
		lose(queue, message ? message : PQerrorMessage(queue->connection));
		return QUEUE_LATER;
	}
	/* only those of the extension name nothing personal */
	if (strncmp(state, "LY", 2) == 0)
		detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	if (message == NULL)
		message = "no message";
	if (among(state, gone))
		return QUEUE_GONE;
	if (among(state, hopeless))
		fatal("the database refuses: %s (%s)%s%s", message, state,
			  detail ? ": " : "", detail ? detail : "");
	log_fault("the database failed", message);
	return QUEUE_LATER;
}

/* Runs sql; *result is to be cleared by the caller, NULL if not QUEUE_OK. */
static QueueAnswer
call(Queue *queue, const char *sql, int n, const char *const *values,
	 PGresult **result)
{
	QueueAnswer answer = QUEUE_OK;

	*result = PQexecParams(queue->connection, sql, n, NULL, values, NULL, NULL,
						   0);
	if (PQresultStatus(*result) != PGRES_TUPLES_OK)
	{
		answer = judge(queue, *result);
		PQclear(*result);
		*result = NULL;
	}
	else
		queue->failures = 0;
	if (queue->state == QUEUE_UP)
		read_notices(queue);
	return answer;
}

static void
interval_text(char *text, size_t size, int64_t duration)
{
	snprintf(text, size, "%lld ms", (long long) duration);
}

/*
 * Takes up to n messages for the length of a lease. *taken has a row for each,
 * for queue_read(), and is to be cleared by the caller; NULL if not QUEUE_OK.
 */
QueueAnswer
queue_take(Queue *queue, const char *channel, int n, PGresult **taken)
{
	char		lease[32];
	char		count[16];
	const char *values[] = {channel, count, lease, queue->options->program};

	snprintf(count, sizeof(count), "%d", n);
	interval_text(lease, sizeof(lease), queue->options->lease);
	return call(queue, take_sql, 4, values, taken);
}

/* Puts the message of a row of queue_take() into a free hand. */
void
queue_read(const PGresult *taken, int row, Hand *hand)
{
	hand->member_id = copy_text(PQgetvalue(taken, row, 0));
	hand->message_id = copy_text(PQgetvalue(taken, row, 1));
	hand->attempt = copy_text(PQgetvalue(taken, row, 2));
	hand->key = copy_text(PQgetvalue(taken, row, 3));
	hand->text = copy_text(PQgetvalue(taken, row, 4));
}

/*
 * Says what became of a message. The number of the attempt goes along, so that
 * one who was too slow does not speak for the one who took the message after
 * him.
 */
QueueAnswer
queue_report(Queue *queue, const Hand *hand)
{
	char		after[32];
	const char *values[] = {hand->member_id, hand->message_id, hand->attempt,
							hand->reason,
							hand->retry_after > 0 ? after : NULL};
	PGresult   *result;
	QueueAnswer answer;

	interval_text(after, sizeof(after), hand->retry_after);
	if (hand->outcome == OUTCOME_DELIVERED)
		answer = call(queue, done_sql, 3, values, &result);
	else
		answer = call(queue, retry_sql, 5, values, &result);
	PQclear(result);
	return answer;
}

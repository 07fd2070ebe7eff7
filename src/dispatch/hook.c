/*
 * The receiver: signed requests, several at once over connections that are
 * kept, and what their ends mean.
 */
#include "dispatch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Of an answer nobody reads more than its head; so much may follow it. */
#define ANSWER_MAX 65536
#define RETRY_AFTER_MAX 21600	/* newer libcurl tells no more than that */

struct Hook
{
	CURLM *multi;
};

static size_t
count_answer(char *data, size_t size, size_t n, void *arg)
{
	Hand *hand = arg;

	(void) data;
	hand->received += size * n;
	return hand->received <= ANSWER_MAX ? size * n : 0;
}

static void
set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
					 (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/*
 * What is the same for all requests of a hand. Redirects are not followed: the
 * receiver is who was configured, and nobody he names.
 */
static CURL *
create_easy(const Options *options, Hand *hand)
{
	CURL *easy = must(curl_easy_init());

	if (curl_easy_setopt(easy, CURLOPT_URL, options->url) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) != CURLE_OK ||
		curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) != CURLE_OK)
		fatal("cannot prepare requests");
	if (options->ca_file != NULL &&
		curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file) != CURLE_OK)
		fatal("cannot use --ca-file");
	set_protocols(easy);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, hand);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) options->timeout);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long) options->timeout);
	curl_easy_setopt(easy, CURLOPT_USERAGENT,
					 PROGRAM_NAME "/" LOYALTY_VERSION);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, hand);
	return easy;
}

/*
 * Is the address one that can be posted to? Returns what is wrong with it,
 * NULL if nothing.
 */
static const char *
url_fault(const char *address)
{
	CURLU	   *url = must(curl_url());
	char	   *scheme = NULL;
	char	   *user = NULL;
	const char *fault = NULL;

	if (curl_url_set(url, CURLUPART_URL, address, 0) != CURLUE_OK ||
		curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
		(strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		fault = "it is not an address of http or https";
	/* everybody on the machine can read the command line */
	else if (curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK)
		fault = "it has a name or password in it";
	curl_free(scheme);
	curl_free(user);
	curl_url_cleanup(url);
	return fault;
}

/* Ends the program if requests cannot be made as the options say. */
void
hook_check(const Options *options)
{
	const char *fault = url_fault(options->url);

	if (fault != NULL)
	{
		log_line("--url: %s", fault);
		exit(EXIT_USAGE);
	}
	if (options->ca_file != NULL && access(options->ca_file, R_OK) != 0)
		fatal("%s: %s", options->ca_file, strerror(errno));
}

Hook *
hook_create(const Options *options, Hand *hands)
{
	Hook *hook = must(calloc(1, sizeof(*hook)));
	int	  i;

	hook->multi = must(curl_multi_init());
	curl_multi_setopt(hook->multi, CURLMOPT_MAXCONNECTS,
					  (long) options->concurrency);
	for (i = 0; i < options->concurrency; i++)
		hands[i].easy = create_easy(options, &hands[i]);
	return hook;
}

void
hook_destroy(Hook *hook, const Options *options, Hand *hands)
{
	int i;

	for (i = 0; i < options->concurrency; i++)
	{
		if (hands[i].state == HAND_SENDING)
			curl_multi_remove_handle(hook->multi, hands[i].easy);
		curl_easy_cleanup(hands[i].easy);
		hand_clear(&hands[i]);
	}
	curl_multi_cleanup(hook->multi);
	free(hook);
}

/* Frees the hand for the next message. */
void
hand_clear(Hand *hand)
{
	free(hand->member_id);
	free(hand->message_id);
	free(hand->attempt);
	free(hand->key);
	free(hand->text);
	curl_slist_free_all(hand->headers);
	hand->member_id = hand->message_id = hand->attempt = NULL;
	hand->key = hand->text = NULL;
	hand->headers = NULL;
	hand->state = HAND_FREE;
}

static void
add_header(Hand *hand, const char *header)
{
	hand->headers = must(curl_slist_append(hand->headers, header));
}

/*
 * The key comes from the server: it is the same in every attempt, no two
 * messages share it, and it is letters, digits and hyphens only.
 */
static void
add_headers(Hand *hand, int64_t at)
{
	char  key[128];
	char *signature = secret_sign(hand->text, strlen(hand->text), at);

	snprintf(key, sizeof(key), "Idempotency-Key: %s", hand->key);
	add_header(hand, "Content-Type: application/json");
	add_header(hand, key);
	add_header(hand, signature);
	/* no round trip to ask whether the body is wanted */
	add_header(hand, "Expect:");
	free(signature);
}

/* Puts the time and a point before the body: that is what is signed. */
static const char *
put_time_first(Hand *hand, int64_t at)
{
	size_t size = strlen(hand->text) + 24;
	char  *text = must(malloc(size));
	int	   prefix = snprintf(text, size, "%lld.", (long long) at);

	strcpy(text + prefix, hand->text);
	free(hand->text);
	hand->text = text;
	return text + prefix;
}

/* Sends the message in the hand. */
void
hook_send(Hook *hook, Hand *hand)
{
	int64_t		at = time(NULL);
	const char *body = put_time_first(hand, at);

	add_headers(hand, at);
	hand->received = 0;
	curl_easy_setopt(hand->easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(hand->easy, CURLOPT_POSTFIELDSIZE_LARGE,
					 (curl_off_t) strlen(body));
	if (curl_easy_setopt(hand->easy, CURLOPT_HTTPHEADER, hand->headers) !=
			CURLE_OK ||
		curl_multi_add_handle(hook->multi, hand->easy) != CURLM_OK)
		fatal("cannot send a request");
	hand->state = HAND_SENDING;
}

/* A word of ours; what libcurl says could name hosts. */
static const char *
fault_word(CURLcode code)
{
	switch (code)
	{
		case CURLE_OPERATION_TIMEDOUT:
			return "timeout";
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_RESOLVE_PROXY:
			return "resolve";
		case CURLE_COULDNT_CONNECT:
			return "connect";
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_ISSUER_ERROR:
			return "tls";
		default:
			return "network";
	}
}

/*
 * What the end of a request means. A 2xx counts as soon as it was said, even if
 * the rest of the answer is cut, endless or late. Only some refusals are about
 * this message; the others would meet any.
 */
static void
judge(Hand *hand, CURLcode code)
{
	long	   status = 0;
	curl_off_t after = 0;

	curl_easy_getinfo(hand->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(hand->easy, CURLINFO_RETRY_AFTER, &after);
	hand->retry_after = 0;
	hand->reason[0] = '\0';
	if (status / 100 == 2)
	{
		hand->outcome = OUTCOME_DELIVERED;
		return;
	}
	hand->outcome = status == 400 || status == 413 || status == 422
						? OUTCOME_REFUSED
						: OUTCOME_UNAVAILABLE;
	if (status < 200)
		snprintf(hand->reason, sizeof(hand->reason), "%s", fault_word(code));
	else
		snprintf(hand->reason, sizeof(hand->reason), "http_%ld", status);
	if (after > 0)
		hand->retry_after =
			1000 * (after < RETRY_AFTER_MAX ? after : RETRY_AFTER_MAX);
}

/* A hand whose request has ended since, NULL if there is no more. */
Hand *
hook_ended(Hook *hook)
{
	CURLMsg *message;
	int		 left;

	curl_multi_perform(hook->multi, &left);
	while ((message = curl_multi_info_read(hook->multi, &left)) != NULL)
	{
		CURLcode code = message->data.result;
		CURL	*easy = message->easy_handle;
		Hand	*hand;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &hand);
		curl_multi_remove_handle(hook->multi, easy);
		judge(hand, code);
		hand->state = HAND_ENDED;
		return hand;
	}
	return NULL;
}

/* Waits for requests, waits and the time-out, whichever is first. */
void
hook_wait(Hook *hook, struct curl_waitfd *waits, unsigned int n,
		  int64_t timeout)
{
	if (curl_multi_poll(hook->multi, waits, n, (int) timeout, NULL) !=
		CURLM_OK)
		fatal("cannot wait for requests");
}

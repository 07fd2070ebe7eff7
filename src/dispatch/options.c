/*
 * The options.
 */
#include "dispatch.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static const struct option known[] = {
	{"database", required_argument, NULL, 'd'},
	{"channel", required_argument, NULL, 'c'},
	{"program", required_argument, NULL, 'p'},
	{"url", required_argument, NULL, 'u'},
	{"secret-file", required_argument, NULL, 's'},
	{"ca-file", required_argument, NULL, 'a'},
	{"concurrency", required_argument, NULL, 'n'},
	{"batch", required_argument, NULL, 'b'},
	{"lease", required_argument, NULL, 'l'},
	{"timeout", required_argument, NULL, 't'},
	{"poll", required_argument, NULL, 'i'},
	{"once", no_argument, NULL, 'o'},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0}};

static const char usage[] =
	PROGRAM_NAME " posts the messages of the outbox to a webhook.\n"
	"\n"
	"Usage:\n"
	"  " PROGRAM_NAME " --channel=NAME --url=URL [OPTION]...\n"
	"\n"
	"Options:\n"
	"  -d, --database=CONNINFO  database name or connection string\n"
	"  -c, --channel=NAME       channel to deliver; may be given again\n"
	"  -p, --program=NAME       messages of this programme only\n"
	"  -u, --url=URL            where to post, http or https\n"
	"  -s, --secret-file=FILE   secrets to sign with, one a line, the current one\n"
	"                           first (default: $LOYALTY_DISPATCH_SECRET)\n"
	"  -a, --ca-file=FILE       certificates to trust (default: the system's)\n"
	"  -n, --concurrency=N      requests at once (default: 8)\n"
	"  -b, --batch=N            messages to take at once (default: as many as\n"
	"                           requests)\n"
	"  -l, --lease=SECONDS      for how long a message is taken (default: 60)\n"
	"  -t, --timeout=SECONDS    for a request, connecting included (default: 10)\n"
	"  -i, --poll=SECONDS       longest time without looking (default: 5)\n"
	"  -o, --once               deliver what is due, then exit\n"
	"  -v, --verbose            a line for each message delivered\n"
	"  -h, --help               this text\n"
	"  -V, --version            the version\n"
	"\n"
	"Signals: SIGTERM and SIGINT end it after the messages in hand, the second one\n"
	"at once. SIGHUP reads the secrets again.\n"
	"\n"
	"Exit codes: 0 done, 1 cannot start or go on, 2 wrong options; with --once:\n"
	"3 something was not delivered, 4 no connection to the database.\n";

static void wrong(const char *format, const char *what)
	__attribute__((noreturn));

static void
wrong(const char *format, const char *what)
{
	fputs(PROGRAM_NAME ": ", stderr);
	fprintf(stderr, format, what);
	fputs("\nTry \"" PROGRAM_NAME " --help\".\n", stderr);
	exit(EXIT_USAGE);
}

static int
number(const char *text, const char *name, int most)
{
	char *end;
	long  value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 1 || value > most)
	{
		fprintf(stderr, PROGRAM_NAME ": --%s is \"%s\"\n", name, text);
		fprintf(stderr, "It must be a whole number from 1 to %d.\n", most);
		exit(EXIT_USAGE);
	}
	return (int) value;
}

static void
add_channel(Options *options, const char *name)
{
	options->channels =
		must(realloc(options->channels, (options->n_channels + 1) *
											sizeof(*options->channels)));
	options->channels[options->n_channels++] = name;
}

static void
set_option(Options *options, int letter, const char *value)
{
	switch (letter)
	{
		case 'd':
			options->database = value;
			break;
		case 'c':
			add_channel(options, value);
			break;
		case 'p':
			options->program = value;
			break;
		case 'u':
			options->url = value;
			break;
		case 's':
			options->secret_file = value;
			break;
		case 'a':
			options->ca_file = value;
			break;
		case 'n':
			options->concurrency = number(value, "concurrency", 256);
			break;
		case 'b':
			options->batch = number(value, "batch", 256);
			break;
		case 'l':
			options->lease = 1000 * (int64_t) number(value, "lease", 86400);
			break;
		case 't':
			options->timeout = 1000 * (int64_t) number(value, "timeout", 3600);
			break;
		case 'i':
			options->poll = 1000 * (int64_t) number(value, "poll", 86400);
			break;
		case 'o':
			options->once = true;
			break;
		case 'v':
			options->verbose = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		case 'V':
			puts(PROGRAM_NAME " " LOYALTY_VERSION);
			exit(EXIT_SUCCESS);
	}
}

/*
 * The options, or the end of the program. A lease that does not outlast a
 * request would have every slow message delivered twice.
 */
Options
options_parse(int argc, char **argv)
{
	Options options = {
		.concurrency = 8, .lease = 60000, .timeout = 10000, .poll = 5000};
	int letter;

	opterr = 0;
	while ((letter = getopt_long(argc, argv, ":d:c:p:u:s:a:n:b:l:t:i:ovhV",
								 known, NULL)) != -1)
	{
		if (letter == ':' || (letter == '?' && optopt == 0))
			wrong(letter == ':' ? "%s needs a value" : "unknown option %s",
				  argv[optind - 1]);
		if (letter == '?')
			wrong("unknown option, or one without a value, -%s",
				  (char[]) {(char) optopt, '\0'});
		set_option(&options, letter, optarg);
	}
	if (optind < argc)
		wrong("unexpected argument \"%s\"", argv[optind]);
	if (options.n_channels == 0)
		wrong("%s is missing", "--channel");
	if (options.url == NULL)
		wrong("%s is missing", "--url");
	if (options.lease <= options.timeout)
		wrong("%s", "--lease must be longer than --timeout");
	if (options.batch == 0 || options.batch > options.concurrency)
		options.batch = options.concurrency;
	return options;
}

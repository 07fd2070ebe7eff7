/*
 * What the program says, the clock, and memory.
 */
#include "dispatch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void write_line(const char *format, va_list arguments)
	__attribute__((format(printf, 1, 0)));

static void
write_line(const char *format, va_list arguments)
{
	fputs(PROGRAM_NAME ": ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

/*
 * One line on stderr. Nothing of a message but its id, channel and attempt may
 * be in it.
 */
void
log_line(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(format, arguments);
	va_end(arguments);
}

/* The same, as the last thing that the program does. */
void
fatal(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(format, arguments);
	va_end(arguments);
	exit(EXIT_FAULT);
}

/* Milliseconds from some moment on; nobody can set it back. */
int64_t
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What malloc() and its like returned. Without memory there is no going on. */
void *
must(void *allocated)
{
	if (allocated == NULL)
		fatal("out of memory");
	return allocated;
}

char *
copy_text(const char *text)
{
	return must(strdup(text));
}

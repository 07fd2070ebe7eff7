/*
 * message_quiet.c
 *
 * The hours in which a member is left alone, by the clock on his wall.
 */
#include "message_judge.h"

#include "datatype/timestamp.h"
#include "utils/datetime.h"

/*
 * Only names of places, and the zones of ships: what PostgreSQL takes beyond
 * them (EST5, +8) says nothing of daylight saving, or the opposite of what it
 * seems to; and each spelling would be kept for the whole session.
 */
static bool
is_place(const char *name)
{
	bool		slash = false;

	if (strcmp(name, "UTC") == 0)
		return true;
	if (strncmp(name, "Etc/GMT", 7) == 0)
		return (name[7] == '+' || name[7] == '-') &&
			name[8] >= '0' && name[8] <= '9' &&
			(name[9] == '\0' ||
			 (name[9] >= '0' && name[9] <= '9' && name[10] == '\0'));
	for (const char *c = name; *c != '\0'; c++)
	{
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') &&
			strchr("/_-", *c) == NULL)
			return false;
		slash |= *c == '/';
	}
	return slash;
}

pg_tz *
message_zone(const char *name)
{
	return strlen(name) <= TZ_STRLEN_MAX && is_place(name) ?
		pg_tzset(name) : NULL;
}

/* A local date and time of day; the later one, if there is none, or two. */
static TimestampTz
at_local(pg_tz *zone, int julian, TimeADT time)
{
	struct pg_tm tm = {0};
	fsec_t		fsec;
	int			tz;
	TimestampTz result;

	julian += time / USECS_PER_DAY;
	time2tm(time % USECS_PER_DAY, &tm, &fsec);
	j2date(julian, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	tz = DetermineTimeZoneOffset(&tm, zone);
	if (tm2timestamp(&tm, fsec, &tz, &result) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return result;
}

TimestampTz
message_quiet_end(pg_tz *zone, TimeADT from, TimeADT until, TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;
	int			julian;
	TimeADT		time;
	TimestampTz end;

	if (timestamp2tm(at, &tz, &tm, &fsec, NULL, zone) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	julian = date2j(tm.tm_year, tm.tm_mon, tm.tm_mday);
	time = ((tm.tm_hour * MINS_PER_HOUR + tm.tm_min) * SECS_PER_MINUTE +
			tm.tm_sec) * USECS_PER_SEC + fsec;
	if (from < until ? time < from || time >= until :
		time < from && time >= until)
		return at;
	/* those that cross midnight end tomorrow, if they began today */
	end = at_local(zone, julian + (from > until && time >= from ? 1 : 0),
				   until);
	/* whatever a zone has done to its clocks, nobody is kept waiting for ever */
	return Max(end, at);
}

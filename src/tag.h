/*
 * tag.h
 *
 * Tags that are judged by a condition, compiled, and what conditions on the
 * member document read of it.
 */
#ifndef LOYALTY_TAG_H
#define LOYALTY_TAG_H

#include "loyalty.h"

#include "utils/jsonpath.h"

#include "statement.h"

#pragma GCC visibility push(hidden)

typedef struct Tag
{
	char	   *name;
	bool		lifecycle;		/* a member has one of these at a time */
	JsonPath   *condition;		/* over the member document */
} Tag;

/* Parts of the member document; or-ed together. */
#define READS_PURCHASES		0x0001	/* purchases, categories, brands */
#define READS_ACTIVITIES	0x0002
#define READS_DAYS_30		0x0004
#define READS_DAYS_90		0x0008
#define READS_DAYS_365		0x0010
#define READS_MONTHS		0x0020	/* month, last_month */
#define READS_YEAR			0x0040
#define READS_TIER			0x0080
#define READS_AGE			0x0100	/* days since the member joined */
#define READS_SINCE			0x0200	/* days since the last purchase */
#define READS_COUNTERS		0x0400
#define READS_NOW			0x0800
#define READS_NOW_MONTH		0x1000	/* with READS_NOW */
#define READS_NOW_YEAR		0x2000	/* the same */
#define READS_NOW_DATE		0x4000	/* the same */
/* A number of days is compared with more than numbers. */
#define READS_VARYING		0x8000
#define READS_INTERVAL		0x10000 /* the member's own purchase interval */
#define READS_RECENCY		0x20000 /* the days since by it */
#define READS_WINDOWS \
	(READS_DAYS_30 | READS_DAYS_90 | READS_DAYS_365 | READS_MONTHS | \
	 READS_YEAR)
/* Daily sums are kept for these; of purchases for the first two. */
#define READS_BOUGHT (READS_PURCHASES | READS_INTERVAL)
#define READS_DAYS (READS_BOUGHT | READS_ACTIVITIES)

#define TAG_MAX_THRESHOLDS 64

/*
 * From which value on what is compared with a number comes to something else:
 * days of READS_AGE and READS_SINCE, hundredths of READS_RECENCY.
 */
typedef struct TagThreshold
{
	int			part;
	int32		value;
} TagThreshold;

/* What all conditions of a programme read. */
typedef struct TagReads
{
	int			parts;
	int			nthresholds;
	TagThreshold thresholds[TAG_MAX_THRESHOLDS];
} TagReads;

/*
 * The active tags of a programme that have a condition, by position and name.
 */
extern Tag *tag_load(int32 program_id, int *ntags);
/*
 * Names of tags of dimension lifecycle, by position and name: those that are
 * given by hand, and active ones with a condition.  NULL: none.
 */
extern NameList *tag_load_stages(int32 program_id);
extern void tag_reads_add(TagReads *reads, JsonPath *condition);

#pragma GCC visibility pop

#endif							/* LOYALTY_TAG_H */

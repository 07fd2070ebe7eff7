/*
 * rule_program.h
 *
 * A programme compiled from its configuration rows: units, events and rules
 * in the form in which decide.c uses them.
 */
#ifndef LOYALTY_RULE_PROGRAM_H
#define LOYALTY_RULE_PROGRAM_H

#include "loyalty.h"

#include "pgtime.h"
#include "utils/array.h"
#include "utils/jsonpath.h"
#include "utils/timestamp.h"

#include "automation.h"
#include "benefit.h"
#include "campaign.h"
#include "cart.h"
#include "collection.h"
#include "condition.h"
#include "coupon.h"
#include "plan.h"
#include "segment.h"
#include "tag.h"
#include "tier.h"
#include "topup.h"
#include "unit.h"

#pragma GCC visibility push(hidden)

typedef enum RuleKind
{
	RULE_FIXED,
	RULE_PER_AMOUNT,
	RULE_PER_QUANTITY,
	RULE_STEPS,
	RULE_MULTIPLIER
} RuleKind;

typedef enum RuleBase
{
	BASE_AMOUNT,
	BASE_QUANTITY,
	BASE_STREAK
} RuleBase;

typedef enum Rounding
{
	ROUNDING_DOWN,
	ROUNDING_NEAREST,
	ROUNDING_UP,
	ROUNDING_HALF_EVEN
} Rounding;

typedef enum RoundingScope
{
	SCOPE_LINE,
	SCOPE_RULE,
	SCOPE_EVENT
} RoundingScope;

typedef enum Combine
{
	COMBINE_SUM,
	COMBINE_BEST,
	COMBINE_FIRST,
	COMBINE_MAX_MULTIPLIER
} Combine;

/* Parts of an order's amount that a rule may leave out. */
typedef enum Excluded
{
	EXCLUDED_TAX,
	EXCLUDED_SHIPPING,
	EXCLUDED_POINTS,
	EXCLUDED_COUNT
} Excluded;

typedef struct RuleStep
{
	int64		from;
	int64		award;
} RuleStep;

typedef struct RuleCap
{
	const Unit *counter;
	bool		times;			/* else the amount */
	bool		reject;			/* else truncate */
	int64		maximum;
} RuleCap;

typedef struct Rule
{
	int32		rule_id;
	int			version;
	char	   *name;			/* or NULL */
	char	   *event;
	const Unit *unit;
	RuleKind	kind;
	int64		award;			/* minor units of the unit; thousandths of a
								 * multiplier */
	int64		per;			/* minor units of the currency, or thousandths */
	bool		proportional;
	TimestampTz valid_from;
	TimestampTz valid_until;

	const Campaign *campaign;	/* or NULL */
	int			group;			/* index into groups; 0: of no group */
	bool		exclusive;

	RuleBase	base;
	int			nsteps;
	RuleStep   *steps;			/* ascending */
	bool		excludes[EXCLUDED_COUNT];
	JsonPath   *item_filter;
	const char *collection_name;
	const Collection *collection;
	const char *excluded_name;
	const Collection *excluded;
	bool		by_line;		/* item_filter, collection or excluded */

	Terms		terms;

	bool		tier_multiplied;
	Rounding	rounding;
	RoundingScope scope;
	int64		max_award;		/* 0: none */
	bool		reject;			/* what exceeds max_award or a budget */
	bool		once_per_target;
	Interval   *cooldown;		/* or NULL */
	int			ncaps;
	RuleCap    *caps;
	int			nbudgets;
	const Budget **budgets;		/* ascending id */

	int			vest_days;		/* -1: the unit's */
	bool		has_expiry;
	Expiry		expiry;
} Rule;

/* What the rules of an event need to be told; or-ed together. */
#define NEEDS_MEMBER	0x01	/* joined_at, birthday */
#define NEEDS_TAGS		0x02
#define NEEDS_USES		0x04
#define NEEDS_CONTEXT	0x08
#define NEEDS_LINES		0x10
#define NEEDS_RECORD	0x20	/* kept even if nothing is to be explained */
#define NEEDS_EXCLUDED	0x40	/* tax, shipping, points of data */
#define NEEDS_PAST		0x80	/* caps: counters of periods that are over */
#define NEEDS_TIME		0x100	/* local time of day */
#define NEEDS_TARGET	0x200	/* target of data */
#define NEEDS_SEGMENTS	0x400
#define NEEDS_PLANS		0x800
#define NEEDS_GIVEN		0x1000	/* benefits given by hand */
/* all that may entitle to a benefit */
#define NEEDS_BENEFITS	(NEEDS_TAGS | NEEDS_SEGMENTS | NEEDS_PLANS | \
						 NEEDS_GIVEN)

typedef struct ProgramEvent
{
	char	   *name;
	bool		daily;
	int			makeup_days;
	int			needs;
	int			first_rule;		/* rules of the event stand together */
	int			nrules;
} ProgramEvent;

typedef struct Program
{
	int32		program_id;
	char	   *name;
	char	   *currency;
	int			currency_scale;
	pg_tz	   *zone;
	bool		active;
	bool		ref_in_program; /* an order reference earns once in all */
	TimestampTz closed_until;
	int			nunits;
	Unit	   *units;			/* ascending unit_id */
	int			nrules;
	Rule	   *rules;			/* by event, priority, rule_id */
	int			nevents;
	ProgramEvent *events;
	int			ngroups;
	Combine    *groups;			/* 0: of rules of no group, sum */
	int			ncampaigns;
	Campaign   *campaigns;
	int			nbudgets;
	Budget	   *budgets;
	int			ntiers;
	Tier	   *tiers;			/* ascending rank */
	TierRefund	tier_refund;
	int			ntags;			/* active ones that have a condition, in order */
	Tag		   *tags;
	int			nsegments;		/* the same */
	Segment    *segments;
	NameList   *stages;			/* tags of dimension lifecycle, in order, or NULL */
	TagReads	reads;			/* by the conditions of tags and segments */
	bytea	   *definition;		/* a hash of these conditions */
	int			nplans;
	PaidPlan   *plans;			/* ascending plan_id */
	int			nbenefits;
	Benefit    *benefits;		/* ascending benefit_id */
	CouponCategories coupon_categories;
	int			coupon_needs;	/* NEEDS_ of all coupons and offers */
	int			ncoupons;
	Coupon	   *coupons;		/* by coupon_id, the newest version first */
	bool		free_codes;		/* some coupon has codes without check character */
	int			ntopups;
	TopupPolicy *topups;		/* ascending unit_id */
	CartPolicy	cart;
	Automations automations;
	bool		explain;
	CollectionLoader loader;	/* that its rules and coupons share */

	MemoryContext context;
	uint64		generation;		/* of the configuration it was compiled from */
	LocalTransactionId lxid;	/* last transaction that used it */
	struct Program *next_retired;
} Program;

/* rule_load.c: the rules of a programme whose other parts are loaded. */
extern void rule_load(Program *program);

/* rule_limit.c */
extern bool rule_limits_fit(NullableDatum rule_id, NullableDatum unit_id);

extern void program_init(void);
extern const Program *program_get(int32 program_id);
extern const Program *program_refresh(int32 program_id);
extern const Program *program_find(const char *name);
extern const Unit *program_unit(const Program *program, const char *code);
extern const Unit *program_unit_by_id(const Program *program, int32 unit_id);
extern bool program_has_unit(const Program *program, int32 unit_id);
extern const ProgramEvent *program_event(const Program *program,
										 const char *name);
extern const Tier *program_tier(const Program *program, const char *code);
extern const Tier *program_tier_by_id(const Program *program, int32 tier_id);
extern const Benefit *program_benefit(const Program *program,
									  const char *name);
extern const Benefit *program_benefit_by_id(const Program *program,
											int32 benefit_id);
/* Do tiers and benefits multiply what a rule awards?  Does this benefit? */
extern bool program_is_multiplied(const Rule *rule);
extern bool program_multiplies(const Benefit *benefit, const Rule *rule);
/* What has to be known to tell whether terms are met. */
extern int	program_terms_needs(const Terms *terms);
/* What has to be known to tell whether a member has a benefit. */
extern int	program_benefit_needs(const Benefit *benefit);
/* The template of a name as it is now; NULL: there is none, or it is an offer. */
extern const Coupon *program_coupon(const Program *program, const char *name);
/* version 0: as it is now; NULL: there is none. */
extern const Coupon *program_coupon_version(const Program *program,
											int32 coupon_id, int version);
/* NULL: the unit is no stored value; it does not pay for carts. */
extern const TopupPolicy *program_topup(const Program *program,
										int32 unit_id);
extern const CartUnit *program_cart_unit(const Program *program,
										 int32 unit_id);
extern const PaidPlan *program_plan(const Program *program, const char *name);
extern const Program *program_newest(const Program *program);
/* A copy that is not cached, in which one campaign is live. */
extern const Program *program_with_campaign(int32 program_id,
											int32 campaign_id);

/* The programme's calendar. */
extern DateADT program_date(const Program *program, TimestampTz at);
extern TimestampTz program_midnight(const Program *program, DateADT date);
extern TimestampTz program_at(const Program *program, DateADT date,
							  TimeADT time);
extern TimestampTz program_after(const Program *program, TimestampTz at,
								 const Interval *interval);
extern int	program_offset(const Program *program, TimestampTz at);
extern TimeADT program_time(const Program *program, TimestampTz at);

#pragma GCC visibility pop

#endif							/* LOYALTY_RULE_PROGRAM_H */

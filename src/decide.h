/*
 * decide.h
 *
 * What an account becomes, decided in memory: nothing here reads or writes a
 * table.
 */
#ifndef LOYALTY_DECIDE_H
#define LOYALTY_DECIDE_H

#include "loyalty.h"

#include "nodes/bitmapset.h"

#include "account.h"
#include "hold.h"
#include "journal.h"
#include "rule_program.h"

#pragma GCC visibility push(hidden)

/* A sale is two events, signup and purchase. */
#define DECISION_MAX_EVENTS 2

/* A cart line: what was bought, how much of it, and what it was worth. */
typedef struct CartLine
{
	char	   *sku;
	char	   *category;		/* or NULL */
	char	   *brand;			/* or NULL */
	int64		qty;			/* thousandths */
	int64		gross;			/* price x qty, minor units of the currency */
	int64		net;			/* what it cost, if has_nets */
} CartLine;

typedef struct CartLines
{
	int			n;
	CartLine   *lines;
	bool		has_nets;		/* else they are worked out from the amount */
} CartLines;

/* When a rule awarded something to the member last. */
typedef struct RuleUse
{
	int32		rule_id;
	const char *target;			/* "": all together */
	TimestampTz used_at;
	bool		changed;		/* by this decision */
} RuleUse;

/* What a counter of a period that is over stands at, for a late event. */
typedef struct PastCount
{
	int32		unit_id;		/* of the counter */
	int64		used;
} PastCount;

/* A run of days, of which the event's day is or becomes a part. */
typedef struct Streak
{
	DateADT		started_on;
	DateADT		last_on;
} Streak;

/* What makes a member entitled to something, beyond his tier. */
typedef struct Holdings
{
	NameList	tags;
	NameList	segments;
	int			nperiods;
	PlanPeriod *periods;		/* of plans, not over */
	int			ngiven;
	GivenBenefit *given;		/* by hand, not over */
} Holdings;

/* A coupon of the order that multiplies what rules earn. */
typedef struct CouponFactor
{
	int32		unit_id;		/* 0: all points */
	int			factor;			/* thousandths */
} CouponFactor;

/*
 * What the rules of an event may be judged by, beyond account and programme.
 * Loaded by event_facts(), as much of it as the rules of the event need.
 */
typedef struct Facts
{
	const ProgramEvent *event;
	DateADT		on;				/* local date of the event */
	TimeADT		time;			/* local time */
	const Tier *tier;			/* held at that time, or NULL */
	const CartLines *lines;		/* NULL: none */
	Jsonb	   *items;
	Jsonb	   *data;
	int64		excluded[EXCLUDED_COUNT];
	const char *invalid;		/* a key of data that is no amount, or NULL */
	const char *target;			/* data.target, or NULL */
	int			nfactors;
	CouponFactor *factors;

	bool		has_member;
	DateADT		joined_on;
	int			birth_month;	/* 0: not known */
	int			birth_day;
	int			birth_year;		/* 0: not known */
	Holdings	held;
	int			nuses;
	RuleUse    *uses;
	int			npast;
	PastCount  *past;

	/* a daily event: the runs it touches, the run they become, its day in it */
	int			nruns;
	Streak		runs[2];
	Streak		run;
	int			streak_day;		/* from 1; 0: not a daily event */

	/* made when the first condition asks */
	Jsonb	   *context;
	Jsonb	   *member;			/* part of it */
} Facts;

/* What one rule came to. */
typedef struct RuleVerdict
{
	const Rule *rule;
	const char *reason;			/* NULL: it awards */
	const char *limit;			/* why less than desired, or NULL */
	int64		base;			/* minor units of the currency, or thousandths */
	int64		desired;		/* minor units of the rule's unit */
	int64		granted;
	Bitmapset  *lines;			/* which it was for; NULL: the whole order */
} RuleVerdict;

/* Verdicts of the rules of one event, until they are posted to its row. */
typedef struct Awards
{
	JournalRow *row;
	Facts	   *facts;
	int			nverdicts;
	RuleVerdict *verdicts;
} Awards;

/*
 * Accounts of one programme that are locked together, and decisions about
 * them that are stored together (store_batch.c).
 */
typedef struct StoreBatch StoreBatch;

typedef enum VoucherStatus
{
	VOUCHER_ISSUED,
	VOUCHER_USED,
	VOUCHER_VOID
} VoucherStatus;

/* A service or a gift that was issued to the member, and what became of it. */
typedef struct Voucher
{
	int64		voucher_id;		/* 0: of a call that only looks */
	int32		benefit_id;
	VoucherStatus status;
	DateADT		issued_on;
	DateADT		valid_until;	/* last day of use; DATEVAL_NOEND: no end */
	const text *ref;			/* what it was used for, or NULL */
	int64		journal_id;		/* of the row that used it; 0: none */
	JournalRow *issued_by;		/* a row of this decision, or NULL */
	JournalRow *changed_by;		/* the same */
} Voucher;

/* A coupon that has an end, as dated automations see it. */
typedef struct TimedCoupon
{
	int64		coupon_no;
	const char *name;			/* of the template */
	DateADT		valid_until;	/* last day */
	bool		usable;			/* else it was used, which may be undone */
} TimedCoupon;

/* A period of a plan that nothing follows. */
typedef struct TimedPlan
{
	const char *name;
	DateADT		ends_on;		/* last day */
	bool		auto_renew;
} TimedPlan;

/* What dated automations look at beside the account. */
typedef struct Timed
{
	DateADT		joined_on;		/* DATEVAL_NOBEGIN: not known */
	int			birth_month;	/* 0: not known */
	int			birth_day;
	int			ncoupons;
	TimedCoupon *coupons;
	int			nplans;
	TimedPlan  *plans;
} Timed;

/* A hold that a row of the decision opens; its id is the row's. */
typedef struct NewHold
{
	Hold		hold;
	JournalRow *row;
	bool		stored;
} NewHold;

/* A decision about one account: rows to append, holds and wallet changed. */
typedef struct Decision
{
	Account    *account;
	const Program *program;
	StoreBatch *batch;			/* to which it belongs, or NULL */
	TimestampTz now;
	DateADT		today;
	int			nrows;
	int			capacity;
	JournalRow **rows;			/* in the order in which they are stored */
	int			nholds;			/* open holds, if any can be due */
	Hold	   *holds;
	List	   *new_holds;		/* NewHold */
	bool		coupons_due;	/* a reservation of one may have timed out */
	/* those that were not void, in the order of use, and new ones */
	int			nvouchers;
	Voucher    *vouchers;
	/* before the last promotion, for a refund; 0: none */
	int32		earlier_tier_id;
	DateADT		earlier_tier_until;
	TopupCard  *cards;			/* one for each policy of stored value, or NULL:
								 * not loaded */
	int			nperiods;		/* of plans, ascending, if they matter */
	PlanPeriod *periods;
	/* the last tier that no plan has given, if it is known; 0: none */
	bool		has_own_tier;
	int32		own_tier_id;
	DateADT		own_tier_until;
	int			nawards;		/* events judged, in the order of their rows */
	Awards		awards[DECISION_MAX_EVENTS];
	/* of a person who is new, or of whom more is known now; or NULL */
	const Timed *timed;
} Decision;

extern void decide_begin(Decision *decision, Account *account,
						 const Program *program, TimestampTz now);
extern JournalRow *decide_row(Decision *decision, const char *kind,
							  TimestampTz effective_at);
extern void decide_append(Decision *decision, JournalRow *row);
extern void decide_settle(Decision *decision, TimestampTz not_before);
extern void decide_due(Decision *decision, bool exact);

extern void decide_move(Decision *decision, JournalRow *row, Lot lot);
extern void decide_post(Decision *decision, JournalRow *row, Lot lot,
						int32 rule_id);
/*
 * An event is judged first, with decide_awards(), then the scarce things are
 * claimed (store_claim() trims the verdicts), then decide_grant() posts what
 * was got, promotes, and notes the event in the account.
 */
extern void decide_awards(Decision *decision, JournalRow *row, Facts *facts);
extern void decide_limit(RuleVerdict *verdict, int64 limit, bool reject,
						 const char *reason);
extern void decide_grant(Decision *decision);
extern int64 decide_available(const Decision *decision, const Unit *unit);
extern void decide_spend(Decision *decision, JournalRow *row,
						 const Unit *unit, int64 amount, LotList *taken);
extern void decide_give_back(Decision *decision, JournalRow *row,
							 const LotList *lots, DateADT on);

/* decide_automation.c: automations that start on a date. */

/* Something that is due, of which a member has one run at most. */
typedef struct Occurrence
{
	const Automation *automation;
	const char *text;			/* what it is, as in automation_run */
	DateADT		due_on;
	TimestampTz at;				/* on that date, at the time it begins */
	Jsonb	   *trigger;
} Occurrence;

extern List *decide_timed(const Decision *decision, const Timed *timed,
						  bool coming, DateADT *next);
extern DateADT decide_timed_due(const Decision *decision);
extern void decide_timed_by(Decision *decision, TriggerKind kind,
							DateADT end);

/*
 * decide_topup.c: stored value.  It has two parts, principal and all else,
 * which is called bonus.
 */
/* The member's card of a unit; NULL: no stored value, or not loaded. */
extern const TopupCard *decide_card(const Decision *decision, int32 unit_id);
/* What can be spent today of principal, or of bonus. */
extern int64 decide_stored(const Decision *decision, const Unit *unit,
						   bool principal);
/* How much of an amount that is spent would be principal. */
extern int64 decide_principal(const Decision *decision, const Unit *unit,
							  int64 amount);
/* Sums of lots, and the first of them, earliest expiry first. */
extern int64 decide_principal_of(const LotList *lots);
extern void decide_stored_first(const LotList *lots, int64 principal,
								int64 bonus, LotList *part);
/* What is taken of lots, in the order of the policy. */
extern void decide_stored_take(const TopupPolicy *policy,
							   const LotList *lots, int64 amount,
							   LotList *taken);
extern LotList decide_usable(const Decision *decision, int32 unit_id);
/* The last day of principal that comes to a card on a date. */
extern DateADT decide_principal_end(const Decision *decision,
									const TopupPolicy *policy, DateADT on);

/* decide_hold.c */
extern Hold *decide_hold(Decision *decision, JournalRow *row,
						 const Unit *unit, int64 amount,
						 TimestampTz expires_at);
extern void decide_hold_end(Decision *decision, JournalRow *row, Hold *hold,
							HoldStatus status, int64 captured, DateADT on);

/* What one award of an order posted, and how much of it is now taken back. */
typedef struct Award
{
	const Unit *unit;
	int32		rule_id;
	int64		amount;			/* sum of the lots */
	Bitmapset  *lines;			/* of the cart; NULL: the whole order */
	int			nlots;
	Lot		   *lots;			/* in the order in which they were posted */
} Award;

extern void decide_take_back(Decision *decision, JournalRow *row,
							 const Award *awards, int nawards,
							 const int64 *from, const int64 *until);

/*
 * decide_terms.c: whether terms are met.  Each returns the reason why not, or
 * NULL.  when: date and time, birthday; first: the first purchases only;
 * idle: since the last one; who: tags, segments, tier, channel, store.
 */
extern const char *decide_terms_when(const Facts *facts, const Terms *terms);
extern const char *decide_terms_first(const Decision *decision,
									  const JournalRow *row,
									  const Terms *terms);
extern const char *decide_terms_idle(const Decision *decision,
									 const Facts *facts, const Terms *terms);
extern const char *decide_terms_who(const JournalRow *row,
									const Facts *facts, const Terms *terms);
extern const char *decide_terms_condition(const Decision *decision,
										  const JournalRow *row,
										  Facts *facts, const Terms *terms);
/* All but the condition, in the order in which a coupon tells why. */
extern const char *decide_terms(const Decision *decision,
								const JournalRow *row, Facts *facts,
								const Terms *terms);

/* A birthday as profiles have it; one that is no date is not known. */
extern void decide_birthday(Facts *facts, const char *birthday);

/* decide_context.c: the document that conditions see. */
extern Jsonb *decide_context(const Decision *decision, const JournalRow *row,
							 Facts *facts);
extern Jsonb *decide_line(const Facts *facts, int line, int64 net,
						  int scale);
extern bool decide_is_plain(const Awards *awards);
extern Jsonb *decide_record(const Awards *awards, bool explain);
/* By sku, category or brand; a collection that is not there has nothing. */
extern bool cart_line_in(const Collection *collection, const CartLine *line);
extern int64 *cart_nets(const CartLines *list, int64 amount);
extern int64 decide_counter(const Decision *decision, const Unit *counter,
							const Facts *facts);

/* decide_tag.c: tags and segments that have a condition. */

typedef enum DayKind
{
	DAY_PURCHASE,
	DAY_CATEGORY,
	DAY_BRAND,
	DAY_ACTIVITY
} DayKind;

/*
 * Quantity and amount of a day stop at what one call may have, so that the
 * sums of a year fit, and no purchase fails because of those before it.
 */
#define MAX_DAY_FIGURE 9007199254740992

/* What a member did on a day, added up. */
typedef struct MemberDay
{
	DateADT		day;
	DayKind		kind;
	char	   *name;			/* of the category, brand or activity; or "" */
	int64		times;
	int64		quantity;		/* thousandths */
	int64		amount;			/* minor units of the currency */
	int64		discounted;
} MemberDay;

typedef struct HeldTag
{
	const char *tag;
	const char *source;
	TimestampTz tagged_at;
	TimestampTz valid_until;	/* DT_NOEND: no end */
	bool		changed;		/* to be written */
} HeldTag;

/* A tag or segment that has come or gone. */
typedef struct HoldingChange
{
	bool		is_segment;
	bool		set;
	const char *name;
	const char *source;			/* of a tag */
	TimestampTz at;
} HoldingChange;

/* A member as conditions see him, beyond his account, and what he holds. */
typedef struct Portrait
{
	Facts		facts;			/* joined_on, birthday */
	Jsonb	   *profile;
	int			ndays;			/* by kind, name and day */
	MemberDay  *days;
	int			ntags;
	HeldTag    *tags;
	NameList	segments;
	List	   *changes;		/* HoldingChange, in the order they came about */
} Portrait;

/*
 * Judges the conditions of the programme on a local date.  What is to be
 * different is changed in the portrait and noted as of `at`; a tag whose end
 * has come by `now`, as of its end.
 */
extern void decide_judge(const Decision *decision, Portrait *portrait,
						 DateADT on, TimestampTz now, TimestampTz at);
/*
 * The first date after that on which the passing of time could change what
 * is judged, or earlier than that; DATEVAL_NOEND: none.
 */
extern DateADT decide_judge_due(const Decision *decision,
								const Portrait *portrait, DateADT on);
/*
 * Gives a tag by hand, or changes that of one, and takes it; false if it was
 * held, or was not.  Of the stages, one that is given replaces others.
 */
extern bool decide_tag_add(const Program *program, Portrait *portrait,
						   const HeldTag *tag, TimestampTz now);
extern bool decide_tag_remove(Portrait *portrait, const char *tag,
							  TimestampTz now);
/* What conditions see of the member today. */
extern Jsonb *decide_member_document(const Decision *decision,
									 const Portrait *portrait,
									 const TagReads *reads);
/* The first day that any window reaches. */
extern DateADT decide_days_from(DateADT on);
/* To the nearest unit of the scale that part is in, half up. */
extern int64 decide_quotient(int64 part, int64 whole);

/*
 * decide_lifecycle.c: stages, and the figures that they are made of.  The
 * first of the programme's stages that is among the tags; NULL: none.
 */
extern const char *decide_stage(const Program *program, const NameList *tags);
/* The member's own purchase interval on a date, in tenths of days; 0: none. */
extern int64 decide_interval(const Decision *decision,
							 const Portrait *portrait, DateADT on);
/* The days since the last purchase by it, in hundredths; -1: not known. */
extern int64 decide_recency(const Decision *decision, int64 interval,
							DateADT on);
/* Days on which the recency could pass what conditions compare it with. */
extern DateADT decide_recency_due(const Decision *decision,
								  const Portrait *portrait, DateADT on);
/* What a purchase adds to its day; appended to a list of MemberDay. */
extern List *decide_days(const Decision *decision, const Awards *awards,
						 List *days);

/* decide_benefit.c */

/* By what a member is entitled to a benefit, until when, and to how much. */
typedef struct Entitlement
{
	const Benefit *benefit;
	const BenefitHolder *holder;	/* NULL: given by hand */
	const GivenBenefit *given;
	TimestampTz until;			/* DT_NOEND: no end is known */
	int64		quantity;
} Entitlement;

extern bool decide_entitled(const Program *program, const Benefit *benefit,
							const Tier *tier, const Holdings *held,
							TimestampTz at, Entitlement *entitlement);
extern bool decide_benefit_open(const Program *program,
								const Benefit *benefit, int birth_month,
								int birth_day, TimestampTz at);
extern bool decide_benefit_channel(const Benefit *benefit,
								   const text *channel);
extern bool decide_benefit_applies(const Program *program,
								   const Benefit *benefit,
								   const Facts *facts, TimestampTz at,
								   const text *channel,
								   Entitlement *entitlement);
extern Numeric decide_member_price(const Entitlement *benefits,
								   int nbenefits, const ListPrice *prices,
								   int nprices, Numeric price, int scale,
								   const Entitlement **by);

/* decide_benefit_use.c: quotas and vouchers. */

extern int64 decide_quota_used(const Decision *decision, const Unit *counter,
							   DateADT on);
extern void decide_quota_count(Decision *decision, const Unit *counter,
							   DateADT on, int64 quantity);
extern Voucher *decide_voucher_add(Decision *decision);
extern int64 decide_vouchers_open(const Decision *decision,
								  const Benefit *benefit);
extern void decide_voucher_issue(Decision *decision, JournalRow *row,
								 const Benefit *benefit, DateADT valid_until,
								 int64 voucher_id);
extern DateADT decide_voucher_end(const Decision *decision,
								  const Benefit *benefit);
extern void decide_vouchers_use(Decision *decision, JournalRow *row,
								const Benefit *benefit, int64 quantity);
extern void decide_vouchers_return(Decision *decision, JournalRow *row,
								   const Benefit *benefit, int64 used_by,
								   int64 quantity);
extern void decide_voucher_void(JournalRow *row, const Benefit *benefit,
								Voucher *voucher);
extern int64 decide_every_n(const Decision *decision, const Benefit *benefit,
							bool entitled);
extern void decide_every_n_void(Decision *decision, JournalRow *row,
								const Benefit *benefit, int64 quantity);
extern bool decide_metric_moved(const Decision *decision, const Unit *unit,
								int64 *before, int64 *after);

/* decide_tier.c: pure, on the account's wallet and tier. */

/* How far the thresholds of a tier are met, and which of them decides. */
typedef struct TierJudgement
{
	bool		met;
	const TierThreshold *decisive;	/* NULL: there is none */
	int64		reached;
	DateADT		from;			/* DATEVAL_NOBEGIN: all time */
	DateADT		until;
} TierJudgement;

/* Who has no tier on record holds the base tier. */
extern const Tier *decide_tier_of(const Program *program, int32 tier_id);
extern const Tier *decide_tier(const Decision *decision);
extern bool decide_tier_by(const Decision *decision, TimestampTz at,
						   int32 *tier_id);
extern DateADT decide_tier_until(const Decision *decision);
extern DateADT decide_tier_period_end(const Decision *decision);
extern const Tier *decide_tier_next(const Decision *decision);
extern const TierThreshold *decide_tier_nearest(const Decision *decision,
												const Tier **next,
												int64 *missing);
extern TierJudgement decide_tier_retention(const Decision *decision);
extern int64 decide_tier_reached(const Decision *decision,
								 const TierThreshold *threshold, DateADT on,
								 DateADT until, DateADT *from);
extern int64 decide_metric(const Decision *decision,
						   const TierThreshold *window, DateADT on,
						   DateADT *from);
/* A new account, or one from before there were tiers: the lowest free tier. */
extern void decide_tier_join(Decision *decision, JournalRow *row);
/* After awards: the highest tier whose entry thresholds are met. */
extern void decide_tier_promote(Decision *decision, JournalRow *row);
/* After a refund, by the programme's policy. */
extern void decide_tier_refund(Decision *decision, JournalRow *row);
/* The next date on which the tier must be looked at; DATEVAL_NOEND: none. */
extern DateADT decide_tier_due(const Decision *decision);
/* Warns, prolongs, lets into grace or demotes: what is due on that date. */
extern void decide_tier_review(Decision *decision, JournalRow *row,
							   DateADT on);
/* By hand; tier_until DATEVAL_NOBEGIN: by the tier's validity. */
extern void decide_tier_grant(Decision *decision, JournalRow *row,
							  const Tier *tier, DateADT tier_until,
							  DateADT locked_until);
/*
 * The member's periods have changed.  by_plan: the tier that he holds was
 * given by a plan.
 */
extern void decide_tier_plan(Decision *decision, JournalRow *row,
							 bool by_plan);
/* With a member of another system. */
extern void decide_tier_import(Decision *decision, JournalRow *row,
							   const Tier *tier, DateADT since,
							   DateADT until);

#pragma GCC visibility pop

#endif							/* LOYALTY_DECIDE_H */

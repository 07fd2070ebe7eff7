/*
 * decide_benefit.c
 *
 * Which benefits a member has.  Pure: by his tier and by what else he holds.
 */
#include "decide.h"

#include "utils/builtins.h"

#include "amount.h"
#include "campaign.h"

/* 100 %, in thousandths of a percent. */
#define WHOLE_PRICE 100000

static int32
plan_id_of(const Program *program, const char *name)
{
	const PaidPlan *plan = program_plan(program, name);

	return plan == NULL ? 0 : plan->plan_id;
}

/* Until when a plan is held that is held at a time; DT_NOBEGIN: it is not. */
static TimestampTz
plan_held_until(const Program *program, const Holdings *held,
				const char *name, DateADT on)
{
	/* a plan bought may be newer than the programme as it was compiled */
	int32		plan_id = plan_id_of(program, name);
	TimestampTz until = DT_NOBEGIN;

	for (int i = 0; i < held->nperiods; i++)
	{
		const PlanPeriod *period = &held->periods[i];

		/* periods that follow one another are one */
		if (period->plan_id == plan_id && period->starts_on <= on)
		{
			until = program_midnight(program, period->ends_on + 1);
			on = period->ends_on + 1;
		}
	}
	return until;
}

static TimestampTz
campaign_until(const Program *program, const char *name, TimestampTz at)
{
	for (int i = 0; i < program->ncampaigns; i++)
	{
		const Campaign *campaign = &program->campaigns[i];

		if (strcmp(campaign->name, name) == 0 && campaign->live &&
			at >= campaign->starts_at && at < campaign->ends_at)
			return campaign->ends_at;
	}
	return DT_NOBEGIN;
}

/* Until when a holder's members have the benefit; DT_NOBEGIN: he is none. */
static TimestampTz
holder_until(const Program *program, const BenefitHolder *holder,
			 const Tier *tier, const Holdings *held, DateADT on,
			 TimestampTz at)
{
	bool		holds = false;

	switch (holder->source)
	{
		case HOLDER_EVERYONE:
			holds = true;
			break;
		case HOLDER_TIER:
			holds = tier != NULL && strcmp(tier->code, holder->name) == 0;
			break;
		case HOLDER_SEGMENT:
			holds = name_listed(&held->segments, holder->name);
			break;
		case HOLDER_TAG:
		case HOLDER_STAGE:
			holds = name_listed(&held->tags, holder->name);
			break;
		case HOLDER_PLAN:
			return plan_held_until(program, held, holder->name, on);
		case HOLDER_CAMPAIGN:
			return campaign_until(program, holder->name, at);
	}
	return holds ? DT_NOEND : DT_NOBEGIN;
}

/* Takes what gives more than what was found before, or as much for longer. */
static bool
gives_more(Entitlement *entitlement, bool found, int64 quantity,
		   TimestampTz until)
{
	if (found && (quantity < entitlement->quantity ||
				  (quantity == entitlement->quantity &&
				   until <= entitlement->until)))
		return false;
	entitlement->quantity = quantity;
	entitlement->until = until;
	return true;
}

/*
 * Is a member entitled to a benefit at a time, by whatever gives most?  Tells
 * by what, until when, and to how much.  Not whether it can be used just then:
 * see decide_benefit_open().
 */
bool
decide_entitled(const Program *program, const Benefit *benefit,
				const Tier *tier, const Holdings *held, TimestampTz at,
				Entitlement *entitlement)
{
	DateADT		on = program_date(program, at);
	bool		found = false;

	memset(entitlement, 0, sizeof(Entitlement));
	entitlement->benefit = benefit;
	if (!benefit->active || at >= benefit->valid_until)
		return false;
	for (int i = 0; i < benefit->nholders; i++)
	{
		const BenefitHolder *holder = &benefit->holders[i];
		TimestampTz until = holder_until(program, holder, tier, held, on, at);

		if (until == DT_NOBEGIN ||
			!gives_more(entitlement, found, holder->quantity < 0 ?
						benefit->quantity : holder->quantity, until))
			continue;
		entitlement->holder = holder;
		found = true;
	}
	for (int i = 0; i < held->ngiven; i++)
	{
		const GivenBenefit *given = &held->given[i];

		if (given->benefit_id != benefit->benefit_id ||
			at < given->valid_from || at >= given->valid_until ||
			!gives_more(entitlement, found, given->quantity < 0 ?
						benefit->quantity : given->quantity,
						given->valid_until))
			continue;
		entitlement->holder = NULL;
		entitlement->given = given;
		found = true;
	}
	entitlement->until = Min(entitlement->until, benefit->valid_until);
	return found;
}

/*
 * Can a benefit be used at a time?  birth_month 0: the birthday is not known.
 */
bool
decide_benefit_open(const Program *program, const Benefit *benefit,
					int birth_month, int birth_day, TimestampTz at)
{
	DateADT		on = program_date(program, at);

	if (at < benefit->valid_from || at >= benefit->valid_until)
		return false;
	if (benefit->birthday != RECUR_NONE &&
		!date_recurs(benefit->birthday, birth_month, birth_day, on))
		return false;
	return benefit->calendar_name == NULL ||
		(benefit->calendar != NULL && calendar_has(benefit->calendar, on));
}

/* Does a benefit count where something is bought?  NULL: that is not known. */
bool
decide_benefit_channel(const Benefit *benefit, const text *channel)
{
	return benefit->channels == NULL ||
		text_listed(benefit->channels, channel);
}

/* Has a member a benefit that counts, at a time and in a channel? */
bool
decide_benefit_applies(const Program *program, const Benefit *benefit,
					   const Facts *facts, TimestampTz at,
					   const text *channel, Entitlement *entitlement)
{
	return decide_benefit_channel(benefit, channel) &&
		decide_benefit_open(program, benefit, facts->birth_month,
							facts->birth_day, at) &&
		decide_entitled(program, benefit, facts->tier, &facts->held, at,
						entitlement);
}

/* A price less a percentage, rounded half up to so many decimals. */
static Numeric
reduced(Numeric price, int percent_off, int scale)
{
	Numeric		rest = amount_numeric(WHOLE_PRICE - percent_off, 5);
	Datum		product = DirectFunctionCall2(numeric_mul,
											  NumericGetDatum(price),
											  NumericGetDatum(rest));

	return DatumGetNumeric(DirectFunctionCall2(numeric_round, product,
											   Int32GetDatum(scale)));
}

static bool
is_lower(Numeric a, Numeric b)
{
	return DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(a),
											NumericGetDatum(b)));
}

/*
 * What a list makes of a price: by its most exact row, of several the one
 * that gives the lowest; NULL if it has none.  prices: those of the line.
 */
static Numeric
listed_price(const char *list, const ListPrice *prices, int nprices,
			 Numeric price, int scale)
{
	Numeric		best = NULL;
	int			exactness = -1;

	for (int i = 0; i < nprices; i++)
	{
		const ListPrice *row = &prices[i];
		Numeric		candidate;

		if (strcmp(row->list, list) != 0 || row->exactness < exactness)
			continue;
		candidate = row->price != NULL ? reduced(row->price, 0, scale) :
			reduced(price, row->percent_off, scale);
		if (row->exactness > exactness || is_lower(candidate, best))
			best = candidate;
		exactness = row->exactness;
	}
	return best;
}

/*
 * The lowest price that benefits of kind price give, of lines whose list
 * prices are these; never above the given one.  Tells by which, NULL: none.
 */
Numeric
decide_member_price(const Entitlement *benefits, int nbenefits,
					const ListPrice *prices, int nprices, Numeric price,
					int scale, const Entitlement **by)
{
	Numeric		best = price;

	*by = NULL;
	for (int i = 0; i < nbenefits; i++)
	{
		const Benefit *benefit = benefits[i].benefit;
		Numeric		candidate = benefit->price_list == NULL ?
			reduced(price, benefit->percent_off, scale) :
			listed_price(benefit->price_list, prices, nprices, price, scale);

		if (candidate == NULL || !is_lower(candidate, best))
			continue;
		best = candidate;
		*by = &benefits[i];
	}
	return best;
}

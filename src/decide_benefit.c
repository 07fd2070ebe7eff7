/*
 * decide_benefit.c
 *
 * Which benefits a member has.  Pure: by his tier and by what else he holds.
 */
#include "decide.h"

#include "campaign.h"

/* Until when a plan is held that is held at a time; DT_NOBEGIN: it is not. */
static TimestampTz
plan_held_until(const Program *program, const Holdings *held,
				const char *name, DateADT on)
{
	TimestampTz until = DT_NOBEGIN;

	for (int i = 0; i < held->nperiods; i++)
	{
		const PlanPeriod *period = &held->periods[i];

		/* periods that follow one another are one */
		if (strcmp(program_plan_by_id(program, period->plan_id)->name,
				   name) == 0 && period->starts_on <= on)
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
		int64		quantity = holder->quantity < 0 ? benefit->quantity :
			holder->quantity;

		if (until == DT_NOBEGIN ||
			(found && (quantity < entitlement->quantity ||
					   (quantity == entitlement->quantity &&
						until <= entitlement->until))))
			continue;
		entitlement->holder = holder;
		entitlement->until = until;
		entitlement->quantity = quantity;
		found = true;
	}
	for (int i = 0; i < held->ngiven; i++)
	{
		const GivenBenefit *given = &held->given[i];
		int64		quantity = given->quantity < 0 ? benefit->quantity :
			given->quantity;

		if (given->benefit_id != benefit->benefit_id ||
			at < given->valid_from || at >= given->valid_until ||
			(found && quantity < entitlement->quantity))
			continue;
		entitlement->holder = NULL;
		entitlement->given = given;
		entitlement->until = given->valid_until;
		entitlement->quantity = quantity;
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

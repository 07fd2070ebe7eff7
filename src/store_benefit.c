/*
 * store_benefit.c
 *
 * Vouchers, loaded for a decision and written with it, and those that a
 * member has for every n of a metric, which events and refunds keep in step.
 */
#include "store.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "statement.h"

/* So many vouchers at once; what is missing comes with the next event. */
#define MAX_VOUCHERS_AT_ONCE 1000

/* In the order of use. */
static Statement select_vouchers = {
	"SELECT voucher_id, status, issued_on, valid_until, ref, journal_id"
	" FROM loyalty.voucher"
	" WHERE member_id = $1 AND benefit_id = $2 AND status <> 'void'"
	" ORDER BY valid_until NULLS LAST, voucher_id",
	2, {INT8OID, INT4OID}
};

static Statement insert_voucher = {
	"INSERT INTO loyalty.voucher (member_id, voucher_id, program_id,"
	" benefit_id, status, issued_on, valid_until, ref, issued_journal_id,"
	" journal_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
	10, {INT8OID, INT8OID, INT4OID, INT4OID, TEXTOID, DATEOID, DATEOID,
	TEXTOID, INT8OID, INT8OID}
};

static Statement update_voucher = {
	"UPDATE loyalty.voucher SET status = $3, ref = $4, journal_id = $5"
	" WHERE member_id = $1 AND voucher_id = $2",
	5, {INT8OID, INT8OID, TEXTOID, TEXTOID, INT8OID}
};

static const char *const status_names[] = {
	[VOUCHER_ISSUED] = "issued",
	[VOUCHER_USED] = "used",
	[VOUCHER_VOID] = "void"
};

/* Loads the vouchers of a benefit that are not void, once. */
void
store_vouchers(Decision *decision, const Benefit *benefit)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(decision->account->member_id)),
		ARG(Int32GetDatum(benefit->benefit_id))
	};
	uint64		n;

	for (int i = 0; i < decision->nvouchers; i++)
		if (decision->vouchers[i].benefit_id == benefit->benefit_id)
			return;
	n = statement_run(&select_vouchers, args, false);
	for (uint64 i = 0; i < n; i++)
	{
		Voucher    *voucher = decide_voucher_add(decision);

		voucher->voucher_id = DatumGetInt64(statement_notnull(i, 1));
		voucher->benefit_id = benefit->benefit_id;
		voucher->status = word_of(statement_text(i, 2), status_names,
								  lengthof(status_names));
		voucher->issued_on = DatumGetDateADT(statement_notnull(i, 3));
		voucher->valid_until = statement_date_or(i, 4, DATEVAL_NOEND);
		voucher->ref = (text *) statement_varlena(i, 5);
		voucher->journal_id = statement_int64_or(i, 6, 0);
	}
}

static void
write_voucher(const Decision *decision, const Voucher *voucher)
{
	int64		member_id = decision->account->member_id;
	int64		changed_by = voucher->changed_by == NULL ||
		voucher->status == VOUCHER_ISSUED ? 0 :
		voucher->changed_by->journal_id;
	NullableDatum status =
		ARG(CStringGetTextDatum(status_names[voucher->status]));
	NullableDatum row = ARG_OR_NULL(Int64GetDatum(changed_by),
									changed_by != 0);

	if (voucher->issued_by != NULL)
	{
		NullableDatum args[] = {
			ARG(Int64GetDatum(member_id)),
			ARG(Int64GetDatum(voucher->voucher_id)),
			ARG(Int32GetDatum(decision->program->program_id)),
			ARG(Int32GetDatum(voucher->benefit_id)),
			status,
			ARG(DateADTGetDatum(voucher->issued_on)),
			ARG_OR_NULL(DateADTGetDatum(voucher->valid_until),
						voucher->valid_until != DATEVAL_NOEND),
			POINTER_ARG(voucher->ref),
			ARG(Int64GetDatum(voucher->issued_by->journal_id)),
			row
		};

		statement_run(&insert_voucher, args, false);
	}
	else if (voucher->changed_by != NULL)
	{
		NullableDatum args[] = {
			ARG(Int64GetDatum(member_id)),
			ARG(Int64GetDatum(voucher->voucher_id)),
			status,
			POINTER_ARG(voucher->ref),
			row
		};

		statement_run(&update_voucher, args, false);
	}
}

/* Writes the vouchers that a decision has made or changed. */
void
store_write_vouchers(const Decision *decision)
{
	for (int i = 0; i < decision->nvouchers; i++)
		write_voucher(decision, &decision->vouchers[i]);
}

static bool
is_entitled(const Decision *decision, const Benefit *benefit)
{
	Holdings	held;
	Entitlement entitlement;

	store_holdings(decision->account->member_id, decision->program,
				   decision->now, program_benefit_needs(benefit), false,
				   &held);
	return decide_entitled(decision->program, benefit, decide_tier(decision),
						   &held, decision->now, &entitlement);
}

/* A new voucher's id; 0 when nothing is to be written. */
int64
store_voucher_id(bool dry)
{
	return dry ? 0 : loyalty_new_id();
}

static void
keep_every_n(Decision *decision, JournalRow *row, const Benefit *benefit,
			 bool dry)
{
	int64		before;
	int64		after;
	int64		n;

	if (!decide_metric_moved(decision, benefit->unit, &before, &after))
		return;
	store_vouchers(decision, benefit);
	n = decide_every_n(decision, benefit,
					   benefit->active && after > before &&
					   decision->now >= benefit->valid_from &&
					   is_entitled(decision, benefit));
	decide_every_n_void(decision, row, benefit, -n);
	for (n = Min(n, MAX_VOUCHERS_AT_ONCE); n > 0; n--)
	{
		CHECK_FOR_INTERRUPTS();
		decide_voucher_issue(decision, row, benefit,
							 decide_voucher_end(decision, benefit),
							 store_voucher_id(dry));
	}
}

/*
 * Issues and takes back what the member has for every n of a metric that the
 * decision moved.  The row tells of it.  What was taken over from another
 * system counts only with the next event.
 */
void
store_every_n(Decision *decision, JournalRow *row, bool dry)
{
	const Program *program = decision->program;

	if (strcmp(row->kind, "import") == 0)
		return;
	for (int i = 0; i < program->nbenefits; i++)
		if (program->benefits[i].kind == BENEFIT_EVERY_N)
			keep_every_n(decision, row, &program->benefits[i], dry);
}

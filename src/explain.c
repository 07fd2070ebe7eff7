/*
 * explain.c
 *
 * What explain() needs beyond plain SQL: to refuse.
 */
#include "loyalty.h"

#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_explain_require);

static Statement select_member = {
	"SELECT FROM loyalty.account WHERE member_id = $1",
	1, {INT8OID}
};

static Statement select_row = {
	"SELECT FROM loyalty.journal WHERE member_id = $1 AND journal_id = $2",
	2, {INT8OID, INT8OID}
};

/*
 * explain_require(member_id, journal_id): LY501 if there is no such member,
 * LY133 if it has no such journal row.
 */
Datum
loyalty_explain_require(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"member_id", "journal_id"};

	for (int i = 0; i < lengthof(names); i++)
		require_argument(fcinfo, i, names[i]);
	SPI_connect();
	loyalty_check_version();
	if (statement_run(&select_member, fcinfo->args, true) == 0)
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT, PG_GETARG_INT64(0)));
	if (statement_run(&select_row, fcinfo->args, true) == 0)
		refusal_raise(REFUSAL_JOURNAL_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT " journal_id="
							   INT64_FORMAT, PG_GETARG_INT64(0),
							   PG_GETARG_INT64(1)));
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * account.c
 *
 * Loads, locks and writes the account row; nothing else touches it.
 */
#include "account.h"

#include "utils/builtins.h"

#include "rule_program.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_member_require);
PG_FUNCTION_INFO_V1(loyalty_unit_require);

#define ACCOUNT_COLUMNS \
	"SELECT program_id, salt, status, first_event_at, last_event_at," \
	" first_purchase_at, last_purchase_at, hold_until, settled_on, due_on," \
	" wallet FROM loyalty.account WHERE member_id = $1"

static Statement select_account = {ACCOUNT_COLUMNS, 1, {INT8OID}};

static Statement lock_account = {
	ACCOUNT_COLUMNS " FOR NO KEY UPDATE", 1, {INT8OID}
};

static Statement update_account = {
	"UPDATE loyalty.account SET status = $2, first_event_at = $3,"
	" last_event_at = $4, first_purchase_at = $5, last_purchase_at = $6,"
	" hold_until = $7, settled_on = $8, due_on = $9, wallet = $10"
	" WHERE member_id = $1",
	10, {INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
		TIMESTAMPTZOID, TIMESTAMPTZOID, DATEOID, DATEOID, WALLET_TYPE}
};

static Statement insert_account = {
	"INSERT INTO loyalty.account (member_id, status, first_event_at,"
	" last_event_at, first_purchase_at, last_purchase_at, hold_until,"
	" settled_on, due_on, wallet, program_id, salt)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
	12, {INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
		TIMESTAMPTZOID, TIMESTAMPTZOID, DATEOID, DATEOID, WALLET_TYPE,
	INT4OID, INT8OID}
};

static const char *const status_names[] = {
	[STATUS_ACTIVE] = "active",
	[STATUS_FROZEN] = "frozen",
	[STATUS_CLOSED] = "closed",
	[STATUS_MERGED] = "merged"
};

const char *
account_status_name(AccountStatus status)
{
	return status_names[status];
}

static AccountStatus
parse_status(const char *name)
{
	for (int i = 0; i < lengthof(status_names); i++)
		if (strcmp(name, status_names[i]) == 0)
			return i;
	elog(ERROR, "unknown account status \"%s\"", name);
}

static TimestampTz
time_or(int column, TimestampTz otherwise)
{
	bool		isnull;
	Datum		value = statement_value(0, column, &isnull);

	return isnull ? otherwise : DatumGetTimestampTz(value);
}

/*
 * Reads an account, and locks it against every other change of this member
 * if asked to.  False if there is none.
 */
bool
account_load(int64 member_id, AccountLock lock, Account *account)
{
	NullableDatum args[] = {ARG(Int64GetDatum(member_id))};
	Statement  *statement = lock == ACCOUNT_LOCK ?
		&lock_account : &select_account;

	if (statement_run(statement, args, lock == ACCOUNT_READ_STABLE) == 0)
		return false;

	account->member_id = member_id;
	account->program_id = DatumGetInt32(statement_notnull(0, 1));
	account->salt = DatumGetInt64(statement_notnull(0, 2));
	account->status = parse_status(statement_text(0, 3));
	account->first_event_at = time_or(4, DT_NOBEGIN);
	account->last_event_at = time_or(5, DT_NOBEGIN);
	account->first_purchase_at = time_or(6, DT_NOBEGIN);
	account->last_purchase_at = time_or(7, DT_NOBEGIN);
	account->hold_until = time_or(8, DT_NOEND);
	account->settled_on = DatumGetDateADT(statement_notnull(0, 9));
	account->due_on = DatumGetDateADT(statement_notnull(0, 10));
	wallet_unpack(statement_notnull(0, 11), &account->wallet);
	return true;
}

static void
write_account(Statement *statement, const Account *account)
{
#define TIME_ARG(at) \
	ARG_OR_NULL(TimestampTzGetDatum(at), !TIMESTAMP_NOT_FINITE(at))
	NullableDatum args[] = {
		ARG(Int64GetDatum(account->member_id)),
		ARG(CStringGetTextDatum(status_names[account->status])),
		TIME_ARG(account->first_event_at),
		TIME_ARG(account->last_event_at),
		TIME_ARG(account->first_purchase_at),
		TIME_ARG(account->last_purchase_at),
		TIME_ARG(account->hold_until),
		ARG(DateADTGetDatum(account->settled_on)),
		ARG(DateADTGetDatum(account->due_on)),
		ARG(wallet_pack(&account->wallet)),
		ARG(Int32GetDatum(account->program_id)),
		ARG(Int64GetDatum(account->salt))
	};
#undef TIME_ARG

	if (statement_run(statement, args, false) != 1)
		elog(ERROR, "account " INT64_FORMAT " was not written",
			 account->member_id);
}

/* Writes back an account that this transaction has locked. */
void
account_update(const Account *account)
{
	write_account(&update_account, account);
}

/* The account of a new member. */
void
account_insert(const Account *account)
{
	write_account(&insert_account, account);
}

static Statement select_member_program = {
	"SELECT program_id FROM loyalty.account WHERE member_id = $1",
	1, {INT8OID}
};

/*
 * member_require(member_id bigint): the member's programme; LY501 if there
 * is no such member.  For SQL functions, which cannot raise.
 */
Datum
loyalty_member_require(PG_FUNCTION_ARGS)
{
	int32		program_id;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("member_id must not be null")));
	SPI_connect();
	loyalty_check_version();
	if (statement_run(&select_member_program, fcinfo->args, true) == 0)
		refusal_raise(REFUSAL_MEMBER_NOT_FOUND,
					  psprintf("member_id=" INT64_FORMAT, PG_GETARG_INT64(0)));
	program_id = DatumGetInt32(statement_notnull(0, 1));
	SPI_finish();
	PG_RETURN_INT32(program_id);
}

/*
 * unit_require(program_id int, unit text): the unit's id; LY105 if the
 * programme has none of this code.
 */
Datum
loyalty_unit_require(PG_FUNCTION_ARGS)
{
	char	   *code = text_to_cstring(PG_GETARG_TEXT_PP(1));
	const Program *program;
	const Unit *unit;
	int32		unit_id;

	SPI_connect();
	loyalty_check_version();
	program = program_get(PG_GETARG_INT32(0));
	unit = program ? program_unit(program, code) : NULL;
	if (unit == NULL)
		refusal_raise(REFUSAL_UNKNOWN_UNIT, psprintf("unit=%s", code));
	unit_id = unit->unit_id;
	SPI_finish();
	PG_RETURN_INT32(unit_id);
}

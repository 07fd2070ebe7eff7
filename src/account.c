/*
 * account.c
 *
 * Loads, locks and writes the account row; nothing else touches it.
 */
#include "account.h"

#include "access/htup_details.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

#include "rule_program.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_member_require);
PG_FUNCTION_INFO_V1(loyalty_unit_require);

/*
 * The columns of loyalty.account in their order, in which it is read as one
 * value: each column of a result costs as much to prepare as to look up.
 */
enum account_column
{
	COLUMN_MEMBER_ID,
	COLUMN_SALT,
	COLUMN_FIRST_EVENT_AT,
	COLUMN_LAST_EVENT_AT,
	COLUMN_FIRST_PURCHASE_AT,
	COLUMN_LAST_PURCHASE_AT,
	COLUMN_HOLD_UNTIL,
	COLUMN_PROGRAM_ID,
	COLUMN_PURCHASES,
	COLUMN_TIER_ID,
	COLUMN_TIER_SINCE,
	COLUMN_TIER_UNTIL,
	COLUMN_TIER_LOCKED_UNTIL,
	COLUMN_SETTLED_ON,
	COLUMN_DUE_ON,
	COLUMN_TIER_PROMOTED,
	COLUMN_STATUS,
	COLUMN_TIER_STATE,
	COLUMN_TIER_BASE,
	COLUMN_WALLET,
	NCOLUMNS
};

static Statement select_account = {
	"SELECT a FROM loyalty.account a WHERE member_id = $1", 1, {INT8OID}
};

static Statement lock_account = {
	"SELECT a FROM loyalty.account a WHERE member_id = $1"
	" FOR NO KEY UPDATE",
	1, {INT8OID}
};

static Statement lock_accounts = {
	"SELECT a FROM loyalty.account a WHERE member_id = ANY ($1)"
	" ORDER BY member_id FOR NO KEY UPDATE",
	1, {INT8ARRAYOID}
};

#define ACCOUNT_TYPES \
	INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, \
	TIMESTAMPTZOID, TIMESTAMPTZOID, DATEOID, DATEOID, WALLET_TYPE, INT4OID, \
	INT4OID, DATEOID, DATEOID, DATEOID, TEXTOID, INT8ARRAYOID, BOOLOID

static Statement update_account = {
	"UPDATE loyalty.account SET status = $2, first_event_at = $3,"
	" last_event_at = $4, first_purchase_at = $5, last_purchase_at = $6,"
	" hold_until = $7, settled_on = $8, due_on = $9, wallet = $10,"
	" purchases = $11, tier_id = $12, tier_since = $13, tier_until = $14,"
	" tier_locked_until = $15, tier_state = $16, tier_base = $17,"
	" tier_promoted = $18"
	" WHERE member_id = $1",
	18, {ACCOUNT_TYPES}
};

static Statement update_accounts = {
	"UPDATE loyalty.account a SET status = r.status,"
	" first_event_at = r.first_event_at, last_event_at = r.last_event_at,"
	" first_purchase_at = r.first_purchase_at,"
	" last_purchase_at = r.last_purchase_at, hold_until = r.hold_until,"
	" settled_on = r.settled_on, due_on = r.due_on, wallet = r.wallet,"
	" purchases = r.purchases, tier_id = r.tier_id,"
	" tier_since = r.tier_since, tier_until = r.tier_until,"
	" tier_locked_until = r.tier_locked_until, tier_state = r.tier_state,"
	" tier_base = r.tier_base, tier_promoted = r.tier_promoted"
	" FROM unnest($1) AS r (member_id bigint, status text,"
	" first_event_at timestamptz, last_event_at timestamptz,"
	" first_purchase_at timestamptz, last_purchase_at timestamptz,"
	" hold_until timestamptz, settled_on date, due_on date,"
	" wallet loyalty.wallet, purchases int, tier_id int, tier_since date,"
	" tier_until date, tier_locked_until date, tier_state text,"
	" tier_base bigint[], tier_promoted boolean)"
	" WHERE a.member_id = r.member_id",
	1, {RECORDARRAYOID}
};

static Statement insert_account = {
	"INSERT INTO loyalty.account (member_id, status, first_event_at,"
	" last_event_at, first_purchase_at, last_purchase_at, hold_until,"
	" settled_on, due_on, wallet, purchases, tier_id, tier_since, tier_until,"
	" tier_locked_until, tier_state, tier_base, tier_promoted,"
	" program_id, salt)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
	" $15, $16, $17, $18, $19, $20)",
	20, {ACCOUNT_TYPES, INT4OID, INT8OID}
};

static const char *const status_names[] = {
	[STATUS_ACTIVE] = "active",
	[STATUS_FROZEN] = "frozen",
	[STATUS_CLOSED] = "closed",
	[STATUS_MERGED] = "merged"
};

static const char *const tier_states[] = {
	[TIER_NORMAL] = "normal",
	[TIER_WARNED] = "warned",
	[TIER_GRACE] = "grace"
};

const char *
account_status_name(AccountStatus status)
{
	return status_names[status];
}

const char *
account_tier_state_name(TierState state)
{
	return tier_states[state];
}

AccountStatus
account_status(const char *name)
{
	for (int i = 0; i < lengthof(status_names); i++)
		if (strcmp(name, status_names[i]) == 0)
			return i;
	elog(ERROR, "unknown account status \"%s\"", name);
}

static TierState
parse_tier_state(const char *name)
{
	for (int i = 0; i < lengthof(tier_states); i++)
		if (strcmp(name, tier_states[i]) == 0)
			return i;
	elog(ERROR, "unknown state of a tier \"%s\"", name);
}

/* What the metrics stood at when the tier began: pairs of unit and amount. */
static void
unpack_tier_base(Datum value, bool isnull, Account *account)
{
	ArrayType  *array;

	account->ntier_base = 0;
	account->tier_base = NULL;
	if (isnull)
		return;
	array = DatumGetArrayTypePCopy(value);
	if (ARR_NDIM(array) != 1 || ARR_HASNULL(array) ||
		ARR_DIMS(array)[0] % 2 != 0)
		elog(ERROR, "tier_base is not a list of pairs");
	account->ntier_base = ARR_DIMS(array)[0] / 2;
	account->tier_base = (int64 *) ARR_DATA_PTR(array);
}

static Datum
pack_tier_base(const Account *account)
{
	int			n = account->ntier_base * 2;
	Datum	   *elements = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		elements[i] = Int64GetDatum(account->tier_base[i]);
	return array_of(elements, n, INT8OID);
}

/* The columns of the account that a row of the last result begins with. */
static void
deform(uint64 row, Datum **values, bool **nulls)
{
	HeapTupleHeader header =
		DatumGetHeapTupleHeader(statement_notnull(row, 1));
	TupleDesc	tupdesc =
		lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
							   HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {
		.t_len = HeapTupleHeaderGetDatumLength(header),
		.t_data = header
	};

	if (tupdesc->natts < NCOLUMNS)
		elog(ERROR, "loyalty.account has %d columns, not %d", tupdesc->natts,
			 NCOLUMNS);
	*values = palloc(sizeof(Datum) * tupdesc->natts);
	*nulls = palloc(sizeof(bool) * tupdesc->natts);
	heap_deform_tuple(&tuple, tupdesc, *values, *nulls);
	ReleaseTupleDesc(tupdesc);
}

/* Reads the account that a row of the last result begins with. */
void
account_read(uint64 row, Account *account)
{
	Datum	   *values;
	bool	   *nulls;

	deform(row, &values, &nulls);
#define OR(column, get, otherwise) \
	(nulls[column] ? (otherwise) : get(values[column]))
	account->member_id = DatumGetInt64(values[COLUMN_MEMBER_ID]);
	account->program_id = DatumGetInt32(values[COLUMN_PROGRAM_ID]);
	account->salt = DatumGetInt64(values[COLUMN_SALT]);
	account->status =
		account_status(TextDatumGetCString(values[COLUMN_STATUS]));
	account->first_event_at = OR(COLUMN_FIRST_EVENT_AT, DatumGetTimestampTz,
								 DT_NOBEGIN);
	account->last_event_at = OR(COLUMN_LAST_EVENT_AT, DatumGetTimestampTz,
								DT_NOBEGIN);
	account->first_purchase_at = OR(COLUMN_FIRST_PURCHASE_AT,
									DatumGetTimestampTz, DT_NOBEGIN);
	account->last_purchase_at = OR(COLUMN_LAST_PURCHASE_AT,
								   DatumGetTimestampTz, DT_NOBEGIN);
	account->hold_until = OR(COLUMN_HOLD_UNTIL, DatumGetTimestampTz,
							 DT_NOEND);
	account->settled_on = DatumGetDateADT(values[COLUMN_SETTLED_ON]);
	account->due_on = DatumGetDateADT(values[COLUMN_DUE_ON]);
	wallet_unpack(values[COLUMN_WALLET], &account->wallet);
	account->purchases = DatumGetInt32(values[COLUMN_PURCHASES]);
	account->tier_id = OR(COLUMN_TIER_ID, DatumGetInt32, 0);
	account->tier_since = OR(COLUMN_TIER_SINCE, DatumGetDateADT,
							 DATEVAL_NOBEGIN);
	account->tier_until = OR(COLUMN_TIER_UNTIL, DatumGetDateADT,
							 DATEVAL_NOEND);
	account->tier_locked_until = OR(COLUMN_TIER_LOCKED_UNTIL, DatumGetDateADT,
									DATEVAL_NOBEGIN);
	account->tier_state =
		parse_tier_state(TextDatumGetCString(values[COLUMN_TIER_STATE]));
	unpack_tier_base(values[COLUMN_TIER_BASE], nulls[COLUMN_TIER_BASE],
					 account);
	account->tier_promoted = DatumGetBool(values[COLUMN_TIER_PROMOTED]);
	ItemPointerSetInvalid(&account->tid);
	account->locked = NULL;
#undef OR
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
	account_read(0, account);
	return true;
}

/*
 * Notes which version of the account was locked, and what it says, so that
 * account_moved() can tell what has changed.
 */
void
account_note_locked(Account *account, ItemPointer tid)
{
	Account    *locked = palloc(sizeof(Account));

	account->tid = *tid;
	*locked = *account;
	account->locked = locked;
}

/*
 * Locks the accounts of several members in ascending order and returns those
 * that there are.
 */
Account *
account_lock_many(const Datum *member_ids, int n, int *nfound)
{
	NullableDatum args[] = {ARG(array_of(member_ids, n, INT8OID))};
	Account    *accounts;

	*nfound = statement_run(&lock_accounts, args, false);
	accounts = palloc(sizeof(Account) * Max(*nfound, 1));
	for (int i = 0; i < *nfound; i++)
		account_read(i, &accounts[i]);
	SPI_freetuptable(SPI_tuptable);
	return accounts;
}

static Statement lock_ids = {
	"WITH locked AS (SELECT member_id FROM loyalty.account"
	" WHERE member_id = ANY ($1) AND program_id = $2"
	" ORDER BY member_id FOR NO KEY UPDATE)"
	" SELECT array_agg(member_id) FROM locked",
	2, {INT8ARRAYOID, INT4OID}
};

/*
 * The same when nothing of the accounts has to be known: those of a programme
 * among the ids, locked.
 */
IdList
account_lock_ids(int32 program_id, const IdList *ids)
{
	NullableDatum args[] = {
		ARG(id_array(ids)),
		ARG(Int32GetDatum(program_id))
	};
	bool		nulls;

	statement_run(&lock_ids, args, false);
	return id_list((ArrayType *) statement_varlena(0, 1), &nulls);
}

#define ACCOUNT_NARGS 20

#define TIME_ARG(at) \
	ARG_OR_NULL(TimestampTzGetDatum(at), !TIMESTAMP_NOT_FINITE(at))
#define DATE_ARG(date) \
	ARG_OR_NULL(DateADTGetDatum(date), !DATE_NOT_FINITE(date))

/* The columns of an account as arguments; first those of an update. */
static void
account_args(const Account *account, NullableDatum *args)
{
	*args++ = ARG(Int64GetDatum(account->member_id));
	*args++ = ARG(CStringGetTextDatum(status_names[account->status]));
	*args++ = TIME_ARG(account->first_event_at);
	*args++ = TIME_ARG(account->last_event_at);
	*args++ = TIME_ARG(account->first_purchase_at);
	*args++ = TIME_ARG(account->last_purchase_at);
	*args++ = TIME_ARG(account->hold_until);
	*args++ = ARG(DateADTGetDatum(account->settled_on));
	*args++ = ARG(DateADTGetDatum(account->due_on));
	*args++ = ARG(wallet_pack(&account->wallet));
	*args++ = ARG(Int32GetDatum(account->purchases));
	*args++ = ARG_OR_NULL(Int32GetDatum(account->tier_id),
						  account->tier_id != 0);
	*args++ = DATE_ARG(account->tier_since);
	*args++ = DATE_ARG(account->tier_until);
	*args++ = DATE_ARG(account->tier_locked_until);
	*args++ = ARG(CStringGetTextDatum(tier_states[account->tier_state]));
	*args++ = account->ntier_base > 0 ?
		ARG(pack_tier_base(account)) : NULL_ARG;
	*args++ = ARG(BoolGetDatum(account->tier_promoted));
	*args++ = ARG(Int32GetDatum(account->program_id));
	*args++ = ARG(Int64GetDatum(account->salt));
}

static void
write_account(Statement *statement, const Account *account)
{
	NullableDatum args[ACCOUNT_NARGS];

	account_args(account, args);
	if (statement_run(statement, args, false) != 1)
		elog(ERROR, "account " INT64_FORMAT " was not written",
			 account->member_id);
}

/* Writes back several accounts that this transaction has locked. */
void
account_update_many(const Account *const *accounts, int n)
{
	StatementRows rows;
	NullableDatum args[ACCOUNT_NARGS];

	rows_begin(&rows, &update_account);
	for (int i = 0; i < n; i++)
	{
		account_args(accounts[i], args);
		rows_append(&rows, args);
	}
	rows_sort(&rows);
	args[0] = ARG(rows_array(&rows));
	if (statement_run(&update_accounts, args, false) != n)
		elog(ERROR, "%d accounts were not all written", n);
}

/* Are all columns that ACCOUNT_UPDATE_MOVED leaves alone as they were? */
static bool
only_moved(const Account *account)
{
	const Account *was = account->locked;

	return was != NULL &&
		account->status == was->status &&
		account->first_event_at == was->first_event_at &&
		account->first_purchase_at == was->first_purchase_at &&
		account->tier_id == was->tier_id &&
		account->tier_since == was->tier_since &&
		account->tier_until == was->tier_until &&
		account->tier_locked_until == was->tier_locked_until &&
		account->tier_state == was->tier_state &&
		account->tier_base == was->tier_base &&
		account->ntier_base == was->ntier_base &&
		account->tier_promoted == was->tier_promoted;
}

/*
 * The arguments of ACCOUNT_UPDATE_MOVED.  False if the account needs more than
 * that, which is account_update().
 */
bool
account_moved(const Account *account, NullableDatum *args)
{
	if (!only_moved(account))
		return false;
	*args++ = ARG(PointerGetDatum(&account->tid));
	*args++ = TIME_ARG(account->last_event_at);
	*args++ = TIME_ARG(account->last_purchase_at);
	*args++ = TIME_ARG(account->hold_until);
	*args++ = ARG(DateADTGetDatum(account->settled_on));
	*args++ = ARG(DateADTGetDatum(account->due_on));
	*args++ = ARG(Int32GetDatum(account->purchases));
	*args++ = ARG(wallet_pack(&account->wallet));
	return true;
}

/* Writes back an account that this transaction has locked. */
void
account_update(Account *account)
{
	write_account(&update_account, account);
	/* the version that was locked is not the last one any more */
	account->locked = NULL;
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

	require_argument(fcinfo, 0, "member_id");
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
 * programme has none of this code, 22004 if none is asked for.
 */
Datum
loyalty_unit_require(PG_FUNCTION_ARGS)
{
	char	   *code;
	const Program *program;
	const Unit *unit;
	int32		unit_id;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	require_argument(fcinfo, 1, "unit");
	code = text_to_cstring(PG_GETARG_TEXT_PP(1));
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

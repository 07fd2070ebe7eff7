/*
 * loyalty.c
 *
 * The module: settings, clock, ids, and what has to agree between the
 * library and the installed extension.
 */
#include "loyalty.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "rule_program.h"
#include "statement.h"
#include "worker.h"

#if PG_VERSION_NUM >= 180000
PG_MODULE_MAGIC_EXT(.name = "loyalty",.version = LOYALTY_VERSION);
#else
PG_MODULE_MAGIC;
#endif

#if !defined(HAVE_INT128)
#error "loyalty needs a compiler with 128-bit integers"
#endif

/* Ids stay below 2^53, so that JSON keeps them: 10 bits node, 43 sequence. */
#define SEQUENCE_BITS 43
#define MAX_NODE_ID 1023

#define MAX_QUOTED_BYTES 256

PGDLLEXPORT void _PG_init(void);

PG_FUNCTION_INFO_V1(loyalty_now);
PG_FUNCTION_INFO_V1(loyalty_next_id);

static char *now_setting = NULL;
static TimestampTz now_value;
static bool now_is_set = false;
static int	node_id = 0;

static LoyaltyTypes types;
static bool types_valid = false;
static bool version_checked = false;

static const RefusalText refusals[] = {
	[REFUSAL_NONE] = {"00000", NULL, NULL},
#define REFUSAL_ROW(name, code, reason, message) \
	[REFUSAL_##name] = {code, reason, message},
	LOYALTY_REFUSALS(REFUSAL_ROW)
#undef REFUSAL_ROW
};

const RefusalText *
refusal_text(Refusal refusal)
{
	return &refusals[refusal];
}

int
refusal_sqlstate(Refusal refusal)
{
	const char *code = refusals[refusal].code;

	return MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4]);
}

/* The refusal of an SQLSTATE; REFUSAL_NONE: it is PostgreSQL's own. */
Refusal
refusal_of(int sqlstate)
{
	for (int i = REFUSAL_NONE + 1; i < lengthof(refusals); i++)
		if (refusal_sqlstate(i) == sqlstate)
			return i;
	return REFUSAL_NONE;
}

/* What a message quotes of its input: the beginning, if it is long. */
const char *
clipped(const char *text)
{
	int			length = strlen(text);

	return length <= MAX_QUOTED_BYTES ? text :
		pnstrdup(text, pg_mbcliplen(text, length, MAX_QUOTED_BYTES));
}

/* Refuses NULL, in a function that is not strict because it names what is. */
void
require_argument(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

#define MAX_NAME_BYTES 63

/* Lower case letters, digits, underscores, and the characters in also. */
static bool
is_name(const char *name, const char *also)
{
	if (*name < 'a' || *name > 'z' || strlen(name) > MAX_NAME_BYTES)
		return false;
	for (const char *c = name; *c != '\0'; c++)
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9') &&
			*c != '_' && strchr(also, *c) == NULL)
			return false;
	return true;
}

char *
name_argument(FunctionCallInfo fcinfo, int arg, const char *what,
			  const char *also)
{
	char	   *name;

	require_argument(fcinfo, arg, what);
	name = text_to_cstring(PG_GETARG_TEXT_PP(arg));
	if (!is_name(name, also))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is no name", what),
				 errdetail("It must be 1 to %d lower case letters, digits and "
						   "underscores%s, and begin with a letter.",
						   MAX_NAME_BYTES, *also == '\0' ? "" :
						   ", dots and hyphens")));
	return name;
}

/* Raises a refusal, for functions that have no receipt. */
void
refusal_raise(Refusal refusal, const char *detail)
{
	ereport(ERROR,
			(errcode(refusal_sqlstate(refusal)),
			 errmsg("%s", refusals[refusal].message),
			 errdetail_internal("%s", clipped(detail))));
}

/*
 * The setting in a form that means the same in every process: a parallel
 * worker reads it before it knows the session's time zone and abbreviations.
 */
static char *
canonical_now(TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;
	char		text[MAXDATELEN + 1];

	if (timestamp2tm(at, NULL, &tm, &fsec, NULL, NULL) != 0)
		return NULL;
	tm.tm_isdst = 0;			/* or the zone is left out */
	EncodeDateTime(&tm, fsec, true, 0, NULL, USE_ISO_DATES, text);
#if PG_VERSION_NUM >= 160000
	return guc_strdup(LOG, text);
#else
	return strdup(text);
#endif
}

/* Parses loyalty.now where it is set, so that reading it costs nothing. */
static bool
check_now(char **newval, void **extra, GucSource source)
{
	char	   *canonical;
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;
	int			dtype;
	int			nf;
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	char		workbuf[MAXDATELEN + MAXDATEFIELDS];
	TimestampTz result;
	TimestampTz *parsed;
#if PG_VERSION_NUM >= 160000
	DateTimeErrorExtra dterr;
#endif

	if (*newval == NULL || **newval == '\0')
		return true;
	if (ParseDateTime(*newval, workbuf, sizeof(workbuf), field, ftype,
					  MAXDATEFIELDS, &nf) != 0 ||
#if PG_VERSION_NUM >= 160000
		DecodeDateTime(field, ftype, nf, &dtype, &tm, &fsec, &tz,
					   &dterr) != 0 ||
#else
		DecodeDateTime(field, ftype, nf, &dtype, &tm, &fsec, &tz) != 0 ||
#endif
		dtype != DTK_DATE ||
		tm2timestamp(&tm, fsec, &tz, &result) != 0 ||
		!IS_VALID_TIMESTAMP(result))
	{
		GUC_check_errdetail("It must be a finite point in time.");
		return false;
	}
#if PG_VERSION_NUM >= 160000
	parsed = (TimestampTz *) guc_malloc(LOG, sizeof(TimestampTz));
#else
	parsed = (TimestampTz *) malloc(sizeof(TimestampTz));
#endif
	canonical = canonical_now(result);
	if (parsed == NULL || canonical == NULL)
		return false;
#if PG_VERSION_NUM >= 160000
	guc_free(*newval);
#else
	free(*newval);
#endif
	*newval = canonical;
	*parsed = result;
	*extra = parsed;
	return true;
}

static void
assign_now(const char *newval, void *extra)
{
	now_is_set = extra != NULL;
	if (now_is_set)
		now_value = *(TimestampTz *) extra;
}

/* A type, or the code of the installed extension, may have changed. */
static void
forget_catalog(Datum arg, int cacheid, uint32 hashvalue)
{
	types_valid = false;
	version_checked = false;
}

void
_PG_init(void)
{
	DefineCustomIntVariable("loyalty.node_id",
							"Upper bits of every id that this server makes.",
							"Each node of a distributed installation needs "
							"its own.",
							&node_id, 0, 0, MAX_NODE_ID, PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomStringVariable("loyalty.now",
							   "Replaces the clock, for tests and replays.",
							   "Empty: the start of the statement.",
							   &now_setting, "", PGC_SUSET, 0,
							   check_now, assign_now, NULL);
	worker_init();
	MarkGUCPrefixReserved("loyalty");

	CacheRegisterSyscacheCallback(TYPEOID, forget_catalog, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, forget_catalog, (Datum) 0);
	program_init();
}

/*
 * The one clock: loyalty.now, or the start of the statement; in a procedure
 * that commits, the start of the transaction, or hours would pass unnoticed.
 */
TimestampTz
loyalty_clock(void)
{
	return now_is_set ? now_value :
		Max(GetCurrentStatementStartTimestamp(),
			GetCurrentTransactionStartTimestamp());
}

/* Is the clock another than that of recorded_at? */
bool
loyalty_clock_is_moved(void)
{
	return now_is_set;
}

Datum
loyalty_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(loyalty_clock());
}

/*
 * A new id; CACHE 1 of the sequence keeps a member's ids in order.
 *
 * Whoever has an id has a transaction id, and had it before: nextval itself
 * assigns one only when it writes to the log, each 32nd time.  By it
 * report_fold() knows when all are over that could still use an id.  Where
 * nothing may be written we refuse as nextval would.
 */
int64
loyalty_new_id(void)
{
	Oid			namespace_oid = get_namespace_oid("loyalty", false);
	Oid			sequence = get_relname_relid("id_seq", namespace_oid);

	PreventCommandIfReadOnly("nextval()");
	(void) GetTopTransactionId();
	return ((int64) node_id << SEQUENCE_BITS) |
		DatumGetInt64(DirectFunctionCall1(nextval_oid,
										  ObjectIdGetDatum(sequence)));
}

Datum
loyalty_next_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(loyalty_new_id());
}

static Oid
type_oid(const char *name, Oid namespace_oid)
{
	Oid			result = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
										 CStringGetDatum(name),
										 ObjectIdGetDatum(namespace_oid));

	if (!OidIsValid(result))
		elog(ERROR, "type loyalty.%s does not exist", name);
	return result;
}

/* The extension's types, looked up again after any type has changed. */
const LoyaltyTypes *
loyalty_types(void)
{
	if (!types_valid)
	{
		Oid			namespace_oid = get_namespace_oid("loyalty", false);

		types.wallet = type_oid("wallet", namespace_oid);
		types.entry = type_oid("entry", namespace_oid);
		types.entry_array = get_array_type(types.entry);
		types.posting = type_oid("posting", namespace_oid);
		types.posting_array = get_array_type(types.posting);
		types.receipt = type_oid("receipt", namespace_oid);
		types_valid = true;
	}
	return &types;
}

static Statement select_version = {
	"SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'loyalty'"
};

/*
 * Refuses to work with SQL of another version than this library, once per
 * connection and again after functions were replaced.  Needs SPI.
 */
void
loyalty_check_version(void)
{
	char	   *version = NULL;

	if (version_checked)
		return;
	if (statement_run(&select_version, NULL, true) == 1)
		version = statement_text(0, 1);
	if (version == NULL || strcmp(version, LOYALTY_VERSION) != 0)
		ereport(ERROR,
				(errcode(refusal_sqlstate(REFUSAL_VERSION_MISMATCH)),
				 errmsg("%s", refusals[REFUSAL_VERSION_MISMATCH].message),
				 errdetail("library=%s extension=%s", LOYALTY_VERSION,
						   version ? version : "none"),
				 errhint("Run ALTER EXTENSION loyalty UPDATE, or install "
						 "the library of the same version and reconnect.")));
	version_checked = true;
}

/* The row that a trigger before INSERT or UPDATE is about, as it is to be. */
HeapTuple
trigger_row(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger before each row")));
	return TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
		trigger->tg_newtuple : trigger->tg_trigtuple;
}

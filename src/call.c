/*
 * call.c
 *
 * From the arguments of a verb to its receipt: parse, lock, look for the
 * first time, settle, and afterwards store and answer.
 */
#include "call.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "amount.h"
#include "statement.h"
#include "store.h"
#include "store_coupon.h"

/* The layout of what is hashed; a change makes old keys unrecognisable. */
#define REQUEST_HASH_VERSION 1
#define REQUEST_HASH_BYTES 16

#define MAX_KEY_BYTES 255
#define MAX_DATA_BYTES (1024 * 1024)
#define MAX_DATA_DEPTH 32
#define MAX_DATA_DIGITS 100

/* How far ahead of the clock a call may be dated. */
#define MAX_AHEAD USECS_PER_DAY

/* Makes up for the look at the reference that call_replay() has put off. */
static void
check_ref(Call *call)
{
	JournalMatch match;

	if (!call->ref_unchecked)
		return;
	call->ref_unchecked = false;
	if (journal_match(call->member_id, NULL, call->ref, call->verb->kind,
					  call->event, &match))
		refusal_raise(REFUSAL_REF_DUPLICATE,
					  psprintf("journal_id=" INT64_FORMAT, match.journal_id));
}

/* Refuses the call; false, so that it ends a chain of conditions. */
bool
call_refuse(Call *call, Refusal refusal, const char *format,...)
{
	StringInfoData detail;

	initStringInfo(&detail);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&detail, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&detail, needed);
	}
	if (call->mode == MODE_DO)
	{
		check_ref(call);
		refusal_raise(refusal, detail.data);
	}
	call->refusal = refusal;
	call->detail = clipped(detail.data);
	return false;
}

bool
call_has(const Call *call, int arg)
{
	return !call->fcinfo->args[arg].isnull;
}

/* A text argument, NULL for NULL. */
text *
call_text(const Call *call, int arg)
{
	return call_has(call, arg) ?
		DatumGetTextPP(call->fcinfo->args[arg].value) : NULL;
}

/* The same for an array of texts. */
ArrayType *
call_texts(const Call *call, int arg)
{
	return call_has(call, arg) ?
		DatumGetArrayTypeP(call->fcinfo->args[arg].value) : NULL;
}

Jsonb *
call_jsonb(const Call *call, int arg)
{
	return call_has(call, arg) ?
		DatumGetJsonbP(call->fcinfo->args[arg].value) : NULL;
}

/* Is a key, a reference or a name of acceptable length and print? */
bool
call_check_text(Call *call, const text *value, Refusal refusal,
				const char *what)
{
	const unsigned char *bytes = (const unsigned char *) VARDATA_ANY(value);
	Size		length = VARSIZE_ANY_EXHDR(value);
	bool		blank = true;

	if (length == 0)
		return call_refuse(call, refusal, "%s is empty", what);
	if (length > MAX_KEY_BYTES)
		return call_refuse(call, refusal, "%s has %zu bytes, at most %d",
						   what, length, MAX_KEY_BYTES);
	for (Size i = 0; i < length; i++)
	{
		if (bytes[i] < 0x20 || bytes[i] == 0x7f)
			return call_refuse(call, refusal,
							   "%s contains a control character", what);
		blank &= bytes[i] == ' ';
	}
	/* as a column of fixed width says that it is empty */
	if (blank)
		return call_refuse(call, refusal, "%s is blank", what);
	return true;
}

static CallMode
parse_mode(const char *mode)
{
	if (strcmp(mode, "do") == 0)
		return MODE_DO;
	if (strcmp(mode, "try") == 0)
		return MODE_TRY;
	if (strcmp(mode, "dry") == 0)
		return MODE_DRY;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("mode is not known"),
			 errhint("Modes are do, try and dry.")));
}

/* Reads the arguments that every verb treats alike, the mode first. */
static void
read_arguments(Call *call)
{
	const Verb *verb = call->verb;

	for (int i = 0; i < verb->nargs; i++)
	{
		if (verb->args[i].required && !call_has(call, i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not be null", verb->args[i].name)));
		if (verb->args[i].kind == ARG_MODE)
			call->mode = parse_mode(text_to_cstring(call_text(call, i)));
	}
	for (int i = 0; i < verb->nargs; i++)
	{
		if (!call_has(call, i))
			continue;
		switch (verb->args[i].kind)
		{
			case ARG_MEMBER:
				call->member_id = DatumGetInt64(call->fcinfo->args[i].value);
				break;
			case ARG_AT:
				call->at =
					DatumGetTimestampTz(call->fcinfo->args[i].value);
				call->has_at = true;
				break;
			case ARG_KEY:
				call->key = call_text(call, i);
				break;
			case ARG_REF:
				call->ref = call_text(call, i);
				break;
			default:
				break;
		}
	}
}

/* Numbers are normalised digit by digit; refuse those that are all digits. */
static bool
check_number(Call *call, Numeric value, const char *what)
{
	Datum		limit = DirectFunctionCall3(numeric_in,
											CStringGetDatum("1e100"),
											ObjectIdGetDatum(InvalidOid),
											Int32GetDatum(-1));
	Datum		magnitude = DirectFunctionCall1(numeric_abs,
												NumericGetDatum(value));
	Datum		decimals = DirectFunctionCall1(numeric_scale, magnitude);

	if (DatumGetBool(DirectFunctionCall2(numeric_ge, magnitude, limit)) ||
		DatumGetInt32(decimals) > MAX_DATA_DIGITS)
		return call_refuse(call, REFUSAL_INPUT_TOO_LARGE,
						   "%s has a number of more than %d digits", what,
						   MAX_DATA_DIGITS);
	return true;
}

/* Is a document within the bounds of depth and of its numbers? */
static bool
check_json(Call *call, Jsonb *json, const char *what)
{
	JsonbIterator *iterator = JsonbIteratorInit(&json->root);
	JsonbValue	value;
	JsonbIteratorToken token;
	int			depth = 0;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT)
			depth++;
		else if (token == WJB_END_ARRAY || token == WJB_END_OBJECT)
			depth--;
		else if (value.type == jbvNumeric &&
				 !check_number(call, value.val.numeric, what))
			return false;
		if (depth > MAX_DATA_DEPTH)
			return call_refuse(call, REFUSAL_INPUT_TOO_LARGE,
							   "%s is nested deeper than %d", what,
							   MAX_DATA_DEPTH);
	}
	return true;
}

/* Texts come in one dimension, and none is NULL. */
static void
check_texts(ArrayType *texts, const char *what)
{
	Datum	   *elements;

	if (ARR_NDIM(texts) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have one dimension", what)));
	if (array_elements(texts, TEXTOID, &elements) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not contain null", what)));
}

/* Bounds what the documents of a call may cost, before any is worked on. */
static bool
check_documents(Call *call)
{
	Size		total = 0;

	for (int i = 0; i < call->verb->nargs; i++)
	{
		const VerbArg *arg = &call->verb->args[i];

		if ((arg->kind != ARG_JSONB && arg->kind != ARG_TEXTS) ||
			!call_has(call, i))
			continue;
		total += arg->kind == ARG_JSONB ? VARSIZE(call_jsonb(call, i)) :
			VARSIZE(call_texts(call, i));
		if (total > MAX_DATA_BYTES)
			return call_refuse(call, REFUSAL_INPUT_TOO_LARGE,
							   "the documents have %zu bytes, at most %d",
							   total, MAX_DATA_BYTES);
		if (arg->kind == ARG_TEXTS)
			check_texts(call_texts(call, i), arg->name);
		else if (!check_json(call, call_jsonb(call, i), arg->name))
			return false;
	}
	return true;
}

/* Reads the arguments, and checks the form of key and reference. */
static bool
begin(Call *call, FunctionCallInfo fcinfo, const Verb *verb,
	  StoreBatch *batch)
{
	memset(call, 0, sizeof(Call));
	call->verb = verb;
	call->fcinfo = fcinfo;
	call->batch = batch;
	call->event = verb->event;
	call->now = loyalty_clock();
	call->at = call->now;
	read_arguments(call);

	if (call->key != NULL &&
		!call_check_text(call, call->key, REFUSAL_KEY_INVALID, "key"))
		return false;
	if (call->ref != NULL &&
		!call_check_text(call, call->ref, REFUSAL_REF_INVALID, "ref"))
		return false;
	if (!check_documents(call))
		return false;
	if (verb->needs_key && call->key == NULL && call->ref == NULL)
		return call_refuse(call, REFUSAL_KEY_INVALID,
						   "%s needs a key or a ref, so that it can be "
						   "repeated safely", verb->name);
	return true;
}

/*
 * Starts a call: SPI, arguments, the form of key and reference.  Everything
 * made from here on lives in the caller's context.
 */
bool
call_begin(Call *call, FunctionCallInfo fcinfo, const Verb *verb)
{
	MemoryContext caller = CurrentMemoryContext;

	/* the library may be newer than the SQL that declares the function */
	if (PG_NARGS() != verb->nargs)
		elog(ERROR, "%s has %d arguments, not %d", verb->name, PG_NARGS(),
			 verb->nargs);
	SPI_connect();
	MemoryContextSwitchTo(caller);
	loyalty_check_version();
	return begin(call, fcinfo, verb, NULL);
}

/*
 * Starts a call that belongs to a batch: its account comes from there, and
 * goes back there when it is finished.  SPI is the batch's.
 */
bool
call_begin_batch(Call *call, FunctionCallInfo fcinfo, const Verb *verb,
				 StoreBatch *batch)
{
	return begin(call, fcinfo, verb, batch);
}

/* Appends a length and bytes, so that no two lists of arguments look alike. */
static void
hash_bytes_of(StringInfo buffer, const char *bytes, int length)
{
	uint32		prefix = pg_hton32((uint32) length);

	appendBinaryStringInfo(buffer, (const char *) &prefix, sizeof(prefix));
	appendBinaryStringInfo(buffer, bytes, length);
}

static void
hash_int64_of(StringInfo buffer, int64 value)
{
	uint64		bytes = pg_hton64((uint64) value);

	hash_bytes_of(buffer, (const char *) &bytes, sizeof(bytes));
}

/* 10 and 10.00 are the same request. */
static void
hash_numeric_of(StringInfo buffer, Numeric value)
{
	char	   *normal = numeric_normalize(value);

	hash_bytes_of(buffer, normal, strlen(normal));
	pfree(normal);
}

/* jsonb has one order of keys; its numbers are normalised here. */
static void
hash_jsonb_of(StringInfo buffer, Jsonb *json)
{
	JsonbIterator *iterator = JsonbIteratorInit(&json->root);
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		appendStringInfoChar(buffer, (char) token);
		if (token != WJB_KEY && token != WJB_VALUE && token != WJB_ELEM)
			continue;
		appendStringInfoChar(buffer, (char) value.type);
		if (value.type == jbvString)
			hash_bytes_of(buffer, value.val.string.val, value.val.string.len);
		else if (value.type == jbvNumeric)
			hash_numeric_of(buffer, value.val.numeric);
		else if (value.type == jbvBool)
			appendStringInfoChar(buffer, value.val.boolean ? 't' : 'f');
	}
}

static void
hash_texts_of(StringInfo buffer, ArrayType *texts)
{
	Datum	   *elements;
	int			n = array_elements(texts, TEXTOID, &elements);

	hash_int64_of(buffer, n);
	for (int i = 0; i < n; i++)
	{
		text	   *element = DatumGetTextPP(elements[i]);

		hash_bytes_of(buffer, VARDATA_ANY(element),
					  VARSIZE_ANY_EXHDR(element));
	}
}

/* Data or a list that says nothing is the same as none. */
static bool
says_nothing(const Call *call, int arg)
{
	Jsonb	   *json;

	switch (call->verb->args[arg].kind)
	{
		case ARG_JSONB:
			json = call_jsonb(call, arg);
			return JB_ROOT_IS_OBJECT(json) && JB_ROOT_COUNT(json) == 0;
		case ARG_TEXTS:
			return ARR_NDIM(call_texts(call, arg)) == 0;
		default:
			return false;
	}
}

static void
hash_argument(StringInfo buffer, const Call *call, int arg)
{
	Datum		value = call->fcinfo->args[arg].value;
	Interval   *interval;
	text	   *string;

	switch (call->verb->args[arg].kind)
	{
		case ARG_MEMBER:
		case ARG_ID:
			hash_int64_of(buffer, DatumGetInt64(value));
			break;
		case ARG_TIME:
		case ARG_AT:
			hash_int64_of(buffer, DatumGetTimestampTz(value));
			break;
		case ARG_DATE:
			hash_int64_of(buffer, DatumGetDateADT(value));
			break;
		case ARG_BOOLEAN:
			hash_int64_of(buffer, DatumGetBool(value));
			break;
		case ARG_INTERVAL:
			interval = DatumGetIntervalP(value);
			hash_int64_of(buffer, interval->time);
			hash_int64_of(buffer, interval->day);
			hash_int64_of(buffer, interval->month);
			break;
		case ARG_NUMERIC:
			hash_numeric_of(buffer, DatumGetNumeric(value));
			break;
		case ARG_JSONB:
			hash_jsonb_of(buffer, DatumGetJsonbP(value));
			break;
		case ARG_TEXTS:
			hash_texts_of(buffer, DatumGetArrayTypeP(value));
			break;
		case ARG_TEXT:
		case ARG_REF:
			string = DatumGetTextPP(value);
			hash_bytes_of(buffer, VARDATA_ANY(string),
						  VARSIZE_ANY_EXHDR(string));
			break;
		case ARG_KEY:
		case ARG_MODE:
			break;
	}
}

/*
 * Hashes the function and all arguments except key and mode.  The account's
 * salt keys the hash: without it nobody can tell whether a guessed phone
 * number was among the arguments, so erasing it makes the hash meaningless.
 */
static bytea *
request_hash(const Call *call)
{
	StringInfoData buffer;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *context;
	bytea	   *hash = palloc(VARHDRSZ + REQUEST_HASH_BYTES);

	initStringInfo(&buffer);
	hash_int64_of(&buffer, call->account.salt);
	hash_bytes_of(&buffer, call->verb->name, strlen(call->verb->name));
	for (int i = 0; i < call->verb->nargs; i++)
	{
		ArgKind		kind = call->verb->args[i].kind;
		bool		given = call_has(call, i) && !says_nothing(call, i);

		if (kind == ARG_KEY || kind == ARG_MODE)
			continue;
		appendStringInfoChar(&buffer, given ? '+' : '-');
		if (given)
			hash_argument(&buffer, call, i);
	}

	context = pg_cryptohash_create(PG_SHA256);
	if (context == NULL ||
		pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (uint8 *) buffer.data, buffer.len) < 0 ||
		pg_cryptohash_final(context, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute the request hash");
	pg_cryptohash_free(context);
	pfree(buffer.data);

	SET_VARSIZE(hash, VARHDRSZ + REQUEST_HASH_BYTES);
	VARDATA(hash)[0] = REQUEST_HASH_VERSION;
	memcpy(VARDATA(hash) + 1, digest, REQUEST_HASH_BYTES - 1);
	return hash;
}

/* Is this the hash of the call's request? */
bool
call_is_request(const Call *call, const bytea *hash)
{
	const bytea *own = call->request_hash;

	return hash != NULL &&
		VARSIZE_ANY_EXHDR(hash) == VARSIZE_ANY_EXHDR(own) &&
		memcmp(VARDATA_ANY(hash), VARDATA_ANY(own),
			   VARSIZE_ANY_EXHDR(own)) == 0;
}

/* Is there a row of this key, or of this reference? */
static bool
find_match(const Call *call, const text *key, const text *ref,
		   JournalMatch *match)
{
	if (call->batch != NULL)
		return store_batch_match(call->batch, call->member_id, key, ref,
								 call->verb->kind, call->event, match);
	return journal_match(call->member_id, key, ref, call->verb->kind,
						 call->event, match);
}

/* The row of the first time; of a batch nobody looks at more than its id. */
static JournalRow *
first_row(const Call *call, int64 journal_id)
{
	JournalRow *row;

	if (call->batch == NULL)
		return journal_read(call->member_id, journal_id);
	row = journal_row_make(call->member_id, call->verb->kind, call->now);
	row->journal_id = journal_id;
	return row;
}

/*
 * Has this request been answered, or refused because its key or reference
 * belongs to another?  True when there is nothing more to do.
 *
 * With a key that is new the reference must be new too, so in mode 'do' it
 * is not looked up: the unique index will tell (store_with_ref), or, before
 * anything else is refused, check_ref().
 */
bool
call_replay(Call *call, const text *key, const text *ref)
{
	JournalMatch match;

	if (key != NULL && ref != NULL && call->mode == MODE_DO)
	{
		call->ref_unchecked = true;
		ref = NULL;
	}
	if (key != NULL && key == call->key && ref == NULL && call->seen.key_is_new)
		return false;
	if (!find_match(call, key, ref, &match))
		return false;
	if (match.by_key || key == NULL)
	{
		call->ref_unchecked = false;
		if (call_is_request(call, match.request_hash))
			call->replay = first_row(call, match.journal_id);
		else
			call_refuse(call, REFUSAL_KEY_REUSED, "journal_id=" INT64_FORMAT,
						match.journal_id);
	}
	else
		call_refuse(call, REFUSAL_REF_DUPLICATE, "journal_id=" INT64_FORMAT,
					match.journal_id);
	return true;
}

/* Was the same request answered under this reference?  Refuses nothing. */
bool
call_replay_same(Call *call, const text *ref)
{
	JournalMatch match;

	if (!journal_match(call->member_id, NULL, ref, call->verb->kind,
					   call->event, &match) ||
		!call_is_request(call, match.request_hash))
		return false;
	call->replay = journal_read(call->member_id, match.journal_id);
	return true;
}

/* Is the member, and the programme, in a status that the verb is for? */
bool
call_check_member(Call *call)
{
	AccountStatus status = call->account.status;
	VerbFor		members = call->verb->members;

	if (!call->decision.program->active)
		return call_refuse(call, REFUSAL_PROGRAM_INACTIVE, "program_id=%d",
						   call->decision.program->program_id);
	if (status == STATUS_MERGED)
		return call_refuse(call, REFUSAL_MEMBER_MERGED,
						   "member_id=" INT64_FORMAT, call->member_id);
	if (status == STATUS_CLOSED && members != FOR_ANY)
		return call_refuse(call, REFUSAL_MEMBER_CLOSED,
						   "member_id=" INT64_FORMAT, call->member_id);
	if (status == STATUS_FROZEN && members == FOR_ACTIVE)
		return call_refuse(call, REFUSAL_MEMBER_FROZEN,
						   "member_id=" INT64_FORMAT, call->member_id);
	return true;
}

static bool
check_time(Call *call)
{
	TimestampTz closed_until = call->decision.program->closed_until;

	if (!call->has_at)
		return true;
	if (TIMESTAMP_NOT_FINITE(call->at))
		return call_refuse(call, REFUSAL_TIME_NOT_FINITE, "at=%s",
						   timestamptz_to_str(call->at));
	if (call->at < SetEpochTimestamp())
		return call_refuse(call, REFUSAL_PERIOD_CLOSED,
						   "at=%s lies before 1970",
						   timestamptz_to_str(call->at));
	if (call->at > call->now + MAX_AHEAD)
		return call_refuse(call, REFUSAL_TIME_IN_FUTURE, "at=%s",
						   timestamptz_to_str(call->at));
	if (call->at < closed_until)
		return call_refuse(call, REFUSAL_PERIOD_CLOSED, "at=%s",
						   timestamptz_to_str(call->at));
	return true;
}

/*
 * Goes on once the account is loaded, and locked unless the mode is dry:
 * answers a request that is known, judges member, programme and time, and
 * settles what has fallen due.
 */
bool
call_open_loaded(Call *call)
{
	call->request_hash = request_hash(call);
	if (call_replay(call, call->key, call->ref) ||
		(call->verb->replays != NULL && call->verb->replays(call)))
		return false;
	if (!call_check_member(call) || !check_time(call))
		return false;
	decide_settle(&call->decision, DT_NOBEGIN);
	call->before = store_before(&call->decision);
	return true;
}

/* Loads the member's account, and locks it unless the mode is dry. */
static bool
load(Call *call)
{
	int			hold_arg = call->verb->hold_arg;
	int64		hold_id = hold_arg == 0 ? 0 :
		DatumGetInt64(call->fcinfo->args[hold_arg].value);

	if (call->batch != NULL)
		return store_batch_load(call->batch, call->member_id, call->now,
								&call->account, &call->decision);
	if (call->mode == MODE_DRY)
		return store_load(call->member_id, ACCOUNT_READ, call->now,
						  &call->account, &call->decision);
	return store_load_call(call->member_id, call->key, hold_id, call->now,
						   &call->account, &call->decision, &call->seen);
}

/* Loads and locks the member's account, then call_open_loaded(). */
bool
call_open(Call *call)
{
	if (!load(call))
		return call_refuse(call, REFUSAL_MEMBER_NOT_FOUND,
						   "member_id=" INT64_FORMAT, call->member_id);
	return call_open_loaded(call);
}

/* The journal row of the call itself. */
JournalRow *
call_row(Call *call, TimestampTz effective_at)
{
	JournalRow *row = decide_row(&call->decision, call->verb->kind,
								 effective_at);

	row->event = call->event;
	row->key = call->key;
	row->ref = call->ref;
	row->request_hash = call->request_hash;
	row->tier_before = call->account.tier_id;
	call->row = row;
	return row;
}

/*
 * Stores a decision whose reference nobody has looked up.  If the index has
 * it, the error is the refusal that the look would have brought; it is raised
 * on, so whatever was written is undone by whoever handles it.
 */
static void
store_with_ref(Call *call)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		store_decision(&call->decision);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION &&
			error->constraint_name != NULL &&
			strcmp(error->constraint_name, "journal_ref_idx") == 0)
		{
			FlushErrorState();
			refusal_raise(REFUSAL_REF_DUPLICATE,
						  "the key is new, but the ref is not");
		}
		FreeErrorData(error);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*
 * Claims what is scarce, posts what was got, and settles once more, because
 * what came in may be due already: value of a late event that has lapsed, or
 * that returned after its expiry.  Stores.
 */
static void
complete(Call *call)
{
	Decision   *decision = &call->decision;
	bool		dry = call->mode == MODE_DRY;

	if (!store_claim(decision, dry))
	{
		call_refuse(call, REFUSAL_REF_DUPLICATE,
					"ref belongs to another member of the programme");
		return;
	}
	/* slots of coupons are locked before those of budgets */
	if (!dry)
		store_coupon_release_due(decision);
	store_claim_budgets(decision, dry);
	decide_grant(decision);
	store_every_n(decision, call->row, dry);
	call->row->tier_after = call->account.tier_id;
	decide_settle(decision, call->row->effective_at);
	decide_due(decision, false);
	if (dry)
		return;
	if (call->store_first != NULL)
		call->store_first(call);
	if (call->batch != NULL)
		store_batch_keep(call->batch, decision);
	else if (call->ref_unchecked)
		store_with_ref(call);
	else
		store_decision(decision);
	store_judge(decision, call->before, call->row->effective_at);
}

/*
 * Ends the call: what was decided is stored, or kept by its batch.  Once is
 * enough.
 */
void
call_finish(Call *call)
{
	if (call->finished)
		return;
	call->finished = true;
	if (call->refusal == REFUSAL_NONE && call->replay == NULL &&
		!call->nothing_new)
		complete(call);
	if (call->refusal != REFUSAL_NONE && call->undo != NULL)
		call->undo(call);
}

/* The same for a call of its own; returns the receipt, in its context. */
Datum
call_close(Call *call)
{
	Datum		receipt;

	call_finish(call);
	if (call->refusal != REFUSAL_NONE)
		receipt = journal_refusal_receipt(call->member_id, call->refusal,
										  call->detail);
	else if (call->replay != NULL)
		receipt = journal_receipt(call->replay, call->decision.program,
								  "done", true);
	else
		receipt = journal_receipt(call->row, call->decision.program,
								  call->mode == MODE_DRY ? "dry" : "done",
								  call->nothing_new);
	SPI_finish();
	return receipt;
}

static bool
parse_amount(Call *call, int arg, int scale, int64 *amount)
{
	Numeric		value = DatumGetNumeric(call->fcinfo->args[arg].value);
	Refusal		refusal = amount_parse(value, scale, amount);

	if (refusal != REFUSAL_NONE)
		return call_refuse(call, refusal, "%s=%s decimals=%d",
						   call->verb->args[arg].name,
						   numeric_normalize(value), scale);
	return true;
}

/* An amount of either sign, but not zero. */
bool
call_any_amount(Call *call, int arg, int scale, int64 *amount)
{
	if (!parse_amount(call, arg, scale, amount))
		return false;
	if (*amount == 0)
		return call_refuse(call, REFUSAL_AMOUNT_NOT_POSITIVE, "%s=0",
						   call->verb->args[arg].name);
	return true;
}

/* A positive amount. */
bool
call_amount(Call *call, int arg, int scale, int64 *amount)
{
	if (!call_any_amount(call, arg, scale, amount))
		return false;
	if (*amount < 0)
		return call_refuse(call, REFUSAL_AMOUNT_NOT_POSITIVE, "%s=%s",
						   call->verb->args[arg].name,
						   amount_text(*amount, scale));
	return true;
}

/* The unit that an argument names. */
bool
call_unit(Call *call, int arg, const Unit **unit)
{
	char	   *code = text_to_cstring(call_text(call, arg));

	*unit = program_unit(call->decision.program, code);
	if (*unit == NULL)
		return call_refuse(call, REFUSAL_UNKNOWN_UNIT, "unit=%s", code);
	return true;
}

/* The same, if it is of a kind that can be spent. */
bool
call_spendable_unit(Call *call, int arg, const Unit **unit)
{
	if (!call_unit(call, arg, unit))
		return false;
	if ((*unit)->kind == UNIT_METRIC)
		return call_refuse(call, REFUSAL_UNIT_MISMATCH,
						   "unit=%s is a metric and cannot be spent",
						   (*unit)->code);
	return call_card_open(call, &call->decision, *unit);
}

/* Is the card of stored value, if the unit is such, not frozen? */
bool
call_card_open(Call *call, Decision *decision, const Unit *unit)
{
	const TopupCard *card;

	if (program_topup(decision->program, unit->unit_id) == NULL)
		return true;
	store_load_cards(decision, false);
	card = decide_card(decision, unit->unit_id);
	if (card->frozen)
		return call_refuse(call, REFUSAL_CARD_FROZEN, "unit=%s frozen_at=%s",
						   unit->code, timestamptz_to_str(card->frozen_at));
	return true;
}

/* limit -1: there is none. */
static bool
check_limit(Call *call, const Unit *unit, const char *which, int64 limit,
			int64 total, int64 amount)
{
	if (limit < 0 || amount_add(total, amount) <= limit)
		return true;
	return call_refuse(call, REFUSAL_CARD_LIMIT,
					   "%s=%s balance=%s requested=%s unit=%s", which,
					   amount_text(limit, unit->scale),
					   amount_text(total, unit->scale),
					   amount_text(amount, unit->scale), unit->code);
}

/* May so much more come to the card, and to all cards of the member? */
bool
call_card_room(Call *call, Decision *decision, const Unit *unit,
			   int64 amount)
{
	const Program *program = decision->program;
	const TopupPolicy *policy = program_topup(program, unit->unit_id);
	const TopupCard *card;
	int64		total = 0;

	if (policy == NULL)
		return true;
	store_load_cards(decision, false);
	card = decide_card(decision, unit->unit_id);
	if (!check_limit(call, unit,
					 card->named ? "limit_named" : "limit_unnamed",
					 card->named ? policy->limit_named :
					 policy->limit_unnamed,
					 store_card_total(decision, unit->unit_id), amount))
		return false;
	for (int i = 0; policy->limit_member >= 0 && i < program->ntopups; i++)
		total = amount_add(total, store_card_total(decision,
												   program->topups[i].unit_id));
	return check_limit(call, unit, "limit_member", policy->limit_member,
					   total, amount);
}

/* Is as much as this available today? */
bool
call_available(Call *call, const Unit *unit, int64 amount)
{
	int64		available = decide_available(&call->decision, unit);

	if (amount > available)
		return call_refuse(call, REFUSAL_INSUFFICIENT_POINTS,
						   "available=%s requested=%s unit=%s",
						   amount_text(available, unit->scale),
						   amount_text(amount, unit->scale), unit->code);
	return true;
}

/* Puts the reason into the row; a required one must say something. */
bool
call_reason(Call *call, int arg, bool required)
{
	text	   *reason = call_text(call, arg);

	if (reason == NULL && !required)
		return true;
	if (reason == NULL ||
		DatumGetInt32(DirectFunctionCall1(textlen,
										  DirectFunctionCall1(btrim1,
															  PointerGetDatum(reason)))) == 0)
		return required ?
			call_refuse(call, REFUSAL_REASON_REQUIRED, "reason is empty") :
			true;
	return VARSIZE_ANY_EXHDR(reason) <= MAX_DATA_BYTES / 1024 ||
		call_refuse(call, REFUSAL_INPUT_TOO_LARGE,
					"reason has %zu bytes, at most %d",
					VARSIZE_ANY_EXHDR(reason), MAX_DATA_BYTES / 1024);
}

bool
call_check_object(Call *call, Jsonb *json, const char *what)
{
	if (!JB_ROOT_IS_OBJECT(json))
		return call_refuse(call, REFUSAL_DATA_INVALID,
						   "%s must be a json object", what);
	return true;
}

/* A documented key of data, which the journal keeps in a column. */
static bool
data_column(Call *call, Jsonb *data, const char *name, text **column)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&data->root, name,
													 strlen(name), &buffer);

	if (value == NULL || value->type == jbvNull)
		return true;
	if (value->type != jbvString)
		return call_refuse(call, REFUSAL_DATA_INVALID,
						   "data.%s must be a string", name);
	*column = cstring_to_text_with_len(value->val.string.val,
									   value->val.string.len);
	return call_check_text(call, *column, REFUSAL_DATA_INVALID, name);
}

static void
push_document(JsonbParseState **state, const char *name, Jsonb *json)
{
	JsonbValue	key;
	JsonbValue	value;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	pushJsonbValue(state, WJB_KEY, &key);
	value.type = jbvBinary;
	value.val.binary.data = &json->root;
	value.val.binary.len = VARSIZE(json) - VARHDRSZ;
	pushJsonbValue(state, WJB_VALUE, &value);
}

/*
 * Checks data and items (items_arg < 0: none) and puts them into the row:
 * the documented keys into columns, everything into event_data.
 */
bool
call_data(Call *call, int data_arg, int items_arg)
{
	Jsonb	   *data = call_jsonb(call, data_arg);
	Jsonb	   *items = items_arg < 0 ? NULL : call_jsonb(call, items_arg);
	bool		has_data;
	JournalRow *row = call->row;
	JsonbParseState *state = NULL;

	if (data != NULL)
	{
		if (!call_check_object(call, data, "data") ||
			!data_column(call, data, "channel", &row->channel) ||
			!data_column(call, data, "store", &row->store) ||
			!data_column(call, data, "staff", &row->staff))
			return false;
	}
	has_data = data != NULL && JB_ROOT_COUNT(data) > 0;
	if (!has_data && items == NULL)
		return true;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (has_data)
		push_document(&state, "data", data);
	if (items != NULL)
		push_document(&state, "items", items);
	row->data = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT,
												 NULL));
	return true;
}

/*
 * identity.c
 *
 * Identities: their canonical form, whom they lead to, and the verbs that
 * change them.
 */
#include "identity.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

#include "rule_program.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(loyalty_identity_canonical);
PG_FUNCTION_INFO_V1(loyalty_identity_find);
PG_FUNCTION_INFO_V1(loyalty_identity_add);
PG_FUNCTION_INFO_V1(loyalty_identity_remove);

#define MAX_IDENTITIES 32
#define MAX_KIND_BYTES 63
#define MAX_VALUE_BYTES 255
#define MIN_PHONE_DIGITS 5
#define MAX_PHONE_DIGITS 20

/* Is this the name of a kind: a lower-case word? */
static bool
kind_is_valid(const char *kind)
{
	size_t		length = strlen(kind);

	return length > 0 && length <= MAX_KIND_BYTES &&
		kind[0] >= 'a' && kind[0] <= 'z' &&
		strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

/* Without the characters people put in to read a number more easily. */
static char *
without(const char *value, const char *fillers)
{
	char	   *result = palloc(strlen(value) + 1);
	char	   *end = result;

	for (; *value != '\0'; value++)
		if (strchr(fillers, *value) == NULL)
			*end++ = *value;
	*end = '\0';
	return result;
}

static char *
trimmed(const char *value)
{
	size_t		length;

	while (*value == ' ')
		value++;
	length = strlen(value);
	while (length > 0 && value[length - 1] == ' ')
		length--;
	return pnstrdup(value, length);
}

/* +digits or digits; 00 stands for +. */
static char *
canonical_phone(const char *value)
{
	char	   *phone = without(value, " -.()");
	const char *digits;

	if (strncmp(phone, "00", 2) == 0)
		phone = psprintf("+%s", phone + 2);
	digits = phone[0] == '+' ? phone + 1 : phone;
	if (strspn(digits, "0123456789") != strlen(digits) ||
		strlen(digits) < MIN_PHONE_DIGITS ||
		strlen(digits) > MAX_PHONE_DIGITS)
		return NULL;
	return phone;
}

/* Lower case; one @ with something on either side. */
static char *
canonical_email(const char *value)
{
	char	   *email = trimmed(value);
	char	   *at = strchr(email, '@');

	if (at == NULL || at == email || at[1] == '\0' ||
		strchr(at + 1, '@') != NULL || strchr(email, ' ') != NULL)
		return NULL;
	/* of ASCII only: the form must not depend on the database's locale */
	return asc_tolower(email, strlen(email));
}

static char *
canonical_card(const char *value)
{
	char	   *card = without(value, " -");

	for (char *c = card; *c != '\0'; c++)
		*c = pg_ascii_toupper((unsigned char) *c);
	return card;
}

/* The canonical form of a value, NULL if it cannot be of this kind. */
static char *
canonical(const char *kind, const char *value)
{
	char	   *result;

	for (const unsigned char *c = (const unsigned char *) value; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			return NULL;
	if (strcmp(kind, "phone") == 0)
		result = canonical_phone(value);
	else if (strcmp(kind, "email") == 0)
		result = canonical_email(value);
	else if (strcmp(kind, "card") == 0)
		result = canonical_card(value);
	else
		result = trimmed(value);
	if (result == NULL || result[0] == '\0' ||
		strlen(result) > MAX_VALUE_BYTES)
		return NULL;
	return result;
}

static bool
canonical_identity(Call *call, const char *kind, const char *value,
				   Identity *identity)
{
	if (!kind_is_valid(kind))
		return call_refuse(call, REFUSAL_IDENTITY_MALFORMED,
						   "kind must be a lower-case word of at most %d "
						   "characters", MAX_KIND_BYTES);
	identity->kind = pstrdup(kind);
	identity->value = canonical(kind, value);
	if (identity->value == NULL)
		return call_refuse(call, REFUSAL_IDENTITY_MALFORMED,
						   "kind=%s: the value is not of this form", kind);
	return true;
}

/* identity_canonical(kind, value), for lists that are to be compared. */
Datum
loyalty_identity_canonical(PG_FUNCTION_ARGS)
{
	char	   *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *value = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *result = kind_is_valid(kind) ? canonical(kind, value) : NULL;

	if (result == NULL)
		refusal_raise(REFUSAL_IDENTITY_MALFORMED,
					  psprintf("kind=%s", kind));
	PG_RETURN_TEXT_P(cstring_to_text(result));
}

static int
compare_identities(const void *a, const void *b)
{
	const Identity *x = a;
	const Identity *y = b;
	int			result = strcmp(x->value, y->value);

	return result != 0 ? result : strcmp(x->kind, y->kind);
}

static bool
append_identity(Call *call, const JsonbValue *kind, const JsonbValue *value,
				IdentityList *list)
{
	if (kind == NULL || kind->type != jbvString ||
		value == NULL || value->type != jbvString)
		return call_refuse(call, REFUSAL_IDENTITY_MALFORMED,
						   "kind and value must be strings");
	if (list->n == MAX_IDENTITIES)
		return call_refuse(call, REFUSAL_INPUT_TOO_LARGE,
						   "more than %d identities", MAX_IDENTITIES);
	return canonical_identity(call,
							  pnstrdup(kind->val.string.val,
									   kind->val.string.len),
							  pnstrdup(value->val.string.val,
									   value->val.string.len),
							  &list->identities[list->n++]);
}

/* {"phone": "...", "email": "..."} */
static bool
parse_object(Call *call, const Jsonb *json, IdentityList *list)
{
	JsonbIterator *iterator = JsonbIteratorInit(unconstify(JsonbContainer *,
														   &json->root));
	JsonbValue	kind;
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &kind, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		JsonbIteratorNext(&iterator, &value, true);
		if (!append_identity(call, &kind, &value, list))
			return false;
	}
	return true;
}

/* [{"kind": "phone", "value": "..."}, ...] */
static bool
parse_array(Call *call, const Jsonb *json, IdentityList *list)
{
	int			n = JB_ROOT_COUNT(json);

	for (int i = 0; i < n; i++)
	{
		JsonbValue *element =
			getIthJsonbValueFromContainer(unconstify(JsonbContainer *,
													 &json->root), i);
		JsonbValue	kind;
		JsonbValue	value;

		if (element->type != jbvBinary ||
			!JsonContainerIsObject(element->val.binary.data))
			return call_refuse(call, REFUSAL_IDENTITY_MALFORMED,
							   "an element is not a json object");
		if (!append_identity(call,
							 getKeyJsonValueFromContainer(element->val.binary.data,
														  "kind", 4, &kind),
							 getKeyJsonValueFromContainer(element->val.binary.data,
														  "value", 5, &value),
							 list))
			return false;
	}
	return true;
}

/* Reads identities into canonical form, sorted, each once. */
bool
identity_parse(Call *call, const Jsonb *json, IdentityList *list)
{
	int			kept = 0;
	bool		ok;

	list->n = 0;
	list->identities = palloc0(sizeof(Identity) * MAX_IDENTITIES);
	if (JB_ROOT_IS_OBJECT(unconstify(Jsonb *, json)))
		ok = parse_object(call, json, list);
	else if (JB_ROOT_IS_ARRAY(unconstify(Jsonb *, json)) &&
			 !JB_ROOT_IS_SCALAR(unconstify(Jsonb *, json)))
		ok = parse_array(call, json, list);
	else
		ok = call_refuse(call, REFUSAL_IDENTITY_MALFORMED,
						 "identities must be a json object or array");
	if (!ok)
		return false;
	if (list->n == 0)
		return call_refuse(call, REFUSAL_IDENTITY_MALFORMED,
						   "identities is empty");

	qsort(list->identities, list->n, sizeof(Identity), compare_identities);
	for (int i = 0; i < list->n; i++)
		if (kept == 0 || compare_identities(&list->identities[kept - 1],
											&list->identities[i]) != 0)
			list->identities[kept++] = list->identities[i];
	list->n = kept;
	return true;
}

/* By its key, whatever the statistics say: a table that grows has none yet. */
#define OWNER_OF \
	"SELECT x.member_id FROM loyalty.identity x" \
	" WHERE x.value = g.value AND x.kind = g.kind AND x.program_id = $1 LIMIT 1"

static Statement select_owners = {
	"SELECT i.member_id, count(*)"
	" FROM unnest($2, $3) AS g(kind, value)"
	" CROSS JOIN LATERAL (" OWNER_OF ") i"
	" GROUP BY i.member_id",
	3, {INT4OID, TEXTARRAYOID, TEXTARRAYOID}
};

/* The same for several lists; n: which of them. */
static Statement select_owners_of_lists = {
	"SELECT g.n, i.member_id, count(*)"
	" FROM unnest($2, $3, $4) AS g(n, kind, value)"
	" CROSS JOIN LATERAL (" OWNER_OF ") i"
	" GROUP BY g.n, i.member_id",
	4, {INT4OID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

/* In the order given, so that two sessions cannot wait for each other. */
static Statement insert_identities = {
	"INSERT INTO loyalty.identity (program_id, kind, value, member_id,"
	" added_at)"
	" SELECT $1, g.kind, g.value, $4, $5"
	" FROM unnest($2, $3) WITH ORDINALITY AS g(kind, value, n)"
	" WHERE NOT EXISTS (SELECT FROM loyalty.identity i"
	" WHERE i.value = g.value AND i.kind = g.kind AND i.program_id = $1"
	" AND i.member_id = $4)"
	" ORDER BY g.n ON CONFLICT DO NOTHING RETURNING kind, value",
	5, {INT4OID, TEXTARRAYOID, TEXTARRAYOID, INT8OID, TIMESTAMPTZOID}
};

static Statement delete_identities = {
	"DELETE FROM loyalty.identity i"
	" USING unnest($2, $3) AS g(kind, value)"
	" WHERE i.value = g.value AND i.kind = g.kind AND i.program_id = $1"
	" AND i.member_id = $4",
	4, {INT4OID, TEXTARRAYOID, TEXTARRAYOID, INT8OID}
};

static Datum
text_array(const IdentityList *list, bool kinds)
{
	Datum	   *elements = palloc(sizeof(Datum) * list->n);

	for (int i = 0; i < list->n; i++)
		elements[i] = CStringGetTextDatum(kinds ?
										  list->identities[i].kind :
										  list->identities[i].value);
	return array_of(elements, list->n, TEXTOID);
}

/* Whom identities lead to. */
void
identity_owners(int32 program_id, const IdentityList *list,
				IdentityOwners *owners)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program_id)),
		ARG(text_array(list, true)),
		ARG(text_array(list, false))
	};
	uint64		n = statement_run(&select_owners, args, false);

	memset(owners, 0, sizeof(IdentityOwners));
	owners->several = n > 1;
	if (n == 0)
		return;
	owners->member_id = DatumGetInt64(statement_notnull(0, 1));
	owners->nknown = DatumGetInt64(statement_notnull(0, 2));
}

/* The same for several lists at once. */
void
identity_owners_many(int32 program_id, const IdentityList *lists, int n,
					 IdentityOwners *owners)
{
	IdentityList all = {0};
	Datum	   *numbers;
	NullableDatum args[4];
	uint64		nfound;

	for (int i = 0; i < n; i++)
		all.n += lists[i].n;
	all.identities = palloc(sizeof(Identity) * all.n);
	numbers = palloc(sizeof(Datum) * all.n);
	all.n = 0;
	for (int i = 0; i < n; i++)
		for (int j = 0; j < lists[i].n; j++)
		{
			numbers[all.n] = Int32GetDatum(i);
			all.identities[all.n++] = lists[i].identities[j];
		}

	args[0] = ARG(Int32GetDatum(program_id));
	args[1] = ARG(array_of(numbers, all.n, INT4OID));
	args[2] = ARG(text_array(&all, true));
	args[3] = ARG(text_array(&all, false));
	nfound = statement_run(&select_owners_of_lists, args, false);
	memset(owners, 0, sizeof(IdentityOwners) * n);
	for (uint64 i = 0; i < nfound; i++)
	{
		IdentityOwners *owner = &owners[DatumGetInt32(statement_notnull(i, 1))];

		owner->several = owner->member_id != 0;
		owner->member_id = DatumGetInt64(statement_notnull(i, 2));
		owner->nknown = DatumGetInt64(statement_notnull(i, 3));
	}
}

/* Lists in the order in which their first identities are inserted. */
int
identity_compare(const IdentityList *a, const IdentityList *b)
{
	return compare_identities(&a->identities[0], &b->identities[0]);
}

/*
 * Gives a member the identities that are free, and tells which; waits for
 * sessions that may have taken one.
 */
void
identity_insert(int32 program_id, int64 member_id, const IdentityList *list,
				IdentityList *inserted)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program_id)),
		ARG(text_array(list, true)),
		ARG(text_array(list, false)),
		ARG(Int64GetDatum(member_id)),
		ARG(TimestampTzGetDatum(loyalty_clock()))
	};

	inserted->n = statement_run(&insert_identities, args, false);
	inserted->identities = palloc(sizeof(Identity) * list->n);
	for (int i = 0; i < inserted->n; i++)
	{
		inserted->identities[i].kind = statement_text(i, 1);
		inserted->identities[i].value = statement_text(i, 2);
	}
}

/* Takes identities from a member. */
void
identity_delete(int32 program_id, int64 member_id, const IdentityList *list)
{
	NullableDatum args[] = {
		ARG(Int32GetDatum(program_id)),
		ARG(text_array(list, true)),
		ARG(text_array(list, false)),
		ARG(Int64GetDatum(member_id))
	};

	statement_run(&delete_identities, args, false);
}

static Statement find_member = {
	"SELECT member_id FROM loyalty.identity"
	" WHERE value = $1 AND kind = $2 AND program_id = $3",
	3, {TEXTOID, TEXTOID, INT4OID}
};

/* find(program, kind, value): NULL when unknown. */
Datum
loyalty_identity_find(PG_FUNCTION_ARGS)
{
	char	   *name;
	char	   *kind;
	char	   *value = NULL;
	const Program *program;
	int64		member_id = 0;

	for (int i = 0; i < 3; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("program, kind and value must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	kind = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (kind_is_valid(kind))
		value = canonical(kind, text_to_cstring(PG_GETARG_TEXT_PP(2)));

	SPI_connect();
	loyalty_check_version();
	program = program_find(name);
	if (program == NULL)
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND, psprintf("program=%s", name));
	if (value != NULL)
	{
		NullableDatum args[] = {
			ARG(CStringGetTextDatum(value)),
			ARG(CStringGetTextDatum(kind)),
			ARG(Int32GetDatum(program->program_id))
		};

		if (statement_run(&find_member, args, true) > 0)
			member_id = DatumGetInt64(statement_notnull(0, 1));
	}
	SPI_finish();
	if (member_id == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(member_id);
}

enum identity_arg
{
	IDENTITY_MEMBER_ID,
	IDENTITY_KIND,
	IDENTITY_VALUE,
	IDENTITY_AT,
	IDENTITY_KEY,
	IDENTITY_MODE,
	IDENTITY_NARGS
};

#define IDENTITY_ARGS \
	IDENTITY_NARGS, { \
		[IDENTITY_MEMBER_ID] = {"member_id", ARG_MEMBER, true}, \
		[IDENTITY_KIND] = {"kind", ARG_TEXT, true}, \
		[IDENTITY_VALUE] = {"value", ARG_TEXT, true}, \
		[IDENTITY_AT] = {"at", ARG_AT}, \
		[IDENTITY_KEY] = {"key", ARG_KEY}, \
		[IDENTITY_MODE] = {"mode", ARG_MODE, true} \
	}

static const Verb add_verb = {
	"identity_add", "identity_add", NULL, FOR_OPEN, false, IDENTITY_ARGS
};
static const Verb remove_verb = {
	"identity_remove", "identity_remove", NULL, FOR_OPEN, false,
	IDENTITY_ARGS
};

/* The identity that the arguments name, and whom it leads to now. */
static bool
read_identity(Call *call, IdentityList *list, IdentityOwners *owners)
{
	list->n = 1;
	list->identities = palloc(sizeof(Identity));
	if (!canonical_identity(call,
							text_to_cstring(call_text(call, IDENTITY_KIND)),
							text_to_cstring(call_text(call, IDENTITY_VALUE)),
							list->identities))
		return false;
	identity_owners(call->account.program_id, list, owners);
	return true;
}

static bool
identity_taken(Call *call, const IdentityList *list)
{
	return call_refuse(call, REFUSAL_IDENTITY_TAKEN, "kind=%s",
					   list->identities[0].kind);
}

/* Adds it, unless it is the member's already. */
static bool
add_identity(Call *call, const IdentityList *list,
			 const IdentityOwners *owners)
{
	IdentityList inserted;

	if (owners->member_id == call->member_id)
		return true;
	if (owners->member_id != 0)
		return identity_taken(call, list);
	if (call->mode == MODE_DRY)
		return true;
	identity_insert(call->account.program_id, call->member_id, list,
					&inserted);
	return inserted.n > 0 || identity_taken(call, list);
}

Datum
loyalty_identity_add(PG_FUNCTION_ARGS)
{
	Call		call;
	IdentityList list;
	IdentityOwners owners;

	if (call_begin(&call, fcinfo, &add_verb) &&
		call_open(&call) &&
		read_identity(&call, &list, &owners) &&
		add_identity(&call, &list, &owners))
		call_row(&call, call.now);
	return call_close(&call);
}

static bool
remove_identity(Call *call, const IdentityList *list,
				const IdentityOwners *owners)
{
	if (owners->member_id != call->member_id)
		return call_refuse(call, REFUSAL_IDENTITY_NOT_FOUND, "kind=%s",
						   list->identities[0].kind);
	if (call->mode != MODE_DRY)
		identity_delete(call->account.program_id, call->member_id, list);
	return true;
}

Datum
loyalty_identity_remove(PG_FUNCTION_ARGS)
{
	Call		call;
	IdentityList list;
	IdentityOwners owners;

	if (call_begin(&call, fcinfo, &remove_verb) &&
		call_open(&call) &&
		read_identity(&call, &list, &owners) &&
		remove_identity(&call, &list, &owners))
		call_row(&call, call.now);
	return call_close(&call);
}

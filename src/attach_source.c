/*
 * attach_source.c
 *
 * Which column of an attached table is what.  The answer is kept in the
 * arguments of its triggers, "name=value" each, so that it is dumped with
 * the table; columns are found by name whenever a trigger fires.
 */
#include "attach.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(loyalty_attach_check);
PG_FUNCTION_INFO_V1(loyalty_attach_mapping);

/* A trigger on every attached table, whatever it follows. */
#define INSERT_TRIGGER "loyalty_attach_insert"

extern Datum loyalty_identity_find(PG_FUNCTION_ARGS);

static const char *const field_names[FIELD_COUNT] = {
	[FIELD_MEMBER] = "member",
	[FIELD_AMOUNT] = "amount",
	[FIELD_REF] = "ref",
	[FIELD_AT] = "at",
	[FIELD_PAID] = "paid",
	[FIELD_ITEMS] = "items",
	[FIELD_CHANNEL] = "channel",
	[FIELD_STORE] = "store",
	[FIELD_DATA] = "data"
};

pg_noreturn static void
source_invalid(const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(refusal_sqlstate(REFUSAL_SOURCE_INVALID)),
			 errmsg("%s", refusal_text(REFUSAL_SOURCE_INVALID)->message),
			 errdetail_internal("%s", detail),
			 errhint("%s", hint)));
}

/* Takes one "name=value"; false if the name is not known. */
static bool
take_argument(Source *source, const char *name, const char *value)
{
	for (int i = 0; i < FIELD_COUNT; i++)
		if (strcmp(name, field_names[i]) == 0)
		{
			source->columns[i] = value;
			return true;
		}
	if (strcmp(name, "source") == 0)
		source->name = value;
	else if (strcmp(name, "program") == 0)
		source->program_name = value;
	else if (strcmp(name, "event") == 0)
		source->event = value;
	else if (strcmp(name, "identity") == 0)
		source->identity = value;
	else if (strcmp(name, "enroll") == 0)
		source->enroll = strcmp(value, "true") == 0;
	else if (strcmp(name, "on_update") == 0)
		source->follow_update = strcmp(value, "correct") == 0;
	else if (strcmp(name, "on_refusal") == 0)
		source->raise = strcmp(value, "raise") == 0;
	else if (strcmp(name, "guests") == 0)
		source->guests = strcmp(value, "true") == 0;
	else if (strcmp(name, "paid_value") == 0)
		source->paid_values[source->npaid_values++] = value;
	else
		/* attach() makes no trigger where deletions are to be ignored */
		return strcmp(name, "on_delete") == 0;
	return true;
}

/* Reads the arguments of a trigger. */
void
source_parse(Source *source, int nargs, char **args)
{
	memset(source, 0, sizeof(Source));
	source->paid_values = palloc(sizeof(char *) * Max(nargs, 1));
	for (int i = 0; i < nargs; i++)
	{
		const char *value = strchr(args[i], '=');

		if (value == NULL ||
			!take_argument(source, pnstrdup(args[i], value - args[i]),
						   value + 1))
			source_invalid(psprintf("The trigger has an argument \"%s\".",
									clipped(args[i])),
						   "Let loyalty.attach() make the triggers.");
	}
	if (source->name == NULL || source->program_name == NULL ||
		source->event == NULL || source->columns[FIELD_MEMBER] == NULL ||
		source->columns[FIELD_AMOUNT] == NULL ||
		source->columns[FIELD_REF] == NULL)
		source_invalid("The trigger lacks an argument.",
					   "Let loyalty.attach() make the triggers.");
}

static AttrNumber
column_number(TupleDesc descriptor, const char *name)
{
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (!attribute->attisdropped &&
			strcmp(NameStr(attribute->attname), name) == 0)
			return i + 1;
	}
	return InvalidAttrNumber;
}

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* Something that names: text of any kind, a number, an enum, a uuid. */
static bool
is_name(Oid type)
{
	char		category;
	bool		preferred;

	get_type_category_preferred(type, &category, &preferred);
	return category == TYPCATEGORY_STRING || category == TYPCATEGORY_ENUM ||
		is_integer(type) || type == UUIDOID;
}

/* Can a column of this type be used so?  wanted: what can. */
static bool
type_fits(const Source *source, SourceField field, Oid type,
		  const char **wanted)
{
	switch (field)
	{
		case FIELD_MEMBER:
			*wanted = source->identity == NULL ?
				"smallint, integer or bigint, or an identity" :
				"text, an integer or uuid";
			return source->identity == NULL ? is_integer(type) :
				is_name(type);
		case FIELD_AMOUNT:
			*wanted = "numeric or an integer";
			return type == NUMERICOID || is_integer(type);
		case FIELD_AT:
			*wanted = "timestamptz, timestamp or date";
			return type == TIMESTAMPTZOID || type == TIMESTAMPOID ||
				type == DATEOID;
		case FIELD_PAID:
			*wanted = source->npaid_values == 0 ?
				"boolean, or paid_values" : "text, an enum or an integer";
			return source->npaid_values == 0 ? type == BOOLOID :
				is_name(type);
		case FIELD_ITEMS:
		case FIELD_DATA:
			*wanted = "jsonb";
			return type == JSONBOID;
		case FIELD_REF:
		case FIELD_CHANNEL:
		case FIELD_STORE:
		case FIELD_COUNT:
			break;
	}
	*wanted = "text, an enum, an integer or uuid";
	return is_name(type);
}

/* Finds the columns, or says which one is not there or of a wrong type. */
void
source_bind(Source *source, Relation relation)
{
	TupleDesc	descriptor = RelationGetDescr(relation);

	for (int i = 0; i < FIELD_COUNT; i++)
	{
		const char *column = source->columns[i];
		const char *wanted;
		AttrNumber	number;
		Oid			type;

		source->attnums[i] = InvalidAttrNumber;
		if (column == NULL)
			continue;
		number = column_number(descriptor, column);
		if (number == InvalidAttrNumber)
			source_invalid(psprintf("Column \"%s\" of \"%s\", which is "
									"attached as %s, does not exist.",
									clipped(column),
									RelationGetRelationName(relation),
									field_names[i]),
						   "Call loyalty.attach() again with the column's "
						   "name, or loyalty.detach().");
		type = getBaseType(TupleDescAttr(descriptor, number - 1)->atttypid);
		if (!type_fits(source, i, type, &wanted))
			source_invalid(psprintf("Column \"%s\" of \"%s\" is of type %s, "
									"%s needs %s.", column,
									RelationGetRelationName(relation),
									format_type_be(type), field_names[i],
									wanted),
						   "Name another column, or add one that is "
						   "generated as STORED.");
#ifdef ATTRIBUTE_GENERATED_VIRTUAL
		if (TupleDescAttr(descriptor, number - 1)->attgenerated ==
			ATTRIBUTE_GENERATED_VIRTUAL)
			source_invalid(psprintf("Column \"%s\" of \"%s\" is generated "
									"when it is read, and has no value in a "
									"trigger.", column,
									RelationGetRelationName(relation)),
						   "Generate it as STORED.");
#endif
		source->attnums[i] = number;
		source->types[i] = type;
	}
}

/* Looks the programme up; false if there is none of that name.  Needs SPI. */
bool
source_program(Source *source)
{
	source->program = program_find(source->program_name);
	return source->program != NULL;
}

static Datum
field(const Source *source, SourceField field, TupleTableSlot *slot,
	  bool *isnull)
{
	*isnull = true;
	if (source->attnums[field] == InvalidAttrNumber)
		return (Datum) 0;
	return slot_getattr(slot, source->attnums[field], isnull);
}

/* A column as text, NULL if it is null or not given. */
static char *
field_text(const Source *source, SourceField which, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value = field(source, which, slot, &isnull);
	Oid			type = source->types[which];
	Oid			output;
	bool		is_varlena;

	if (isnull)
		return NULL;
	if (type == TEXTOID || type == VARCHAROID)
		return TextDatumGetCString(value);
	/* as the cast to text does: without the blanks that pad it */
	if (type == BPCHAROID)
		return TextDatumGetCString(DirectFunctionCall1(rtrim1, value));
	getTypeOutputInfo(type, &output, &is_varlena);
	return OidOutputFunctionCall(output, value);
}

/* The same, and an empty text is none. */
static char *
field_name(const Source *source, SourceField which, TupleTableSlot *slot)
{
	char	   *text = field_text(source, which, slot);

	return text == NULL || text[0] == '\0' ? NULL : text;
}

static Jsonb *
field_jsonb(const Source *source, SourceField which, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value = field(source, which, slot, &isnull);

	return isnull ? NULL : DatumGetJsonbP(value);
}

static int64
integer_of(Datum value, Oid type)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/* A time without a zone is one of the programme's clocks. */
static TimestampTz
local_time(const Program *program, Timestamp local)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			zone;
	TimestampTz result;

	if (TIMESTAMP_NOT_FINITE(local))
		return local;
	if (timestamp2tm(local, NULL, &tm, &fsec, NULL, NULL) != 0)
		return DT_NOEND;
	zone = DetermineTimeZoneOffset(&tm, program->zone);
	if (tm2timestamp(&tm, fsec, &zone, &result) != 0)
		return DT_NOEND;
	return result;
}

static TimestampTz
time_of(const Program *program, Datum value, Oid type)
{
	int			overflow;

	if (type == TIMESTAMPTZOID)
		return DatumGetTimestampTz(value);
	if (type == TIMESTAMPOID)
		return local_time(program, DatumGetTimestamp(value));
	return local_time(program,
					  date2timestamp_opt_overflow(DatumGetDateADT(value),
												  &overflow));
}

bool
source_is_paid(const Source *source, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value;
	const char *text;

	if (source->attnums[FIELD_AT] != InvalidAttrNumber)
	{
		field(source, FIELD_AT, slot, &isnull);
		if (isnull)
			return false;
	}
	if (source->attnums[FIELD_PAID] == InvalidAttrNumber)
		return true;
	if (source->npaid_values == 0)
	{
		value = field(source, FIELD_PAID, slot, &isnull);
		return !isnull && DatumGetBool(value);
	}
	text = field_text(source, FIELD_PAID, slot);
	for (int i = 0; text != NULL && i < source->npaid_values; i++)
		if (strcmp(text, source->paid_values[i]) == 0)
			return true;
	return false;
}

/* What find() answers, 0 for nobody. */
static int64
find_member(const Source *source, const char *identity)
{
	LOCAL_FCINFO(fcinfo, 3);
	Datum		member_id;

	InitFunctionCallInfoData(*fcinfo, NULL, 3, DEFAULT_COLLATION_OID, NULL,
							 NULL);
	fcinfo->args[0].value = CStringGetTextDatum(source->program_name);
	fcinfo->args[1].value = CStringGetTextDatum(source->identity);
	fcinfo->args[2].value = CStringGetTextDatum(identity);
	for (int i = 0; i < 3; i++)
		fcinfo->args[i].isnull = false;
	member_id = loyalty_identity_find(fcinfo);
	return fcinfo->isnull ? 0 : DatumGetInt64(member_id);
}

/* Whose order it is; false: nobody's who is or becomes a member. */
static bool
read_member(const Source *source, TupleTableSlot *slot, SourceOrder *order)
{
	bool		isnull;
	Datum		value = field(source, FIELD_MEMBER, slot, &isnull);

	order->member_id = 0;
	order->identity = NULL;
	if (isnull)
		return false;
	if (source->identity == NULL)
	{
		order->member_id = integer_of(value, source->types[FIELD_MEMBER]);
		return true;
	}
	order->identity = field_name(source, FIELD_MEMBER, slot);
	if (order->identity == NULL)
		return false;
	order->member_id = find_member(source, order->identity);
	return order->member_id != 0 || source->enroll;
}

static void
push_text(JsonbParseState **state, const char *name, const char *text)
{
	JsonbValue	value;

	if (text == NULL)
		return;
	value.type = jbvString;
	value.val.string.val = unconstify(char *, name);
	value.val.string.len = strlen(name);
	pushJsonbValue(state, WJB_KEY, &value);
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = strlen(text);
	pushJsonbValue(state, WJB_VALUE, &value);
}

/*
 * The data of an event: that of the row, with channel and store, and with
 * the name of the source, by which reconcile() knows its own.
 */
Jsonb *
source_data(const Source *source, Jsonb *data, const char *channel,
			const char *store)
{
	JsonbParseState *state = NULL;
	Jsonb	   *own;

	/* the verb refuses it */
	if (data != NULL && !JB_ROOT_IS_OBJECT(data))
		return data;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_text(&state, "channel", channel);
	push_text(&state, "source", source->name);
	push_text(&state, "store", store);
	own = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	if (data == NULL)
		return own;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(data),
											  JsonbPGetDatum(own)));
}

/*
 * Reads a row; false if it belongs to no member and is left alone.  That of a
 * guest has neither a member nor an identity.
 */
bool
source_read(const Source *source, TupleTableSlot *slot, SourceOrder *order)
{
	bool		isnull;
	Datum		value;
	char	   *ref;

	memset(order, 0, sizeof(SourceOrder));
	if (!read_member(source, slot, order))
	{
		if (!source->guests)
			return false;
		order->identity = NULL;
	}
	ref = field_text(source, FIELD_REF, slot);
	order->ref = ref == NULL ? NULL : cstring_to_text(ref);
	value = field(source, FIELD_AMOUNT, slot, &isnull);
	if (!isnull)
		order->amount = source->types[FIELD_AMOUNT] == NUMERICOID ?
			DatumGetNumeric(value) :
			int64_to_numeric(integer_of(value,
										source->types[FIELD_AMOUNT]));
	value = field(source, FIELD_AT, slot, &isnull);
	order->has_at = !isnull;
	if (!isnull)
		order->at = time_of(source->program, value, source->types[FIELD_AT]);
	order->items = field_jsonb(source, FIELD_ITEMS, slot);
	order->data = source_data(source, field_jsonb(source, FIELD_DATA, slot),
							  field_name(source, FIELD_CHANNEL, slot),
							  field_name(source, FIELD_STORE, slot));
	return true;
}

/* Do two rows say the same in this column, byte by byte? */
bool
source_same_field(const Source *source, SourceField which, TupleTableSlot *a,
				  TupleTableSlot *b)
{
	bool		null_a;
	bool		null_b;
	Datum		value_a = field(source, which, a, &null_a);
	Datum		value_b = field(source, which, b, &null_b);
	int16		length;
	bool		by_value;

	if (null_a || null_b)
		return null_a == null_b;
	if (which == FIELD_AMOUNT && source->types[which] == NUMERICOID)
		return DatumGetBool(DirectFunctionCall2(numeric_eq, value_a,
												value_b));
	get_typlenbyval(source->types[which], &length, &by_value);
	return datum_image_eq(value_a, value_b, by_value, length);
}

/* Are they one order: of one member, with one reference? */
bool
source_same_key(const Source *source, TupleTableSlot *a, TupleTableSlot *b)
{
	return source_same_field(source, FIELD_MEMBER, a, b) &&
		source_same_field(source, FIELD_REF, a, b);
}

/* Opens the table that an argument names. */
static Relation
open_source(FunctionCallInfo fcinfo)
{
	Relation	relation;

	for (int i = 0; i < PG_NARGS(); i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("source and mapping must not be null")));
	relation = try_table_open(PG_GETARG_OID(0), AccessShareLock);
	if (relation == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("source table does not exist")));
	return relation;
}

/*
 * attach_check(source, mapping): the mapping that attach() is about to put
 * into triggers, judged by the code that will read it there.
 */
Datum
loyalty_attach_check(PG_FUNCTION_ARGS)
{
	Relation	relation = open_source(fcinfo);
	Datum	   *elements;
	bool	   *nulls;
	int			nargs;
	char	  **args;
	Source		source;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &nargs);
	args = palloc(sizeof(char *) * Max(nargs, 1));
	for (int i = 0; i < nargs; i++)
		args[i] = nulls[i] ? "" : TextDatumGetCString(elements[i]);
	source_parse(&source, nargs, args);
	source_bind(&source, relation);

	SPI_connect();
	loyalty_check_version();
	if (!source_program(&source))
		refusal_raise(REFUSAL_PROGRAM_NOT_FOUND,
					  psprintf("program=%s", source.program_name));
	if (program_event(source.program, source.event) == NULL)
		refusal_raise(REFUSAL_UNKNOWN_EVENT,
					  psprintf("event=%s", source.event));
	SPI_finish();
	table_close(relation, AccessShareLock);
	PG_RETURN_VOID();
}

/* The arguments of the trigger that every attached table has. */
static char **
trigger_arguments(Relation relation, int *nargs)
{
	TriggerDesc *triggers = relation->trigdesc;
	Oid			schema = get_namespace_oid("loyalty", false);

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (strcmp(trigger->tgname, INSERT_TRIGGER) == 0 &&
			get_func_namespace(trigger->tgfoid) == schema)
		{
			*nargs = trigger->tgnargs;
			return trigger->tgargs;
		}
	}
	source_invalid(psprintf("Table \"%s\" is not attached.",
							RelationGetRelationName(relation)),
				   "Call loyalty.attach() first.");
}

/* The source that a table is attached as; in the current context. */
Source *
source_of(Oid relation_oid)
{
	Relation	relation = try_table_open(relation_oid, AccessShareLock);
	Source	   *source = palloc(sizeof(Source));
	int			nargs;
	char	  **args;
	char	  **copies;

	if (relation == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("source table does not exist")));
	args = trigger_arguments(relation, &nargs);
	copies = palloc(sizeof(char *) * Max(nargs, 1));
	/* the relation is closed, and what it has may go */
	for (int i = 0; i < nargs; i++)
		copies[i] = pstrdup(args[i]);
	source_parse(source, nargs, copies);
	source_bind(source, relation);
	table_close(relation, AccessShareLock);
	return source;
}

/* attach_mapping(source): how it is attached, an error if it is not. */
Datum
loyalty_attach_mapping(PG_FUNCTION_ARGS)
{
	Relation	relation = open_source(fcinfo);
	int			nargs;
	char	  **args = trigger_arguments(relation, &nargs);
	Datum	   *elements = palloc(sizeof(Datum) * Max(nargs, 1));

	for (int i = 0; i < nargs; i++)
		elements[i] = CStringGetTextDatum(args[i]);
	table_close(relation, AccessShareLock);
	PG_RETURN_DATUM(array_of(elements, nargs, TEXTOID));
}

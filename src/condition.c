/*
 * condition.c
 *
 * What a condition may be, and its evaluation.
 *
 * The bound.  Evaluated on any document that a call may bring, a condition
 * must neither raise an error nor take longer than in proportion to the
 * document.  So no part of it may visit anything twice for each thing that
 * another part visits: what is refused is what could, and condition_check() walks
 * the compiled path to find it.
 *
 * In lax mode almost anything can turn out to be a list, because a list is
 * unwrapped wherever a single item is expected.  The walk therefore knows
 * the shape of the context document, and takes what callers put into it for
 * a list.  In strict mode nothing is unwrapped.
 */
#include "condition.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#define MAX_PATH_BYTES 8192
#define MAX_PATH_PARTS 200
#define MAX_PATH_WIDE_PARTS 20
#define MAX_PATH_OPERATORS 20
#define MAX_PATH_REGEXES 3
#define MAX_REGEX_BYTES 100
#define MAX_NUMBER_BYTES 40

/* What is known of a place in the document. */
typedef enum Shape
{
	SHAPE_CONTEXT,
	SHAPE_MEMBER,
	SHAPE_COUNTERS,				/* single values, by unit */
	SHAPE_HAPPENED,				/* single values of the event, and so on: */
	SHAPE_ORDER,
	SHAPE_NOW,
	SHAPE_TODAY,
	SHAPE_STREAK,
	SHAPE_DATA,					/* an object of anything */
	SHAPE_LINES,				/* an array of lines */
	SHAPE_LINE,
	SHAPE_NAMES,				/* an array of single values */
	SHAPE_SINGLE,
	SHAPE_ANY,
	SHAPE_UNKNOWN,				/* not yet, when the condition is judged */
	/* of the member document */
	SHAPE_DOCUMENT,
	SHAPE_DOCUMENT_UNTAGGED,	/* for tags, which come before tags */
	SHAPE_MEMBER_TAGGED,		/* as segments see him */
	SHAPE_MEMBER_UNTAGGED,
	SHAPE_PROFILE,				/* an object of anything */
	SHAPE_GROUPS,				/* figures of windows, by name */
	SHAPE_WINDOWS,
	SHAPE_FIGURES,
	/* of the automation document, which is that and more */
	SHAPE_AUTOMATION,
	SHAPE_EVENT
} Shape;

/*
 * What an expression leads to: one place, or many of the shape.  An order
 * has at most some thousand lines, but what callers put into a list can be a
 * hundred times as many: wide.
 */
typedef struct Found
{
	Shape		shape;
	bool		many;
	bool		wide;
} Found;

typedef struct Walk
{
	bool		lax;
	Shape		root;
	bool		in_filter;
	Found		current;		/* @, in a filter */
	int			parts;
	int			wide_parts;
	int			operators;
	int			regexes;
	int			regex_bytes;	/* of all */
	/* the first that was found */
	Refusal		refusal;
	const char *detail;
} Walk;

static Found walk_path(Walk *walk, JsonPathItem *item);

/* Notes what is wrong, if it is the first. */
static void
refuse(Walk *walk, Refusal refusal, const char *detail)
{
	if (walk->refusal != REFUSAL_NONE)
		return;
	walk->refusal = refusal;
	walk->detail = detail;
}

static void
refuse_above(Walk *walk, int n, int limit, const char *what)
{
	if (n > limit)
		refuse(walk, REFUSAL_RULE_TOO_COSTLY,
			   psprintf("more than %d %s", limit, what));
}

/* Counts parts of the path, and how often they are evaluated. */
static void
count_parts(Walk *walk, int n, bool wide)
{
	walk->parts += n;
	refuse_above(walk, walk->parts, MAX_PATH_PARTS, "parts");
	if (wide || (walk->in_filter && walk->current.wide))
		walk->wide_parts += n;
	refuse_above(walk, walk->wide_parts, MAX_PATH_WIDE_PARTS,
				 "parts that could be evaluated for each element of a list");
}

/*
 * Regular expressions.
 */

/* Behind a bracket expression, from behind its opening bracket. */
static const char *
skip_brackets(const char *c, const char *end)
{
	if (c < end && *c == '^')
		c++;
	if (c < end && *c == ']')
		c++;
	while (c < end && *c != ']')
	{
		if (*c == '\\')
			c++;
		else if (*c == '[' && c + 1 < end && strchr(":.=", c[1]) != NULL)
		{
			char		kind = c[1];

			for (c += 2; c + 1 < end && !(c[0] == kind && c[1] == ']'); c++)
				;
			c++;
		}
		c++;
	}
	return c + 1;
}

/* Behind the quantifiers that begin here, if any do. */
static const char *
skip_quantifier(const char *c, const char *end)
{
	while (c < end && (*c == '*' || *c == '+' || *c == '?'))
		c++;
	return c;
}

/*
 * Why a pattern could take long, NULL if it could not.  What is left is
 * matched by a finite automaton of a size in proportion to the pattern.
 */
static const char *
regex_cost(const char *pattern, int length)
{
	const char *end = pattern + length;
	const char *c = pattern;
	bool		quantified[MAX_REGEX_BYTES] = {false};	/* in the group */
	int			depth = 0;

	if (length >= 3 && strncmp(pattern, "***", 3) == 0)
		return "a director";
	while (c < end)
	{
		const char *next = c + 1;
		bool		inner = false;

		if (*c == '{')
			return "a bound";
		else if (*c == '\\' && next < end && *next >= '1' && *next <= '9')
			return "a back reference";
		else if (*c == '\\')
			next++;
		else if (*c == '[')
			next = skip_brackets(next, end);
		else if (*c == '(')
		{
			if (next < end && *next == '?')
			{
				if (next + 1 >= end || next[1] != ':')
					return "a constraint";
				next += 2;
			}
			if (depth + 1 < MAX_REGEX_BYTES)
				quantified[++depth] = false;
			c = next;
			continue;
		}
		else if (*c == ')' && depth > 0)
		{
			inner = quantified[depth--];
			quantified[depth] |= inner;
		}
		c = next < end ? skip_quantifier(next, end) : end;
		if (c > next)
		{
			if (inner)
				return "nested quantifiers";
			quantified[depth] = true;
		}
	}
	return NULL;
}

static void
check_regex(Walk *walk, JsonPathItem *item)
{
	int			length = item->content.like_regex.patternlen;
	const char *cost;

	refuse_above(walk, ++walk->regexes, MAX_PATH_REGEXES, "like_regex");
	walk->regex_bytes += length;
	refuse_above(walk, walk->regex_bytes, MAX_REGEX_BYTES,
				 "bytes of like_regex");
	if (length > MAX_REGEX_BYTES ||
		(item->content.like_regex.flags & JSP_REGEX_QUOTE) != 0)
		return;
	cost = regex_cost(item->content.like_regex.pattern, length);
	if (cost != NULL)
		refuse(walk, REFUSAL_RULE_TOO_COSTLY,
			   psprintf("%s in a like_regex", cost));
}

/*
 * Literals and methods.
 */

/* So that arithmetic has little to do; data are bounded as they come in. */
static void
check_literal(Walk *walk, JsonPathItem *item)
{
	const char *digits = DatumGetCString(DirectFunctionCall1(numeric_out,
															 NumericGetDatum(jspGetNumeric(item))));

	refuse_above(walk, strlen(digits), MAX_NUMBER_BYTES, "digits in a number");
}

/* Fields of which a template may consist: none of them names a time zone. */
static const char *const template_fields[] = {
	"A.M.", "P.M.", "AM", "PM", "YYYY", "YYY", "YY", "Y",
	"MM", "MI", "DDD", "DD", "HH24", "HH12", "HH", "SSSSS", "SS",
	"FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "MS", "US"
};

/* Behind the field or separator that begins here; NULL if none does. */
static const char *
skip_field(const char *c, const char *end)
{
	for (int i = 0; i < lengthof(template_fields); i++)
	{
		int			length = strlen(template_fields[i]);

		if (end - c >= length &&
			pg_strncasecmp(c, template_fields[i], length) == 0)
			return c + length;
	}
	if (*c == '"')
	{
		for (c++; c < end && *c != '"' && *c != '\\'; c++)
			;
		return c < end && *c == '"' ? c + 1 : NULL;
	}
	return *c != '\0' && strchr("-./,':; ", *c) != NULL ? c + 1 : NULL;
}

/*
 * A time with a zone cannot be compared with one without: that would raise
 * an error which silence does not cover.  So no time has one; and without a
 * template the text decides.
 */
static void
check_datetime(Walk *walk, JsonPathItem *item)
{
	JsonPathItem template;
	const char *c;
	const char *end;
	int32		length;

	if (item->content.arg == 0)
	{
		refuse(walk, REFUSAL_RULE_INVALID, "datetime() needs a template");
		return;
	}
	jspGetArg(item, &template);
	c = jspGetString(&template, &length);
	end = c + length;
	while (c != NULL && c < end)
		c = skip_field(c, end);
	if (c == NULL || length == 0)
		refuse(walk, REFUSAL_RULE_INVALID,
			   "datetime() has a field that is not known here");
}

/*
 * Shapes.
 */

/* What stands under a key of an object. */
typedef struct Key
{
	Shape		of;
	const char *name;
	Shape		is;
} Key;

#define DOCUMENT_KEYS(of, member) \
	{of, "version", SHAPE_SINGLE}, \
	{of, "member", member}, \
	{of, "profile", SHAPE_PROFILE}, \
	{of, "now", SHAPE_TODAY}, \
	{of, "purchases", SHAPE_WINDOWS}, \
	{of, "categories", SHAPE_GROUPS}, \
	{of, "brands", SHAPE_GROUPS}, \
	{of, "activities", SHAPE_GROUPS}

#define MEMBER_KEYS(of) \
	{of, "tier", SHAPE_SINGLE}, \
	{of, "tier_rank", SHAPE_SINGLE}, \
	{of, "joined_on", SHAPE_SINGLE}, \
	{of, "age_days", SHAPE_SINGLE}, \
	{of, "birthday", SHAPE_SINGLE}, \
	{of, "purchases", SHAPE_SINGLE}, \
	{of, "days_since_purchase", SHAPE_SINGLE}, \
	{of, "counters", SHAPE_COUNTERS}

/* An event does not read what a member did before. */
#define HISTORY_KEYS(of) \
	{of, "birthday_month", SHAPE_SINGLE}, \
	{of, "interval_days", SHAPE_SINGLE}, \
	{of, "recency", SHAPE_SINGLE}

static const Key keys[] = {
	{SHAPE_CONTEXT, "version", SHAPE_SINGLE},
	{SHAPE_CONTEXT, "event", SHAPE_HAPPENED},
	{SHAPE_CONTEXT, "order", SHAPE_ORDER},
	{SHAPE_CONTEXT, "now", SHAPE_NOW},
	{SHAPE_CONTEXT, "streak", SHAPE_STREAK},
	{SHAPE_CONTEXT, "member", SHAPE_MEMBER},
	{SHAPE_CONTEXT, "items", SHAPE_LINES},
	{SHAPE_CONTEXT, "data", SHAPE_DATA},
	{SHAPE_HAPPENED, "name", SHAPE_SINGLE},
	{SHAPE_HAPPENED, "at", SHAPE_SINGLE},
	{SHAPE_HAPPENED, "amount", SHAPE_SINGLE},
	{SHAPE_HAPPENED, "ref", SHAPE_SINGLE},
	{SHAPE_HAPPENED, "late_days", SHAPE_SINGLE},
	{SHAPE_ORDER, "amount", SHAPE_SINGLE},
	{SHAPE_ORDER, "quantity", SHAPE_SINGLE},
	{SHAPE_ORDER, "lines", SHAPE_SINGLE},
	{SHAPE_NOW, "date", SHAPE_SINGLE},
	{SHAPE_NOW, "time", SHAPE_SINGLE},
	{SHAPE_NOW, "dow", SHAPE_SINGLE},
	{SHAPE_NOW, "hour", SHAPE_SINGLE},
	{SHAPE_NOW, "day", SHAPE_SINGLE},
	{SHAPE_NOW, "month", SHAPE_SINGLE},
	{SHAPE_NOW, "year", SHAPE_SINGLE},
	{SHAPE_TODAY, "date", SHAPE_SINGLE},
	{SHAPE_TODAY, "month", SHAPE_SINGLE},
	{SHAPE_TODAY, "year", SHAPE_SINGLE},
	{SHAPE_STREAK, "day", SHAPE_SINGLE},
	MEMBER_KEYS(SHAPE_MEMBER),
	{SHAPE_MEMBER, "first_purchase", SHAPE_SINGLE},
	{SHAPE_MEMBER, "stage", SHAPE_SINGLE},
	{SHAPE_MEMBER, "tags", SHAPE_NAMES},
	{SHAPE_MEMBER, "segments", SHAPE_NAMES},
	/* tags are judged first, then segments */
	MEMBER_KEYS(SHAPE_MEMBER_UNTAGGED),
	HISTORY_KEYS(SHAPE_MEMBER_UNTAGGED),
	{SHAPE_MEMBER_UNTAGGED, "stage", SHAPE_UNKNOWN},
	{SHAPE_MEMBER_UNTAGGED, "tags", SHAPE_UNKNOWN},
	{SHAPE_MEMBER_UNTAGGED, "segments", SHAPE_UNKNOWN},
	MEMBER_KEYS(SHAPE_MEMBER_TAGGED),
	HISTORY_KEYS(SHAPE_MEMBER_TAGGED),
	{SHAPE_MEMBER_TAGGED, "stage", SHAPE_SINGLE},
	{SHAPE_MEMBER_TAGGED, "tags", SHAPE_NAMES},
	{SHAPE_MEMBER_TAGGED, "segments", SHAPE_UNKNOWN},
	{SHAPE_LINE, "sku", SHAPE_SINGLE},
	{SHAPE_LINE, "category", SHAPE_SINGLE},
	{SHAPE_LINE, "brand", SHAPE_SINGLE},
	{SHAPE_LINE, "qty", SHAPE_SINGLE},
	{SHAPE_LINE, "price", SHAPE_SINGLE},
	{SHAPE_LINE, "net", SHAPE_SINGLE},
	{SHAPE_LINE, "line", SHAPE_SINGLE},
	{SHAPE_DATA, "channel", SHAPE_SINGLE},
	{SHAPE_DATA, "store", SHAPE_SINGLE},
	{SHAPE_DATA, "staff", SHAPE_SINGLE},
	DOCUMENT_KEYS(SHAPE_DOCUMENT, SHAPE_MEMBER_TAGGED),
	DOCUMENT_KEYS(SHAPE_DOCUMENT_UNTAGGED, SHAPE_MEMBER_UNTAGGED),
	{SHAPE_WINDOWS, "days_30", SHAPE_FIGURES},
	{SHAPE_WINDOWS, "days_90", SHAPE_FIGURES},
	{SHAPE_WINDOWS, "days_365", SHAPE_FIGURES},
	{SHAPE_WINDOWS, "month", SHAPE_FIGURES},
	{SHAPE_WINDOWS, "last_month", SHAPE_FIGURES},
	{SHAPE_WINDOWS, "year", SHAPE_FIGURES},
	{SHAPE_FIGURES, "times", SHAPE_SINGLE},
	{SHAPE_FIGURES, "quantity", SHAPE_SINGLE},
	{SHAPE_FIGURES, "amount", SHAPE_SINGLE},
	{SHAPE_FIGURES, "average", SHAPE_SINGLE},
	{SHAPE_FIGURES, "discounted", SHAPE_SINGLE},
	{SHAPE_FIGURES, "discount_share", SHAPE_SINGLE},
	DOCUMENT_KEYS(SHAPE_AUTOMATION, SHAPE_MEMBER_TAGGED),
	{SHAPE_AUTOMATION, "event", SHAPE_EVENT},
	{SHAPE_AUTOMATION, "trigger", SHAPE_PROFILE},
	{SHAPE_EVENT, "name", SHAPE_SINGLE},
	{SHAPE_EVENT, "at", SHAPE_SINGLE},
	{SHAPE_EVENT, "amount", SHAPE_SINGLE},
	{SHAPE_EVENT, "ref", SHAPE_SINGLE},
	{SHAPE_EVENT, "channel", SHAPE_SINGLE},
	{SHAPE_EVENT, "store", SHAPE_SINGLE},
	{SHAPE_EVENT, "data", SHAPE_DATA},
	{SHAPE_EVENT, "items", SHAPE_LINES}
};

/*
 * How a message names the objects that have no other keys than these: a
 * misspelt key would always be absent, and its negation always hold.
 */
static const char *const closed[] = {
	[SHAPE_CONTEXT] = "the context",
	[SHAPE_HAPPENED] = "the event",
	[SHAPE_ORDER] = "the order",
	[SHAPE_NOW] = "what is known of now",
	[SHAPE_TODAY] = "what is known of now",
	[SHAPE_STREAK] = "the streak",
	[SHAPE_MEMBER] = "the member",
	[SHAPE_MEMBER_UNTAGGED] = "the member",
	[SHAPE_MEMBER_TAGGED] = "the member",
	[SHAPE_DOCUMENT] = "the member document",
	[SHAPE_DOCUMENT_UNTAGGED] = "the member document",
	[SHAPE_WINDOWS] = "the windows",
	[SHAPE_FIGURES] = "the figures of a window",
	[SHAPE_AUTOMATION] = "the automation document",
	[SHAPE_EVENT] = "the event"
};

/* Nothing but single values. */
static bool
is_record(Shape shape)
{
	return shape >= SHAPE_COUNTERS && shape <= SHAPE_STREAK;
}

/* What stands under any key of an object. */
static Shape
any_key(Shape shape)
{
	if (is_record(shape))
		return SHAPE_SINGLE;
	switch (shape)
	{
		case SHAPE_FIGURES:
			return SHAPE_SINGLE;
		case SHAPE_WINDOWS:
			return SHAPE_FIGURES;
		case SHAPE_GROUPS:
			return SHAPE_WINDOWS;
		default:
			return SHAPE_ANY;
	}
}

/* What stands under a key of an object. */
static Shape
object_key(Walk *walk, Shape shape, const char *name, int length)
{
	for (int i = 0; i < lengthof(keys); i++)
	{
		if (keys[i].of != shape || strlen(keys[i].name) != length ||
			memcmp(keys[i].name, name, length) != 0)
			continue;
		if (keys[i].is == SHAPE_UNKNOWN)
			refuse(
				walk, REFUSAL_RULE_INVALID,
				psprintf("it is judged before \"%s\" is known", keys[i].name));
		return keys[i].is;
	}
	if (shape < lengthof(closed) && closed[shape] != NULL)
		refuse(walk, REFUSAL_RULE_INVALID,
			   psprintf("there is no \"%.*s\" in %s", length, name,
						closed[shape]));
	return any_key(shape);
}

static Shape
element(Shape shape)
{
	if (shape == SHAPE_LINES)
		return SHAPE_LINE;
	return shape == SHAPE_NAMES ? SHAPE_SINGLE : SHAPE_ANY;
}

/* All elements of what is, or could be, an array. */
static Found
elements(Found found)
{
	found.many = true;
	found.wide |= found.shape != SHAPE_LINES && found.shape != SHAPE_NAMES;
	found.shape = element(found.shape);
	return found;
}

/* Where a list is unwrapped for what comes next. */
static Found
unwrapped(const Walk *walk, Found found)
{
	if (walk->lax && (found.shape == SHAPE_LINES ||
					  found.shape == SHAPE_NAMES ||
					  found.shape == SHAPE_ANY))
		return elements(found);
	return found;
}

static Found
step_key(Walk *walk, JsonPathItem *item, Found found)
{
	int32		length;
	const char *name = jspGetString(item, &length);

	found = unwrapped(walk, found);
	found.shape = object_key(walk, found.shape, name, length);
	return found;
}

static Found
step_any_key(const Walk *walk, Found found)
{
	found = unwrapped(walk, found);
	found.many = true;
	found.wide |= !is_record(found.shape) &&
		found.shape != SHAPE_FIGURES && found.shape != SHAPE_WINDOWS;
	found.shape = any_key(found.shape);
	return found;
}

/*
 * Subscripts are counted from the list itself: a path in one would be walked
 * again for each list, and two of them could name an element twice.
 */
static void
walk_subscript(Walk *walk, JsonPathItem *item, bool wide)
{
	JsonPathItem arg;

	/* it is costlier than others */
	count_parts(walk, 2, wide);
	switch (item->type)
	{
		case jpiLast:
			break;
		case jpiNumeric:
			check_literal(walk, item);
			break;
		case jpiAdd:
		case jpiSub:
			jspGetLeftArg(item, &arg);
			walk_subscript(walk, &arg, wide);
			jspGetRightArg(item, &arg);
			walk_subscript(walk, &arg, wide);
			break;
		default:
			refuse(walk, REFUSAL_RULE_TOO_COSTLY,
				   "a subscript that is not a number");
	}
	if (jspHasNext(item))
		refuse(walk, REFUSAL_RULE_TOO_COSTLY,
			   "a subscript that is not a number");
}

static Found
step_index(Walk *walk, JsonPathItem *item, Found found)
{
	JsonPathItem from;
	JsonPathItem to;

	bool		range = jspGetArraySubscript(item, &from, &to, 0);

	refuse_above(walk, item->content.array.nelems, 1, "subscript");
	walk_subscript(walk, &from, found.wide);
	if (range)
	{
		walk_subscript(walk, &to, found.wide);
		return elements(found);
	}
	found.shape = element(found.shape);
	return found;
}

static Found
step_filter(Walk *walk, JsonPathItem *item, Found found)
{
	JsonPathItem predicate;

	if (walk->in_filter)
	{
		refuse(walk, REFUSAL_RULE_TOO_COSTLY, "a filter inside a filter");
		return found;
	}
	found = unwrapped(walk, found);
	walk->in_filter = true;
	walk->current = found;
	walk->current.many = false;
	jspGetArg(item, &predicate);
	walk_path(walk, &predicate);
	walk->in_filter = false;
	return found;
}

static Found
step_method(Walk *walk, JsonPathItem *item, Found found)
{
	found = unwrapped(walk, found);
	found.shape = SHAPE_SINGLE;
	return found;
}

/* One accessor: where it leads to from what was found before it. */
static Found
walk_step(Walk *walk, JsonPathItem *item, Found found)
{
	switch (item->type)
	{
		case jpiKey:
			return step_key(walk, item, found);
		case jpiAnyKey:
			return step_any_key(walk, found);
		case jpiAnyArray:
			return elements(found);
		case jpiIndexArray:
			return step_index(walk, item, found);
		case jpiFilter:
			return step_filter(walk, item, found);
		case jpiType:
		case jpiSize:
			found.shape = SHAPE_SINGLE;
			return found;
		case jpiDatetime:
			check_datetime(walk, item);
			return step_method(walk, item, found);
		case jpiAbs:
		case jpiFloor:
		case jpiCeiling:
		case jpiDouble:
#if PG_VERSION_NUM >= 170000
		case jpiBigint:
		case jpiBoolean:
		case jpiInteger:
		case jpiNumber:
		case jpiStringFunc:
#endif
			return step_method(walk, item, found);
		case jpiAny:
			refuse(walk, REFUSAL_RULE_TOO_COSTLY, "\"**\"");
			return found;
		case jpiKeyValue:
			refuse(walk, REFUSAL_RULE_TOO_COSTLY, "keyvalue()");
			return found;
		default:
			refuse(walk, REFUSAL_RULE_INVALID,
				   "a method that is not known here");
			return found;
	}
}

/*
 * Expressions.
 */

static Found
walk_left(Walk *walk, JsonPathItem *item)
{
	JsonPathItem arg;

	jspGetLeftArg(item, &arg);
	return walk_path(walk, &arg);
}

static Found
walk_right(Walk *walk, JsonPathItem *item)
{
	JsonPathItem arg;

	jspGetRightArg(item, &arg);
	return walk_path(walk, &arg);
}

static Found
walk_arg(Walk *walk, JsonPathItem *item)
{
	JsonPathItem arg;

	jspGetArg(item, &arg);
	return walk_path(walk, &arg);
}

/* Each value of one side is compared with each of the other. */
static void
walk_comparison(Walk *walk, JsonPathItem *item)
{
	Found		left = unwrapped(walk, walk_left(walk, item));
	Found		right = unwrapped(walk, walk_right(walk, item));

	if (left.many && right.many)
		refuse(walk, REFUSAL_RULE_TOO_COSTLY,
			   "a comparison of what could be two lists");
	if (left.wide || right.wide)
		count_parts(walk, 1, true);
}

static void
walk_regex(Walk *walk, JsonPathItem *item)
{
	JsonPathItem arg;

	check_regex(walk, item);
	jspInitByBuffer(&arg, item->base, item->content.like_regex.expr);
	if (unwrapped(walk, walk_path(walk, &arg)).wide)
		count_parts(walk, 1, true);
}

static Found
walk_operator(Walk *walk, JsonPathItem *item)
{
	Found		found = {SHAPE_SINGLE, false, false};

	refuse_above(walk, ++walk->operators, MAX_PATH_OPERATORS,
				 "arithmetic operators");
	if (item->type == jpiPlus || item->type == jpiMinus)
	{
		found = unwrapped(walk, walk_arg(walk, item));
		found.shape = SHAPE_SINGLE;
		return found;
	}
	walk_left(walk, item);
	walk_right(walk, item);
	return found;
}

/* The first node of a path. */
static Found
walk_start(Walk *walk, JsonPathItem *item)
{
	Found		found = {SHAPE_SINGLE, false, false};

	switch (item->type)
	{
		case jpiRoot:
			found.shape = walk->root;
			break;
		case jpiCurrent:
			found.shape = walk->current.shape;
			break;
		case jpiNumeric:
			check_literal(walk, item);
			break;
		case jpiNull:
		case jpiString:
		case jpiBool:
			break;
		case jpiAnd:
		case jpiOr:
			walk_left(walk, item);
			walk_right(walk, item);
			break;
		case jpiNot:
		case jpiIsUnknown:
		case jpiExists:
			walk_arg(walk, item);
			break;
		case jpiEqual:
		case jpiNotEqual:
		case jpiLess:
		case jpiGreater:
		case jpiLessOrEqual:
		case jpiGreaterOrEqual:
			walk_comparison(walk, item);
			break;
		case jpiStartsWith:
			walk_comparison(walk, item);
			break;
		case jpiLikeRegex:
			walk_regex(walk, item);
			break;
		case jpiAdd:
		case jpiSub:
		case jpiMul:
		case jpiDiv:
		case jpiMod:
		case jpiPlus:
		case jpiMinus:
			return walk_operator(walk, item);
		case jpiVariable:
			refuse(walk, REFUSAL_RULE_INVALID, "a variable");
			break;
		default:
			refuse(walk, REFUSAL_RULE_INVALID,
				   "an expression that is not known here");
	}
	return found;
}

/* An expression and the accessors behind it: what it leads to. */
static Found
walk_path(Walk *walk, JsonPathItem *item)
{
	Found		found = {SHAPE_SINGLE, false, false};
	JsonPathItem step = *item;

	count_parts(walk, 1, false);
	if (walk->refusal != REFUSAL_NONE)
		return found;
	found = walk_start(walk, item);
	while (walk->refusal == REFUSAL_NONE && jspGetNext(&step, &step))
	{
		found = walk_step(walk, &step, found);
		count_parts(walk, 1, found.wide);
	}
	if (item->type == jpiRoot && walk->in_filter &&
		unwrapped(walk, found).many)
		refuse(walk, REFUSAL_RULE_TOO_COSTLY,
			   "a path from $ that could lead to a list, inside a filter");
	return found;
}

static bool
is_predicate(const JsonPathItem *item)
{
	switch (item->type)
	{
		case jpiAnd:
		case jpiOr:
		case jpiNot:
		case jpiIsUnknown:
		case jpiEqual:
		case jpiNotEqual:
		case jpiLess:
		case jpiGreater:
		case jpiLessOrEqual:
		case jpiGreaterOrEqual:
		case jpiExists:
		case jpiStartsWith:
		case jpiLikeRegex:
			return !jspHasNext(item);
		default:
			return false;
	}
}

/* What is wrong with a condition on the document; NULL if nothing. */
static const char *
check(JsonPath *path, Shape root, Refusal *refusal)
{
	Walk		walk = {.root = root};
	JsonPathItem item;

	walk.lax = (path->header & JSONPATH_LAX) != 0;
	jspInit(&item, path);
	refuse_above(&walk, VARSIZE_ANY(path), MAX_PATH_BYTES, "bytes");
	if (!is_predicate(&item))
		refuse(&walk, REFUSAL_RULE_INVALID, "it is neither true nor false");
	if (walk.refusal == REFUSAL_NONE)
		walk_path(&walk, &item);
	*refusal = walk.refusal;
	return walk.detail;
}

/* A condition on the context; see condition.h. */
const char *
condition_check(JsonPath *path, Refusal *refusal)
{
	return check(path, SHAPE_CONTEXT, refusal);
}

/* A condition on the member document. */
const char *
condition_check_member(JsonPath *path, Refusal *refusal)
{
	return check(path, SHAPE_DOCUMENT, refusal);
}

/* The same before tags and segments are known. */
const char *
condition_check_untagged(JsonPath *path, Refusal *refusal)
{
	return check(path, SHAPE_DOCUMENT_UNTAGGED, refusal);
}

/* A condition on the automation document. */
const char *
condition_check_automation(JsonPath *path, Refusal *refusal)
{
	return check(path, SHAPE_AUTOMATION, refusal);
}

/* A condition on one line. */
const char *
condition_check_line(JsonPath *path, Refusal *refusal)
{
	return check(path, SHAPE_LINE, refusal);
}

static void visit_chain(JsonPathItem *item, ConditionVisitor visitor,
						void *context);

/* The expressions inside an item. */
static void
visit_inner(JsonPathItem *item, ConditionVisitor visitor, void *context)
{
	JsonPathItem arg;
	JsonPathItem to;

	switch (item->type)
	{
		case jpiAnd:
		case jpiOr:
		case jpiEqual:
		case jpiNotEqual:
		case jpiLess:
		case jpiGreater:
		case jpiLessOrEqual:
		case jpiGreaterOrEqual:
		case jpiStartsWith:
		case jpiAdd:
		case jpiSub:
		case jpiMul:
		case jpiDiv:
		case jpiMod:
			jspGetLeftArg(item, &arg);
			visit_chain(&arg, visitor, context);
			jspGetRightArg(item, &arg);
			visit_chain(&arg, visitor, context);
			break;
		case jpiNot:
		case jpiIsUnknown:
		case jpiExists:
		case jpiFilter:
		case jpiPlus:
		case jpiMinus:
			jspGetArg(item, &arg);
			visit_chain(&arg, visitor, context);
			break;
		case jpiLikeRegex:
			jspInitByBuffer(&arg, item->base, item->content.like_regex.expr);
			visit_chain(&arg, visitor, context);
			break;
		case jpiIndexArray:
			for (int i = 0; i < item->content.array.nelems; i++)
			{
				bool		range = jspGetArraySubscript(item, &arg, &to, i);

				visit_chain(&arg, visitor, context);
				if (range)
					visit_chain(&to, visitor, context);
			}
			break;
		default:
			break;
	}
}

/* An expression and the accessors behind it. */
static void
visit_chain(JsonPathItem *item, ConditionVisitor visitor, void *context)
{
	JsonPathItem step = *item;
	JsonPathItem before;
	bool		first = true;

	for (;;)
	{
		visitor(&step, first ? NULL : &before, context);
		visit_inner(&step, visitor, context);
		before = step;
		first = false;
		if (!jspGetNext(&before, &step))
			return;
	}
}

/* Shows every item of a path that has passed a check; see condition.h. */
void
condition_visit(JsonPath *path, ConditionVisitor visitor, void *context)
{
	JsonPathItem item;

	jspInit(&item, path);
	visit_chain(&item, visitor, context);
}

/*
 * Evaluates a path that has passed condition_check().  It neither reads a
 * table nor depends on a setting.
 */
ConditionResult
condition_match(JsonPath *path, Jsonb *document)
{
	Jsonb	   *variables = palloc(sizeof(Jsonb));
	LOCAL_FCINFO(fcinfo, 4);
	Datum		result;

	/* none: an empty object */
	SET_VARSIZE(variables, sizeof(Jsonb));
	variables->root.header = JB_FOBJECT;
	InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
	fcinfo->args[0] = (NullableDatum) {.value = JsonbPGetDatum(document)};
	fcinfo->args[1] = (NullableDatum) {.value = PointerGetDatum(path)};
	fcinfo->args[2] = (NullableDatum) {.value = JsonbPGetDatum(variables)};
	/* silent */
	fcinfo->args[3] = (NullableDatum) {.value = BoolGetDatum(true)};
	result = jsonb_path_match(fcinfo);
	if (fcinfo->isnull)
		return CONDITION_ERROR;
	return DatumGetBool(result) ? CONDITION_TRUE : CONDITION_FALSE;
}

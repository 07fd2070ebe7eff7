/*
 * coupon_code.c
 *
 * The form of coupon codes: what people type, and what they mean by it.
 *
 * A generated code is made of Crockford's 32 characters, which leave out I, L,
 * O and U, and ends in a check character.  Taken as elements of GF(32), its
 * characters c[0] ... c[n], and 1 before them, are the coefficients of a
 * polynomial that is 0 at alpha.  As alpha has the order 31 and no code is
 * longer, one wrong character or two that are exchanged always leave
 * something else than 0.
 */
#include "coupon_code.h"

#include "access/detoast.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(loyalty_coupon_code_canonical);
PG_FUNCTION_INFO_V1(loyalty_coupon_code_valid);

/* Whatever is longer is no code and is not even read. */
#define MAX_TYPED_BYTES 255

/* Of no code, in whatever encoding. */
#define NO_CHARACTER 0

/* x^5 + x^2 + 1, of which alpha is a root */
#define FIELD_POLYNOMIAL 0x25

const char	coupon_code_alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/*
 * Canonical form
 */

/* What people put between the groups of a code, or paste with it. */
static bool
is_separator(pg_wchar c)
{
	return c == ' ' || c == '-' || c == '_' ||
		c == 0xa0 || c == 0xad ||	/* no-break space, soft hyphen */
		(c >= 0x2000 && c <= 0x200b) || /* spaces, also of no width */
		(c >= 0x2010 && c <= 0x2015) || /* dashes */
		c == 0x202f || c == 0x205f || c == 0x2060 ||	/* more spaces */
		c == 0x2212 ||			/* minus */
		c == 0x3000 ||			/* ideographic space */
		c == 0xfe58 || c == 0xfe63 ||	/* small dash, small hyphen */
		c == 0xfeff ||			/* byte order mark */
		c == 0xff0d || c == 0xff3f; /* of full width */
}

/* A letter or digit as it stands in a code; 0: it cannot. */
static char
fold(pg_wchar c)
{
	/* full width, as input methods for Chinese and Japanese have it */
	if (c >= 0xff01 && c <= 0xff5e)
		c -= 0xff01 - '!';
	if (c >= 'a' && c <= 'z')
		c -= 'a' - 'A';
	if (c == 'O')
		return '0';
	if (c == 'I' || c == 'L')
		return '1';
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ? (char) c : 0;
}

/* The character at the beginning of some bytes, and how many it has. */
static pg_wchar
first_character(const unsigned char *bytes, int *length)
{
	*length = 1;
	if (!IS_HIGHBIT_SET(*bytes))
		return *bytes;
	if (GetDatabaseEncoding() != PG_UTF8)
		return NO_CHARACTER;
	*length = pg_utf_mblen(bytes);
	return utf8_to_unicode(bytes);
}

/* A code as an argument gives it; a long one is not even fetched. */
char *
coupon_code_of(Datum code)
{
	if (toast_raw_datum_size(code) - VARHDRSZ > MAX_TYPED_BYTES)
		return NULL;
	return coupon_code_canonical(DatumGetTextPP(code));
}

char *
coupon_code_canonical(const text *code)
{
	const unsigned char *bytes = (const unsigned char *) VARDATA_ANY(code);
	int			nbytes = VARSIZE_ANY_EXHDR(code);
	char	   *canonical;
	int			n = 0;
	int			length;

	if (nbytes > MAX_TYPED_BYTES)
		return NULL;
	canonical = palloc(Min(nbytes, COUPON_CODE_MAX) + 1);
	for (int i = 0; i < nbytes; i += length)
	{
		pg_wchar	c = first_character(bytes + i, &length);
		char		folded;

		if (is_separator(c))
			continue;
		folded = fold(c);
		if (folded == 0 || n == COUPON_CODE_MAX)
			return NULL;
		canonical[n++] = folded;
	}
	canonical[n] = '\0';
	return n == 0 ? NULL : canonical;
}

/*
 * The check character
 */

static int
times_alpha(int element)
{
	element <<= 1;
	return element & 32 ? element ^ FIELD_POLYNOMIAL : element;
}

/* The value at alpha of so many characters; -1: one is not of the alphabet. */
static int
polynomial(const char *code, int n)
{
	int			value = 1;

	for (int i = 0; i < n; i++)
	{
		const char *place = strchr(coupon_code_alphabet, code[i]);

		if (place == NULL)
			return -1;
		value = times_alpha(value) ^ (int) (place - coupon_code_alphabet);
	}
	return value;
}

/* That of n characters of the alphabet. */
char
coupon_code_check_character(const char *code, int n)
{
	return coupon_code_alphabet[times_alpha(polynomial(code, n))];
}

bool
coupon_code_checks(const char *code)
{
	int			n = strlen(code);

	return n > COUPON_CODE_SHORTEST && n <= COUPON_CODE_LONGEST + 1 &&
		n % 2 == 1 && polynomial(code, n) == 0;
}

/*
 * For people: groups of four.  One character is not left alone, so the last
 * group may have five.
 */
text *
coupon_code_grouped(const char *code)
{
	int			n = strlen(code);
	text	   *grouped = palloc(VARHDRSZ + n + n / 4);
	char	   *end = VARDATA(grouped);

	for (int i = 0; i < n; i++)
	{
		if (i > 0 && i % 4 == 0 && i + 1 < n)
			*end++ = '-';
		*end++ = code[i];
	}
	SET_VARSIZE(grouped, end - (char *) grouped);
	return grouped;
}

/*
 * SQL functions
 */

/* coupon_code_canonical(code): NULL if that is no code. */
Datum
loyalty_coupon_code_canonical(PG_FUNCTION_ARGS)
{
	char	   *canonical = coupon_code_of(PG_GETARG_DATUM(0));

	if (canonical == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(canonical));
}

/* coupon_code_valid(code): may it be one of those that we generate? */
Datum
loyalty_coupon_code_valid(PG_FUNCTION_ARGS)
{
	char	   *canonical = coupon_code_of(PG_GETARG_DATUM(0));

	PG_RETURN_BOOL(canonical != NULL && coupon_code_checks(canonical));
}

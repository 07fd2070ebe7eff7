/*
 * decide_document.h
 *
 * Fields of the documents that conditions see.
 */
#ifndef LOYALTY_DECIDE_DOCUMENT_H
#define LOYALTY_DECIDE_DOCUMENT_H

#include "loyalty.h"

#include "utils/jsonb.h"

#include "decide.h"

#pragma GCC visibility push(hidden)

extern void push_key(JsonbParseState **state, const char *name);
/* Left out when there is no text. */
extern void push_cstring(JsonbParseState **state, const char *name,
						 const char *string);
extern void push_amount(JsonbParseState **state, const char *name,
						int64 minor, int scale);
extern void push_bool(JsonbParseState **state, const char *name,
					  bool boolean);
extern void push_json(JsonbParseState **state, const char *name,
					  Jsonb *json);
extern void push_date(JsonbParseState **state, const char *name,
					  DateADT date);
extern void push_names(JsonbParseState **state, const char *name,
					   const NameList *list);
/* What both documents say of a member. */
extern void push_member(JsonbParseState **state, const Decision *decision,
						const Facts *facts);
extern Jsonb *end_object(JsonbParseState **state);

#pragma GCC visibility pop

#endif							/* LOYALTY_DECIDE_DOCUMENT_H */

/*
 * checkout_reserve_store.c
 *
 * The rows of checkout, and the holds that belong to them.
 */
#include "checkout_reserve.h"

#include "catalog/pg_collation.h"
#include "utils/builtins.h"

#include "statement.h"

/*
 * Ended rows keep their document: what was confirmed is in the journal, too,
 * but what was cancelled or has timed out is nowhere else.
 */
static Statement select_checkout = {
	"SELECT status, expires_at, document, journal_id, ended_by"
	" FROM loyalty.checkout WHERE member_id = $1 AND ref = $2",
	2, {INT8OID, TEXTOID}
};

static Statement upsert_checkout = {
	"INSERT INTO loyalty.checkout (member_id, ref, program_id, status,"
	" expires_at, document, journal_id, ended_by)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
	" ON CONFLICT (member_id, ref) DO UPDATE SET status = excluded.status,"
	" expires_at = excluded.expires_at, document = excluded.document,"
	" journal_id = excluded.journal_id, ended_by = excluded.ended_by",
	8, {INT8OID, TEXTOID, INT4OID, TEXTOID, TIMESTAMPTZOID, JSONBOID,
	INT8OID, INT8OID}
};

static Statement select_request = {
	"SELECT request_hash FROM loyalty.journal"
	" WHERE member_id = $1 AND journal_id = $2",
	2, {INT8OID, INT8OID}
};

static const char *const status_names[] = {
	[RESERVATION_NONE] = "",
	[RESERVATION_RESERVED] = "reserved",
	[RESERVATION_CONFIRMED] = "confirmed",
	[RESERVATION_CANCELLED] = "cancelled",
	[RESERVATION_TIMED_OUT] = "timed_out"
};

const char *
reservation_status_name(ReservationStatus status)
{
	return status_names[status];
}

/* Reads what there is of an order; the account is locked, or nobody writes. */
void
reservation_load(const Call *call, const text *ref, Reservation *reservation)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(PointerGetDatum(ref))
	};

	memset(reservation, 0, sizeof(Reservation));
	reservation->ref = ref;
	if (statement_run(&select_checkout, args, false) == 0)
		return;
	reservation->status = word_of(statement_text(0, 1), status_names,
								  lengthof(status_names));
	reservation->expires_at = DatumGetTimestampTz(statement_notnull(0, 2));
	reservation->document = (Jsonb *) statement_varlena(0, 3);
	reservation->journal_id = DatumGetInt64(statement_notnull(0, 4));
	reservation->ended_by = statement_int64_or(0, 5, 0);
	if (reservation->status == RESERVATION_RESERVED &&
		reservation->expires_at <= call->now)
		reservation->status = RESERVATION_TIMED_OUT;
}

void
reservation_write(const Call *call, const Reservation *reservation)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(PointerGetDatum(reservation->ref)),
		ARG(Int32GetDatum(call->decision.program->program_id)),
		ARG(CStringGetTextDatum(status_names[reservation->status])),
		ARG(TimestampTzGetDatum(reservation->expires_at)),
		ARG(JsonbPGetDatum(reservation->document)),
		ARG(Int64GetDatum(reservation->journal_id)),
		ARG_OR_NULL(Int64GetDatum(reservation->ended_by),
					reservation->ended_by != 0)
	};

	statement_run(&upsert_checkout, args, false);
}

bool
reservation_replays(Call *call, int64 journal_id)
{
	NullableDatum args[] = {
		ARG(Int64GetDatum(call->member_id)),
		ARG(Int64GetDatum(journal_id))
	};

	if (statement_run(&select_request, args, false) == 0 ||
		!call_is_request(call, (bytea *) statement_varlena(0, 1)))
		return false;
	call->replay = journal_read(call->member_id, journal_id);
	return true;
}

static bool
is_of(const Hold *hold, const Reservation *reservation)
{
	return hold->of_order && hold->status == HOLD_HELD &&
		DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID,
											 PointerGetDatum(hold->ref),
											 PointerGetDatum(reservation->ref)));
}

/*
 * Nobody has called for these rows alone.  Those of a capture have the
 * order's reference, by which a refund finds what was spent; an order may be
 * reserved, and released, several times.
 */
int
reservation_end_holds(Call *call, const Reservation *reservation,
					  HoldStatus status)
{
	Decision   *decision = &call->decision;
	bool		captured = status == HOLD_CAPTURED;
	int			nended = 0;

	/* those that settling has loaded may have changed since */
	if (decision->holds == NULL)
		store_load_holds(decision, call->mode == MODE_DRY ? ACCOUNT_READ :
						 ACCOUNT_LOCK);
	for (int i = 0; i < decision->nholds; i++)
	{
		Hold	   *hold = &decision->holds[i];
		JournalRow *row;

		if (!is_of(hold, reservation))
			continue;
		row = decide_row(decision, captured ? "capture" : "release",
						 call->now);
		row->event = program_unit_by_id(decision->program,
										hold->unit_id)->code;
		if (captured)
			row->ref = unconstify(text *, reservation->ref);
		decide_hold_end(decision, row, hold, status,
						captured ? hold->amount : 0, decision->today);
		nended++;
	}
	return nended;
}

bool
reservation_replace(Call *call, const text *ref, Reservation *reservation)
{
	reservation_load(call, ref, reservation);
	if (reservation->status != RESERVATION_RESERVED)
		return false;
	reservation_end_holds(call, reservation, HOLD_RELEASED);
	return true;
}

void
reservation_close(Call *call, Reservation *reservation,
				  ReservationStatus status)
{
	store_number(&call->decision);
	reservation->status = status;
	reservation->ended_by = call->row->journal_id;
	reservation_write(call, reservation);
}

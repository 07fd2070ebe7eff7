/*
 * checkout_reserve.h
 *
 * An order between its quote and its payment: what it needs is set aside.
 */
#ifndef LOYALTY_CHECKOUT_RESERVE_H
#define LOYALTY_CHECKOUT_RESERVE_H

#include "loyalty.h"

#include "checkout.h"

#pragma GCC visibility push(hidden)

typedef enum ReservationStatus
{
	RESERVATION_NONE,
	RESERVATION_RESERVED,
	RESERVATION_CONFIRMED,
	RESERVATION_CANCELLED,
	RESERVATION_TIMED_OUT		/* also if nobody has noted it yet */
} ReservationStatus;

/* A row of checkout. */
typedef struct Reservation
{
	const text *ref;
	ReservationStatus status;	/* at the clock */
	TimestampTz expires_at;
	Jsonb	   *document;
	int64		journal_id;		/* of the row that made it; 0: none */
	int64		ended_by;		/* and of the one that ended it */
} Reservation;

extern const char *reservation_status_name(ReservationStatus status);
extern void reservation_load(const Call *call, const text *ref,
							 Reservation *reservation);
extern void reservation_write(const Call *call,
							  const Reservation *reservation);
/* Is this the request of the row of that id?  Then the call replays it. */
extern bool reservation_replays(Call *call, int64 journal_id);

/*
 * Ends the holds of an order that is reserved, by rows of the decision: they
 * are captured, or released.  Returns how many there were.
 */
extern int	reservation_end_holds(Call *call, const Reservation *reservation,
								  HoldStatus status);
/*
 * For a call that makes the order anew: loads its reservation, and releases
 * the holds if it is open.  False if it is not.
 */
extern bool reservation_replace(Call *call, const text *ref,
								Reservation *reservation);
/* Writes the end of a reservation, by the call's row. */
extern void reservation_close(Call *call, Reservation *reservation,
							  ReservationStatus status);

/* checkout_reserve_document.c */
extern Jsonb *reservation_document(const Call *call, const Quote *quote,
								   const JournalRow *row, const Facts *facts,
								   int nuses);
extern bool reservation_purchase(Call *call, const Reservation *reservation);
/* What remains to be paid, in minor units of the currency. */
extern int64 reservation_payable(const Call *call,
								 const Reservation *reservation);
/* How many holds, and uses of coupons and offers, it has. */
extern int	reservation_nholds(const Reservation *reservation);
extern int	reservation_nuses(const Reservation *reservation);

#pragma GCC visibility pop

#endif							/* LOYALTY_CHECKOUT_RESERVE_H */

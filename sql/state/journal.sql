-- One row per accepted call, even one that moved nothing; append-only.
CREATE TABLE loyalty.journal (
	member_id       bigint      NOT NULL,
	journal_id      bigint      NOT NULL,
	effective_at    timestamptz NOT NULL,
	recorded_at     timestamptz NOT NULL,
	-- events and refunds: minor units of the currency; import: purchases that were
	-- taken over; benefits: how many, in minor units of unit_id where it is a quota;
	-- else minor units of unit_id
	amount          bigint,
	hold_id         bigint,
	-- the other side of a transfer
	other_member_id bigint,
	program_id      int         NOT NULL,
	unit_id         int,
	tier_before     int,
	tier_after      int,
	kind            text        NOT NULL,
	-- of kind event: purchase, signup, ...; of benefits their name; of what an order
	-- spends or holds the unit's code
	event           text,
	key             text,
	ref             text,
	-- refund: the order it takes back; benefit_return: what the benefit was used for;
	-- checkout_cancel: the order; checkout_reserve: the order, reserved before;
	-- topup_refund: the payment
	reverses        text,
	channel         text,
	store           text,
	staff           text,
	actor           text        NOT NULL,
	reason          text,
	-- NULL for what was not called by itself: vest, expire and time_out by the clock,
	-- the receiver's half of a transfer, what sale() wrote before the purchase, what a
	-- refund gave back of benefits
	request_hash    bytea,
	-- what moved no lot but must be told: lapsed, forgiven, what became of benefits
	outcome         jsonb,
	-- true of an event: each rule that was looked at awarded, by its first version and
	-- for the whole amount, what the entry of the same place says; so no verdicts are
	-- kept in event_data, as explain() can tell them from the entries
	awarded_plainly boolean,
	PRIMARY KEY (member_id, journal_id)
);
CREATE UNIQUE INDEX journal_key_idx ON loyalty.journal (member_id, key)
	WHERE key IS NOT NULL;
CREATE UNIQUE INDEX journal_ref_idx ON loyalty.journal (member_id, ref, kind, event)
	NULLS NOT DISTINCT WHERE ref IS NOT NULL;
CREATE INDEX journal_reverses_idx ON loyalty.journal (member_id, reverses)
	WHERE reverses IS NOT NULL;
-- by which reports find what is not folded yet: rows stand in the table in about the
-- order of their ids, so that it costs next to nothing
CREATE INDEX journal_journal_id_idx ON loyalty.journal USING brin (journal_id)
	WITH (pages_per_range = 16, autosummarize = on);

-- The bulky or personal inputs of a journal row; may be erased, the books stay.
CREATE TABLE loyalty.event_data (
	member_id  bigint NOT NULL,
	journal_id bigint NOT NULL,
	program_id int    NOT NULL,
	data       jsonb  NOT NULL,
	PRIMARY KEY (member_id, journal_id)
);

-- What each journal row moved, lot by lot; append-only.
CREATE TABLE loyalty.entry (
	member_id     bigint   NOT NULL,
	journal_id    bigint   NOT NULL,
	amount        bigint   NOT NULL,
	-- sum of the member's entries of this unit up to here
	balance_after bigint   NOT NULL,
	program_id    int      NOT NULL,
	unit_id       int      NOT NULL,
	-- NULL: vested when posted
	vests_on      date,
	-- last day of use; NULL: never lapses
	expires_on    date,
	-- the rule that awarded it
	rule_id       int,
	line          smallint NOT NULL,
	-- e earned, b bonus, a adjusted, t transferred, p principal, d debt
	origin        "char"   NOT NULL,
	PRIMARY KEY (member_id, journal_id, line)
);

-- Where program.ref_scope is 'program': which member an order reference belongs to.
CREATE TABLE loyalty.journal_ref (
	program_id int    NOT NULL,
	ref        text   NOT NULL,
	-- or ':' and the kind of the row, which no event is named
	event      text   NOT NULL,
	member_id  bigint NOT NULL,
	journal_id bigint NOT NULL,
	PRIMARY KEY (ref, event, program_id)
);

CREATE TYPE loyalty.posting AS (
	unit          text,
	amount        numeric,
	balance_after numeric,
	vests_on      date,
	expires_on    date
);

-- What every mutating call returns.
CREATE TYPE loyalty.receipt AS (
	status      text,
	reason      text,
	member_id   bigint,
	journal_id  bigint,
	hold_id     bigint,
	replayed    boolean,
	postings    loyalty.posting[],
	tier_before text,
	tier_after  text,
	messages    jsonb
);

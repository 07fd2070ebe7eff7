-- Periods of a programme that were closed, or are being closed: from when nothing is
-- dated into them any more, and until whom that did not bind yet is over.
CREATE TABLE loyalty.report_close (
	program_id int         NOT NULL,
	-- first and last local day
	since      date        NOT NULL,
	until      date        NOT NULL,
	called_at  timestamptz NOT NULL,
	-- who began before the closing could be seen: transaction ids before this ...
	xid        xid8,
	-- ... and transactions without one; NULL: not looked yet
	others     text[],
	-- the figures were published; NULL: closing
	closed_at  timestamptz,
	-- the transaction that asked for it
	asked_by   xid8        NOT NULL,
	PRIMARY KEY (program_id, until)
);

-- The figures of closed periods, which never change; append-only.
CREATE TABLE loyalty.report_period (
	program_id int     NOT NULL,
	until      date    NOT NULL,
	figure     text    NOT NULL,
	-- a unit or a tier by its code; '' for the whole programme
	part       text    NOT NULL,
	since      date    NOT NULL,
	value      numeric,
	PRIMARY KEY (program_id, until, figure, part)
);

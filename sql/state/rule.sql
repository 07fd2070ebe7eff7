-- What an event earns.
CREATE TABLE loyalty.rule (
	rule_id      int         NOT NULL DEFAULT nextval('loyalty.rule_id_seq') PRIMARY KEY,
	program_id   int         NOT NULL,
	event        text        NOT NULL,
	unit_id      int         NOT NULL,
	kind         text        NOT NULL CHECK (kind IN ('fixed', 'per_amount')),
	-- in the unit's own terms: this much per event, or per `per` of the amount
	award        numeric     NOT NULL CHECK (award > 0 AND award < 1000000000000),
	-- in the programme's currency
	per          numeric     CHECK (per > 0 AND per < 1000000000000),
	-- per_amount: whole groups of `per` only, or the exact share, rounded down
	proportional boolean     NOT NULL DEFAULT false,
	status       text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
	valid_from   timestamptz CHECK (isfinite(valid_from)),
	valid_until  timestamptz CHECK (isfinite(valid_until)),
	CHECK ((kind = 'per_amount') = (per IS NOT NULL)),
	CHECK (kind = 'per_amount' OR NOT proportional),
	CHECK (valid_from < valid_until)
);
CREATE INDEX rule_program_id_idx ON loyalty.rule (program_id);

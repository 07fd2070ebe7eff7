COMMENT ON TABLE loyalty.message_channel IS 'A way to reach members, with its limits; the messages of a channel are taken by its consumer';
COMMENT ON TABLE loyalty.message IS 'The outbox: one row per message to a member, and what became of it; nothing personal';
COMMENT ON TABLE loyalty.message_feedback IS 'What the channel told of a message that was sent, each kind once; append-only';
COMMENT ON TABLE loyalty.message_quota IS 'How many messages of a channel were taken on a local day, while it has a quota';
COMMENT ON TABLE loyalty.consent IS 'What a member has agreed to, and taken back; append-only';

CREATE OR REPLACE TRIGGER message_channel_reference BEFORE INSERT OR UPDATE ON loyalty.message_channel
	FOR EACH ROW EXECUTE FUNCTION loyalty.config_reference();

CREATE OR REPLACE FUNCTION loyalty.message_enqueue(member_id bigint, channel text, template text,
	params jsonb DEFAULT NULL, purpose text DEFAULT 'service', dedupe_key text DEFAULT NULL,
	not_before timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL, priority int DEFAULT 5)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_message_enqueue';
COMMENT ON FUNCTION loyalty.message_enqueue(bigint, text, text, jsonb, text, text, timestamptz, timestamptz, int) IS
'Puts a message to a member into the outbox, and returns its id; a known dedupe key returns the id of the first';

CREATE OR REPLACE FUNCTION loyalty.message_cancel(member_id bigint, message_id bigint)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_message_cancel';
COMMENT ON FUNCTION loyalty.message_cancel(bigint, bigint) IS
'Cancels a message that nobody has taken, or what stands in for it; true, if there was any';

CREATE OR REPLACE FUNCTION loyalty.message_channel_known(program_id int, name text)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT coalesce(bool_or(c.name = message_channel_known.name), true)
	FROM loyalty.message_channel c WHERE c.program_id = message_channel_known.program_id;
END;
COMMENT ON FUNCTION loyalty.message_channel_known(int, text) IS
'Has the programme this channel, or none at all? For the extension''s own use';

CREATE OR REPLACE FUNCTION loyalty.message_channel_check()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_message_channel_check';
COMMENT ON FUNCTION loyalty.message_channel_check() IS
'Trigger: refuses a fallback that is no channel of the programme';

CREATE OR REPLACE TRIGGER message_channel_check BEFORE UPDATE ON loyalty.message_channel
	FOR EACH ROW EXECUTE FUNCTION loyalty.message_channel_check();

CREATE OR REPLACE FUNCTION loyalty.message_channel_in_use()
RETURNS trigger LANGUAGE C SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_message_channel_in_use';
COMMENT ON FUNCTION loyalty.message_channel_in_use() IS
'Trigger: refuses to delete a channel that messages, consent, steps or fallbacks name, or to change its name';

CREATE OR REPLACE TRIGGER message_channel_in_use BEFORE DELETE OR UPDATE OF program_id, name ON loyalty.message_channel
	FOR EACH ROW EXECUTE FUNCTION loyalty.message_channel_in_use();

CREATE OR REPLACE TRIGGER message_feedback_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON loyalty.message_feedback
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.journal_immutable();
CREATE OR REPLACE TRIGGER consent_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON loyalty.consent
	FOR EACH STATEMENT EXECUTE FUNCTION loyalty.journal_immutable();

CREATE OR REPLACE FUNCTION loyalty.message_channels(program text)
RETURNS int LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_message_channels';
COMMENT ON FUNCTION loyalty.message_channels(text) IS
'Adds the usual channels to a programme, those it has not yet; returns how many';

-- The queue is read in the order of its index, however many rows there are and
-- whatever was known of them when the statement was planned.
CREATE OR REPLACE FUNCTION loyalty.message_take(channel text, n int DEFAULT 100,
	lease interval DEFAULT '5 minutes', program text DEFAULT NULL)
RETURNS TABLE (message_id bigint, member_id bigint, program text, channel text, template text, params jsonb,
	purpose text, priority int, attempts int, created_at timestamptz, idempotency_key text)
LANGUAGE C VOLATILE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
-- which makes a small plan look so dear that it would be compiled
SET jit = off
SET enable_bitmapscan = off
SET jit = off
AS 'MODULE_PATHNAME', 'loyalty_message_take';
COMMENT ON FUNCTION loyalty.message_take(text, int, interval, text) IS
'Gives up to n messages that are due to the caller, who delivers them until the lease is over; the most urgent first';

CREATE OR REPLACE FUNCTION loyalty.message_done(member_id bigint, message_id bigint, attempt int DEFAULT NULL)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_message_done';
COMMENT ON FUNCTION loyalty.message_done(bigint, bigint, int) IS
'Keeps that a message that was taken has been handed to its channel; true, unless that was known';

CREATE OR REPLACE FUNCTION loyalty.message_retry(member_id bigint, message_id bigint, attempt int, reason text,
	after interval DEFAULT NULL, give_up boolean DEFAULT false)
RETURNS text LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_message_retry';
COMMENT ON FUNCTION loyalty.message_retry(bigint, bigint, int, text, interval, boolean) IS
'Puts a message back that could not be delivered, for later, or gives it up; returns its status';

CREATE OR REPLACE FUNCTION loyalty.message_requeue(member_id bigint, message_id bigint)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_message_requeue';
COMMENT ON FUNCTION loyalty.message_requeue(bigint, bigint) IS
'Puts a message back that was given up or suppressed, as if it were new; true, if it was one';

CREATE OR REPLACE FUNCTION loyalty.message_feedback(member_id bigint, message_id bigint, kind text,
	at timestamptz DEFAULT NULL)
RETURNS boolean LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_message_feedback';
COMMENT ON FUNCTION loyalty.message_feedback(bigint, bigint, text, timestamptz) IS
'Keeps what the channel tells of a message: delivered, opened, clicked, bounced or unsubscribed; true, unless that was known';

CREATE OR REPLACE FUNCTION loyalty.message_expire(batch int DEFAULT 500, OUT done int, OUT left_over boolean)
LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_message_expire';
COMMENT ON FUNCTION loyalty.message_expire(int) IS
'Ends messages that are no longer to be sent, and forgets old counts of quotas; how many messages, and whether there may be more';

-- Consent

CREATE OR REPLACE FUNCTION loyalty.consent_give(member_id bigint, purpose text, channel text DEFAULT NULL,
	evidence text DEFAULT NULL, at timestamptz DEFAULT NULL)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_message_consent_give';
COMMENT ON FUNCTION loyalty.consent_give(bigint, text, text, text, timestamptz) IS
'Keeps that a member agrees to messages of a purpose, on a channel or on all; the id of the row';

CREATE OR REPLACE FUNCTION loyalty.consent_withdraw(member_id bigint, purpose text, channel text DEFAULT NULL,
	evidence text DEFAULT NULL, at timestamptz DEFAULT NULL)
RETURNS bigint LANGUAGE C VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'loyalty_message_consent_withdraw';
COMMENT ON FUNCTION loyalty.consent_withdraw(bigint, text, text, text, timestamptz) IS
'Keeps that a member no longer agrees to messages of a purpose, on a channel or on any; the id of the row';

CREATE OR REPLACE FUNCTION loyalty.has_consent(member_id bigint, purpose text, channel text)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.member_require(has_consent.member_id);

	SELECT has_consent.purpose = 'service' OR CASE
		-- of the channel nothing was said, or all were withdrawn after that
		WHEN o.given IS NULL OR (NOT e.given AND (e.at, e.consent_id) > (o.at, o.consent_id))
			THEN coalesce(e.given, false)
		ELSE o.given END
	FROM (VALUES (true)) v (one)
	LEFT JOIN LATERAL (
		SELECT c.given, c.at, c.consent_id FROM loyalty.consent c
		WHERE c.member_id = has_consent.member_id AND c.purpose = has_consent.purpose
		AND c.channel = has_consent.channel AND c.at <= loyalty.now()
		ORDER BY c.at DESC, c.consent_id DESC LIMIT 1) o ON true
	LEFT JOIN LATERAL (
		SELECT c.given, c.at, c.consent_id FROM loyalty.consent c
		WHERE c.member_id = has_consent.member_id AND c.purpose = has_consent.purpose
		AND c.channel IS NULL AND c.at <= loyalty.now()
		ORDER BY c.at DESC, c.consent_id DESC LIMIT 1) e ON true;
END;
COMMENT ON FUNCTION loyalty.has_consent(bigint, text, text) IS
'May the member be sent messages of this purpose on this channel now?';

CREATE OR REPLACE FUNCTION loyalty.consent_current(member_id bigint)
RETURNS TABLE (purpose text, channel text, given boolean, at timestamptz, evidence text)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT loyalty.member_require(consent_current.member_id);

	SELECT DISTINCT ON (c.purpose, c.channel) c.purpose, c.channel, c.given, c.at, c.evidence
	FROM loyalty.consent c
	WHERE c.member_id = consent_current.member_id AND c.at <= loyalty.now()
	ORDER BY c.purpose, c.channel, c.at DESC, c.consent_id DESC;
END;
COMMENT ON FUNCTION loyalty.consent_current(bigint) IS
'What a member said last, of each purpose and channel; channel NULL: of all';

-- Views

CREATE OR REPLACE VIEW loyalty.message_status WITH (security_invoker = true) AS
SELECT p.name AS program, m.channel, m.status, count(*) AS messages,
	count(*) FILTER (WHERE m.due_at <= loyalty.now() AND m.status IN ('queued', 'taken')) AS due,
	min(m.created_at) AS oldest_at,
	loyalty.now() - min(m.due_at) FILTER (WHERE m.due_at <= loyalty.now() AND m.status IN ('queued', 'taken')) AS lag
FROM loyalty.message m
JOIN loyalty.program p ON p.program_id = m.program_id
GROUP BY p.program_id, p.name, m.channel, m.status;
COMMENT ON VIEW loyalty.message_status IS
'How many messages are in each status, by channel; due: could be taken now, lag: for how long the oldest of them could have been';
COMMENT ON COLUMN loyalty.message_status.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.message_status.channel IS 'Name of the channel';
COMMENT ON COLUMN loyalty.message_status.status IS 'queued, taken, done, dead, suppressed, expired or cancelled';
COMMENT ON COLUMN loyalty.message_status.messages IS 'How many messages';
COMMENT ON COLUMN loyalty.message_status.due IS 'How many of them could be taken now, if the channel is active and the member may be told';
COMMENT ON COLUMN loyalty.message_status.oldest_at IS 'When the oldest of them was enqueued';
COMMENT ON COLUMN loyalty.message_status.lag IS 'For how long the one that is due longest has been';

CREATE OR REPLACE VIEW loyalty.report_message WITH (security_invoker = true) AS
SELECT p.name AS program, (m.created_at AT TIME ZONE p.time_zone)::date AS day, a.name AS automation,
	m.channel, m.template, m.purpose,
	count(*) AS messages,
	count(*) FILTER (WHERE m.attempts > 0) AS taken,
	count(*) FILTER (WHERE m.status = 'done') AS done,
	count(*) FILTER (WHERE f.delivered) AS delivered,
	count(*) FILTER (WHERE f.opened) AS opened,
	count(*) FILTER (WHERE f.clicked) AS clicked,
	count(*) FILTER (WHERE f.bounced) AS bounced,
	count(*) FILTER (WHERE f.unsubscribed) AS unsubscribed,
	count(*) FILTER (WHERE m.status = 'suppressed') AS suppressed,
	count(*) FILTER (WHERE m.status = 'dead') AS dead,
	count(*) FILTER (WHERE m.status = 'expired') AS expired,
	count(*) FILTER (WHERE m.status = 'cancelled') AS cancelled,
	count(m.fallback_of) AS fallbacks
FROM loyalty.message m
JOIN loyalty.program p ON p.program_id = m.program_id
LEFT JOIN loyalty.automation a ON a.automation_id = m.automation_id
LEFT JOIN (
	SELECT x.member_id, x.message_id,
		-- who opened it has got it, and who clicked has opened it
		bool_or(x.kind IN ('delivered', 'opened', 'clicked')) AS delivered,
		bool_or(x.kind IN ('opened', 'clicked')) AS opened,
		bool_or(x.kind = 'clicked') AS clicked,
		bool_or(x.kind = 'bounced') AS bounced,
		bool_or(x.kind = 'unsubscribed') AS unsubscribed
	FROM loyalty.message_feedback x
	GROUP BY x.member_id, x.message_id) f ON f.member_id = m.member_id AND f.message_id = m.message_id
GROUP BY p.program_id, p.name, 2, a.automation_id, a.name, m.channel, m.template, m.purpose;
COMMENT ON VIEW loyalty.report_message IS
'What became of messages, by the local day on which they were enqueued, automation, channel, template and purpose';
COMMENT ON COLUMN loyalty.report_message.program IS 'Name of the programme';
COMMENT ON COLUMN loyalty.report_message.day IS 'Local day on which they were enqueued';
COMMENT ON COLUMN loyalty.report_message.automation IS 'The automation that enqueued them; NULL: an application did';
COMMENT ON COLUMN loyalty.report_message.channel IS 'Name of the channel';
COMMENT ON COLUMN loyalty.report_message.template IS 'What was told';
COMMENT ON COLUMN loyalty.report_message.purpose IS 'What for';
COMMENT ON COLUMN loyalty.report_message.messages IS 'How many messages';
COMMENT ON COLUMN loyalty.report_message.taken IS 'Given to a consumer at least once';
COMMENT ON COLUMN loyalty.report_message.done IS 'Handed to the channel';
COMMENT ON COLUMN loyalty.report_message.delivered IS 'Told to be delivered, or opened or clicked';
COMMENT ON COLUMN loyalty.report_message.opened IS 'Told to be opened, or clicked';
COMMENT ON COLUMN loyalty.report_message.clicked IS 'Told to be clicked';
COMMENT ON COLUMN loyalty.report_message.bounced IS 'Sent back by the channel';
COMMENT ON COLUMN loyalty.report_message.unsubscribed IS 'After which the member withdrew his consent';
COMMENT ON COLUMN loyalty.report_message.suppressed IS 'Not sent, because the member had not agreed, or had left';
COMMENT ON COLUMN loyalty.report_message.dead IS 'Given up';
COMMENT ON COLUMN loyalty.report_message.expired IS 'Not sent in time';
COMMENT ON COLUMN loyalty.report_message.cancelled IS 'Taken back before they were sent';
COMMENT ON COLUMN loyalty.report_message.fallbacks IS 'How many of them stood in for one that another channel could not deliver';

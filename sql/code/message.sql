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

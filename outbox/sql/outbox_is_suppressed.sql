-- Whether outbox.suppress() names this model in the message that brought this statement.
CREATE OR REPLACE FUNCTION outbox_is_suppressed(model text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        current_setting('outbox.said_at', true) = extract(epoch FROM statement_timestamp())::text
        AND string_to_array(current_setting('outbox.suppressed', true), ',') && ARRAY[model],
        false
    )
$$;

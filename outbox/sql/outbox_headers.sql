-- What outbox.context() says, if it was said in the message that brought this statement.
CREATE OR REPLACE FUNCTION outbox_headers() RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN current_setting('outbox.said_at', true) = extract(epoch FROM statement_timestamp())::text
        THEN nullif(current_setting('outbox.headers', true), '')
    END
$$;

-- A time of day in ISO 8601, with six decimals or none.
CREATE OR REPLACE FUNCTION outbox_time_text(value time, name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF value = time '24:00' THEN
        PERFORM outbox_refuse(name, '24:00:00', 'the day ends before that');
    END IF;
    IF value = date_trunc('second', value::interval)::time THEN
        RETURN to_char(value::interval, 'HH24:MI:SS');
    END IF;
    RETURN to_char(value::interval, 'HH24:MI:SS.US');
END
$$;

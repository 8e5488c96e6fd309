-- A moment in RFC 3339 and UTC, with six decimals or none, whatever the time zone of the session.
CREATE OR REPLACE FUNCTION outbox_timestamptz_text(value timestamptz, name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    moment timestamp := value AT TIME ZONE 'UTC';
BEGIN
    IF moment NOT BETWEEN timestamp '0001-01-01' AND timestamp '9999-12-31 23:59:59.999999' THEN
        PERFORM outbox_refuse(name, to_json(moment) #>> '{}', 'in UTC its year is not within 1 and 9999');
    END IF;
    IF moment = date_trunc('second', moment) THEN
        RETURN to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
    END IF;
    RETURN to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
END
$$;

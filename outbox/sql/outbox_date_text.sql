-- A date in ISO 8601, as Python has them.
CREATE OR REPLACE FUNCTION outbox_date_text(value date, name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF value NOT BETWEEN date '0001-01-01' AND date '9999-12-31' THEN
        PERFORM outbox_refuse(name, to_json(value) #>> '{}', 'its year is not within 1 and 9999');
    END IF;
    RETURN to_char(value, 'YYYY-MM-DD');
END
$$;

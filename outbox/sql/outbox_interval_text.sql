-- A duration in ISO 8601, in days and smaller units. As psycopg reads them, a year has 365 days
-- and a month 30.
CREATE OR REPLACE FUNCTION outbox_interval_text(value interval, name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    day constant numeric := 86400000000;
    microseconds numeric;
    rest bigint;
BEGIN
    IF isfinite(value) THEN
        microseconds := day * (
            extract(year FROM value) * 365 + extract(month FROM value) * 30 + extract(day FROM value)
        ) + 3600000000 * extract(hour FROM value) + 60000000 * extract(minute FROM value)
        + extract(microseconds FROM value);
    END IF;
    IF microseconds IS NULL OR microseconds < -999999999 * day OR microseconds >= 1000000000 * day THEN
        PERFORM outbox_refuse(name, value::text, 'it is not within 999999999 days');
    END IF;
    rest := mod(abs(microseconds), day);
    RETURN CASE WHEN microseconds < 0 THEN '-' ELSE '' END
        || 'P' || div(abs(microseconds), day)
        || 'DT' || rest / 3600000000 || 'H' || rest / 60000000 % 60 || 'M' || rest / 1000000 % 60
        || CASE WHEN rest % 1000000 = 0 THEN '' ELSE '.' || lpad((rest % 1000000)::text, 6, '0') END
        || 'S';
END
$$;

-- A decimal as Python writes it: with the scale that is stored, and an exponent for small numbers.
CREATE OR REPLACE FUNCTION outbox_numeric_text(value numeric, name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    digits text;
    exponent integer;
BEGIN
    IF value IN ('NaN', 'Infinity', '-Infinity') THEN
        PERFORM outbox_refuse(name, value::text, 'JSON has no such number');
    END IF;
    IF scale(value) <= 6 THEN
        RETURN value;
    END IF;
    digits := coalesce(nullif(ltrim(translate(value::text, '-.', ''), '0'), ''), '0');
    exponent := length(digits) - 1 - scale(value);
    IF exponent >= -6 THEN
        RETURN value;
    END IF;
    RETURN CASE WHEN value < 0 THEN '-' ELSE '' END || left(digits, 1)
        || CASE WHEN length(digits) > 1 THEN '.' || substr(digits, 2) ELSE '' END
        || 'E' || exponent;
END
$$;

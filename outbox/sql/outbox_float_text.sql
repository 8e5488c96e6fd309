-- A float in the fewest digits that read back as the same, in the form that pydantic gives them.
CREATE OR REPLACE FUNCTION outbox_float_text(value double precision, name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT SET extra_float_digits = 1 AS $$
DECLARE
    sign constant text := CASE WHEN left(value::text, 1) = '-' THEN '-' ELSE '' END;
    positive constant double precision := abs(value);
    written text := positive;
    parts text[];
    digits text;
    exponent integer;
    candidate numeric;
BEGIN
    IF value IN ('NaN', 'Infinity', '-Infinity') THEN
        PERFORM outbox_refuse(name, value::text, 'JSON has no such number');
    END IF;
    IF value = 0 THEN
        RETURN sign || '0.0';
    END IF;
    FOR pass IN 1..2 LOOP
        parts := regexp_match(written, '^([0-9]+)[.]?([0-9]*)(?:e(.*))?$');
        digits := ltrim(parts[1] || parts[2], '0');
        exponent := coalesce(parts[3]::integer, 0) + length(digits) - length(parts[2]) - 1;
        digits := rtrim(digits, '0');
        -- Of the numbers that read back as a float, PostgreSQL leaves out the two at the border,
        -- one of which may have fewer digits.
        EXIT WHEN pass = 2 OR length(digits) < 2 OR length(digits) < 16 AND positive > 1e-300;
        candidate := trunc(written::numeric, length(digits) - 2 - exponent);
        IF candidate::double precision <> positive THEN
            candidate := candidate + ('1e' || exponent + 2 - length(digits))::numeric;
        END IF;
        EXIT WHEN candidate > 1.7976931348623157e308 OR candidate::double precision <> positive;
        written := candidate;
    END LOOP;
    IF exponent NOT BETWEEN -5 AND 15 THEN
        RETURN sign || left(digits, 1)
            || CASE WHEN length(digits) > 1 THEN '.' || substr(digits, 2) ELSE '' END
            || 'e' || CASE WHEN exponent > 0 THEN '+' ELSE '' END || exponent;
    END IF;
    IF exponent < 0 THEN
        RETURN sign || '0.' || repeat('0', -exponent - 1) || digits;
    END IF;
    digits := rpad(digits, greatest(length(digits), exponent + 2), '0');
    RETURN sign || left(digits, exponent + 1) || '.' || substr(digits, exponent + 2);
END
$$;

-- A number of JSON as Python reads it: whole, or a float.
CREATE OR REPLACE FUNCTION outbox_json_number_text(written text, name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF strpos(written, '.') = 0 THEN
        IF length(ltrim(written, '-')) > 4300 THEN
            PERFORM outbox_refuse(name, left(written, 20) || '...', 'no reader takes more than 4300 digits');
        END IF;
        RETURN written;
    END IF;
    IF abs(written::numeric) < 2.4703282292062328e-324 THEN
        RETURN CASE WHEN left(written, 1) = '-' THEN '-' ELSE '' END || '0.0';
    END IF;
    IF abs(written::numeric) >= 1.7976931348623158e308 THEN
        PERFORM outbox_refuse(name, left(written, 20) || '...', 'it is too large for a float');
    END IF;
    RETURN outbox_float_text(written::double precision, name);
END
$$;

-- An array of one dimension, as its column declares it.
CREATE OR REPLACE FUNCTION outbox_flat(value anyarray, name text) RETURNS anyarray
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF array_ndims(value) > 1 THEN
        PERFORM outbox_refuse(name, value::text, 'it has more dimensions than its column says');
    END IF;
    RETURN value;
END
$$;

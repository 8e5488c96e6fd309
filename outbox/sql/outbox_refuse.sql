-- Fail, so that the row is not written: its event could not be sent.
CREATE OR REPLACE FUNCTION outbox_refuse(name text, value text, why text) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE EXCEPTION '% holds %, which no event can say: %; correct it, or exclude the field from capture()',
        name, left(value, 80), why USING ERRCODE = 'data_exception';
END
$$;

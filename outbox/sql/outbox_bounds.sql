-- The bounds of a range, as psycopg names them.
CREATE OR REPLACE FUNCTION outbox_bounds(value anyrange) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN isempty(value) THEN 'empty'
        ELSE CASE WHEN lower_inc(value) THEN '[' ELSE '(' END
            || CASE WHEN upper_inc(value) THEN ']' ELSE ')' END
    END
$$;

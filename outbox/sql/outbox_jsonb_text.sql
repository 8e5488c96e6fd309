-- JSON without spaces, its fractions as floats.
CREATE OR REPLACE FUNCTION outbox_jsonb_text(value jsonb, name text, depth integer DEFAULT 199) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    written text;
BEGIN
    CASE jsonb_typeof(value)
        WHEN 'object' THEN
            written := '{' || coalesce((
                SELECT string_agg(
                    to_json(each.key)::text || ':' || outbox_jsonb_text(each.value, name, depth - 1),
                    ',' ORDER BY each.ordinality
                )
                FROM jsonb_each(value) WITH ORDINALITY AS each
            ), '') || '}';
        WHEN 'array' THEN
            written := '[' || coalesce((
                SELECT string_agg(
                    outbox_jsonb_text(each.value, name, depth - 1), ',' ORDER BY each.ordinality
                )
                FROM jsonb_array_elements(value) WITH ORDINALITY AS each
            ), '') || ']';
        WHEN 'number' THEN
            RETURN outbox_json_number_text(value #>> '{}', name);
        WHEN 'string' THEN
            RETURN to_json(value #>> '{}');
        ELSE
            RETURN value;
    END CASE;
    IF depth < 1 THEN
        PERFORM outbox_refuse(name, 'a value nested too deeply', 'readers take no more than 200 levels');
    END IF;
    RETURN written;
END
$$;

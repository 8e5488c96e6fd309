-- Write the event of a row, and the tombstone behind that of a deleted one.
CREATE OR REPLACE FUNCTION outbox_record(
    topic text, type text, version integer, key text, value text, most integer, entombed boolean
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    size constant integer := octet_length(convert_to(key, 'UTF8')) + octet_length(convert_to(value, 'UTF8'));
    headers constant text := outbox_headers();
BEGIN
    IF coalesce(octet_length(key), 0) = 0 OR value IS NULL THEN
        RAISE EXCEPTION 'an event % cannot have the key %, or a column that may not be NULL is; correct the row',
            type, coalesce(quote_literal(key), 'NULL') USING ERRCODE = 'data_exception';
    END IF;
    IF size > most THEN
        RAISE EXCEPTION 'event % with key % has % bytes, more than OUTBOX_MAX_EVENT_BYTES=%; send a reference instead of the data, or raise it together with the broker''s message.max.bytes',
            type, quote_literal(left(key, 200)), size, most USING ERRCODE = 'data_exception';
    END IF;
    INSERT INTO outbox_event (event_id, topic, key, type, version, subject, value, headers)
    VALUES (
        outbox_uuid7(), topic, convert_to(key, 'UTF8'), type, version, key,
        convert_to(value, 'UTF8'), convert_to(headers, 'UTF8')
    );
    IF entombed THEN
        INSERT INTO outbox_event (event_id, topic, key, type, version, subject, headers)
        VALUES (
            outbox_uuid7(), topic, convert_to(key, 'UTF8'), type, version, key,
            convert_to(headers, 'UTF8')
        );
    END IF;
END
$$;

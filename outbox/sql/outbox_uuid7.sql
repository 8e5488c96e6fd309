-- A UUID of version 7, also before PostgreSQL 18 has them.
CREATE OR REPLACE FUNCTION outbox_uuid7() RETURNS uuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    microseconds bigint;
BEGIN
    IF current_setting('server_version_num')::integer >= 180000 THEN
        RETURN uuidv7();
    END IF;
    microseconds := extract(epoch FROM clock_timestamp()) * 1000000;
    RETURN (
        lpad(to_hex(microseconds / 1000), 12, '0')
        || '7' || lpad(to_hex(microseconds % 1000 * 4096 / 1000), 3, '0')
        -- The variant and 62 random bits.
        || right(replace(gen_random_uuid()::text, '-', ''), 16)
    )::uuid;
END
$$;

WITH record AS (
    DELETE FROM ops.stage_records WHERE key = %(key)s
)
DELETE FROM ops.loaded_files WHERE sha256 = %(sha256)s;

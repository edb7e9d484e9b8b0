WITH record AS (
    DELETE FROM ops.materializations WHERE key = %(key)s
)
DELETE FROM ops.loaded_files WHERE sha256 = %(sha256)s;

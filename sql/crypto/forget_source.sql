WITH record AS (
    DELETE FROM ops.materializations WHERE flow = 'crypto' AND key = %(key)s
)
DELETE FROM ops.loaded_files WHERE sha256 = %(sha256)s;

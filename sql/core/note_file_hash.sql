INSERT INTO ops.source_hashes AS known (path, version, sha256) VALUES (%(path)s, %(version)s, %(sha256)s)
ON CONFLICT (path) DO UPDATE SET version = excluded.version, sha256 = excluded.sha256;

INSERT INTO ops.loaded_files (sha256, path, bytes, lines, loaded, unreadable)
VALUES (%(sha256)s, %(path)s, %(bytes)s, %(lines)s, %(loaded)s, %(unreadable)s);

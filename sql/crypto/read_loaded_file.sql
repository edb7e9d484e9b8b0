SELECT path, lines, loaded, unreadable, loaded_at FROM ops.loaded_files WHERE sha256 = %(sha256)s;

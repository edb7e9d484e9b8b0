SELECT sha256 FROM ops.source_hashes WHERE path = %(path)s AND version = %(version)s;

SELECT pg_try_advisory_lock(20260, hashtext(%(flow)s)) AS locked;

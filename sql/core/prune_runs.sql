DELETE FROM ops.runs WHERE started_at < %(before)s AND finished_at IS NOT NULL;

-- The newest runs; beside each, the median of the last ten before it that its root task succeeded in with work to do.
SELECT run.*, extract(epoch FROM coalesce(run.finished_at, clock_timestamp()) - run.started_at)::double precision AS seconds,
       usual.seconds AS usual_seconds, done.ran, done.skipped
FROM (
    SELECT * FROM ops.runs
    WHERE (%(flow)s::text IS NULL OR flow = %(flow)s)
      AND (NOT %(failed)s OR outcome IN ('failed', 'refused', 'lost'))
    ORDER BY started_at DESC
    LIMIT %(limit)s
) AS run
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE outcome = 'ran') AS ran, count(*) FILTER (WHERE outcome = 'skipped') AS skipped
    FROM ops.stage_runs WHERE run_id = run.run_id
) AS done ON true
LEFT JOIN LATERAL (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - started_at))::double precision
        AS seconds
    FROM (
        SELECT finished_at, started_at
        FROM ops.runs AS earlier
        WHERE earlier.root_task = run.root_task AND earlier.flow = run.flow AND earlier.outcome = 'succeeded'
          AND earlier.started_at < run.started_at
          AND EXISTS (SELECT FROM ops.stage_runs WHERE run_id = earlier.run_id AND outcome = 'ran')
        ORDER BY earlier.started_at DESC
        LIMIT 10
    ) AS recent
) AS usual ON true
ORDER BY run.started_at DESC;

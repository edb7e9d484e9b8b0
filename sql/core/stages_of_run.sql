-- What the stages of a run did, and how long each took in its last ten times before.
SELECT stage.stage, stage.key, stage.outcome, stage.seconds, stage.fingerprint, stage.result, stage.source_versions,
       stage.error, stage.finished_at, usual.seconds AS usual_seconds
FROM ops.stage_runs AS stage
JOIN ops.runs AS run USING (run_id)
LEFT JOIN LATERAL (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY recent.seconds) AS seconds
    FROM (
        SELECT earlier.seconds
        FROM ops.stage_runs AS earlier
        JOIN ops.runs AS earlier_run USING (run_id)
        WHERE earlier.stage = stage.stage AND earlier.outcome = 'ran' AND earlier_run.flow = run.flow
          AND earlier.stage_run_id < stage.stage_run_id
        ORDER BY earlier.stage_run_id DESC
        LIMIT 10
    ) AS recent
) AS usual ON stage.outcome = 'ran'
WHERE run_id = %(run_id)s
ORDER BY stage.stage_run_id;

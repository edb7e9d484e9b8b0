INSERT INTO ops.runs (
    run_id, flow, root_task, parameters, run_date, engine, dag_id, dag_run_id, host, process_id, project_version
)
VALUES (
    %(run_id)s, %(flow)s, %(root_task)s, %(parameters)s, %(run_date)s, %(engine)s, %(dag_id)s, %(dag_run_id)s,
    %(host)s, %(process_id)s, %(project_version)s
)
ON CONFLICT (run_id) DO NOTHING;

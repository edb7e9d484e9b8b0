-- How many of these snapshots have rows; each is one look into the index.
SELECT count(*) AS there
FROM unnest(%(snapshots)s::date[]) AS wanted (snapshot)
WHERE EXISTS (SELECT FROM features.churn_weekly_features WHERE snapshot_date = snapshot);

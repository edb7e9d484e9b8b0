SELECT count(*) AS customers, count(*) FILTER (WHERE label = 1) AS active,
       count(*) FILTER (WHERE holdout) AS held_out, count(*) FILTER (WHERE holdout AND label = 1) AS held_out_active
FROM labelled;

-- A frame with its label: active in the 30 days after the cutoff. Who is held out is decided by the customer alone, so
-- that nobody is trained on in one snapshot and judged on in another.
SELECT frame.*,
       CAST(active.customer_id IS NOT NULL AS integer)                   AS label,
       substr(md5(CAST(frame.customer_id AS varchar)), 1, 2) < '33'      AS holdout,     -- 51 of 256
       substr(md5(CAST(frame.customer_id AS varchar)), 3, 2) < '33'      AS validation   -- to choose from the grid
FROM frame
LEFT JOIN active ON active.customer_id = frame.customer_id
ORDER BY frame.customer_id;

SELECT reason, count(*) AS rows
FROM source_rows, unnest(reasons) AS reason
GROUP BY reason
ORDER BY count(*) DESC, reason;

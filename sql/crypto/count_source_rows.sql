SELECT count(*) AS lines,
       count(*) FILTER (WHERE reasons <> '{}') AS unreadable,
       min(line_no) FILTER (WHERE reasons <> '{}') AS first_unreadable
FROM source_rows;

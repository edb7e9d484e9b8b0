SELECT
    count(*) FILTER (WHERE change = 'inserted') AS inserted,
    count(*) FILTER (WHERE change = 'updated') AS updated,
    count(*) FILTER (WHERE change = 'reactivated') AS reactivated,
    count(*) FILTER (WHERE change = 'deactivated') AS deactivated
FROM changes;

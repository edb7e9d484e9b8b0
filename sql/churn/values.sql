-- How a written value of each kind is read; NULL where it cannot be. And whether it was written as we would write it.
CREATE MACRO read_id(t) AS CASE
    WHEN CAST(TRY_CAST(t AS bigint) AS varchar) = t THEN TRY_CAST(t AS bigint)
    WHEN regexp_full_match(t, '\s*\d+(\.0*)?\s*') THEN TRY_CAST(t AS bigint)  -- 54018.0, as spreadsheets and pandas write it
END;
CREATE MACRO plain_id(t) AS NOT contains(t, '.');

CREATE MACRO read_day(t) AS CASE
    WHEN length(t) = 10 AND t[5] = '-' THEN TRY_CAST(t AS date)
    WHEN contains(t, '(') THEN NULL  -- (BC)
    WHEN contains(t, '/') THEN CASE
        WHEN regexp_matches(t, '/\d{4}( |$)')  -- a year of two digits would be one of the first century
        THEN CAST(try_strptime(trim(t), ['%d/%m/%Y', '%d/%m/%Y %H:%M:%S']) AS date)
    END
    WHEN trim(t)[5] = '-' THEN TRY_CAST(t AS date)  -- a time after it is left out
END;
CREATE MACRO plain_day(t) AS length(t) = 10 AND t[5] = '-';

-- Exact: sums of them do not depend on the order in which they are added.
CREATE MACRO read_amount(t) AS TRY_CAST(t AS decimal(18, 4));
CREATE MACRO plain_amount(t) AS true;

CREATE MACRO bare(t) AS CASE
    WHEN contains(t, chr(9)) OR contains(t, chr(10)) OR contains(t, chr(13))
    THEN trim(t, ' ' || chr(9) || chr(10) || chr(13))
    ELSE trim(t)  -- three times as fast
END;

CREATE MACRO read_flag(t) AS CASE
    WHEN lower(bare(t)) IN ('1', '1.0', 'true') THEN 1
    WHEN lower(bare(t)) IN ('0', '0.0', 'false') THEN 0
END;
CREATE MACRO plain_flag(t) AS t IN ('0', '1');

CREATE MACRO read_text(t) AS CASE WHEN NOT contains(t, chr(0)) THEN nullif(lower(bare(t)), '') END;  -- PostgreSQL takes no NUL
CREATE MACRO plain_text(t) AS t = bare(t);

CREATE MACRO read_gender(t) AS CASE
    WHEN lower(bare(t)) IN ('f', 'female', 'femenino', 'mujer') THEN 'female'
    WHEN lower(bare(t)) IN ('m', 'male', 'masculino', 'hombre') THEN 'male'
    WHEN lower(bare(t)) IN ('unknown', 'u', 'desconocido') THEN 'unknown'
END;
CREATE MACRO plain_gender(t) AS t IN ('female', 'male', 'unknown');

CREATE MACRO read_age(t) AS CASE
    WHEN bare(t) SIMILAR TO '0[1-8]\..*' THEN [
        '01.menor de 18 años', '02.entre 18 y 25 años', '03.entre 26 y 30 años', '04.entre 31 y 35 años',
        '05.entre 36 y 40 años', '06.entre 41 y 55 años', '07.entre 56 y 65 años', '08.mayor a 65 años'
    ][CAST(substr(bare(t), 2, 1) AS integer)]
    WHEN TRY_CAST(t AS double) NOT BETWEEN 0 AND 120 THEN NULL
    WHEN TRY_CAST(t AS double) < 18 THEN '01.menor de 18 años'
    WHEN TRY_CAST(t AS double) < 26 THEN '02.entre 18 y 25 años'
    WHEN TRY_CAST(t AS double) < 31 THEN '03.entre 26 y 30 años'
    WHEN TRY_CAST(t AS double) < 36 THEN '04.entre 31 y 35 años'
    WHEN TRY_CAST(t AS double) < 41 THEN '05.entre 36 y 40 años'
    WHEN TRY_CAST(t AS double) < 56 THEN '06.entre 41 y 55 años'
    WHEN TRY_CAST(t AS double) < 66 THEN '07.entre 56 y 65 años'
    WHEN TRY_CAST(t AS double) >= 66 THEN '08.mayor a 65 años'
END;
CREATE MACRO plain_age(t) AS t SIMILAR TO '0[1-8]\..*';

CREATE MACRO read_investment(t) AS CASE lower(replace(replace(bare(t), ' ', '_'), '-', '_'))
    WHEN 'investing' THEN 'investing' WHEN 'invested' THEN 'investing' WHEN 'active' THEN 'investing'
    WHEN 'eligible' THEN 'eligible' WHEN 'elegible' THEN 'eligible'
    WHEN 'non_eligible' THEN 'non_eligible' WHEN 'not_eligible' THEN 'non_eligible'
    WHEN 'warmup' THEN 'warmup' WHEN 'pending' THEN 'pending'
    WHEN 'disabled' THEN 'disabled' WHEN 'banned' THEN 'banned'
END;
CREATE MACRO plain_investment(t) AS t = lower(bare(t));

-- What became of a value: 0 read as it was written, 1 missing, 2 unreadable, 3 rewritten.
CREATE MACRO outcome(t, value, plain) AS CASE
    WHEN value IS NOT NULL THEN CASE WHEN plain THEN 0 ELSE 3 END
    WHEN t IS NULL OR bare(t) = '' THEN 1
    ELSE 2
END;

-- The rows of a user file, one per customer: where the file names a customer twice, its last line counts.
CREATE MACRO last_lines(file) AS TABLE
    FROM query_table(file)
    WHERE cus_cust_id_buy IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY cus_cust_id_buy ORDER BY line DESC) = 1;

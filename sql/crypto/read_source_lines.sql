-- Each line as a typed row, or with what makes it unreadable. Positions of the columns come from the header.
-- A line without quotes is split at its commas; one with quotes field by field, "" being a quote inside of one.
-- OFFSET 0 keeps the planner from merging the steps: merged, each reference to a field splits the line again.
CREATE TEMPORARY TABLE source_rows ON COMMIT DROP AS
WITH split AS (
    SELECT line_no, line, damaged, CASE
        WHEN strpos(line, '"') = 0 THEN string_to_array(line, ',')
        WHEN line ~ '^("([^"]|"")*"|[^",]*)(,("([^"]|"")*"|[^",]*))*$' THEN ARRAY(
            SELECT CASE WHEN part[2] LIKE '"%%' THEN replace(substr(part[2], 2, length(part[2]) - 2), '""', '"')
                        ELSE part[2] END
            FROM regexp_matches(',' || line, '(,)("(?:[^"]|"")*"|[^",]*)', 'g') WITH ORDINALITY AS found (part, position)
            ORDER BY position
        )
    END AS field
    FROM source_lines
    WHERE line <> ''
    OFFSET 0
),
named AS (
    SELECT
        line_no, line, damaged, cardinality(field) AS fields,
        nullif(field[%(site_id)s], '') AS site_id,
        nullif(btrim(field[%(user_id)s]), '') AS user_id,
        nullif(field[%(purchase_date)s], '') AS purchase_date,
        nullif(field[%(crypto_type)s], '') AS crypto_type,
        nullif(btrim(field[%(purchase_price)s]), '') AS purchase_price,
        nullif(btrim(field[%(purchase_units)s]), '') AS purchase_units
    FROM split
    OFFSET 0
),
numbers AS (
    SELECT
        line_no, line, damaged, fields, site_id, purchase_date, crypto_type,
        user_id IS NULL OR user_id ~ '^[+-]?[0-9]{1,19}([.]0*)?$' AS user_is_number,
        purchase_price IS NULL
            OR purchase_price ~ '^[+-]?([0-9]{1,40}([.][0-9]{0,40})?|[.][0-9]{1,40})([eE][+-]?[0-9]{1,2})?$' AS price_is_number,
        purchase_units IS NULL
            OR purchase_units ~ '^[+-]?([0-9]{1,40}([.][0-9]{0,40})?|[.][0-9]{1,40})([eE][+-]?[0-9]{1,2})?$' AS units_is_number,
        user_id, purchase_price, purchase_units
    FROM named
    OFFSET 0
),
typed AS (
    SELECT
        line_no, line, damaged, fields, site_id, purchase_date, crypto_type,
        user_is_number, price_is_number, units_is_number,
        CASE WHEN user_is_number THEN user_id::numeric END AS user_id,
        CASE WHEN price_is_number THEN round(purchase_price::numeric, 4) END AS purchase_price,
        CASE WHEN units_is_number THEN round(purchase_units::numeric, 8) END AS purchase_units
    FROM numbers
    OFFSET 0
)
SELECT
    line_no, line,
    site_id, purchase_date, crypto_type, user_id, purchase_price, purchase_units,
    array_remove(ARRAY[
        CASE WHEN damaged THEN 'line_not_utf8_text' END,
        CASE WHEN fields IS DISTINCT FROM %(fields)s THEN 'line_wrong_number_of_fields' END,
        CASE WHEN NOT user_is_number OR user_id NOT BETWEEN -9223372036854775808 AND 9223372036854775807
             THEN 'user_id_not_bigint' END,
        CASE WHEN NOT price_is_number OR abs(purchase_price) >= 1e14 THEN 'purchase_price_not_numeric_18_4' END,
        CASE WHEN NOT units_is_number OR abs(purchase_units) >= 1e10 THEN 'purchase_units_not_numeric_18_8' END
    ], NULL) AS reasons
FROM typed;

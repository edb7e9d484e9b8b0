-- Line 1 of a file is its header.
CREATE TEMPORARY TABLE source_lines (
    line_no  bigint GENERATED ALWAYS AS IDENTITY (START 2),
    line     text NOT NULL,
    damaged  boolean NOT NULL  -- no UTF-8 text: each such byte stands in the line as \xNN
) ON COMMIT DROP;

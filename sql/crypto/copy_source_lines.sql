COPY source_lines (line, damaged) FROM STDIN (ENCODING 'UTF8');

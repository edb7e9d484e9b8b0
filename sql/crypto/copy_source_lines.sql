COPY source_lines (line) FROM STDIN;

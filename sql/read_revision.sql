SELECT version_num FROM ops.schema_revision;

"""pgAdmin for the stack: it keeps its own data in the volume, and asks nobody for news."""

DATA_DIR = "/data"
LOG_FILE = "/data/pgadmin.log"
SERVER_MODE = True
UPGRADE_CHECK_ENABLED = False

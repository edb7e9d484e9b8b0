"""Whether this container's Celery worker answers. Celery alone, without Airflow, is imported in half a second."""

import os
import socket
import sys

from celery import Celery

worker = f"celery@{socket.gethostname()}"
broker = Celery(broker=os.environ["AIRFLOW__CELERY__BROKER_URL"])
sys.exit(0 if broker.control.ping([worker], timeout=5) else 1)

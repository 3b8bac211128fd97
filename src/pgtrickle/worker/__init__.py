"""The worker: one process that keeps the stream tables of one or more databases to their schedules.

    process      threads and signals: a thread serves each database until it is asked to stop
    serving      one database: connect, lead or stand by, work, sleep; again after a lost connection
    leadership   which of several workers serves a database
    units        which tables are refreshed together, and in which order
    lanes        threads that refresh, side by side
    work         what there is to do at one moment; `pgtrickle worker --once` does it once
    metrics      figures for Prometheus
    tracing      traces for OpenTelemetry
    wal          the replication slot, and which sources are read through it
    decoding     from the log into the change buffers
    pgoutput     the messages of logical decoding
    cron         the next times of cron expressions
    bell         sleeping until something is due, is notified, or the worker is to stop
    logs         the worker's log lines

All state is in the database: a worker that dies loses nothing, and the next one goes on.
"""

from .process import run

__all__ = ["run"]

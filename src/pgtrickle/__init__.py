"""Stream tables for PostgreSQL: tables kept equal to their query by work proportional to change."""

__version__ = "0.1.0.dev0"

"""The stream tables that wrong calls are made about."""

from __future__ import annotations

from pathlib import Path

from pgtrickle.engine import Engine


def build(engine: Engine) -> None:
    engine.connection.execute(Path(__file__).with_name("world.sql").read_text())
    engine.create_stream_table(
        "totals", "select region, count(*) as n from account group by region", schedule="1m"
    )
    engine.create_stream_table("summary", "select sum(n) as n from totals", schedule="1m")
    engine.create_stream_table("live", "select id, amount from entry", refresh_mode="IMMEDIATE")
    engine.create_stream_table(
        '"Stream ""Table"" 1.s"', "select id from account", schedule="1m", initialize=False
    )
    engine.create_stream_table("parts", "select id, region from account", partition_by="id")
    engine.connection.execute("select pgtrickle.add_partition('parts', '20', '30')")
    engine.connection.execute(
        "select pgtrickle.create_watermark_group('sources', array['account', 'entry']);"
        "select pgtrickle.create_refresh_group('both', array['totals', 'summary'])"
    )

"""The stream table as the rules see it."""

from __future__ import annotations

from dataclasses import dataclass

from pgtrickle.query.names import quote_identifier


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A column of the stream table.

    `type` as format_type spells it. `hashed` is its form in the row's hash, with ``%s`` for the
    column. `width`: how many bytes a value takes at most, None without a limit.
    """

    name: str
    type: str
    hashed: str
    width: int | None


@dataclass(frozen=True, slots=True)
class Target:
    """The stream table as apply sees it.

    `key` holds positions of columns, or is None for row identity; `key_hashed`: it is found by its
    hash. `token` stands for the table's name in the generated SQL, `token`_partitioned for whether
    it is partitioned and `token`_afresh (`States.afresh`) for whether this text is run because
    another met a group that has to be aggregated afresh; both are known when the SQL is run.
    """

    token: str
    columns: tuple[OutputColumn, ...]
    key: tuple[int, ...] | None
    key_hashed: bool = False

    def names(self, alias: str = "") -> list[str]:
        prefix = f"{alias}." if alias else ""
        return [prefix + quote_identifier(column.name) for column in self.columns]

    def values(self, alias: str) -> list[str]:
        return [f"{alias}.v{i}" for i in range(1, len(self.columns) + 1)]

    def same_key(self, theirs: list[str]) -> str:
        """Condition that ``t``, a row of the table, has the key that is among the values given."""
        ours, key = self.names("t"), self.key or ()
        if not self.key_hashed:
            return " AND ".join(f"{ours[i]} = {theirs[i]}" for i in key)
        conditions = [f"{row_hash(self, ours, key)} = {row_hash(self, theirs, key)}"]
        conditions += [f"{ours[i]} IS NOT DISTINCT FROM {theirs[i]}" for i in key]
        return " AND ".join(conditions)

    def where_partitioned(self, condition: str) -> str:
        """A condition that holds of every row where the table is not partitioned.

        A row's place, its ctid, says which row only within one partition.
        """
        return f"(NOT {self.token}_partitioned OR {condition})"


def row_hash(target: Target, columns: list[str], of: tuple[int, ...] | None = None) -> str:
    """The hash that finds a row, or a key; the same expression as the runtime's index."""
    hashed = [
        target.columns[i].hashed.replace("%s", columns[i])
        for i in (range(len(columns)) if of is None else of)
    ]
    return f"hash_record_extended(ROW({', '.join(hashed)}), 0)"

"""From a query to a plan: the one entry point of compilation."""

from pgtrickle.compiler.compile import compile_query

__all__ = ["compile_query"]

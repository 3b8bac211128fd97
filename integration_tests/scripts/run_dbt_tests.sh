#!/usr/bin/env bash
# Runs the integration project as a user would, once with the package and once with the adapter.
#   run_dbt_tests.sh                on an embedded server of its own
#   PGHOST=... run_dbt_tests.sh     on a server of yours, by the usual PG* variables
#   DBT_TARGETS=package ...         with one of the two only
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=${DBT_BIN:-$project/../.venv/bin}
work=$(mktemp -d "${TMPDIR:-/tmp}/pgtrickle-integration-XXXXXX")
chmod 711 "$work"
trap 'cd /; [[ ! -d $work/server ]] || "$bin/pgtrickle" server stop "$work/server" >/dev/null; rm -rf "$work"' EXIT

if [[ -z ${PGHOST:-} ]]; then
  server=$work/server
  "$bin/pgtrickle" server start "$server"
  export PGHOST=$server/run PGPORT=5432 PGUSER=postgres PGPASSWORD=unused PGDATABASE=postgres
fi

dbt() { echo "+ dbt $*" >&2; "$bin/dbt" --quiet "$@" --profiles-dir "$PWD"; }
# Prints what each model's run said: "customer_totals: unchanged, refreshed 4 rows in 2 ms".
messages() {
  "$bin/python" -c 'import json
for r in json.load(open("target/run_results.json"))["results"]:
    print(r["unique_id"].split(".")[2] + ":", r["message"])'
}
says() {
  local found; found=$(messages)
  grep -q "^$1: $2" <<<"$found" || { printf 'expected "%s: %s", found:\n%s\n' "$1" "$2" "$found" >&2; exit 1; }
}

for target in ${DBT_TARGETS:-package adapter}; do
  export DBT_TARGET=$target DBT_SCHEMA=integration_$target
  echo "== $target"
  # A copy each: the adapter brings the package along, and needs no packages.yml.
  mkdir "$work/$target"
  (cd "$project" && tar -c --exclude dbt_packages --exclude target --exclude logs .) | tar -x -C "$work/$target"
  cd "$work/$target"
  if [[ $target == package ]]; then
    printf 'packages:\n  - local: "%s"\n' "$(dirname "$project")" >packages.yml
    dbt deps
    "$bin/pgtrickle" install --dsn ""
  else
    rm packages.yml
  fi

  dbt build;                                 says customer_totals created
  "$project/scripts/wait_for_populated.sh" "$DBT_SCHEMA.customer_totals" 10
  ! "$project/scripts/wait_for_populated.sh" no_such_table 0 2>/dev/null || exit 1
  dbt build --exclude-resource-type seed;    says customer_totals unchanged
  dbt run-operation change_orders
  dbt build --exclude-resource-type seed;    says customer_totals "unchanged, refreshed"
  dbt run --vars '{large: 30}';              says large_orders "altered query"
  dbt test
  dbt seed --full-refresh
  dbt build --exclude-resource-type seed
  dbt run --empty;                           says customer_totals kept
  dbt run --full-refresh;                    says customer_totals rebuilt
  dbt build --exclude-resource-type seed
  dbt docs generate

  dbt run-operation change_orders
  dbt run-operation refresh_all_stream_tables
  dbt run-operation pgtrickle_refresh --args '{model_name: large_orders}'
  dbt run-operation pgtrickle_verify --args '{model_name: large_orders}'
  dbt run-operation pgtrickle_explain --args '{model_name: customer_totals}'
  dbt run-operation pgtrickle_check_freshness
  dbt run-operation pgtrickle_pause --args '{model_name: customer_totals}'
  ! dbt test --select customer_totals,test_name:stream_table_healthy >/dev/null || exit 1
  dbt run-operation pgtrickle_resume --args '{model_name: customer_totals}'
  dbt test
  ! dbt run-operation pgtrickle_refresh --args '{model_name: no_such_model}' >/dev/null || exit 1
  dbt run-operation pgtrickle_check_cdc_health
  ! dbt run-operation pgtrickle_check_freshness --args '{warn_seconds: -2, error_seconds: -1}' >/dev/null || exit 1
  dbt run-operation pgtrickle_status
  dbt run-operation drop_all_stream_tables
  dbt run-operation expect --args "{query: 'select count(*) from pgtrickle.pgt_stream_tables where pgt_schema = ''$DBT_SCHEMA''', value: 0}"
done
echo "All passed."

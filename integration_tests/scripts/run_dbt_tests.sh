#!/usr/bin/env bash
# Runs the integration project as a user would, once with the package and once with the adapter.
#   run_dbt_tests.sh                on an embedded server of its own
#   PGHOST=... run_dbt_tests.sh     on a server of yours, by the usual PG* variables
#   run_dbt_tests.sh --docker       in a container with the extension pg_trickle, on port PGPORT
#       --skip-build                use the image PGTRICKLE_IMAGE as it is
#       --keep-container            leave the container running
#   DBT_TARGETS=package ...         with one of the two only
#   DBT_BIN=DIR ...                 with the dbt, pgtrickle and python in that directory
# Where the database has, or can have, the extension pg_trickle, that is the engine.
set -euo pipefail

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(dirname "$scripts")
bin=${DBT_BIN:-$project/../.venv/bin}
image=${PGTRICKLE_IMAGE:-dbt-pgtrickle-native}
docker="" build=yes keep=""
for option; do
  case $option in
    --docker) docker=yes ;;
    --skip-build) build="" docker=yes ;;
    --keep-container) keep=yes docker=yes ;;
    -h | --help) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "run_dbt_tests.sh: unknown option $option; --help lists them" >&2; exit 2 ;;
  esac
done

work=$(mktemp -d "${TMPDIR:-/tmp}/pgtrickle-integration-XXXXXX")
chmod 711 "$work"
container=""
clean_up() {
  cd /
  [[ ! -d $work/server ]] || "$bin/pgtrickle" server stop "$work/server" >/dev/null
  [[ -z $container || -n $keep ]] || docker rm --force "$container" >/dev/null
  rm -rf "$work"
}
trap clean_up EXIT

if [[ -n $docker ]]; then
  export PGHOST=localhost PGPORT=${PGPORT:-15432} PGUSER=postgres PGPASSWORD=postgres PGDATABASE=postgres
  [[ -z $build ]] || docker build --tag "$image" "$project/docker"
  container=$(docker run --detach --env POSTGRES_PASSWORD="$PGPASSWORD" --publish "$PGPORT:5432" "$image")
  [[ -z $keep ]] || echo "container $container stays, on port $PGPORT"
elif [[ -z ${PGHOST:-} ]]; then
  server=$work/server
  "$bin/pgtrickle" server start "$server"
  export PGHOST=$server/run PGPORT=5432 PGUSER=postgres PGPASSWORD=unused PGDATABASE=postgres
fi

# Prepares the database and prints which engine answers there.
prepare() {
  "$bin/python" - <<'PYTHON'
import time

import psycopg

end = time.monotonic() + 60
while True:
    try:
        connection = psycopg.connect("", autocommit=True)
        break
    except psycopg.OperationalError:
        if time.monotonic() > end:
            raise
        time.sleep(0.5)
there = "select from pg_extension where extname = 'pg_trickle'"
possible = "select from pg_available_extensions where name = 'pg_trickle'"
if not connection.execute(there).fetchall() and connection.execute(possible).fetchall():
    connection.execute("create extension pg_trickle")
print("native" if connection.execute(there).fetchall() else "portable")
PYTHON
}
engine=$(prepare)
targets=${DBT_TARGETS:-package adapter}
if [[ $engine == native ]]; then
  export LARGE_ORDERS=large_orders  # the extension takes plain names only
fi

dbt() { echo "+ dbt $*" >&2; "$bin/dbt" --quiet "$@" --profiles-dir "$PWD"; }
operation() { dbt run-operation "$1" ${2:+--args "$2"}; }
fails() { if "$@" >/dev/null; then echo "expected to fail: $*" >&2; exit 1; fi; }
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

lifecycle() {
  dbt build;                                 says customer_totals created
  "$scripts/wait_for_populated.sh" "$DBT_SCHEMA.customer_totals" 10
  fails "$scripts/wait_for_populated.sh" no_such_table 0 2>/dev/null
  dbt build --exclude-resource-type seed;    says customer_totals unchanged
  operation change_orders
  dbt build --exclude-resource-type seed;    says customer_totals "unchanged, refreshed"
  dbt run --vars '{large: 30, every: 7m}';   says large_orders "altered query"
                                             says customer_totals "altered schedule 5m to 7m"
  dbt test
  dbt seed --full-refresh
  dbt build --exclude-resource-type seed
  dbt run --empty;                           says customer_totals kept
  dbt run --full-refresh;                    says customer_totals rebuilt
  dbt run --select customer_totals --vars '{as: view}'
  dbt run --select customer_totals;          says customer_totals "created in place of a view"
  dbt build --exclude-resource-type seed
  dbt show --select customer_totals >/dev/null
  dbt docs generate >/dev/null
  [[ $(dbt ls --resource-type model --select config.materialized:stream_table | wc -l) -eq 4 ]]
}

operations() {
  operation change_orders
  operation refresh_all_stream_tables
  operation pgtrickle_refresh '{model_name: large_orders}'
  operation pgtrickle_explain '{model_name: customer_totals}'
  operation pgtrickle_check_freshness
  operation pgtrickle_pause '{model_name: customer_totals}'
  fails dbt test --select customer_totals,test_name:stream_table_healthy
  operation pgtrickle_resume '{model_name: customer_totals}'
  dbt test
  operation pgtrickle_check_cdc_health
  operation pgtrickle_status
  fails operation pgtrickle_refresh '{model_name: no_such_model}'
  fails operation pgtrickle_check_freshness '{warn_seconds: -2, error_seconds: -1}'
}

portable_alone() {
  operation pgtrickle_verify '{model_name: large_orders}'
  operation add_month '{model_name: orders_by_day, from_value: 2024-01-01, to_value: 2024-02-01}'
  dbt build --exclude-resource-type seed
}

for target in $targets; do
  export DBT_TARGET=$target DBT_SCHEMA=integration_$target
  echo "== $target on the $engine engine"
  # A copy each: the adapter brings the package along, and needs no packages.yml.
  mkdir "$work/$target"
  (cd "$project" && tar -c --exclude dbt_packages --exclude target --exclude logs .) | tar -x -C "$work/$target"
  cd "$work/$target"
  if [[ $target == package ]]; then
    printf 'packages:\n  - local: "%s"\n' "$(dirname "$project")" >packages.yml
    dbt deps
    [[ $engine == native ]] || "$bin/pgtrickle" install --dsn ""
  else
    rm packages.yml
  fi
  lifecycle
  [[ $engine == native ]] || portable_alone
  operations
  operation drop_all_stream_tables
  operation expect "{query: 'select count(*) from pgtrickle.pgt_stream_tables where pgt_schema = ''$DBT_SCHEMA''', value: 0}"
done
echo "All passed."

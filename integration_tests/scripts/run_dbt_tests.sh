#!/usr/bin/env bash
# Runs the integration project as a user would: with the package, with the adapter, and with both.
#   run_dbt_tests.sh                on an embedded server of its own
#   PGHOST=... run_dbt_tests.sh     on a server of yours, by the usual PG* variables
#   run_dbt_tests.sh --docker       in a container with the extension pg_trickle, on port PGPORT
#       --skip-build                use the image PGTRICKLE_IMAGE as it is
#       --keep-container            leave the container running
#   DBT_TARGETS="package both" ...  with these only
#   DBT_BIN=DIR ...                 with the dbt, pgtrickle and python in that directory
# Where the database has, or can have, the extension pg_trickle, that is the engine.
set -euo pipefail

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(dirname "$scripts")
bin=${DBT_BIN:-$project/../.venv/bin}
image=${PGTRICKLE_IMAGE:-dbt-pgtrickle-native}
docker="" build=yes keep="" is_ours=yes
for option; do
  case $option in
    --docker) docker=yes ;;
    --skip-build) build="" docker=yes ;;
    --keep-container) keep=yes docker=yes ;;
    -h | --help) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "run_dbt_tests.sh: unknown option $option; --help lists them" >&2; exit 2 ;;
  esac
done
for program in dbt pgtrickle python; do
  [[ -x $bin/$program ]] || { echo "run_dbt_tests.sh: there is no $program in $bin: \`make test-dbt\` prepares that, DBT_BIN names another directory" >&2; exit 2; }
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
  docker info >/dev/null 2>&1 || { echo "run_dbt_tests.sh: --docker needs a running Docker daemon, and \`docker info\` finds none" >&2; exit 2; }
  export PGHOST=localhost PGPORT=${PGPORT:-15432} PGUSER=postgres PGPASSWORD=postgres PGDATABASE=postgres
  [[ -z $build ]] || docker build --tag "$image" "$project/docker"
  container=$(docker run --detach --env POSTGRES_PASSWORD="$PGPASSWORD" --publish "$PGPORT:5432" "$image")
  [[ -z $keep ]] || echo "container $container stays, on port $PGPORT"
elif [[ -z ${PGHOST:-} ]]; then
  server=$work/server
  "$bin/pgtrickle" server start "$server"
  export PGHOST=$server/run PGPORT=5432 PGUSER=postgres PGPASSWORD=unused PGDATABASE=postgres
else
  is_ours=""  # and what else is there is not for us to drop
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
targets=${DBT_TARGETS:-package adapter both}
if [[ $engine == native ]]; then
  export LARGE_ORDERS=large_orders  # the extension takes plain names only
fi

loud() { echo "+ dbt $*" >&2; "$bin/dbt" "$@" --profiles-dir "$PWD"; }
dbt() { loud --quiet "$@"; }
# Leaves target/run_results.json to the runs, for messages and `dbt retry`.
operation() { dbt --no-write-json run-operation "$1" ${2:+--args "$2"}; }
fails() { if "$@" >/dev/null; then echo "expected to fail: $*" >&2; exit 1; fi; }
# Runs a command, which has to print something like the pattern.
prints() {
  local pattern=$1 printed; shift
  printed=$("$@")
  grep -q -- "$pattern" <<<"$printed" || { printf 'expected "%s", found:\n%s\n' "$pattern" "$printed" >&2; exit 1; }
}
# What each model's run said: "customer_totals: unchanged, refreshed 4 rows in 2 ms".
messages() {
  "$bin/python" -c 'import json
for r in json.load(open("target/run_results.json"))["results"]:
    print(r["unique_id"].split(".")[2] + ":", r["message"])'
}
says() { prints "^$1: $2" messages; }
expect() { operation expect "{query: \"$1\", value: $2}"; }
# In the schema of another environment.
in_ci() { DBT_SCHEMA=${DBT_SCHEMA}_ci "$@"; }
is_dbt() { "$bin/python" -c 'import sys, dbt.version
sys.exit(tuple(map(int, dbt.version.__version__.split(".")[:2])) < tuple(map(int, sys.argv[1].split("."))))' "$1"; }

lifecycle() {
  dbt build --threads 8;                     says customer_totals created
                                             says not_yet "created, not populated"
  "$scripts/wait_for_populated.sh" "$DBT_SCHEMA.customer_totals" 10
  fails "$scripts/wait_for_populated.sh" "$DBT_SCHEMA.not_yet" 0 2>/dev/null
  operation pgtrickle_refresh '{model_name: not_yet}'
  "$scripts/wait_for_populated.sh" "$DBT_SCHEMA.not_yet" 10
  dbt build --exclude-resource-type seed;    says customer_totals unchanged
                                             says not_yet '\(unchanged\|altered\)'
  operation change_orders
  dbt build --exclude-resource-type seed;    says customer_totals "unchanged, refreshed"
  expect "select count(distinct country) < count(*) from $DBT_SCHEMA.country_history" True
  dbt run --vars '{large: 30, every: 7m}';   says large_orders "altered query"
                                             says customer_totals "altered schedule 5m to 7m"
  dbt test
  dbt seed --full-refresh
  dbt build --exclude-resource-type seed
  dbt run --empty;                           says customer_totals kept
  dbt run --full-refresh;                    says customer_totals rebuilt
  for kind in view table; do
    dbt run --select customer_totals --vars "{as: $kind}"
    dbt run --select customer_totals;        says customer_totals "created in place of a $kind"
  done
  dbt build --exclude-resource-type seed
}

configuration() {
  fails dbt run --select every_option --vars '{mode: SOMETIMES}'
  dbt run --select every_option --vars '{cron: "@hourly", on_change: continue}';  says every_option unchanged
  fails dbt run --select every_option --vars '{cron: "@hourly", on_change: fail}'
  dbt run --select every_option --vars '{cron: "@hourly"}';   says every_option "altered schedule"
  dbt run --select every_option --vars '{status: PAUSED}';    says every_option "altered .*status ACTIVE to SUSPENDED"
  dbt run --select every_option --vars '{status: ACTIVE}';    says every_option "altered status SUSPENDED to ACTIVE"
  expect "select has_table_privilege('pg_read_all_data', '$DBT_SCHEMA.every_option', 'select')" True
  expect "select count(*) from ${DBT_SCHEMA}_marts.orders_with_names" "$(rows_of_orders)"
}
rows_of_orders() { "$bin/python" -c 'import psycopg, sys
print(psycopg.connect("").execute(f"select count(*) from {sys.argv[1]}.orders").fetchone()[0])' "$DBT_SCHEMA"; }

commands() {
  prints Grace loud show --select customer_totals
  dbt docs generate >/dev/null
  [[ $(dbt ls --resource-type model --select config.materialized:stream_table | wc -l) -eq 8 ]]
  prints '"msg".*customer_totals.*unchanged' loud --log-format json run --select customer_totals
  dbt test --select test_type:unit
  # A run that fails, and what is left of it.
  fails dbt run --select customer_totals every_option --vars '{table_for_hook: later}'
  operation execute "{sql: 'create table $DBT_SCHEMA.later ()'}"
  dbt retry;                                 says every_option unchanged
  # Another environment, beside this one.
  dbt parse
  mkdir -p state && cp target/manifest.json state
  # To the package alone the columns that the extension keeps for itself break a contract.
  local contracted=customer_totals
  [[ $engine-$DBT_TARGET != native-package ]] || contracted=""
  in_ci dbt clone --state state --select orders customers country_totals $contracted
  in_ci dbt run --select country_totals --defer --state state;  says country_totals "created in place of a view"
  if is_dbt 1.10; then
    dbt run --sample "2 days"
    dbt test --select test_name:stream_table_exact
  fi
  # Its tables as sources of another project.
  if [[ $DBT_TARGET != package ]]; then
    grep -v loaded_at_query freshness/upstream.yml >models/upstream.yml
    dbt source freshness
  elif is_dbt 1.10; then
    cp freshness/upstream.yml models
    dbt source freshness
  fi
}

operations() {
  operation change_orders
  operation refresh_all_stream_tables
  operation pgtrickle_refresh '{model_name: large_orders}'
  operation pgtrickle_explain '{model_name: customer_totals}'
  operation pgtrickle_check_freshness
  operation pgtrickle_check_freshness '{model_name: named_orders, warn_seconds: 60, error_seconds: 600}'
  operation pgtrickle_pause '{model_name: customer_totals}'
  fails dbt test --select customer_totals,test_name:stream_table_healthy
  operation pgtrickle_resume '{model_name: customer_totals}'
  dbt test
  operation pgtrickle_check_cdc_health
  prints customer_totals loud run-operation pgtrickle_status
  operation pgtrickle_refresh '{model_name: customer_totals}'  # on a slow machine it may be stale by now
  prints "$engine engine [0-9]" loud run-operation tell --args '{model_name: customer_totals}'
  prints "customer_totals\" is healthy" loud run-operation tell --args '{model_name: customer_totals}'
  fails operation pgtrickle_refresh '{model_name: no_such_model}'
  fails operation pgtrickle_check_freshness '{warn_seconds: -2, error_seconds: -1}'
}

portable_alone() {
  operation pgtrickle_verify '{model_name: large_orders}'
  fails operation pgtrickle_reset_fuse '{model_name: every_option}'  # it is not blown
  operation change_orders
  operation pgtrickle_verify '{model_name: live_totals}'  # maintained in the writer's transaction
  operation add_month '{model_name: orders_by_day, from_value: 2024-01-01, to_value: 2024-02-01}'
  dbt build --exclude-resource-type seed
}

# A model that leaves the project leaves its table; what drops one drops no more.
dropping() {
  local ours="pgt_schema in ('$DBT_SCHEMA', '${DBT_SCHEMA}_marts', '${DBT_SCHEMA}_ci')"
  rm models/live_totals.*
  dbt run
  operation drop_all_stream_tables
  # What another environment's table reads was dropped plainly: the engine forgets it at its next call.
  expect "select string_agg(pgt_name, ' ' order by pgt_name) from pgtrickle.pgt_stream_tables join pg_class c on c.oid = pgt_relid where $ours" "country_totals live_totals"
  if [[ -n $is_ours ]]; then
    operation drop_all_stream_tables_force
    expect "select count(*) from pgtrickle.pgt_stream_tables" 0
  fi
  operation execute "{sql: 'drop schema $DBT_SCHEMA, ${DBT_SCHEMA}_marts, ${DBT_SCHEMA}_ci cascade'}"
}

for target in $targets; do
  export DBT_TARGET=$target DBT_SCHEMA=integration_$target
  echo "== $target on the $engine engine"
  # A copy each: the adapter brings the package along, and needs no packages.yml.
  mkdir "$work/$target"
  (cd "$project" && tar -c --exclude dbt_packages --exclude target --exclude logs .) | tar -x -C "$work/$target"
  cd "$work/$target"
  if [[ $target == adapter ]]; then
    rm packages.yml
  else
    printf 'packages:\n  - local: "%s"\n' "$(dirname "$project")" >packages.yml
    dbt deps
  fi
  [[ $target != package || $engine == native ]] || "$bin/pgtrickle" install --dsn ""
  lifecycle
  configuration
  [[ $engine == native ]] || portable_alone
  commands
  operations
  dropping
done
echo "All passed."

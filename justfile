# The integration project, for those who use just; make has everything else.

# Run the integration project on an embedded server, with package and adapter; takes run_dbt_tests.sh's options.
test-dbt *options:
    integration_tests/scripts/run_dbt_tests.sh {{options}}

# The same with the package alone.
test-dbt-fast *options:
    DBT_TARGETS=package integration_tests/scripts/run_dbt_tests.sh {{options}}

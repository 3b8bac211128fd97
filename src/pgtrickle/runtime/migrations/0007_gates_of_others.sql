-- A gate's OID and name had to be of a source that its writer may write: one of the two, that is.

alter policy writers_decide on pgtrickle.pgt_source_gates
    using (coalesce(
        has_table_privilege(source_relid, 'INSERT, UPDATE, DELETE, TRUNCATE')
            and has_table_privilege(to_regclass(format('%I.%I', source_schema, source_name)), 'INSERT, UPDATE, DELETE, TRUNCATE'),
        has_table_privilege(source_relid, 'INSERT, UPDATE, DELETE, TRUNCATE'),
        has_table_privilege(to_regclass(format('%I.%I', source_schema, source_name)), 'INSERT, UPDATE, DELETE, TRUNCATE')))
    with check (coalesce(
        has_table_privilege(source_relid, 'INSERT, UPDATE, DELETE, TRUNCATE')
            and has_table_privilege(to_regclass(format('%I.%I', source_schema, source_name)), 'INSERT, UPDATE, DELETE, TRUNCATE'),
        has_table_privilege(source_relid, 'INSERT, UPDATE, DELETE, TRUNCATE'),
        has_table_privilege(to_regclass(format('%I.%I', source_schema, source_name)), 'INSERT, UPDATE, DELETE, TRUNCATE')));

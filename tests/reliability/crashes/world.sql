-- Sources large enough that what is killed has something to do.
create table account (id integer primary key, region text not null, balance numeric(12,2));
create table entry (id integer primary key, account integer, amount numeric);
insert into account select n, 'r' || n % 7, n from generate_series(1, 3000) n;
insert into entry select n, n % 3000 + 1, n % 100 from generate_series(1, 20000) n;
insert into pgtrickle.settings values ('unused_capture_seconds', '0', 's', '')
on conflict (name) do update set value = excluded.value;

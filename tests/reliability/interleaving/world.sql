-- What the interleavings play on: a partitioned table and a plain one, a stream table that joins
-- both, one that reads that, and an IMMEDIATE one. Engine functions create the stream tables.
create table account (
    id integer,
    region text not null,
    balance numeric(12,2),
    primary key (id, region)
) partition by list (region);
create table account_north partition of account for values in ('north');
create table account_south partition of account for values in ('south');
create table account_west (id integer not null, region text not null, balance numeric(12,2));
create table entry (id integer primary key, account integer, amount numeric);
insert into account values (1, 'north', 10), (2, 'north', 20), (3, 'south', 30), (4, 'south', 40);
insert into account_west values (5, 'west', 50), (6, 'west', 60);
insert into entry select n, n % 6 + 1, n from generate_series(1, 12) n;

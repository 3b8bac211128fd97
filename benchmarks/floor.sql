-- The floor: for each of the ten queries, what somebody who knows the query and the data would
-- write by hand to bring a table up to date. `changes` has the columns of orders and weight, -1 for
-- a row that was and +1 for one that is; each order changes at most once between two applications.
-- Tables are floor_<number>, made as the query says unless a statement `<number> state` stands here.

-- 1
merge into floor_1 t using (
    select id,
        max(customer_id) filter (where weight = 1) as customer_id,
        max(amount) filter (where weight = 1) as amount
    from changes
    group by id
) d on t.id = d.id
when matched and d.customer_id is null then delete
when matched then update set customer_id = d.customer_id, amount = d.amount
when not matched and d.customer_id is not null then insert values (d.id, d.customer_id, d.amount);

-- 2
merge into floor_2 t using (
    select id, max(amount) filter (where weight = 1 and quantity > 3) as amount
    from changes
    group by id
) d on t.id = d.id
when matched and d.amount is null then delete
when matched then update set amount = d.amount
when not matched and d.amount is not null then insert values (d.id, d.amount);

-- 3
merge into floor_3 t using (
    select channel, sum(weight * amount) as s, sum(weight) as n
    from changes
    group by channel
) d on t.channel = d.channel
when matched and t.n + d.n = 0 then delete
when matched then update set s = t.s + d.s, n = t.n + d.n
when not matched then insert values (d.channel, d.s, d.n);

-- 4
merge into floor_4 t using (
    select customer_id, sum(weight * amount) as s, sum(weight) as n
    from changes
    group by customer_id
) d on t.customer_id = d.customer_id
when matched and t.n + d.n = 0 then delete
when matched then update set s = t.s + d.s, n = t.n + d.n
when not matched then insert values (d.customer_id, d.s, d.n);

-- 5
merge into floor_5 t using (
    select o.id, c.name, o.amount
    from (
        select id,
            max(customer_id) filter (where weight = 1) as customer_id,
            max(amount) filter (where weight = 1) as amount
        from changes
        group by id
    ) o
    left join customers c on c.id = o.customer_id
) d on t.id = d.id
when matched and d.name is null then delete
when matched then update set name = d.name, amount = d.amount
when not matched and d.name is not null then insert values (d.id, d.name, d.amount);

-- 6 state
create table floor_6 as
select c.region, sum(o.amount) as s, avg(o.quantity) as a, sum(o.quantity) as q, count(*) as n
from orders o join customers c on c.id = o.customer_id
group by c.region;

-- 6
merge into floor_6 t using (
    select c.region, sum(o.weight * o.amount) as s, sum(o.weight * o.quantity) as q, sum(o.weight) as n
    from changes o
    join customers c on c.id = o.customer_id
    group by c.region
) d on t.region = d.region
when matched and t.n + d.n = 0 then delete
when matched then
    update set s = t.s + d.s, a = (t.q + d.q)::numeric / (t.n + d.n), q = t.q + d.q, n = t.n + d.n
when not matched then insert values (d.region, d.s, d.q::numeric / d.n, d.q, d.n);

-- 7 state
create table floor_7_values as
select customer_id, quantity, count(*) as n
from orders
group by customer_id, quantity;
create unique index on floor_7_values (customer_id, quantity);
create table floor_7 as
select customer_id, count(*) as n
from floor_7_values
group by customer_id;

-- 7
with of_value as (
    merge into floor_7_values t using (
        select customer_id, quantity, sum(weight) as n
        from changes
        group by customer_id, quantity
        having sum(weight) <> 0
    ) d on t.customer_id = d.customer_id and t.quantity = d.quantity
    when matched and t.n + d.n = 0 then delete
    when matched then update set n = t.n + d.n
    when not matched then insert values (d.customer_id, d.quantity, d.n)
    returning merge_action() as action, t.customer_id
)
merge into floor_7 t using (
    select customer_id, count(*) filter (where action = 'INSERT') - count(*) filter (where action = 'DELETE') as n
    from of_value
    group by customer_id
) d on t.customer_id = d.customer_id
when matched and t.n + d.n = 0 then delete
when matched and d.n <> 0 then update set n = t.n + d.n
when not matched and d.n > 0 then insert values (d.customer_id, d.n);

-- 8
merge into floor_8 t using (
    with touched as (
        select customer_id,
            min(amount) filter (where weight = 1) as lo, max(amount) filter (where weight = 1) as hi,
            min(amount) filter (where weight = -1) as lost_lo, max(amount) filter (where weight = -1) as lost_hi
        from changes
        group by customer_id
    )
    select u.customer_id,
        case when again.needed then fresh.lo else least(t.lo, u.lo) end as lo,
        case when again.needed then fresh.hi else greatest(t.hi, u.hi) end as hi
    from touched u
    left join floor_8 t on t.customer_id = u.customer_id
    cross join lateral (
        select coalesce(u.lost_lo <= t.lo and (u.lo is null or u.lo > t.lo), false)
            or coalesce(u.lost_hi >= t.hi and (u.hi is null or u.hi < t.hi), false) as needed
    ) again
    left join lateral (
        select min(o.amount) as lo, max(o.amount) as hi
        from orders o
        where o.customer_id = u.customer_id
          and again.needed
    ) fresh on true
) d on t.customer_id = d.customer_id
when matched and d.lo is null then delete
when matched and (t.lo, t.hi) is distinct from (d.lo, d.hi) then update set lo = d.lo, hi = d.hi
when not matched and d.lo is not null then insert values (d.customer_id, d.lo, d.hi);

-- 9
with touched as (
    select distinct customer_id from changes
),
fresh as (
    select f.id, f.customer_id, f.amount
    from touched u
    cross join lateral (
        select o.id, o.customer_id, o.amount
        from orders o
        where o.customer_id = u.customer_id
        order by o.amount desc, o.id
        limit 3
    ) f
),
gone as (
    delete from floor_9 t
    using touched u
    where t.customer_id = u.customer_id
      and not exists (select from fresh f where f.id = t.id and f.customer_id = t.customer_id and f.amount = t.amount)
)
insert into floor_9
select f.id, f.customer_id, f.amount
from fresh f
where not exists (select from floor_9 t where t.id = f.id and t.customer_id = f.customer_id and t.amount = f.amount);

-- 10
update floor_10 t
set n = t.n + d.n,
    s = case when t.n + d.n > 0 then coalesce(t.s, 0) + d.s end
from (
    select customer_id, sum(weight) as n, sum(weight * amount) as s
    from changes
    where quantity > 2
    group by customer_id
) d
where t.id = d.customer_id;

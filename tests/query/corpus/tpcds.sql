-- q1
with customer_total_return as (
  select sr_customer_sk as ctr_customer_sk, sr_store_sk as ctr_store_sk,
    sum(sr_return_amt) as ctr_total_return
  from store_returns, date_dim
  where sr_returned_date_sk = d_date_sk and d_year = 2000
  group by sr_customer_sk, sr_store_sk)
select c_customer_id
from customer_total_return ctr1, store, customer
where ctr1.ctr_total_return > (
    select avg(ctr_total_return) * 1.2 from customer_total_return ctr2
    where ctr1.ctr_store_sk = ctr2.ctr_store_sk)
  and s_store_sk = ctr1.ctr_store_sk and s_state = 'TN'
  and ctr1.ctr_customer_sk = c_customer_sk
order by c_customer_id limit 100

-- q2
with wscs as (
  select sold_date_sk, sales_price
  from (
    select ws_sold_date_sk sold_date_sk, ws_ext_sales_price sales_price from web_sales
    union all
    select cs_sold_date_sk sold_date_sk, cs_ext_sales_price sales_price from catalog_sales) as x),
wswscs as (
  select d_week_seq,
    sum(case when (d_day_name = 'Sunday') then sales_price else null end) sun_sales,
    sum(case when (d_day_name = 'Monday') then sales_price else null end) mon_sales
  from wscs, date_dim where d_date_sk = sold_date_sk group by d_week_seq)
select d_week_seq1, round(sun_sales1 / sun_sales2, 2) as sun, round(mon_sales1 / mon_sales2, 2) as mon
from (
  select wswscs.d_week_seq d_week_seq1, sun_sales sun_sales1, mon_sales mon_sales1
  from wswscs, date_dim where date_dim.d_week_seq = wswscs.d_week_seq and d_year = 2001) y,
  (select wswscs.d_week_seq d_week_seq2, sun_sales sun_sales2, mon_sales mon_sales2
  from wswscs, date_dim where date_dim.d_week_seq = wswscs.d_week_seq and d_year = 2001 + 1) z
where d_week_seq1 = d_week_seq2 - 53
order by d_week_seq1

-- q3
select dt.d_year, item.i_brand_id brand_id, item.i_brand brand, sum(ss_ext_sales_price) sum_agg
from date_dim dt, store_sales, item
where dt.d_date_sk = store_sales.ss_sold_date_sk and store_sales.ss_item_sk = item.i_item_sk
  and item.i_manufact_id = 128 and dt.d_moy = 11
group by dt.d_year, item.i_brand, item.i_brand_id
order by dt.d_year, sum_agg desc, brand_id limit 100

-- q5, its rollup over a union of channels
with ssr as (
  select s_store_id, sum(sales_price) as sales, sum(return_amt) as returns
  from (
    select ss_store_sk as store_sk, ss_sold_date_sk as date_sk, ss_ext_sales_price as sales_price,
      cast(0 as decimal(7,2)) as return_amt from store_sales
    union all
    select sr_store_sk, sr_returned_date_sk, cast(0 as decimal(7,2)), sr_return_amt
    from store_returns) salesreturns, date_dim, store
  where date_sk = d_date_sk and d_date between cast('2000-08-23' as date)
    and (cast('2000-08-23' as date) + 14) and store_sk = s_store_sk
  group by s_store_id)
select channel, id, sum(sales) as sales, sum(returns) as returns
from (
  select 'store channel' as channel, 'store' || s_store_id as id, sales, returns from ssr
  union all
  select 'catalog channel', 'x', sales, (returns - 1) from ssr) x
group by rollup (channel, id)
order by channel, id limit 100

-- q10, or of exists
select cd_gender, count(*) cnt1
from customer c, customer_address ca, customer_demographics
where c.c_current_addr_sk = ca.ca_address_sk and ca_county in ('Rush County', 'Toole County')
  and cd_demo_sk = c.c_current_cdemo_sk
  and exists (
    select * from store_sales, date_dim
    where c.c_customer_sk = ss_customer_sk and ss_sold_date_sk = d_date_sk and d_year = 2002)
  and (exists (
      select * from web_sales, date_dim
      where c.c_customer_sk = ws_bill_customer_sk and ws_sold_date_sk = d_date_sk)
    or exists (
      select * from catalog_sales, date_dim
      where c.c_customer_sk = cs_bill_customer_sk and cs_sold_date_sk = d_date_sk))
group by cd_gender

-- q12, a window over an aggregate
select i_item_id, i_item_desc, i_category, sum(ws_ext_sales_price) as itemrevenue,
  sum(ws_ext_sales_price) * 100 / sum(sum(ws_ext_sales_price)) over (partition by i_class)
    as revenueratio
from web_sales, item, date_dim
where ws_item_sk = i_item_sk and i_category in ('Sports', 'Books', 'Home')
  and ws_sold_date_sk = d_date_sk
  and d_date between cast('1999-02-22' as date) and (cast('1999-02-22' as date) + 30)
group by i_item_id, i_item_desc, i_category, i_class, i_current_price
order by i_category, i_class, i_item_id, i_item_desc, revenueratio limit 100

-- q14, intersect and several CTEs
with cross_items as (
  select i_item_sk ss_item_sk
  from item, (
    select iss.i_brand_id brand_id, iss.i_class_id class_id
    from store_sales, item iss where ss_item_sk = iss.i_item_sk
    intersect
    select ics.i_brand_id, ics.i_class_id from catalog_sales, item ics where cs_item_sk = ics.i_item_sk
    intersect
    select iws.i_brand_id, iws.i_class_id from web_sales, item iws where ws_item_sk = iws.i_item_sk) x
  where i_brand_id = brand_id and i_class_id = class_id),
avg_sales as (
  select avg(quantity * list_price) average_sales
  from (
    select ss_quantity quantity, ss_list_price list_price from store_sales
    union all
    select cs_quantity quantity, cs_list_price list_price from catalog_sales) x)
select i_brand_id, sum(sales) as sales, sum(number_sales) as number_sales
from (
  select i_brand_id, sum(ss_quantity * ss_list_price) sales, count(*) number_sales
  from store_sales, item
  where ss_item_sk in (select ss_item_sk from cross_items) and ss_item_sk = i_item_sk
  group by i_brand_id
  having sum(ss_quantity * ss_list_price) > (select average_sales from avg_sales)) y
group by rollup (i_brand_id)

-- q16
select count(distinct cs_order_number) as "order count", sum(cs_ext_ship_cost) as "total shipping cost"
from catalog_sales cs1, date_dim, customer_address
where d_date between '2002-2-01' and (cast('2002-2-01' as date) + 60)
  and cs1.cs_ship_date_sk = d_date_sk and cs1.cs_ship_addr_sk = ca_address_sk
  and exists (
    select * from catalog_sales cs2
    where cs1.cs_order_number = cs2.cs_order_number and cs1.cs_warehouse_sk <> cs2.cs_warehouse_sk)
  and not exists (select * from catalog_returns cr1 where cs1.cs_order_number = cr1.cr_order_number)
order by count(distinct cs_order_number)

-- q22
select i_product_name, i_brand, i_class, i_category, avg(ss_quantity) qoh
from store_sales, date_dim, item
where ss_sold_date_sk = d_date_sk and ss_item_sk = i_item_sk and d_month_seq between 1200 and 1211
group by rollup (i_product_name, i_brand, i_class, i_category)
order by qoh, i_product_name, i_brand, i_class, i_category limit 100

-- q27
select i_item_id, s_state, grouping(s_state) g_state, avg(ss_quantity) agg1
from store_sales, customer_demographics, date_dim, store, item
where ss_sold_date_sk = d_date_sk and ss_item_sk = i_item_sk and ss_store_sk = s_store_sk
  and ss_cdemo_sk = cd_demo_sk and s_state in ('TN', 'TN')
group by rollup (i_item_id, s_state)
order by i_item_id, s_state limit 100

-- q36, a window over a grouping
select sum(ss_net_profit) / sum(ss_ext_sales_price) as gross_margin, i_category, i_class,
  grouping(i_category) + grouping(i_class) as lochierarchy,
  rank() over (
    partition by grouping(i_category) + grouping(i_class),
      case when grouping(i_class) = 0 then i_category end
    order by sum(ss_net_profit) / sum(ss_ext_sales_price) asc) as rank_within_parent
from store_sales, item
where i_item_sk = ss_item_sk
group by rollup (i_category, i_class)
order by lochierarchy desc, case when grouping(i_category) + grouping(i_class) = 0 then i_category end,
  rank_within_parent limit 100

-- q38
select count(*) from (
  select distinct c_last_name, c_first_name, d_date from store_sales, date_dim, customer
  where store_sales.ss_sold_date_sk = date_dim.d_date_sk
    and store_sales.ss_customer_sk = customer.c_customer_sk
  intersect
  select distinct c_last_name, c_first_name, d_date from web_sales, date_dim, customer
  where web_sales.ws_sold_date_sk = date_dim.d_date_sk
    and web_sales.ws_bill_customer_sk = customer.c_customer_sk) hot_cust
limit 100

-- q44
select asceding.rnk, i1.i_product_name best_performing, i2.i_product_name worst_performing
from (
  select * from (
    select item_sk, rank() over (order by rank_col asc) rnk
    from (
      select ss_item_sk item_sk, avg(ss_net_profit) rank_col from store_sales ss1
      where ss_store_sk = 4 group by ss_item_sk
      having avg(ss_net_profit) > 0.9 * (
        select avg(ss_net_profit) rank_col from store_sales
        where ss_store_sk = 4 and ss_addr_sk is null group by ss_store_sk)) v1) v11
  where rnk < 11) asceding,
  (select * from (
    select item_sk, rank() over (order by rank_col desc) rnk
    from (
      select ss_item_sk item_sk, avg(ss_net_profit) rank_col from store_sales
      group by ss_item_sk) v2) v21
  where rnk < 11) descending, item i1, item i2
where asceding.rnk = descending.rnk and i1.i_item_sk = asceding.item_sk
  and i2.i_item_sk = descending.item_sk
order by asceding.rnk limit 100

-- q47
with v1 as (
  select i_category, i_brand, s_store_name, d_year, d_moy, sum(ss_sales_price) sum_sales,
    avg(sum(ss_sales_price)) over (partition by i_category, i_brand, s_store_name, d_year)
      avg_monthly_sales,
    rank() over (partition by i_category, i_brand, s_store_name order by d_year, d_moy) rn
  from item, store_sales, date_dim, store
  where ss_item_sk = i_item_sk and ss_sold_date_sk = d_date_sk and ss_store_sk = s_store_sk
  group by i_category, i_brand, s_store_name, d_year, d_moy),
v2 as (
  select v1.i_category, v1.d_year, v1.avg_monthly_sales, v1.sum_sales, v1_lag.sum_sales psum
  from v1, v1 v1_lag
  where v1.i_category = v1_lag.i_category and v1.i_brand = v1_lag.i_brand
    and v1.rn = v1_lag.rn + 1)
select * from v2
where d_year = 1999 and avg_monthly_sales > 0
  and case when avg_monthly_sales > 0 then abs(sum_sales - avg_monthly_sales) / avg_monthly_sales
    else null end > 0.1
order by sum_sales - avg_monthly_sales, 3 limit 100

-- q51, full join of windows
with web_v1 as (
  select ws_item_sk item_sk, d_date,
    sum(sum(ws_sales_price)) over (
      partition by ws_item_sk order by d_date
      rows between unbounded preceding and current row) cume_sales
  from web_sales, date_dim where ws_sold_date_sk = d_date_sk and ws_item_sk is not null
  group by ws_item_sk, d_date),
store_v1 as (
  select ss_item_sk item_sk, d_date,
    sum(sum(ss_sales_price)) over (
      partition by ss_item_sk order by d_date
      rows between unbounded preceding and current row) cume_sales
  from store_sales, date_dim where ss_sold_date_sk = d_date_sk
  group by ss_item_sk, d_date)
select * from (
  select item_sk, d_date, web_sales, store_sales,
    max(web_sales) over (
      partition by item_sk order by d_date
      rows between unbounded preceding and current row) web_cumulative
  from (
    select case when web.item_sk is not null then web.item_sk else store.item_sk end item_sk,
      case when web.d_date is not null then web.d_date else store.d_date end d_date,
      web.cume_sales web_sales, store.cume_sales store_sales
    from web_v1 web full outer join store_v1 store
      on web.item_sk = store.item_sk and web.d_date = store.d_date) x) y
where web_cumulative > 0
order by item_sk, d_date limit 100

-- q67
select * from (
  select i_category, i_class, d_year, sumsales,
    rank() over (partition by i_category order by sumsales desc) rk
  from (
    select i_category, i_class, d_year, sum(coalesce(ss_sales_price * ss_quantity, 0)) sumsales
    from store_sales, date_dim, store, item
    where ss_sold_date_sk = d_date_sk and ss_item_sk = i_item_sk and ss_store_sk = s_store_sk
    group by rollup (i_category, i_class, d_year)) dw1) dw2
where rk <= 100
order by i_category, i_class, d_year, sumsales, rk limit 100

-- q87
select count(*) from (
  (select distinct c_last_name, c_first_name, d_date from store_sales, date_dim, customer
    where ss_sold_date_sk = d_date_sk and ss_customer_sk = c_customer_sk)
  except
  (select distinct c_last_name, c_first_name, d_date from catalog_sales, date_dim, customer
    where cs_sold_date_sk = d_date_sk and cs_bill_customer_sk = c_customer_sk)
  except
  (select distinct c_last_name, c_first_name, d_date from web_sales, date_dim, customer
    where ws_sold_date_sk = d_date_sk and ws_bill_customer_sk = c_customer_sk)) cool_cust

-- q88, cross join of counts
select * from
  (select count(*) h8_30_to_9 from store_sales, store where ss_store_sk = s_store_sk) s1,
  (select count(*) h9_to_9_30 from store_sales, store where ss_store_sk = s_store_sk) s2

-- q93
select ss_customer_sk, sum(act_sales) sumsales
from (
  select ss_item_sk, ss_ticket_number, ss_customer_sk,
    case when sr_return_quantity is not null
      then (ss_quantity - sr_return_quantity) * ss_sales_price
      else (ss_quantity * ss_sales_price) end act_sales
  from store_sales left outer join store_returns
    on (sr_item_sk = ss_item_sk and sr_ticket_number = ss_ticket_number)
  where ss_quantity > 1) t
group by ss_customer_sk
order by sumsales, ss_customer_sk limit 100

-- q97
with ssci as (
  select ss_customer_sk customer_sk, ss_item_sk item_sk from store_sales, date_dim
  where ss_sold_date_sk = d_date_sk group by ss_customer_sk, ss_item_sk),
csci as (
  select cs_bill_customer_sk customer_sk, cs_item_sk item_sk from catalog_sales, date_dim
  where cs_sold_date_sk = d_date_sk group by cs_bill_customer_sk, cs_item_sk)
select sum(case when ssci.customer_sk is not null and csci.customer_sk is null then 1 else 0 end) store_only,
  sum(case when ssci.customer_sk is not null and csci.customer_sk is not null then 1 else 0 end) both_of_them
from ssci full outer join csci
  on (ssci.customer_sk = csci.customer_sk and ssci.item_sk = csci.item_sk)
limit 100

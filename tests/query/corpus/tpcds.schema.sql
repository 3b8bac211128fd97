-- The part of TPC-DS's schema that the queries here touch.
create table date_dim (
  d_date_sk integer primary key, d_date date, d_month_seq integer, d_week_seq integer,
  d_year integer, d_moy integer, d_dom integer, d_qoy integer, d_day_name char(9),
  d_quarter_name char(6), d_dow integer
);
create table store (
  s_store_sk integer primary key, s_store_id char(16), s_store_name varchar(50),
  s_number_employees integer, s_state char(2), s_county varchar(30), s_city varchar(60),
  s_company_name varchar(50), s_gmt_offset numeric(5,2), s_market_id integer, s_zip char(10)
);
create table item (
  i_item_sk integer primary key, i_item_id char(16), i_item_desc varchar(200),
  i_current_price numeric(7,2), i_class char(50), i_category char(50), i_brand char(50),
  i_brand_id integer, i_class_id integer, i_category_id integer, i_manufact_id integer,
  i_manager_id integer, i_product_name char(50), i_color char(20)
);
create table customer (
  c_customer_sk integer primary key, c_customer_id char(16), c_first_name char(20),
  c_last_name char(30), c_current_addr_sk integer, c_current_cdemo_sk integer,
  c_preferred_cust_flag char(1), c_birth_country varchar(20), c_login char(13),
  c_email_address char(50)
);
create table customer_address (
  ca_address_sk integer primary key, ca_state char(2), ca_zip char(10), ca_county varchar(30),
  ca_city varchar(60), ca_country varchar(20), ca_gmt_offset numeric(5,2)
);
create table customer_demographics (
  cd_demo_sk integer primary key, cd_gender char(1), cd_marital_status char(1),
  cd_education_status char(20), cd_dep_count integer
);
create table store_sales (
  ss_sold_date_sk integer, ss_item_sk integer, ss_customer_sk integer, ss_cdemo_sk integer,
  ss_addr_sk integer, ss_store_sk integer, ss_promo_sk integer, ss_ticket_number integer,
  ss_quantity integer, ss_wholesale_cost numeric(7,2), ss_list_price numeric(7,2),
  ss_sales_price numeric(7,2), ss_ext_discount_amt numeric(7,2), ss_ext_sales_price numeric(7,2),
  ss_ext_wholesale_cost numeric(7,2), ss_ext_list_price numeric(7,2), ss_coupon_amt numeric(7,2),
  ss_net_paid numeric(7,2), ss_net_profit numeric(7,2), primary key (ss_item_sk, ss_ticket_number)
);
create table store_returns (
  sr_returned_date_sk integer, sr_item_sk integer, sr_customer_sk integer, sr_store_sk integer,
  sr_ticket_number integer, sr_return_quantity integer, sr_return_amt numeric(7,2),
  sr_net_loss numeric(7,2), primary key (sr_item_sk, sr_ticket_number)
);
create table catalog_sales (
  cs_sold_date_sk integer, cs_ship_date_sk integer, cs_bill_customer_sk integer,
  cs_item_sk integer, cs_order_number integer, cs_quantity integer, cs_list_price numeric(7,2),
  cs_sales_price numeric(7,2), cs_ext_sales_price numeric(7,2), cs_ext_discount_amt numeric(7,2),
  cs_ext_wholesale_cost numeric(7,2), cs_ext_list_price numeric(7,2), cs_net_profit numeric(7,2),
  cs_warehouse_sk integer, cs_call_center_sk integer, cs_ship_addr_sk integer,
  cs_ext_ship_cost numeric(7,2), primary key (cs_item_sk, cs_order_number)
);
create table catalog_returns (
  cr_item_sk integer, cr_order_number integer, cr_return_quantity integer,
  cr_return_amount numeric(7,2), primary key (cr_item_sk, cr_order_number)
);
create table web_sales (
  ws_sold_date_sk integer, ws_item_sk integer, ws_bill_customer_sk integer,
  ws_order_number integer, ws_quantity integer, ws_sales_price numeric(7,2),
  ws_ext_sales_price numeric(7,2), ws_ext_discount_amt numeric(7,2),
  ws_ext_list_price numeric(7,2), ws_net_paid numeric(7,2), ws_net_profit numeric(7,2),
  ws_list_price numeric(7,2), primary key (ws_item_sk, ws_order_number)
);
create table promotion (
  p_promo_sk integer primary key, p_channel_email char(1), p_channel_event char(1)
);

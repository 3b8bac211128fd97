-- The aggregates of SQL/JSON, over the tables of nesting.sql. PostgreSQL 16 and later has them.

-- family aggregates
select q, json_arrayagg(note order by id)::text as a from o group by q;
select cust, json_arrayagg(note order by id null on null returning jsonb) as a, json_arrayagg(q order by q, id) filter (where q > 2)::text as b from o group by cust;
select q, json_objectagg(id : note returning jsonb) as a from o group by q;
select json_objectagg(id value amount absent on null with unique keys returning jsonb) as a, count(*) as n from o;
select region, json_objectagg(name : id returning jsonb) a from c group by rollup (region);
select q from o group by q having json_arrayagg(id order by id returning jsonb) @> '[7]';
select q, json_arrayagg(tags order by id returning jsonb) as a from o group by q;
select q, json_arrayagg(row_to_json(o) format json order by id)::text a from o group by q;

-- family windows
select id, json_arrayagg(q) over (partition by cust order by id)::text as a from o;
select id, json_objectagg(id : q returning jsonb) over w as a, count(*) over w as n from o window w as (partition by note order by id rows 2 preceding);

-- family subqueries
select id, (select json_arrayagg(v order by v)::text from r where r.k = c.id) as a from c;
select id, (select json_objectagg(o.id : q returning jsonb) from o where cust < c.id) from c;
select id, json_array(select q from o where cust = c.id order by o.id desc)::text a from c;
select json_array(select name from c order by id desc returning jsonb) as a;
select id, json_array(select q from o where q > 99 and o.cust = c.id)::text as a from c;
select c.id, t.a from c left join lateral (select json_arrayagg(q order by id returning jsonb) as a from o where o.cust = c.id) t on t.a @> '[3]';

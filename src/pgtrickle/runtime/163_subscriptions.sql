-- Channels that are notified when a stream table's rows have changed.

create or replace function pgtrickle.subscribe(stream_table text, channel text)
    returns void
    language plpgsql
    strict
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(stream_table);
    former_role text;
begin
    if pg_catalog.octet_length(channel) not between 1 and 63 then
        raise exception using
            errcode = '22023',
            message = 'a channel''s name has 1 to 63 bytes';
    end if;
    former_role := pgtrickle._act_as_owner(target);
    insert into pgtrickle.pgt_subscriptions (pgt_id, channel) values (target.pgt_id, subscribe.channel) on conflict do nothing;
    perform pgtrickle._act_again_as(former_role);
end
$$;
comment on function pgtrickle.subscribe(text, text) is
    'Has each refresh that changes rows of a stream table notify a channel, for whoever LISTENs there: {"stream_table", "action", "rows_inserted", "rows_deleted"}, when it commits. For an IMMEDIATE table the transactions that write its sources do. Does nothing where the channel is subscribed';


create or replace function pgtrickle.unsubscribe(stream_table text, channel text)
    returns void
    language plpgsql
    strict
    set jit = off
as $$
declare
    target pgtrickle.pgt_stream_tables := pgtrickle._find(stream_table);
    former_role text;
begin
    former_role := pgtrickle._act_as_owner(target);
    delete from pgtrickle.pgt_subscriptions s
    where s.pgt_id = target.pgt_id
      and s.channel = unsubscribe.channel;
    perform pgtrickle._act_again_as(former_role);
end
$$;
comment on function pgtrickle.unsubscribe(text, text) is 'Ends a subscription; does nothing where there is none';


create or replace function pgtrickle.list_subscriptions()
    returns table (stream_table text, channel text, created_at timestamptz)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select pgtrickle._quoted(t.pgt_schema, t.pgt_name), s.channel, s.created_at
    from pgtrickle.pgt_subscriptions s
    join pgtrickle.pgt_stream_tables t using (pgt_id)
    order by 1, 2
$$;
comment on function pgtrickle.list_subscriptions() is 'Channels that are notified when stream tables of the caller''s change';

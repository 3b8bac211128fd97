-- The demo's two schemas. `nyc` holds what the models read. `feed` holds the whole year as it was
-- published, and functions that play it into `nyc` as it happened: flights and observations arrive,
-- estimates are corrected, flights that never got a plane are withdrawn.

create schema feed;
create schema nyc;

-- The columns of the files, in their order; flight_id is ours. Published data can be copied again,
-- so it need not survive a crash.
create unlogged table feed.flights (
    year smallint not null,
    month smallint not null,
    day smallint not null,
    dep_time smallint,
    sched_dep_time smallint not null,
    dep_delay integer,
    arr_time smallint,
    sched_arr_time smallint not null,
    arr_delay integer,
    carrier text not null,
    flight integer not null,
    tailnum text,
    origin text not null,
    dest text not null,
    air_time integer,
    distance integer not null,
    hour smallint not null,
    minute smallint not null,
    time_hour timestamptz not null,
    flight_id bigint generated always as identity primary key,
    flight_date date not null generated always as (make_date(year, month, day)) stored
);
create index on feed.flights (flight_date);

create unlogged table feed.weather (
    origin text not null,
    year smallint not null,
    month smallint not null,
    day smallint not null,
    hour smallint not null,
    temp numeric,
    dewp numeric,
    humid numeric,
    wind_dir numeric,
    wind_speed numeric,
    wind_gust numeric,
    precip numeric,
    pressure numeric,
    visib numeric,
    time_hour timestamptz not null,
    observed_on date not null generated always as (make_date(year, month, day)) stored
);
create index on feed.weather (observed_on);

create table nyc.airlines (
    carrier text primary key,
    name text not null
);

create table nyc.airports (
    faa text primary key,
    name text not null,
    lat numeric(9, 6) not null,
    lon numeric(9, 6) not null,
    alt integer not null,
    tz numeric(4, 2) not null,
    dst text not null,
    tzone text
);

create table nyc.planes (
    tailnum text primary key,
    year smallint,
    type text not null,
    manufacturer text not null,
    model text not null,
    engines smallint not null,
    seats smallint not null,
    speed smallint,
    engine text not null
);

create table nyc.weather (
    origin text not null,
    time_hour timestamptz not null,
    temp numeric(5, 2),
    dewp numeric(5, 2),
    humid numeric(5, 2),
    wind_dir smallint,
    wind_speed numeric(8, 3),
    wind_gust numeric(8, 3),
    precip numeric(4, 2) not null,
    pressure numeric(6, 1),
    visib numeric(5, 2) not null,
    primary key (origin, time_hour)
);

create table nyc.flights (
    flight_id bigint primary key,
    flight_date date not null,
    time_hour timestamptz not null,
    hour smallint not null,
    carrier text not null,
    flight integer not null,
    tailnum text,
    origin text not null,
    dest text not null,
    distance integer not null,
    sched_dep_time smallint not null,
    dep_time smallint,
    dep_delay integer,
    sched_arr_time smallint not null,
    arr_time smallint,
    arr_delay integer,
    air_time integer
);
-- What a warehouse would index: how flights are looked up from the tables around them.
create index on nyc.flights (origin, time_hour);
create index on nyc.flights (carrier);
create index on nyc.flights (tailnum);
create index on nyc.flights (dest);
create index on nyc.flights (flight_date);

-- Flights and observations of the days from `first` until, not including, `ending`.
-- The arrival of every 25th flight is an estimate at first: it will be as late as it left.
create function feed.arrive(first date, ending date) returns bigint
language plpgsql
as $$
declare
    arrived bigint;
begin
    insert into nyc.weather
        (origin, time_hour, temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib)
    select origin, time_hour, temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib
    from feed.weather
    where observed_on >= first and observed_on < ending;

    insert into nyc.flights
        (flight_id, flight_date, time_hour, hour, carrier, flight, tailnum, origin, dest, distance,
         sched_dep_time, dep_time, dep_delay, sched_arr_time, arr_time, arr_delay, air_time)
    select
        flight_id, flight_date, time_hour, hour, carrier, flight, tailnum, origin, dest, distance,
        sched_dep_time, dep_time, dep_delay, sched_arr_time, arr_time,
        case when flight_id % 25 = 0 and arr_delay is not null then dep_delay else arr_delay end,
        air_time
    from feed.flights
    where flight_date >= first and flight_date < ending;
    get diagnostics arrived = row_count;
    return arrived;
end
$$;

-- Estimates become what was published.
create function feed.correct(first date, ending date) returns bigint
language plpgsql
as $$
declare
    corrected bigint;
begin
    update nyc.flights as known
    set arr_delay = published.arr_delay
    from feed.flights as published
    where published.flight_date >= first and published.flight_date < ending
        and known.flight_id = published.flight_id
        and known.arr_delay is distinct from published.arr_delay;
    get diagnostics corrected = row_count;
    return corrected;
end
$$;

-- Cancelled flights that never got a plane leave the schedule.
create function feed.withdraw(first date, ending date) returns bigint
language plpgsql
as $$
declare
    withdrawn bigint;
begin
    delete from nyc.flights
    where flight_date >= first and flight_date < ending
        and dep_time is null and tailnum is null;
    get diagnostics withdrawn = row_count;
    return withdrawn;
end
$$;

-- Pinnacle Airlines became Endeavor Air on the first of August 2013; the published names are those
-- of the end of the year.
create function feed.rename(first date, ending date) returns bigint
language plpgsql
as $$
declare
    renamed bigint;
begin
    update nyc.airlines
    set name = 'Endeavor Air Inc.'
    where carrier = '9E' and first <= date '2013-08-01' and ending > date '2013-08-01';
    get diagnostics renamed = row_count;
    return renamed;
end
$$;

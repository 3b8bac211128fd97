-- The tables of the Internet Movie Database, as far as the queries read them.
create table kind_type (id integer primary key, kind text not null);
create table info_type (id integer primary key, info text not null);
create table company_type (id integer primary key, kind text not null);
create table link_type (id integer primary key, link text not null);
create table role_type (id integer primary key, role text not null);
create table comp_cast_type (id integer primary key, kind text not null);
create table keyword (id integer primary key, keyword text not null);
create table company_name (id integer primary key, name text not null, country_code text);
create table char_name (id integer primary key, name text not null);
create table name (id integer primary key, name text not null, gender text, name_pcode_cf text);
create table title (
    id integer primary key, title text not null, kind_id integer not null, production_year integer,
    episode_nr integer
);
create table aka_name (id integer primary key, person_id integer not null, name text not null);
create table aka_title (id integer primary key, movie_id integer not null, title text not null);
create table cast_info (
    id integer primary key, person_id integer not null, movie_id integer not null,
    person_role_id integer, note text, role_id integer not null
);
create table complete_cast (
    id integer primary key, movie_id integer, subject_id integer not null, status_id integer not null
);
create table movie_companies (
    id integer primary key, movie_id integer not null, company_id integer not null,
    company_type_id integer not null, note text
);
create table movie_info (
    id integer primary key, movie_id integer not null, info_type_id integer not null,
    info text not null, note text
);
create table movie_info_idx (
    id integer primary key, movie_id integer not null, info_type_id integer not null, info text not null
);
create table movie_keyword (
    id integer primary key, movie_id integer not null, keyword_id integer not null
);
create table movie_link (
    id integer primary key, movie_id integer not null, linked_movie_id integer not null,
    link_type_id integer not null
);
create table person_info (
    id integer primary key, person_id integer not null, info_type_id integer not null, info text not null
);
create index on cast_info (movie_id);
create index on cast_info (person_id);
create index on movie_companies (movie_id);
create index on movie_info (movie_id);
create index on movie_info_idx (movie_id);
create index on movie_keyword (movie_id);

create table pgtrickle.pgt_routines (
    name text primary key
);
comment on table pgtrickle.pgt_routines is 'The functions the installed runtime consists of; others in this schema are somebody else''s';

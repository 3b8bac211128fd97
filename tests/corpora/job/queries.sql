-- q1, ratings of what was produced
select
  min(t.title) as t_title,
  min(mc.note) as mc_note
from title t, movie_companies mc, company_type ct, movie_info_idx mii, info_type it2
where mc.movie_id = t.id
  and ct.id = mc.company_type_id
  and mii.movie_id = t.id
  and it2.id = mii.info_type_id
  and ct.kind = 'production companies'
  and it2.info = 'rating'
  and mc.note not like '%(TV)%'

-- q2, titles with a keyword of foreign companies
select
  min(t.title) as t_title
from title t, movie_companies mc, company_name cn, movie_keyword mk, keyword k
where mc.movie_id = t.id
  and cn.id = mc.company_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and cn.country_code = '[de]'
  and k.keyword = 'sequel'

-- q3, genres of sequels
select
  min(t.title) as t_title
from title t, movie_keyword mk, keyword k, movie_info mi
where mk.movie_id = t.id
  and k.id = mk.keyword_id
  and mi.movie_id = t.id
  and k.keyword like '%sequel%'
  and mi.info in ('Drama', 'Horror', 'Germany: 2010')
  and t.production_year > 2000

-- q4, ratings of sequels
select
  min(mii.info) as mii_info,
  min(t.title) as t_title
from title t, movie_keyword mk, keyword k, movie_info_idx mii, info_type it2
where mk.movie_id = t.id
  and k.id = mk.keyword_id
  and mii.movie_id = t.id
  and it2.id = mii.info_type_id
  and it2.info = 'rating'
  and k.keyword like '%sequel%'
  and mii.info > '3.0'

-- q5, what was distributed where
select
  min(t.title) as t_title
from title t, movie_companies mc, company_type ct, movie_info mi, info_type it
where mc.movie_id = t.id
  and ct.id = mc.company_type_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and ct.kind = 'distributors'
  and mc.note like '%(USA)%'
  and mi.info in ('USA: 2008', 'Drama')
  and t.production_year >= 2005

-- q6, who plays in films of a hero
select
  min(k.keyword) as k_keyword,
  min(n.name) as n_name,
  min(t.title) as t_title
from title t, movie_keyword mk, keyword k, cast_info ci, name n
where mk.movie_id = t.id
  and k.id = mk.keyword_id
  and ci.movie_id = t.id
  and n.id = ci.person_id
  and k.keyword = 'hero'
  and n.name like 'A%'
  and t.production_year > 2000

-- q7, biographies of those in films that others follow
select
  min(n.name) as n_name,
  min(t.title) as t_title
from title t, movie_link ml, link_type lt, cast_info ci, name n, aka_name an, person_info pi
where ml.movie_id = t.id
  and lt.id = ml.link_type_id
  and ci.movie_id = t.id
  and n.id = ci.person_id
  and an.person_id = n.id
  and pi.person_id = n.id
  and lt.link = 'features'
  and n.name_pcode_cf between 'A1' and 'B9'
  and (n.gender = 'm' or n.name like 'B%')
  and pi.info like 'Volker%'

-- q8, voices of foreign films
select
  min(an.name) as an_name,
  min(t.title) as t_title
from title t, cast_info ci, name n, aka_name an, role_type rt, movie_companies mc, company_name cn
where ci.movie_id = t.id
  and n.id = ci.person_id
  and an.person_id = n.id
  and rt.id = ci.role_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and ci.note = '(voice)'
  and cn.country_code = '[jp]'
  and rt.role = 'actress'

-- q9, voices and characters
select
  min(an.name) as an_name,
  min(chn.name) as chn_name,
  min(t.title) as t_title
from title t, cast_info ci, name n, aka_name an, char_name chn, role_type rt, movie_companies mc,
  company_name cn
where ci.movie_id = t.id
  and n.id = ci.person_id
  and an.person_id = n.id
  and chn.id = ci.person_role_id
  and rt.id = ci.role_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and ci.note like '(voice)%'
  and cn.country_code = '[us]'
  and n.gender = 'f'
  and rt.role = 'actress'

-- q10, characters in foreign films
select
  min(chn.name) as chn_name,
  min(t.title) as t_title
from title t, cast_info ci, char_name chn, role_type rt, movie_companies mc, company_name cn,
  company_type ct
where ci.movie_id = t.id
  and chn.id = ci.person_role_id
  and rt.id = ci.role_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and ct.id = mc.company_type_id
  and ci.note like '%(uncredited)%'
  and cn.country_code <> '[us]'
  and rt.role = 'actor'

-- q11, sequels and their companies
select
  min(cn.name) as cn_name,
  min(lt.link) as lt_link,
  min(t.title) as t_title
from title t, movie_keyword mk, keyword k, movie_link ml, link_type lt, movie_companies mc,
  company_name cn, company_type ct
where mk.movie_id = t.id
  and k.id = mk.keyword_id
  and ml.movie_id = t.id
  and lt.id = ml.link_type_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and ct.id = mc.company_type_id
  and cn.country_code <> '[jp]'
  and k.keyword = 'sequel'
  and lt.link like '%follow%'
  and mc.note is null

-- q12, votes and genres of companies
select
  min(cn.name) as cn_name,
  min(mii.info) as mii_info,
  min(t.title) as t_title
from title t, movie_companies mc, company_name cn, company_type ct, movie_info mi, info_type it,
  movie_info_idx mii, info_type it2
where mc.movie_id = t.id
  and cn.id = mc.company_id
  and ct.id = mc.company_type_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and mii.movie_id = t.id
  and it2.id = mii.info_type_id
  and cn.country_code in ('[us]', '[de]')
  and it.info = 'genres'
  and mi.info in ('Drama', 'Horror')

-- q13, rated films released somewhere
select
  min(mi.info) as mi_info,
  min(mii.info) as mii_info,
  min(t.title) as t_title
from title t, kind_type kt, movie_companies mc, company_name cn, company_type ct, movie_info mi,
  info_type it, movie_info_idx mii, info_type it2
where kt.id = t.kind_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and ct.id = mc.company_type_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and mii.movie_id = t.id
  and it2.id = mii.info_type_id
  and cn.country_code <> '[us]'
  and ct.kind = 'production companies'
  and it.info = 'release dates'
  and it2.info in ('rating', 'votes')

-- q14, murders and their ratings
select
  min(mii.info) as mii_info,
  min(t.title) as t_title
from title t, kind_type kt, movie_keyword mk, keyword k, movie_info mi, info_type it, movie_info_idx
  mii, info_type it2
where kt.id = t.kind_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and mii.movie_id = t.id
  and it2.id = mii.info_type_id
  and k.keyword in ('murder', 'magnet')
  and kt.kind = 'movie'
  and mi.info in ('Germany: 2010', 'Drama', 'USA: 2008')
  and mii.info < '8.5'

-- q15, release dates on the internet
select
  min(mi.info) as mi_info,
  min(t.title) as t_title
from title t, aka_title at, movie_companies mc, company_name cn, company_type ct, movie_info mi,
  info_type it, movie_keyword mk, keyword k
where at.movie_id = t.id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and ct.id = mc.company_type_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and cn.country_code = '[us]'
  and mi.note like '%internet%'
  and t.production_year > 1995

-- q16, names in films with a keyword
select
  min(an.name) as an_name,
  min(t.title) as t_title
from title t, movie_keyword mk, keyword k, movie_companies mc, company_name cn, cast_info ci, name
  n, aka_name an
where mk.movie_id = t.id
  and k.id = mk.keyword_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and ci.movie_id = t.id
  and n.id = ci.person_id
  and an.person_id = n.id
  and cn.country_code = '[us]'
  and k.keyword = 'hero'
  and t.episode_nr >= 5
  and t.episode_nr < 50

-- q17, members of casts
select
  min(n.name) as n_name
from title t, movie_keyword mk, keyword k, movie_companies mc, company_name cn, cast_info ci, name n
where mk.movie_id = t.id
  and k.id = mk.keyword_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and ci.movie_id = t.id
  and n.id = ci.person_id
  and cn.country_code = '[us]'
  and k.keyword = 'hero'
  and n.name like '%name%'

-- q18, budgets and votes by producers
select
  min(mi.info) as mi_info,
  min(mii.info) as mii_info,
  min(t.title) as t_title
from title t, cast_info ci, name n, movie_info mi, info_type it, movie_info_idx mii, info_type it2
where ci.movie_id = t.id
  and n.id = ci.person_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and mii.movie_id = t.id
  and it2.id = mii.info_type_id
  and ci.note in ('(producer)', '(voice)')
  and it.info = 'budget'
  and it2.info = 'votes'
  and n.gender = 'm'

-- q19, voices in released films
select
  min(n.name) as n_name,
  min(t.title) as t_title
from title t, cast_info ci, name n, aka_name an, char_name chn, role_type rt, movie_companies mc,
  company_name cn, movie_info mi, info_type it
where ci.movie_id = t.id
  and n.id = ci.person_id
  and an.person_id = n.id
  and chn.id = ci.person_role_id
  and rt.id = ci.role_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and ci.note like '(voice)%'
  and cn.country_code = '[us]'
  and mi.info like '%: 20%'
  and n.gender = 'f'
  and rt.role = 'actress'

-- q20, complete casts of heroes
select
  min(t.title) as t_title
from title t, kind_type kt, complete_cast cc, comp_cast_type cct1, comp_cast_type cct2, cast_info
  ci, char_name chn, name n, movie_keyword mk, keyword k
where kt.id = t.kind_id
  and cc.movie_id = t.id
  and cct1.id = cc.subject_id
  and cct2.id = cc.status_id
  and ci.movie_id = t.id
  and chn.id = ci.person_role_id
  and n.id = ci.person_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and cct1.kind in ('cast', 'crew')
  and cct2.kind like '%c%'
  and kt.kind <> 'episode'
  and k.keyword in ('hero', 'sequel')

-- q21, sequels with news
select
  min(cn.name) as cn_name,
  min(lt.link) as lt_link,
  min(t.title) as t_title
from title t, movie_keyword mk, keyword k, movie_link ml, link_type lt, movie_companies mc,
  company_name cn, company_type ct, movie_info mi
where mk.movie_id = t.id
  and k.id = mk.keyword_id
  and ml.movie_id = t.id
  and lt.id = ml.link_type_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and ct.id = mc.company_type_id
  and mi.movie_id = t.id
  and cn.country_code <> '[jp]'
  and k.keyword = 'sequel'
  and lt.link like '%follow%'
  and mi.info in ('Germany: 2010', 'Drama')

-- q22, violent films of companies
select
  min(cn.name) as cn_name,
  min(mii.info) as mii_info,
  min(t.title) as t_title
from title t, kind_type kt, movie_keyword mk, keyword k, movie_companies mc, company_name cn,
  company_type ct, movie_info mi, info_type it, movie_info_idx mii, info_type it2
where kt.id = t.kind_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and ct.id = mc.company_type_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and mii.movie_id = t.id
  and it2.id = mii.info_type_id
  and cn.country_code <> '[us]'
  and k.keyword in ('murder', 'magnet')
  and it2.info = 'rating'
  and kt.kind in ('movie', 'episode')
  and mii.info < '8.5'

-- q23, complete casts released
select
  min(kt.kind) as kt_kind,
  min(t.title) as t_title
from title t, kind_type kt, complete_cast cc, comp_cast_type cct1, movie_companies mc, company_name
  cn, company_type ct, movie_info mi, info_type it, movie_keyword mk, keyword k
where kt.id = t.kind_id
  and cc.movie_id = t.id
  and cct1.id = cc.subject_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and ct.id = mc.company_type_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and cct1.kind = 'complete+verified'
  and cn.country_code = '[us]'
  and mi.note like '%internet%'

-- q24, voices of heroes
select
  min(chn.name) as chn_name,
  min(n.name) as n_name,
  min(t.title) as t_title
from title t, cast_info ci, name n, aka_name an, char_name chn, role_type rt, movie_companies mc,
  company_name cn, movie_info mi, info_type it, movie_keyword mk, keyword k
where ci.movie_id = t.id
  and n.id = ci.person_id
  and an.person_id = n.id
  and chn.id = ci.person_role_id
  and rt.id = ci.role_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and ci.note like '(voice)%'
  and cn.country_code = '[us]'
  and k.keyword in ('hero', 'murder')
  and n.gender = 'f'

-- q25, writers of violent films
select
  min(mi.info) as mi_info,
  min(mii.info) as mii_info,
  min(n.name) as n_name,
  min(t.title) as t_title
from title t, cast_info ci, name n, movie_info mi, info_type it, movie_info_idx mii, info_type it2,
  movie_keyword mk, keyword k
where ci.movie_id = t.id
  and n.id = ci.person_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and mii.movie_id = t.id
  and it2.id = mii.info_type_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and ci.note in ('(producer)', '(voice)')
  and it.info in ('genres', 'budget')
  and k.keyword in ('murder', 'hero')

-- q26, characters of complete casts
select
  min(chn.name) as chn_name,
  min(mii.info) as mii_info,
  min(n.name) as n_name,
  min(t.title) as t_title
from title t, kind_type kt, complete_cast cc, comp_cast_type cct1, comp_cast_type cct2, cast_info
  ci, char_name chn, name n, movie_info_idx mii, info_type it2, movie_keyword mk, keyword k
where kt.id = t.kind_id
  and cc.movie_id = t.id
  and cct1.id = cc.subject_id
  and cct2.id = cc.status_id
  and ci.movie_id = t.id
  and chn.id = ci.person_role_id
  and n.id = ci.person_id
  and mii.movie_id = t.id
  and it2.id = mii.info_type_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and cct1.kind = 'cast'
  and cct2.kind like '%complete%'
  and it2.info = 'rating'
  and k.keyword in ('hero', 'magnet')

-- q27, complete sequels
select
  min(cn.name) as cn_name,
  min(lt.link) as lt_link,
  min(t.title) as t_title
from title t, complete_cast cc, comp_cast_type cct1, comp_cast_type cct2, movie_keyword mk, keyword
  k, movie_link ml, link_type lt, movie_companies mc, company_name cn, company_type ct, movie_info
  mi
where cc.movie_id = t.id
  and cct1.id = cc.subject_id
  and cct2.id = cc.status_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and ml.movie_id = t.id
  and lt.id = ml.link_type_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and ct.id = mc.company_type_id
  and mi.movie_id = t.id
  and cct2.kind <> 'complete'
  and k.keyword in ('sequel', 'hero')
  and lt.link like '%f%'

-- q28, complete violent films
select
  min(cn.name) as cn_name,
  min(mii.info) as mii_info,
  min(t.title) as t_title
from title t, kind_type kt, complete_cast cc, comp_cast_type cct1, comp_cast_type cct2,
  movie_keyword mk, keyword k, movie_companies mc, company_name cn, company_type ct, movie_info mi,
  info_type it, movie_info_idx mii, info_type it2
where kt.id = t.kind_id
  and cc.movie_id = t.id
  and cct1.id = cc.subject_id
  and cct2.id = cc.status_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and ct.id = mc.company_type_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and mii.movie_id = t.id
  and it2.id = mii.info_type_id
  and cct1.kind = 'crew'
  and cct2.kind <> 'complete+verified'
  and k.keyword in ('murder', 'hero')
  and mii.info < '9.5'

-- q29, everything about voices
select
  min(chn.name) as chn_name,
  min(n.name) as n_name,
  min(t.title) as t_title
from title t, complete_cast cc, comp_cast_type cct1, comp_cast_type cct2, cast_info ci, name n,
  aka_name an, char_name chn, role_type rt, movie_companies mc, company_name cn, movie_info mi,
  info_type it, movie_keyword mk, keyword k, person_info pi
where cc.movie_id = t.id
  and cct1.id = cc.subject_id
  and cct2.id = cc.status_id
  and ci.movie_id = t.id
  and n.id = ci.person_id
  and an.person_id = n.id
  and chn.id = ci.person_role_id
  and rt.id = ci.role_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and pi.person_id = n.id
  and cct1.kind = 'cast'
  and ci.note like '(voice)%'
  and cn.country_code = '[us]'
  and n.gender = 'f'

-- q30, complete casts of violent writers
select
  min(mi.info) as mi_info,
  min(mii.info) as mii_info,
  min(n.name) as n_name,
  min(t.title) as t_title
from title t, complete_cast cc, comp_cast_type cct1, comp_cast_type cct2, cast_info ci, name n,
  movie_info mi, info_type it, movie_info_idx mii, info_type it2, movie_keyword mk, keyword k
where cc.movie_id = t.id
  and cct1.id = cc.subject_id
  and cct2.id = cc.status_id
  and ci.movie_id = t.id
  and n.id = ci.person_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and mii.movie_id = t.id
  and it2.id = mii.info_type_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and cct1.kind in ('cast', 'crew')
  and it2.info = 'votes'
  and k.keyword in ('murder', 'hero')
  and n.gender = 'm'

-- q31, companies of writers
select
  min(mi.info) as mi_info,
  min(mii.info) as mii_info,
  min(n.name) as n_name,
  min(t.title) as t_title
from title t, cast_info ci, name n, movie_companies mc, company_name cn, movie_info mi, info_type
  it, movie_info_idx mii, info_type it2, movie_keyword mk, keyword k
where ci.movie_id = t.id
  and n.id = ci.person_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and mi.movie_id = t.id
  and it.id = mi.info_type_id
  and mii.movie_id = t.id
  and it2.id = mii.info_type_id
  and mk.movie_id = t.id
  and k.id = mk.keyword_id
  and ci.note in ('(producer)', '(voice)')
  and cn.name like 'A%'
  and it2.info = 'votes'
  and k.keyword in ('murder', 'hero')

-- q32, linked films
select
  min(lt.link) as lt_link,
  min(t.title) as t_title,
  min(t2.title) as t2_title
from title t, movie_keyword mk, keyword k, movie_link ml, link_type lt, title t2
where mk.movie_id = t.id
  and k.id = mk.keyword_id
  and ml.movie_id = t.id
  and lt.id = ml.link_type_id
  and t2.id = ml.linked_movie_id
  and k.keyword = 'hero'

-- q33, linked series and their ratings
select
  min(cn.name) as cn_name,
  min(cn2.name) as cn2_name,
  min(mii.info) as mii_info,
  min(mii2.info) as mii2_info,
  min(t.title) as t_title,
  min(t2.title) as t2_title
from title t, kind_type kt, movie_companies mc, company_name cn, movie_info_idx mii, info_type it2,
  movie_link ml, link_type lt, title t2, kind_type kt2, movie_companies mc2, company_name cn2,
  movie_info_idx mii2, info_type it3
where kt.id = t.kind_id
  and mc.movie_id = t.id
  and cn.id = mc.company_id
  and mii.movie_id = t.id
  and it2.id = mii.info_type_id
  and ml.movie_id = t.id
  and lt.id = ml.link_type_id
  and t2.id = ml.linked_movie_id
  and kt2.id = t2.kind_id
  and mc2.movie_id = t2.id
  and cn2.id = mc2.company_id
  and mii2.movie_id = t2.id
  and it3.id = mii2.info_type_id
  and cn.country_code is not null
  and it2.info in ('rating', 'votes', 'budget')
  and mii2.info < '9.5'

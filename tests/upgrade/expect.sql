-- expect.sql: what the reads of a database at the state `:state` answer over REST, as one JSON array of [path parts, body];
-- of a plan, the body is its JSON text.
\set ON_ERROR_STOP 1
\pset tuples_only on
\pset format unaligned
set client_min_messages = warning;
set bytea_output = hex;
select :state >= 2 as has_projects, :state >= 3 as has_files \gset

create temp table read (parts text[], body text);
create function pg_temp.list(p_bodies json[]) returns text language sql as $$ select '[' || coalesce(array_to_string(p_bodies, ','), '') || ']' $$;
\set rows 'array_agg(r.body) filter (where r.body is not null)'

insert into read select array['workspace', slug, 'sessions'], pg_temp.list((select :rows from api.sessions(slug) r)) from app.workspace;
insert into read select array['workspace', slug, 'sources'], pg_temp.list((select :rows from api.sources(slug) r)) from app.workspace;
insert into read select array['workspace', slug, 'skills'], pg_temp.list((select :rows from api.skills(slug) r)) from app.workspace;
insert into read select array['workspace', slug, 'statuses'], (select r.body from api.statuses(slug) r) from app.workspace;
insert into read select array['workspace', slug, 'labels'], (select r.body from api.labels(slug) r) from app.workspace;
insert into read select array['workspace', w.slug, 'sessions', s.id], regexp_replace(s.header::text, '\s*}\s*$', '') || ',"messages":' ||
	pg_temp.list((select array_agg(m.body order by m.idx) from app.message m where m.session_key = s.key)) || '}'
	from app.session s join app.workspace w on w.id = s.workspace_id;
insert into read select distinct array['workspace', w.slug, 'sessions', p.session_id, 'plans'], pg_temp.list((select :rows from api.plans(w.slug, p.session_id) r))
	from app.plan p join app.workspace w on w.id = p.workspace_id;
insert into read select array['workspace', w.slug, 'sessions', p.session_id, 'plans', p.name], p.content from app.plan p join app.workspace w on w.id = p.workspace_id;
insert into read select array['workspace', w.slug, 'sources', s.slug], (select r.body from api.source(w.slug, s.slug) r)
	from app.source s join app.workspace w on w.id = s.workspace_id where s.config is not null;
\if :has_projects
	insert into read select array['workspace', slug, 'projects'], pg_temp.list((select :rows from api.projects(slug) r)) from app.workspace;
	insert into read select array['workspace', slug, 'sandbox', 'sessions'], pg_temp.list((select :rows from api.sandboxes(slug) r)) from app.workspace;
	insert into read select array['workspace', w.slug, 'projects', p.repo_key], (select r.body from api.project(w.slug, p.repo_key) r)
		from app.project p join app.workspace w on w.id = p.workspace_id;
\endif
\if :has_files
	insert into read select distinct array['files', w.slug, f.session_id, f.type], pg_temp.list((select :rows from api.files(w.slug, f.session_id, f.type) r))
		from app.file f join app.workspace w on w.id = f.workspace_id where f.type <> 'assets';
\endif
select '[' || string_agg(json_build_array(to_json(parts), body)::text, E',\n' order by parts) || ']' from read;

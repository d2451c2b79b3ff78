-- The roles and schemas that everything else belongs to. Run first at every migration; safe to run again.
-- Roles are global to a PostgreSQL cluster: where the migrating role may not create them, an
-- administrator creates the three by hand and this file only checks that they are there.

do $$
declare
	r record;
begin
	for r in select * from (values
		('craft_owner',  'nologin', 'Owns the schemas app, api and report of craft-agent-cloud; nobody logs in as it.'),
		('craft_daemon', 'login',   'What the daemons of craft-agent-cloud log in as: may execute the functions of schema api, nothing else.'),
		('craft_dba',    'nologin', 'For people: grant it to a login role to read schema report of craft-agent-cloud, which holds no credentials.')
	) as wanted(name, login, about)
	loop
		if not exists (select from pg_catalog.pg_roles where rolname = r.name) then
			execute format('create role %I %s', r.name, r.login);
			execute format('comment on role %I is %L', r.name, r.about);
		end if;
	end loop;
end
$$;

create schema if not exists app authorization craft_owner;
create schema if not exists api authorization craft_owner;
create schema if not exists report authorization craft_owner;

comment on schema app is 'Tables of craft-agent-cloud. Only the functions of schema api write them.';
comment on schema api is 'The functions that the daemons change and read workspaces by; for administrators too (as the owner or a superuser). What one of them changes reaches the connected clients, except files, which aren''t synced.';
comment on schema report is 'Read-only views for people: workspaces, sessions, changes, sources, skills, plans, projects, sandboxes, files. No credentials.';
